"""A call costed again: identical at the version that it was priced with, whatever became of the book since."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.attempts import published_record
from observatory.rules.price_book import PriceBook
from observatory.rules.price_rows import PriceRow
from observatory.rules.pricing import cost_of
from observatory.rules.repricing import PricedCall, cost_again, price_kind, priced_call
from observatory.rules.usage import StoredUsage
from schemas.calls import Usage
from tests.observatory.rules.test_price_book import DAY, LISTED, NOW, book, own, query

MILLION = StoredUsage(1_000_000, 0, 0, 0, 0, 0, None, None, None)
CALL = PricedCall(
    started_at=NOW, tenant_id="acme", provider="sim-openai", request_model="gpt-4o", response_model=None, region=None,
    service_tier=None, usage_source="provider", usage=MILLION, cost_usd=None, price_version=None,
)  # fmt: skip

counts = st.integers(0, 2**40)
usages = st.builds(
    lambda read, write, hour, plain, out, reasoning, audio: StoredUsage(
        plain, read, write, hour, out, min(out, reasoning), audio, audio, audio
    ),
    counts, counts, counts, counts, counts, counts, st.none() | counts,
)  # fmt: skip
prices = st.decimals(0, 1000, places=12, allow_nan=False, allow_infinity=False)
rows = st.builds(
    lambda usd, out, tenant, days, tier: replace(
        own("1"),
        input_usd_mtok=usd,
        output_usd_mtok=out,
        tenant_id=tenant,
        valid_from=None if days is None else NOW - timedelta(days=days),
        service_tier=tier,
    ),
    prices,
    st.none() | prices,
    st.sampled_from([None, "acme", "other"]),
    st.none() | st.integers(-3, 3),
    st.sampled_from([None, "batch"]),
)
calls = st.builds(
    lambda usage, hours, tier, answered: CALL._replace(
        usage=usage, started_at=NOW - timedelta(hours=hours), service_tier=tier, response_model=answered
    ),
    usages,
    st.integers(-72, 72),
    st.sampled_from([None, "default", "batch", "flex"]),
    st.sampled_from([None, "gpt-4o", "gpt-4o-2024-08-06", "a name that nobody knows"]),
)
versions = st.lists(rows.map(lambda row: [row]), max_size=4)


@given(known=versions, later=versions, call=calls)
def test_at_the_version_that_it_was_priced_with_a_call_costs_what_it_did(
    known: list[list[PriceRow]], later: list[list[PriceRow]], call: PricedCall
) -> None:
    cost, version = cost_again(call, book(*known))
    fact = call._replace(cost_usd=cost, price_version=version)
    newest = book(*known, *later)
    if version is None:
        assert cost is None
        assert cost_again(fact, newest.as_of(1 + len(known))) == (None, None)
    else:
        assert cost_again(fact, newest.as_of(newest.version_named(version).version)) == (cost, version)


@given(usage=usages)
def test_a_stored_usage_costs_what_the_usage_of_the_schema_costs(usage: StoredUsage) -> None:
    found = book([own("0.123456789012")]).rates(query())
    assert found is not None
    assert cost_of(usage, found[0]) == cost_of(Usage(**usage._asdict()), found[0])


def test_a_call_that_was_refused_or_never_sent_keeps_its_cost_whatever_prices_are() -> None:
    refused = CALL._replace(cost_usd=Decimal(0), usage_source="missing", usage=MILLION)
    assert cost_again(refused, book([own("7")])) == (Decimal(0), None)
    reconciled = refused._replace(price_version="genai-prices/1")
    assert cost_again(reconciled, PriceBook([], [])) == (Decimal(0), "genai-prices/1")


def test_a_call_of_unknown_usage_has_no_cost() -> None:
    assert cost_again(CALL._replace(usage=None), book()) == (None, None)


@pytest.mark.parametrize(
    ("answered", "asked", "cost"),
    [("gpt-4o-2024-08-06", "unknown", "2.5"), ("unknown", "gpt-4o", "2.5"), (None, "gpt-4o", "2.5"), ("x", "y", None)],
)
def test_the_model_that_answered_is_priced_and_else_the_one_asked_for(
    answered: str | None, asked: str, cost: str | None
) -> None:
    found, _ = cost_again(CALL._replace(response_model=answered, request_model=asked), book())
    assert found == (None if cost is None else Decimal(cost))


def test_the_price_is_that_of_the_start_of_the_call() -> None:
    prices = book([own("9", valid_from=NOW)])
    assert cost_again(CALL, prices)[0] == 9
    assert cost_again(CALL._replace(started_at=NOW - DAY), prices)[0] == LISTED.input_usd_mtok


def test_a_simulated_provider_charges_as_the_real_one() -> None:
    assert (price_kind("sim-anthropic"), price_kind("azure")) == ("anthropic", "azure")


def test_a_record_of_the_journal_is_priced_as_its_fact_is() -> None:
    record: dict[str, object] = {
        "call_id": "00000000-0000-4000-8000-000000000001", "request_id": "00000000-0000-4000-8000-000000000002",
        "attempt": 1, "source": "worker", "tenant_id": "acme", "operation": "chat", "provider": "sim-openai",
        "request_model": "gpt-4o", "status": "ok", "usage_source": "provider", "cost_state": "settled",
        "usage": {"uncached_input_tokens": 1_000_000},
    }  # fmt: skip
    body = published_record(json.dumps(record), 1, NOW)
    assert cost_again(priced_call(body), book()) == cost_again(CALL, book())
