"""Which hard budgets an attempt falls under, and what it reserves of them.

What is known of the budgets may be old: every attempt is decided by some version of them, and the database refuses it
when there is a newer one. Then `refresh`, and decide again.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from observatory.adapters.bounds import most_input_tokens, output_cap
from observatory.adapters.postgres.budgets import Budgets
from observatory.adapters.postgres.pool import insist
from observatory.adapters.postgres.reservations import BudgetPeriod, Refusal, Reservation
from observatory.adapters.providers.base import LLMProvider, ProviderKind
from observatory.adapters.providers.registry import SIMULATED
from observatory.rules.budgets import BadBudget, Budget, Unbounded, most_usd, period_bounds, subjects
from observatory.rules.money import ZERO
from observatory.rules.pricing import PriceQuery, Prices, Rates
from schemas.base import decimal_text, rfc3339
from schemas.chat import BudgetLeft, ChatError, ChatRequested

PRICES_HOLD = timedelta(hours=1)
"""A claim that waits for the database is made later than it was priced: the dearest price of now and then counts."""


@dataclass(eq=False)
class NoBound(Exception):
    """A hard budget covers an attempt whose cost has no bound, and `why`."""

    period: BudgetPeriod
    why: str


class Budgeting:
    """The hard budgets as far as they are known. `version` names what is known; -1: nothing yet."""

    def __init__(self, budgets: Budgets, prices: Prices, max_output_tokens: int) -> None:
        self._budgets, self._prices, self._max_output_tokens = budgets, prices, max_output_tokens
        self.version = -1
        self._by_subject: dict[tuple[str, str, str], dict[str, Budget]] = {}
        self._by_id: dict[str, Budget] = {}
        self._periods: dict[str, BudgetPeriod] = {}
        self._ahead = timedelta()
        self._reading: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Reads what changed, once for all who ask meanwhile."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        await asyncio.shield(self._reading)

    def reservation(self, request: ChatRequested, provider: LLMProvider) -> Reservation | None:
        """What an attempt reserves; None: no hard budget covers it. Raises `NoBound`."""
        periods = self._covering(request) if self._by_id else ()
        if not periods:
            return None
        try:
            return Reservation(self._most_usd(request, provider), periods)
        except Unbounded as error:
            raise NoBound(periods[0], str(error)) from error

    def capped(self, request: ChatRequested) -> ChatRequested:
        """The request as it is sent under a hard budget: always with a cap on its output."""
        return request.model_copy(update={"max_output_tokens": output_cap(request, self._max_output_tokens)})

    async def error_of(self, refused: Refusal | NoBound) -> ChatError:
        """What the client is told."""
        if isinstance(refused, NoBound):
            period, why = refused.period, f"is a hard limit: {refused.why}"
            limit_usd, left_usd = await insist("budget", lambda: self._budgets.room(period.budget_id, period.start))
            refused = Refusal(period.budget_id, limit_usd, max(left_usd, ZERO), period.end)
        else:
            why = "has less left than this request can cost"
        left, limit = decimal_text(refused.left_usd), decimal_text(refused.limit_usd)
        resets = f"it resets at {rfc3339(refused.resets_at)}" if refused.resets_at else "it does not reset"
        return ChatError(
            code="budget_exceeded",
            message=f"budget {refused.budget_id} {why}; ${left} of ${limit} are left, {resets}",
            retryable=False,
            budget=BudgetLeft(
                budget_id=refused.budget_id,
                limit_usd=refused.limit_usd,
                left_usd=refused.left_usd,
                resets_at=refused.resets_at,
            ),
        )

    async def _read(self) -> None:
        try:
            newer = await insist("budgets", lambda: self._budgets.newer(self.version))
        except BadBudget as error:
            # No fault of the requests, and nothing may be spent that a budget might forbid: the process ends.
            raise RuntimeError(f"a hard budget cannot be kept by this worker: {error}") from error
        # The database's clock is the one that ends periods.
        self._ahead = newer.now - datetime.now(UTC)
        for budget_id in [*newer.closed, *(budget.budget_id for budget in newer.open)]:
            if (old := self._by_id.pop(budget_id, None)) is not None:
                del self._same_subject(old)[budget_id]
        for budget in newer.open:
            self._by_id[budget.budget_id] = self._same_subject(budget)[budget.budget_id] = budget
        self.version = newer.version

    def _same_subject(self, budget: Budget) -> dict[str, Budget]:
        return self._by_subject.setdefault((budget.tenant_id, budget.scope, budget.scope_value), {})

    def _covering(self, request: ChatRequested) -> tuple[BudgetPeriod, ...]:
        now = datetime.now(UTC) + self._ahead
        keys = ((request.tenant_id, *subject) for subject in subjects(request))
        return tuple(self._period(budget, now) for key in keys for budget in self._by_subject.get(key, {}).values())

    def _period(self, budget: Budget, now: datetime) -> BudgetPeriod:
        known = self._periods.get(budget.budget_id)
        if known is None or now < known.start or (known.end is not None and now >= known.end):
            bounds = period_bounds(budget.period, budget.time_zone, now)
            known = self._periods[budget.budget_id] = BudgetPeriod(budget.budget_id, *bounds)
        return known

    def _most_usd(self, request: ChatRequested, provider: LLMProvider) -> Decimal:
        own_vocabulary = provider.kind == "openai" and not provider.name.startswith(SIMULATED)
        tokens = most_input_tokens(request, own_vocabulary=own_vocabulary)
        return most_usd(self._rates(request, provider), tokens, output_cap(request, self._max_output_tokens))

    def _rates(self, request: ChatRequested, provider: LLMProvider) -> Iterator[Rates]:
        """Of every tier that the request may be served in, now and when it may be made. Raises `Unbounded`."""
        now = datetime.now(UTC)
        for tier, needed in service_tiers(provider.kind, (request.parameters or {}).get("service_tier")):
            known: Rates | None = None
            for at in (now, now + PRICES_HOLD):
                query = PriceQuery(
                    kind=provider.kind,
                    model=request.model,
                    at=at,
                    service_tier=tier,
                    tenant_id=request.tenant_id,
                    deployment=request.model,
                )
                found = self._prices.rates(query)
                if found is not None:
                    if found[0] is not known:
                        yield found[0]
                    known = found[0]
                elif needed:
                    in_tier = f" in the service tier {tier[:40]}" if tier else ""
                    raise Unbounded(f"the model {request.model[:80]} has no known price{in_tier}")


def service_tiers(kind: ProviderKind, asked: object) -> Iterator[tuple[str | None, bool]]:
    """In which tiers a request may be served that asks for one, and whether the price of that tier must be known.

    OpenAI and Azure serve what asks for none, or for `auto`, in the tier that the project is set to, which may be
    `priority`; and what asks for one in the standard tier when that is full. Anthropic's tiers cost the same.
    """
    yield None, True
    if kind == "anthropic" or asked == "default":
        return
    if asked in (None, "auto"):
        yield "priority", False
    else:
        yield str(asked), True
