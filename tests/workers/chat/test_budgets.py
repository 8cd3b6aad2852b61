"""Hard budgets under real workers: what the provider billed never exceeds them, whoever is killed when."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from observatory.adapters.bill import SimulatorBill
from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.budgets import Budgets
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.reconciliation import reconcile
from observatory.rules.budgets import Budget
from schemas.chat import ChatCompleted, ChatFailed, ChatRequested
from tests.simulator import Simulator, running_simulator
from tests.stack import LiveStack
from tests.workers.chat.running import Books, Outcome, Place, Worker, ask, place, until

CAP = 40
"""Output tokens that a test's request may take; without a word of its own the simulator answers with 20 to 60."""

ONE_CALL = Decimal("0.0001")
"""A little more than the most that a test's request can cost on gpt-4o-mini."""


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    folder: Path = tmp_path_factory.mktemp("simulator")
    with running_simulator(folder) as running:
        yield running


@pytest.fixture(scope="module")
async def here(stack: LiveStack, simulator: Simulator) -> AsyncIterator[Place]:
    async with place(stack, simulator, "budgets.") as found:
        yield found


@pytest.fixture(scope="module")
def books(here: Place) -> Books:
    return here.books


@pytest.fixture(scope="module")
def workers(here: Place) -> list[Worker]:
    """Two that are restarted under their names when they are killed, as a supervisor would."""
    return [here.worker(OBSERVATORY_INSTANCE=f"chat-{n}", OBSERVATORY_MAX_OUTPUT_TOKENS="30") for n in (1, 2)]


@pytest.fixture(scope="module")
async def pool(stack: LiveStack, here: Place) -> AsyncIterator[Pool]:
    pool = await open_pool(stack.database_url, size=2, application="test")
    yield pool
    await pool.close()


@pytest.fixture
def tenant() -> str:
    return f"t-{uuid4().hex[:12]}"


async def new_budget(pool: Pool, tenant: str, name: str = "all", **fields: Any) -> Budget:
    """A hard budget of a tenant in this month."""
    usual: dict[str, Any] = {"scope": "tenant", "limit_usd": Decimal(1), "hard": True, "period": "month"}
    usual |= {"time_zone": "Asia/Kathmandu"}
    budget = Budget(**{"budget_id": f"{tenant}-{name}", "tenant_id": tenant, **usual, **fields})
    await Budgets(pool).create(budget)
    return budget


async def left(books: Books, budget: Budget) -> tuple[Decimal | int, Decimal | int]:
    """Spent and reserved; the row must say what its reservations and their attempts say."""
    (row,) = await books.rows(
        """SELECT p.spent_usd, p.reserved_usd, p.opening_usd + coalesce(r.charged, 0) AS charged,
                  coalesce(r.held, 0) AS held, coalesce(r.wrong, 0) AS wrong
             FROM journal.budget_periods p
             LEFT JOIN LATERAL (
               SELECT sum(charged_usd) AS charged, sum(amount_usd) FILTER (WHERE charged_usd IS NULL) AS held,
                      count(*) FILTER (WHERE charged_usd > amount_usd OR a.call_id IS NULL OR charged_usd
                        IS DISTINCT FROM journal.charge_of(a.status, a.cost_state, a.cost_usd)) AS wrong
                 FROM journal.reservations r LEFT JOIN journal.attempts a USING (call_id)
                WHERE r.budget_id = p.budget_id AND r.period_start = p.period_start) r ON true
            WHERE p.budget_id = $1""",
        budget.budget_id,
    )
    assert (row["spent_usd"], row["reserved_usd"], row["wrong"]) == (row["charged"], row["held"], 0)
    return row["spent_usd"], row["reserved_usd"]


def billed(books: Books, ids: Iterable[UUID]) -> Decimal | int:
    """The provider's own bill of these requests."""
    return sum((Decimal(line["cost_usd"]) for line in books.bill(ids).values()), Decimal())


async def settle_all(here: Place, pool: Pool, since: datetime) -> None:
    """Reconciles until nothing is left that the provider's export can tell."""
    publisher = Publisher(here.books.kafka, "test-reconcile")
    await publisher.start()

    async def nothing_undecided() -> bool:
        bill = SimulatorBill(here.simulator.url)
        result = await reconcile(pool, publisher, bill, since=since, margin=timedelta(milliseconds=50), dry_run=False)
        return not (result.undecided or result.overtaken)

    await until(nothing_undecided, "everything reconciled")
    await publisher.stop()


def refused(outcomes: Iterable[Outcome]) -> list[ChatFailed]:
    """Those that a budget refused."""
    return [o for o in outcomes if isinstance(o, ChatFailed) and o.error.code == "budget_exceeded"]


def one(tenant: str, n: int, **fields: Any) -> ChatRequested:
    """A request that costs less than `ONE_CALL`."""
    text = f"How do I change the address of order number {n}, please? [[sim latency={n % 5 * 40}]]"
    return ask(text, tenant_id=tenant, max_output_tokens=CAP, stream=n % 3 == 0, **fields)


async def test_64_at_once_on_a_nearly_empty_budget_overspend_it_by_nothing(
    here: Place, books: Books, workers: list[Worker], pool: Pool, tenant: str
) -> None:
    budget = await new_budget(pool, tenant, limit_usd=ONE_CALL * 5)
    ids = await books.send_all(one(tenant, n) for n in range(64))
    outcomes = await books.outcomes(ids)
    await books.agree(ids)
    spent = billed(books, ids)
    assert await left(books, budget) == (spent, 0)
    assert 0 < spent <= budget.limit_usd
    done = [o for o in outcomes if isinstance(o, ChatCompleted)]
    turned_away = refused(outcomes)
    assert len(done) >= 5
    assert len(done) + len(turned_away) == 64
    for outcome in turned_away:
        assert (outcome.attempts, outcome.error.retryable) == (0, False)
        assert outcome.cost_usd == 0
        room = outcome.error.budget
        assert room is not None
        assert (room.budget_id, room.limit_usd) == (budget.budget_id, budget.limit_usd)
        assert 0 <= room.left_usd < ONE_CALL
        assert room.resets_at is not None
        assert room.resets_at > datetime.now(UTC)
        assert books.calls_of(outcome.request_id) == []


async def test_a_worker_killed_at_any_moment_spends_nothing_beyond_a_budget(
    here: Place, books: Books, workers: list[Worker], pool: Pool, tenant: str
) -> None:
    since = datetime.now(UTC) - timedelta(seconds=1)
    budget = await new_budget(pool, tenant, limit_usd=ONE_CALL * 30)
    ids: list[UUID] = []
    choose = random.Random(5)
    for _ in range(6):
        batch = await books.send_all(one(tenant, len(ids) + n) for n in range(64))
        ids += batch
        await books.until(lambda batch=batch: any(books.of(r).outcomes for r in batch), "a first outcome")  # type: ignore[misc]  # bound now
        await choose.choice(workers).kill_and_restart()
    outcomes = await books.outcomes(ids)
    assert refused(outcomes)
    await books.settled(ids)
    unknown = "SELECT count(*) AS lost FROM journal.attempts WHERE request_id = ANY ($1) AND status = 'unknown'"
    assert (await books.rows(unknown, ids))[0]["lost"] > 0
    assert billed(books, ids) <= budget.limit_usd
    spent, reserved = await left(books, budget)
    assert spent + reserved <= budget.limit_usd
    await settle_all(here, pool, since)
    assert await left(books, budget) == (billed(books, ids), 0)
    await books.agree(ids)


async def test_overlapping_budgets_hold_each_for_itself(
    here: Place, books: Books, workers: list[Worker], pool: Pool, tenant: str
) -> None:
    models = ("gpt-4o-mini", "gpt-4.1-nano")
    of_tenant = await new_budget(pool, tenant, limit_usd=ONE_CALL * 12)
    of_users = [
        await new_budget(pool, tenant, f"user-{u}", scope="user", scope_value=u, limit_usd=ONE_CALL * 6) for u in "abc"
    ]
    of_model = await new_budget(
        pool, tenant, "model", scope="model", scope_value=models[1], limit_usd=ONE_CALL * 4, period="hour"
    )
    of_tag = await new_budget(
        pool, tenant, "tag", scope="tag", scope_value="team=x", limit_usd=ONE_CALL * 5, period="total"
    )
    requests = [
        one(tenant, n, user_id="abc"[n % 3], model=models[n % 2], tags={"team": "xyz"[n % 3]} if n % 4 else None)
        for n in range(240)
    ]
    # More calls of the model than its budget holds, fewer than the tenant's: whatever comes first then, both refuse.
    ids = await books.send_all(requests[1:24:2])
    await books.outcomes(ids)
    ids += await books.send_all([*requests[0:24:2], *requests[24:]])
    outcomes = await books.outcomes(ids)
    await books.agree(ids)
    assert {outcome.error.budget.budget_id for outcome in refused(outcomes) if outcome.error.budget} > {
        of_tenant.budget_id
    }
    scopes: list[tuple[Budget, list[ChatRequested]]] = [
        (of_tenant, requests),
        *((b, [r for r in requests if r.user_id == b.scope_value]) for b in of_users),
        (of_model, [r for r in requests if r.model == models[1]]),
        (of_tag, [r for r in requests if r.tags == {"team": "x"}]),
    ]
    for budget, covered in scopes:
        spent = billed(books, [r.request_id for r in covered])
        assert await left(books, budget) == (spent, 0)
        assert 0 < spent <= budget.limit_usd


async def test_what_a_provider_refuses_is_given_back_and_each_retry_reserves_for_itself(
    books: Books, workers: list[Worker], pool: Pool, tenant: str
) -> None:
    budget = await new_budget(pool, tenant, limit_usd=ONE_CALL)
    request = ask("again [[sim fault=500 first=2 out=5]]", tenant_id=tenant, max_output_tokens=CAP)
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatCompleted)
    assert answer.attempts == 3
    await books.agree([request.request_id])
    assert await left(books, budget) == (billed(books, [request.request_id]), 0)


async def test_a_retry_that_does_not_fit_beside_a_lost_attempt_is_refused(
    here: Place, books: Books, workers: list[Worker], pool: Pool, tenant: str
) -> None:
    since = datetime.now(UTC) - timedelta(seconds=1)
    request = ask("cut [[sim fault=cut-mid out=20]]", tenant_id=tenant, max_output_tokens=CAP, stream=True)
    budget = await new_budget(pool, tenant, limit_usd=ONE_CALL)
    outcome = await books.outcome(await books.send(request))
    assert isinstance(outcome, ChatFailed)
    assert (outcome.error.code, outcome.attempts) == ("budget_exceeded", 1)
    spent, reserved = await left(books, budget)
    assert spent == 0
    assert ONE_CALL / 2 < reserved <= ONE_CALL
    await books.settled([request.request_id])
    await settle_all(here, pool, since)
    assert await left(books, budget) == (billed(books, [request.request_id]), 0)


@pytest.mark.parametrize(
    ("provider", "model"),
    [("sim-openai", "gpt-4o-mini"), ("sim-openai", "o4-mini"), ("sim-azure", "gpt-4o-mini"),
     ("sim-anthropic", "claude-haiku-4-5")],
)  # fmt: skip
async def test_under_a_hard_budget_a_cap_is_always_sent(
    books: Books, workers: list[Worker], pool: Pool, tenant: str, provider: str, model: str
) -> None:
    asked = {"tenant_id": tenant, "provider": provider, "model": model}
    free = ask("without a budget [[sim out=300]]", **asked)
    assert output_of(await books.outcome(await books.send(free))) == 300
    budget = await new_budget(pool, tenant)
    requests = {
        30: ask("the setting's [[sim out=300]]", **asked),
        25: ask("the request's own [[sim out=300]]", **asked, max_output_tokens=25),
        20: ask("the provider's name of it [[sim out=300]]", **asked, parameters={"max_tokens": 20}),
    }
    for cap, request in requests.items():
        assert output_of(await books.outcome(await books.send(request))) == cap
    ids = [free.request_id, *(request.request_id for request in requests.values())]
    await books.agree(ids)
    assert await left(books, budget) == (billed(books, ids), 0)


def output_of(outcome: Outcome) -> int:
    assert isinstance(outcome, ChatCompleted), outcome
    assert outcome.usage is not None
    return outcome.usage.output_tokens


IMAGE = [{"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"model": "sim-unpriced"}, "no known price"),
        ({"messages": [{"role": "user", "content": IMAGE}]}, "type image_url"),
        ({"parameters": {"n": 3}}, "parameter n "),
        ({"parameters": {"web_search_options": {}}}, "web_search_options"),
        ({"parameters": {"service_tier": "scale"}}, "service tier scale"),
        ({"tools": [{"type": "web_search"}]}, "tool of type web_search"),
    ],
)
async def test_what_has_no_bound_is_refused_under_a_hard_budget(
    books: Books, workers: list[Worker], pool: Pool, tenant: str, fields: dict[str, Any], why: str
) -> None:
    budget = await new_budget(pool, tenant)
    plain = json.loads(ask(tenant_id=tenant).to_json())
    request = ChatRequested.model_validate_json(json.dumps({**plain, **fields}))
    outcome = await books.outcome(await books.send(request))
    assert isinstance(outcome, ChatFailed)
    assert (outcome.error.code, outcome.error.retryable, outcome.attempts) == ("budget_exceeded", False, 0)
    assert why in outcome.error.message
    assert outcome.error.budget is not None
    assert outcome.error.budget.budget_id == budget.budget_id
    assert outcome.error.budget.left_usd == 1
    assert await left(books, budget) == (0, 0)


async def test_history_counts_when_it_is_known(books: Books, workers: list[Worker], pool: Pool, tenant: str) -> None:
    conversation = f"c-{tenant}"
    turn = {"tenant_id": tenant, "conversation_id": conversation, "use_history": True, "max_output_tokens": CAP}
    first = ask("a long story " * 200, **turn)
    assert isinstance(await books.outcome(await books.send(first)), ChatCompleted)
    budget = await new_budget(pool, tenant, scope="conversation", scope_value=conversation, period="total")
    spent = billed(books, [first.request_id])
    assert await left(books, budget) == (spent, 0)
    # Room for the new turn alone, not for it after the story.
    await Budgets(pool).set_limit(budget.budget_id, spent + ONE_CALL)
    outcome = await books.outcome(await books.send(ask("and then?", **turn)))
    assert isinstance(outcome, ChatFailed)
    assert "less left than this request can cost" in outcome.error.message
    await Budgets(pool).set_limit(budget.budget_id, Decimal(1))
    assert isinstance(await books.outcome(await books.send(ask("and then?", **turn))), ChatCompleted)


async def test_a_budget_that_is_closed_or_of_another_tenant_binds_nobody(
    books: Books, workers: list[Worker], pool: Pool, tenant: str
) -> None:
    empty = await new_budget(pool, tenant, limit_usd=Decimal(0))
    others = await books.send_all(ask(tenant_id=f"{tenant}{n}") for n in range(3))
    assert refused(await books.outcomes(others)) == []
    assert refused([await books.outcome(await books.send(ask(tenant_id=tenant)))])
    await Budgets(pool).close(empty.budget_id)
    assert isinstance(await books.outcome(await books.send(ask(tenant_id=tenant))), ChatCompleted)
