"""The bill: what the simulator served, one JSON line after another, and how to read it back.

Promise: a line is in the file (the page cache, which outlives a killed process) before the first byte of what
it bills is sent. A call may have two lines, `open` and a final one with the same `bill_id`: the last one
counts.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

# States of a line.
OPEN = "open"  # a stream began: bills its input; replaced by a later line unless the simulator was killed meanwhile
SERVED = "served"  # the whole answer was made; whether anybody read it is not the provider's concern
CUT = "cut"  # work was done, but the connection ended before its whole answer was sent: bills what was generated
REFUSED = "refused"  # answered with an error, or not at all; costs nothing


class BillLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line. Times are RFC 3339 in UTC, `cost_usd` an exact decimal string; `http_status` is null when no
    status was sent, `finished_at` when the stream was still open. Tokens are in disjoint buckets, reasoning
    part of output.
    """

    bill_id: str
    call_id: str | None
    request_id: str | None
    attempt: int | None
    provider: str
    model: str | None
    operation: str
    provider_response_id: str | None
    state: str
    http_status: int | None
    billed: bool
    uncached_input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: str
    received_at: str
    finished_at: str | None


class BillWriter:
    """Appends lines to the bill file, creating it if need be and closing a line that a crash left torn."""

    def __init__(self, path: Path) -> None:
        self._encoder = msgspec.json.Encoder()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self.size_bytes = os.fstat(self._file).st_size
        if self.size_bytes and os.pread(self._file, 1, self.size_bytes - 1) != b"\n":
            self._append(b"\n")

    def write(self, line: BillLine) -> None:
        """Append one line; on return it survives the death of this process."""
        self._append(self._encoder.encode(line) + b"\n")

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` raw bytes of the file from `offset`."""
        return os.pread(self._file, size, offset)

    def close(self) -> None:
        os.close(self._file)

    def _append(self, data: bytes) -> None:
        try:
            while data:
                written = os.write(self._file, data)
                self.size_bytes += written
                data = data[written:]
        except OSError as error:
            # What cannot be billed must not be answered, and a torn line must not be written on.
            print(f"simulator: cannot write the bill, stopping: {error}", file=sys.stderr, flush=True)
            os._exit(1)


def read_bill(path: Path) -> Iterator[BillLine]:
    """The last line of each `bill_id`, in the order in which the calls first appear.

    Torn lines, left by a crash in the middle of a write, are skipped: nothing that they bill was ever sent.
    """
    last: dict[str, BillLine] = {}
    decoder = msgspec.json.Decoder(BillLine)
    with path.open("rb") as file:
        for raw in file:
            if not raw.endswith(b"\n"):
                break
            try:
                line = decoder.decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            last[line.bill_id] = line
    yield from last.values()
