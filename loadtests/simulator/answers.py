"""What the simulator answers: deterministic, readable text of exactly as many tokens as it bills.

One word is one token. The text depends on the last user message and the count alone, so the same request gets
the same answer from any simulator.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from loadtests.simulator.directives import without_markers

CHARACTERS_PER_TOKEN = 4
_FEWEST_WORDS, _SPREAD_WORDS = 20, 41
_QUOTED_WORDS = 12
_ADVICE = """
I have looked into it for you. Please open the settings page, choose the account tab and confirm the change there. It
usually takes effect within a few minutes. If the problem is still there afterwards, reply to this message with the
time at which you tried, and a colleague will follow it up for you today.
"""


class Piece(NamedTuple):
    """One chunk of a streamed answer and the output tokens that it is billed for."""

    text: str
    tokens: int


def estimated_tokens(characters: int) -> int:
    """Prompt tokens of a text of that length when no directive says otherwise."""
    return max(1, -(-characters // CHARACTERS_PER_TOKEN))


def default_output_tokens(text: str) -> int:
    """20 to 60 tokens, from a hash of the user's message."""
    return _FEWEST_WORDS + zlib.crc32(text.encode()) % _SPREAD_WORDS


def words(text: str, count: int) -> list[str]:
    """A support agent's answer to `text` of exactly `count` words; joined without a separator they read well."""
    asked = without_markers(text).split()[:_QUOTED_WORDS]
    answer = ["Thank", "you", "for", "writing", "about", *asked, "-"] if asked else ["Hello!"]
    missing = count - len(answer)
    if missing > 0:
        advice = _ADVICE.split()
        answer += (advice * (missing // len(advice) + 1))[:missing]
    return [word if place == 0 else " " + word for place, word in enumerate(answer[:count])]


def pieces(parts: Sequence[str], tokens: int, chunks: int | None) -> list[Piece]:
    """Cut an answer into `chunks` pieces, by default one a token, whose tokens add up to `tokens`."""
    count = min(tokens if chunks is None else max(1, chunks), len(parts), tokens)
    return [
        Piece(
            "".join(parts[len(parts) * place // count : len(parts) * (place + 1) // count]),
            tokens * (place + 1) // count - tokens * place // count,
        )
        for place in range(count)
    ]


def example_json(schema: Mapping[str, object], text: str) -> str:
    """A JSON object that fits an object schema's properties, its strings filled with `text`."""
    return msgspec.json.encode(_example({"type": "object", **schema}, text)).decode()


def _example(schema: object, text: str) -> object:
    if not isinstance(schema, Mapping):
        return text
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties")
            fields = properties if isinstance(properties, Mapping) else {"answer": {"type": "string"}}
            return {name: _example(field, text) for name, field in fields.items()}
        case "array":
            return [_example(schema.get("items"), text)]
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "null":
            return None
    return text
