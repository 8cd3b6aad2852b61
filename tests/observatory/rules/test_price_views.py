from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given

from observatory.rules.money import per_million
from observatory.rules.own_prices import RecordedRow
from observatory.rules.price_book import PriceVersion
from observatory.rules.price_rows import PriceRow
from observatory.rules.price_views import changes, history, valid_rows
from observatory.rules.pricing import PriceQuery
from tests.observatory.rules.test_price_book import (
    DAY,
    LISTED,
    LISTED_BATCH,
    NEW_YEAR,
    NOW,
    book,
    own,
    own_versions,
    queries,
)


def test_what_is_valid_is_our_newest_price_for_each_key_and_the_list() -> None:
    long = own("3", above_tokens=10)
    prices = book([own("1"), own("9", tenant_id="acme")], [own("2"), long], [own("4", valid_from=NOW + DAY)])
    assert valid_rows(prices, NOW) == [
        RecordedRow(3, own("2")),
        RecordedRow(3, long),
        RecordedRow(2, own("9", tenant_id="acme")),
        RecordedRow(1, LISTED),
        RecordedRow(1, LISTED_BATCH),
    ]
    assert valid_rows(prices, NOW + DAY)[0] == RecordedRow(4, own("4", valid_from=NOW + DAY))


def test_what_is_withdrawn_is_not_valid_any_more() -> None:
    withdrawn = own("0", withdrawn=True, input_usd_mtok=None, output_usd_mtok=None, valid_from=NOW)
    prices = book([own("1")], [withdrawn])
    assert RecordedRow(2, own("1")) in valid_rows(prices, NOW - DAY)
    assert valid_rows(prices, NOW) == valid_rows(book(), NOW)


def test_history_is_everything_that_was_recorded_for_a_model_by_any_of_its_names() -> None:
    other = own("5", model="gpt-4o-2024-08-06")
    prices = book([own("1")], [own("2", tenant_id="acme")], [own("3", model="o9")], [other])
    assert history(prices, "openai", "GPT-4o") == [
        RecordedRow(1, LISTED),
        RecordedRow(1, LISTED_BATCH),
        RecordedRow(2, own("1")),
        RecordedRow(3, own("2", tenant_id="acme")),
    ]
    assert history(prices, "openai", "gpt-4o-2024-08-06")[-1] == RecordedRow(5, other)
    assert history(prices, "azure", "o9") == []


def test_a_book_is_not_different_from_itself() -> None:
    prices = book([own("1")], [own("2", tenant_id="acme")])
    assert changes(prices, prices) == changes(prices, prices.as_of(3)) == []


def test_a_change_says_what_the_price_was_and_is_and_from_when_to_when() -> None:
    prices = book([own("1")], [own("2", valid_from=NEW_YEAR, valid_to=NEW_YEAR + DAY)])
    (change,) = changes(prices.as_of(2), prices)
    assert (change.key.model, change.valid_from, change.valid_to) == ("gpt-4o", NEW_YEAR, NEW_YEAR + DAY)
    assert change.before is not None
    assert change.after is not None
    assert (change.before[0].output, change.before[1]) == (per_million("1"), "book/2")
    assert (change.after[0].output, change.after[1]) == (per_million("2"), "book/3")


def test_a_multiplier_changes_the_price_of_its_service_tier() -> None:
    prices = book([own("2.5", output_usd_mtok=Decimal(10), multipliers=(("batch", Decimal("0.4")),))])
    (change,) = changes(prices.as_of(1), prices)
    assert change.key.service_tier == "batch"
    assert change.after is not None
    assert change.after[0].output == per_million("4")


def test_a_newer_list_changes_what_it_says_otherwise() -> None:
    new: list[PriceRow] = [
        replace(LISTED, input_usd_mtok=Decimal(2)),
        LISTED_BATCH,
        replace(LISTED, model="o9", list_position=1, list_match='{"equals":"o9"}'),
    ]
    version = PriceVersion(2, "genai-prices/2", "shipped", NOW)
    after = book().extended([version], [RecordedRow(2, row) for row in new])
    first, second = changes(book(), after)
    assert (first.key.model, first.key.service_tier) == ("gpt-4o", None)
    assert (second.key.model, second.before) == ("o9", None)


@given(own_versions, queries)
def test_where_no_change_is_told_both_books_have_the_same_price(
    versions: list[list[PriceRow]], asked: PriceQuery
) -> None:
    """Asked of the keys themselves: a query about several of them at once may meet several changes."""
    before, after = book(*versions[:-1]), book(*versions)
    told = [(change.key, change.valid_from, change.valid_to) for change in changes(before, after)]
    for one in after.own_rows:
        key = one.row.key
        at_key = replace(
            asked,
            model=key.model or "",
            service_tier=key.service_tier,
            tenant_id=key.tenant_id,
            region=key.region,
            deployment=key.deployment,
        )
        answers = [found and found[0] for found in (before.rates(at_key), after.rates(at_key))]
        in_a_change = any(
            key == changed and (begin is None or begin <= asked.at) and (end is None or asked.at < end)
            for changed, begin, end in told
        )
        assert in_a_change == (answers[0] != answers[1])


def test_a_price_by_the_hour_changes_by_the_hour() -> None:
    hour = (NEW_YEAR + timedelta(hours=8)).time()
    rows = [
        replace(LISTED, daily_to=hour),
        replace(LISTED, daily_from=hour, input_usd_mtok=Decimal(9), output_usd_mtok=Decimal(9)),
    ]
    after = book().extended(
        [PriceVersion(2, "genai-prices/2", "shipped", NOW)], [RecordedRow(2, row) for row in (*rows, LISTED_BATCH)]
    )
    (change,) = changes(book(), after)
    assert change.after is not None
    assert change.after[0].output == per_million("9")
