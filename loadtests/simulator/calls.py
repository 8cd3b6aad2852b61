"""The life of one paid call: when and how it is answered or spoiled, and its bill.

Promise: the line of the bill is written before the first byte of what it bills is handed to the socket. A
plain call whose client left is billed as served, a stream for the chunks that were sent.
"""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs

from loadtests.simulator import bill, directives, plan
from loadtests.simulator.bill import BillLine
from loadtests.simulator.desk import Desk
from loadtests.simulator.http import Connection, Request
from loadtests.simulator.prices import MODELS, Usage, cost_pico, usd
from loadtests.simulator.refusals import Refusal
from loadtests.simulator.service import Service, StreamablePrompt

TIMEOUT_FAULT_MS = 600_000
_BATCH_BYTES = 64 * 1024
_LONGEST_NAME = 200  # of what a client names, in a line of the bill
_NOTHING = Usage()
_REFUSAL_TEXTS = {
    "400": "simulated: bad request",
    "401": "simulated: incorrect API key provided",
    "404": "simulated: not found",
    "429": "simulated: rate limit reached, please try again later",
    "500": "simulated: the server had an error while processing your request",
    "503": "simulated: the service is temporarily unavailable",
    "529": "simulated: overloaded",
}
_NEVER_BILLED = frozenset([*directives.STATUS_FAULTS, "cut-before"])


class Call:
    """One call, from the last byte of its request to the last line of its bill."""

    def __init__(self, desk: Desk, service: Service, request: Request, connection: Connection) -> None:
        self.received_at = now()
        self._desk = desk
        self._service = service
        self._request = request
        self._connection = connection
        self._id = uuid.uuid4()
        self._bill_id = str(self._id)
        self._id_header = f"{service.id_header}: {self._bill_id}\r\n"
        self._model: str | None = None
        self._attempt: int | None = None
        self._fault: str | None = None
        self._stream: StreamablePrompt | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tokens_sent = 0
        self._opened = False

    def start(self, deployment: str | None, query: str) -> None:
        """Read the request and answer it, now or after its latency."""
        self._desk.in_flight[self._bill_id] = self
        try:
            self._prepare(deployment, query)
        except Refusal as refusal:
            self._refuse(refusal)
            return
        except RecursionError:
            self._refuse(Refusal(400, "the request is nested too deeply"))
            return
        self._connection.on_lost = self._client_left
        self._later(self._first_wait_ms(), self._act)

    def abandon(self) -> None:
        """Bill what was done until now: the simulator stops."""
        if self._timer is not None:
            self._timer.cancel()
        if self._fault in _NEVER_BILLED:
            self._settle(bill.REFUSED, None, _NOTHING)
        elif self._streams():
            self._settle(bill.CUT, 200 if self._opened else None, self._usage_so_far())
        else:
            self._settle(bill.SERVED, None, self._plan.reply.usage)

    def _prepare(self, deployment: str | None, query: str) -> None:
        self._attempt = _attempt(self._request.headers.get("x-observatory-attempt"))
        if deployment is not None and not parse_qs(query).get("api-version"):
            raise Refusal(404, "Resource not found: the query parameter api-version is missing")
        prompt = self._service.read(self._request.body, deployment)
        name, _, suffix = prompt.model.partition("@")
        self._model = name
        asked = directives.read(suffix, self._request.headers.get("x-sim", ""), prompt.text)
        model = MODELS[self._service.provider].get(name)
        if model is None or model.operation != self._service.operation:
            message = f"The model `{name[:_LONGEST_NAME]}` does not exist or you do not have access to it."
            raise Refusal(404, message, code="model_not_found")
        self._plan = plan.decide(self._service, prompt, asked, name, model, self._id)
        self._stream = prompt if isinstance(prompt, StreamablePrompt) and prompt.stream else None
        self._fault = self._chosen_fault(asked)

    def _chosen_fault(self, asked: directives.Directives) -> str | None:
        over = asked.first is not None and self._attempt is not None and self._attempt > asked.first
        if asked.fault is not None and not over:
            return asked.fault
        return self._desk.defaults.drawn_fault()

    def _streams(self) -> bool:
        return self._stream is not None and self._fault not in _NEVER_BILLED | {"timeout"}

    def _first_wait_ms(self) -> int:
        if self._fault == "timeout":
            return TIMEOUT_FAULT_MS
        asked, defaults = self._plan.asked, self._desk.defaults
        if self._streams():
            return defaults.ttft_ms if asked.ttft_ms is None else asked.ttft_ms
        return self._latency_ms()

    def _latency_ms(self) -> int:
        own = self._plan.asked.latency_ms
        return self._desk.defaults.latency_ms if own is None else own

    def _later(self, wait_ms: int, act: Callable[[], None]) -> None:
        if wait_ms:
            self._timer = self._desk.loop.call_later(wait_ms / 1000, act)
        else:
            act()

    def _client_left(self) -> None:
        """A stream ends at once, and so does a hang; a plain answer is made although nobody reads it."""
        if self._fault == "timeout" or self._streams():
            self.abandon()

    def _act(self) -> None:
        fault, reply = self._fault, self._plan.reply
        if fault in _REFUSAL_TEXTS:
            after = self._plan.asked.retryafter or ("1" if fault == "429" else None)
            self._refuse(Refusal(int(fault), _REFUSAL_TEXTS[fault], retry_after=after))
        elif fault == "cut-before":
            self._settle(bill.REFUSED, None, _NOTHING)
            self._connection.drop()
        elif fault == "timeout":
            self._settle(bill.SERVED, None, reply.usage)
            self._connection.drop()
        elif fault == "cut-after":
            self._settle(bill.CUT, None, reply.usage)
            self._connection.drop()
        elif self._stream is not None:
            self._steps = self._plan.steps(self._stream, self._latency_ms(), fault)
            self._connection.on_writable = self._go_on
            self._pump()
        else:
            self._answer()

    def _answer(self) -> None:
        reply, fault = self._plan.reply, self._fault
        body = self._plan.prompt.answer(reply)
        if fault in plan.MALFORMED:
            body = body[: len(body) // 2]
        cut = len(body) // 2 if fault == "cut-mid" else None
        self._settle(bill.SERVED if cut is None else bill.CUT, 200, reply.usage)
        self._connection.answer(200, f"content-type: application/json\r\n{self._id_header}", body, sent=cut)

    def _pump(self) -> None:
        """Send what is due of a stream, each batch after its line of the bill."""
        batch: list[bytes] = []
        size, step = 0, None
        for step in self._steps:
            batch.append(step.data)
            size += len(step.data)
            self._tokens_sent += step.tokens
            if step.last or step.wait_ms or size > _BATCH_BYTES:
                break
        if step is None:
            return
        data = b"".join(batch)
        if step.last:
            self._end_stream(data)
        else:
            self._send(data)
            self._timer = self._desk.loop.call_later(step.wait_ms / 1000, self._waited)

    def _waited(self) -> None:
        self._timer = None
        self._go_on()

    def _go_on(self) -> None:
        if self._timer is None and not self._connection.paused:
            self._pump()

    def _send(self, data: bytes) -> None:
        if not self._opened:
            self._opened = True
            only_input = self._plan.reply.usage._replace(output_tokens=0, reasoning_tokens=0)
            self._write_line(bill.OPEN, 200, only_input)
            self._connection.begin_stream(self._stream_headers())
        self._connection.send(data)

    def _end_stream(self, data: bytes) -> None:
        cut = self._fault == "cut-mid"
        self._settle(bill.CUT if cut else bill.SERVED, 200, self._usage_so_far())
        if not self._opened:
            self._connection.begin_stream(self._stream_headers())
        if cut:
            self._connection.send(data)
            self._connection.drop()
        else:
            self._connection.end_stream(data)

    def _stream_headers(self) -> str:
        kind = "content-type: text/event-stream; charset=utf-8"
        return f"{kind}\r\ncache-control: no-cache\r\n{self._id_header}"

    def _refuse(self, refusal: Refusal) -> None:
        self._settle(bill.REFUSED, refusal.status, _NOTHING)
        after = f"retry-after: {refusal.retry_after}\r\n" if refusal.retry_after is not None else ""
        headers = f"content-type: application/json\r\n{self._id_header}{after}"
        self._connection.answer(refusal.status, headers, self._service.error(refusal))

    def _usage_so_far(self) -> Usage:
        usage, sent = self._plan.reply.usage, self._tokens_sent
        return usage._replace(output_tokens=sent, reasoning_tokens=min(usage.reasoning_tokens, sent))

    def _settle(self, state: str, http_status: int | None, usage: Usage) -> None:
        self._connection.on_lost = None
        self._write_line(state, http_status, usage)
        self._desk.finished(self._bill_id)

    def _write_line(self, state: str, http_status: int | None, usage: Usage) -> None:
        headers = self._request.headers
        billed = state != bill.REFUSED
        self._desk.writer.write(
            BillLine(
                bill_id=self._bill_id,
                call_id=_shortened(headers.get("x-observatory-call-id")),
                request_id=_shortened(headers.get("x-observatory-request-id")),
                attempt=self._attempt,
                provider=self._service.provider,
                model=_shortened(self._model),
                operation=self._service.operation,
                provider_response_id=self._plan.reply.id if billed else None,
                state=state,
                http_status=http_status,
                billed=billed,
                **usage._asdict(),
                cost_usd=usd(cost_pico(self._plan.model, usage)) if billed else "0",
                received_at=self.received_at,
                finished_at=None if state == bill.OPEN else now(),
            )
        )


def now() -> str:
    """RFC 3339 in UTC with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _attempt(header: str | None) -> int | None:
    if header is None:
        return None
    if not (header.isascii() and header.isdigit() and len(header) < 10):
        raise Refusal(400, "the header x-observatory-attempt is not a whole number")
    return int(header)


def _shortened(name: str | None) -> str | None:
    return None if name is None else name[:_LONGEST_NAME]
