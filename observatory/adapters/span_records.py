"""From OpenTelemetry's spans to bodies of `spans.received`: one a trace, tenant and service, within its bounds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import orjson
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from observatory.rules.tracing import CALL_ID, CONVERSATION_ID, COST_USD, REQUEST_ID, TENANT_ID, USER_ID
from schemas.envelope import spans_id
from schemas.spans import (
    MAX_ATTRIBUTES,
    MAX_EVENTS,
    MAX_LINKS,
    MAX_SPAN_NAME,
    MAX_SPANS,
    MAX_STATUS_MESSAGE,
)

UNKNOWN_SERVICE = "unknown_service"

_KINDS: Mapping[SpanKind, str | None] = {
    SpanKind.INTERNAL: None,
    SpanKind.SERVER: "server",
    SpanKind.CLIENT: "client",
    SpanKind.PRODUCER: "producer",
    SpanKind.CONSUMER: "consumer",
}
_STATUSES: Mapping[StatusCode, str | None] = {
    StatusCode.UNSET: None,
    StatusCode.OK: "ok",
    StatusCode.ERROR: "error",
}
_FIELDS: Mapping[str, str] = {
    CONVERSATION_ID: "conversation_id",
    USER_ID: "user_id",
    REQUEST_ID: "request_id",
    CALL_ID: "call_id",
    COST_USD: "cost_usd",
}
"""Attributes that are fields of their own in our event."""

Json = dict[str, object]


class SpanRecord(NamedTuple):
    """One record: its key, its id, its body and how many spans it holds."""

    trace_id: str
    ce_id: UUID
    body: bytes
    spans: int


def span_records(spans: Iterable[ReadableSpan]) -> list[SpanRecord]:
    """The records of these spans, each trace's in the order given; what cannot be written as JSON is left out."""
    groups: dict[tuple[int, object, int], tuple[Resource, list[Json]]] = {}
    for span in spans:
        context = span.context
        if context is None:
            continue
        attributes: Json = dict(span.attributes or {})
        tenant_id = attributes.pop(TENANT_ID, None)
        key = (context.trace_id, tenant_id, id(span.resource))
        group = groups.get(key)
        if group is None:
            group = groups[key] = (span.resource, [])
        group[1].append(_span(span, context, attributes))
    return [
        record
        for (trace_id, tenant_id, _), (resource, bodies) in groups.items()
        for start in range(0, len(bodies), MAX_SPANS)
        if (record := _record(f"{trace_id:032x}", tenant_id, resource, bodies[start : start + MAX_SPANS]))
    ]


def _record(trace_id: str, tenant_id: object, resource: Resource, spans: Sequence[Json]) -> SpanRecord | None:
    described = dict(resource.attributes)
    body: Json = {"trace_id": trace_id, "service": str(described.pop(SERVICE_NAME, UNKNOWN_SERVICE))}
    if tenant_id is not None:
        body["tenant_id"] = tenant_id
    if described:
        body["resource"] = dict(list(described.items())[:MAX_ATTRIBUTES])
    body["spans"] = spans
    ce_id = spans_id(trace_id, (str(span["span_id"]) for span in spans))
    try:
        return SpanRecord(trace_id, ce_id, orjson.dumps(body, default=str), len(spans))
    except orjson.JSONEncodeError:
        fine = [span for span in spans if _is_json(span)]
        return _record(trace_id, tenant_id, resource, fine) if 0 < len(fine) < len(spans) else None


def _is_json(span: Json) -> bool:
    try:
        orjson.dumps(span, default=str)
    except orjson.JSONEncodeError:
        return False
    return True


def _span(span: ReadableSpan, context: SpanContext, attributes: dict[str, object]) -> Json:
    body: Json = {
        "span_id": f"{context.span_id:016x}",
        "name": span.name[:MAX_SPAN_NAME] or "unnamed",
        "start_unix_nano": str(span.start_time or 0),
        "end_unix_nano": str(span.end_time or span.start_time or 0),
    }
    if span.parent is not None:
        body["parent_span_id"] = f"{span.parent.span_id:016x}"
    if kind := _KINDS[span.kind]:
        body["kind"] = kind
    if status := _STATUSES[span.status.status_code]:
        body["status"] = status
        if span.status.description:
            body["status_message"] = span.status.description[:MAX_STATUS_MESSAGE]
    if span.instrumentation_scope is not None:
        body["scope"] = span.instrumentation_scope.name
    for attribute, name in _FIELDS.items():
        value = attributes.pop(attribute, None)
        if value is not None:
            body[name] = value
    _add_details(body, span, attributes)
    return body


def _add_details(body: Json, span: ReadableSpan, attributes: Mapping[str, object]) -> None:
    dropped = 0
    if attributes:
        body["attributes"], dropped = _bounded(attributes)
    if span.events:
        body["events"] = [
            {"name": event.name[:MAX_SPAN_NAME], "at_unix_nano": str(event.timestamp)}
            | ({"attributes": _bounded(event.attributes)[0]} if event.attributes else {})
            for event in span.events[:MAX_EVENTS]
        ]
        dropped += max(0, len(span.events) - MAX_EVENTS)
    if span.links:
        body["links"] = [
            {"trace_id": f"{link.context.trace_id:032x}", "span_id": f"{link.context.span_id:016x}"}
            for link in span.links[:MAX_LINKS]
        ]
        dropped += max(0, len(span.links) - MAX_LINKS)
    if dropped:
        body["dropped"] = dropped


def _bounded(attributes: Mapping[str, object]) -> tuple[Mapping[str, object], int]:
    """The attributes that an event has room for, and how many it has not."""
    if len(attributes) <= MAX_ATTRIBUTES:
        return dict(attributes), 0
    return dict(list(attributes.items())[:MAX_ATTRIBUTES]), len(attributes) - MAX_ATTRIBUTES
