"""Hard budgets that a run uses up: not overspent by a cent, and in the end equal to what the facts cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from loadtests.bench.problems import BenchError
from loadtests.chaos.proof import observatory
from loadtests.chaos.traffic import BUDGETED_SHARE
from schemas.base import decimal_text

USD_A_REQUEST = Decimal("0.0003")
"""About half of what the budgeted requests of a run would cost: so each budget admits some and refuses some."""
LEAST_LIMIT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class BudgetProof:
    """One budget after the run, in US dollars. `facts_usd` is what the ledger's facts of its user cost."""

    budget_id: str
    limit_usd: Decimal
    spent_usd: Decimal
    reserved_usd: Decimal
    facts_usd: Decimal

    @property
    def ok(self) -> bool:
        """Nothing is held any more, what was spent is what the facts say, and the limit was kept."""
        return not self.reserved_usd and self.spent_usd == self.facts_usd <= self.limit_usd

    def told(self) -> dict[str, object]:
        """For the verdict."""
        amounts = ("limit_usd", "spent_usd", "reserved_usd", "facts_usd")
        return {
            "budget_id": self.budget_id,
            **{name: decimal_text(getattr(self, name)) for name in amounts},
            "ok": self.ok,
        }


async def open_budgets(users: Sequence[str], requests: float) -> None:
    """A budget for each user, too small for the `requests` of the run. Raises `BenchError`."""
    limit = max(LEAST_LIMIT, round(requests * BUDGETED_SHARE / len(users)) * USD_A_REQUEST)
    for user in users:
        code, said = await observatory(
            "budgets", "create", user, "--scope", "user", "--value", user, "--limit", str(limit), "--period", "total"
        )
        if code != 0:
            raise BenchError(f"no budget could be created: {said}")


async def close_and_prove(users: Sequence[str]) -> list[BudgetProof]:
    """Closes the budgets of the run and says how they stand; reconciliation must have settled all."""
    proofs = []
    for user in users:
        await observatory("budgets", "close", user, json_wanted=False)
        _, budget = await observatory("budgets", "show", user)
        _, costs = await observatory("costs", "--by", "user", "--user", user, "--since", "all")
        total = costs["total"]
        if not isinstance(total, dict):
            raise BenchError(f"no costs of {user}")
        proofs.append(
            BudgetProof(
                user,
                Decimal(str(budget["limit_usd"])),
                Decimal(str(budget["spent_usd"])),
                Decimal(str(budget["reserved_usd"])),
                Decimal(str(total["cost_usd"])),
            )
        )
    return proofs
