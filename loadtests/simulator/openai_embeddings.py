"""OpenAI's embeddings, and Azure's: unit vectors that depend on the text alone."""

import base64
import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from loadtests.simulator import answers
from loadtests.simulator.prices import MODELS
from loadtests.simulator.refusals import Refusal
from loadtests.simulator.service import Prompt, Reply, decode

_MOST_INPUTS = 2048


class _Body(msgspec.Struct):
    input: str | list[str | int | list[int]]
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, msgspec.Meta(ge=1)] | None = None


_decoder = msgspec.json.Decoder(_Body)


def read(body: bytes, deployment: str | None) -> "EmbeddingsPrompt":
    """An embeddings request; an Azure deployment stands for the model. Raises Refusal (400)."""
    asked = decode(_decoder, body)
    model = asked.model if deployment is None else deployment
    if not model:
        raise Refusal(400, "you must provide a model parameter")
    inputs = _inputs(asked.input)
    texts = [text for text in inputs if isinstance(text, str)]
    return EmbeddingsPrompt(
        model=model,
        input_tokens=sum(map(_tokens, inputs)),
        text=texts[-1] if texts else "",
        inputs=inputs,
        as_base64=asked.encoding_format == "base64",
        dimensions=_dimensions(model, asked.dimensions),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsPrompt(Prompt):
    """Texts, or token ids, to be embedded."""

    inputs: list[str | list[int]]
    as_base64: bool
    dimensions: int

    def answer(self, reply: Reply) -> bytes:
        data = [
            {"object": "embedding", "index": index, "embedding": self._embedding(text)}
            for index, text in enumerate(self.inputs)
        ]
        body: dict[str, object] = {"object": "list", "data": data, "model": reply.model}
        if reply.show_usage:
            tokens = reply.usage.input_tokens
            body["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        return msgspec.json.encode(body)

    def _embedding(self, text: str | list[int]) -> Sequence[float] | str:
        packed = vector(text, self.dimensions)
        if self.as_base64:
            return base64.b64encode(packed).decode()
        return struct.unpack(f"<{self.dimensions}f", packed)


def vector(text: str | list[int], dimensions: int) -> bytes:
    """A unit vector from a hash of the text, as little-endian 32-bit floats."""
    seed = text.encode() if isinstance(text, str) else repr(text).encode()
    numbers = struct.unpack(f"<{dimensions}h", hashlib.shake_128(seed).digest(2 * dimensions))
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return struct.pack(f"<{dimensions}f", *(number / length for number in numbers))


def _inputs(given: str | list[str | int | list[int]]) -> list[str | list[int]]:
    """One text, one list of token ids, or a list of either."""
    if isinstance(given, str):
        inputs: list[str | list[int]] = [given]
    elif all(isinstance(item, int) for item in given):
        inputs = [[item for item in given if isinstance(item, int)]]
    else:
        inputs = [item for item in given if not isinstance(item, int)]
    if not inputs or not all(inputs) or len(inputs) > _MOST_INPUTS:
        raise Refusal(400, f"input must be from 1 to {_MOST_INPUTS} texts or lists of tokens, none of them empty")
    return inputs


def _tokens(text: str | list[int]) -> int:
    return answers.estimated_tokens(len(text)) if isinstance(text, str) else len(text)


def _dimensions(model: str, wanted: int | None) -> int:
    row = MODELS["openai"].get(model.partition("@")[0])
    most = row.dimensions if row is not None else 1
    if wanted is not None and row is not None and wanted > most:
        raise Refusal(400, f"dimensions={wanted} is more than the {most} that this model has")
    return most if wanted is None else wanted
