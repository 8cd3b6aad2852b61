"""The mini-language: three places, the later wins, nothing is ignored."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.simulator.directives import FAULTS, NO_DIRECTIVES, Directives, read, without_markers
from loadtests.simulator.refusals import Refusal


def test_a_later_place_wins_and_the_others_stay() -> None:
    text = "hello [[sim out=3]]"
    assert read("in=1;out=1;gap=7", "in=2,out=2", text) == Directives(input_tokens=2, output_tokens=3, gap_ms=7)


@pytest.mark.parametrize("separator", [" ", ",", ";", "; ", " , "])
def test_any_separator_will_do(separator: str) -> None:
    assert read("", separator.join(["in=5", "fault=429", "retryafter=0.5"]), "") == Directives(
        input_tokens=5, fault="429", retryafter="0.5"
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_can_be_asked_for(fault: str) -> None:
    assert read(f"fault={fault}", "", "").fault == fault


@pytest.mark.parametrize(
    "bad",
    [
        *("in=-1", "in=x", "in=1.5", "in=", "out=1e3", "in=99999999999", "in=٣"),
        *("tool=2", "fault=418", "colour=red", "out", "retryafter=soon", "latency=600001"),
    ],
)
def test_what_is_not_understood_is_refused(bad: str) -> None:
    with pytest.raises(Refusal) as refused:
        read("", bad, "")
    assert refused.value.status == 400
    assert "sim" in refused.value.message


def test_markers_are_taken_out_of_the_text() -> None:
    assert without_markers("where [[sim in=3]]is it") == "where is it"


def test_text_without_markers_dictates_nothing() -> None:
    assert read("", "", "in=5 out=6 [[simulate in=1]] [sim in=3]") == NO_DIRECTIVES


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(Refusal):
        read(text, text, f"[[sim {text}]]")
