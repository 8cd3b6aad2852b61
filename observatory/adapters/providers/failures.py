"""From what went wrong to a `ProviderError`: its kind, whether it is worth another attempt, whether it may be billed.

Both SDKs are generated alike, so their errors are read by what they share: a response with a status and a body, or a
cause from the HTTP client below. The SDKs' own classes for lost connections are not believed: a connection that the
provider closed without an answer comes as a time-out there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import httpx2

from observatory.adapters.providers.base import Billing, ProviderError
from observatory.rules.retry import retry_after_s

LONGEST_MESSAGE = 500

UNREADABLE = (KeyError, IndexError, TypeError, AttributeError, ValueError)
"""What comes of taking decoded JSON for what it should be but is not."""


@dataclass(frozen=True, slots=True)
class _Kind:
    error_type: str
    retryable: bool
    billing: Billing = "none"


_BY_STATUS = {
    400: _Kind("invalid_request", retryable=False),
    401: _Kind("authentication_error", retryable=False),
    403: _Kind("permission_denied", retryable=False),
    404: _Kind("not_found", retryable=False),
    408: _Kind("timeout", retryable=True),
    409: _Kind("conflict", retryable=True),
    413: _Kind("request_too_large", retryable=False),
    429: _Kind("rate_limited", retryable=True),
    # A gateway in between gave up on the model, which may have worked, and be billed, all the same.
    502: _Kind("server_error", retryable=True, billing="unknown"),
    503: _Kind("overloaded", retryable=True),
    504: _Kind("timeout", retryable=True, billing="unknown"),
    524: _Kind("timeout", retryable=True, billing="unknown"),
    529: _Kind("overloaded", retryable=True),
}
_OTHER_CLIENT_ERROR = _Kind("invalid_request", retryable=False)
_OTHER_SERVER_ERROR = _Kind("server_error", retryable=True)

# The code in the body says more than the status.
_BY_CODE = {
    "model_not_found": _Kind("no_such_model", retryable=False),
    "DeploymentNotFound": _Kind("no_such_model", retryable=False),
    "not_found_error": _Kind("no_such_model", retryable=False),
    "insufficient_quota": _Kind("insufficient_quota", retryable=False),
}

# What a provider calls an error that it reports in the middle of a stream, where there is no status any more.
_IN_STREAM = {
    "overloaded_error": "overloaded",
    "rate_limit_error": "rate_limited",
    "rate_limit_exceeded": "rate_limited",
    "invalid_request_error": "invalid_request",
}


def refused(response: httpx2.Response, body: object) -> ProviderError:
    """The provider answered with an error status; `body` is the decoded one, with or without its `error` around it."""
    status = response.status_code
    details = error_details(body)
    kind = next((_BY_CODE[code] for code in _codes(details) if code in _BY_CODE and 400 <= status < 500), None)
    if kind is None:
        other = _OTHER_SERVER_ERROR if status >= 500 else _OTHER_CLIENT_ERROR
        kind = _BY_STATUS.get(status, other)
    return ProviderError(
        error_type=kind.error_type,
        message=_message(details, f"the provider answered with status {status}"),
        billing=kind.billing,
        retryable=kind.retryable,
        status=status,
        retry_after_s=retry_after_s(response.headers.get("retry-after"), datetime.now(UTC)),
    )


def lost(error: BaseException, *, timeout_s: float) -> ProviderError:
    """No answer, or not all of it: the connection failed or the time was up. `timeout_s` was the call's budget."""
    causes = _causes(error)
    if any(isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) for cause in causes):
        return ProviderError(
            error_type="connection_error", message="could not connect to the provider", billing="none", retryable=True
        )
    if any(isinstance(cause, TimeoutError) for cause in causes):
        message = f"no whole answer within {timeout_s:g} s"
        return ProviderError(error_type="timeout", message=message, billing="unknown", retryable=True)
    message = f"the connection was lost: {type(causes[-1]).__name__}"
    return ProviderError(error_type="connection_error", message=message, billing="unknown", retryable=True)


def lost_midway(error: BaseException, *, timeout_s: float) -> ProviderError:
    """A stream that had begun was lost. `timeout_s` was the call's budget."""
    failure = lost(error, timeout_s=timeout_s)
    return failure if failure.error_type == "timeout" else stream_cut(failure.message)


def malformed(why: str) -> ProviderError:
    """An answer came, with a good status, that cannot be read."""
    return ProviderError(error_type="malformed_response", message=why, billing="unknown", retryable=True)


def stream_cut(why: str) -> ProviderError:
    """A stream ended before its end."""
    return ProviderError(error_type="stream_cut", message=why, billing="unknown", retryable=True)


def reported_in_stream(body: object) -> ProviderError:
    """The provider sent an error as an event of a stream."""
    details = error_details(body)
    error_type = next((_IN_STREAM[code] for code in _codes(details) if code in _IN_STREAM), "server_error")
    return ProviderError(
        error_type=error_type,
        message=_message(details, "the provider reported an error in the stream"),
        billing="unknown",
        retryable=error_type != "invalid_request",
    )


def cannot_be_sent(why: str) -> ProviderError:
    """The request has no form that the provider could be asked in; nothing was sent."""
    return ProviderError(error_type="invalid_request", message=why, billing="none", retryable=False)


def error_details(body: object) -> Mapping[str, object]:
    """The error object in a body, which both providers put under `error` (and the OpenAI SDK takes out of it)."""
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error")
    return inner if isinstance(inner, Mapping) else body


def _codes(details: Mapping[str, object]) -> list[str]:
    return [value for key in ("code", "type") if isinstance(value := details.get(key), str)]


def _message(details: Mapping[str, object], otherwise: str) -> str:
    message = details.get("message")
    return message[:LONGEST_MESSAGE] if isinstance(message, str) and message else otherwise


def _causes(error: BaseException) -> list[BaseException]:
    causes = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    return causes
