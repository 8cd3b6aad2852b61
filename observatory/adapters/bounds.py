"""The most tokens that a request can take, however its provider counts: what a hard budget reserves for.

A bound is proven or refused. Text is counted with the model's own vocabulary where the provider uses it; of everything
else each byte is taken as a token, since no tokenizer of the providers has tokens of less. What brings in content that
is not in the request (images, files, searches) or answers that the output cap does not limit has no bound.
"""

import json
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from tiktoken.model import encoding_name_for_model

from observatory.adapters.tokens import LONGEST_COUNTED, count_tokens
from observatory.rules.budgets import Unbounded
from schemas.chat import ChatRequested, Message

AROUND_MESSAGE = 8
AROUND_PROMPT = 16
"""Tokens that a provider's format adds around each message and the prompt; OpenAI's adds 3 to 5 and 3."""

AROUND_TOOLS = 1024
"""Tokens of instructions that a provider adds where tools or a form of the answer are asked for; Anthropic's are 800
at the most that it documents.
"""

# Fields that are text, or say how to sample it: no more tokens come of them than they have bytes.
_PARTS = frozenset({"text", "refusal"})
_MESSAGE_FIELDS = frozenset({"annotations", "cache_control", "function_call", "reasoning_content", "refusal"})
_TOOLS = frozenset({"function", "custom"})
_PARAMETERS = frozenset(
    {
        "cache_control",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "output_config",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "stop_sequences",
        "store",
        "stream_options",
        "thinking",
        "top_k",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
    }
)
_INSTRUCTED = frozenset({"functions", "output_config", "thinking"})
_ONLY = {"n": 1, "modalities": ["text"], "stream": False}
"""Parameters of which one value alone is bounded."""


def most_input_tokens(request: ChatRequested, *, own_vocabulary: bool) -> int:
    """A number of tokens that the prompt does not exceed. Raises `Unbounded`.

    `own_vocabulary`: the provider counts with the vocabulary of the model that the request names.
    """
    counted = own_vocabulary and _is_o200k(request.model)
    _check(request)
    texts = sum(_most_tokens(text, counted=counted) for message in request.messages for text in _texts(message))
    others = sum(len(_json(other)) for message in request.messages for other in _others(message))
    formed = [
        part for part in (request.tools, request.tool_choice, request.response_format, request.parameters) if part
    ]
    around = AROUND_MESSAGE * len(request.messages) + AROUND_PROMPT + (AROUND_TOOLS if _is_instructed(request) else 0)
    return texts + others + sum(len(_json(part)) for part in formed) + around


def output_cap(request: ChatRequested, otherwise: int) -> int:
    """The most output tokens that the request asks for, whichever of the fields for it is used."""
    if request.max_output_tokens is not None:
        return request.max_output_tokens
    parameters = request.parameters or {}
    for name in ("max_completion_tokens", "max_tokens"):
        cap = parameters.get(name)
        if type(cap) is int and cap >= 1:
            return cap
    return otherwise


def _check(request: ChatRequested) -> None:
    for message in request.messages:
        for part in message.content if isinstance(message.content, list) else ():
            if part.get("type", "text") not in _PARTS:
                raise Unbounded(f"what a message part of type {str(part.get('type'))[:40]} costs cannot be told before")
        _only_known(message.model_extra or {}, _MESSAGE_FIELDS, "a message's field")
    for tool in request.tools or ():
        if tool.get("type", "custom") not in _TOOLS:
            raise Unbounded(f"what a tool of type {str(tool.get('type'))[:40]} costs cannot be told before")
    parameters = request.parameters or {}
    free = {name: value for name, value in parameters.items() if name not in _ONLY or _ONLY[name] != value}
    _only_known(free, _PARAMETERS, "the parameter")


def _only_known(names: Iterable[str], known: frozenset[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise Unbounded(f"what {what} {name[:40]} adds to the cost cannot be told before")


def _is_instructed(request: ChatRequested) -> bool:
    """Whether the provider tells the model how to answer."""
    return bool(request.tools or request.response_format or _INSTRUCTED & (request.parameters or {}).keys())


def _texts(message: Message) -> Iterator[str]:
    if isinstance(message.content, str):
        yield message.content
    for part in message.content if isinstance(message.content, list) else ():
        yield from (value for name in _PARTS if isinstance(value := part.get(name), str))


def _others(message: Message) -> Iterator[object]:
    """What of a message is no text of it."""
    yield from (
        other for other in (message.name, message.tool_calls, message.tool_call_id, message.model_extra) if other
    )
    for part in message.content if isinstance(message.content, list) else ():
        yield {name: value for name, value in part.items() if not (name in _PARTS and isinstance(value, str))}


def _most_tokens(text: str, *, counted: bool) -> int:
    if counted and len(text) <= LONGEST_COUNTED:
        return count_tokens(text)
    if text.isascii():
        return len(text)
    # Some tokenizers normalise the text first, which can make it longer.
    return max(len(text.encode()), len(unicodedata.normalize("NFKC", text).encode()))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


@lru_cache
def _is_o200k(model: str) -> bool:
    try:
        return encoding_name_for_model(model) == "o200k_base"
    except KeyError:
        return False
