"""Writing the bill and reading it back, torn lines included."""

from pathlib import Path

import msgspec
import pytest

from loadtests.simulator.bill import OPEN, SERVED, BillLine, BillWriter, read_bill

LINE = BillLine(
    bill_id="a",
    call_id=None,
    request_id=None,
    attempt=None,
    provider="openai",
    model="gpt-4o",
    operation="chat",
    provider_response_id="chatcmpl-1",
    state=SERVED,
    http_status=200,
    billed=True,
    uncached_input_tokens=1,
    cache_read_tokens=0,
    cache_write_5m_tokens=0,
    cache_write_1h_tokens=0,
    output_tokens=1,
    reasoning_tokens=0,
    cost_usd="0.0000125",
    received_at="2026-01-01T00:00:00.000000+00:00",
    finished_at="2026-01-01T00:00:00.000000+00:00",
)


def with_id(bill_id: str, state: str = SERVED) -> BillLine:
    return msgspec.structs.replace(LINE, bill_id=bill_id, state=state)


def test_the_last_line_of_a_bill_id_counts(tmp_path: Path) -> None:
    writer = BillWriter(tmp_path / "bill")
    for line in (with_id("a", OPEN), with_id("b", OPEN), with_id("a", SERVED)):
        writer.write(line)
    assert list(read_bill(tmp_path / "bill")) == [with_id("a", SERVED), with_id("b", OPEN)]


def test_a_line_is_readable_when_write_returns(tmp_path: Path) -> None:
    BillWriter(tmp_path / "bill").write(LINE)
    assert list(read_bill(tmp_path / "bill")) == [LINE]


@pytest.mark.parametrize("torn", [b'{"bill_id":"x"', b'{"bill_id":"\xc3', msgspec.json.encode(LINE)[:-1]])
def test_a_torn_last_line_is_ignored_and_does_not_spoil_the_next(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "bill"
    BillWriter(path).write(with_id("a"))
    with path.open("ab") as file:
        file.write(torn)
    assert list(read_bill(path)) == [with_id("a")]
    BillWriter(path).write(with_id("b"))
    assert list(read_bill(path)) == [with_id("a"), with_id("b")]


def test_a_restarted_writer_appends_and_knows_the_size(tmp_path: Path) -> None:
    path = tmp_path / "bill"
    BillWriter(path).write(with_id("a"))
    writer = BillWriter(path)
    writer.write(with_id("b"))
    assert writer.size_bytes == path.stat().st_size
    assert [line.bill_id for line in read_bill(path)] == ["a", "b"]
