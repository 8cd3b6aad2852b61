"""OpenTelemetry's spans become events of `trace.spans` that fit their schema, whatever they hold."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from uuid import UUID

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from infra.native.ports import free_ports
from observatory.adapters.kafka import Publisher
from observatory.adapters.settings import KafkaSettings, Settings
from observatory.adapters.span_records import span_records
from observatory.adapters.tracing import KafkaSpanExporter, Timed, Tracing
from schemas.spans import MAX_ATTRIBUTES, MAX_LINKS, MAX_SPANS, SpansReceived

RESOURCE = Resource({"service.name": "shop", "host.name": "a"})
CALL = UUID("0d9d3f0c-57a4-5a8e-8f0e-2b8f6f7c9d21")


def span(trace: int, number: int, **given: object) -> ReadableSpan:
    """A span of `shop`."""
    context = SpanContext(trace, number, is_remote=False)
    return ReadableSpan("work", context, resource=RESOURCE, start_time=1, end_time=2, **given)  # type: ignore[arg-type]


def events(*spans: ReadableSpan) -> list[SpansReceived]:
    """What the records say."""
    records = span_records(spans)
    found = [SpansReceived.model_validate_json(record.body) for record in records]
    assert [(record.trace_id, record.spans) for record in records] == [(e.trace_id, len(e.spans)) for e in found]
    return found


def test_spans_made_by_the_sdk_keep_what_they_say() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("shop.orders")
    with tracer.start_as_current_span("order", kind=SpanKind.SERVER) as order:
        with tracer.start_as_current_span("chat gpt", attributes={"gen_ai.usage.input_tokens": 5}) as chat:
            chat.add_event("first token", {"n": 1}, timestamp=7)
            chat.set_status(Status(StatusCode.ERROR, "cut"))
        order.set_attribute("observatory.tenant_id", "acme")
    (child,), (root,) = [event.spans for event in sorted(events(*kept.get_finished_spans()), key=lambda e: str(e))]
    if root.parent_span_id is not None:
        child, root = root, child
    assert (root.name, root.kind, root.status, root.parent_span_id) == ("order", "server", "unset", None)
    assert (child.name, child.kind, child.status, child.status_message) == ("chat gpt", "internal", "error", "cut")
    assert child.parent_span_id == root.span_id
    assert child.scope == "shop.orders"
    assert child.attributes == {"gen_ai.usage.input_tokens": 5}
    assert child.events is not None
    assert (child.events[0].name, child.events[0].at_unix_nano) == ("first token", "7")
    assert int(root.start_unix_nano) <= int(child.start_unix_nano) <= int(child.end_unix_nano)


def test_what_is_ours_is_a_field() -> None:
    attributes = {
        "observatory.tenant_id": "acme",
        "gen_ai.conversation.id": "c1",
        "user.id": "u1",
        "observatory.call_id": str(CALL),
        "observatory.cost_usd": "0.00000015",
        "other": True,
    }
    (event,) = events(span(1, 1, attributes=attributes))
    assert (event.tenant_id, event.service, event.resource) == ("acme", "shop", {"host.name": "a"})
    (found,) = event.spans
    assert (found.conversation_id, found.user_id, found.call_id) == ("c1", "u1", CALL)
    assert found.cost_usd == Decimal("0.00000015")
    assert found.attributes == {"other": True}


def test_each_trace_and_tenant_has_its_record_and_a_long_one_several() -> None:
    mine, yours = {"observatory.tenant_id": "a"}, {"observatory.tenant_id": "b"}
    spans = [span(1, n, attributes=mine) for n in range(1, MAX_SPANS + 2)]
    found = events(*spans, span(1, 5, attributes=yours), span(2, 6, attributes=mine))
    assert [(int(e.trace_id, 16), e.tenant_id, len(e.spans)) for e in found] == [
        (1, "a", MAX_SPANS), (1, "a", 1), (1, "b", 1), (2, "a", 1),
    ]  # fmt: skip


def test_the_same_spans_have_the_same_record_id() -> None:
    one, again, other = (span_records([span(1, number)])[0].ce_id for number in (1, 1, 2))
    assert one == again != other


def test_what_there_is_no_room_for_is_counted() -> None:
    links = [Link(SpanContext(9, number, is_remote=False)) for number in range(1, MAX_LINKS + 4)]
    attributes = {f"a{n}": n for n in range(MAX_ATTRIBUTES + 2)}
    ((found,),) = [event.spans for event in events(span(1, 1, attributes=attributes, links=links))]
    assert found.dropped == 2 + 3
    assert found.links is not None
    assert len(found.links) == MAX_LINKS


def test_a_span_that_is_no_json_keeps_no_other_back() -> None:
    good, bad = span(1, 1, attributes={"a": 1}), span(1, 2, attributes={"a": 2**70})
    ((found,),) = [event.spans for event in events(good, bad)]
    assert found.span_id == f"{1:016x}"
    assert events(bad) == []


async def test_an_exporter_that_is_full_drops_and_says_so() -> None:
    exporter = KafkaSpanExporter(Publisher(KafkaSettings(), "test"), most=3)
    assert exporter.export([span(1, 1), span(1, 2)]) is SpanExportResult.SUCCESS
    assert exporter.export([span(1, 3), span(1, 4)]) is SpanExportResult.FAILURE
    assert exporter.export([span(1, 5)]) is SpanExportResult.SUCCESS


async def test_a_process_goes_on_and_ends_while_the_broker_is_away() -> None:
    (nobody,) = free_ports(1)
    kafka = KafkaSettings().model_copy(update={"bootstrap": f"127.0.0.1:{nobody}"})
    tracing = Tracing(Settings().model_copy(update={"kafka": kafka}), "test")
    tracing.start()
    for _ in range(3):
        tracing.record(tracing.begin(), None, Timed(name="work", start_ns=1, end_ns=2))
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await tracing.stop()
