from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.money import per_million
from observatory.rules.own_prices import RecordedRow
from observatory.rules.price_book import PriceBook, PriceVersion, Source, UnknownPriceVersion
from observatory.rules.price_checks import MAX_MULTIPLIER, MAX_PRICE, problems_in
from observatory.rules.price_rows import PriceRow
from observatory.rules.pricing import PriceQuery
from schemas.calls import Usage

DAY = timedelta(days=1)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ONE_MILLION = Usage(uncached_input_tokens=1_000_000)

LISTED = PriceRow(
    provider="openai",
    model="gpt-4o",
    input_usd_mtok=Decimal("2.5"),
    output_usd_mtok=Decimal(10),
    list_position=0,
    list_match='{"or":[{"equals":"gpt-4o"},{"equals":"gpt-4o-2024-08-06"}]}',
)
LISTED_BATCH = replace(LISTED, service_tier="batch", input_usd_mtok=Decimal("1.25"), output_usd_mtok=Decimal(5))


def own(usd: str, **more: object) -> PriceRow:
    """A price of our own for gpt-4o, of so many dollars a million tokens, in and out."""
    row = PriceRow(provider="openai", model="gpt-4o", input_usd_mtok=Decimal(usd), output_usd_mtok=Decimal(usd))
    return replace(row, **more)  # type: ignore[arg-type]  # fields of PriceRow


def book(*own_versions: list[PriceRow]) -> PriceBook:
    """Version 1 is the shipped list, 2 and up are ours."""
    versions = [PriceVersion(1, "genai-prices/1", "shipped", NEW_YEAR)]
    rows = [RecordedRow(1, LISTED), RecordedRow(1, LISTED_BATCH)]
    for number, own_rows in enumerate(own_versions, 2):
        versions.append(PriceVersion(number, f"book/{number}", "set", NEW_YEAR + number * DAY))
        rows += [RecordedRow(number, row) for row in own_rows]
    return PriceBook(versions, rows)


def query(**more: object) -> PriceQuery:
    return replace(PriceQuery(kind="openai", model="gpt-4o", at=NOW), **more)  # type: ignore[arg-type]


def price(prices: PriceBook, **more: object) -> tuple[str, str] | None:
    """Dollars for a million input tokens, and the version."""
    found = prices.cost(query(**more), ONE_MILLION)
    return None if found is None else (f"{found[0]:f}".rstrip("0").rstrip("."), found[1])


def test_without_prices_of_our_own_the_list_counts() -> None:
    assert price(book()) == ("2.5", "genai-prices/1")


def test_a_price_of_our_own_comes_before_the_list() -> None:
    assert price(book([own("2")])) == ("2", "book/2")


def test_a_price_of_our_own_comes_before_a_newer_list() -> None:
    prices = book([own("2")]).extended(
        [PriceVersion(3, "genai-prices/2", "shipped", NOW)],
        [RecordedRow(3, replace(LISTED, input_usd_mtok=Decimal(9)))],
    )
    assert price(prices) == ("2", "book/2")
    assert price(prices, at=NEW_YEAR - DAY, model="gpt-4o-2024-08-06") == ("2", "book/2")


def test_of_two_lists_the_newer_one_counts_alone() -> None:
    other = replace(LISTED, model="o9", list_match='{"equals":"o9"}')
    prices = book().extended([PriceVersion(2, "genai-prices/2", "shipped", NOW)], [RecordedRow(2, other)])
    assert price(prices, model="o9") == ("2.5", "genai-prices/2")
    assert price(prices) is None
    assert price(prices.as_of(1)) == ("2.5", "genai-prices/1")


def test_of_two_prices_for_the_same_the_newer_one_counts() -> None:
    assert price(book([own("2")], [own("3")])) == ("3", "book/3")


def test_a_newer_price_counts_in_its_period_and_the_older_one_around_it() -> None:
    prices = book([own("2")], [own("3", valid_from=NEW_YEAR, valid_to=NEW_YEAR + DAY)])
    moments = [
        NEW_YEAR - timedelta(microseconds=1),
        NEW_YEAR,
        NEW_YEAR + DAY - timedelta(microseconds=1),
        NEW_YEAR + DAY,
    ]
    assert [price(prices, at=at) for at in moments] == [
        ("2", "book/2"),
        ("3", "book/3"),
        ("3", "book/3"),
        ("2", "book/2"),
    ]


def test_what_is_recorded_later_for_an_earlier_time_changes_no_earlier_version() -> None:
    before, after = book([own("2")]), book([own("2")], [own("3", valid_from=NEW_YEAR)])
    assert price(after) == ("3", "book/3")
    assert price(after.as_of(2)) == price(before) == ("2", "book/2")


LADDER = [
    own("1"),
    own("2", region="eu"),
    own("3", deployment="blue"),
    own("4", tenant_id="acme"),
    own("5", tenant_id="acme", region="eu"),
    own("6", tenant_id="acme", deployment="blue"),
    own("7", tenant_id="acme", deployment="blue", region="eu"),
]


@pytest.mark.parametrize(
    ("dimensions", "usd"),
    [
        ({}, "1"),
        ({"region": "us", "tenant_id": "other", "deployment": "green"}, "1"),
        ({"region": "eu"}, "2"),
        ({"region": "eu", "deployment": "blue"}, "3"),
        ({"region": "us", "deployment": "blue", "tenant_id": "acme"}, "6"),
        ({"tenant_id": "acme"}, "4"),
        ({"tenant_id": "acme", "region": "eu"}, "5"),
        ({"tenant_id": "acme", "region": "eu", "deployment": "blue"}, "7"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_most_specific_price_counts_whenever_it_was_recorded(
    dimensions: dict[str, str], usd: str, order: int
) -> None:
    found = price(book(*([row] for row in LADDER[::order])), **dimensions)
    assert found is not None
    assert found[0] == usd


def test_the_price_of_a_deployment_may_be_that_of_any_model() -> None:
    prices = book([own("3", model=None, deployment="blue")])
    assert price(prices, model="whatever", deployment="blue") == ("3", "book/2")
    assert price(prices, model="whatever") is None


def test_a_name_stands_for_the_names_that_the_list_has_for_the_model() -> None:
    prices = book([own("2"), own("3", model="gpt-4o-2024-08-06")])
    assert price(prices) == ("2", "book/2")
    assert price(prices, model="GPT-4o-20240806") == ("3", "book/2")
    assert price(book([own("2")]), model="gpt-4o-2024-08-06") == ("2", "book/2")
    assert price(book([own("3", model="gpt-4o-2024-08-06")])) == ("2.5", "genai-prices/1")


def test_a_model_that_no_list_knows_has_the_price_that_we_give_it() -> None:
    assert price(book(), model="ours-7b") is None
    assert price(book([own("0.1", model="Ours-7B")]), model="ours-7b") == ("0.1", "book/2")


def test_multipliers_make_the_price_of_a_service_tier() -> None:
    prices = book([own("2", multipliers=(("batch", Decimal("0.5")), ("priority", Decimal("1.75"))))])
    tiers = [None, "default", "auto", "batch", "priority"]
    assert [price(prices, service_tier=tier) for tier in tiers] == [
        ("2", "book/2"),
        ("2", "book/2"),
        ("2", "book/2"),
        ("1", "book/2"),
        ("3.5", "book/2"),
    ]


def test_a_price_for_the_tier_itself_comes_before_a_multiplier() -> None:
    rows = [own("2", multipliers=(("batch", Decimal("0.5")),)), own("0.8", service_tier="batch")]
    assert price(book(rows), service_tier="batch") == ("0.8", "book/2")


def test_a_tier_that_our_price_does_not_offer_has_the_price_of_the_list() -> None:
    prices = book([own("2")])
    assert price(prices, service_tier="batch") == ("1.25", "genai-prices/1")
    assert price(prices, service_tier="priority") is None


def test_what_is_withdrawn_leaves_it_to_the_next_price() -> None:
    withdrawn = own("0", withdrawn=True, input_usd_mtok=None, output_usd_mtok=None, valid_from=NEW_YEAR)
    prices = book([own("2")], [withdrawn], [own("4", valid_from=NOW + DAY)])
    assert price(prices, at=NEW_YEAR - DAY) == ("2", "book/2")
    assert price(prices) == ("2.5", "book/3")  # the list's price, since version 3
    assert price(prices.as_of(3)) == price(prices)
    assert price(prices, at=NOW + DAY) == ("4", "book/4")


def test_tiers_above_a_context_length_are_part_of_the_price() -> None:
    prices = book([own("2", multipliers=(("batch", Decimal("0.5")),)), own("3", above_tokens=100)])
    for tokens, usd in [(100, "0.0002"), (101, "0.000303")]:
        usage = Usage(uncached_input_tokens=tokens)
        assert prices.cost(query(), usage) == (Decimal(usd), "book/2")
        assert prices.cost(query(service_tier="batch"), usage) == (Decimal(usd) / 2, "book/2")


def test_buckets_without_a_price_of_their_own_are_charged_as_plain_ones() -> None:
    found = book([own("2", output_usd_mtok=Decimal(8), cache_write_5m_usd_mtok=Decimal(3))]).rates(query())
    assert found is not None
    rates = found[0]
    assert rates.cache_read == rates.input_audio == rates.input_image == per_million("2")
    assert rates.cache_write_1h == rates.cache_write_5m == per_million("3")
    assert rates.output_audio == per_million("8")


def test_a_free_model_costs_nothing_and_an_unknown_one_has_no_cost() -> None:
    assert price(book([own("0", model="free")]), model="free") == ("0", "book/2")
    assert price(book(), model="free") is None


def test_a_what_if_is_a_version_on_top_and_leaves_the_book_as_it_was() -> None:
    prices = book([own("2")])
    assert price(prices.with_overrides([own("7")])) == ("7", "what-if")
    assert price(prices) == ("2", "book/2")


def test_versions_have_names_and_numbers() -> None:
    prices = book([own("2")])
    assert prices.version_named("book/2") == prices.version_named("2") == prices.versions[1]
    for unknown in ("book/3", "3", ""):
        with pytest.raises(UnknownPriceVersion):
            prices.version_named(unknown)
    with pytest.raises(UnknownPriceVersion):
        prices.as_of(3)


days = st.one_of(st.none(), st.integers(0, 6).map(lambda day: NEW_YEAR + day * DAY))
names = st.sampled_from(["gpt-4o", "gpt-4o-2024-08-06", "ours-7b"])
optional = st.sampled_from([None, None, "a", "b"])
amounts = st.decimals(0, 100, places=3)


@st.composite
def own_rows(draw: st.DrawFn) -> PriceRow:
    withdrawn = draw(st.integers(0, 4)) == 0
    usd = None if withdrawn else draw(amounts)
    tier = draw(st.sampled_from([None, None, "batch"]))
    with_batch = not withdrawn and tier is None and draw(st.booleans())
    return PriceRow(
        provider="openai",
        model=draw(names),
        tenant_id=draw(optional),
        region=draw(optional),
        deployment=draw(optional),
        service_tier=tier,
        valid_from=draw(days),
        valid_to=draw(days),
        input_usd_mtok=usd,
        output_usd_mtok=usd,
        multipliers=(("batch", draw(amounts)),) if with_batch else (),
        withdrawn=withdrawn,
    )


own_versions = st.lists(
    st.lists(own_rows(), min_size=1, max_size=3).filter(lambda rows: not problems_in(rows)), max_size=6
)
queries = st.builds(
    PriceQuery,
    kind=st.just("openai"),
    model=names,
    at=st.integers(-1, 7).map(lambda day: NEW_YEAR + day * DAY),
    service_tier=st.sampled_from([None, "batch"]),
    tenant_id=optional,
    region=optional,
    deployment=optional,
)


@given(own_versions, queries)
def test_the_book_as_of_the_version_of_an_answer_gives_the_same_answer(
    versions: list[list[PriceRow]], asked: PriceQuery
) -> None:
    prices = book(*versions)
    found = prices.rates(asked)
    if found is not None:
        assert prices.as_of(prices.version_named(found[1]).version).rates(asked) == found


@given(own_versions, own_versions, queries)
def test_later_versions_change_nothing_of_what_was_known_before(
    first: list[list[PriceRow]], later: list[list[PriceRow]], asked: PriceQuery
) -> None:
    before = book(*first)
    after = book(*first, *later)
    assert after.as_of(before.version).rates(asked) == before.rates(asked)
    versions = [version for version in after.versions if version.version > before.version]
    rows = [row for row in after.own_rows if row.version > before.version]
    assert before.extended(versions, rows).rates(asked) == after.rates(asked)


@given(own_versions, queries)
def test_an_answer_is_that_of_a_plain_search_through_all_rows(
    versions: list[list[PriceRow]], asked: PriceQuery
) -> None:
    """The rule said once more, without caches and timelines: walk down the keys, in each from the newest row."""
    prices = book(*versions)
    candidates = [one for one in prices.own_rows if fits(one.row, asked)]
    expected = None
    for rank in sorted({specificity(one.row, asked) for one in candidates}, reverse=True):
        of_key = [one for one in candidates if specificity(one.row, asked) == rank]
        newest = max((one for one in of_key if valid(one.row, asked)), key=lambda one: one.version, default=None)
        usd = None if newest is None else tier_price(newest.row, asked)
        if usd is not None:
            expected = per_million(f"{usd:f}")
            break
    else:
        listed = LISTED if asked.service_tier is None else LISTED_BATCH
        if asked.model != "ours-7b":
            expected = per_million(str(listed.input_usd_mtok))
    found = prices.rates(asked)
    assert (None if found is None else found[0].uncached_input) == expected


def fits(row: PriceRow, asked: PriceQuery) -> bool:
    same_model = row.model == asked.model or (row.model, asked.model) == ("gpt-4o", "gpt-4o-2024-08-06")
    pairs = ((row.tenant_id, asked.tenant_id), (row.region, asked.region), (row.deployment, asked.deployment))
    same_place = all(mine in (None, given) for mine, given in pairs)
    return same_model and same_place and row.service_tier in (None, asked.service_tier)


def specificity(row: PriceRow, asked: PriceQuery) -> tuple[bool, ...]:
    return (
        row.tenant_id is not None,
        row.deployment is not None,
        row.region is not None,
        row.model == asked.model,
        row.service_tier is not None,
    )


def valid(row: PriceRow, asked: PriceQuery) -> bool:
    return (row.valid_from is None or row.valid_from <= asked.at) and (row.valid_to is None or asked.at < row.valid_to)


def tier_price(row: PriceRow, asked: PriceQuery) -> Decimal | None:
    if row.input_usd_mtok is None or row.service_tier == asked.service_tier:
        return row.input_usd_mtok
    factor = dict(row.multipliers).get(asked.service_tier or "")
    return None if factor is None else row.input_usd_mtok * factor


def test_all_sources_of_versions_but_shipped_are_our_own() -> None:
    sources: list[Source] = ["set", "import"]
    for source in sources:
        prices = book().extended([PriceVersion(2, "book/2", source, NOW)], [RecordedRow(2, own("2"))])
        assert price(prices) == ("2", "book/2")


@given(
    st.decimals(0, MAX_PRICE, places=12),
    st.decimals(0, MAX_MULTIPLIER, places=12),
    st.builds(
        Usage,
        uncached_input_tokens=st.integers(0, 2**53),
        cache_read_tokens=st.integers(0, 2**53),
        output_tokens=st.integers(0, 2**53),
    ),
)
def test_any_price_times_any_multiplier_costs_exactly_so_much(usd: Decimal, factor: Decimal, usage: Usage) -> None:
    row = own(f"{usd:f}", multipliers=(("batch", factor),))
    assert problems_in([row]) == []
    found = book([row]).cost(query(service_tier="batch"), usage)
    tokens = usage.uncached_input_tokens + usage.cache_read_tokens + usage.output_tokens
    assert found is not None
    assert Fraction(found[0]) == tokens * Fraction(usd) * Fraction(factor) / 10**6
