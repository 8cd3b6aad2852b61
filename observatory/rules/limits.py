"""What the gateway takes: sizes, and what a request for a chat answer must satisfy beyond its schema.

The ranges are those of OpenAI's chat completions.
"""

from collections.abc import Iterator, Mapping, Sequence

from schemas.chat import ChatRequested, JsonObject, Message
from schemas.topics import MAX_RECORD_BYTES

MAX_BODY_BYTES = MAX_RECORD_BYTES
"""The longest HTTP body: what becomes of it must fit into one record."""

MAX_TOOLS = 1024
MAX_KEY_LENGTH = 255
"""Characters of an `Idempotency-Key`."""

MAX_PAGE = 200
DEFAULT_PAGE = 50

RANGES: Mapping[str, tuple[float, float]] = {
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "top_logprobs": (0, 20),
}


class OutOfLimits(ValueError):
    """A request that fits its schema and still cannot be served; `param` names the field."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


def check_request(request: ChatRequested) -> None:
    """Raises `OutOfLimits` for the first thing that is wrong."""
    check_messages(request.messages)
    if request.tools is not None and not 1 <= len(request.tools) <= MAX_TOOLS:
        raise OutOfLimits("tools", f"between 1 and {MAX_TOOLS} tools can be given, not {len(request.tools)}")
    if request.parameters:
        check_parameters(request.parameters)


def check_messages(messages: Sequence[Message]) -> None:
    """Each message says something. Raises `OutOfLimits`."""
    for index, problem in _problems(messages):
        raise OutOfLimits(f"messages[{index}].{problem[0]}", problem[1])


def _problems(messages: Sequence[Message]) -> Iterator[tuple[int, tuple[str, str]]]:
    for index, message in enumerate(messages):
        if not message.content:
            if message.content == [] or (message.content == "" and message.role == "user"):
                yield index, ("content", "the content is empty")
            if message.content is None and not (message.role == "assistant" and _says_more(message)):
                yield index, ("content", f"a message of the role {message.role!r} needs content")
        if message.role == "tool" and not message.tool_call_id:
            yield index, ("tool_call_id", "a message of the role 'tool' needs a tool_call_id")


def _says_more(message: Message) -> bool:
    extra = message.model_extra or {}
    return bool(message.tool_calls or extra.get("function_call") or extra.get("refusal") or extra.get("audio"))


def check_parameters(parameters: JsonObject) -> None:
    """The provider's parameters that are worth refusing before anything is spent. Raises `OutOfLimits`."""
    for name, (least, most) in RANGES.items():
        if name in parameters:
            _check_range(name, parameters[name], least, most)


def _check_range(name: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OutOfLimits(name, f"{name} is a number")
    if not least <= value <= most:
        raise OutOfLimits(name, f"{name} lies between {least} and {most}, not {value}")
