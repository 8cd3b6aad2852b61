"""Reading arrival traces: exact times, and a line number for whatever is malformed."""

from pathlib import Path

import pytest

from loadtests.replay.trace import Row, TraceError, read_trace, rows_of

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"


def test_times_are_kept_to_a_hundred_nanoseconds_after_the_first_row() -> None:
    rows = list(rows_of([HEADER, "2023-11-16 18:17:03.9799600,4808,10", "2023-11-16 18:17:04.0319601,3180,8"]))
    assert rows == [Row(2, 0.0, 4808, 10), Row(3, 0.0520001, 3180, 8)]


def test_a_day_boundary_is_a_step_in_time() -> None:
    rows = list(rows_of([HEADER, "2023-12-31 23:59:59.5,1,1", "2024-01-01 00:00:01,1,1"]))
    assert rows[1].after_s == 1.5


def test_a_file_with_windows_line_ends_and_no_last_one_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes(f"{HEADER}\r\n2023-11-16 18:17:03,1,2\r\n2023-11-16 18:17:04,3,4".encode())
    assert [row.context_tokens for row in read_trace(path)] == [1, 3]


def test_a_limit_leaves_later_rows_unread() -> None:
    assert len(list(rows_of([HEADER, "2023-11-16 18:17:03,1,2", "broken"], limit=1))) == 1


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("2023-11-16 18:17:04,5", "line 3: 2 fields"),
        ("yesterday,5,6", "line 3: 'yesterday' is no time"),
        ("2023-13-16 18:17:04,5,6", "line 3: '2023-13-16"),
        ("2023-11-16 18:17:04,-5,6", "line 3: '-5' is no number of tokens"),
        ("2023-11-16 18:17:04,5,6.5", "line 3: '6.5' is no number of tokens"),
        ("2023-11-16 18:17:04,5,²", "line 3: '²' is no number of tokens"),
        ("2023-11-16 18:17:04,99999999,6", "line 3: '99999999' is no number of tokens from 0 to 10,000,000"),
        ("2023-11-16 18:17:02,5,6", "line 3: 2023-11-16 18:17:02 is earlier"),
    ],
)
def test_a_malformed_row_is_refused_with_its_line(row: str, complaint: str) -> None:
    with pytest.raises(TraceError, match="^" + complaint):
        list(rows_of([HEADER, "2023-11-16 18:17:03,1,2", row]))


@pytest.mark.parametrize("lines", [[], ["a,b,c"], [HEADER]])
def test_what_is_no_trace_is_refused(lines: list[str]) -> None:
    with pytest.raises(TraceError, match=r"^line [12]: "):
        list(rows_of(lines))


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="No such file"):
        read_trace(tmp_path / "none.csv")
