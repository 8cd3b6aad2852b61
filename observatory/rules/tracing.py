"""W3C trace context, which traces are recorded, and the names that spans use.

Whoever began a trace decides; of those that begin here a share is recorded, and not more than so many a second: a quiet
system shows every request, a busy one spends next to nothing on it.
"""

import re
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 0x01
_ID_RANGE = 2**64

TENANT_ID = "observatory.tenant_id"
CONVERSATION_ID = "gen_ai.conversation.id"
USER_ID = "user.id"
REQUEST_ID = "observatory.request_id"
CALL_ID = "observatory.call_id"
COST_USD = "observatory.cost_usd"
"""A decimal string."""

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_write.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
ERROR_TYPE = "error.type"


class TraceContext(NamedTuple):
    """One span of a trace as others see it: 32 and 16 hex digits, and whether the trace is recorded."""

    trace_id: str
    span_id: str
    sampled: bool

    @property
    def traceparent(self) -> str:
        """As a header."""
        return f"00-{self.trace_id}-{self.span_id}-0{int(self.sampled)}"


def parse_traceparent(text: str | None) -> TraceContext | None:
    """The context in a `traceparent`; None for none, or for what W3C Trace Context calls invalid."""
    match = _TRACEPARENT.fullmatch(text) if text else None
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if (version == "00" and more) or not (trace_id.strip("0") and span_id.strip("0")):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def attempt_span_id(call_id: UUID) -> str:
    """The span of a call: known wherever the call is."""
    return call_id.hex[16:]


class Sampler:
    """Decides whether a trace that begins here is recorded.

    `ratio` (0 to 1) is taken of the trace ids, as OpenTelemetry's `TraceIdRatioBased` does, so that processes agree;
    `per_second` bounds how many, with a second's worth at once. `clock` tells seconds.
    """

    def __init__(self, ratio: float, per_second: float, clock: Callable[[], float]) -> None:
        self._bound = round(ratio * _ID_RANGE)
        self._per_second, self._clock = per_second, clock
        self._left, self._filled_at = per_second, clock()

    def samples(self, trace_id: str) -> bool:
        """Whether to record it."""
        if int(trace_id[16:], 16) >= self._bound:
            return False
        now = self._clock()
        self._left = min(self._per_second, self._left + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
