"""The spans of answering one request: waiting, claim, and of each attempt what came before it, the call, its commit.

Moments are noted as they are passed, on the monotonic clock; spans are made of them once the outcome is out.
"""

import time
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from opentelemetry.trace import SpanKind

from observatory.adapters.providers.base import LLMProvider
from observatory.adapters.tracing import Attributes, Timed, Tracing, wall_offset_ns
from observatory.rules import tracing as names
from observatory.rules.attempts import AttemptResult
from schemas.base import decimal_text
from schemas.calls import Usage
from schemas.chat import ChatRequested
from schemas.topics import CHAT_REQUESTS
from workers.chat.delivery import Delivery

_NONE: Mapping[str, str] = {}


class Timeline:
    """What happened to one request under one claim; notes nothing when its trace is not recorded.

    `failed`: the code of its outcome when that is a failure.
    """

    __slots__ = ("_delivery", "_last", "_offset_ns", "_spans", "failed")

    def __init__(self, delivery: Delivery, asked_at: float, claimed_at: float) -> None:
        self._delivery = delivery
        self._offset_ns = wall_offset_ns() if delivery.span.sampled else 0
        self._spans: list[Timed] = []
        self._last = asked_at
        self.failed: str | None = None
        if delivery.span.sampled:
            self._spans.append(Timed(name="queue", start_ns=_ns(delivery.published_at), end_ns=self._at(asked_at)))
            self.step("claim", asked_at, claimed_at)

    def step(self, name: str, start: float | None, end: float) -> None:
        """Something was done from `start`, else from the end of the step before it, to `end`."""
        if self._delivery.span.sampled:
            begin_ns, end_ns = self._at(self._last if start is None else start), self._at(end)
            self._spans.append(Timed(name=name, start_ns=begin_ns, end_ns=end_ns))
        self._last = end

    def attempt(
        self, call_id: UUID, number: int, provider: LLMProvider, result: AttemptResult, start: float, end: float
    ) -> None:
        """A call was made."""
        if self._delivery.span.sampled:
            request = self._delivery.request
            span = Timed(
                name=f"chat {request.model}",
                start_ns=self._at(start),
                end_ns=self._at(end),
                kind=SpanKind.CLIENT,
                attributes=_attempt_attributes(call_id, number, provider, result, request),
                error=result.error_type if result.status != "ok" else None,
                span_id=names.attempt_span_id(call_id),
            )
            self._spans.append(span)
        self._last = end

    def record(self, tracing: Tracing) -> None:
        """Exports the spans; the one that they stand below goes from the broker's append until now."""
        delivery = self._delivery
        if not delivery.span.sampled:
            return
        whole = Timed(
            name=f"process {CHAT_REQUESTS.name}",
            start_ns=_ns(delivery.published_at),
            end_ns=self._at(time.monotonic()),
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "kafka",
                "messaging.destination.name": CHAT_REQUESTS.name,
                "messaging.destination.partition.id": str(delivery.record.partition),
                "messaging.kafka.offset": delivery.record.offset,
                **_of_request(delivery.request),
            },
            error=self.failed,
        )
        tracing.record(delivery.span, delivery.request.tenant_id, whole, self._spans)

    def _at(self, moment: float) -> int:
        return round(moment * 1e9) + self._offset_ns


def _ns(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6) * 1000


def _of_request(request: ChatRequested) -> dict[str, str]:
    attributes = {names.REQUEST_ID: str(request.request_id)}
    if request.conversation_id is not None:
        attributes[names.CONVERSATION_ID] = request.conversation_id
    if request.user_id is not None:
        attributes[names.USER_ID] = request.user_id
    return attributes


def _attempt_attributes(
    call_id: UUID, number: int, provider: LLMProvider, result: AttemptResult, request: ChatRequested
) -> Attributes:
    attributes: dict[str, str | bool | int | float] = {
        names.OPERATION: "chat",
        names.PROVIDER: provider.name,
        names.REQUEST_MODEL: request.model,
        names.CALL_ID: str(call_id),
        "observatory.attempt": number,
        "observatory.cost_state": result.cost_state,
        **_of_request(request),
    }
    if result.cost.usd is not None:
        attributes[names.COST_USD] = decimal_text(result.cost.usd)
    if request.stream:
        attributes[names.REQUEST_STREAM] = True
    if result.response_model is not None:
        attributes[names.RESPONSE_MODEL] = result.response_model
    if result.provider_response_id is not None:
        attributes[names.RESPONSE_ID] = result.provider_response_id
    if result.error_type is not None:
        attributes[names.ERROR_TYPE] = result.error_type
    ttft_ms = (result.latency or _NONE).get("ttft_ms")
    if isinstance(ttft_ms, float):
        attributes["observatory.ttft_ms"] = ttft_ms
    if result.usage is not None:
        attributes |= _usage(result.usage)
    return attributes


def _usage(usage: Usage) -> dict[str, int]:
    """As the conventions count: the input with what came from the cache or went to it, reasoning within the output."""
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    tokens = {
        names.INPUT_TOKENS: usage.uncached_input_tokens + usage.cache_read_tokens + written,
        names.OUTPUT_TOKENS: usage.output_tokens,
    }
    parts = {
        names.CACHE_READ_TOKENS: usage.cache_read_tokens,
        names.CACHE_WRITE_TOKENS: written,
        names.REASONING_TOKENS: usage.reasoning_tokens,
    }
    return tokens | {name: count for name, count in parts.items() if count}
