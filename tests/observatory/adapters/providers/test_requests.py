"""What is sent to each provider for a request."""

import pytest

from observatory.adapters.providers.anthropic import Messages
from observatory.adapters.providers.base import ProviderError
from observatory.adapters.providers.openai import AzureChatCompletions, ChatCompletions
from schemas.chat import JsonObject
from tests.observatory.adapters.providers.calls import asked

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "Of a place", "parameters": {"type": "object", "properties": {}}},
}
CALLED = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"place": "Ulm"}'}}


def openai_body(text: str = "hello", *, stream: bool = False, **fields: object) -> JsonObject:
    return ChatCompletions().body(asked(text, **fields), stream=stream)


def anthropic_body(text: str = "hello", **fields: object) -> JsonObject:
    return Messages().body(asked(text, **{"model": "claude-haiku-4-5", **fields}), stream=False)


def test_openai_gets_the_request_as_it_is() -> None:
    body = openai_body(
        temperature=0.5,
        max_output_tokens=9,
        tools=[WEATHER],
        tool_choice="auto",
        response_format={"type": "json_object"},
        parameters={"seed": 1, "stop": ["x"]},
    )
    assert body == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0.5,
        "max_completion_tokens": 9,
        "tools": [WEATHER],
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
        "seed": 1,
        "stop": ["x"],
    }


def test_the_usage_of_a_stream_is_always_asked_for() -> None:
    body = openai_body(stream=True, parameters={"stream": False, "stream_options": {"include_usage": False}})
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


def test_parameters_override_nothing_of_ours() -> None:
    mine = {"model": "gpt-9", "messages": [], "stream": True, "stream_options": {}, "n": 5, "top_p": 0.1}
    assert openai_body(parameters=mine) == {**openai_body(), "top_p": 0.1}
    assert anthropic_body(parameters=mine) == {**anthropic_body(), "top_p": 0.1}


def test_a_cap_of_the_request_replaces_those_in_its_parameters() -> None:
    body = openai_body(max_output_tokens=5, parameters={"max_tokens": 100, "max_completion_tokens": 100})
    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body
    assert anthropic_body(max_output_tokens=5, parameters={"max_tokens": 100})["max_tokens"] == 5


def test_openai_does_not_get_the_nulls_that_its_own_answers_contain() -> None:
    messages = [{"role": "assistant", "content": None, "refusal": None, "audio": None, "tool_calls": [CALLED]}]
    assert openai_body(messages=messages)["messages"] == [{"role": "assistant", "tool_calls": [CALLED]}]


def test_azure_is_asked_at_the_deployments_address() -> None:
    assert AzureChatCompletions().path(asked(model="my gpt/4")) == "/deployments/my%20gpt%2F4/chat/completions"


def test_anthropic_gets_system_messages_apart_and_a_cap() -> None:
    body = anthropic_body(
        messages=[
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "hello"},
            {"role": "developer", "content": [{"type": "text", "text": "And kind."}]},
        ]
    )
    assert body == {
        "model": "claude-haiku-4-5",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        "system": [{"type": "text", "text": "Be short."}, {"type": "text", "text": "And kind."}],
    }


def test_anthropic_gets_tool_calls_and_results_as_alternating_turns() -> None:
    messages = [
        {"role": "user", "content": "Ulm and Bonn?"},
        {"role": "assistant", "content": "", "tool_calls": [CALLED, {**CALLED, "id": "call_2"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": "sun"},
        {"role": "user", "content": "So?"},
    ]
    use = {"type": "tool_use", "name": "weather", "input": {"place": "Ulm"}}
    assert anthropic_body(messages=messages)["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Ulm and Bonn?"}]},
        {"role": "assistant", "content": [{**use, "id": "call_1"}, {**use, "id": "call_2"}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "rain"}]},
                {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "sun"}]},
                {"type": "text", "text": "So?"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("data:image/png;base64,QUJD", {"type": "base64", "media_type": "image/png", "data": "QUJD"}),
        ("https://example.org/a.png", {"type": "url", "url": "https://example.org/a.png"}),
    ],
)
def test_anthropic_gets_images(url: str, source: JsonObject) -> None:
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    sent = anthropic_body(messages=[{"role": "user", "content": content}])["messages"][0]["content"]
    assert sent == [content[0], {"type": "image", "source": source}]


@pytest.mark.parametrize(
    ("choice", "translated"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        ({"type": "function", "function": {"name": "weather"}}, {"type": "tool", "name": "weather"}),
    ],
)
def test_anthropic_gets_tools_and_the_choice_of_one(choice: object, translated: JsonObject) -> None:
    body = anthropic_body(tools=[WEATHER], tool_choice=choice)
    function = WEATHER["function"]
    assert isinstance(function, dict)
    assert body["tools"] == [{"name": "weather", "description": "Of a place", "input_schema": function["parameters"]}]
    assert body["tool_choice"] == translated


def test_anthropic_gets_parameters_under_its_own_names() -> None:
    body = anthropic_body(
        tools=[WEATHER],
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        parameters={
            "stop": "END",
            "user": "u1",
            "seed": 3,
            "logit_bias": {},
            "top_k": 5,
            "parallel_tool_calls": False,
            "reasoning_effort": "low",
            "max_tokens": 77,
        },
    )
    assert body["stop_sequences"] == ["END"]
    assert body["metadata"] == {"user_id": "u1"}
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert body["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": {"type": "object"}},
    }
    assert (body["top_k"], body["max_tokens"]) == (5, 77)
    assert not {"seed", "logit_bias", "stop", "user", "response_format"} & body.keys()


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": "only this"}],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,abc"}}]}],
        [{"role": "user", "content": [{"type": "image_url"}]}],
        [{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{"}}]}],
        [{"role": "assistant", "tool_calls": [{"id": "1"}]}],
    ],
)
def test_what_anthropic_has_no_words_for_is_refused_before_it_costs(messages: list[JsonObject]) -> None:
    with pytest.raises(ProviderError) as caught:
        anthropic_body(messages=messages)
    assert (caught.value.error_type, caught.value.billing) == ("invalid_request", "none")
    assert not caught.value.retryable
