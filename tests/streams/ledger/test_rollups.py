"""What facts add to rollups and take back: without a database."""

from collections import Counter
from datetime import UTC
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from observatory.adapters.postgres.ledger import Fact, RollupDelta
from observatory.rules.sketch import merge
from streams.ledger.decode import read_fact
from streams.ledger.rollups import deltas
from tests.streams.ledger.calls import call, encode, record

SUMS = RollupDelta._fields.index("calls")


def fact(**changes: object) -> Fact:
    return read_fact(record(encode(call(**changes))), 400)


def total(changes: list[RollupDelta]) -> list[object]:
    """The sums of all cells, histograms merged."""
    columns = list(zip(*(change[SUMS:] for change in changes), strict=True))
    return [*(sum(column) for column in columns[:-2]), merge(*columns[-2]), merge(*columns[-1])]


facts = st.builds(
    fact,
    status=st.sampled_from(["ok", "error", "cancelled", "unknown", "not_sent"]),
    cost_state=st.sampled_from(["estimated", "settled"]),
    cost_usd=st.none() | st.decimals(0, 10**6, places=12).map(lambda usd: f"{usd:f}"),
    latency=st.none() | st.fixed_dictionaries({"total_ms": st.floats(0, 1e9)}),
)


@given(st.lists(facts, max_size=12))
def test_what_is_added_and_taken_back_leaves_nothing(some: list[Fact]) -> None:
    if changes := deltas(some, [(each, 5) for each in some]):
        assert total(changes) == [0] * 16 + [[], []]


@given(st.lists(facts, min_size=1, max_size=12))
def test_batches_add_up_to_the_whole(some: list[Fact]) -> None:
    whole, parts = deltas(some), [change for each in some for change in deltas([each])]
    assert total(whole) == total(parts)
    assert Counter(change[:SUMS] for change in whole) == Counter({change[:SUMS] for change in parts})


def test_one_call_fills_its_cell() -> None:
    one = fact(status="error", cost_usd="0.1", cost_state="estimated", response_model=None)
    [cell] = deltas([one])
    assert cell.bucket == one.started_at.astimezone(UTC).replace(second=0, microsecond=0)
    assert (cell.tenant_id, cell.provider, cell.model, cell.part) == (one.tenant_id, "sim-openai", "gpt-4o-mini", 0)
    assert (cell.calls, cell.errors, cell.estimated_calls, cell.unpriced_calls, cell.not_sent_calls) == (1, 1, 1, 0, 0)
    assert (cell.cost_usd, cell.estimated_cost_usd) == (Decimal("0.1"), Decimal("0.1"))
    assert cell.cache_write_1h_tokens == 30


def test_the_model_is_as_answered_and_the_minute_that_of_the_start() -> None:
    early, late = fact(response_model="a"), fact(response_model="b")
    assert {cell.model for cell in deltas([early, late])} == {"a", "b"}


def test_a_correction_is_booked_under_the_part_that_brings_it() -> None:
    old = fact(cost_usd="5", status="ok", cost_state="settled")
    new = old._replace(cost_usd=Decimal(3), topic_partition=7)
    [cell] = deltas([new], [(old, 7)])
    assert (cell.part, cell.calls, cell.cost_usd, cell.latency_ms_hist) == (7, 0, Decimal(-2), [])


def test_sums_keep_every_digit() -> None:
    tiny, huge = fact(cost_usd="0." + "0" * 42 + "1"), fact(cost_usd="999999999999")
    one_cell = huge._replace(**{name: getattr(tiny, name) for name in ("tenant_id", "started_at", "response_model")})
    [cell] = deltas([tiny, one_cell])
    assert f"{cell.cost_usd:f}" == "999999999999." + "0" * 42 + "1"
