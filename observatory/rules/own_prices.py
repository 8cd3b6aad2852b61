"""Our own prices: which of them apply to a call, the most specific first.

A price for the tenant comes before one for the deployment, that before one for the region, then one for the model by
that very name, one for the model by another name that the shipped list has for it, one for any model; at last one for
the service tier itself before one with a multiplier for it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from observatory.rules.model_names import spellings
from observatory.rules.price_lists import Span, grouped, span_of
from observatory.rules.price_rows import PriceKey, PriceRow, rates_of
from observatory.rules.pricing import Rates

ListedNames = Callable[[int, str, str], frozenset[str]]
"""What the shipped list of the time of a version calls (provider, model), in lower case."""


@dataclass(frozen=True, slots=True)
class RecordedRow:
    """A row and the version that brought it."""

    version: int
    row: PriceRow


@dataclass(frozen=True, slots=True)
class _OwnPrice:
    """A row with its tiers."""

    version: int
    key: PriceKey
    rows: tuple[PriceRow, ...]

    def span_for(self, tier: str | None) -> Span:
        """Its period, with its rates in a service tier; without where it is withdrawn or does not offer the tier."""
        return span_of(self.version, self.rows, self._rates_for(tier))

    def _rates_for(self, tier: str | None) -> Rates | None:
        base = self.rows[0]
        if base.withdrawn:
            return None
        if tier == base.service_tier:
            return rates_of(self.rows)
        factor = dict(base.multipliers).get(tier or "")
        return None if factor is None else rates_of(self.rows, factor)


class OwnPrices:
    """All rows that we recorded ourselves."""

    def __init__(self, recorded: Iterable[RecordedRow], listed_names: ListedNames) -> None:
        self._listed_names = listed_names
        self._prices: dict[str, list[_OwnPrice]] = {}
        by_version: dict[int, list[PriceRow]] = {}
        for one in recorded:
            by_version.setdefault(one.version, []).append(one.row)
        for version, rows in by_version.items():
            for group in grouped(rows):
                price = _OwnPrice(version, group[0].key, tuple(group))
                self._prices.setdefault(price.key.provider, []).append(price)

    @property
    def keys(self) -> frozenset[PriceKey]:
        """What there are prices for."""
        return frozenset(price.key for prices in self._prices.values() for price in prices)

    def spans(self, asked: PriceKey) -> Iterator[tuple[Span, ...]]:
        """The spans of each key that applies, newest version first; keys that never have a rate are left out."""
        ranked: dict[tuple[tuple[int, ...], PriceKey], list[Span]] = {}
        for price in self._prices.get(asked.provider, ()):
            rank = self._rank(price, asked)
            if rank is not None:
                ranked.setdefault((rank, price.key), []).append(price.span_for(asked.service_tier))
        for place in sorted(ranked, key=lambda place: place[0], reverse=True):
            if any(span.rates is not None for span in ranked[place]):
                yield tuple(sorted(ranked[place], key=lambda span: span.version, reverse=True))

    def names(self, recorded: RecordedRow, model: str) -> bool:
        """Whether the price is one for that model, by whichever of its names."""
        return bool(self._how_named(recorded.version, recorded.row.key, model))

    def _rank(self, price: _OwnPrice, asked: PriceKey) -> tuple[int, ...] | None:
        """How specific a price is that applies; None for one that does not."""
        key = price.key
        wanted = ((key.tenant_id, asked.tenant_id), (key.deployment, asked.deployment), (key.region, asked.region))
        if any(mine is not None and mine != given for mine, given in wanted):
            return None
        if key.service_tier not in (None, asked.service_tier):
            return None
        named = self._how_named(price.version, key, asked.model or "")
        if named is None:
            return None
        return (*(int(mine is not None) for mine, _ in wanted), named, int(key.service_tier is not None))

    def _how_named(self, version: int, key: PriceKey, name: str) -> int | None:
        """2: by that very name, 1: by another of the model's, 0: any model. None: another model."""
        if key.model is None:
            return 0
        if key.model in spellings(name):
            return 2
        return 1 if key.model in self._listed_names(version, key.provider, name) else None
