"""A bad export is refused as a whole, with the place of every problem."""

import json
from pathlib import Path

import pytest

from observatory.adapters.exports.files import Provider
from observatory.adapters.exports.rows import SHOWN_PROBLEMS, ExportRefused
from tests.observatory.adapters.exports.reading import DAY_S, midnight, problems_of, read

CALLS_HEADER = "started_at,model,response_id,uncached_input_tokens,output_tokens,cost_usd,currency"
GOOD = "2026-10-03T12:00:00Z,gpt-4o-mini,chatcmpl-1,10,5,0.01,USD"


def csv_problems(tmp_path: Path, *lines: str, header: str = CALLS_HEADER, provider: Provider = "openai") -> list[str]:
    file = tmp_path / "calls.csv"
    file.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return problems_of(provider, file)


def used(**changes: object) -> dict[str, object]:
    return {
        "object": "organization.usage.completions.result", "num_model_requests": 1, "model": "gpt-4o-mini",
        "input_tokens": 10, "output_tokens": 5, **changes,
    }  # fmt: skip


def billed(**changes: object) -> dict[str, object]:
    amount = {"value": 0.5, "currency": "usd"}
    return {"object": "organization.costs.result", "amount": amount, "line_item": "gpt-4o-mini, input", **changes}


def bucket(*results: object, day: int = 3, month: int = 10, length_s: int = DAY_S) -> dict[str, object]:
    begin = midnight(day, month)
    return {"object": "bucket", "start_time": begin, "end_time": begin + length_s, "results": list(results)}


def page_problems(tmp_path: Path, *buckets: object, **changes: object) -> list[str]:
    file = tmp_path / "usage.json"
    file.write_text(json.dumps({"object": "page", "data": list(buckets), "has_more": False, **changes}))
    return problems_of("openai", file)


def test_what_is_good_has_no_problems(tmp_path: Path) -> None:
    assert csv_problems(tmp_path, GOOD) == []
    assert page_problems(tmp_path, bucket(used())) == []
    assert page_problems(tmp_path, bucket(billed())) == []


def test_every_problem_of_a_csv_is_named_with_its_line(tmp_path: Path) -> None:
    found = csv_problems(
        tmp_path,
        GOOD,
        "2026-10-03T12:00:00Z,gpt-4o-mini,chatcmpl-2,-10,5,0.01,USD",
        "2026-11-01T00:00:00Z,gpt-4o-mini,chatcmpl-3,10,5,0.01,USD",
        "2026-10-03T12:00:00Z,gpt-4o-mini,chatcmpl-4,10,5,0.01,EUR",
        "2026-10-03T12:00:00Z,gpt-4o-mini,chatcmpl-5,10,5",
        "2026-10-03T12:00:00Z,gpt-4o-mini,chatcmpl-6,ten,5.5,1e99,USD",
        "yesterday,,,10,5,0.01,USD",
        '2026-10-03T12:00:00Z,gpt-4o-mini,"chatcmpl-7"x,10,5,0.01,USD',
    )
    assert found == [
        "calls.csv: line 3, uncached_input_tokens: -10 is no count",
        "calls.csv: line 4: it is of 2026-11-01, not of 2026-10",
        "calls.csv: line 5, currency: the currency is 'EUR'; only USD is known",
        "calls.csv: line 6: has 5 fields, the header 7",
        "calls.csv: line 7, cost_usd: '1e99' is not an amount that can be booked",
        "calls.csv: line 7, uncached_input_tokens: ten is no count",
        "calls.csv: line 7, output_tokens: 5.5 is no count",
        "calls.csv: line 8, started_at: 'yesterday' is no time",
        "calls.csv: line 8, model: is missing",
        "calls.csv: line 8, response_id: is missing, and call_id too",
        "calls.csv: line 9: not CSV: ',' expected after '\"'",
    ]


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (used(input_tokens=-1), "input_tokens: -1 is no count"),
        (used(input_tokens=1.5), "input_tokens: 1.5 is no count"),
        (used(input_tokens=True), "input_tokens: True is no count"),
        (used(input_tokens=2**60), f"input_tokens: {2**60} is no count"),
        (used(input_tokens=None), "input_tokens: is missing"),
        (used(input_cached_tokens=11), "its parts are more than their whole: uncached_input_tokens would be -1"),
        (used(model=None), "model: is missing: export with group_by=model"),
        (used(model="a\nb"), "model: 'a\\nb' is no name"),
        (used(model="\ud800"), "model: '\\ud800' is no name"),
        (used(batch="maybe"), "batch: 'maybe' is neither true nor false"),
        (used(input_video_tokens=3), "input_video_tokens: is not known here, and what it counts may matter"),
        (used(tiers={"a": 1}), "tiers_a: is not known here, and what it counts may matter"),
        (billed(line_item=None), "line_item: is missing: export with group_by=line_item"),
        (billed(amount={"value": 1, "currency": "eur"}), "amount_currency: the currency is 'eur'; only USD is known"),
        (billed(amount={"value": 1}), "amount_currency: the currency is 'None'; only USD is known"),
        (
            billed(amount={"value": "much", "currency": "usd"}),
            "amount_value: 'much' is not an amount that can be booked",
        ),
        (billed(amount={"value": True, "currency": "usd"}), "amount_value: 'True' is no amount"),
        (billed(amount=None), "amount_value: is missing"),
    ],
)
def test_each_problem_of_a_result_is_named_with_its_path(tmp_path: Path, result: object, what: str) -> None:
    [problem] = page_problems(tmp_path, bucket(), bucket(used(project_id="good"), result, day=4))
    place, _, rest = problem.partition("results[1]")
    assert (place, rest.lstrip(",: ")) == ("usage.json: data[1].", what)


def test_a_result_of_a_kind_that_the_ledger_does_not_book_is_named(tmp_path: Path) -> None:
    [problem] = page_problems(tmp_path, bucket({"object": "organization.usage.images.result", "images": 3}))
    assert problem.startswith(
        "usage.json: data[0].results[0]: no export of openai that is known: organization.usage.im"
    )


def test_another_month_a_period_over_midnight_and_one_that_is_none_are_refused(tmp_path: Path) -> None:
    found = page_problems(
        tmp_path, bucket(used(), month=9), bucket(used(), length_s=DAY_S + 1), bucket(used(), length_s=0)
    )
    assert len(found) == 3
    assert "it is of 2026-09-03, not of 2026-10" in found[0]
    assert all("is not within a day in UTC" in problem for problem in found[1:])


def test_a_row_that_stands_twice_is_refused_in_a_file_and_over_files(tmp_path: Path) -> None:
    [problem] = page_problems(tmp_path, bucket(used(), used(project_id="a"), used(num_model_requests=2)))
    assert problem == (
        "usage.json: data[0].results[2]: is the same row as usage.json: data[0].results[0]: a row stands twice"
    )
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"data": [bucket(used(output_tokens=7))], "has_more": False}))
    page_problems(tmp_path, bucket(used()))
    [problem] = problems_of("openai", tmp_path / "usage.json", other)
    assert problem.startswith("other.json: data[0].results[0]: is the same row as usage.json")


def test_buckets_of_an_hour_and_of_a_day_would_count_twice(tmp_path: Path) -> None:
    [problem] = page_problems(tmp_path, bucket(used()), bucket(used(model="gpt-4o"), length_s=3600))
    assert problem.endswith("sums up 1:00:00, rows before it 1 day, 0:00:00: buckets would overlap")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.json", b'{"data": [', "a.json: not JSON: Expecting value: line 1 column 11 (char 10)"),
        ("a.json", b'{"data": NaN}', "a.json: not JSON: NaN is no number"),
        ("a.json", b"\xff", "a.json: not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        ("a.json", b"[" * 100_000, "a.json: not JSON: maximum recursion depth exceeded"),
        ("a.json", b"{}", "a.json: is no page of an export: it has no list 'data'"),
        ("a.json", b"[3]", "a.json: [0]: is no page of an export: it has no list 'data'"),
        ("a.json", b'{"data": [], "has_more": true}', "a.json: has_more is true: the pages after it are missing"),
        ("a.json", b'{"data": []}', "a.json: there is no row in it"),
        ("a.json", b'{"data": [5]}', "a.json: data[0]: is no bucket: it has no list 'results'"),
        ("a.json", b'{"data": [{"results": []}]}', "a.json: data[0], start_time: is missing"),
        ("a.jsonl", b'\n{"data": []}\n{"x', "a.jsonl: line 3: not JSON: Unterminated string starting at"),
        ("a.csv", b"", "a.csv: is empty"),
        ("a.csv", b"a,b\n1,2\n", "a.csv: line 1: no export of openai that is known: a, b"),
        ("a.csv", b"model,model\n", "a.csv: line 1: a column stands twice"),
        ("a.csv", f"{CALLS_HEADER}\n".encode() + b"\xff" + GOOD.encode() + b"\n", "a.csv: line 2: is not UTF-8"),
        ("a.csv", f'{CALLS_HEADER}\n"{GOOD}\n'.encode(), "a.csv: line 2: not CSV: unexpected end of data"),
    ],
)  # fmt: skip
def test_what_is_no_export_is_said_with_its_place(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    assert problems_of("openai", file)[0].startswith(problem)


def test_a_column_that_is_not_known_is_refused_where_it_says_something(tmp_path: Path) -> None:
    header = CALLS_HEADER + ",video_tokens"
    assert csv_problems(tmp_path, GOOD + ",", GOOD.replace("chatcmpl-1", "chatcmpl-2") + ",0", header=header) == []
    found = csv_problems(tmp_path, GOOD + ",", GOOD.replace("chatcmpl-1", "chatcmpl-2") + ",9", header=header)
    assert found == ["calls.csv: line 3, video_tokens: is not known here, and what it counts may matter"]


def test_rows_by_call_and_sums_are_not_mixed(tmp_path: Path) -> None:
    page_problems(tmp_path, bucket(used()))
    csv_problems(tmp_path, GOOD)
    [problem] = problems_of("openai", tmp_path / "calls.csv", tmp_path / "usage.json")
    assert problem == "calls.csv: rows by call and sums by bucket are in one export: one of them only"


def test_a_file_without_a_row_beside_others_could_be_of_anything(tmp_path: Path) -> None:
    page_problems(tmp_path, bucket(used()))
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"data": [bucket()]}))
    [problem] = problems_of("openai", tmp_path / "usage.json", other)
    assert problem == "other.json: has no row, so it is not known what of: leave it out"


def test_a_file_that_is_away_or_of_another_kind_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match="cannot be read: No such file"):
        read("openai", tmp_path / "none.csv")
    (tmp_path / "usage.xlsx").touch()
    with pytest.raises(ExportRefused, match=r"has to end in \.csv, \.json or \.jsonl or \.ndjson"):
        read("openai", tmp_path / "usage.xlsx")


def test_problems_beyond_the_first_thousand_are_counted(tmp_path: Path) -> None:
    found = csv_problems(tmp_path, *(["1,2"] * (SHOWN_PROBLEMS + 5)))
    assert len(found) == SHOWN_PROBLEMS + 1
    assert found[-1] == "and 5 more"
