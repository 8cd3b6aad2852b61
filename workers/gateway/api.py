"""The FastAPI application for `/api`: problem documents for every error, and an OpenAPI document that is complete."""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Literal

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.alerts import AlertRaised, AlertResolved
from schemas.http import CreateConversation, PostMessage, Problem, SendChat
from schemas.http_budgets import ChangeBudget, CreateBudget
from schemas.http_dead_letters import RetryDeadLetters
from schemas.http_experiments import ChangeExperiment, CreateExperiment
from schemas.http_feedback import GiveFeedback
from schemas.http_live import LiveStatus
from schemas.metrics import MetricsWindow
from schemas.prices import SetPrices
from workers.gateway.access import KeyRing
from workers.gateway.bodies import ClientLeft
from workers.gateway.metrics import count
from workers.gateway.refusals import Refusal, broken
from workers.gateway.tracing import RequestTraces

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
_READ: Sequence[type[BaseModel]] = (
    CreateConversation,
    SendChat,
    PostMessage,
    GiveFeedback,
    CreateBudget,
    ChangeBudget,
    SetPrices,
    CreateExperiment,
    ChangeExperiment,
    RetryDeadLetters,
)
"""The bodies that `api_bodies` reads, of which FastAPI knows nothing."""

_TOLD: Sequence[type[BaseModel]] = (MetricsWindow, AlertRaised, AlertResolved, LiveStatus)
"""What the live feed sends, each as the data of an event."""

_CODES: Mapping[int, str] = {404: "not_found", 405: "method_not_allowed"}


def build_api(keys: KeyRing, traces: RequestTraces, *routers: APIRouter) -> FastAPI:
    """The application with its routers."""
    app = FastAPI(
        title="LLM Observatory",
        version="1",
        docs_url=None,
        redoc_url=None,
        responses={"default": {"model": Problem, "description": "What went wrong (RFC 9457)"}},
    )
    app.state.keys = keys
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _bad_parameters)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientLeft, _client_left)
    app.add_exception_handler(Exception, _broken)
    app.add_middleware(_Counted, traces=traces)
    document = _document(app)
    app.openapi = lambda: document  # type: ignore[method-assign]  # FastAPI's documented way to replace it
    return app


class _Counted:
    """Counts, times and traces every request under its route's path."""

    def __init__(self, app: ASGIApp, traces: RequestTraces) -> None:
        self._app, self._traces = app, traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with self._traces.span(scope) as span:
                await self._app(scope, receive, span.announcing(watched))
                span.status = status
        finally:
            count(getattr(scope.get("route"), "path", "/api"), status, time.perf_counter() - begun)


def _problem(request: Request, refusal: Refusal) -> Response:
    headers = {name.decode(): value.decode() for name, value in refusal.headers}
    return Response(refusal.as_problem(request.url.path), refusal.status, headers, PROBLEM_JSON)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise error
    if error.status >= 500:
        log.warning("%s", error, extra={"request_id": error.request_id})
    return _problem(request, error)


async def _bad_parameters(request: Request, error: Exception) -> Response:
    """A path or query parameter does not fit: bodies are read by `api_bodies`."""
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [{"parameter": ".".join(map(str, e["loc"][1:])), "detail": str(e["msg"])} for e in error.errors()]
    message = "; ".join(f"{e['parameter']}: {e['detail']}" for e in errors)
    return _problem(request, Refusal(422, "invalid_parameter", message, final=True, errors=errors))


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = _CODES.get(error.status_code, "error")
    return _problem(request, Refusal(error.status_code, code, f"{request.url.path}: {error.detail}", final=True))


async def _client_left(_: Request, error: Exception) -> Response:
    """Nobody reads this."""
    return Response(status_code=499)


async def _broken(request: Request, error: Exception) -> Response:
    return _problem(request, broken())


def _document(app: FastAPI) -> dict[str, object]:
    document: dict[str, object] = get_openapi(
        title=app.title, version=app.version, openapi_version=app.openapi_version, routes=app.routes
    )
    template = "#/components/schemas/{model}"
    read_or_told: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        *((model, "validation") for model in _READ),
        *((model, "serialization") for model in _TOLD),
    ]
    _, read = models_json_schema(read_or_told, ref_template=template)
    components = document.setdefault("components", {})
    if not isinstance(components, dict):
        raise TypeError("components is no object")
    components["schemas"] = {**read["$defs"], **components.get("schemas", {})}
    return document
