"""One-second windows of what the broker took in that second, by tenant, provider and model as answered.

The second is that of the append time, which never falls within a partition: a window is closed for good when its
partition has gone on, and neither skewed clocks nor late events touch it. Each partition has its own; readers add up.
"""

from datetime import timedelta
from decimal import Decimal

import msgspec

from observatory.rules.health import FAULTS
from observatory.rules.money import MONEY, ZERO
from observatory.rules.sketch import add_to_packed
from streams.engine.fold import At, Fold, Out
from streams.ledger.decode import CallFields

NAME = "windows"
MOST_CELLS = 500
"""In one window of one partition; what is beyond goes into one cell without names."""

OTHERS = ("", "", "")


class Counted(msgspec.Struct, frozen=True):
    """A call that was seen for the first time, and its cost."""

    second: int
    call: CallFields
    cost_usd: Decimal | None


class Cell(msgspec.Struct):
    """Sums over calls; histograms are packed as in `observatory.rules.sketch`, ascending."""

    tenant_id: str
    provider: str
    model: str
    calls: int = 0
    errors: int = 0
    unpriced_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = ZERO
    latency_ms_hist: list[int] = []
    ttft_ms_hist: list[int] = []
    faults: int = 0
    """Errors that are the provider's own."""


class Window(msgspec.Struct):
    """The cells of a second; `left_out` counts calls in the cell without names."""

    second: int
    cells: list[Cell] = []
    left_out: int = 0


def apply(state: Window | None, counted: Counted, at: At, out: Out) -> Window:
    """Adds a call to its cell."""
    window = state or Window(counted.second)
    cell = _cell(window, counted.call)
    _add(cell, counted)
    return window


def _cell(window: Window, call: CallFields) -> Cell:
    name = (call.tenant_id, call.provider, call.response_model or call.request_model)
    for cell in window.cells:
        if (cell.tenant_id, cell.provider, cell.model) == name:
            return cell
    if len(window.cells) >= MOST_CELLS:
        window.left_out += 1
        name = OTHERS
        if window.cells[-1].tenant_id == "":
            return window.cells[-1]
    window.cells.append(Cell(*name))
    return window.cells[-1]


def _add(cell: Cell, counted: Counted) -> None:
    call, usage, latency = counted.call, counted.call.usage, counted.call.latency
    cell.calls += 1
    if call.status == "error":
        cell.errors += 1
        cell.faults += call.error_type in FAULTS
    if counted.cost_usd is None:
        cell.unpriced_calls += 1
    else:
        cell.cost_usd = MONEY.add(cell.cost_usd, counted.cost_usd)
    if usage is not None:
        cell.input_tokens += (
            usage.uncached_input_tokens + usage.cache_read_tokens + usage.cache_write_5m_tokens
            + usage.cache_write_1h_tokens + (usage.input_audio_tokens or 0) + (usage.input_image_tokens or 0)
        )  # fmt: skip
        cell.output_tokens += usage.output_tokens + (usage.output_audio_tokens or 0)
    if latency is not None:
        if latency.total_ms is not None:
            add_to_packed(cell.latency_ms_hist, latency.total_ms)
        if latency.ttft_ms is not None:
            add_to_packed(cell.ttft_ms_hist, latency.ttft_ms)


WINDOWS = Fold(name=NAME, parent="recent_calls", state=Window, apply=apply, keep=timedelta(days=1))
