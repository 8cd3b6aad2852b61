"""What a variant changes of a request."""

from schemas.chat import ChatRequested, Message
from schemas.experiments import Overrides

_SYSTEM = ("system", "developer")


def overridden(request: ChatRequested, overrides: Overrides) -> ChatRequested:
    """The request as the variant has it sent. `request.messages` are the whole prompt."""
    changes: dict[str, object] = {
        name: value
        for name in ("model", "provider", "temperature", "max_output_tokens")
        if (value := getattr(overrides, name)) is not None
    }
    if overrides.parameters:
        changes["parameters"] = {**(request.parameters or {}), **overrides.parameters}
    if overrides.system_prompt is not None:
        changes["messages"] = _under(overrides.system_prompt, request.messages)
    return request.model_copy(update=changes) if changes else request


def _under(system_prompt: str, messages: list[Message]) -> list[Message]:
    """The prompt under another system message."""
    asked = next((index for index, message in enumerate(messages) if message.role not in _SYSTEM), len(messages))
    return [Message(role="system", content=system_prompt), *messages[asked:]]
