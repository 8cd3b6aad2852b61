"""What a provider's endpoint is to the rest of the simulator: reads requests, writes answers, streams and errors."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from loadtests.simulator.answers import Piece
from loadtests.simulator.prices import Usage
from loadtests.simulator.refusals import Refusal

_Body = TypeVar("_Body")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call, with the JSON Schema of its arguments."""

    name: str
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Reply:
    """A decided answer. `parts` joined are the text, the tool call's arguments, or the JSON that was asked
    for; `capped` says that the request's own limit cut it. `created_s` is Unix time.
    """

    id: str
    created_s: int
    model: str
    usage: Usage
    parts: list[str] | str
    tool: Tool | None
    capped: bool
    show_usage: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt(ABC):
    """A request that was read: what all protocols share of it, and how this one writes the answer."""

    model: str
    input_tokens: int
    text: str
    output_cap: int | None = None
    tool: Tool | None = None
    json_schema: Mapping[str, object] | None = None

    @abstractmethod
    def answer(self, reply: Reply) -> bytes:
        """The body of a plain answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamablePrompt(Prompt):
    """A request whose answer is streamed when it asks for that."""

    stream: bool

    @abstractmethod
    def stream_head(self, reply: Reply) -> bytes:
        """The events of a stream before its first chunk."""

    @abstractmethod
    def stream_chunk(self, reply: Reply, piece: Piece) -> bytes:
        """The event of one chunk."""

    @abstractmethod
    def stream_tail(self, reply: Reply) -> bytes:
        """The events of a stream after its last chunk."""


@dataclass(frozen=True, slots=True)
class Service:
    """One operation of one provider. `read` takes the body and, for Azure, the deployment; it raises Refusal."""

    provider: str
    operation: str
    id_prefix: str
    id_header: str
    read: Callable[[bytes, str | None], Prompt]
    error: Callable[[Refusal], bytes]


def decode(decoder: msgspec.json.Decoder[_Body], body: bytes) -> _Body:
    """The body as its type. Raises Refusal (400) with the place of what is wrong."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, f"We could not parse the JSON body of your request: {error}") from error


def event(data: object, name: str | None = None) -> bytes:
    """One server-sent event."""
    line = b"data: " + msgspec.json.encode(data) + b"\n\n"
    return line if name is None else b"event: " + name.encode() + b"\n" + line
