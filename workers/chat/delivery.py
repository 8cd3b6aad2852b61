"""A request as it was delivered by the topic, and the lease under which it is answered."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from observatory.adapters.kafka import Record
from observatory.adapters.postgres.journal import LeaseKey, RequestKey
from observatory.adapters.tracing import Begun
from observatory.rules.idempotency import body_sha256
from schemas.chat import ChatRequested
from schemas.envelope import request_key

Lane = tuple[str, str, str]
"""Requests of one lane are answered one after the other: the turns of a conversation, repeats of a request."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Delivery:
    """One record of `chat.requests` that could be read; `span` is that of answering it.

    `record_key` is the key of every record about this request.
    """

    request: ChatRequested
    record: Record
    span: Begun
    sha256: bytes
    published_at: datetime
    deadline: datetime
    key: RequestKey
    record_key: str
    lane: Lane

    @property
    def traceparent(self) -> str:
        """What every record about this request carries: they come from answering it."""
        return self.span.traceparent

    @property
    def subject(self) -> UUID:
        """What the ids of its answers are made of."""
        return request_key(*self.key)


def delivery_of(request: ChatRequested, record: Record, span: Begun, default_deadline_s: float) -> Delivery:
    """Binds a request to its record. Waiting counts from the broker's append time."""
    published_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    tenant, conversation, request_id = request.tenant_id, request.conversation_id, str(request.request_id)
    in_order = request.use_history and conversation is not None
    return Delivery(
        request=request,
        record=record,
        span=span,
        sha256=body_sha256(request),
        published_at=published_at,
        deadline=request.deadline or published_at + timedelta(seconds=default_deadline_s),
        key=(tenant, request.request_id),
        record_key=conversation or request_id,
        lane=("conversation", tenant, str(conversation)) if in_order else ("request", tenant, request_id),
    )


@dataclass(slots=True, eq=False)
class Lease:
    """The right to act for a request. `until` is on our monotonic clock, counted from before the database was asked."""

    key: RequestKey
    epoch: int
    until: float
    lost: bool = field(default=False)

    @property
    def lease_key(self) -> LeaseKey:
        """The request and the epoch."""
        return *self.key, self.epoch

    def holds(self) -> bool:
        """Whether anything may be sent for this request now."""
        return not self.lost and time.monotonic() < self.until
