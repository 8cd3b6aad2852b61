"""What a provider says that it served and billed against what we booked, by model and day; and what to adjust. Pure.

A provider's bill is about more than our calls (other programs with its keys, tools, calls that we never heard of), so
a difference belongs to no call: it is adjusted as an amount of its own, by model and day.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal

from observatory.rules.money import MONEY, ZERO, total
from schemas.calls import Usage

BUCKETS = tuple(name for name in Usage.model_fields if name != "reasoning_tokens")
"""The disjoint ones; reasoning is a part of the output that exports do not tell."""

_DATED = re.compile(r"(.+?)-(?:\d{8}|\d{4}-\d{2}-\d{2})")
_PERCENT = Context(prec=28, rounding=ROUND_HALF_EVEN)
_SHOWN = Decimal("0.0001")

Key = tuple[str, date]
"""A model and a day in UTC."""


@dataclass(kw_only=True)
class Figures:
    """Sums of calls. None: not said. Tokens by bucket, cost in US dollars."""

    calls: int | None = None
    tokens: dict[str, int] | None = None
    usd: Decimal | None = None

    def add(self, other: "Figures") -> None:
        """Adds the other's; what one of them does not say the other says alone."""
        self.calls = _sum(self.calls, other.calls)
        self.usd = other.usd if self.usd is None else MONEY.add(self.usd, other.usd or ZERO)
        if other.tokens is not None:
            mine = self.tokens or dict.fromkeys(BUCKETS, 0)
            self.tokens = {name: mine[name] + other.tokens[name] for name in BUCKETS}


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One model and day. `booked_usd` are the adjustments so far, `unpriced_calls` those of ours without a cost."""

    model: str
    day: date
    ours: Figures
    theirs: Figures
    booked_usd: Decimal
    unpriced_calls: int

    @property
    def difference(self) -> Figures:
        """Theirs less ours and, of the cost, less what is adjusted already. None where theirs does not say."""
        ours, theirs = self.ours, self.theirs
        tokens = None
        if theirs.tokens is not None:
            tokens = {name: theirs.tokens[name] - (ours.tokens or {}).get(name, 0) for name in BUCKETS}
        usd = None
        if theirs.usd is not None:
            usd = MONEY.subtract(MONEY.subtract(theirs.usd, ours.usd or ZERO), self.booked_usd)
        return Figures(calls=None if theirs.calls is None else theirs.calls - (ours.calls or 0), tokens=tokens, usd=usd)

    @property
    def percent(self) -> Decimal | None:
        """The difference of the cost in percent of theirs, to four decimals; None where theirs is nothing."""
        usd = self.difference.usd
        if usd is None or not self.theirs.usd:
            return None
        return _PERCENT.quantize(_PERCENT.multiply(_PERCENT.divide(usd, self.theirs.usd), Decimal(100)), _SHOWN)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What an export says: figures by model and day, and what it speaks of at all.

    `usage_days` and `cost_days` are covered: a model without a row there used and cost nothing. Where the export has
    usage only, `priced`, `costs` are that usage at our prices, and `unpriceable` is what has no price or one that
    depends on more than sums of tokens.
    """

    usage: Mapping[Key, Figures] = field(default_factory=dict)
    costs: Mapping[Key, Figures] = field(default_factory=dict)
    usage_days: frozenset[date] = frozenset()
    cost_days: frozenset[date] = frozenset()
    unpriceable: frozenset[Key] = frozenset()
    counts_calls: bool = False
    priced: bool = False

    @property
    def days(self) -> frozenset[date]:
        """Every day that the export covers in one way or the other."""
        return self.usage_days | self.cost_days

    def figures(self, key: Key) -> Figures:
        """What it says of a model and day: nothing where the day is covered and the model has no row."""
        result = Figures()
        if key[1] in self.usage_days:
            nothing = Figures(calls=0 if self.counts_calls else None, tokens=dict.fromkeys(BUCKETS, 0))
            result.add(self.usage.get(key, nothing))
        if key[1] in self.cost_days:
            result.add(self.costs.get(key, Figures(usd=ZERO)))
        return result


@dataclass(frozen=True, kw_only=True)
class Ours:
    """What is booked for a model and day: figures, and how many calls have no cost because no price is known."""

    figures: Figures
    unpriced_calls: int


def drift(said: Said, ours: Mapping[Key, Ours], booked: Mapping[Key, Decimal]) -> list[Drift]:
    """A row for each model and day that export, ledger or adjustments know, on the days that the export covers.

    A model that one of them names with its date and another without (an alias, or a call that ended before it was
    answered) is one model, as long as there is one dated name only.
    """
    names = same_models(model for side in (said.usage, said.costs, ours, booked) for model, _ in side)
    keys = {key for side in (said.usage, said.costs, ours, booked) for key in side if key[1] in said.days}
    groups: dict[Key, list[Key]] = {}
    for key in sorted(keys):
        groups.setdefault((names[key[0]], key[1]), []).append(key)
    rows = [_row(name, day, parts, said, ours, booked) for (name, day), parts in groups.items()]
    return sorted(rows, key=lambda row: (row.day, row.model))


def _row(
    model: str, day: date, parts: list[Key], said: Said, ours: Mapping[Key, Ours], booked: Mapping[Key, Decimal]
) -> Drift:
    mine = Figures(calls=0, tokens=dict.fromkeys(BUCKETS, 0), usd=ZERO)
    theirs = Figures()
    for key in parts:
        if key in ours:
            mine.add(ours[key].figures)
        theirs.add(said.figures(key))
    if not said.unpriceable.isdisjoint(parts):
        theirs.usd = None
    return Drift(
        model=model,
        day=day,
        ours=mine,
        theirs=theirs,
        booked_usd=total(booked[key] for key in parts if key in booked),
        unpriced_calls=sum(ours[key].unpriced_calls for key in parts if key in ours),
    )


def same_models(names: Iterable[str]) -> dict[str, str]:
    """Each name with the one it stands for: the only dated name of the same model, else itself."""
    known = set(names)
    dated: dict[str, list[str]] = {}
    for name in sorted(known):
        if match := _DATED.fullmatch(name):
            dated.setdefault(match[1], []).append(name)
    return {name: dated[name][0] if len(dated.get(name, ())) == 1 else name for name in known}


def booked_month(day: date, last_closed: date | None) -> date:
    """The first day of the month that takes an adjustment for a day: its own, or the first open one after it."""
    own = day.replace(day=1)
    return own if last_closed is None or own > last_closed else next_month(last_closed)


def next_month(month: date) -> date:
    """The first day of the month after a month's first day."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _sum(mine: int | None, other: int | None) -> int | None:
    return other if mine is None else mine + (other or 0)
