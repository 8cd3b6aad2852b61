"""The price book: a snapshot of what is known of prices, asked without I/O.

Our own prices come before the shipped list; of our own the most specific one counts (see `own_prices`), and of those
for the same the one of the newest version that is valid at the moment of the call. Of shipped lists only the newest
counts. A price that does not offer the service tier of the call, or was withdrawn, leaves it to the next one.

Promises: an answer names the newest version that took part in it, so the book as of that version gives the same answer;
a price that is not known is None, never 0 and never a guess.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from observatory.rules.own_prices import OwnPrices, RecordedRow
from observatory.rules.price_lists import ListedModel, PriceList, Span
from observatory.rules.price_rows import PriceKey, PriceRow
from observatory.rules.pricing import STANDARD_TIERS, PriceQuery, Rates, UnpricedTokensError, cost_of
from observatory.rules.usage import StoredUsage
from schemas.calls import Usage

CACHED_ANSWERS = 4096
LISTS_OF = {"azure": ("azure", "openai")}
"""Azure sells at OpenAI's list price what its own list does not hold."""

Source = Literal["shipped", "set", "import"]


EVER = datetime.min.replace(tzinfo=UTC)
"""Before every price."""

_Answer = tuple[Rates, str] | None
_Candidates = Sequence[Sequence[Span]]
"""Spans of one key each, the one that counts first; the most specific key first."""


class UnknownPriceVersion(Exception):
    """The book has no such version."""


@dataclass(frozen=True, slots=True)
class PriceVersion:
    """One recorded step of the book; `name` is what facts carry. `shipped` is a whole list, the others are rows."""

    version: int
    name: str
    source: Source
    recorded_at: datetime
    note: str = ""


class PriceBook:
    """Versions and the rows that they brought. Immutable; answers are cached."""

    def __init__(
        self,
        versions: Iterable[PriceVersion],
        rows: Iterable[RecordedRow],
        *,
        lists: Mapping[int, PriceList] = MappingProxyType({}),
    ) -> None:
        """`lists` are shipped versions that another snapshot has put together already; their rows may be left out."""
        self.versions = tuple(sorted(versions, key=lambda version: version.version))
        self._by_number = {version.version: version for version in self.versions}
        self._names = {number: version.name for number, version in self._by_number.items()}
        shipped = [version.version for version in self.versions if version.source == "shipped"]
        of_lists: dict[int, list[PriceRow]] = {number: [] for number in shipped if number not in lists}
        own = []
        for recorded in rows:
            if recorded.version in of_lists:
                of_lists[recorded.version].append(recorded.row)
            elif recorded.version not in lists:
                own.append(recorded)
        self._lists = {
            number: lists[number] if number in lists else PriceList(number, of_lists[number]) for number in shipped
        }
        self.own_rows = tuple(own)
        self._own = OwnPrices(own, self._listed_names)
        keys = self._own.keys
        self._special = any(key.tenant_id or key.region or key.deployment for key in keys)
        # What no price is about must not spread the cache over its values.
        self._tenants = frozenset(key.tenant_id for key in keys)
        self._regions = frozenset(key.region for key in keys)
        self._deployments = frozenset(key.deployment for key in keys)
        self._cached = lru_cache(CACHED_ANSWERS)(self._timeline)

    @property
    def version(self) -> int:
        """The newest version; 0 for an empty book."""
        return self.versions[-1].version if self.versions else 0

    @property
    def shipped(self) -> PriceList | None:
        """The shipped list that counts."""
        return next(reversed(self._lists.values()), None)

    @property
    def lists(self) -> tuple[PriceList, ...]:
        """Every shipped list, by version."""
        return tuple(self._lists.values())

    def names(self, recorded: RecordedRow, model: str) -> bool:
        """Whether a price of our own is one for that model, by whichever of its names."""
        return self._own.names(recorded, model)

    def rates(self, query: PriceQuery) -> tuple[Rates, str] | None:
        """The rates that applied at that moment and the name of their version; None where no price is known."""
        at = query.at
        for begin, answer in self._timeline_of(query):
            if at >= begin:
                return answer.at(at) if isinstance(answer, _Hourly) else answer
        return None

    def _timeline_of(self, query: PriceQuery) -> "_Timeline":
        tenant = region = deployment = None
        if self._special:
            tenant = query.tenant_id if query.tenant_id in self._tenants else None
            region = query.region if query.region in self._regions else None
            deployment = query.deployment if query.deployment in self._deployments else None
        return self._cached(query.kind, query.model, query.service_tier, tenant, region, deployment)

    def cost(self, query: PriceQuery, usage: Usage | StoredUsage) -> tuple[Decimal, str] | None:
        """USD for the usage and the name of the version; None where a token of it has no known price."""
        found = self.rates(query)
        if found is None:
            return None
        rates, price_version = found
        try:
            return cost_of(usage, rates), price_version
        except UnpricedTokensError:
            return None

    def moments(self, query: PriceQuery) -> list[datetime]:
        """When the answer to a query may change, whatever its own moment is, in order."""
        found = []
        for begin, answer in reversed(self._timeline_of(query)):
            hours = answer.hours if isinstance(answer, _Hourly) else [timedelta()]
            found += [begin + hour for hour in hours]
        return found

    def as_of(self, version: int) -> "PriceBook":
        """What was known with that version. Raises `UnknownPriceVersion`."""
        if version not in self._names:
            raise UnknownPriceVersion(f"the price book has no version {version}")
        known = [one for one in self.versions if one.version <= version]
        return PriceBook(known, (one for one in self.own_rows if one.version <= version), lists=self._lists)

    def version_named(self, name: str) -> PriceVersion:
        """By name (`book/7`) or number (`7`). Raises `UnknownPriceVersion`."""
        for version in self.versions:
            if name in (version.name, str(version.version)):
                return version
        raise UnknownPriceVersion(f"the price book has no version {name!r}")

    def version_of(self, number: int) -> PriceVersion:
        """The version of that number, which the book has."""
        return self._by_number[number]

    def extended(self, versions: Iterable[PriceVersion], rows: Iterable[RecordedRow]) -> "PriceBook":
        """The book with newer versions on top."""
        return PriceBook([*self.versions, *versions], [*self.own_rows, *rows], lists=self._lists)

    def with_overrides(self, rows: Iterable[PriceRow], *, name: str = "what-if") -> "PriceBook":
        """The book as it would be with these rows (see `price_checks`) as its newest version, of that name."""
        number = self.version + 1
        recorded_at = self.versions[-1].recorded_at if self.versions else EVER
        version = PriceVersion(number, name, "import", recorded_at)
        return self.extended([version], [RecordedRow(number, row) for row in rows])

    def _timeline(
        self,
        kind: str,
        model: str,
        service_tier: str | None,
        tenant: str | None,
        region: str | None,
        deployment: str | None,
    ) -> "_Timeline":
        """The answer from each moment on at which it changes, the latest first."""
        tier = None if service_tier in STANDARD_TIERS else service_tier
        own = self._own.spans(PriceKey(kind, model, tenant, region, deployment, tier))
        listed = _listed(self.shipped, kind, model)
        candidates = (*own, *(found.spans[tier] for found in listed if tier in found.spans))
        spans = [span for of_key in candidates for span in of_key]
        changes = {moment for span in spans for moment in (span.valid_from, span.valid_to) if moment is not None}
        hourly = _Hourly(candidates, self._names) if any(span.is_hourly for span in spans) else None
        return tuple(
            (begin, hourly or _answer(candidates, self._names, begin))
            for begin in sorted({EVER, *changes}, reverse=True)
        )

    def _listed_names(self, version: int, kind: str, model: str) -> frozenset[str]:
        """What the shipped list of the time of that version calls the model."""
        known = [one for number, one in self._lists.items() if number <= version]
        return frozenset(found.name.lower() for found in _listed(known[-1] if known else None, kind, model))


def _answer(candidates: _Candidates, names: Mapping[int, str], at: datetime) -> _Answer:
    newest = 0
    for spans in candidates:
        for span in spans:
            if span.covers(at):
                newest = max(newest, span.version)
                if span.rates is not None:
                    return span.rates, names[newest]
                break
    return None


@dataclass(frozen=True, slots=True)
class _Hourly:
    """Where prices change with the hour of the day."""

    candidates: _Candidates
    names: Mapping[int, str]

    @property
    def hours(self) -> list[timedelta]:
        """When a day's prices change, from midnight on."""
        begins = {span.daily_from for spans in self.candidates for span in spans} | {None}
        return sorted(timedelta() if hour is None else _since_midnight(hour) for hour in begins)

    def at(self, moment: datetime) -> _Answer:
        return _answer(self.candidates, self.names, moment)


_Timeline = tuple[tuple[datetime, _Answer | _Hourly], ...]


def _since_midnight(hour: time) -> timedelta:
    return datetime.combine(EVER, hour, UTC) - EVER


def _listed(prices: PriceList | None, kind: str, model: str) -> Iterator[ListedModel]:
    for provider in LISTS_OF.get(kind, (kind,)):
        found = None if prices is None else prices.find(provider, model)
        if found is not None:
            yield found
