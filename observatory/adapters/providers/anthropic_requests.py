"""Requests in the shape of OpenAI's chat completions, translated to Anthropic's messages."""

from schemas.chat import ChatRequested, JsonObject


def messages_body(request: ChatRequested) -> JsonObject:
    """The request."""
    return {"model": request.model, "max_tokens": request.max_output_tokens or 4096,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages]}
