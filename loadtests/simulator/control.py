"""What the simulator says of itself: health, the list of models, its outages and its bill, all free of charge."""

import os
from random import Random
from urllib.parse import parse_qs

import msgspec

from loadtests.simulator.calls import now
from loadtests.simulator.desk import Defaults, Desk
from loadtests.simulator.directives import FAULTS
from loadtests.simulator.http import Connection, Request
from loadtests.simulator.openai_errors import openai_error
from loadtests.simulator.prices import MODELS
from loadtests.simulator.refusals import Refusal
from loadtests.simulator.service import decode

_JSON = "content-type: application/json\r\n"
_BLOCK_BYTES = 256 * 1024


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    fault: str | msgspec.UnsetType | None = msgspec.UNSET
    fault_rate: float | msgspec.UnsetType = msgspec.UNSET
    latency_ms: int | msgspec.UnsetType = msgspec.UNSET
    ttft_ms: int | msgspec.UnsetType = msgspec.UNSET
    seed: int | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(_Change)


class Control:
    """The endpoints that are no provider's."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def handle(self, request: Request, connection: Connection, path: str, query: str) -> None:
        """Answer one request that is not a paid call."""
        try:
            match request.method, path:
                case "GET", "/sim/health":
                    connection.answer(200, _JSON, self._health())
                case "GET", "/v1/models":
                    connection.answer(200, _JSON, _models())
                case "POST", "/sim/control":
                    connection.answer(200, _JSON, self._change(request.body))
                case "GET", "/sim/bill/status":
                    connection.answer(200, _JSON, self._bill_status())
                case "GET", "/sim/bill":
                    self._send_bill(connection, query)
                case _:
                    raise Refusal(404, f"Invalid URL ({request.method} {path[:200]})")
        except Refusal as refusal:
            connection.answer(refusal.status, _JSON, openai_error(refusal))

    def _health(self) -> bytes:
        desk = self._desk
        return msgspec.json.encode(
            {"ok": True, "pid": os.getpid(), "served": desk.served, "in_flight": len(desk.in_flight)}
        )

    def _bill_status(self) -> bytes:
        """Every call received before `complete_until` has its last line in the first `bytes` of the bill."""
        received = [call.received_at for call in self._desk.in_flight.values()]
        return msgspec.json.encode(
            {
                "bytes": self._desk.writer.size_bytes,
                "in_flight": len(received),
                "complete_until": min(received, default=now()),
            }
        )

    def _change(self, body: bytes) -> bytes:
        """Change the defaults that the body names and leave the others."""
        change, defaults = decode(_decoder, body), self._desk.defaults
        _check(change)
        for name in ("fault", "fault_rate", "latency_ms", "ttft_ms"):
            value = getattr(change, name)
            if value is not msgspec.UNSET:
                setattr(defaults, name, value)
        if change.seed is not msgspec.UNSET:
            defaults.random = Random(change.seed)
        return msgspec.json.encode(_shown(defaults))

    def _send_bill(self, connection: Connection, query: str) -> None:
        writer = self._desk.writer
        start, end = _offset(query), writer.size_bytes
        if start > end or (start and writer.read(start - 1, 1) != b"\n"):
            raise Refusal(400, f"after={start} is not the end of a line of the bill")
        _BillTransfer(self._desk, connection, start, end).begin()


class _BillTransfer:
    """Sends a range of the bill as fast as the client reads it."""

    def __init__(self, desk: Desk, connection: Connection, start: int, end: int) -> None:
        self._desk = desk
        self._connection = connection
        self._next = start
        self._end = end

    def begin(self) -> None:
        self._connection.begin_stream(f"content-type: application/jsonl\r\nx-sim-next-offset: {self._end}\r\n")
        self._connection.on_writable = self._go_on
        self._go_on()

    def _go_on(self) -> None:
        while self._next < self._end:
            if self._connection.paused:
                return
            block = self._desk.writer.read(self._next, min(_BLOCK_BYTES, self._end - self._next))
            self._next += len(block)
            self._connection.send(block)
        self._connection.end_stream(b"")


def _offset(query: str) -> int:
    value = parse_qs(query).get("after", ["0"])[-1]
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise Refusal(400, f"after={value[:80]!r} is not a byte offset")
    return int(value)


def _check(change: _Change) -> None:
    if isinstance(change.fault, str) and change.fault not in FAULTS:
        raise Refusal(400, f"unknown fault {change.fault[:80]!r}; known are {', '.join(FAULTS)}")
    if isinstance(change.fault_rate, float) and not 0 <= change.fault_rate <= 1:
        raise Refusal(400, "fault_rate is not from 0 to 1")
    for wait_ms in (change.latency_ms, change.ttft_ms):
        if isinstance(wait_ms, int) and not 0 <= wait_ms <= 600_000:
            raise Refusal(400, "latency_ms and ttft_ms are from 0 to 600000")


def _shown(defaults: Defaults) -> dict[str, object]:
    return {
        "fault": defaults.fault,
        "fault_rate": defaults.fault_rate,
        "latency_ms": defaults.latency_ms,
        "ttft_ms": defaults.ttft_ms,
    }


def _models() -> bytes:
    names = sorted(set(MODELS["openai"]))
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "simulator"} for name in names]
    return msgspec.json.encode({"object": "list", "data": data})
