"""What `observatory top` knows at a moment, whatever part of the stack it could ask."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from observatory.adapters.lag import Lag
from observatory.adapters.verification import Busy
from observatory.cli.top_feed import Feed
from observatory.rules.live_windows import LiveFigures
from schemas.http_alerts import AlertView
from schemas.http_budgets import BudgetState

LIVE_S = 10
"""Rates are over so many seconds: short enough to be of now, and an hour is a whole number of them."""

GroupName = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class GroupLine:
    """What a group's calls of the last hour cost and how they went; money in US dollars, exact."""

    name: GroupName
    calls: int
    errors: int
    unpriced_calls: int
    cost_usd: Decimal
    estimated_cost_usd: Decimal
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    ttft_p95_ms: float | None


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the API said: groups of the last hour, open budgets, alerts that stand."""

    models: Sequence[GroupLine]
    tenants: Sequence[GroupLine]
    budgets: Sequence[BudgetState]
    alerts: Sequence[AlertView]


@dataclass(frozen=True, kw_only=True)
class Work:
    """How far the pipeline is; None where it could not be asked. `letters`: dead ones that wait."""

    lags: Sequence[Lag] | None
    letters: Sequence[Lag] | None
    busy: Busy | None
    watermark: datetime | None


@dataclass
class Observed:
    """All that is known; `problems` says by source why something is not."""

    url: str
    feed: Feed = field(default_factory=Feed)
    answers: Answers | None = None
    work: Work | None = None
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The second before which all windows are complete, else the newest one."""
        if self.feed.complete_until is not None:
            return int(self.feed.complete_until.timestamp())
        return int(time.time()) if self.feed.windows.newest is None else self.feed.windows.newest + 1

    def live(self) -> LiveFigures:
        """The last seconds."""
        return self.feed.windows.whole(self.end, LIVE_S)

    def live_models(self) -> Mapping[GroupName, LiveFigures]:
        """The last seconds by provider and model."""
        return self.feed.windows.by_model(self.end, LIVE_S)

    def wrong(self) -> list[str]:
        """Why what is shown is not all of it, or not of now; a line each."""
        own = [f"{self.feed.problem}; trying again"] if self.feed.problem else []
        return [*own, *(text for text in self.problems.values() if text)]
