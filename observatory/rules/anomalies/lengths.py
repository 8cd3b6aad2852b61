"""How much of a latency is the length of the answers: longer ones take longer, and that is nobody's fault.

Learnt as the slope of the log of latency over the log of output tokens a call, from one block to the next, so that
neither what drifts slowly nor a step at a deploy has a part in it. What is judged is the latency at the usual length.
"""

from math import exp, log

import msgspec

MEMORY = 2000
"""Blocks."""

DOUBT = 0.5
"""How much variation of lengths must be seen until the slope that was seen is believed by half."""

MOST_CHANGE = 1.5
USUAL_MEMORY = 360


class Lengths(msgspec.Struct, kw_only=True, gc=False):
    """`usual` is the log of output tokens a call; `square` and `product` are faded sums over changes between blocks."""

    blocks: int = 0
    usual: float = 0.0
    square: float = 0.0
    product: float = 0.0
    length: float = 0.0
    log_ms: float = 0.0


def length_of(output_tokens: int, served: int) -> float | None:
    """The log of output tokens of a call that was served; None where there were none."""
    return log(output_tokens / served) if output_tokens > 0 and served > 0 else None


def excess(known: Lengths, length: float | None) -> float:
    """How much longer, as a logarithm, calls take because of their length."""
    return slope(known) * _bounded(length - known.usual) if known.blocks and length is not None else 0.0


def slope(known: Lengths) -> float:
    """Between 0, length says nothing, and 1, latency is proportional to it."""
    return max(0.0, min(1.0, known.product / (known.square + DOUBT)))


def learn_lengths(known: Lengths, length: float | None, log_ms: float) -> None:
    """Takes a block in: its calls' mean log of milliseconds, at their length."""
    if length is None:
        return
    known.blocks += 1
    if known.blocks > 1:
        longer, slower = (_bounded(length - known.length), _bounded(log_ms - known.log_ms))
        fade = exp(-1 / MEMORY)
        known.square = known.square * fade + longer * longer
        known.product = known.product * fade + longer * slower
    known.usual += (length - known.usual) / min(known.blocks, USUAL_MEMORY)
    known.length, known.log_ms = length, log_ms


def _bounded(change: float) -> float:
    return max(-MOST_CHANGE, min(MOST_CHANGE, change))
