"""A seed decides what is killed when and what is asked."""

from __future__ import annotations

from itertools import islice

import pytest

from loadtests.chaos.plan import Strike, kind_of, outage, plan
from loadtests.chaos.traffic import FAULTS, LOST, budgeted_users, new_run, traffic

PROCESSES = ["chat-1", "chat-2", "gateway", "gateway-2", "kafka", "postgres", "ledger-1"]


def test_the_same_seed_plans_the_same_kills_in_order_of_time() -> None:
    strikes = plan(PROCESSES, kills=30, seed=7, duration_s=60)
    assert strikes == plan(PROCESSES[::-1], kills=30, seed=7, duration_s=60)
    assert strikes != plan(PROCESSES, kills=30, seed=8, duration_s=60)
    assert len(strikes) == 30
    assert [strike.at_s for strike in strikes] == sorted(strike.at_s for strike in strikes)
    assert all(0 < strike.at_s < 60 for strike in strikes)
    assert {kind_of(strike.target) for strike in strikes} == {kind_of(name) for name in PROCESSES}


def test_an_outage_is_planned_beside_the_kills() -> None:
    away = outage("db=2.5s", 5)
    assert away == Strike(5, "postgres", 2.5)
    assert plan(PROCESSES, kills=0, seed=1, duration_s=9, outages=[away]) == [away]


@pytest.mark.parametrize(
    "text", ["", "db", "moon=5s", "db=", "db=xs", "db=nans", "db=infs", "db=-5s", "db=0s", "db=1e3s"]
)
def test_a_bad_outage_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an outage is db=60s"):
        outage(text, 0)


def test_the_traffic_has_every_kind_of_request() -> None:
    planned = list(islice(traffic(3, 17), 2000))
    texts = "\n".join(str(each.request.messages[0].content) for each in planned)
    assert all(directive in texts for directive in (*FAULTS, *LOST))
    assert {each.way for each in planned} == {"kafka", "http"}
    assert {each.request.stream for each in planned} == {True, False}
    assert {each.request.use_history for each in planned} == {True, False}
    assert len({each.request.request_id for each in planned}) == 2000
    assert {each.request.user_id for each in planned} > set(budgeted_users(17))
    assert all(each.request.deadline is None for each in planned if each.way == "http")


def test_two_runs_of_a_seed_ask_the_same_under_ids_of_their_own() -> None:
    first, second = (list(islice(traffic(3, new_run()), 50)) for _ in range(2))
    assert [a.request.messages for a in first] == [b.request.messages for b in second]
    assert {a.request.request_id for a in first}.isdisjoint({b.request.request_id for b in second})
