"""OpenAI's way of saying that a call was refused, and Azure's."""

import msgspec

from loadtests.simulator.refusals import Refusal

_TYPES = {
    401: "authentication_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
    529: "server_error",
}
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


def openai_error(refusal: Refusal) -> bytes:
    """OpenAI's error body."""
    kind = _TYPES.get(refusal.status, "invalid_request_error")
    code = refusal.code or _CODES.get(refusal.status)
    return msgspec.json.encode({"error": {"message": refusal.message, "type": kind, "param": None, "code": code}})


def azure_error(refusal: Refusal) -> bytes:
    """Azure OpenAI's error body: the code is a word for a missing deployment, else the status."""
    code = "DeploymentNotFound" if refusal.code == "model_not_found" else str(refusal.status)
    return msgspec.json.encode({"error": {"code": code, "message": refusal.message}})
