"""Calls that were really served and billed by the simulator, booked by hand as a chat worker would."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID, uuid4

import aiohttp
import orjson

from observatory.adapters.kafka import Publisher
from observatory.adapters.prices import shipped_book
from observatory.rules.attempts import (
    AttemptIdentity,
    AttemptResult,
    Cost,
    provisional,
    published_record,
    record_json,
)
from observatory.rules.pricing import PriceQuery
from observatory.rules.usage import openai_usage
from schemas.calls import Latency, Usage
from schemas.chat import ChatCompleted, ChatRequested, Message
from schemas.envelope import call_id, event_id, request_key
from schemas.topics import CHAT_RESPONSES
from tests.simulator import Simulator
from tests.streams.ledger.ground import Ground

MODEL, PROVIDER = "gpt-4o-mini", "sim-openai"
TENANT = "default"

Known = Literal["ok", "unknown", "estimated"]


@dataclass(frozen=True)
class Call:
    """One attempt, and the request that it is of."""

    call_id: UUID
    request_id: UUID


@dataclass(frozen=True)
class World:
    """Books calls on one ground."""

    ground: Ground
    simulator: Simulator

    async def make(
        self,
        *,
        known: Known = "ok",
        sent: bool = True,
        directive: str = "in=100 out=20",
        tags: Mapping[str, str] | None = None,
    ) -> Call:
        """A call: served by the simulator unless not `sent`, booked with what is `known` of it, published."""
        request = _request(directive).model_copy(update={"tags": tags})
        call = Call(call_id(TENANT, request.request_id, 1), request.request_id)
        usage = await self.serve(call, directive) if sent else None
        result = _settled(usage) if known == "ok" and usage else _guessed(known)
        identity = AttemptIdentity(call_id=call.call_id, attempt=1, provider=PROVIDER, request=request)
        record = record_json(identity, result)
        started_at = await self._book(call, result, record)
        await self.ground.produce([orjson.loads(published_record(record, 1, started_at))])
        return call

    async def unpriced(self, model: str, usage: Usage) -> Call:
        """A call of a model that has no price, booked and published."""
        request = _request("").model_copy(update={"model": model})
        call = Call(call_id(TENANT, request.request_id, 1), request.request_id)
        result = AttemptResult(
            status="ok", usage=usage, usage_source="provider", cost=Cost(usd=None, price_version=None),
            cost_state="settled", response_model=f"{model}-2026-11-01",
        )  # fmt: skip
        identity = AttemptIdentity(call_id=call.call_id, attempt=1, provider=PROVIDER, request=request)
        record = record_json(identity, result)
        started_at = await self._book(call, result, record)
        await self.ground.produce([orjson.loads(published_record(record, 1, started_at))])
        return call

    async def answer(self, call: Call, text: str = "Hello") -> None:
        """Publishes an outcome of the call's request; another text is another outcome."""
        completed = ChatCompleted(
            request_id=call.request_id, message=Message(role="assistant", content=text), finish_reason="stop",
            provider=PROVIDER, model=MODEL, cost_state="settled", attempts=1, latency=Latency(),
            completed_at=datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        publisher = Publisher(self.ground.settings.kafka, "test")
        await publisher.start()
        ce_id = event_id(request_key(TENANT, call.request_id), ChatCompleted.ce_type)
        await (await publisher.publish(CHAT_RESPONSES, str(call.request_id), completed, ce_id))
        await publisher.stop()

    async def attempt(self, call: Call) -> dict[str, object]:
        row = await self.ground.pool.fetchrow("SELECT * FROM journal.attempts WHERE call_id = $1", call.call_id)
        assert row is not None
        return dict(row)

    async def serve(self, call: Call, directive: str = "in=100 out=20") -> Usage | None:
        """Has the simulator serve and bill the call; None when it refused."""
        headers = {"x-observatory-call-id": str(call.call_id), "authorization": "Bearer x"}
        body = {"model": MODEL, "messages": [{"role": "user", "content": f"[[sim {directive}]]"}]}
        url = f"{self.simulator.url}/v1/chat/completions"
        async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers) as answer:
            if answer.status != 200:
                return None
            return openai_usage((await answer.json())["usage"])

    async def _book(self, call: Call, result: AttemptResult, record: str) -> datetime:
        await self.ground.pool.execute(
            """INSERT INTO journal.requests (tenant_id, request_id, body_sha256, topic_partition, topic_offset,
                 record_key, use_history, state, lease_until, published_at, finished_at, outcome, open)
               VALUES ($1, $2, '', 0, 0, $3, false, 'completed', now(), now(), now(), '{}', false)""",
            TENANT, call.request_id, str(call.request_id),
        )  # fmt: skip
        started_at: datetime = await self.ground.pool.fetchval(
            """INSERT INTO journal.attempts (call_id, tenant_id, request_id, attempt, epoch, record_key, provider,
                 model, status, revision, published_revision, cost_usd, cost_state, record, open)
               VALUES ($1, $2, $3, 1, 1, $4, $5, $6, $7, 1, 1, $8, $9, $10, false) RETURNING started_at""",
            call.call_id, TENANT, call.request_id, str(call.request_id), PROVIDER, MODEL, result.status,
            result.cost.usd, result.cost_state, record,
        )  # fmt: skip
        return started_at


def _request(directive: str) -> ChatRequested:
    message = Message(role="user", content=f"[[sim {directive}]]")
    return ChatRequested(request_id=uuid4(), model=MODEL, messages=[message])


def cost_of(usage: Usage) -> Decimal:
    priced = shipped_book().cost(PriceQuery(kind="openai", model=MODEL, at=datetime.now(UTC)), usage)
    assert priced is not None
    return priced[0]


def _settled(usage: Usage) -> AttemptResult:
    cost = Cost(usd=cost_of(usage), price_version="test")
    return AttemptResult(status="ok", usage=usage, usage_source="provider", cost=cost, cost_state="settled")


def _guessed(known: Known) -> AttemptResult:
    usage = Usage(uncached_input_tokens=7)
    cost = Cost(usd=cost_of(usage), price_version="test")
    if known == "unknown":
        return provisional(7, cost)
    return AttemptResult(
        status="error", usage=usage, usage_source="estimated", cost=cost, cost_state="estimated", error_type="cut"
    )
