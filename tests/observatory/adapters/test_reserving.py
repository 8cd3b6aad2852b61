"""Budgets in the database itself: nothing is admitted beyond a limit, whatever is repeated, late or concurrent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from observatory.adapters.postgres.budgets import BudgetExists, Budgets, NoSuchBudget
from observatory.adapters.postgres.journal import (
    AttemptStart,
    CallSettlement,
    Claim,
    Claimed,
    Journal,
    NextAttempt,
    Outcome,
    Settlement,
)
from observatory.adapters.postgres.pool import INDEX_PLANS, Pool, open_pool
from observatory.adapters.postgres.queries import load_queries
from observatory.adapters.postgres.reservations import BudgetPeriod, Refusal, Reservation, StaleBudgets
from observatory.rules.budgets import Budget, period_bounds
from schemas.envelope import call_id
from tests.databases import new_database
from tests.stack import LiveStack

REVISE = load_queries("observatory.adapters.postgres", "revisions.sql")["revise"]
LEASE = timedelta(seconds=30)
LIMIT = Decimal(10)


@dataclass
class Desk:
    """A tenant of its own and what is done in its name."""

    pool: Pool
    journal: Journal
    budgets: Budgets
    tenant: str = field(default_factory=lambda: f"t-{uuid4().hex}")

    async def budget(self, name: str = "b", **fields: Any) -> Budget:
        """A new hard budget of the tenant, a total of 10 dollars where `fields` say nothing else."""
        usual: dict[str, Any] = {"scope": "tenant", "limit_usd": LIMIT, "hard": True, "period": "total"}
        budget = Budget(**{"budget_id": f"{self.tenant}-{name}", "tenant_id": self.tenant, **usual, **fields})
        await self.budgets.create(budget)
        return budget

    async def version(self) -> int:
        """The version of the budgets now."""
        return (await self.budgets.newer(2**62)).version

    def claim(self, usd: Decimal | None, *budgets: Budget, **fields: Any) -> Claim:
        """A wish to begin an attempt that costs so much at the most; None: under no budget."""
        request_id, now = uuid4(), datetime.now(UTC)
        periods = tuple(BudgetPeriod(b.budget_id, *period_bounds(b.period, b.time_zone, now)) for b in budgets)
        start = AttemptStart(
            call_id=call_id(self.tenant, request_id, 1),
            provider="sim-openai",
            model=fields.get("model", "m"),
            record=orjson.dumps(fields).decode(),
            cost_usd=Decimal("0.5"),
            reservation=None if usd is None else Reservation(usd, periods),
        )
        return Claim(
            tenant_id=self.tenant,
            request_id=request_id,
            body_sha256=b"x",
            partition=0,
            offset=0,
            record_key="k",
            conversation_id=None,
            use_history=False,
            published_at=now,
            traceparent=None,
            first_attempt=start,
        )

    async def begin(self, *claims: Claim, owner: str | None = None) -> list[Claimed]:
        """Claims; every claim here is of a new request."""
        claimed, standings = await self.journal.claim(claims, owner or str(uuid4()), LEASE, await self.version())
        assert not standings
        return [claimed[claim.key] for claim in claims]

    async def settle(self, call: UUID, status: str, usd: Decimal | None, state: str) -> None:
        """What is known of a call now."""
        settlement = CallSettlement(call_id=call, status=status, cost_usd=usd, cost_state=state, record="{}")
        await self.journal.settle([Settlement(settlement, None)])

    async def reconcile(self, call: UUID, status: str, usd: Decimal) -> None:
        """What the provider's export says of it."""
        revision = await self.pool.fetchval("SELECT revision FROM journal.attempts WHERE call_id = $1", call)
        await self.pool.fetch(REVISE, [call], [revision], [status], [usd], ["reconciled"], ["{}"])

    async def left(self, budget: Budget) -> tuple[Decimal | int, Decimal | int]:
        """Spent and reserved, as the reservations say too: the row must be their sum."""
        row = await self.pool.fetchrow(
            """SELECT sum(spent_usd) AS spent, sum(reserved_usd) AS reserved, sum(opening_usd) AS opening
                 FROM journal.budget_periods WHERE budget_id = $1""",
            budget.budget_id,
        )
        sums = await self.pool.fetchrow(
            """SELECT coalesce(sum(charged_usd), 0) AS spent,
                      coalesce(sum(amount_usd) FILTER (WHERE charged_usd IS NULL), 0) AS reserved
                 FROM journal.reservations WHERE budget_id = $1""",
            budget.budget_id,
        )
        assert row is not None
        assert sums is not None
        assert (row["spent"], row["reserved"]) == (row["opening"] + sums["spent"], sums["reserved"])
        return row["spent"], row["reserved"]


def call_of(claim: Claim) -> UUID:
    assert claim.first_attempt is not None
    return claim.first_attempt.call_id


@pytest.fixture(scope="module")
async def pool(stack: LiveStack) -> AsyncIterator[Pool]:
    # A database of its own: what is left open here says nothing that a worker could publish.
    pool = await open_pool(await new_database(stack), size=12, application="test", session=INDEX_PLANS)
    yield pool
    await pool.close()


@pytest.fixture(scope="module")
async def desks(pool: Pool) -> Desk:
    """For tests that make desks of their own from it."""
    return Desk(pool, Journal(pool, pool), Budgets(pool))


@pytest.fixture
def desk(desks: Desk) -> Desk:
    return Desk(desks.pool, desks.journal, desks.budgets)


async def test_what_does_not_fit_is_refused_and_the_rest_of_its_batch_is_not(desk: Desk) -> None:
    budget = await desk.budget()
    claims = [desk.claim(Decimal(usd), budget) for usd in ("4", "7", "3", "3", "2.5")]
    free = desk.claim(None)
    claimed = await desk.begin(*claims, free)
    assert [c.begun for c in claimed] == [True, False, True, True, False, True]
    assert claimed[1].refusal == Refusal(budget.budget_id, LIMIT, Decimal(6), None)
    assert claimed[4].refusal == Refusal(budget.budget_id, LIMIT, Decimal(0), None)
    assert await desk.left(budget) == (0, 10)
    rows = await desk.pool.fetch(
        """SELECT r.attempts, a.call_id, a.reserved FROM journal.requests r
             LEFT JOIN journal.attempts a USING (tenant_id, request_id) WHERE r.tenant_id = $1""",
        desk.tenant,
    )
    assert sorted((row["attempts"], row["call_id"] is not None, bool(row["reserved"])) for row in rows) == [
        (0, False, False),
        (0, False, False),
        (1, True, False),
        (1, True, True),
        (1, True, True),
        (1, True, True),
    ]


async def test_several_budgets_are_reserved_all_or_none(desk: Desk) -> None:
    wide, narrow = await desk.budget("wide"), await desk.budget("narrow", limit_usd=Decimal(1))
    both, one = desk.claim(Decimal(2), wide, narrow), desk.claim(Decimal(2), wide)
    claimed = await desk.begin(both, one)
    assert claimed[0].refusal == Refusal(narrow.budget_id, Decimal(1), Decimal(1), None)
    assert claimed[1].begun
    assert (await desk.left(wide), await desk.left(narrow)) == ((0, 2), (0, 0))


@pytest.mark.parametrize(
    ("status", "usd", "state", "expected"),
    [
        ("ok", "1.5", "settled", ("1.5", "0")),
        ("ok", "1.5", "estimated", ("0", "4")),
        ("error", "1.5", "estimated", ("0", "4")),
        ("cancelled", "1", "estimated", ("0", "4")),
        ("error", "0", "settled", ("0", "0")),
        ("not_sent", "0", "settled", ("0", "0")),
        ("ok", None, "settled", ("0", "4")),
    ],
)
async def test_a_settled_attempt_is_charged_its_cost_and_holds_everything_while_that_is_not_known(
    desk: Desk, status: str, usd: str | None, state: str, expected: tuple[str, str]
) -> None:
    budget = await desk.budget()
    claim = desk.claim(Decimal(4), budget)
    await desk.begin(claim)
    for _ in range(2):  # a repeat changes nothing
        await desk.settle(call_of(claim), status, None if usd is None else Decimal(usd), state)
        assert await desk.left(budget) == tuple(map(Decimal, expected))


async def test_an_attempt_that_nobody_ends_is_held_until_reconciled(desk: Desk) -> None:
    budget = await desk.budget()
    served, unsent, late = claims = [desk.claim(Decimal(3), budget) for _ in range(3)]
    await desk.begin(*claims)
    await desk.pool.execute("UPDATE journal.requests SET lease_until = now() WHERE tenant_id = $1", desk.tenant)
    assert await desk.journal.sweep_started() >= 3
    assert await desk.left(budget) == (0, 9)
    await desk.settle(call_of(late), "ok", Decimal(2), "settled")
    assert await desk.left(budget) == (2, 6)
    await desk.reconcile(call_of(served), "ok", Decimal("0.25"))
    await desk.reconcile(call_of(unsent), "not_sent", Decimal(0))
    assert await desk.left(budget) == (Decimal("2.25"), 0)
    # The provider's export was wrong: what was not sent is on it after all.
    await desk.reconcile(call_of(unsent), "ok", Decimal("0.5"))
    assert await desk.left(budget) == (Decimal("2.75"), 0)


async def test_a_claim_that_is_repeated_after_a_lost_answer_reserves_once(desk: Desk) -> None:
    budget = await desk.budget()
    fits, too_much = claims = [desk.claim(Decimal(6), budget) for _ in range(2)]
    await desk.begin(*claims, owner="w/1")
    again = await desk.begin(*claims, owner="w/1")
    assert [c.begun for c in again] == [True, False]
    assert await desk.left(budget) == (0, 6)
    # Whoever does not know why it did not begin asks again.
    assert await desk.journal.begin_attempts([await nth(desk, too_much, 1, budget)]) == [
        Refusal(budget.budget_id, LIMIT, Decimal(4), None)
    ]
    await desk.settle(call_of(fits), "ok", Decimal(1), "settled")
    for _ in range(2):
        (begun,) = await desk.journal.begin_attempts([await nth(desk, too_much, 1, budget)])
        assert isinstance(begun, datetime)
        assert await desk.left(budget) == (1, 6)


async def nth(desk: Desk, claim: Claim, attempt: int, *budgets: Budget, epoch: int = 1, usd: int = 6) -> NextAttempt:
    """The attempt of that number."""
    start = desk.claim(Decimal(usd), *budgets).first_attempt
    assert start is not None
    own = AttemptStart(
        call_id=call_id(desk.tenant, claim.request_id, attempt),
        provider=start.provider,
        model=start.model,
        record=start.record,
        cost_usd=start.cost_usd,
        reservation=start.reservation,
    )
    return NextAttempt(
        tenant_id=desk.tenant,
        request_id=claim.request_id,
        epoch=epoch,
        attempt=attempt,
        start=own,
        budget_version=await desk.version(),
    )


async def test_each_retry_reserves_for_itself_and_a_refused_one_leaves_no_trace(desk: Desk) -> None:
    budget = await desk.budget()
    claim = desk.claim(Decimal(6), budget)
    await desk.begin(claim)
    await desk.settle(call_of(claim), "error", Decimal(1), "estimated")
    assert await desk.journal.begin_attempts([await nth(desk, claim, 2, budget)]) == [
        Refusal(budget.budget_id, LIMIT, Decimal(4), None)
    ]
    assert (
        await desk.pool.fetchval("SELECT attempts FROM journal.requests WHERE request_id = $1", claim.request_id) == 1
    )
    (begun,) = await desk.journal.begin_attempts([await nth(desk, claim, 2, budget, usd=4)])
    assert isinstance(begun, datetime)
    assert await desk.left(budget) == (0, 10)


async def test_a_request_that_is_taken_over_keeps_what_its_lost_attempt_holds(desk: Desk) -> None:
    budget = await desk.budget()
    claim = desk.claim(Decimal(6), budget)
    await desk.begin(claim)
    await desk.pool.execute("UPDATE journal.requests SET lease_until = now() WHERE tenant_id = $1", desk.tenant)
    (taken,) = await desk.begin(claim)
    assert (taken.epoch, taken.begun, taken.attempts, taken.refusal) == (2, False, 1, None)
    assert await desk.left(budget) == (0, 6)
    assert await desk.journal.begin_attempts([await nth(desk, claim, 2, budget, epoch=1, usd=1)]) == [None]
    (begun,) = await desk.journal.begin_attempts([await nth(desk, claim, 2, budget, epoch=2, usd=4)])
    assert isinstance(begun, datetime)
    assert await desk.left(budget) == (0, 10)
    await desk.settle(call_of(claim), "ok", Decimal(5), "settled")  # its worker still lived
    assert await desk.left(budget) == (5, 4)


async def test_nothing_begins_that_was_decided_by_older_budgets(desk: Desk) -> None:
    version = await desk.version()
    budget = await desk.budget()
    claim = desk.claim(None)
    with pytest.raises(StaleBudgets):
        await desk.journal.claim([claim], "w", LEASE, version)
    assert not await desk.pool.fetchval("SELECT count(*) FROM journal.requests WHERE tenant_id = $1", desk.tenant)
    begun = desk.claim(Decimal(1), budget)
    await desk.begin(begun)
    next_attempt = await nth(desk, begun, 2, budget)
    await desk.budgets.set_limit(budget.budget_id, Decimal(20))
    with pytest.raises(StaleBudgets):
        await desk.journal.begin_attempts([next_attempt])


async def test_nothing_begins_in_a_period_that_has_ended_or_not_begun(desk: Desk) -> None:
    budget = await desk.budget(period="hour")
    now = datetime.now(UTC)
    for at in (now - timedelta(hours=1), now + timedelta(hours=1)):
        claim = desk.claim(Decimal(1), budget)
        assert claim.first_attempt is not None
        assert claim.first_attempt.reservation is not None
        wrong = BudgetPeriod(budget.budget_id, *period_bounds("hour", "UTC", at))
        reservation = replace(claim.first_attempt.reservation, periods=(wrong,))
        with pytest.raises(StaleBudgets):
            await desk.begin(replace(claim, first_attempt=replace(claim.first_attempt, reservation=reservation)))


async def test_a_new_period_is_empty_and_the_old_one_is_charged_what_it_reserved(desk: Desk) -> None:
    budget = await desk.budget(period="hour")
    claim = desk.claim(Decimal(10), budget)
    await desk.begin(claim)
    # As if an hour went by: the reservation and its period are those of the last hour now.
    earlier = "SET period_start = period_start - interval '1 hour'"
    for table, more in (("budget_periods", ", resets_at = period_start"), ("reservations", "")):
        await desk.pool.execute(f"UPDATE journal.{table} {earlier}{more} WHERE budget_id = $1", budget.budget_id)
    other = desk.claim(Decimal(10), budget)
    assert [c.begun for c in await desk.begin(other)] == [True]
    await desk.settle(call_of(claim), "ok", Decimal(7), "settled")
    rows = await desk.pool.fetch(
        "SELECT spent_usd, reserved_usd FROM journal.budget_periods WHERE budget_id = $1 ORDER BY period_start",
        budget.budget_id,
    )
    assert [tuple(row) for row in rows] == [(7, 0), (0, 10)]


async def test_a_new_budget_starts_from_what_was_spent_and_holds_what_is_under_way(desk: Desk) -> None:
    mine = {"user_id": "u", "tags": {"team": "a"}}
    claims = [desk.claim(None, **mine) for _ in range(4)] + [desk.claim(None, user_id="other")]
    await desk.begin(*claims)
    done, unknown, running, unsent, other = map(call_of, claims)
    await desk.settle(done, "ok", Decimal(2), "settled")
    await desk.settle(unknown, "error", Decimal(3), "estimated")
    await desk.settle(unsent, "not_sent", Decimal(0), "settled")
    await desk.settle(other, "ok", Decimal(4), "settled")
    # The record of an attempt names its user; `settle` here does not rewrite it as a worker would.
    for call in (done, unknown, unsent):
        await desk.pool.execute(
            "UPDATE journal.attempts SET record = $2 WHERE call_id = $1", call, orjson.dumps(mine).decode()
        )
    user = await desk.budget("user", scope="user", scope_value="u")
    tag = await desk.budget("tag", scope="tag", scope_value="team=a", period="month")
    model = await desk.budget("model", scope="model", scope_value="another")
    tenant = await desk.budget("tenant")
    assert await desk.left(user) == await desk.left(tag) == (2, Decimal("3.5"))
    assert await desk.left(model) == (0, 0)
    assert await desk.left(tenant) == (6, Decimal("3.5"))
    await desk.settle(running, "ok", Decimal(1), "settled")
    await desk.reconcile(unknown, "ok", Decimal("2.5"))
    await desk.reconcile(unsent, "ok", Decimal("0.25"))
    assert await desk.left(user) == await desk.left(tag) == (Decimal("5.75"), 0)
    assert await desk.left(tenant) == (Decimal("9.75"), 0)


async def test_a_budget_that_is_opened_under_load_misses_no_attempt(desk: Desk) -> None:
    """Attempts begin and end in all moments of its opening; in the end it was charged for each of them."""
    stop, costs = asyncio.Event(), []

    async def work() -> None:
        while not stop.is_set():
            claim = desk.claim(None)
            while True:
                version = await desk.version()
                budgets = [b.budget for b in await desk.budgets.list(desk.tenant)]
                assert claim.first_attempt is not None
                reservation = desk.claim(Decimal(1), *budgets).first_attempt.reservation if budgets else None  # type: ignore[union-attr]  # as above
                claim = replace(claim, first_attempt=replace(claim.first_attempt, reservation=reservation))
                try:
                    await desk.journal.claim([claim], str(uuid4()), LEASE, version)
                except StaleBudgets:
                    continue
                break
            cost = Decimal(random.randrange(1, 100)) / 100
            await desk.settle(call_of(claim), "ok", cost, "settled")
            costs.append(cost)

    workers = [asyncio.create_task(work()) for _ in range(6)]
    budgets = [await desk.budget(str(n), limit_usd=Decimal(10**6)) for n in range(10)]
    stop.set()
    await asyncio.gather(*workers)
    for budget in budgets:
        assert await desk.left(budget) == (sum(costs), 0)


async def test_ids_are_used_once_and_closed_budgets_bind_nobody(desk: Desk) -> None:
    budget = await desk.budget()
    with pytest.raises(BudgetExists, match=budget.budget_id):
        await desk.budgets.create(budget)
    version = await desk.version()
    await desk.budgets.close(budget.budget_id)
    newer = await desk.budgets.newer(version)
    assert budget.budget_id in newer.closed
    assert newer.version > version
    with pytest.raises(NoSuchBudget, match=budget.budget_id):
        await desk.budgets.close(budget.budget_id)
    with pytest.raises(BudgetExists, match="another id"):
        await desk.budgets.create(budget)


async def test_a_soft_budget_changes_nothing_on_the_path(desk: Desk) -> None:
    version = await desk.version()
    budget = await desk.budget(hard=False)
    assert await desk.version() == version
    (standing,) = await desk.budgets.list(desk.tenant)
    assert (standing.budget, standing.period_start) == (budget, None)


ENDS = st.sampled_from(["ok", "refused", "not_sent", "estimated", "unpriced", "unknown", "reconciled"])
amounts = st.decimals(0, 6, places=2)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.lists(st.tuples(amounts, st.integers(1, 7)), min_size=1, max_size=4)),
        st.tuples(ENDS, st.integers(0, 30), st.integers(0, 100), st.booleans()),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
async def test_no_sequence_admits_beyond_a_limit(desks: Desk, steps: Sequence[Any]) -> None:
    desk = Desk(desks.pool, desks.journal, desks.budgets)
    budgets = [await desk.budget(str(n), limit_usd=Decimal(5 + 3 * n)) for n in range(3)]
    held: list[tuple[UUID, Decimal]] = []
    for step in steps:
        if step[0] == "begin":
            claims = [desk.claim(usd, *(b for n, b in enumerate(budgets) if which & 1 << n)) for usd, which in step[1]]
            room = {b.budget_id: b.limit_usd - sum(await desk.left(b)) for b in budgets}
            for claim, claimed in zip(claims, await desk.begin(*claims), strict=True):
                assert claim.first_attempt is not None
                assert claim.first_attempt.reservation is not None
                wanted = claim.first_attempt.reservation
                assert claimed.begun == all(room[p.budget_id] >= wanted.amount_usd for p in wanted.periods)
                if claimed.begun:
                    room.update({p.budget_id: room[p.budget_id] - wanted.amount_usd for p in wanted.periods})
                    held.append((claim.first_attempt.call_id, wanted.amount_usd))
        elif held:
            kind, place, percent, repeated = step
            call, most = held[place % len(held)]
            for _ in range(1 + repeated):
                await end(desk, kind, call, most * percent / 100)
        for budget in budgets:
            assert sum(await desk.left(budget)) <= budget.limit_usd


async def end(desk: Desk, kind: str, call: UUID, usd: Decimal) -> None:
    """Something becomes known of a call; what is surely over stays as it is, as workers and reconciliation keep to."""
    row = await desk.pool.fetchrow("SELECT status, cost_state FROM journal.attempts WHERE call_id = $1", call)
    assert row is not None
    if row["status"] == "not_sent":
        return
    if kind == "unknown":
        await desk.pool.execute(
            """UPDATE journal.attempts SET status = 'unknown', revision = revision + 1
                WHERE call_id = $1 AND status = 'started'""",
            call,
        )
    elif kind == "reconciled":
        if row["cost_state"] == "estimated" and row["status"] != "started":
            await desk.reconcile(call, "ok", usd)
    else:
        ends = {
            "ok": ("ok", usd, "settled"),
            "refused": ("error", Decimal(0), "settled"),
            "not_sent": ("not_sent", Decimal(0), "settled"),
            "estimated": ("error", usd, "estimated"),
            "unpriced": ("ok", None, "settled"),
        }
        await desk.settle(call, *ends[kind])


async def test_overlapping_budgets_under_load_do_not_lock_each_other_out(desk: Desk, pool: Pool) -> None:
    """Batches of many writers, with budgets in any order and turns of the same conversations: nobody is a victim of a
    deadlock, and the sums hold."""
    budgets = [await desk.budget(f"{n}", limit_usd=Decimal(60)) for n in "bAaB-_9é"]
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = await pool.fetchval(deadlocks)

    async def work(seed: int) -> None:
        choose = random.Random(seed)
        for _ in range(25):
            claims = [
                desk.claim(Decimal(1), *choose.sample(budgets, choose.randrange(1, 5)))
                for _ in range(choose.randrange(1, 6))
            ]
            turns = [in_conversation(desk.claim(None), f"c{n}") for n in choose.sample(range(3), 1)]
            claimed, _ = await desk.journal.claim([*claims, *turns], str(uuid4()), LEASE, await desk.version())
            mine = [turn for turn in turns if turn.key in claimed]
            nexts = [await nth(desk, turn, 1, *choose.sample(budgets, 3), usd=1) for turn in mine]
            begun = await desk.journal.begin_attempts(nexts) if nexts else []
            calls = [call_of(claim) for claim in claims if claimed[claim.key].begun]
            calls += [n.start.call_id for n, at in zip(nexts, begun, strict=True) if isinstance(at, datetime)]
            await desk.journal.settle([Settlement(ok(call), None) for call in calls] + [answered(t) for t in mine])

    await asyncio.gather(*(work(seed) for seed in range(8)))
    for budget in budgets:
        spent, reserved = await desk.left(budget)
        assert reserved == 0
        assert 0 < spent <= 60
    await pool.execute("SELECT pg_stat_force_next_flush()")
    assert await pool.fetchval(deadlocks) == before


def in_conversation(claim: Claim, conversation_id: str) -> Claim:
    """A turn: its first attempt begins after the claim."""
    return replace(claim, conversation_id=conversation_id, use_history=True, first_attempt=None)


def ok(call: UUID) -> CallSettlement:
    """A call that cost ten cents."""
    return CallSettlement(call_id=call, status="ok", cost_usd=Decimal("0.1"), cost_state="settled", record="{}")


def answered(claim: Claim) -> Settlement:
    """The outcome of a turn."""
    return Settlement(
        None,
        Outcome(
            tenant_id=claim.tenant_id, request_id=claim.request_id, epoch=1, state="completed", body="{}", turn="[]"
        ),
    )


async def test_a_budget_opens_beside_a_call_whose_texts_hold_the_character_nul(desk: Desk) -> None:
    await desk.begin(desk.claim(None, tags={"note": "a\0b"}, user_id="u"))
    budget = await desk.budget(scope="user", scope_value="u")
    assert await desk.left(budget) == (0, Decimal("0.5"))
