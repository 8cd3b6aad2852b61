"""What is refused before anything is spent, and what must pass."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from observatory.rules.limits import OutOfLimits, check_request
from schemas.chat import ChatRequested

CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def request(**fields: Any) -> ChatRequested:
    body = {"request_id": UUID(int=1), "model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    return ChatRequested.model_validate(body)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user", "content": ""}, "messages[0].content"),
        ({"role": "user", "content": []}, "messages[0].content"),
        ({"role": "user"}, "messages[0].content"),
        ({"role": "system", "content": None}, "messages[0].content"),
        ({"role": "assistant"}, "messages[0].content"),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
    ],
)
def test_a_message_that_says_nothing_is_refused(message: dict[str, object], param: str) -> None:
    with pytest.raises(OutOfLimits) as raised:
        check_request(request(messages=[message]))
    assert raised.value.param == param


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "", "tool_call_id": "1"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ],
)
def test_messages_of_an_agent_pass(message: dict[str, object]) -> None:
    check_request(request(messages=[message]))


@pytest.mark.parametrize(
    ("name", "value"),
    [("top_p", 1.1), ("top_p", "1"), ("presence_penalty", -3), ("frequency_penalty", True), ("top_logprobs", 21)],
)
def test_a_parameter_out_of_range_is_refused(name: str, value: object) -> None:
    with pytest.raises(OutOfLimits) as raised:
        check_request(request(parameters={name: value}))
    assert raised.value.param == name


def test_parameters_that_we_do_not_know_pass() -> None:
    check_request(request(parameters={"top_p": 0.5, "something_new": {"deep": [1, 2]}}))


def test_an_empty_list_of_tools_is_refused() -> None:
    with pytest.raises(OutOfLimits):
        check_request(request(tools=[]))
