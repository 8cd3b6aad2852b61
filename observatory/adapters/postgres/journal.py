"""The journal: what was asked, which attempts were made, what came of them. Its rows are the outbox too.

Every write is a batch, so that many requests share one commit; every write can be repeated after a lost answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import Literal
from uuid import UUID

from asyncpg import Record

from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.adapters.postgres.reservations import (
    Refusal,
    Reservation,
    refusal_of,
    reserve_columns,
    unless_stale,
)

SQL = load_queries(__package__, "journal.sql")
CLAIM_FREE, CLAIM_RESERVING = (SQL["claim"] + "\n" + SQL[ending] for ending in ("claim_free", "claim_reserving"))

RequestKey = tuple[str, UUID]
"""Tenant and request id: what names a request."""

LeaseKey = tuple[str, UUID, int]
"""A request and the epoch under which it is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStart:
    """An attempt about to be made. `record` is what will be said of it if its worker dies before it knows more.

    Without a `reservation` no hard budget covers it.
    """

    call_id: UUID
    provider: str
    model: str
    record: str
    cost_usd: Decimal | None
    reservation: Reservation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A wish to answer a request; with `first_attempt` that attempt begins in the same commit, if its budgets allow.

    `assignment`: experiment and variant, which stand from the first claim on.
    """

    tenant_id: str
    request_id: UUID
    body_sha256: bytes
    partition: int
    offset: int
    record_key: str
    conversation_id: str | None
    use_history: bool
    published_at: datetime
    traceparent: str | None
    first_attempt: AttemptStart | None
    assignment: str | None = None

    @property
    def key(self) -> RequestKey:
        """Tenant and request id."""
        return self.tenant_id, self.request_id


@dataclass(frozen=True, slots=True)
class Claimed:
    """The request is ours under `epoch`; `attempts` have begun so far, this claim's first one included.

    `lease_left_s` counts from the last time that the database was asked. `refusal`: what kept the first attempt back.
    `assignment` is the first claim's.
    """

    epoch: int
    lost_epochs: int
    attempts: int
    claimed_at: datetime
    lease_left_s: float
    refusal: Refusal | None = None
    assignment: str | None = None

    @property
    def begun(self) -> bool:
        """Whether the first attempt began with this claim; what an earlier owner began is his."""
        return self.epoch == 1 and self.attempts == 1


@dataclass(frozen=True, slots=True)
class Standing:
    """The request is not ours: somebody holds it for `lease_left_s`, or it has its outcome."""

    state: Literal["claimed", "completed", "failed"]
    body_sha256: bytes
    partition: int
    offset: int
    outcome: str | None
    lease_left_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAttempt:
    """Attempt number `attempt` of a request that we hold under `epoch`, decided by the budgets of a version."""

    tenant_id: str
    request_id: UUID
    epoch: int
    attempt: int
    start: AttemptStart
    budget_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettlement:
    """What is known of a call now."""

    call_id: UUID
    status: str
    cost_usd: Decimal | None
    cost_state: str
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The one outcome of a request, valid under `epoch`; `turn` are the messages that its conversation gains."""

    tenant_id: str
    request_id: UUID
    epoch: int
    state: Literal["completed", "failed"]
    body: str
    turn: str | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """A call, an outcome, or both at once."""

    call: CallSettlement | None
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Settled:
    """The revision of the call to publish, and whether the outcome counts: not when the epoch was lost."""

    revision: int | None
    started_at: datetime | None
    finished: bool


class Journal:
    """The statements of `journal.sql`. `lazy` is a pool whose commits may be lost in a crash of the database."""

    def __init__(self, pool: Pool, lazy: Pool) -> None:
        self._pool, self._lazy = pool, lazy

    async def claim(
        self, claims: Sequence[Claim], owner: str, lease: timedelta, budget_version: int
    ) -> tuple[dict[RequestKey, Claimed], dict[RequestKey, Standing]]:
        """Claims what can be claimed; tells how the others stand. One that is in neither waits for its turn.

        `owner` names this very batch: what it owns already was claimed by a first try whose answer was lost.
        Raises `StaleBudgets` when there are other budgets than those of `budget_version`.
        """
        assignments = [claim.assignment for claim in claims]
        arguments = [*_claim_columns(claims), owner, lease, [budget_version], assignments]
        reservations = [c.first_attempt.reservation if c.first_attempt else None for c in claims]
        if any(reservations):
            budgets, wishes = reserve_columns(reservations)
            rows = await unless_stale(self._pool.fetch(CLAIM_RESERVING, *arguments, *budgets, *wishes))
        else:
            rows = await unless_stale(self._pool.fetch(CLAIM_FREE, *arguments))
        refused = {row["call_id"]: refusal_of(row) for row in rows if row["call_id"] is not None}
        claimed = _by_key(row for row in rows if row["call_id"] is None)
        others = await self._standings([claim.key for claim in claims if claim.key not in claimed])
        claimed |= {key: row for key, row in others.items() if row["owner"] == owner and row["state"] == "claimed"}
        standings = {key: _standing(row) for key, row in others.items() if key not in claimed}
        refusals = {c.key: refused.get(c.first_attempt.call_id) for c in claims if c.first_attempt} if refused else {}
        return {key: _claimed(row, refusals.get(key)) for key, row in claimed.items()}, standings

    async def _standings(self, keys: Sequence[RequestKey]) -> dict[RequestKey, Record]:
        return _by_key(await self._pool.fetch(SQL["standing"], *_columns(keys, 2))) if keys else {}

    async def earlier_costs(self, key: RequestKey) -> list[tuple[Decimal | None, str]]:
        """Cost in USD (None: no price) and cost state of each attempt of a request, oldest first."""
        rows = await self._pool.fetch(SQL["earlier_attempts"], *key)
        return [(row["cost_usd"], row["cost_state"]) for row in rows]

    async def turns(self, tenant_id: str, conversation_id: str) -> list[str]:
        """The turns of a conversation, each a JSON array of messages, oldest first."""
        rows = await self._pool.fetch(SQL["turns"], tenant_id, conversation_id)
        return [row["messages"] for row in rows]

    async def begin_attempts(self, attempts: Sequence[NextAttempt]) -> list[datetime | Refusal | None]:
        """When each attempt began, by the database's clock; None: the epoch or the lease is lost, do not call.

        Raises `StaleBudgets` when one of them was decided by other budgets than there are now.
        """
        ordered = sorted(attempts, key=attrgetter("tenant_id", "request_id"))
        rows = [
            (a.tenant_id, a.request_id, a.epoch, a.attempt, a.start.call_id, a.start.provider, a.start.model,
             a.start.record, a.start.cost_usd)
            for a in ordered
        ]  # fmt: skip
        budgets, wishes = reserve_columns([a.start.reservation for a in ordered])
        versions = list({a.budget_version for a in attempts})
        arguments = (*_columns(rows, 9), versions, *budgets, *wishes)
        begun: dict[UUID, datetime | Refusal] = {
            row["call_id"]: row["started_at"] or refusal_of(row)
            for row in await unless_stale(self._pool.fetch(SQL["begin_attempts"], *arguments))
        }
        missing = [(a.start.call_id, a.epoch) for a in attempts if a.start.call_id not in begun]
        if missing:
            known = await self._pool.fetch(SQL["begun_attempts"], *_columns(missing, 2))
            begun.update({row["call_id"]: row["started_at"] for row in known})
        return [begun.get(a.start.call_id) for a in attempts]

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled]:
        """Writes calls and outcomes in one commit.

        A call that is settled already (a repeat after a lost answer) keeps what it has, and its revision is returned.
        """
        calls = [(c.call_id, c.status, c.cost_usd, c.cost_state, c.record) for s in settlements if (c := s.call)]
        outcomes = [
            (o.tenant_id, o.request_id, o.epoch, o.state, o.body, o.turn, o.user_id)
            for s in settlements
            if (o := s.outcome)
        ]
        # Rows are locked sorted, as in every statement here: no two of them can hold what the other waits for.
        calls.sort(key=itemgetter(0))
        outcomes.sort(key=itemgetter(0, 1))
        rows = await self._pool.fetch(SQL["settle"], *_columns(calls, 5), *_columns(outcomes, 7))
        revisions = {row["id"]: (row["revision"], row["started_at"]) for row in rows if row["tenant_id"] is None}
        finished = {(row["tenant_id"], row["id"]) for row in rows if row["tenant_id"] is not None}
        missing = [call[0] for call in calls if call[0] not in revisions]
        if missing:
            known = await self._pool.fetch(SQL["attempts_now"], missing)
            revisions.update({row["call_id"]: (row["revision"], row["started_at"]) for row in known})
        finished |= await self._finished_before([o[:5] for o in outcomes if (o[0], o[1]) not in finished])
        return [_settled(settlement, revisions, finished) for settlement in settlements]

    async def _finished_before(self, outcomes: Sequence[tuple[str, UUID, int, str, str]]) -> set[RequestKey]:
        """Those whose very outcome stands in the journal already: the answer to our first try was lost."""
        standings = await self._standings([(tenant, request) for tenant, request, *_ in outcomes])
        return {
            (tenant, request)
            for tenant, request, _, state, body in outcomes
            if (row := standings.get((tenant, request))) and (row["state"], row["outcome"]) == (state, body)
        }

    async def renew(self, leases: Sequence[LeaseKey], lease: timedelta) -> set[RequestKey]:
        """Prolongs leases; returns those that still were ours."""
        rows = await self._pool.fetch(SQL["renew"], *_columns(sorted(leases), 3), lease)
        return {(row["tenant_id"], row["request_id"]) for row in rows}

    async def hand_back(self, leases: Sequence[LeaseKey]) -> None:
        """Lets others claim these requests at once; this does not count as a lost epoch."""
        await self._pool.execute(SQL["hand_back"], *_columns(sorted(leases), 3))

    async def mark_calls_published(self, revisions: Iterable[tuple[UUID, int]]) -> None:
        """The broker has acknowledged these revisions."""
        await self._lazy.execute(SQL["mark_calls_published"], *_columns(sorted(revisions), 2))

    async def mark_outcomes_published(self, keys: Iterable[RequestKey]) -> None:
        """The broker has acknowledged the outcomes of these requests."""
        await self._lazy.execute(SQL["mark_outcomes_published"], *_columns(sorted(keys), 2))

    async def sweep_started(self) -> int:
        """Attempts whose lease ended become unknown; returns how many."""
        return len(await self._pool.fetch(SQL["sweep_started"]))

    async def unpublished(self, older_than: timedelta) -> tuple[list[Record], list[Record]]:
        """Call revisions and outcomes that nobody has published for that long; at most 500 each."""
        calls = await self._pool.fetch(SQL["unpublished_calls"], older_than)
        return calls, await self._pool.fetch(SQL["unpublished_outcomes"], older_than)

    async def free_heads(self) -> None:
        """Conversations held by a request that is finished become free."""
        await self._pool.execute(SQL["free_heads"])


def _by_key(rows: Iterable[Record]) -> dict[RequestKey, Record]:
    return {(row["tenant_id"], row["request_id"]): row for row in rows}


def _columns(rows: Sequence[Sequence[object]], width: int) -> list[list[object]]:
    """Rows to the arrays that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _claim_columns(claims: Sequence[Claim]) -> list[list[object]]:
    rows = []
    for c in claims:
        a = c.first_attempt
        first = (a.call_id, a.provider, a.model, a.record, a.cost_usd) if a else (None,) * 5
        rows.append(
            (c.tenant_id, c.request_id, c.body_sha256, c.partition, c.offset, c.record_key, c.conversation_id,
             c.use_history, c.published_at, c.traceparent, *first)
        )  # fmt: skip
    return _columns(rows, 15)


def _claimed(row: Record, refusal: Refusal | None) -> Claimed:
    attempts = row["attempts"] - (refusal is not None)
    return Claimed(
        row["epoch"], row["lost_epochs"], attempts, row["claimed_at"], row["lease_left_s"], refusal, row["assignment"]
    )


def _standing(row: Record) -> Standing:
    return Standing(
        row["state"],
        row["body_sha256"],
        row["topic_partition"],
        row["topic_offset"],
        row["outcome"],
        row["lease_left_s"],
    )


def _settled(
    settlement: Settlement, revisions: Mapping[UUID, tuple[int, datetime]], finished: set[RequestKey]
) -> Settled:
    revision, started_at = revisions.get(settlement.call.call_id, (None, None)) if settlement.call else (None, None)
    outcome = settlement.outcome
    return Settled(revision, started_at, outcome is not None and (outcome.tenant_id, outcome.request_id) in finished)
