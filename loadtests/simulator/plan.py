"""What a call will be answered and how many tokens it costs: decided before anything waits or is sent."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from loadtests.simulator import answers
from loadtests.simulator.directives import Directives
from loadtests.simulator.prices import Model, Usage
from loadtests.simulator.refusals import Refusal
from loadtests.simulator.service import Prompt, Reply, Service, StreamablePrompt

MALFORMED = ("malformed", "malformed-chunk")
_TOOL_WORDS = 8
_SPOILED_BYTES = 12  # off the end of an event: enough to break its JSON, not its frame


class Step(NamedTuple):
    """Bytes of a stream, the output tokens that they are billed for, and the pause after them."""

    data: bytes
    tokens: int
    wait_ms: int
    last: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A call that can be served: its request, its answer, and the price row that bills it."""

    prompt: Prompt
    asked: Directives
    reply: Reply
    model: Model

    def steps(self, prompt: StreamablePrompt, latency_ms: int, fault: str | None) -> Iterator[Step]:
        """The answer as a stream, spoiled as `fault` says; the steps' tokens add up to what was generated."""
        reply, gap_ms = self.reply, self.asked.gap_ms
        usage = reply.usage
        chunks = answers.pieces(reply.parts, usage.output_tokens - usage.reasoning_tokens, self.asked.chunks)
        count = len(chunks) // 2 if fault == "cut-mid" else len(chunks)
        cut = fault == "cut-mid"
        data, tokens = prompt.stream_head(reply), usage.reasoning_tokens
        for place, piece in enumerate(chunks[:count]):
            chunk = prompt.stream_chunk(reply, piece)
            spoiled = fault in MALFORMED and place == len(chunks) // 2
            data += chunk[:-_SPOILED_BYTES] + b"\n\n" if spoiled else chunk
            end = place + 1 == count
            yield Step(data, tokens + piece.tokens, latency_ms if end else gap_ms, last=end and cut)
            data, tokens = b"", 0
        yield Step(data + (b"" if cut else prompt.stream_tail(reply)), tokens, 0, last=True)


def decide(service: Service, prompt: Prompt, asked: Directives, name: str, model: Model, call_id: uuid.UUID) -> Plan:
    """The plan of a call. Raises Refusal (400) where the directives contradict the request or each other."""
    usage, capped = _counted(prompt, asked, model)
    tool = prompt.tool if asked.tool else None
    if asked.tool and tool is None:
        raise Refusal(400, "sim directive tool=1 in a request without tools")
    parts: list[str] | str = answers.words(prompt.text, usage.output_tokens - usage.reasoning_tokens)
    if tool is not None:
        parts = answers.example_json(tool.parameters, "".join(parts[:_TOOL_WORDS]))
    elif prompt.json_schema is not None:
        parts = answers.example_json(prompt.json_schema, "".join(parts))
    reply = Reply(
        id=service.id_prefix + call_id.hex[:24],
        created_s=int(time.time()),
        model=name,
        usage=usage,
        parts=parts,
        tool=tool,
        capped=capped,
        show_usage=not asked.nousage,
    )
    return Plan(prompt, asked, reply, model)


def _counted(prompt: Prompt, asked: Directives, model: Model) -> tuple[Usage, bool]:
    """The usage, and whether the request's own limit cut the output. Without `in` or `out`, the cached and
    the reasoning tokens come on top of what the text counts.
    """
    cached = asked.cached + asked.cache_5m + asked.cache_1h
    total = prompt.input_tokens + cached if asked.input_tokens is None else asked.input_tokens
    if cached > total:
        raise Refusal(400, f"sim directives cached, cache5m and cache1h: {cached} is more than in={total}")
    _check_sold("cached", asked.cached, model.price.cache_read)
    _check_sold("cache5m", asked.cache_5m, model.price.cache_write_5m)
    _check_sold("cache1h", asked.cache_1h, model.price.cache_write_1h)
    wanted = _wanted_output(prompt, asked, model)
    output = wanted if prompt.output_cap is None else min(wanted, prompt.output_cap)
    usage = Usage(
        uncached_input_tokens=total - cached,
        cache_read_tokens=asked.cached,
        cache_write_5m_tokens=asked.cache_5m,
        cache_write_1h_tokens=asked.cache_1h,
        output_tokens=output,
        reasoning_tokens=min(asked.reasoning, output),
    )
    return usage, output < wanted


def _wanted_output(prompt: Prompt, asked: Directives, model: Model) -> int:
    if model.operation == "embeddings":
        if asked.output_tokens or asked.reasoning:
            raise Refusal(400, "sim directives out and reasoning: embeddings have no output tokens")
        return 0
    if asked.output_tokens is None:
        return answers.default_output_tokens(prompt.text) + asked.reasoning
    if asked.reasoning > asked.output_tokens:
        raise Refusal(400, f"sim directive reasoning is more than out={asked.output_tokens}")
    return asked.output_tokens


def _check_sold(key: str, tokens: int, price: str | None) -> None:
    if tokens and price is None:
        raise Refusal(400, f"sim directive {key}: this model has no such tokens")
