"""How questions to the analytics are read and their answers written, without a gateway."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlencode

import orjson
import pytest
from fastapi import Request
from fastapi.responses import StreamingResponse

from observatory.rules.periods import Window
from schemas.base import Body, Usd
from schemas.http_analytics import PeriodParameters
from workers.gateway.access import ANYBODY, Access
from workers.gateway.analytics_answers import csv_answer, json_answer, one_by_one, wants_csv
from workers.gateway.analytics_query import asked, described_query, parameters_of, tenant_of
from workers.gateway.refusals import Refusal

DAY = Window(datetime(2026, 11, 24, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC))


class Question(PeriodParameters):
    models: list[str] | None = None
    top: int | None = None
    tags: dict[str, list[str]] | None = None


class Part(Body):
    cost_usd: Usd


class Row(Body):
    group: dict[str, str | None] | None
    cost_usd: Usd
    previous: Part | None = None


def request(query: Sequence[tuple[str, str]] = (), accept: str = "*/*") -> Request:
    scope = {
        "type": "http", "method": "GET", "path": "/", "headers": [(b"accept", accept.encode())],
        "query_string": urlencode(query).encode(),
    }  # fmt: skip
    return Request(scope)


def read(*query: tuple[str, str]) -> Question:
    return parameters_of(Question)(request(query))


def refused(*query: tuple[str, str]) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        read(*query)
    return refusal.value


def test_parameters_are_read_by_their_schema() -> None:
    found = read(("models", "a"), ("models", "b"), ("top", "3"), ("tag:team", "x"), ("from", "2026-11-24T00:00:00Z"))
    assert (found.models, found.top, found.tags) == (["a", "b"], 3, {"team": ["x"]})
    assert found.start == DAY.start


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ([("colour", "red")], "colour"),
        ([("top", "many")], "top"),
        ([("top", "1"), ("top", "2")], "top"),
        ([("from", "yesterday")], "from"),
        ([("from", "1764000000")], "from"),
        ([("from", "2026-11-24T00:00:00")], "from"),
        ([("limit", "0")], "limit"),
        ([("format", "xml")], "format"),
    ],
)
def test_what_makes_no_sense_is_422_and_named(query: list[tuple[str, str]], parameter: str) -> None:
    refusal = refused(*query)
    assert refusal.status == 422
    assert [error["parameter"] for error in refusal.errors] == [parameter]
    assert parameter in refusal.message


def test_a_cursor_holds_period_and_position_and_belongs_to_its_question() -> None:
    first = asked(request([("last", "2h"), ("top", "3")]), read(("last", "2h"), ("top", "3")), ANYBODY)
    cursor = first.next("a\x1fb", None, 7)
    query = [("top", "3"), ("last", "2h"), ("limit", "5"), ("cursor", cursor)]
    again = asked(request(query), read(*query), ANYBODY)
    assert (again.period, again.after) == (first.period, ["a\x1fb", None, 7])
    for other in ([("top", "4"), ("last", "2h")], [("top", "3")]):
        with pytest.raises(Refusal) as refusal:
            asked(request(other), read(*other, ("cursor", cursor)), ANYBODY)
        assert refusal.value.status == 400
    with pytest.raises(Refusal):
        asked(request(query), read(*query), Access("acme", "key"))


def test_a_key_sees_its_tenant_only() -> None:
    assert tenant_of(ANYBODY, ["a", "b"]) == ["a", "b"]
    assert tenant_of(Access("acme", "key"), []) == ["acme"]
    assert tenant_of(Access("acme", "key"), ["acme"]) == ["acme"]
    with pytest.raises(Refusal) as refusal:
        tenant_of(Access("acme", "key"), ["acme", "other"])
    assert refusal.value.status == 403


def test_csv_is_given_to_whom_asks_for_it() -> None:
    assert wants_csv(request(accept="text/csv"), read())
    assert wants_csv(request(accept="application/json;q=0.5, text/csv"), read())
    assert not wants_csv(request(accept="application/json, text/csv;q=0.9"), read())
    assert not wants_csv(request(accept="*/*"), read())
    assert wants_csv(request(), read(("format", "csv")))
    assert not wants_csv(request(accept="text/csv"), read(("format", "json")))


def test_json_has_the_envelope_and_says_whether_it_is_complete() -> None:
    row = Row(group={"user": None}, cost_usd=Decimal("0.00000015"))
    for watermark, complete in ((DAY.end, True), (DAY.start, False), (None, False)):
        found = orjson.loads(json_answer(Row, DAY, watermark, [row], "next").body)
        assert found["period"] == {"from": "2026-11-24T00:00:00Z", "to": "2026-11-25T00:00:00Z"}
        assert found["complete"] is complete
        assert found["next"] == "next"
        assert found["rows"] == [{"group": {"user": None}, "cost_usd": "0.00000015", "previous": None}]


async def test_csv_keeps_every_digit_and_what_a_name_may_hold() -> None:
    names = ['a,b"c\nd', "=1+1", "-5", None, "ü"]
    rows = [
        Row(group={"user": name}, cost_usd=Decimal("-0.10"), previous=Part(cost_usd=Decimal("1E-9"))) for name in names
    ]
    answer = csv_answer(Row, DAY, DAY.end, one_by_one(rows), groups=["user"])
    assert answer.media_type == "text/csv; charset=utf-8"
    assert answer.headers["x-observatory-watermark"] == "2026-11-25T00:00:00.000000Z"
    assert answer.headers["x-observatory-complete"] == "true"
    heading, *found = await parsed(answer)
    assert heading == ["user", "cost_usd", "previous_cost_usd"]
    assert [line[0] for line in found] == ['a,b"c\nd', "'=1+1", "-5", "", "ü"]
    assert {tuple(line[1:]) for line in found} == {("-0.10", "0.000000001")}
    only = csv_answer(Row, DAY, None, one_by_one([]), groups=["user"], leave_out=["previous"])
    assert await parsed(only) == [["user", "cost_usd"]]


async def parsed(answer: object) -> list[list[str]]:
    assert isinstance(answer, StreamingResponse)
    text = "".join([str(part) async for part in answer.body_iterator])
    return list(csv.reader(io.StringIO(text, newline="")))


def test_every_parameter_is_in_the_document() -> None:
    entries = described_query(Question)["parameters"]
    assert isinstance(entries, list)
    assert {entry["name"] for entry in entries} == {
        "from", "to", "last", "format", "limit", "cursor", "models", "top", "tag:{key}",
    }  # fmt: skip
