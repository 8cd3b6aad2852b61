"""Traces from records of `trace.spans`: what each holds, what is refused, and on a real broker and database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from observatory.adapters.kafka import Record, Unreadable
from observatory.adapters.postgres.traces import SPANS, TraceFilter, Traces
from observatory.rules.traces import Trace
from schemas.spans import SpanLink, SpansReceived
from schemas.topics import TRACE_SPANS
from streams.engine.events import read
from streams.engine.fold import At
from streams.engine.states import Effects
from streams.folds.spans import SpansFields
from streams.folds.traces import TRACES, apply, key
from tests.streams.engine.ground import StreamGround
from tests.streams.engine.spans import NOW_NS, model_call, publish, received, span

AT = At(TRACE_SPANS.name, 0, 0, NOW_NS // 1_000_000, "")


def record(event: SpansReceived | bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    """As it comes from the broker."""
    value = event if isinstance(event, bytes) else event.to_json()
    return cast(Record, SimpleNamespace(value=value, headers=headers, timestamp=NOW_NS // 1_000_000))


def fields(event: SpansReceived) -> SpansFields:
    """What the fold is given of it."""
    found = read(record(event), TRACE_SPANS.name)
    assert isinstance(found, SpansFields)
    return found


def trace_of(*events: SpansReceived) -> tuple[Trace, list[tuple[object, ...]]]:
    """The trace of these events and the rows of its spans."""
    trace, effects = None, Effects()
    for event in events:
        trace = apply(trace, fields(event), AT, effects) or trace
    assert trace is not None
    return trace, effects.rows.get(SPANS, [])


def test_a_trace_sums_its_spans_and_each_becomes_a_row_once() -> None:
    gateway = received(span(1, took_ms=100, conversation_id="c"), service="gateway")
    chat = received(
        span(2, 1, start_ms=5, took_ms=90, user_id="u"),
        model_call(3, 2, "0.00000012", start_ms=10, status="error"),
        model_call(4, 2, "0.1", start_ms=30),
        model_call(5, 2, None, start_ms=50),
        service="chat",
    )
    trace, rows = trace_of(chat, gateway, chat)
    sums = trace.sums
    assert (sums.spans, sums.errors, sums.calls, sums.unpriced_calls) == (5, 1, 3, 1)
    assert sums.cost_usd == Decimal("0.10000012")
    assert (sums.input_tokens, sums.output_tokens) == (21, 9)
    assert sums.end_us - sums.start_us == 100_000
    assert (trace.services, trace.models) == (["chat", "gateway"], ["gpt-1"])
    assert (trace.conversation_ids, trace.user_ids) == (["c"], ["u"])
    assert trace.first is not None
    assert (trace.first.span_id, trace.first.orphan) == (f"{1:016x}", False)
    assert sorted(str(row[2]) for row in rows) == [f"{n:016x}" for n in range(1, 6)]


def test_a_tenant_sees_nothing_of_another_under_the_same_id() -> None:
    assert key(fields(received(span(1), tenant_id="a"))) != key(fields(received(span(1), tenant_id="b")))
    assert key(fields(received(span(1), tenant_id=None))) != key(fields(received(span(1), tenant_id="b")))


def test_what_comes_again_changes_nothing() -> None:
    event = fields(received(span(1), span(2, 1)))
    state = apply(None, event, AT, Effects())
    assert apply(state, event, AT, Effects()) is None


def test_a_span_that_ends_before_it_begins_takes_no_time() -> None:
    late = span(1).model_copy(update={"end_unix_nano": str(NOW_NS - 120_000_000_000)})
    trace, rows = trace_of(received(late))
    assert trace.sums.start_us == trace.sums.end_us
    assert [row[5] == row[6] for row in rows] == [True]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        received(span(1)).to_json().replace(b'"spans"', b'"others"'),
        received(span(1)).to_json().replace(b"a" * 32, b"A" * 32),
        received(span(1, start_ms=3 * 86_400_000)).to_json(),
        received(span(1, start_ms=-40 * 86_400_000)).to_json(),
        received(span(1, took_ms=3 * 86_400_000)).to_json(),
        received(model_call(1, None, "0.1")).to_json().replace(b'"0.1"', b'"NaN"'),
        received(model_call(1, None, "0.1")).to_json().replace(b'"0.1"', b'"1e999"'),
        b'{"trace_id":"' + b"a" * 32 + b'","service":"s","spans":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_record_of_spans_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(record(body), TRACE_SPANS.name)


def test_another_type_of_event_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="unknown ce_type"):
        read(record(received(span(1)), (("ce_type", b"spans.received.v2"),)), TRACE_SPANS.name)


def test_a_mirror_of_the_schema_reads_what_the_schema_writes() -> None:
    whole = received(
        model_call(
            1, 2, "0.5", links=[SpanLink(trace_id="b" * 32, span_id="c" * 16)], dropped=3, scope="x",
            status_message="m", conversation_id="c", user_id="u",
        )
    )  # fmt: skip
    again = SpansReceived.model_validate_json(msgspec.json.encode(fields(whole)))
    assert again == whole


async def every_partition_read(ground: StreamGround) -> bool:
    return await Traces(ground.pool).until() is not None


async def test_traces_and_spans_are_kept_together_and_found_again(ground: StreamGround) -> None:
    whole = [
        received(span(1, took_ms=100, conversation_id="c\U0001f600", name="n\x00"), service="gateway"),
        received(model_call(2, 1, "0.25", start_ms=10, user_id="u"), service="chat"),
    ]
    other = received(span(1, status="error"), trace_id="b" * 32, tenant_id="other")
    batch = received(
        span(9, links=[SpanLink(trace_id="a" * 32, span_id=f"{2:016x}")]), trace_id="c" * 32, tenant_id=None
    )
    long = [received(*(span(100 * r + n, 1) for n in range(100)), trace_id="d" * 32) for r in range(1, 26)]
    async with ground.workers(folds=[TRACES]):
        await publish(ground, *whole, other, batch, *long, whole[1], long[3])
        await ground.until_streamed([TRACES])
        await ground.until(lambda: every_partition_read(ground))
    compared = (await ground.compared([TRACES]))["traces"]
    assert (compared.ok, compared.equal) == (True, 4)
    assert await ground.pool.fetchval("SELECT count(*) FROM ledger.spans") == 4 + 2_500

    traces = Traces(ground.pool)
    now = datetime.now(UTC)
    everything = {"tenant": "acme", "start": now - timedelta(hours=1), "end": now}

    async def found(**wanted: object) -> list[str]:
        asked = TraceFilter(**(everything | wanted))  # type: ignore[arg-type]  # what is asked differs from case to case
        return sorted(stored.trace.trace_id[0] for stored in await traces.page(asked, None, 10))

    assert await found() == ["a", "d"]
    assert await found(tenant=None) == ["a", "b", "c", "d"]
    assert await found(conversation="c\U0001f600") == await found(user="u") == await found(model="gpt-1") == ["a"]
    assert await found(min_cost_usd=Decimal("0.25")) == ["a"]
    assert await found(min_cost_usd=Decimal("0.2500000001")) == []
    assert await found(min_duration_us=100_000) == ["a"]
    assert await found(min_duration_us=100_001) == []
    assert await found(tenant="other", error=True) == ["b"]
    assert await found(error=True) == []
    assert await found(end=now - timedelta(minutes=30)) == []

    (stored,) = await traces.get(None, "a" * 32)
    assert stored.closed is False
    spans = await traces.spans(stored.trace, None, 10)
    assert [one.service for one in spans] == ["gateway", "chat"]
    assert spans[1].cost_usd == Decimal("0.25")
    assert [one.service for one in await traces.spans(stored.trace, (spans[0].start_ns, spans[0].span_id), 10)] == [
        "chat"
    ]
    assert [one.trace_id for one in await traces.linked(stored.trace)] == ["c" * 32]
    assert (await traces.get(None, "d" * 32))[0].trace.sums.spans == 2_500


async def test_a_span_that_comes_again_longer_is_one_row_still(ground: StreamGround) -> None:
    records = [received(span(1, took_ms=10)), received(span(1, took_ms=30), span(2, 1, took_ms=5))]
    async with ground.workers(folds=[TRACES]):
        await publish(ground, *records)
        await ground.until_streamed([TRACES])
    rows = await ground.pool.fetch("SELECT span_id, (end_ns - start_ns) / 1000000 AS ms FROM ledger.spans ORDER BY 1")
    assert [row["ms"] for row in rows] == [10, 5]
    (trace,) = await ground.pool.fetch("SELECT duration_us, state->'sums'->>'spans' AS spans FROM streams.traces")
    assert tuple(trace) == (30_000, "2")
