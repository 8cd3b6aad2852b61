"""What a phase saw: latencies, errors, and their quantiles."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from loadtests.bench.http import Answer
from loadtests.bench.problems import BenchError

Check = Callable[[Answer], bool]
"""Whether an answer is what was asked for."""


@dataclass(slots=True)
class Tally:
    """What was answered within a phase's time; durations in seconds. `firsts`: until the body began."""

    seconds: float
    check: Check
    latencies: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    errors: int = 0
    first_error: str = ""

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return len(self.latencies) / self.seconds

    def note(self, answer: Answer) -> None:
        """Counts an answer."""
        if self.check(answer):
            self.latencies.append(answer.ended_at - answer.begun_at)
            self.firsts.append(answer.first_at - answer.begun_at)
        else:
            self.errors += 1
            self.first_error = self.first_error or f"{answer.status} {answer.body[:300].decode(errors='replace')}"


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that `share` (above 0, to 1) of the values do not exceed. Raises `BenchError` for none."""
    if not values:
        raise BenchError("nothing was answered, so there is no latency to speak of")
    return sorted(values)[math.ceil(share * len(values)) - 1]
