"""The gateway's span of an HTTP request that asks for a chat answer: from its first byte to the last of its answer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import SpanKind
from starlette.types import Message, Scope, Send

from observatory.adapters.tracing import Begun, Timed, Tracing, wall_offset_ns
from observatory.rules.tracing import CONVERSATION_ID, REQUEST_ID, USER_ID
from schemas.chat import ChatRequested
from workers.gateway.refusals import Refusal

TRACE_ID = b"x-observatory-trace-id"
_KEY = "observatory.span"


class RequestSpan:
    """What is known of one HTTP request; `status` is what it was answered with, in the end."""

    __slots__ = ("_begun", "_request", "status")

    def __init__(self, begun: Begun) -> None:
        self._begun = begun
        self._request: ChatRequested | None = None
        self.status = 500

    def asks(self, request: ChatRequested) -> None:
        """The HTTP request is this chat request: its span is worth keeping."""
        self._request = request

    @property
    def trace_id(self) -> str | None:
        """Of the trace, when it will be found: a recorded one of a chat request."""
        return self._begun.context.trace_id if self._begun.sampled and self._request is not None else None

    @property
    def traceparent(self) -> str:
        """What the chat request's records carry."""
        return self._begun.traceparent

    def announcing(self, send: Send) -> Send:
        """Sends the head of the answer with the trace's id."""
        if not self._begun.sampled:
            return send

        async def announced(message: Message) -> None:
            if message["type"] == "http.response.start" and (trace_id := self.trace_id) is not None:
                message = {**message, "headers": [*message["headers"], (TRACE_ID, trace_id.encode())]}
            await send(message)

        return announced

    def record(self, tracing: Tracing, scope: Scope, start_ns: int) -> None:
        """Exports the span that began at `start_ns` of the monotonic clock and ends now."""
        request = self._request
        if request is None or not self._begun.sampled:
            return
        route = str(getattr(scope.get("route"), "path", scope["path"]))
        offset_ns = wall_offset_ns()
        attributes: dict[str, str | int] = {
            "http.request.method": scope["method"],
            "http.route": route,
            "http.response.status_code": self.status,
            REQUEST_ID: str(request.request_id),
        }
        if request.conversation_id is not None:
            attributes[CONVERSATION_ID] = request.conversation_id
        if request.user_id is not None:
            attributes[USER_ID] = request.user_id
        span = Timed(
            name=f"{scope['method']} {route}",
            start_ns=start_ns + offset_ns,
            end_ns=time.monotonic_ns() + offset_ns,
            kind=SpanKind.SERVER,
            attributes=attributes,
            error=f"HTTP {self.status}" if self.status >= 500 else None,
        )
        tracing.record(self._begun, request.tenant_id, span)


class RequestTraces:
    """Begins a span for each HTTP request, below its `traceparent` if it has one."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    @contextmanager
    def span(self, scope: Scope) -> Iterator[RequestSpan]:
        """The span of this request, for as long as it is answered; a `Refusal` that leaves tells its status."""
        start_ns = time.monotonic_ns()
        span = scope[_KEY] = RequestSpan(self._tracing.begin(_traceparent(scope)))
        try:
            yield span
        except Refusal as refusal:
            span.status = refusal.status
            refusal.trace_id = span.trace_id
            raise
        finally:
            span.record(self._tracing, scope, start_ns)


def span_in(scope: Scope) -> RequestSpan:
    """The span of the request that is being answered."""
    span = scope[_KEY]
    if not isinstance(span, RequestSpan):
        raise TypeError("the scope holds another kind of span")
    return span


def _traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            text: str = value.decode("latin-1")
            return text
    return None
