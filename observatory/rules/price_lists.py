"""A shipped price list: which model of a provider's list a name means, and what that model costs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from operator import itemgetter

import orjson

from observatory.rules.model_names import Matcher, matcher, spellings
from observatory.rules.price_rows import PriceRow, rates_of
from observatory.rules.pricing import Rates


@dataclass(frozen=True, slots=True)
class Span:
    """Rates in a period, as `PriceRow` says it; None: no price, and earlier ones do not apply."""

    version: int
    valid_from: datetime | None
    valid_to: datetime | None
    daily_from: time | None
    daily_to: time | None
    rates: Rates | None

    @property
    def is_hourly(self) -> bool:
        """Whether it applies in some hours of the day only."""
        return self.daily_from is not None or self.daily_to is not None

    def covers(self, at: datetime) -> bool:
        """Whether the moment is in the period."""
        if self.valid_from is not None and at < self.valid_from:
            return False
        if self.valid_to is not None and at >= self.valid_to:
            return False
        return not self.is_hourly or self._in_hours(at.astimezone(UTC).time())

    def _in_hours(self, hour: time) -> bool:
        return (self.daily_from is None or hour >= self.daily_from) and (self.daily_to is None or hour < self.daily_to)


def span_of(version: int, rows: Sequence[PriceRow], rates: Rates | None) -> Span:
    """The period of a row (and its tiers) with rates."""
    row = rows[0]
    return Span(version, row.valid_from, row.valid_to, row.daily_from, row.daily_to, rates)


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model, perhaps without a price; `spans` by service tier (None: standard) do not overlap, the latest first."""

    name: str
    matches: Matcher
    spans: Mapping[str | None, tuple[Span, ...]]
    rows: tuple[PriceRow, ...]


class PriceList:
    """One shipped version."""

    def __init__(self, version: int, rows: Iterable[PriceRow]) -> None:
        self.version = version
        self._models: dict[str, list[ListedModel]] = {}
        by_model: dict[tuple[str, int], list[PriceRow]] = {}
        for row in rows:
            by_model.setdefault((row.provider, row.list_position or 0), []).append(row)
        for (provider, _), model_rows in sorted(by_model.items(), key=itemgetter(0)):
            self._models.setdefault(provider, []).append(_listed(version, model_rows))

    @property
    def providers(self) -> frozenset[str]:
        """Whose prices it holds."""
        return frozenset(self._models)

    def models(self, provider: str) -> Sequence[ListedModel]:
        """A provider's models in the order in which names are looked up."""
        return self._models.get(provider, ())

    def find(self, provider: str, name: str) -> ListedModel | None:
        """The model that a name means: the first that goes by it, as given, else with its date in dashes."""
        models = self.models(provider)
        found = (model for spelling in spellings(name) for model in models if model.matches(spelling))
        return next(found, None)


def _listed(version: int, rows: Sequence[PriceRow]) -> ListedModel:
    first = rows[0]
    by_tier: dict[str | None, list[Span]] = {}
    for group in grouped(row for row in rows if row.named_prices):
        by_tier.setdefault(group[0].service_tier, []).append(span_of(version, group, rates_of(group)))
    spans = {tier: tuple(reversed(found)) for tier, found in by_tier.items()}
    return ListedModel(first.model or "", matcher(orjson.loads(first.list_match or "")), spans, tuple(rows))


def grouped(rows: Iterable[PriceRow]) -> list[list[PriceRow]]:
    """Each row with its tiers behind it, by rising threshold."""
    groups: dict[tuple[object, ...], list[PriceRow]] = {}
    for row in rows:
        place = (row.list_position, row.key, row.valid_from, row.valid_to, row.daily_from, row.daily_to)
        groups.setdefault(place, []).append(row)
    return [sorted(group, key=lambda row: row.above_tokens) for group in groups.values()]
