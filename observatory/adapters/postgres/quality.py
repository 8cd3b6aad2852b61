"""Quality, conversations and users as the stream workers keep them, for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.conversations import Conversation
from observatory.rules.users import User
from schemas.http_quality import ConversationOrder, QualityGroup, QualityStep

_SQL = load_queries("observatory.adapters.postgres", "quality.sql")

_STEPS: dict[QualityStep, str] = {"day": "day", "month": "date_trunc('month', day)::date", "none": "$1::date"}
_GROUPS: dict[QualityGroup, str] = {
    "tenant": "tenant_id", "provider": "provider", "model": "model", "prompt_version": "coalesce(prompt_version, '')",
}  # fmt: skip
_ORDERS: dict[ConversationOrder, tuple[str, str]] = {
    "last_activity": ("last_us", "bigint"), "cost": ("cost_usd", "numeric"), "tokens": ("tokens", "numeric"),
    "quality": ("coalesce(rating, -1)", "numeric"),
}  # fmt: skip

_decode = msgspec.json.Decoder(Conversation).decode
_decode_user = msgspec.json.Decoder(User).decode


@dataclass(frozen=True, kw_only=True)
class QualityQuery:
    """Which scores, of which days, by what; empty or None: any."""

    start: date
    end: date
    step: QualityStep
    groups: Sequence[QualityGroup]
    tenants: Sequence[str] = ()
    providers: Sequence[str] = ()
    models: Sequence[str] = ()
    prompt_versions: Sequence[str] = ()
    kind: str | None = None
    name: str | None = None
    unattached: bool = False


class QualitySums(NamedTuple):
    """One row of a trend; `keys` are kind, name and the groups; scores are in millionths."""

    step: date
    keys: list[str]
    n: int
    unattached: int
    total: int
    squares: int
    ups: int
    downs: int
    judged_calls: int
    unpriced_calls: int
    cost_usd: Decimal


@dataclass(frozen=True, kw_only=True)
class ConversationQuery:
    """Which conversations, by their last activity in microseconds since 1970; None: any.

    `named`: with this in its name.
    """

    start_us: int
    end_us: int
    order: ConversationOrder
    tenant: str | None = None
    user: str | None = None
    model: str | None = None
    min_cost_usd: Decimal | None = None
    min_turns: int | None = None
    named: str | None = None


class Place(NamedTuple):
    """Where a conversation stands in a list."""

    position: Decimal
    key: str
    part: int


async def watermark(pool: Pool) -> datetime | None:
    """Up to when calls and feedback are in; None while not every partition was read yet."""
    moment: datetime | None = await pool.fetchval(_SQL["watermark"])
    return moment


async def read_trend(
    pool: Pool, query: QualityQuery, after: tuple[date, Sequence[str]] | None, limit: int
) -> list[QualitySums]:
    """By step, kind, name and groups, after the row given."""
    keys = "".join(f", {_GROUPS[group]}" for group in query.groups)
    rows = await pool.fetch(
        _SQL["trend"].format(step=_STEPS[query.step], keys=keys), query.start, query.end, query.tenants,
        query.providers, query.models, query.prompt_versions, query.kind, query.name, *(after or (None, None)), limit,
        query.unattached,
    )  # fmt: skip
    return [
        QualitySums(**{**row, "total": int(row["total"]), "squares": int(row["squares"])}) for row in map(dict, rows)
    ]


async def read_conversations(
    pool: Pool, query: ConversationQuery, after: Place | None, limit: int
) -> list[tuple[Place, Conversation]]:
    """The most of what they are ordered by first, after the place given; without their single turns."""
    order, kind = _ORDERS[query.order]
    rows = await pool.fetch(
        _SQL["conversations"].format(order=order, kind=kind), query.start_us, query.end_us, query.tenant, query.user,
        query.model, query.min_cost_usd, query.min_turns, *(after or (None, None, None)), limit,
        query.named,
    )  # fmt: skip
    return [(Place(row["position"], row["key"], row["part"]), _decode(row["state"])) for row in rows]


async def read_user(pool: Pool, tenant: str, user: str) -> list[User]:
    """A tenant's user, one partial for each partition."""
    return [_decode_user(row["state"]) for row in await pool.fetch(_SQL["user"], tenant, user)]
