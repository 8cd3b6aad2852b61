"""One attempt: the call to the provider, timed and costed, to what is known of it afterwards."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from observatory.adapters.kafka import explain
from observatory.adapters.providers.base import (
    ChatAnswer,
    ChatCall,
    ChatChunk,
    LLMProvider,
    ProviderError,
    output_text,
)
from observatory.adapters.tokens import count_tokens, estimate_input_tokens
from observatory.rules.attempts import NOTHING_USED, AttemptResult, Cost, provisional
from observatory.rules.money import ZERO
from observatory.rules.pricing import PriceQuery, Prices, cost_of_call
from observatory.rules.usage import with_output_of_at_least
from schemas.base import Name
from schemas.calls import Usage
from schemas.chat import ChatRequested, JsonObject, Message
from workers.chat.metrics import CALL_SECONDS

log = logging.getLogger(__name__)

FREE = Cost(usd=ZERO, price_version=None)
"""What a refusal costs."""

_MODEL: TypeAdapter[str] = TypeAdapter(Name)

SLACK_S = 1.0

OnChunk = Callable[[ChatChunk], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """An attempt that the journal knows and that may be sent now. `claimed_at` is monotonic."""

    call_id: UUID
    number: int
    provider: LLMProvider
    request: ChatRequested
    started_at: datetime
    deadline: datetime
    queue_ms: float
    claimed_at: float
    on_chunk: OnChunk | None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The attempt ended with an answer, whose `message` fits our events; `result` is what the ledger is told."""

    result: AttemptResult
    answer: ChatAnswer
    message: Message


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt ended with an error; `result` is what the ledger is told."""

    result: AttemptResult
    error: ProviderError


Ended = Answered | Failed


class Caller:
    """Makes attempts and prices them."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices

    def provisional(self, provider: LLMProvider, request: ChatRequested, at: datetime) -> AttemptResult:
        """What will be said of an attempt whose worker dies: the counted input."""
        tokens = estimate_input_tokens(request)
        usage = Usage(uncached_input_tokens=tokens)
        return provisional(tokens, self._cost(provider, request, request.model, usage, at, None))

    async def call(self, sending: Sending) -> Ended:
        """Sends the attempt. Returns also when it failed; a cancelled task gets its `Failed` through `Cancelled`."""
        watch = _Watch(sending)
        received: list[str] = []
        try:
            answer = await self._ask(sending, watch, received)
            message = _message(answer)
        except ProviderError as error:
            return self._failed(sending, watch, error, received)
        except asyncio.CancelledError:
            stopped = _error("cancelled", "the worker stopped", retryable=True)
            raise Cancelled(self._failed(sending, watch, stopped, received)) from None
        except Exception as unexpected:
            # Whatever a client library does to us, the attempt was made and must be accounted for.
            log.exception("call failed unexpectedly", extra={"call_id": str(sending.call_id)})
            broken = _error("internal_error", f"{type(unexpected).__name__}: {unexpected}", retryable=False)
            return self._failed(sending, watch, broken, received)
        CALL_SECONDS.labels(sending.provider.name).observe(watch.elapsed_s())
        return Answered(self._answered(sending, watch, answer), answer, message)

    async def _ask(self, sending: Sending, watch: "_Watch", received: list[str]) -> ChatAnswer:
        budget_s = (sending.deadline - datetime.now(UTC)).total_seconds()
        call = ChatCall(
            call_id=sending.call_id,
            request_id=sending.request.request_id,
            attempt=sending.number,
            request=sending.request,
            timeout_s=max(budget_s, 0.001),
            traceparent=sending.traceparent,
        )
        try:
            # The provider keeps the budget itself and then tells what it had learned; this is for one that does not.
            async with asyncio.timeout(max(budget_s, 0.001) + SLACK_S):
                if sending.on_chunk is None:
                    return await sending.provider.chat(call)
                return await self._stream(sending, sending.on_chunk, call, watch, received)
        except TimeoutError as error:
            raise _error("timeout", f"no answer within {budget_s:.1f} s", retryable=True) from error

    async def _stream(
        self, sending: Sending, on_chunk: OnChunk, call: ChatCall, watch: "_Watch", received: list[str]
    ) -> ChatAnswer:
        async with aclosing(sending.provider.stream_chat(call)) as items:
            async for item in items:
                if isinstance(item, ChatAnswer):
                    return item
                watch.token()
                received.append(output_text(item.text, item.tool_calls))
                await on_chunk(item)
        raise _error("stream_cut", "the stream ended without an end", retryable=True)

    def _answered(self, sending: Sending, watch: "_Watch", answer: ChatAnswer) -> AttemptResult:
        usage, known = answer.usage, answer.usage is not None
        if usage is None:
            usage = self._estimate(sending.request, _output_of(answer.message))
        cost = self._cost_of(sending, answer.response_model, usage, answer.service_tier)
        return AttemptResult(
            status="ok",
            usage=usage,
            usage_source="provider" if known else "estimated",
            cost=cost,
            cost_state="settled" if known else "estimated",
            response_model=answer.response_model,
            provider_response_id=answer.response_id,
            service_tier=answer.service_tier,
            first_token_at=watch.first_token_at(),
            ended_at=watch.now(),
            latency=watch.latency(),
        )

    def _failed(self, sending: Sending, watch: "_Watch", error: ProviderError, received: list[str]) -> Failed:
        """A refusal costs nothing, surely. Else: what was learned, at least the counted input and what was received."""
        refused = error.billing == "none"
        usage = NOTHING_USED if refused else error.usage
        if usage is None:
            came = error.unfinished_output or "".join(received) or error.received_text
            usage = self._estimate(sending.request, came)
        elif error.unfinished_output:
            usage = with_output_of_at_least(count_tokens(error.unfinished_output), usage)
        result = AttemptResult(
            status="cancelled" if error.error_type == "cancelled" else "error",
            error_type=error.error_type,
            usage=usage,
            usage_source="missing" if refused else "estimated",
            cost=FREE if refused else self._cost_of(sending, sending.request.model, usage, error.service_tier),
            cost_state="settled" if refused else "estimated",
            service_tier=None if refused else error.service_tier,
            first_token_at=watch.first_token_at(),
            ended_at=watch.now(),
            latency=watch.latency(),
        )
        return Failed(result, error)

    def _estimate(self, request: ChatRequested, received: str) -> Usage:
        return Usage(
            uncached_input_tokens=estimate_input_tokens(request),
            output_tokens=count_tokens(received) if received else 0,
        )

    def _cost_of(self, sending: Sending, model: str, usage: Usage, tier: str | None) -> Cost:
        return self._cost(sending.provider, sending.request, model, usage, sending.started_at, tier)

    def _cost(
        self, provider: LLMProvider, request: ChatRequested, model: str, usage: Usage, at: datetime, tier: str | None
    ) -> Cost:
        query = PriceQuery(
            kind=provider.kind,
            model=model,
            at=at,
            service_tier=tier,
            tenant_id=request.tenant_id,
            deployment=request.model,
        )
        usd, price_version = cost_of_call(self._prices, query, usage) or (None, None)
        return Cost(usd=usd, price_version=price_version)


class Cancelled(Exception):
    """The worker stops while a call runs; `ended` is what is known of it."""

    def __init__(self, ended: Failed) -> None:
        super().__init__("cancelled")
        self.ended = ended


class _Watch:
    """Durations of one call on the monotonic clock, and times as the attempt's start plus what went by."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._sent = time.monotonic()
        self._token: float | None = None

    def token(self) -> None:
        if self._token is None:
            self._token = time.monotonic()

    def elapsed_s(self) -> float:
        return time.monotonic() - self._sent

    def now(self) -> datetime:
        return self._at(time.monotonic())

    def first_token_at(self) -> datetime | None:
        return None if self._token is None else self._at(self._token)

    def latency(self) -> dict[str, float | None]:
        return {
            "queue_ms": self._sending.queue_ms,
            "policy_ms": _ms(self._sent - self._sending.claimed_at),
            "ttft_ms": None if self._token is None else _ms(self._token - self._sent),
            "total_ms": _ms(self.elapsed_s()),
        }

    def _at(self, moment: float) -> datetime:
        return self._sending.started_at + timedelta(seconds=moment - self._sent)


def _message(answer: ChatAnswer) -> Message:
    """The answer's message. Raises `ProviderError` when it, or the model's name, has no place in our events."""
    try:
        _MODEL.validate_python(answer.response_model)
        return Message.model_validate(answer.message)
    except ValidationError as error:
        unfit = _error("malformed_response", f"the answer cannot be passed on: {explain(error)}", retryable=True)
        unfit.usage = answer.usage
        raise unfit from error


def _output_of(message: JsonObject) -> str:
    """What is billed as output of a whole message."""
    text = f"{message.get('content') or ''}{message.get('refusal') or ''}"
    return output_text(text, message.get("tool_calls"))


def _ms(seconds: float) -> float:
    return round(max(seconds, 0.0) * 1000, 3)


def _error(error_type: str, message: str, *, retryable: bool) -> ProviderError:
    return ProviderError(error_type=error_type, message=message, billing="unknown", retryable=retryable)
