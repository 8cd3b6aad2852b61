"""Who gets which variant: reproducible, by weight, and with as few moves as possible."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from observatory.rules.experiments.assignment import assign, prompt_version_of, variant_of
from observatory.rules.experiments.definition import BadExperiment, check_change, check_definition
from observatory.rules.experiments.overrides import overridden
from schemas.chat import ChatRequested, Message
from schemas.experiments import Experiment, ExperimentDefinition, Overrides

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
UNITS = [f"unit-{number}" for number in range(20_000)]


def experiment(weights: dict[str, int] | None = None, **fields: Any) -> Experiment:
    variants = [{"name": name, "weight": weight} for name, weight in (weights or {"a": 1, "b": 1}).items()]
    return Experiment(
        tenant_id="default",
        experiment_id="prompts",
        state="running",
        version=3,
        definition=ExperimentDefinition.model_validate({"variants": variants, **fields}),
        created_at=LONG_AGO,
        changed_at=LONG_AGO,
    )


def request(**fields: Any) -> ChatRequested:
    messages = [Message(role="user", content="Hello")]
    return ChatRequested(**{"request_id": uuid4(), "model": "gpt-4o", "messages": messages, **fields})


def shares(weights: dict[str, int], units: list[str] = UNITS) -> dict[str, str]:
    return {unit: str(variant_of(experiment(weights), unit)) for unit in units}


def test_the_assignment_is_the_same_for_ever() -> None:
    drawn = [variant_of(experiment({"a": 1, "b": 2, "c": 3}), f"unit-{number}") for number in range(12)]
    assert drawn == ["a", "c", "b", "c", "c", "c", "a", "b", "c", "b", "b", "c"]


def test_variants_get_their_shares() -> None:
    counts = Counter(shares({"a": 1, "b": 2, "c": 7}).values())
    for name, share in {"a": 0.1, "b": 0.2, "c": 0.7}.items():
        assert counts[name] / len(UNITS) == pytest.approx(share, abs=0.012)


def test_another_salt_is_another_draw() -> None:
    salted = experiment(salt="again")
    moved = sum(variant_of(salted, unit) != variant_of(experiment(), unit) for unit in UNITS)
    assert moved / len(UNITS) == pytest.approx(0.5, abs=0.02)


def test_a_changed_weight_moves_units_only_to_or_from_its_variant() -> None:
    before, after = shares({"a": 1, "b": 1, "c": 1}), shares({"a": 1, "b": 1, "c": 2})
    moves = Counter((before[unit], after[unit]) for unit in UNITS if before[unit] != after[unit])
    assert {to for _, to in moves} == {"c"}
    assert sum(moves.values()) / len(UNITS) == pytest.approx(1 / 2 - 1 / 3, abs=0.012)  # no fewer can move


def test_a_variant_without_weight_gets_nobody() -> None:
    before, after = shares({"a": 1, "b": 1, "c": 1}), shares({"a": 1, "b": 1, "c": 0})
    assert set(after.values()) == {"a", "b"}
    assert all(before[unit] == "c" for unit in UNITS if before[unit] != after[unit])


def test_more_traffic_keeps_those_who_take_part() -> None:
    def taking_part(traffic: float) -> set[str]:
        running = [experiment(unit="user", traffic=traffic)]
        return {unit for unit in UNITS if assign(request(user_id=unit), running)}

    few, more = taking_part(0.2), taking_part(0.5)
    assert few < more
    assert len(few) / len(UNITS) == pytest.approx(0.2, abs=0.012)


def test_the_unit_of_an_experiment_keeps_its_variant() -> None:
    running = [experiment(unit="user")]
    found = {str(assign(request(user_id="alice"), running).variant_id) for _ in range(30)}  # type: ignore[union-attr]
    assert len(found) == 1
    assert assign(request(), running) is None  # nobody to assign


@pytest.mark.parametrize(
    ("asked", "takes_part"),
    [
        ({"tags": {"app": "search"}}, True),
        ({"tags": {"app": "search", "more": "x"}}, True),
        ({"tags": {"app": "other"}}, False),
        ({}, False),
        ({"model": "gpt-4o-mini", "tags": {"app": "search"}}, False),
    ],
)
def test_only_eligible_requests_take_part(asked: dict[str, Any], takes_part: bool) -> None:
    running = [experiment(unit="request", eligibility={"models": ["gpt-4o"], "tags": {"app": "search"}})]
    assert (assign(request(**asked), running) is not None) == takes_part


def test_a_request_is_in_the_first_experiment_that_takes_it() -> None:
    first = experiment(unit="request", traffic=0.5)
    second = experiment(unit="request").model_copy(update={"experiment_id": "later"})
    taken = Counter(getattr(assign(request(), [first, second]), "experiment_id", None) for _ in range(2000))
    assert set(taken) == {"prompts", "later"}
    assert taken["prompts"] / 2000 == pytest.approx(0.5, abs=0.06)


def test_clients_may_assign_themselves_by_tags() -> None:
    tags = {"experiment_id": "prompts", "variant_id": "mine", "prompt_version": "p7"}
    running = [experiment(unit="user", assigned_by="client")]
    asked = request(tags=tags, user_id="alice")
    told = assign(asked, running)
    assert told is not None
    assert (told.variant_id, told.unit, told.version) == ("mine", "alice", 3)
    assert prompt_version_of(asked, told) == "p7"
    assert prompt_version_of(request(tags={"prompt_version": "a\nb"}), None) is None
    assert told.own
    assert assign(request(user_id="alice"), running) is None
    unknown = assign(request(tags={**tags, "experiment_unit": "x"}), [])
    assert unknown is not None
    assert (unknown.experiment_id, unknown.unit, unknown.version) == ("prompts", "x", None)
    assert assign(request(tags={**tags, "variant_id": ""}), running) is None


def test_overrides_are_put_over_the_request() -> None:
    asked = request(
        temperature=1.0,
        parameters={"seed": 1, "stop": "x"},
        messages=[
            Message(role="system", content="old"),
            Message(role="developer", content="old too"),
            Message(role="user", content="Hello"),
            Message(role="system", content="in between"),
        ],
    )
    changes = Overrides(
        model="gpt-4o-mini", temperature=0, parameters={"seed": 2}, prompt_version="p2", system_prompt="Be brief."
    )
    sent = overridden(asked, changes)
    assert (sent.model, sent.temperature, sent.parameters) == ("gpt-4o-mini", 0, {"seed": 2, "stop": "x"})
    assert [message.content for message in sent.messages] == ["Be brief.", "Hello", "in between"]
    assert overridden(asked, Overrides()) is asked


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"variants": [{"name": "a"}, {"name": "a"}]}, "a name of its own"),
        ({"control": "c"}, "no variant 'c'"),
        ({"variants": [{"name": "a", "weight": 0}, {"name": "b", "weight": 0}]}, "above 0"),
        ({"variants": [{"name": "a"}, {"name": "b", "overrides": {"system_prompt": "x"}}]}, "prompt_version"),
        ({"variants": [{"name": "a"}, {"name": "b", "overrides": {"parameters": {"n": 2}}}]}, "may not set n"),
        ({"variants": [{"name": "a"}, {"name": "b", "overrides": {"parameters": {"top_p": 2}}}]}, "top_p"),
        ({"assigned_by": "client", "variants": [{"name": "a"}, {"name": "b", "overrides": {"model": "m"}}]}, "itself"),
    ],
)
def test_what_cannot_be_an_experiment_is_refused(wrong: dict[str, Any], says: str) -> None:
    fields = {"variants": [{"name": "a"}, {"name": "b"}], **wrong}
    with pytest.raises(BadExperiment, match=says):
        check_definition(ExperimentDefinition.model_validate(fields))


def test_of_a_running_experiment_only_shares_change() -> None:
    old = experiment().definition
    check_change(old, experiment({"a": 1, "b": 5}, traffic=0.5).definition)
    for other in (experiment({"a": 1, "c": 1}), experiment(unit="user"), experiment(metrics=["cost"])):
        with pytest.raises(BadExperiment, match="of a running experiment"):
            check_change(old, other.definition)
