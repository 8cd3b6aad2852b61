"""Calls of a real provider as a chat worker left them, in a month that is over, and files of exports about them."""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

import orjson

from observatory.adapters.prices import shipped_book
from observatory.rules.attempts import AttemptIdentity, AttemptResult, Cost, published_record, record_json
from observatory.rules.pricing import PriceQuery
from schemas.calls import CallStatus, Usage
from schemas.chat import ChatRequested, Message
from schemas.envelope import call_id
from tests.streams.ledger.ground import Ground

MODEL, DATED = "gpt-4o-mini", "gpt-4o-mini-2024-07-18"
TENANT = "acme"
MONTH = (datetime.now(UTC).date().replace(day=1) - timedelta(days=1)).replace(day=1)
ASKED = f"{MONTH:%Y-%m}"
DAY_S = 86_400

Known = Literal["settled", "estimated", "unknown"]


def at(day: int, hour: int = 12) -> datetime:
    """A moment of the month."""
    return datetime(MONTH.year, MONTH.month, day, hour, tzinfo=UTC)


def on(day: int) -> date:
    return at(day).date()


def usd(usage: Usage, model: str = DATED, provider: str = "openai") -> Decimal:
    """What it costs at our prices."""
    priced = shipped_book().cost(PriceQuery(kind=provider, model=model, at=at(1)), usage)
    assert priced is not None
    return priced[0]


@dataclass(frozen=True)
class Attempt:
    """An attempt in the journal, published once."""

    call_id: UUID
    response_id: str
    usage: Usage


async def attempt(
    ground: Ground,
    *,
    day: int,
    known: Known = "settled",
    usage: Usage,
    provider: str = "openai",
    tells_response_id: bool = True,
) -> Attempt:
    """Books an attempt of that day; what is not settled was guessed at 7 tokens."""
    request = ChatRequested(
        request_id=uuid4(), tenant_id=TENANT, model=MODEL, messages=[Message(role="user", content="Hello")]
    )
    made = Attempt(call_id(TENANT, request.request_id, 1), f"chatcmpl-{request.request_id.hex}", usage)
    counted = usage if known == "settled" else Usage(uncached_input_tokens=7)
    status: CallStatus = {"settled": "ok", "estimated": "error", "unknown": "unknown"}[known]  # type: ignore[assignment]  # one of them
    result = AttemptResult(
        status=status,
        usage=counted,
        usage_source="provider" if known == "settled" else "estimated",
        cost=Cost(usd=usd(counted), price_version="test"),
        cost_state="settled" if known == "settled" else "estimated",
        error_type="cut" if known == "estimated" else None,
        response_model=None if known == "unknown" else DATED,
        provider_response_id=made.response_id if tells_response_id and known != "unknown" else None,
    )
    record = record_json(AttemptIdentity(call_id=made.call_id, attempt=1, provider=provider, request=request), result)
    started_at = at(day)
    await ground.pool.execute(
        """INSERT INTO journal.attempts (call_id, tenant_id, request_id, attempt, epoch, record_key, provider,
             model, started_at, status, revision, published_revision, cost_usd, cost_state, record, open)
           VALUES ($1, $2, $3, 1, 1, $4, $5, $6, $7, $8, 1, 1, $9, $10, $11, false)""",
        made.call_id, TENANT, request.request_id, str(request.request_id), provider, MODEL, started_at, status,
        result.cost.usd, result.cost_state, record,
    )  # fmt: skip
    await ground.produce([orjson.loads(published_record(record, 1, started_at))])
    return made


def bucket(day: int, *results: Mapping[str, object]) -> dict[str, object]:
    begin = int(at(day, 0).timestamp())
    return {"object": "bucket", "start_time": begin, "end_time": begin + DAY_S, "results": list(results)}


def page(*buckets: Mapping[str, object]) -> dict[str, object]:
    return {"object": "page", "data": list(buckets), "has_more": False, "next_page": None}


def used(calls: int, usage: Usage, model: str | None = DATED, **changes: object) -> dict[str, object]:
    """A result of OpenAI's usage API."""
    return {
        "object": "organization.usage.completions.result", "num_model_requests": calls, "model": model,
        "input_tokens": usage.uncached_input_tokens + usage.cache_read_tokens, "output_tokens": usage.output_tokens,
        "input_cached_tokens": usage.cache_read_tokens, "project_id": None, "batch": None, **changes,
    }  # fmt: skip


def billed(amount: str, item: str | None = f"{DATED}, input", **changes: object) -> dict[str, object]:
    """A result of OpenAI's costs API."""
    return {
        "object": "organization.costs.result", "amount": {"value": amount, "currency": "usd"}, "line_item": item,
        "project_id": None, **changes,
    }  # fmt: skip


def write_json(path: Path, document: object) -> str:
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def write_lines(path: Path, documents: Iterable[object]) -> str:
    path.write_text("".join(json.dumps(document) + "\n" for document in documents), encoding="utf-8")
    return str(path)


def write_csv(path: Path, rows: Iterable[Mapping[str, object]]) -> str:
    first, *others = rows
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(first))
        writer.writeheader()
        writer.writerows([first, *others])
    return str(path)


def row_by_call(made: Attempt, day: int, **changes: object) -> dict[str, object]:
    """A row of our own layout."""
    tokens = {name: count for name, count in made.usage if count is not None}
    return {"started_at": at(day).isoformat(), "model": DATED, "response_id": made.response_id, **tokens, **changes}
