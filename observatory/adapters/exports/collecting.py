"""Sums up an export by model and day while it is read, and finds what only shows over many rows."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from observatory.adapters.exports.files import NothingUsed, Reader
from observatory.adapters.exports.rows import Exported, Measures, Problems
from observatory.rules.drift import BUCKETS, Figures, Key, Said
from observatory.rules.pricing import PriceQuery, Prices
from schemas.calls import Usage

_INSTANT = timedelta(microseconds=1)


class Collector:
    """Takes the rows of one export of a provider, whose prices are `prices`. Memory grows with models and buckets."""

    def __init__(self, provider: str, prices: Prices, problems: Problems) -> None:
        self._provider, self._prices, self._problems = provider, prices, problems
        self._places: dict[bytes, str] = {}
        self._lengths: dict[str, timedelta] = {}
        self._kinds: set[str] = set()
        self._days: dict[str, set[date]] = {"usage": set(), "cost": set(), "call": set()}
        self._usage: dict[Key, Figures] = {}
        self._costs: dict[Key, Figures] = {}
        self._priced: dict[Key, Figures] = {}
        self._unpriceable: set[Key] = set()
        self._counts_calls = True
        self._several = False

    def read(self, reader: Reader, paths: Sequence[Path]) -> Iterator[Exported]:
        """Every good row of the files, summed up on the way."""
        self._several = len(paths) > 1
        for path in paths:
            for row in reader.rows(path):
                if isinstance(row, NothingUsed):
                    self._nothing(path, row)
                else:
                    self._take(row)
                    yield row
        if "call" in self._kinds and len(self._kinds) > 1:
            self._problems.add(str(paths[0]), "rows by call and sums by bucket are in one export: one of them only")
        if not self._problems.count and not any(self._days.values()):
            self._problems.add(str(paths[0]), "there is no row in it")

    def said(self) -> Said:
        """What the export says, after it was read."""
        usage_days = frozenset(self._days["usage"] | self._days["call"])
        billed = bool(self._days["cost"])
        return Said(
            usage=self._usage,
            costs=self._costs if billed else self._priced,
            usage_days=usage_days,
            cost_days=frozenset(self._days["cost"]) if billed else usage_days,
            unpriceable=frozenset() if billed else frozenset(self._unpriceable),
            counts_calls=self._counts_calls,
            priced=not billed,
        )

    def _nothing(self, path: Path, row: NothingUsed) -> None:
        """A whole export without a row says that nothing was used and nothing billed; a file of one says nothing."""
        if row.kind is not None:
            self._days[row.kind].add(row.day)
        elif self._several:
            self._problems.add(str(path), "has no row, so it is not known what of: leave it out")
        else:
            self._days["usage"].add(row.day)
            self._days["cost"].add(row.day)

    def _take(self, row: Exported) -> None:
        self._kinds.add(row.kind)
        if row.kind != "call":
            self._check(row)
        measures, day = row.measures, row.window.day
        assert measures.model is not None
        key = (measures.model, day)
        self._days[row.kind].add(day)
        if measures.usage is not None:
            self._counts_calls &= measures.calls is not None
            tokens = {name: getattr(measures.usage, name) or 0 for name in BUCKETS}
            self._usage.setdefault(key, Figures()).add(Figures(calls=measures.calls, tokens=tokens))
            self._price(key, row, measures, measures.usage)
        if row.kind == "cost":
            self._costs.setdefault(key, Figures()).add(Figures(usd=measures.cost_usd))

    def _check(self, row: Exported) -> None:
        """No row twice, and no two lengths of buckets, which would sum up the same calls twice."""
        name = hashlib.blake2b(repr(row.identity).encode(), digest_size=16).digest()
        known = self._places.setdefault(name, row.where)
        if known != row.where:
            self._problems.add(row.where, f"is the same row as {known}: a row stands twice")
        if row.window.end is not None and row.kind == "usage":
            length = row.window.end - row.window.begin
            first = self._lengths.setdefault(row.kind, length)
            if length != first:
                self._problems.add(row.where, f"sums up {length}, rows before it {first}: buckets would overlap")

    def _price(self, key: Key, row: Exported, measures: Measures, usage: Usage) -> None:
        usd = measures.cost_usd if measures.cost_usd is not None else self._cost(key[0], row, measures, usage)
        if usd is None:
            self._unpriceable.add(key)
        else:
            self._priced.setdefault(key, Figures()).add(Figures(usd=usd))

    def _cost(self, model: str, row: Exported, measures: Measures, usage: Usage) -> Decimal | None:
        """At our prices; None where there is none, or for a sum of calls one that depends on each call."""
        begin, end = row.window.begin, row.window.end
        query = self._query(model, measures, begin)
        if end is not None:
            found = self._prices.rates(query)
            if found is None or found[0].tiers:
                return None
            last = self._prices.rates(self._query(model, measures, end - _INSTANT))
            if last is None or last[0] != found[0]:
                return None
        priced = self._prices.cost(query, usage)
        return None if priced is None else priced[0]

    def _query(self, model: str, measures: Measures, at: datetime) -> PriceQuery:
        return PriceQuery(kind=self._provider, model=model, at=at, service_tier=measures.service_tier)


def staged_columns(row: Exported) -> tuple[object, ...]:
    """A row of one call as the staging table takes it."""
    measures = row.measures
    usage: Mapping[str, int | None] = dict(measures.usage or Usage())
    return (
        row.where,
        measures.response_id,
        measures.call_id,
        measures.model,
        row.window.begin,
        measures.service_tier,
        *usage.values(),
    )
