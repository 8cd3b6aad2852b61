"""A claimed request on its way to its outcome."""

from dataclasses import dataclass, field
from decimal import Decimal

from observatory.adapters.postgres.journal import Claimed
from observatory.adapters.providers.base import LLMProvider
from observatory.rules.attempts import AttemptIdentity
from observatory.rules.experiments.assignment import Assignment
from observatory.rules.prompt_hash import prompt_hash
from schemas.chat import ChatError, ChatRequested
from schemas.envelope import call_id
from workers.chat.delivery import Delivery, Lease
from workers.chat.tracing import Timeline


@dataclass(slots=True, kw_only=True)
class Work:
    """What is being answered: `request` with the whole prompt, the attempts made so far and what each of them cost.

    `capped`: a hard budget covers the attempt that was begun last. `claimed_at` is monotonic. As soon as it is being
    answered, `request` is as its variant of an experiment has it sent.
    """

    delivery: Delivery
    request: ChatRequested
    lease: Lease
    claimed: Claimed
    claimed_at: float
    capped: bool
    attempts: int
    timeline: Timeline
    assignment: Assignment | None = None
    costs: list[tuple[Decimal | None, str]] = field(default_factory=list)

    @property
    def queue_ms(self) -> float:
        """From the broker's append to the claim, both by their servers' clocks."""
        return max(0.0, (self.claimed.claimed_at - self.delivery.published_at).total_seconds() * 1000)

    def identity(self, provider: LLMProvider, attempt: int) -> AttemptIdentity:
        """What does not change of that attempt."""
        return AttemptIdentity(
            call_id=call_id(*self.delivery.key, attempt),
            attempt=attempt,
            provider=provider.name,
            request=self.request,
            assignment=self.assignment,
            prompt_hash=prompt_hash(self.request),
        )


def error(code: str, message: str, *, retryable: bool = False) -> ChatError:
    """Why a request fails that was not refused by a provider."""
    return ChatError(code=code, message=message, retryable=retryable)
