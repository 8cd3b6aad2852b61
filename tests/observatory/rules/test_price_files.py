import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.price_files import FILE_FIELDS, Format, PriceFileError, parse_price_file
from observatory.rules.price_rows import PRICE_FIELDS, PriceRow
from schemas.base import decimal_text, rfc3339

TABLES = ("openai", "azure", "anthropic")
HEADER = "provider,model,tenant_id,valid_from,valid_to,above_tokens,input_usd_mtok,output_usd_mtok,multipliers,currency"
GOOD = f"""{HEADER}
openai,gpt-4o,,,,,2.5,10,batch=0.5 priority=1.75,USD
openai,gpt-4o,acme,2026-01-01,2027-01-01T00:00:00+01:00,,2,8,,
openai,gpt-4o,acme,2026-01-01,2027-01-01T00:00:00+01:00,200000,4,12.000000000001,,
"""


def parsed(text: str, form: Format = "csv") -> list[PriceRow]:
    return parse_price_file(text.encode(), form, TABLES)


def problems(text: str | bytes, form: Format = "csv") -> Sequence[tuple[int, str]]:
    """The lines and messages with which a file is refused."""
    with pytest.raises(PriceFileError) as refused:
        parse_price_file(text if isinstance(text, bytes) else text.encode(), form, TABLES)
    return [(problem.line, problem.message) for problem in refused.value.problems]


def lines(text: str | bytes, form: Format = "csv") -> list[int]:
    return [line for line, _ in problems(text, form)]


def csv(*rows: str) -> str:
    return "\n".join(["provider,model,valid_from,valid_to,input_usd_mtok,output_usd_mtok", *rows])


def test_a_csv_file_is_read_exactly() -> None:
    period = {"valid_from": datetime(2026, 1, 1, tzinfo=UTC), "valid_to": datetime(2026, 12, 31, 23, tzinfo=UTC)}
    of_acme = PriceRow(
        provider="openai", model="gpt-4o", tenant_id="acme", input_usd_mtok=Decimal(2), output_usd_mtok=Decimal(8),
        valid_from=period["valid_from"], valid_to=period["valid_to"],
    )  # fmt: skip
    first, second, tier = parsed(GOOD)
    assert first.multipliers == (("batch", Decimal("0.5")), ("priority", Decimal("1.75")))
    assert second == of_acme
    assert (tier.above_tokens, tier.output_usd_mtok) == (200_000, Decimal("12.000000000001"))


def test_the_same_as_json_lines_where_numbers_are_exact_too() -> None:
    prices = '"input_usd_mtok":"2.5","output_usd_mtok":0.1,"multipliers":{"batch":0.3}'
    text = f'\n{{"provider":"openai","model":"gpt-4o",{prices}}}\r\n\n'
    (row,) = parsed(text, "jsonl")
    assert (row.input_usd_mtok, row.output_usd_mtok) == (Decimal("2.5"), Decimal("0.1"))
    assert row.multipliers == (("batch", Decimal("0.3")),)


def test_a_spreadsheets_mark_line_ends_and_empty_lines_are_no_matter() -> None:
    assert parsed("\ufeff" + GOOD.replace("\n", "\r\n") + "\r\n,,,,,,,,,\r\n") == parsed(GOOD)


@pytest.mark.parametrize(
    ("rows", "line", "message"),
    [
        (["openai,a,,,-1,1"], 2, "negative"),
        (["openai,a,,,NaN,1"], 2, "no finite number"),
        (["openai,a,,,1,Infinity"], 2, "no finite number"),
        (["openai,a,,,one,1"], 2, "no decimal number"),
        (["openai,a,,,1_000,1"], 2, "no decimal number"),
        (["openai,a,,,'1',1"], 2, "no decimal number"),
        (["openai,a,,,1000001,1"], 2, "above 1000000"),
        (["openai,a,,,0.0000000000001,1"], 2, "more than 12 decimals"),
        (["openai,a,,,1e-13,1"], 2, "more than 12 decimals"),
        (["openai,a,,,,"], 2, "neither"),
        (["openai,,,,1,1"], 2, "model or a deployment"),
        ([",a,,,1,1"], 2, "provider is missing"),
        (["opnai,a,,,1,1"], 2, "no price table 'opnai'"),
        (["openai,a,yesterday,,1,1"], 2, "no time"),
        (["openai,a,2026-02-30,,1,1"], 2, "no time"),
        (["openai,a,2026-01-01T00:00:00,,1,1"], 2, "lacks its zone"),
        (["openai,a,1969-12-31,,1,1"], 2, "between the years"),
        (["openai,a,0001-01-01T00:00:00+14:00,,1,1"], 2, "no time"),
        (["openai,a,2026-01-02,2026-01-02,1,1"], 2, "not after valid_from"),
        (["openai,a,2026-01-02,2026-01-01,1,1"], 2, "not after valid_from"),
        (["openai,a,,,1"], 2, "5 cells"),
        (["openai,a,,,1,1,1"], 2, "7 cells"),
        (['openai,"a,,,1,1'], 2, "no CSV"),
        (["openai,a,,,1,1", "azure,a,,,1,1", "openai,a,,,2,2"], 4, "stands twice (openai/a): see line 2"),
        (["openai,a,,,1,1", "openai,A,,,2,2"], 3, "stands twice"),
        (["openai,a,,2026-02-01,1,1", "openai,a,2026-01-31,,1,1"], 3, "overlap (openai/a): see line 2"),
        (["openai,a,,,1,1", "openai,a,2026-01-31,2026-02-01,1,1"], 3, "overlap"),
    ],
)
def test_what_is_wrong_with_a_price_is_told_with_its_line(rows: list[str], line: int, message: str) -> None:
    (found,) = problems(csv(*rows))
    assert found[0] == line
    assert message in found[1]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    text = csv("openai,a,,,-1,NaN", "openai,b,,,1,1", "openai,b,,,1,1", "", "openai,,tomorrow,,1,1", "openai,c,,,-2,1")
    assert lines(text) == [2, 4, 6, 7]
    assert len(problems(csv("openai,a,,,-1,-2"))) == 2


@pytest.mark.parametrize("currency", ["EUR", "usd", "$"])
def test_other_currencies_than_us_dollars_are_refused(currency: str) -> None:
    (found,) = problems(GOOD.replace("USD", currency))
    assert found == (2, f"currency: prices are in USD, not in '{currency}'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("provider,model,price\nopenai,a,1", "no field 'price'"),
        ("provider,model,model,input_usd_mtok\nopenai,a,a,1", "column model stands twice"),
        ("", "no price in the file"),
        (HEADER, "no price in the file"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_once(text: str, message: str) -> None:
    (found,) = problems(text)
    assert found[0] == 1
    assert message in found[1]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (",".join(["provider", "model"] * 200_000), "csv"),
        (",".join(f"c{n}" for n in range(200_000)), "csv"),
        ("{" + ",".join(f'"c{n % 100_000}":1' for n in range(200_000)) + "}", "jsonl"),
    ],
)
def test_a_line_of_very_many_names_is_refused_at_once_and_shortly(text: str, form: Format) -> None:
    began = time.process_time()
    with pytest.raises(PriceFileError) as refused:
        parse_price_file(text.encode(), form, TABLES)
    assert time.process_time() - began < 5
    assert len(str(refused.value)) < 20_000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[]", "no JSON object"),
        ("{", "no JSON"),
        ('{"provider":"openai","provider":"azure"}', "provider stands twice"),
        ('{"provider":"openai","model":"a","input_usd_mtok":NaN}', "NaN is no finite number"),
        ('{"provider":"openai","model":"a","input_usd_mtok":true}', "no decimal number"),
        ('{"provider":"openai","model":"a","input_usd_mtok":1,"colour":"red"}', "no field 'colour'"),
        (r'{"provider":"openai","model":"\ud800","input_usd_mtok":1}', "model: a text"),
        ('{"provider":"openai","model":7,"input_usd_mtok":1}', "model: a text"),
        ('{"provider":"openai","model":"a","input_usd_mtok":1,"multipliers":{"batch":-1}}', "multiplier of batch -1"),
        ('{"provider":"openai","model":"a","input_usd_mtok":1,"multipliers":{"batch":1001}}', "above 1000"),
        ('{"provider":"openai","model":"a","input_usd_mtok":1,"multipliers":{"default":1}}', "standard service"),
        ('{"provider":"openai","model":"a","input_usd_mtok":1,"multipliers":"batch=1 batch=2"}', "stands twice"),
        (
            '{"provider":"openai","model":"a","input_usd_mtok":1,"multipliers":{"x":1},"service_tier":"flex"}',
            "belong to",
        ),
        ('{"provider":"openai","model":"a","input_usd_mtok":1,"above_tokens":5}', "needs a row without"),
        ('{"provider":"openai","model":"a","input_usd_mtok":1,"withdrawn":true}', "has no prices"),
        ('{"provider":"openai","model":"a","input_usd_mtok":' + "9" * 5000 + "}", "no JSON"),
        ('{"provider":"openai","model":"a","input_usd_mtok":1e99999}', "no decimal number"),
    ],
)
def test_what_is_wrong_with_a_line_of_json_is_told(line: str, message: str) -> None:
    good = '{"provider":"openai","model":"good","input_usd_mtok":1}'
    (found,) = problems(f"{good}\n{line}\n", "jsonl")
    assert found[0] == 2
    assert message in found[1]


def test_a_tier_names_the_same_prices_as_its_price() -> None:
    base = '{"provider":"openai","model":"a","input_usd_mtok":1,"output_usd_mtok":1}'
    tier = '{"provider":"openai","model":"a","input_usd_mtok":1,"above_tokens":5}'
    assert problems(f"{base}\n{tier}", "jsonl") == [(2, "a tier names the same prices as the row that it is a tier of")]


def test_what_is_no_text_is_refused_at_its_line() -> None:
    assert lines(b"provider,model\nopenai,\xff\n") == [2]


def test_a_price_may_be_withdrawn() -> None:
    (row,) = parsed('{"provider":"openai","model":"a","withdrawn":true}', "jsonl")
    assert row == PriceRow(provider="openai", model="a", withdrawn=True)


moments = st.one_of(st.none(), st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
amounts = st.decimals(0, 10**6, places=12)


@given(
    st.lists(
        st.builds(
            PriceRow,
            provider=st.sampled_from(TABLES),
            model=st.text("ab,\"'; ", min_size=1, max_size=4).filter(lambda text: text == text.strip()),
            tenant_id=st.sampled_from([None, "acme", "ö"]),
            valid_from=moments,
            input_usd_mtok=amounts,
            cache_read_usd_mtok=st.one_of(st.none(), amounts),
            multipliers=st.one_of(st.just(()), amounts.map(lambda factor: (("batch", factor % 1000),))),
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda row: (row.key, row.valid_from),
    ),
    st.sampled_from(["csv", "jsonl"]),
)
def test_what_is_written_is_read_or_refused_for_its_periods(rows: list[PriceRow], form: Format) -> None:
    text = written_as_csv(rows) if form == "csv" else b"\n".join(map(orjson.dumps, map(fields, rows))).decode()
    if len({row.key for row in rows}) == len(rows):
        assert parsed(text, form) == rows
    else:
        assert all("overlap" in message for _, message in problems(text, form))


def fields(row: PriceRow) -> dict[str, object]:
    texts = {name: decimal_text(price) for name, price in row.named_prices.items()}
    factors = {tier: decimal_text(factor) for tier, factor in row.multipliers}
    begin = None if row.valid_from is None else rfc3339(row.valid_from)
    found = {"provider": row.provider, "model": row.model, "tenant_id": row.tenant_id, "valid_from": begin, **texts}
    return {**found, "multipliers": factors} if factors else dict(found)


def written_as_csv(rows: list[PriceRow]) -> str:
    out = [",".join(FILE_FIELDS)]
    for row in rows:
        given = fields(row)
        given["multipliers"] = " ".join(f"{tier}={decimal_text(factor)}" for tier, factor in row.multipliers)
        cells = (str(given.get(name) or "") for name in FILE_FIELDS)
        out.append(",".join('"' + cell.replace('"', '""') + '"' for cell in cells))
    return "\n".join(out)


def test_the_fields_of_a_file_are_those_of_a_row() -> None:
    assert set(PRICE_FIELDS) < set(FILE_FIELDS)
    assert set(FILE_FIELDS) - {"currency"} <= set(PriceRow.__dataclass_fields__)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["batch=1", "USD"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)


@given(st.lists(st.dictionaries(st.sampled_from([*FILE_FIELDS, "x"]), json_values), max_size=3), st.binary(max_size=40))
def test_whatever_a_file_holds_it_is_read_or_refused_with_lines(objects: list[dict[str, object]], noise: bytes) -> None:
    written = "\n".join(json.dumps(value) for value in objects).encode()
    for data in (written, noise, written + b"\n" + noise, HEADER.encode() + b"\n" + noise):
        for form in get_args(Format):
            lines_told = read_or_refused(data, form)
            assert lines_told is None or lines_told
            assert all(1 <= line <= len(data.splitlines()) + 1 for line in lines_told or [])


def read_or_refused(data: bytes, form: Format) -> list[int] | None:
    """The lines with which a file is refused; None for one that is read."""
    try:
        assert parse_price_file(data, form, TABLES)
    except PriceFileError as refused:
        return [problem.line for problem in refused.problems]
    return None
