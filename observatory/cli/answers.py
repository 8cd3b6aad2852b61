"""How an answer is shown: an outcome as text or JSON, and the numbers that a run of many adds up to."""

import sys
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import orjson
from rich.markup import escape

from observatory.cli.output import cell, print_json, stdout
from observatory.rules.money import MONEY
from observatory.rules.subscription import Answer, Outcome
from schemas.chat import ChatCompleted, ChatDelta, ChatFailed, ChatRestarted, Message


@dataclass
class Totals:
    """What came back from a run of requests. Cost in US dollars; requests without a price are counted apart."""

    completed: int = 0
    failed: int = 0
    unpriced: int = 0
    cost_usd: Decimal = field(default_factory=Decimal)

    def add(self, outcome: Outcome) -> None:
        """Counts one outcome."""
        if isinstance(outcome, ChatCompleted):
            self.completed += 1
        else:
            self.failed += 1
        if outcome.cost_usd is None:
            self.unpriced += 1
        else:
            self.cost_usd = MONEY.add(self.cost_usd, outcome.cost_usd)

    def __str__(self) -> str:
        parts = [f"{self.completed:,} completed", f"{self.failed:,} failed", f"cost ${cell(self.cost_usd)}"]
        if self.unpriced:
            parts.append(f"{self.unpriced:,} without a price")
        return ", ".join(parts)


class LivePrinter:
    """Shows answers as they come: streamed text as it grows, then the facts of the outcome."""

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._writing: UUID | None = None
        self._streamed: set[UUID] = set()

    def show(self, answer: Answer) -> None:
        """Prints one event; where several requests are followed, a heading says whose text comes."""
        if isinstance(answer, ChatDelta):
            self._turn_to(answer.request_id)
            self._streamed.add(answer.request_id)
            sys.stdout.write(answer.text or orjson.dumps(answer.tool_calls or []).decode())
            sys.stdout.flush()
        elif isinstance(answer, ChatRestarted):
            self._turn_to(answer.request_id)
            self._streamed.discard(answer.request_id)
            stdout().print(f"\n[yellow]↻ attempt {answer.attempt}: {escape(answer.reason)}[/yellow]")
        else:
            self._outcome(answer)

    def _outcome(self, outcome: Outcome) -> None:
        self._turn_to(outcome.request_id)
        if outcome.request_id in self._streamed:
            sys.stdout.write("\n")
        elif isinstance(outcome, ChatCompleted):
            stdout().print(text_of(outcome.message), markup=False)
        stdout().print(f"[dim]{escape(facts_of(outcome))}[/dim]")
        self._streamed.discard(outcome.request_id)
        self._writing = None

    def _turn_to(self, request_id: UUID) -> None:
        if self._writing == request_id or self._alone:
            return
        if self._writing is not None:
            sys.stdout.write("\n")
        stdout().print(f"[bold]── {request_id}[/bold]")
        self._writing = request_id


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """One outcome as one line on stdout."""
    if as_json:
        print_json({"type": outcome.ce_type, **orjson.loads(outcome.to_json())})
        return
    mark = "[green]✓[/green]" if isinstance(outcome, ChatCompleted) else "[red]✗[/red]"
    stdout().print(f"{mark} {outcome.request_id}  {escape(facts_of(outcome))}")


def text_of(message: Message) -> str:
    """The words of an answer; for tool calls, the calls as JSON."""
    if isinstance(message.content, str) and message.content:
        return message.content
    return orjson.dumps(message.tool_calls or message.content).decode()


def facts_of(outcome: Outcome) -> str:
    """Model, tokens, cost, attempts and time of an outcome, in one line."""
    cost = "no price" if outcome.cost_usd is None else f"${cell(outcome.cost_usd)}"
    attempts = f"{outcome.attempts} attempt{'' if outcome.attempts == 1 else 's'}"
    if isinstance(outcome, ChatFailed):
        return f"failed: {outcome.error.code}: {outcome.error.message} · {cost} · {attempts}"
    parts = [f"{outcome.provider} {outcome.model}", tokens_of(outcome), f"{cost} ({outcome.cost_state})", attempts]
    if outcome.latency.total_ms is not None:
        parts.append(f"{outcome.latency.total_ms:,.0f} ms")
    return " · ".join(parts)


def tokens_of(outcome: ChatCompleted) -> str:
    """'374 in (100 cached), 44 out'."""
    usage = outcome.usage
    if usage is None:
        return "usage unknown"
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    total_in = usage.uncached_input_tokens + usage.cache_read_tokens + written
    cached = f" ({usage.cache_read_tokens:,} cached)" if usage.cache_read_tokens else ""
    return f"{total_in:,} in{cached}, {usage.output_tokens:,} out"
