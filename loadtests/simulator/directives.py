"""Directives: how a request, through whatever path it comes, dictates what the simulator does with it.

One mini-language, `key=value` separated by spaces, commas or semicolons, in three places of which a later one
wins: the model name after `@` (`gpt-4o-mini@fault=500;latency=200`), the header `x-sim`, and `[[sim in=100
out=20]]` in the text of the last user message. Promise: what is not understood is refused, never ignored.
"""

import re
from dataclasses import dataclass, replace

from loadtests.simulator.refusals import Refusal

STATUS_FAULTS = ("400", "401", "404", "429", "500", "503", "529")
CONNECTION_FAULTS = ("timeout", "cut-before", "cut-after", "cut-mid", "malformed", "malformed-chunk")
FAULTS = STATUS_FAULTS + CONNECTION_FAULTS

_MARKER = re.compile(r"\[\[sim\b([^\]]*)\]\]")
_SEPARATORS = re.compile(r"[\s,;]+")
_SECONDS = re.compile(r"\d{1,6}(\.\d{1,3})?", re.ASCII)

# The largest value of each whole-number key, all of them from 0. Times are in ms.
_LARGEST = {
    "in": 10_000_000,
    "out": 1_000_000,
    "cached": 10_000_000,
    "cache5m": 10_000_000,
    "cache1h": 10_000_000,
    "reasoning": 1_000_000,
    "latency": 600_000,
    "ttft": 600_000,
    "gap": 600_000,
    "chunks": 1_000_000,
    "tool": 1,
    "nousage": 1,
    "first": 1_000_000,
}
_FIELDS = {
    "in": "input_tokens",
    "out": "output_tokens",
    "cached": "cached",
    "cache5m": "cache_5m",
    "cache1h": "cache_1h",
    "reasoning": "reasoning",
    "latency": "latency_ms",
    "ttft": "ttft_ms",
    "gap": "gap_ms",
    "chunks": "chunks",
    "tool": "tool",
    "nousage": "nousage",
    "first": "first",
}


@dataclass(frozen=True, slots=True)
class Directives:
    """What a request asks for; None where it says nothing.

    `input_tokens` count the whole prompt, `cached`, `cache_5m` and `cache_1h` included; `reasoning` is part
    of `output_tokens`. `fault` applies while the attempt is at most `first`, or always.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached: int = 0
    cache_5m: int = 0
    cache_1h: int = 0
    reasoning: int = 0
    latency_ms: int | None = None
    ttft_ms: int | None = None
    gap_ms: int = 0
    chunks: int | None = None
    tool: int = 0
    nousage: int = 0
    fault: str | None = None
    first: int | None = None
    retryafter: str | None = None


NO_DIRECTIVES = Directives()


def read(model_suffix: str, header: str, text: str) -> Directives:
    """The directives of one request, from its three places. Raises Refusal (400) for what it does not understand."""
    found = [model_suffix, header]
    if "[[sim" in text:
        found += _MARKER.findall(text)
    directives = NO_DIRECTIVES
    for part in found:
        if part:
            directives = _apply(directives, part)
    return directives


def without_markers(text: str) -> str:
    """The text as a person would have written it."""
    return _MARKER.sub("", text) if "[[sim" in text else text


def _apply(directives: Directives, part: str) -> Directives:
    changes: dict[str, int | str] = {}
    for item in _SEPARATORS.split(part.strip(" \t\r\n,;")):
        key, equals, value = item.partition("=")
        if not equals:
            if item:
                raise Refusal(400, f"sim directive {item[:80]!r} is not of the form key=value")
            continue
        if key == "fault":
            changes["fault"] = _fault(value)
        elif key == "retryafter":
            changes["retryafter"] = _seconds(value)
        elif key in _LARGEST:
            changes[_FIELDS[key]] = _whole(key, value)
        else:
            known = ", ".join([*_LARGEST, "fault", "retryafter"])
            raise Refusal(400, f"unknown sim directive {key[:80]!r}; known are {known}")
    return replace(directives, **changes)  # type: ignore[arg-type]  # keys and types are paired above


def _fault(value: str) -> str:
    if value not in FAULTS:
        raise Refusal(400, f"unknown sim fault {value[:80]!r}; known are {', '.join(FAULTS)}")
    return value


def _seconds(value: str) -> str:
    if not _SECONDS.fullmatch(value):
        raise Refusal(400, f"sim directive retryafter={value[:80]!r} is not a number of seconds")
    return value


def _whole(key: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 12 and int(value) <= _LARGEST[key]):
        raise Refusal(400, f"sim directive {key}={value[:80]!r} is not a whole number from 0 to {_LARGEST[key]}")
    return int(value)
