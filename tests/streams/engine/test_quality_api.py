"""`/api/v1/analytics/quality` and `/conversations` with real events, against SQL over the ledger's facts."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.streams.engine.ground import StreamGround
from tests.streams.engine.test_feedback import conversation_of, give, given, know_requests, record_calls, until_routed
from tests.streams.ledger.calls import NOW, Body, call
from tests.workers.gateway.conftest import Process, running

FACTS = """
SELECT conversation_id, count(DISTINCT request_id)::int AS turns, count(*)::int AS calls,
  (count(*) FILTER (WHERE cost_usd IS NULL))::int AS unpriced, sum(cost_usd) AS cost, sum(output_tokens)::int AS output,
  sum(uncached_input_tokens)::int AS uncached, max(started_at) AS last
FROM ledger.calls WHERE conversation_id IS NOT NULL AND tenant_id = 'acme' GROUP BY 1
"""
WEEK = {"from": (NOW - timedelta(days=6)).isoformat(), "to": (NOW + timedelta(days=1)).isoformat()}


def bodies() -> list[Body]:
    """Calls over two days with two models, some without a price, some said again and better later."""
    made = []
    for number in range(48):
        started = NOW - timedelta(days=number % 2, seconds=number)
        made.append(
            call(
                tenant_id="acme", conversation_id=conversation_of(number), started_at=started.isoformat(),
                cost_usd=None if number % 9 == 0 else f"0.{number + 1:04}", prompt_version=f"p{number % 2}",
                user_id=f"u{number % 3}",
            )
        )  # fmt: skip
    later = [{**body, "revision": 2, "cost_usd": "0.77"} for body in made[::7]]
    other = call(tenant_id="other", conversation_id="c0")
    return [*made, *later, other]


@pytest.fixture
async def gateway(ground: StreamGround, tmp_path: Path) -> AsyncIterator[Process]:
    async with running(ground.settings.kafka, ground.settings.database_url, tmp_path / "gateway.log") as process:
        yield process


async def asked(gateway: Process, path: str, **parameters: str | list[str]) -> dict[str, Any]:
    url = f"{gateway.url}/api/v1/{path if path.startswith('chat/') else 'analytics/' + path}"
    async with aiohttp.ClientSession() as http, http.get(url, params=parameters) as response:
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer


async def test_answers_equal_what_the_facts_say(ground: StreamGround, gateway: Process) -> None:
    calls = bodies()
    first = {str(body["call_id"]): body for body in calls if body["tenant_id"] == "acme" and body["revision"] == 1}
    await know_requests(ground, first.values())
    scored = list(first.values())[:30]
    async with ground.workers(), ground.ledger():
        await record_calls(ground, calls)
        await give(ground, [given(body, value=(n % 5) / 4, user_id="u") for n, body in enumerate(scored)])
        await until_routed(ground, len(scored))
        await ground.until_streamed()
        await ground.until_applied()
    await _conversations_are_those_of_the_facts(ground, gateway)
    await _users_are_those_of_the_facts(ground, gateway)
    await _quality_is_that_of_the_scores(ground, gateway, scored)
    await _pages_hold_each_row_once(gateway)


async def _conversations_are_those_of_the_facts(ground: StreamGround, gateway: Process) -> None:
    facts = {row["conversation_id"]: row for row in await ground.pool.fetch(FACTS)}
    answer = await asked(gateway, "conversations", tenant="acme", order="cost", **WEEK)
    assert answer["watermark"] is not None
    rows = answer["rows"]
    assert [row["conversation_id"] for row in rows] == sorted(facts, key=lambda name: -facts[name]["cost"])
    for row in rows:
        fact = facts[row["conversation_id"]]
        assert Decimal(row["cost_usd"]) == fact["cost"]
        shown = (row["turns"], row["calls"], row["unpriced_calls"], row["tokens"]["output_tokens"])
        assert shown == (fact["turns"], fact["calls"], fact["unpriced"], fact["output"])
        assert row["tokens"]["uncached_input_tokens"] == fact["uncached"]
        assert datetime.fromisoformat(row["last_activity"]) == fact["last"]
        assert {model["model"]: model["context_window"] for model in row["models"]} == {
            "gpt-4o-mini-2024-07-18": 128_000, "gpt-4o-2024-11-20": 128_000,
        }  # fmt: skip
        assert row["window_use"] == row["context"]["most_tokens"] / 128_000
    only = await asked(gateway, "conversations", tenant="acme", min_cost_usd=str(rows[0]["cost_usd"]), **WEEK)
    assert [row["conversation_id"] for row in only["rows"]] == [rows[0]["conversation_id"]]
    assert not (await asked(gateway, "conversations", model="another", **WEEK))["rows"]
    name = rows[0]["conversation_id"]
    named = (await asked(gateway, "conversations", tenant="acme", named=name.upper(), **WEEK))["rows"]
    assert {row["conversation_id"] for row in named} == {each for each in facts if name in each}
    of_user = (await asked(gateway, "conversations", tenant="acme", user="u1", min_turns="2", **WEEK))["rows"]
    assert {row["conversation_id"] for row in of_user} == set(facts)
    assert all(row["users"] == ["u0", "u1", "u2"] for row in of_user)


async def _users_are_those_of_the_facts(ground: StreamGround, gateway: Process) -> None:
    facts = await ground.pool.fetch(
        """SELECT user_id, count(*)::int AS calls, sum(cost_usd) AS cost, sum(output_tokens)::int AS output
           FROM ledger.calls WHERE tenant_id = 'acme' GROUP BY 1"""
    )
    parts = await ground.pool.fetchval("SELECT count(*) FROM streams.users WHERE user_id = 'u1'")
    assert parts > 1, "else nothing is added up"
    scores = 0
    for fact in facts:
        found = await asked(gateway, f"users/{fact['user_id']}", tenant="acme")
        assert (found["calls"], found["tokens"]["output_tokens"]) == (fact["calls"], fact["output"])
        assert Decimal(found["cost_usd"]) == fact["cost"]
        scores += sum(mean["scores"] for mean in found["quality"])
    assert scores == 30
    async with aiohttp.ClientSession() as http:
        for path, status in (("users/u1?tenant=nobody", 404), ("users/u1?color=red", 422)):
            async with http.get(f"{gateway.url}/api/v1/analytics/{path}") as response:
                assert response.status == status


async def _quality_is_that_of_the_scores(ground: StreamGround, gateway: Process, scored: list[Body]) -> None:
    costs = {
        str(row["call_id"]): row["cost_usd"]
        for row in await ground.pool.fetch("SELECT call_id, cost_usd FROM ledger.calls")
    }
    expected: dict[tuple[str, str], list[tuple[float, Decimal | None]]] = {}
    for number, body in enumerate(scored):
        group = (str(body["started_at"])[:10], str(body["prompt_version"]))
        expected.setdefault(group, []).append(((number % 5) / 4, costs[str(body["call_id"])]))
    answer = await asked(gateway, "quality", tenant="acme", group_by="prompt_version", **WEEK)
    assert len(answer["rows"]) == len(expected)
    for row in answer["rows"]:
        scores = expected[row["start"][:10], row["group"]["prompt_version"]]
        values = [value for value, _ in scores]
        assert row["mean"] == pytest.approx(sum(values) / len(values))
        assert (row["scores"], row["judged_calls"]) == (len(scores), len(scores))
        assert (row["ups"], row["downs"]) == (sum(v > 0.5 for v in values), sum(v < 0.5 for v in values))
        assert Decimal(row["cost_usd"]) == sum((cost for _, cost in scores if cost is not None), Decimal(0))
        assert row["unpriced_calls"] == sum(cost is None for _, cost in scores)
        assert 0 <= row["low"] < row["mean"] < row["high"] <= 1
    by_version = {"group_by": "prompt_version", "granularity": "none", **WEEK}
    for versions in (["p0"], ["p0", "p1"], ["p1", "none such"]):
        told = await asked(gateway, "quality", prompt_version=versions, tenant=["acme", "other"], **by_version)
        assert [row["group"]["prompt_version"] for row in told["rows"]] == [one for one in versions if one[0] == "p"]
    (whole,) = (await asked(gateway, "quality", granularity="none", group_by="", **WEEK))["rows"]
    assert (whole["start"], whole["group"], whole["scores"]) == (None, {}, len(scored))


async def _pages_hold_each_row_once(gateway: Process) -> None:
    for path, more in (("conversations", {"order": "quality"}), ("quality", {"group_by": "model,prompt_version"})):
        whole = (await asked(gateway, path, **more, **WEEK))["rows"]
        paged, cursor = [], ""
        while True:
            page = await asked(gateway, path, limit="1", **more, **WEEK, **({"cursor": cursor} if cursor else {}))
            paged += page["rows"]
            cursor = page["next"]
            if cursor is None:
                break
        assert len(whole) > 2
        assert paged == whole


async def test_csv_and_what_makes_no_sense(ground: StreamGround, gateway: Process) -> None:
    async with ground.workers():
        await record_calls(ground, [call(conversation_id="c0"), call(conversation_id="c1")])
        await ground.until_streamed()
    async with aiohttp.ClientSession() as http:
        for path in ("conversations", "quality"):
            async with http.get(f"{gateway.url}/api/v1/analytics/{path}", params={"format": "csv"}) as response:
                assert response.status == 200
                rows = list(csv.DictReader(io.StringIO(await response.text())))
            if path == "conversations":
                assert {row["conversation_id"] for row in rows} == {"c0", "c1"}
        for path, bad in (
            ("quality", {"group_by": "user"}), ("quality", {"group_by": "model,model"}), ("quality", {"colour": "red"}),
            ("quality", {"granularity": "minute"}), ("conversations", {"order": "beauty"}),
            ("conversations", {"min_turns": "0"}), ("conversations", {"cursor": "x"}),
        ):  # fmt: skip
            async with http.get(f"{gateway.url}/api/v1/analytics/{path}", params=bad) as response:
                assert response.status in (400, 422), (path, bad)


async def test_feedback_is_listed_as_it_stands_with_its_words(ground: StreamGround, gateway: Process) -> None:
    one, other = call(tenant_id="acme", conversation_id="c0"), call(tenant_id="acme", conversation_id=None)
    later = (NOW + timedelta(minutes=1)).isoformat()
    async with ground.workers():
        bad = given(one, value=0.1, comment="Wrong order number", user_id="alice", given_at=later)
        await give(ground, [given(one, user_id="alice"), bad, given(other), given(other, name="tone", value=0.5)])
        await until_routed(ground, 3)
        await ground.until_streamed()
    whole = (await asked(gateway, "chat/feedback", tenant="acme", **WEEK))["rows"]
    assert len(whole) == 3
    assert not any(row["attached"] for row in whole), "no call of theirs is known"
    assert not (await asked(gateway, "quality", tenant="acme", **WEEK))["rows"]
    told = (await asked(gateway, "quality", tenant="acme", unattached="true", granularity="none", **WEEK))["rows"]
    assert {row["name"]: (row["group"], row["scores"], row["unattached"], row["judged_calls"]) for row in told} == {
        "rating": ({"model": None}, 2, 2, 0), "tone": ({"model": None}, 1, 1, 0),
    }  # fmt: skip
    assert (whole[0]["comment"], whole[0]["value"], whole[0]["user_id"]) == ("Wrong order number", 0.1, "alice")
    known = {row["feedback_id"] for row in whole if row["user_id"] in ("alice", "bob")}
    filtered: list[tuple[dict[str, str | list[str]], set[str]]] = [
        ({"max_value": "0.5"}, {row["feedback_id"] for row in whole if row["value"] <= 0.5}),
        ({"commented": "true"}, {str(bad["feedback_id"])}),
        ({"request_id": str(one["request_id"])}, {str(bad["feedback_id"])}),
        ({"tenant": "nobody"}, set()),
        ({"tenant": ["nobody", "acme"], "user": ["alice", "bob"]}, known),
        ({"user": ["nobody"]}, set()),
    ]
    assert known
    for parameters, ids in filtered:
        found = (await asked(gateway, "chat/feedback", **WEEK, **parameters))["rows"]
        assert found == [row for row in whole if row["feedback_id"] in ids]
    first = await asked(gateway, "chat/feedback", limit="2", **WEEK)
    second = await asked(gateway, "chat/feedback", limit="2", cursor=first["next"], **WEEK)
    assert [*first["rows"], *second["rows"]] == whole
    assert second["next"] is None
