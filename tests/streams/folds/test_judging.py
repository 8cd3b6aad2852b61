"""Requests, quality, conversations and users: the same states whatever comes when and how often, and the right sums."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.rules.call_sums import TOKENS
from observatory.rules.conversations import MOST_TURNS
from observatory.rules.instants import us_of
from streams.engine.fold import encode, key_of
from streams.folds.known_calls import MOST_CALLS
from streams.folds.requests import MOST_SCORES
from streams.ledger.decode import UsageFields
from tests.streams.folds.judging import (
    FOLDS,
    T0,
    Event,
    call,
    cost,
    histories,
    latest_scores,
    newest_calls,
    run,
    score,
    shuffled,
)


@settings(max_examples=60)
@given(st.data())
def test_any_order_and_any_repeats_end_in_the_same_states(data: st.DataObject) -> None:
    events = data.draw(histories())
    assert run(data.draw(shuffled(events))) == run(events)


@settings(max_examples=40)
@given(histories())
def test_states_survive_being_stored(events: list[Event]) -> None:
    ran = run(events)
    for fold in FOLDS:
        for state in getattr(ran, fold.name).values():
            assert fold.decode(encode(state)) == state


@settings(max_examples=60)
@given(histories())
def test_conversations_and_users_are_the_sums_of_their_calls(events: list[Event]) -> None:
    ran, calls = run(events), newest_calls(events)
    for states, of in ((ran.conversations, "conversation_id"), (ran.users, "user_id")):
        names = {getattr(one, of) for one in calls} - {None}
        assert set(states) == {key_of("acme", name) for name in names}
        for name in names:
            sent = [one for one in calls if getattr(one, of) == name and one.status != "not_sent"]
            sums = states[key_of("acme", name)].sums
            assert sums.calls == len(sent)
            assert sums.requests == len({one.request_id for one in sent})
            assert states[key_of("acme", name)].models == Counter(one.response_model or "gpt-4o-mini" for one in sent)
            if of == "conversation_id":
                users = Counter(one.user_id for one in sent if one.user_id is not None)
                assert ran.conversations[key_of("acme", name)].users == users
            assert sums.errors == sum(one.status == "error" for one in sent)
            assert sums.unpriced_calls == sum(one.cost_usd is None for one in sent)
            assert sums.cost_usd == cost(sent)
            assert sums.estimated_cost_usd == cost(one for one in sent if one.cost_state == "estimated")
            for position, bucket in enumerate(TOKENS):
                tokens = sum(getattr(one.usage, bucket) or 0 for one in sent if one.usage)
                assert sums.tokens[position] == tokens


@settings(max_examples=60)
@given(histories())
def test_quality_is_the_sum_of_the_latest_scores_of_answered_requests(events: list[Event]) -> None:
    expected: dict[tuple[object, ...], list[int]] = {}
    judged: dict[tuple[object, ...], dict[UUID, Decimal]] = {}
    for one in latest_scores(events):
        sent = [c for c in newest_calls(events) if str(c.request_id) == one.request_id and c.status != "not_sent"]
        if not sent:
            continue
        answer = ([c for c in sent if c.status == "ok"] or sent)[-1]
        day = (answer.started_at.date() - T0.date()).days
        cell = (day, answer.provider, answer.response_model or "gpt-4o-mini", answer.prompt_version or "", one.name)
        expected.setdefault(cell, []).append(one.millionths)
        judged.setdefault(cell, {})[answer.call_id] = cost([answer])
    found = {}
    first_day = T0.toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    for state in run(events).quality.values():
        at, tally = state.dimensions, state.judged.tally
        cell = (at.day - first_day, at.provider, at.model, at.prompt_version, at.name)
        found[cell] = (tally.n, tally.total, tally.squares, tally.ups, tally.downs)
        assert state.judged.sums.calls == len(judged[cell])
        assert state.judged.sums.cost_usd == sum(judged[cell].values())
    assert found == {
        cell: (len(v), sum(v), sum(x * x for x in v), sum(x > 500_000 for x in v), sum(x < 500_000 for x in v))
        for cell, v in expected.items()
    }


def with_input(request: int, tokens: int, **changes: Any) -> Event:
    return call(request, usage=UsageFields(uncached_input_tokens=tokens, output_tokens=1), **changes)


def test_a_context_that_grows_by_the_same_with_each_turn_shows_that_growth() -> None:
    for turns in (2, 10, MOST_TURNS + 30):
        (one,) = run(with_input(turn, 100 + 37 * turn) for turn in range(turns)).conversations.values()
        assert one.growth == 37.0
        assert (one.context.first, one.context.last, one.context.most) == (100, *[100 + 37 * (turns - 1)] * 2)
        assert one.context.turns == turns
        assert len(one.recent) <= MOST_TURNS


def test_the_context_knows_the_most_of_each_model_and_only_answered_turns() -> None:
    events = [
        with_input(0, 500, response_model="big"), with_input(1, 90, response_model="small"),
        with_input(2, 10_000, status="error"), with_input(3, 70, response_model="small"),
    ]  # fmt: skip
    (one,) = run(events).conversations.values()
    assert one.context.most_by_model == {"big": 500, "small": 90}
    assert (one.context.turns, one.context.last, one.sums.requests) == (3, 70, 4)


def test_a_turn_before_all_that_can_still_change_is_in_the_sums_and_counted() -> None:
    turns = [with_input(turn, 100) for turn in range(1, MOST_TURNS + 2)]
    (one,) = run([*turns, with_input(0, 9_999)]).conversations.values()
    assert one.late_turns == 1
    assert one.sums.requests == MOST_TURNS + 2
    assert one.context.most == 100


def test_a_correction_replaces_a_score_and_the_older_one_changes_nothing() -> None:
    for events in ([score(0, 0, 1), score(0, 1_000_000, 2)], [score(0, 1_000_000, 2), score(0, 0, 1)]):
        ran = run([call(), *events])
        (cell,) = ran.quality.values()
        (chat,) = ran.conversations.values()
        assert cell.judged.tally == chat.scores["user:rating"]
        assert msgspec.structs.astuple(cell.judged.tally) == (1, 1_000_000, 10**12, 1, 0)


def test_a_score_before_its_call_waits_for_it() -> None:
    waiting = run([score()])
    assert not waiting.quality
    assert len(waiting.requests) == 1
    assert len(run([score(), call()]).quality) == 1


def test_scores_go_to_the_answer_not_to_the_attempts_before_it() -> None:
    failed = call(0, 1, status="error", provider="first", cost_usd="5")
    (cell,) = run([failed, call(0, 2, provider="second", cost_usd="0.2"), score()]).quality.values()
    assert cell.dimensions.provider == "second"
    assert cell.judged.sums.cost_usd == Decimal("0.2")


def test_two_tenants_may_have_the_same_request_id() -> None:
    ran = run([call(), call(tenant_id="other", call_id=UUID(int=7)), score(0, 0, tenant_id="other")])
    assert [cell.dimensions.tenant_id for cell in ran.quality.values()] == ["other"]


@pytest.mark.parametrize("ahead", [timedelta(days=-66), timedelta(days=2)])
def test_a_call_of_another_time_changes_nothing_but_a_count(ahead: timedelta) -> None:
    ran = run([call(started_at=T0 + ahead)])
    assert not ran.conversations
    assert [one.late_calls for one in ran.requests.values()] == ([1] if ahead < timedelta(0) else [])


def test_what_the_ledger_refuses_is_not_summed_up_here() -> None:
    bad = [call(0, cost_usd="1e500"), call(1, usage=UsageFields(output_tokens=1, reasoning_tokens=2))]
    assert not run(bad).conversations


def test_a_request_of_many_attempts_and_scores_stays_small() -> None:
    calls = [call(0, attempt) for attempt in range(1, 3 * MOST_CALLS)]
    scores = [score(0, name=f"n{number:04}") for number in range(3 * MOST_SCORES)]
    (one,) = run([*calls, *scores]).requests.values()
    assert (len(one.calls), len(one.scores), one.more_calls, one.more_scores) == (MOST_CALLS, MOST_SCORES, True, True)
    assert run([*reversed(scores), *reversed(calls)]).requests == run([*calls, *scores]).requests
    assert len(encode(one)) < 16_000


def test_a_conversation_with_many_models_and_names_stays_small() -> None:
    events: list[Event] = []
    for number in range(100):
        events += [call(number, response_model=f"m{number:03}"), score(number, name=f"n{number:03}")]
    (one,) = run(events).conversations.values()
    assert sum(one.models.values()) + one.other_model_calls == 100
    assert sum(tally.n for tally in one.scores.values()) + one.other_scores == 100
    assert len(encode(one)) < 16_000


def test_days_are_those_of_the_start_of_the_call() -> None:
    ran = run([call(0), call(30), score(0), score(30)])
    assert len({cell.dimensions.day for cell in ran.quality.values()}) == 2


def test_a_score_of_a_request_without_a_known_call_counts_for_its_tenant_until_there_is_one() -> None:
    waiting = run([score(), score(1, 0), call(1, status="not_sent")])
    (cell,) = waiting.unattached.values()
    assert (cell.dimensions.tenant_id, cell.dimensions.provider, cell.dimensions.model) == ("acme", "", "")
    assert (cell.judged.tally.n, cell.judged.tally.total, cell.judged.sums.calls) == (2, 1_000_000, 0)
    joined = run([score(), score(1, 0), call(1, status="not_sent"), call(), call(1, revision=2)])
    assert not joined.unattached
    assert sum(cell.judged.tally.n for cell in joined.quality.values()) == 2


@pytest.mark.parametrize("scored_first", [True, False])
def test_a_conversation_as_a_whole_is_scored_beside_its_requests(scored_first: bool) -> None:
    whole = [score(0, 0, version, request_id="", name="solved") for version in (1, 2)]
    calls = [call(0), call(1)]
    ran = run([*whole, *calls, score(0)] if scored_first else [*calls, score(0), *whole])
    (chat,) = ran.conversations.values()
    assert {name: tally.n for name, tally in chat.scores.items()} == {"user:rating": 1, "user:solved": 1}
    assert (chat.sums.requests, chat.context.turns, chat.first_us) == (2, 2, us_of(T0 + timedelta(seconds=1)))
    (cell,) = ran.unattached.values()
    assert (cell.dimensions.name, cell.judged.tally.n, cell.judged.tally.downs) == ("solved", 1, 1)


def test_conversations_of_the_same_name_are_their_tenants() -> None:
    ran = run([score(0, 0, request_id=""), score(0, request_id="", tenant_id="other"), call(tenant_id="other")])
    assert {one.tenant_id: one.scores["user:rating"].ups for one in ran.conversations.values()} == {
        "acme": 0, "other": 1,
    }  # fmt: skip
