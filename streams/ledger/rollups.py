"""What facts add to the one-minute rollups, and what a replaced fact takes back: a pure function.

Sums are exact: decimal arithmetic that would round raises `decimal.Inexact`.
A call that was never sent counts in `not_sent_calls` and in nothing else. An estimated cost is a part of the sum and
stands beside it too. Latency counts for every call that states it, whatever became of the call.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from observatory.adapters.postgres.ledger import Fact, RollupDelta
from observatory.rules.money import MONEY, ZERO
from observatory.rules.sketch import index_of, pack

_add = MONEY.add
_subtract = MONEY.subtract

_Key = tuple[int, str, str, str, str, int]


class _Cell:
    """The growing delta of one rollup row."""

    __slots__ = (
        "calls", "cost", "errors", "estimated", "estimated_cost", "latency", "not_sent", "tokens", "ttft", "unpriced",
    )  # fmt: skip

    def __init__(self) -> None:
        self.calls = self.errors = self.unpriced = self.estimated = self.not_sent = 0
        self.tokens = [0] * 9
        self.cost = self.estimated_cost = ZERO
        self.latency: dict[int, int] = {}
        self.ttft: dict[int, int] = {}

    def book(self, fact: Fact, sign: int) -> None:
        if fact.status == "not_sent":
            self.not_sent += sign
            return
        self.calls += sign
        if fact.status == "error":
            self.errors += sign
        self._book_cost(fact, sign)
        if fact.output_tokens is not None:
            self._book_tokens(fact, sign)
        if fact.total_ms is not None:
            index = index_of(fact.total_ms)
            self.latency[index] = self.latency.get(index, 0) + sign
        if fact.ttft_ms is not None:
            index = index_of(fact.ttft_ms)
            self.ttft[index] = self.ttft.get(index, 0) + sign

    def _book_cost(self, fact: Fact, sign: int) -> None:
        if fact.cost_state == "estimated":
            self.estimated += sign
        if fact.cost_usd is None:
            self.unpriced += sign
            return
        combine = _add if sign > 0 else _subtract
        self.cost = combine(self.cost, fact.cost_usd)
        if fact.cost_state == "estimated":
            self.estimated_cost = combine(self.estimated_cost, fact.cost_usd)

    def _book_tokens(self, fact: Fact, sign: int) -> None:
        tokens = self.tokens
        tokens[0] += sign * (fact.uncached_input_tokens or 0)
        tokens[1] += sign * (fact.cache_read_tokens or 0)
        tokens[2] += sign * (fact.cache_write_5m_tokens or 0)
        tokens[3] += sign * (fact.cache_write_1h_tokens or 0)
        tokens[4] += sign * (fact.output_tokens or 0)
        tokens[5] += sign * (fact.reasoning_tokens or 0)
        tokens[6] += sign * (fact.input_audio_tokens or 0)
        tokens[7] += sign * (fact.output_audio_tokens or 0)
        tokens[8] += sign * (fact.input_image_tokens or 0)


def deltas(added: Iterable[Fact], replaced: Iterable[tuple[Fact, int]] = ()) -> list[RollupDelta]:
    """The change of each rollup row: `added` facts count, `replaced` ones are taken back.

    A replaced fact comes with the partition of the record that replaces it, under which the correction is booked.
    """
    cells: dict[_Key, _Cell] = {}
    for fact in added:
        _cell(cells, fact, fact.topic_partition).book(fact, 1)
    for fact, part in replaced:
        _cell(cells, fact, part).book(fact, -1)
    return [_delta(key, cell) for key, cell in cells.items()]


def _cell(cells: dict[_Key, _Cell], fact: Fact, part: int) -> _Cell:
    minute = int(fact.started_at.timestamp() // 60)
    model = fact.response_model or fact.request_model
    key = (minute, fact.tenant_id, fact.provider, model, fact.operation, part)
    cell = cells.get(key)
    if cell is None:
        cell = cells[key] = _Cell()
    return cell


def _delta(key: _Key, cell: _Cell) -> RollupDelta:
    minute, *rest = key
    return RollupDelta._make(
        (
            datetime.fromtimestamp(minute * 60, UTC),
            *rest,
            cell.calls,
            cell.errors,
            cell.unpriced,
            cell.estimated,
            cell.not_sent,
            *cell.tokens,
            cell.cost,
            cell.estimated_cost,
            pack(cell.latency),
            pack(cell.ttft),
        )
    )
