"""Books the cost of calls that had no price when they were made and have one now: a new revision of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import orjson
from asyncpg import Record

from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.adapters.revisions import NewRevision, revise
from observatory.rules.attempts import published_record
from observatory.rules.money import MONEY
from observatory.rules.pricing import Prices
from observatory.rules.repricing import cost_again, priced_call
from schemas.base import decimal_text

_SQL = load_queries("observatory.adapters.postgres", "unpriced.sql")
_BATCH = 500
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Unpriced:
    """Which calls: those that began in the period, of a tenant, of a model as answered, else as asked; None: any."""

    since: datetime | None
    until: datetime
    tenant_id: str | None
    model: str | None


@dataclass
class Booked:
    """What came of it. `still_unpriced` counts by model.

    `not_applied`: booked before, which the ledger has yet to read; `under_way`: not ended yet, or changed by another
    process meanwhile.
    """

    unpriced: int = 0
    booked: int = 0
    cost_usd: Decimal = field(default_factory=Decimal)
    still_unpriced: dict[str, int] = field(default_factory=dict)
    not_applied: int = 0
    under_way: int = 0
    not_in_journal: int = 0
    not_in_journal_shown: list[UUID] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many calls are without a cost still."""
        return sum(self.still_unpriced.values()) + self.under_way + self.not_in_journal


async def book_known_costs(
    pool: Pool, publisher: Publisher, prices: Prices, wanted: Unpriced, *, dry_run: bool
) -> Booked:
    """Books what can be booked among the facts without a cost, batch by batch; what it cannot book is counted.

    The journal's own record is what is priced, and only its cost and price version change. A repeat books nothing
    twice: a call that has a cost is passed over, and each is written by compare-and-set on its revision.

    Raises what asyncpg and Kafka's client raise when they are away.
    """
    result = Booked()
    period = (wanted.since, wanted.until, wanted.tenant_id, wanted.model)
    async with pool.acquire() as connection, connection.transaction():
        cursor = await connection.cursor(_SQL["unpriced"], *period)
        while rows := await cursor.fetch(_BATCH):
            revisions = [new for row in rows if (new := _priced(row, prices, result)) is not None]
            written = {new.call_id for new in revisions} if dry_run else await revise(pool, publisher, revisions)
            _count(revisions, written, result)
    return result


def _priced(row: Record, prices: Prices, result: Booked) -> NewRevision | None:
    """The call with its cost; None, counted, where there is none to be booked."""
    result.unpriced += 1
    if not row["in_journal"]:
        result.not_in_journal += 1
        if len(result.not_in_journal_shown) < _SHOWN:
            result.not_in_journal_shown.append(row["call_id"])
    elif row["status"] == "started":
        result.under_way += 1
    elif row["cost_usd"] is not None:
        result.not_applied += 1
    else:
        body = published_record(row["record"], row["revision"], row["started_at"])
        cost, version = cost_again(priced_call(body), prices)
        if cost is not None:
            fields = orjson.loads(row["record"]) | {"cost_usd": decimal_text(cost), "price_version": version}
            record = orjson.dumps(fields).decode()
            return NewRevision(row["call_id"], row["revision"], row["status"], cost, row["cost_state"], record)
        result.still_unpriced[row["model"]] = result.still_unpriced.get(row["model"], 0) + 1
    return None


def _count(revisions: Sequence[NewRevision], written: set[UUID], result: Booked) -> None:
    for new in revisions:
        if new.call_id in written and new.cost_usd is not None:
            result.booked += 1
            result.cost_usd = MONEY.add(result.cost_usd, new.cost_usd)
        else:
            result.under_way += 1
