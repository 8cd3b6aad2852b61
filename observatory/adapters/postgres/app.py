"""Conversations with their turns, API keys, and what the journal tells a client of a request.

Every call may raise one of `pool.TRANSIENT` while the database is away.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries

SQL = load_queries("observatory.adapters.postgres", "app.sql")

KEY_PREFIX = "obs_"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation; `updated_at` is when it last got a turn or was asked something."""

    conversation_id: str
    title: str | None
    user_id: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Turn:
    """What one settled request added to its conversation; `messages` is a JSON array of OpenAI messages."""

    turn: int
    request_id: UUID
    messages: str
    created_at: datetime


class Conversations:
    """Reads and creates conversations; turns are written by the chat worker."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(
        self, tenant_id: str, conversation_id: str, title: str | None, user_id: str | None
    ) -> Conversation | None:
        """None when the tenant has one of that id already."""
        row = await self._pool.fetchrow(SQL["create_conversation"], tenant_id, conversation_id, title, user_id)
        return None if row is None else Conversation(**row)

    async def get(self, tenant_id: str, conversation_id: str) -> Conversation | None:
        """None when there is none."""
        row = await self._pool.fetchrow(SQL["conversation"], tenant_id, conversation_id)
        return None if row is None else Conversation(**row)

    async def touch(self, tenant_id: str, conversation_id: str) -> bool:
        """Marks a conversation as used now. False when there is none."""
        status = await self._pool.execute(SQL["touch_conversation"], tenant_id, conversation_id)
        return status == "UPDATE 1"

    async def page(self, tenant_id: str, after: tuple[datetime, str] | None, limit: int) -> list[Conversation]:
        """Up to `limit` conversations, latest first, after the (`updated_at`, `conversation_id`) given."""
        updated_at, conversation_id = after or (None, None)
        rows = await self._pool.fetch(SQL["conversations"], tenant_id, updated_at, conversation_id, limit)
        return [Conversation(**row) for row in rows]

    async def turns(self, tenant_id: str, conversation_id: str, after: int, limit: int) -> list[Turn]:
        """Up to `limit` turns, oldest first, after the turn given."""
        rows = await self._pool.fetch(SQL["turns"], tenant_id, conversation_id, after, limit)
        return [Turn(**row) for row in rows]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its text, which is not kept."""

    key_id: str
    tenant_id: str
    name: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class ValidKey:
    """Whom a key lets in."""

    key_sha256: bytes
    key_id: str
    tenant_id: str


def key_sha256(text: str) -> bytes:
    """What is stored of a key. It has 256 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(text.encode()).digest()


class ApiKeys:
    """Creates, lists, checks and revokes API keys."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, tenant_id: str, name: str) -> tuple[ApiKey, str]:
        """A new key and its text, which is shown once and never again."""
        text = KEY_PREFIX + secrets.token_urlsafe(32)
        key_id = "key_" + secrets.token_hex(8)
        row = await self._pool.fetchrow(SQL["create_key"], key_id, tenant_id, name, key_sha256(text))
        if row is None:
            raise RuntimeError("INSERT … RETURNING gave no row")
        return ApiKey(**row), text

    async def all(self) -> list[ApiKey]:
        """Every key, revoked ones too, oldest first."""
        return [ApiKey(**row) for row in await self._pool.fetch(SQL["keys"])]

    async def revoke(self, key_id: str) -> bool:
        """False when there is no such key, or it was revoked before."""
        return await self._pool.execute(SQL["revoke_key"], key_id) == "UPDATE 1"

    async def valid(self) -> list[ValidKey]:
        """All keys that let somebody in."""
        return [ValidKey(**row) for row in await self._pool.fetch(SQL["valid_keys"])]

    async def find(self, sha256: bytes) -> ValidKey | None:
        """The valid key with that hash."""
        row = await self._pool.fetchrow(SQL["valid_key"], sha256)
        return None if row is None else ValidKey(**row)

    async def any_exists(self) -> bool:
        """Whether a key was ever created, revoked or not."""
        return bool(await self._pool.fetchval(SQL["any_key"]))


@dataclass(frozen=True, slots=True)
class RequestState:
    """A request in the journal: `state` is claimed, completed or failed; `outcome` its JSON body once it has one."""

    request_id: UUID
    body_sha256: bytes
    state: Literal["claimed", "completed", "failed"]
    outcome: str | None
    attempts: int
    record_key: str
    conversation_id: str | None
    published_at: datetime
    claimed_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptState:
    """An attempt in the journal; `cost_usd` is None when no price is known."""

    attempt: int
    call_id: UUID
    provider: str
    model: str
    status: str
    cost_usd: Decimal | None
    cost_state: str
    started_at: datetime


class Requests:
    """Reads the journal for those who ask how a request is doing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def state(self, tenant_id: str, request_id: UUID) -> RequestState | None:
        """None while no worker has claimed it."""
        row = await self._pool.fetchrow(SQL["request"], tenant_id, request_id)
        return None if row is None else RequestState(**row)

    async def attempts(self, tenant_id: str, request_id: UUID) -> list[AttemptState]:
        """Every attempt so far, in order."""
        rows = await self._pool.fetch(SQL["attempts"], tenant_id, request_id)
        return [AttemptState(**row) for row in rows]
