"""When do two calls ask the same? When model, messages, tools and the form of the answer are the same."""

import hashlib

import orjson

from schemas.chat import ChatRequested

_DIGITS = 32
_PROMPT = {"model", "messages", "tools", "tool_choice", "response_format"}


def prompt_hash(request: ChatRequested) -> str:
    """The first 128 bits of the SHA-256 of the whole prompt, as 32 hexadecimal digits; field order and spacing make no
    difference. No text can be read from it."""
    prompt = orjson.loads(request.model_dump_json(include=_PROMPT, exclude_none=True))
    return hashlib.sha256(orjson.dumps(prompt, option=orjson.OPT_SORT_KEYS)).hexdigest()[:_DIGITS]
