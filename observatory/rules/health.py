"""How well a provider serves, over the last minute, with hysteresis; and what its clients do about it. Pure.

Only faults count that are the provider's own: a bad request, a wrong key or a limit that is reached say nothing of it.
"""

from collections.abc import Callable, Iterable, Mapping
from math import exp, log
from typing import Literal

import msgspec

State = Literal["healthy", "degraded", "down"]

FAULTS = frozenset({"connection_error", "timeout", "server_error", "overloaded", "malformed_response", "stream_cut"})

WINDOW_S, RECENT_S = 60, 10
DOWN_RATE, DOWN_FAULTS = 0.8, 5
WHOLLY_FAULTS = 10
"""So many in the last seconds, and nothing else, are enough, however well the rest of the minute was."""

DEGRADED_RATE, DEGRADED_FAULTS = 0.2, 5
HEALTHY_RATE = 0.1
RECOVERED_CALLS = 2
"""Good answers within the last seconds that end `down`, if they are most of what came."""

SLOW_FACTOR, FAST_FACTOR, SLOW_CALLS = 3.0, 2.0, 20
LEARN_CALLS, HALF_LIFE_S = 200, 3600.0
STAY_S = 20
"""A state that is no better is kept so long at least."""

FORGET_S = 120
"""Without calls for so long nothing is known, and a provider is taken for healthy."""

MOST_PROVIDERS, MOST_MODELS = 100, 50

REST_S, PROBE_EVERY_S = 5.0, 2.0
"""How long, and as long again at random, a client lets a provider rest that is down; one retry now and then goes."""

STALE_S = 30
"""What was measured longer ago counts for nothing."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of the last minute, and of its last seconds; errors beside faults are not the provider's own."""

    calls: int = 0
    errors: int = 0
    faults: int = 0
    recent_calls: int = 0
    recent_faults: int = 0
    p95_ms: float | None = None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """A state since a second; `called_s`: when there were last calls; `usual_log_ms`: of the usual p95, a logarithm."""

    state: State = "healthy"
    since_s: int
    called_s: int
    usual_log_ms: float | None = None
    learnt_calls: int = 0


class ProviderState(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as a whole, and each of its models."""

    health: Health
    models: dict[str, Health]


def judge(known: Health | None, measured: Measured, now_s: int, passed_s: int) -> Health:
    """How it is at the second `now_s`, `passed_s` after it was last judged."""
    if known is None:
        known = Health(since_s=now_s, called_s=now_s)
    called_s = now_s if measured.calls else known.called_s
    state = _state(known, measured, now_s)
    usual, learnt = known.usual_log_ms, known.learnt_calls
    if state == known.state == "healthy":
        usual, learnt = _learnt(known, measured, passed_s)
    return Health(
        state=state,
        since_s=known.since_s if state == known.state else now_s,
        called_s=called_s,
        usual_log_ms=usual,
        learnt_calls=learnt,
    )


def judge_provider(
    known: ProviderState | None, models: Mapping[str, Measured], now_s: int, passed_s: int
) -> ProviderState:
    """A provider is down when its calls as a whole fail; it is degraded where one of its models is not healthy."""
    before = known.models if known else {}
    judged = {
        name: judge(before.get(name), models.get(name, Measured()), now_s, passed_s)
        for name in _busiest(models, before, now_s)
    }
    whole = judge(known.health if known else None, whole_of(models.values()), now_s, passed_s)
    if whole.state == "healthy" and any(health.state != "healthy" for health in judged.values()):
        since_s = known.health.since_s if known and known.health.state == "degraded" else now_s
        whole = msgspec.structs.replace(whole, state="degraded", since_s=since_s)
    return ProviderState(health=whole, models=judged)


def whole_of(models: Iterable[Measured]) -> Measured:
    """The calls of all models; a percentile over them would compare unlike things."""
    parts = list(models)
    return Measured(
        calls=sum(one.calls for one in parts),
        errors=sum(one.errors for one in parts),
        faults=sum(one.faults for one in parts),
        recent_calls=sum(one.recent_calls for one in parts),
        recent_faults=sum(one.recent_faults for one in parts),
    )


def _state(known: Health, measured: Measured, now_s: int) -> State:
    if not measured.calls:
        return "healthy" if now_s - known.called_s >= FORGET_S else known.state
    rate = measured.faults / measured.calls
    if known.state == "down" and not _answers(measured):
        return "down"
    mostly = rate >= DOWN_RATE and measured.faults >= DOWN_FAULTS
    wholly = measured.recent_faults >= WHOLLY_FAULTS and measured.recent_faults == measured.recent_calls
    if (mostly or wholly) and not _answers(measured):
        return "down"
    slow = _slowness(known, measured)
    if (rate >= DEGRADED_RATE and measured.faults >= DEGRADED_FAULTS) or slow >= SLOW_FACTOR:
        return "degraded"
    if known.state == "healthy":
        return "healthy"
    better = rate < HEALTHY_RATE and slow < FAST_FACTOR and now_s - known.since_s >= STAY_S
    return "healthy" if better else "degraded"


def _answers(measured: Measured) -> bool:
    good = measured.recent_calls - measured.recent_faults
    return good >= RECOVERED_CALLS and good >= measured.recent_faults


def _slowness(known: Health, measured: Measured) -> float:
    """How many times as slow as usual; 1 where that is not known."""
    if known.usual_log_ms is None or not measured.p95_ms or measured.calls < SLOW_CALLS:
        return 1.0
    return measured.p95_ms / exp(known.usual_log_ms) if known.learnt_calls >= LEARN_CALLS else 1.0


def _learnt(known: Health, measured: Measured, passed_s: int) -> tuple[float | None, int]:
    """The usual p95, and how many calls it is from."""
    if not measured.p95_ms or measured.calls < SLOW_CALLS:
        return known.usual_log_ms, known.learnt_calls
    now = log(measured.p95_ms)
    learnt = min(known.learnt_calls + measured.recent_calls, 10 * LEARN_CALLS)
    if known.usual_log_ms is None:
        return now, learnt
    gain = max(1 - 0.5 ** (passed_s / HALF_LIFE_S), measured.recent_calls / max(learnt, LEARN_CALLS) * 0.1)
    return known.usual_log_ms + min(gain, 1.0) * (now - known.usual_log_ms), learnt


def _busiest(models: Mapping[str, Measured], before: Mapping[str, Health], now_s: int) -> list[str]:
    """The models that are told of: those with calls, and those whose state is still remembered."""
    remembered = [name for name, health in before.items() if now_s - health.called_s < FORGET_S]
    names = sorted({*models, *remembered}, key=lambda name: (-(models[name].calls if name in models else 0), name))
    return sorted(names[:MOST_MODELS])


def rest_s(pause_s: float, left_s: float, random: Callable[[], float]) -> float:
    """Seconds until a call to a provider that is down is made again; `left_s` are left until the deadline.

    Longer than the usual pause, and never so long that less than half of the time is left: what could have been
    answered before its deadline still can be.
    """
    return max(pause_s, min(REST_S * (1 + random()), left_s / 2))
