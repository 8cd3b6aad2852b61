"""What a trace must cost, from its file and a price list typed by hand: no code is shared with what is checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from loadtests.replay.trace import Row

MODEL = "gpt-4o-mini"
INPUT_USD_PER_MILLION = Decimal("0.15")
OUTPUT_USD_PER_MILLION = Decimal("0.60")
_MILLION = Decimal(1_000_000)
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """The bill from the file against the answers. `differences` are lines for a reader, the first few of `wrong`."""

    requests: int
    answered: int
    expected_usd: Decimal
    billed_usd: Decimal
    wrong: int
    differences: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every request was answered at exactly its price."""
        return not self.wrong and self.answered == self.requests and self.billed_usd == self.expected_usd


def cost_usd(row: Row) -> Decimal:
    """What one row must cost, exactly."""
    return (row.context_tokens * INPUT_USD_PER_MILLION + row.generated_tokens * OUTPUT_USD_PER_MILLION) / _MILLION


def compare(rows: Sequence[Row], costs: Mapping[int, Decimal], failures: Mapping[int, str]) -> Comparison:
    """`costs` and `failures` are by the row's line: what its answer cost, or why there is none."""
    differences = [line for row in rows if (line := _difference(row, costs, failures))]
    return Comparison(
        requests=len(rows),
        answered=len(costs),
        expected_usd=sum(map(cost_usd, rows), Decimal(0)),
        billed_usd=sum(costs.values(), Decimal(0)),
        wrong=len(differences),
        differences=tuple(differences[:SHOWN]),
    )


def _difference(row: Row, costs: Mapping[int, Decimal], failures: Mapping[int, str]) -> str | None:
    if row.line not in costs:
        return f"line {row.line}: {failures.get(row.line, 'no answer')}"
    expected, billed = cost_usd(row), costs[row.line]
    return None if billed == expected else f"line {row.line}: billed {billed:f} USD, must be {expected:f}"
