"""Requests in the shape of OpenAI's chat completions, translated to Anthropic's messages.

What Anthropic has under another name is renamed; OpenAI's parameters that only tune and have no counterpart are left
out; parts of a message that cannot be said at all are refused before anything is sent.
"""

from collections.abc import Iterator

import orjson

from observatory.adapters.providers import failures
from schemas.chat import ChatRequested, JsonObject, Message

DEFAULT_MAX_TOKENS = 4096
"""Anthropic wants a cap on the output; this one applies where the request has none."""

OURS = frozenset({"model", "messages", "stream", "stream_options", "n"})
"""What `parameters` cannot change."""

_RENAMED = frozenset(
    {"max_tokens", "max_completion_tokens", "stop", "user", "service_tier", "parallel_tool_calls", "reasoning_effort"}
)
_WITHOUT_COUNTERPART = frozenset(
    {
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "store",
        "prediction",
        "modalities",
        "audio",
        "verbosity",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
    }
)
_TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_SERVICE_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_JSON_ONLY = "Answer with one JSON object and nothing else."


def messages_body(request: ChatRequested) -> JsonObject:
    """The body of a plain request. Raises `ProviderError` (`invalid_request`) for what cannot be said."""
    parameters = request.parameters or {}
    left_out = OURS | _RENAMED | _WITHOUT_COUNTERPART
    body = {name: value for name, value in parameters.items() if name not in left_out}
    body |= _renamed(parameters)
    body["model"] = request.model
    body["max_tokens"] = request.max_output_tokens or _cap(parameters)
    body["messages"] = _turns(request.messages)
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if (choice := _tool_choice(request)) is not None:
        body["tool_choice"] = choice
    if (output_config := _output_config(request)) is not None:
        body["output_config"] = output_config
    if system := _system(request):
        body["system"] = system
    return body


def _renamed(parameters: JsonObject) -> JsonObject:
    renamed: JsonObject = {}
    stop = parameters.get("stop")
    if stop is not None:
        renamed["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if parameters.get("user") is not None:
        renamed["metadata"] = {"user_id": parameters["user"]}
    if (tier := _SERVICE_TIERS.get(str(parameters.get("service_tier")))) is not None:
        renamed["service_tier"] = tier
    return renamed


def _cap(parameters: JsonObject) -> object:
    return parameters.get("max_completion_tokens") or parameters.get("max_tokens") or DEFAULT_MAX_TOKENS


def _turns(messages: list[Message]) -> list[JsonObject]:
    """Turns of user and assistant in alternation; the results of tools are the user's."""
    turns: list[JsonObject] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = list(_blocks(message))
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if not turns:
        raise failures.cannot_be_sent("Anthropic needs at least one message of a user with content")
    return turns


def _blocks(message: Message) -> Iterator[JsonObject]:
    if message.role == "tool":
        yield {
            "type": "tool_result",
            "tool_use_id": message.tool_call_id,
            "content": list(_content(message)),
        }
        return
    yield from _content(message)
    for call in message.tool_calls or ():
        yield _tool_use(call)


def _content(message: Message) -> Iterator[JsonObject]:
    """The parts of a message; Anthropic refuses empty texts, so they are left out."""
    if isinstance(message.content, str):
        if message.content:
            yield {"type": "text", "text": message.content}
        return
    for part in message.content or ():
        kind = part.get("type")
        if kind == "image_url":
            yield _image(part)
        elif kind == "refusal":
            yield {"type": "text", "text": part.get("refusal")}
        elif kind in ("input_audio", "file"):
            raise failures.cannot_be_sent(f"a message part of type {kind} cannot be sent to Anthropic")
        elif kind != "text" or part.get("text"):
            yield part


def _image(part: JsonObject) -> JsonObject:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        raise failures.cannot_be_sent("an image_url part has no url")
    if not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type, marker, data = url.removeprefix("data:").partition(";base64,")
    if not marker:
        raise failures.cannot_be_sent("an image's data URL is not base64")
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def _tool_use(call: JsonObject) -> JsonObject:
    function = call.get("function")
    try:
        if not isinstance(function, dict):
            raise TypeError("it has no function")
        arguments = orjson.loads(function.get("arguments") or "{}")
        return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments}
    except (KeyError, TypeError, orjson.JSONDecodeError) as error:
        raise failures.cannot_be_sent(f"a tool call cannot be sent to Anthropic: {error}") from error


def _tool(tool: JsonObject) -> JsonObject:
    function = tool.get("function")
    if not isinstance(function, dict):
        return tool
    translated = {"name": function.get("name"), "input_schema": function.get("parameters") or {"type": "object"}}
    if function.get("description"):
        translated["description"] = function["description"]
    return translated


def _tool_choice(request: ChatRequested) -> JsonObject | None:
    asked, one_at_a_time = request.tool_choice, (request.parameters or {}).get("parallel_tool_calls") is False
    choice: JsonObject | None = None
    if isinstance(asked, str):
        choice = {"type": _TOOL_CHOICES.get(asked, asked)}
    elif asked is not None:
        function = asked.get("function")
        choice = {"type": "tool", "name": function.get("name")} if isinstance(function, dict) else dict(asked)
    if one_at_a_time and request.tools:
        choice = choice or {"type": "auto"}
        if choice["type"] != "none":
            choice["disable_parallel_tool_use"] = True
    return choice


def _output_config(request: ChatRequested) -> JsonObject | None:
    parameters = request.parameters or {}
    config = dict(parameters.get("output_config") or {})
    if parameters.get("reasoning_effort") is not None:
        config["effort"] = parameters["reasoning_effort"]
    described = (request.response_format or {}).get("json_schema")
    if isinstance(described, dict):
        config["format"] = {"type": "json_schema", "schema": described.get("schema") or {"type": "object"}}
    return config or None


def _system(request: ChatRequested) -> list[JsonObject]:
    """All system messages, wherever they stand, as Anthropic's one system prompt."""
    instructions = (message for message in request.messages if message.role in ("system", "developer"))
    blocks = [block for message in instructions for block in _content(message)]
    if (request.response_format or {}).get("type") == "json_object":
        blocks.append({"type": "text", "text": _JSON_ONLY})
    return blocks
