"""What a replay found: the two bills side by side, how well the schedule was kept, how long answers took."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from loadtests.replay.bill import Comparison
from loadtests.replay.schedule import Played


@dataclass(frozen=True)
class Report:
    """One replay; durations in seconds."""

    model: str
    via: str
    speed: float
    seconds: float
    comparison: Comparison
    played: Played

    def as_json(self) -> dict[str, object]:
        """All figures; money as decimal strings."""
        found = self.comparison
        return {
            "ok": found.ok,
            "model": self.model,
            "via": self.via,
            "speed": self.speed,
            "seconds": round(self.seconds, 3),
            "requests": found.requests,
            "answered": found.answered,
            "expected_usd": f"{found.expected_usd:f}",
            "billed_usd": f"{found.billed_usd:f}",
            "wrong": found.wrong,
            "differences": list(found.differences),
            "late_ms": _milliseconds(self.played.late_s),
            "answer_ms": _milliseconds(self.played.took_s),
        }

    def as_table(self) -> Table:
        """The same for a reader."""
        found = self.comparison
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("replay")
        table.add_column("from the file", justify="right")
        table.add_column("answered", justify="right")
        table.add_row("requests", f"{found.requests:,}", f"{found.answered:,}")
        table.add_row(f"cost in USD ({self.model})", f"{found.expected_usd:f}", f"{found.billed_usd:f}")
        for name, values in (("sent late, ms", self.played.late_s), ("answer, ms", self.played.took_s)):
            table.add_row(f"{name} (p50 / p99 / most)", "", _shown(_milliseconds(values)))
        table.add_row("seconds", "", f"{self.seconds:,.1f}")
        table.add_row("way", "", f"{self.via}, {self.speed:g} times the speed")
        for line in found.differences:
            table.add_row("difference", "", line)
        if found.wrong > len(found.differences):
            table.add_row("and more", "", f"{found.wrong - len(found.differences):,}")
        table.add_row("the bills agree" if found.ok else "THE BILLS DIFFER", "", "")
        return table


def _milliseconds(values: Sequence[float]) -> dict[str, float] | None:
    """Quantiles of durations in seconds, in ms; None without any."""
    if not values:
        return None
    ordered = sorted(values)
    p50, p99 = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.99))
    return {"p50": round(p50 * 1000, 1), "p99": round(p99 * 1000, 1), "most": round(ordered[-1] * 1000, 1)}


def _shown(quantiles: dict[str, float] | None) -> str:
    return "–" if quantiles is None else " / ".join(f"{value:,.1f}" for value in quantiles.values())
