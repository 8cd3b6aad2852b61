"""A conversation and what people said of its answers, on the whole stack: cost, growth and quality as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.scenarios.programs import Stack, observatory, running_programs
from tests.stack import LiveStack
from tests.streams.ledger.ground import new_database

INPUT = (100, 350, 600)


@pytest.fixture(scope="module")
async def programs(stack: LiveStack) -> AsyncIterator[Stack]:
    url = await new_database(stack)
    own = {"OBSERVATORY_DATABASE_URL": url, "OBSERVATORY_TOPIC_PREFIX": "judged."}
    with running_programs(stack, **own) as environment:
        yield Stack(environment)


@pytest.mark.timeout(180)
async def test_a_conversation_is_shown_with_its_cost_its_growth_and_what_was_said_of_it(programs: Stack) -> None:
    asked = [send(programs, size) for size in INPUT]
    observatory(programs.environment, "feedback", asked[0], "--down", "--user", "alice")
    for request_id in asked[1:]:
        programs.post("chat/feedback", {"request_id": request_id, "thumbs": "up"})
    programs.post("chat/feedback", {"request_id": asked[0], "value": 0.75, "user_id": "alice", "comment": "After all"})
    programs.post("chat/feedback", {"request_id": str(uuid4()), "thumbs": "up"})

    (row,) = programs.until("analytics/conversations?last=1h", is_judged)["rows"]
    connection = await asyncpg.connect(programs.environment["OBSERVATORY_DATABASE_URL"])
    cost = await connection.fetchval("SELECT sum(cost_usd) FROM ledger.calls WHERE conversation_id = 'talk'")
    await connection.close()
    assert Decimal(row["cost_usd"]) == cost > 0
    assert (row["turns"], row["users"], row["errors"]) == (3, ["alice"], 0)
    context = row["context"]
    assert (context["first_tokens"], context["last_tokens"], context["growth_tokens"]) == (100, 600, 250.0)
    assert row["window_use"] == 600 / 128_000
    assert row["quality"][0]["mean"] == pytest.approx(2.75 / 3)

    (quality,) = programs.get("analytics/quality?last=1h")["rows"]
    assert (quality["scores"], quality["ups"], quality["downs"], quality["judged_calls"]) == (3, 3, 0, 3)
    assert Decimal(quality["cost_usd"]) == cost
    (said,) = programs.get("chat/feedback?last=1h&commented=true")["rows"]
    assert (said["request_id"], said["comment"], said["conversation_id"]) == (asked[0], "After all", "talk")
    assert observatory(programs.environment, "verify").returncode == 0


def send(programs: Stack, size: int) -> str:
    """The id of an answered request of so many input tokens."""
    body = {
        "request_id": str(uuid4()), "model": "gpt-4o-mini", "conversation_id": "talk", "user_id": "alice",
        "messages": [{"role": "user", "content": f"[[sim in={size} out=20]]"}],
    }  # fmt: skip
    return str(programs.post("chat/send", body)["request_id"])


def is_judged(answer: Any) -> bool:
    """Whether all turns are in, and all that was said of them, corrected."""
    quality = [mean for row in answer["rows"] for mean in row["quality"]]
    return bool(quality and quality[0]["scores"] == 3 and quality[0]["mean"] > 0.9)
