"""A provider's export of what it billed: rows by call, and up to when they are complete.

The simulator's bill is the one export there is so far. A call may have several lines under one `bill_id` (a stream
begins with an open one): `position` tells which is the last, and that one counts.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import aiohttp
import msgspec

from schemas.calls import Usage

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)
_CHUNK_BYTES = 1 << 20


class BillUnavailable(Exception):
    """The export cannot be read; the message says where it was sought and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillRow:
    """One line. `call_id` is None for a call that others made; `kind` is the protocol; cost in US dollars.

    `open` is a stream that had begun: final only when it was received before the export's `complete_until`.
    """

    position: int
    bill_id: str
    call_id: UUID | None
    kind: str
    model: str
    response_id: str | None
    open: bool
    billed: bool
    usage: Usage
    cost_usd: Decimal
    received_at: datetime
    finished_at: datetime | None
    service_tier: str | None = None


@dataclass(frozen=True, slots=True)
class BillStatus:
    """Every call received before `complete_until` has its last line in the export; `in_flight` are being served."""

    in_flight: int
    complete_until: datetime


class _Line(msgspec.Struct, kw_only=True):
    bill_id: str
    call_id: str | None
    provider: str
    model: str | None
    provider_response_id: str | None
    state: str
    billed: bool
    uncached_input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: str
    received_at: datetime
    finished_at: datetime | None


class _Status(msgspec.Struct):
    in_flight: int
    complete_until: datetime


_read_line = msgspec.json.Decoder(_Line).decode
_read_status = msgspec.json.Decoder(_Status).decode


class SimulatorBill:
    """The bill of the simulator at `url`, read over HTTP."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    async def status(self) -> BillStatus:
        """How complete the bill is. Raises `BillUnavailable`."""
        async with self._get("/sim/bill/status") as answer:
            status = _read_status(await answer.read())
        return BillStatus(status.in_flight, status.complete_until)

    async def rows(self) -> AsyncIterator[BillRow]:
        """All lines in order, as they are read. Raises `BillUnavailable`."""
        position = 0
        async with self._get("/sim/bill") as answer:
            rest = b""
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    row = _row(line, position)
                    if row is not None:
                        position += 1
                        yield row

    @asynccontextmanager
    async def _get(self, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, raise_for_status=True) as session,
                session.get(self._url + path) as answer,
            ):
                yield answer
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            raise BillUnavailable(f"the simulator's bill at {self._url}{path}: {error}") from error


def _row(line: bytes, position: int) -> BillRow | None:
    """None for a line that a crash left torn: nothing that it bills was ever sent."""
    try:
        read = _read_line(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return BillRow(
        position=position,
        bill_id=read.bill_id,
        call_id=_uuid(read.call_id),
        kind=read.provider,
        model=read.model or "",
        response_id=read.provider_response_id,
        open=read.state == "open",
        billed=read.billed,
        usage=Usage.model_construct(
            uncached_input_tokens=read.uncached_input_tokens,
            cache_read_tokens=read.cache_read_tokens,
            cache_write_5m_tokens=read.cache_write_5m_tokens,
            cache_write_1h_tokens=read.cache_write_1h_tokens,
            output_tokens=read.output_tokens,
            reasoning_tokens=read.reasoning_tokens,
        ),
        cost_usd=Decimal(read.cost_usd),
        received_at=read.received_at,
        finished_at=read.finished_at,
    )


def _uuid(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None
