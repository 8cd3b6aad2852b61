"""When two calls ask the same."""

import pytest

from observatory.rules.prompt_hash import prompt_hash
from schemas.chat import ChatRequested

BODY: dict[str, object] = {
    "request_id": "00000000-0000-4000-8000-000000000001",
    "model": "m",
    "messages": [{"role": "user", "content": "Hello", "name": "ana"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": 1, "b": 2}}}],
}


def hashed(**changes: object) -> str:
    return prompt_hash(ChatRequested.model_validate({**BODY, **changes}, strict=False))


def test_it_is_32_hexadecimal_digits_of_the_prompt_alone() -> None:
    assert len(hashed()) == 32
    assert int(hashed(), 16) > 0
    other = hashed(
        request_id="00000000-0000-4000-8000-000000000002", user_id="u", conversation_id="c", tenant_id="t",
        stream=True, temperature=1.0, tags={"a": "b"}, provider="openai",
    )  # fmt: skip
    assert other == hashed()


def test_the_order_of_fields_makes_no_difference() -> None:
    tools = [{"function": {"parameters": {"b": 2, "a": 1}, "name": "f"}, "type": "function"}]
    assert hashed(tools=tools, messages=[{"name": "ana", "content": "Hello", "role": "user"}]) == hashed()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "n"},
        {"messages": [{"role": "user", "content": "Hello "}]},
        {"messages": [{"role": "system", "content": "Hello", "name": "ana"}]},
        {"tools": None},
        {"tool_choice": "none"},
        {"response_format": {"type": "json_object"}},
    ],
)
def test_what_changes_the_answer_changes_it(changes: dict[str, object]) -> None:
    assert hashed(**changes) != hashed()
