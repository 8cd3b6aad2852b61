"""Why a request is refused or failed: one small tree, written in OpenAI's shape, Anthropic's, or as a problem document.

Every text tells the reader what to do next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from schemas.chat import BudgetLeft, ChatFailed

PROBLEM_TYPE = "urn:llm-observatory:problem:"

_STATUS_OF_CODE = {
    "invalid_request": 400,
    "no_such_provider": 400,
    "budget_exceeded": 402,
    "no_such_model": 404,
    "conversation_busy": 409,
    "rate_limited": 429,
    "provider_error": 502,
    "deadline_exceeded": 504,
}
_OPENAI_TYPE_OF_STATUS = {402: "insufficient_quota", 429: "rate_limit_error"}
_TITLES = {
    400: "Bad request", 401: "Not authorised", 402: "Budget exceeded", 403: "Not allowed", 404: "Not found",
    405: "Method not allowed", 409: "Conflict", 413: "Too large", 415: "Unsupported media type", 422: "Invalid body",
    429: "Too many requests", 500: "Internal error", 502: "Provider error", 503: "Not available",
    504: "Deadline exceeded",
}  # fmt: skip


@dataclass(eq=False)
class Refusal(Exception):
    """An answer that is not what was asked for.

    `retry_after_s` is sent as `Retry-After`. `final` tells clients that retry by themselves not to.
    `errors` lists single faults of a body: `pointer` (JSON pointer) or `line`, and `detail` of each.
    `budget`: which refused. `trace_id`: of the recorded trace that shows how it came to this.
    """

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after_s: int | None = None
    final: bool = False
    request_id: str | None = None
    errors: Sequence[Mapping[str, str | int]] = field(default=())
    budget: BudgetLeft | None = None
    trace_id: str | None = None

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Everything but the content's type and length."""
        headers = []
        if self.retry_after_s is not None:
            headers.append((b"retry-after", str(self.retry_after_s).encode()))
        if self.final:
            headers.append((b"x-should-retry", b"false"))
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if self.request_id is not None:
            headers.append((b"x-observatory-request-id", self.request_id.encode()))
        if self.trace_id is not None:
            headers.append((b"x-observatory-trace-id", self.trace_id.encode()))
        return headers

    def as_openai(self) -> bytes:
        """`{"error": {message, type, param, code}}`."""
        default = "invalid_request_error" if self.status < 500 else "api_error"
        kind = _OPENAI_TYPE_OF_STATUS.get(self.status, default)
        error: dict[str, object] = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        if self.budget is not None:
            error["budget"] = self.budget.model_dump(mode="json")
        return orjson.dumps({"error": error})

    def as_anthropic(self) -> bytes:
        """`{"type": "error", "error": {type, message}}`."""
        kinds = {401: "authentication_error", 404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error"}
        kind = kinds.get(self.status, "invalid_request_error" if self.status < 500 else "api_error")
        return orjson.dumps({"type": "error", "error": {"type": kind, "message": self.message}})

    def as_problem(self, instance: str) -> bytes:
        """A problem document (RFC 9457); `instance` is the path that was asked."""
        problem: dict[str, object] = {
            "type": PROBLEM_TYPE + self.code,
            "title": _TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.message,
            "instance": instance,
        }
        if self.request_id is not None:
            problem["request_id"] = self.request_id
        if self.errors:
            problem["errors"] = list(self.errors)
        if self.budget is not None:
            problem |= self.budget.model_dump(mode="json")
        return orjson.dumps(problem)


def refusal_of(failed: ChatFailed) -> Refusal:
    """What a request's bad outcome means to an HTTP client."""
    error = failed.error
    status = _STATUS_OF_CODE.get(error.code, 502)
    return Refusal(
        status,
        error.code,
        error.message,
        retry_after_s=1 if status == 429 else None,
        final=not error.retryable,
        request_id=str(failed.request_id),
        budget=error.budget,
    )


def invalid(message: str, param: str | None = None) -> Refusal:
    """400: the request itself is wrong."""
    return Refusal(400, "invalid_request", message, param=param, final=True)


def too_large(limit: int) -> Refusal:
    """413: longer than one record can be."""
    return Refusal(413, "request_too_large", f"the request is longer than {limit} bytes", final=True)


def unauthorised(message: str) -> Refusal:
    """401: no key, or one that is not valid."""
    return Refusal(401, "invalid_api_key", message, final=True)


def not_found(message: str, code: str = "not_found") -> Refusal:
    """404: there is no such thing."""
    return Refusal(404, code, message, final=True)


def not_available(message: str, *, retry_after_s: int = 2, final: bool = False) -> Refusal:
    """503: something that we need is away; the same again may succeed."""
    return Refusal(503, "unavailable", message, retry_after_s=retry_after_s, final=final)


def conflict(request_id: str) -> Refusal:
    """409: the key names another request."""
    message = "a different request was sent before under this request_id (Idempotency-Key); use a new one"
    return Refusal(409, "idempotency_conflict", message, final=True, request_id=request_id)


def late(request_id: str) -> Refusal:
    """504: nothing was heard in time, and the journal has no outcome either."""
    message = (
        "no answer before the deadline; the request may still be answered: repeat it with the same Idempotency-Key, "
        f"or ask for /api/v1/chat/requests/{request_id}"
    )
    return Refusal(504, "deadline_exceeded", message, final=True, request_id=request_id)


def broken() -> Refusal:
    """500: our own fault."""
    return Refusal(500, "internal_error", "the gateway failed; its log says why")
