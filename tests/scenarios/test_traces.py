"""One request through the whole stack is one trace, from the client's span to the ledger, at the ledger's cost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.scenarios.programs import Stack, observatory, running_programs
from tests.stack import LiveStack
from tests.streams.ledger.ground import new_database

CLIENT_SPAN = "00f067aa0ba902b7"


@pytest.fixture(scope="module")
async def programs(stack: LiveStack) -> AsyncIterator[Stack]:
    url = await new_database(stack)
    own = {"OBSERVATORY_DATABASE_URL": url, "OBSERVATORY_TOPIC_PREFIX": "traced."}
    with running_programs(stack, **own) as environment:
        yield Stack(environment)


@pytest.mark.timeout(240)
async def test_a_request_is_one_trace_from_the_client_to_the_ledger(programs: Stack) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    request_id, told = programs.chat("[[sim in=100 out=20 fault=500 first=1]]", f"00-{trace_id}-{CLIENT_SPAN}-01")
    assert told == trace_id
    trace = programs.until(f"traces/{trace_id}", lambda t: t["span_count"] >= 13 and t["linked_spans"])

    spans = {span["span_id"]: span for span in trace["spans"]}
    assert Counter((span["service"], span["name"]) for span in spans.values()) == {
        ("gateway", "POST /v1/chat/completions"): 1,
        ("chat-worker", "process chat.requests"): 1,
        ("chat-worker", "queue"): 1,
        ("chat-worker", "claim"): 1,
        ("chat-worker", "begin"): 1,
        ("chat-worker", "policy"): 2,
        ("chat-worker", "chat gpt-4o-mini"): 2,
        ("chat-worker", "settle"): 2,
        ("chat-worker", "publish"): 2,
    }
    (gateway,) = [span for span in spans.values() if span["service"] == "gateway"]
    (process,) = [span for span in spans.values() if span["name"] == "process chat.requests"]
    assert gateway["parent_span_id"] == CLIENT_SPAN
    assert process["parent_span_id"] == gateway["span_id"]
    others = [span for span in spans.values() if span not in (gateway, process)]
    assert all(span["parent_span_id"] == process["span_id"] for span in others)
    assert {span["request_id"] for span in (gateway, process)} == {request_id}
    assert trace["root"] == {
        "span_id": gateway["span_id"], "service": "gateway", "name": gateway["name"], "orphan": True,
    }  # fmt: skip

    attempts = [span for span in spans.values() if span["call_id"]]
    failed, answered = sorted(attempts, key=lambda span: int(span["start_unix_nano"]))
    assert (failed["status"], answered["status"]) == ("error", "unset")
    assert answered["attributes"]["gen_ai.usage.input_tokens"] == 100
    assert answered["attributes"]["gen_ai.usage.output_tokens"] == 20
    assert answered["attributes"]["gen_ai.provider.name"] == "sim-openai"
    assert (trace["error_spans"], trace["calls"], trace["conversation_ids"]) == (1, 2, ["talk"])
    assert {(edge["caller"], edge["called"]) for edge in trace["edges"]} == {
        ("gateway", "chat-worker"), ("chat-worker", "sim-openai"),
    }  # fmt: skip
    took_ms = (int(gateway["end_unix_nano"]) // 1000 - int(gateway["start_unix_nano"]) // 1000) / 1000
    assert sum(step["self_ms"] for step in trace["critical_path"]) == pytest.approx(took_ms)

    connection = await asyncpg.connect(programs.environment["OBSERVATORY_DATABASE_URL"])
    rows = await connection.fetch("SELECT call_id, cost_usd FROM ledger.calls WHERE request_id = $1::uuid", request_id)
    await connection.close()
    by_call = {str(row["call_id"]): row["cost_usd"] for row in rows}
    assert {span["call_id"]: span["cost_usd"] for span in attempts} == {
        call_id: format(cost, "f") for call_id, cost in by_call.items()
    }
    assert trace["cost_usd"] == format(sum(by_call.values()), "f") != "0"
    assert {span["name"] for span in trace["linked_spans"]} == {"apply llm.calls"}

    listed = json.loads(observatory(programs.environment, "traces", "list", "--conversation", "talk", "--json").stdout)
    assert [one["trace_id"] for one in listed["traces"]] == [trace_id]
    shown = observatory(programs.environment, "traces", "show", trace_id).stdout
    assert all(text in shown for text in ("process chat.requests", "█", "↳ apply llm.calls", "sim-openai"))


@pytest.mark.timeout(120)
async def test_the_client_decides_whether_its_trace_is_recorded(programs: Stack) -> None:
    unwanted = "11111111111111111111111111111111"
    assert programs.chat("[[sim in=10 out=2]]", f"00-{unwanted}-{CLIENT_SPAN}-00")[1] is None
    # Begins a trace of its own, later: once that is there, the other would be.
    _, trace_id = programs.chat("[[sim fault=400]]")
    trace = programs.until(f"traces/{trace_id}", lambda t: t["span_count"] >= 8)
    assert programs.get(f"traces/{unwanted}") is None
    assert not trace["root"]["orphan"]
    (process,) = [span for span in trace["spans"] if span["name"] == "process chat.requests"]
    assert (process["status"], process["status_message"]) == ("error", "invalid_request")
    page = programs.until("traces?last=1h&error=true", lambda page: page["watermark"] is not None)
    assert trace_id in [row["trace_id"] for row in page["rows"]]
