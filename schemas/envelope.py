"""CloudEvents 1.0 in Kafka's binary mode: attributes in headers, the value is the JSON body alone.

`ce_id` is deterministic, so an event that is sent twice has one id. Records from clients may lack every header.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID, uuid5

from schemas.base import Event, rfc3339

EVENT_NAMESPACE = UUID("6c1f8b1e-3a52-5b0e-9a55-7d3c1a0e4f11")
CALL_NAMESPACE = UUID("0d9d3f0c-57a4-5a8e-8f0e-2b8f6f7c9d21")
SPEC_VERSION = b"1.0"
CONTENT_TYPE = b"application/json"

Headers = tuple[tuple[str, bytes], ...]


def event_id(subject: UUID, ce_type: str, *parts: int) -> UUID:
    """The one id of an event: of its `request_key` or call, its type, and its attempt, revision or sequence number."""
    return uuid5(EVENT_NAMESPACE, ":".join((str(subject), ce_type, *map(str, parts))))


@lru_cache(4096)
def request_key(tenant_id: str, request_id: UUID) -> UUID:
    """What names a request across tenants: the subject of the ids of its answers."""
    return uuid5(CALL_NAMESPACE, f"{tenant_id}\x1f{request_id}")


@lru_cache(4096)
def call_id(tenant_id: str, request_id: UUID, attempt: int) -> UUID:
    """The id of one attempt; it travels to the provider as a header and names the fact in the ledger."""
    return uuid5(CALL_NAMESPACE, f"{tenant_id}\x1f{request_id}\x1f{attempt}")


def adjustment_id(*named_by: str) -> UUID:
    """The id of an adjustment: of its tenant, provider, model and day, the export that it is from, and its number."""
    return uuid5(CALL_NAMESPACE, "\x1f".join(("adjustment", *named_by)))


def spans_id(trace_id: str, span_ids: Iterable[str]) -> UUID:
    """The id of a record of spans: of what it holds."""
    return uuid5(EVENT_NAMESPACE, "\x1f".join(("spans", trace_id, *span_ids)))


@dataclass(frozen=True, slots=True)
class Envelope:
    """The attributes around a body; those that a client left out are None."""

    ce_id: str | None
    ce_type: str | None
    ce_source: str | None
    ce_time: str | None
    traceparent: str | None


def headers_of(event: type[Event], ce_id: UUID, source: str, time: datetime, traceparent: str | None) -> Headers:
    """The Kafka headers of an event that we send."""
    headers: Headers = (
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", str(ce_id).encode()),
        ("ce_type", event.ce_type.encode()),
        ("ce_source", source.encode()),
        ("ce_time", rfc3339(time).encode()),
        ("content-type", CONTENT_TYPE),
    )
    return (*headers, ("traceparent", traceparent.encode())) if traceparent else headers


def envelope_of(headers: Headers) -> Envelope:
    """Reads the attributes from a record's headers. Raises `ValueError` when one of ours is not UTF-8."""
    known = {name: value for name, value in headers if name.startswith("ce_") or name == "traceparent"}

    def text(name: str) -> str | None:
        value = known.get(name)
        try:
            return None if value is None else value.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"header {name} is not UTF-8") from error

    return Envelope(text("ce_id"), text("ce_type"), text("ce_source"), text("ce_time"), text("traceparent"))
