"""`python -m tests.observatory.rules.anomalies --trace code.csv`: what the detector sees on held-out series.

Takes minutes. Synthetic series of each size and one for each trace and thinning, drawn from a phrase: `--phrase tune`
is what thresholds were chosen on, with the first half of each trace; any other phrase takes the second half.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from loadtests.replay.trace import TraceError, read_trace
from tests.observatory.rules.anomalies.evaluation import Figures, Found, Source, evaluate, figures, seeds
from tests.observatory.rules.anomalies.faults import METRIC
from tests.observatory.rules.anomalies.ordinary import DAY, drawn_habits
from tests.observatory.rules.anomalies.ours import Ours
from tests.observatory.rules.anomalies.replay import Recording, Replay, recording_of
from tests.observatory.rules.anomalies.traffic import Traffic, drawn_shape

TUNING = "tune"
CALLS = (0.5, 2.0, 8.0, 30.0, 150.0)
"""A window at noon of a workday, give or take a half."""

THINNED = (1.0, 0.25)
EVERY = DAY // 4


def sources(phrase: str, traces: list[Path], each: int) -> Iterator[tuple[str, int, Source]]:
    """So many series of each kind: (kind, seed, windows). Raises `TraceError`."""
    for calls in CALLS:
        for seed in seeds(f"{phrase}: {calls:g} calls", each):
            random = Random(seed)
            yield f"synthetic, {calls:g} a window", seed, Traffic(drawn_shape(random, calls * _about(random)), seed)
    share = (0.0, 0.5) if phrase == TUNING else (0.5, 1.0)
    for path in traces:
        recording = recording_of(read_trace(path), share)
        for part in THINNED:
            for seed in seeds(f"{phrase}: {path.stem} {part:g}", each):
                random = Random(seed)
                own = thinned(recording, part, random)
                yield f"{path.stem}, {part:.0%} of its calls", seed, Replay(own, drawn_habits(random), seed)


def thinned(recording: Recording, part: float, random: Random) -> Recording:
    """With that part of its calls, drawn one by one."""
    if part == 1:
        return recording
    windows = [[call for call in window if random.random() < part] for window in recording.windows]
    return Recording(windows, sum(map(len, windows)) / len(windows))


def _about(random: Random) -> float:
    return float(10 ** random.uniform(-0.2, 0.2))


def main() -> int:
    """Exit code 2 for a trace that cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m tests.observatory.rules.anomalies", description=__doc__)
    parser.add_argument("--phrase", default="held out", help="what the seeds are drawn from")
    parser.add_argument("--trace", type=Path, action="append", default=[], help="an arrival trace; repeatable")
    parser.add_argument("--each", type=int, default=2, help="series of each kind, a week each")
    parser.add_argument("--only", default="", help="only kinds of series that begin so")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    kinds: dict[str, list[Found]] = {}
    try:
        for kind, seed, source in sources(options.phrase, options.trace, options.each):
            if kind.startswith(options.only):
                kinds.setdefault(kind, []).append(evaluate(kind, source, Ours(), seed, every=EVERY))
    except TraceError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    rows = [row for kind, found in kinds.items() for row in _rows(kind, found)]
    rows += _rows("all", [one for found in kinds.values() for one in found]) if len(kinds) > 1 else []
    sys.stdout.write(json.dumps(rows, indent=1) + "\n" if options.json else "".join(map(_line, rows)))
    return 0


def _rows(kind: str, found: list[Found]) -> Iterator[dict[str, object]]:
    weeks, false = sum(one.weeks for one in found), [metric for one in found for metric, _ in one.false]
    yield {"series": kind, "weeks": weeks, "false_alarms": len(false), "of": sorted(false)}
    for fault in METRIC:
        seen = [one for of in found for one in of.seen if one.kind == fault]
        yield {
            "series": kind, "fault": fault, "all": _dict(figures(seen)),
            "enough": _dict(figures(seen, lambda one: one.enough)),
            "fewer": _dict(figures(seen, lambda one: not one.enough)),
        }  # fmt: skip


def _dict(found: Figures | None) -> dict[str, float] | None:
    return None if found is None else dataclasses.asdict(found)


def _line(row: dict[str, object]) -> str:
    if "fault" not in row:
        return f"{row['series']}: {row['weeks']:g} weeks, {row['false_alarms']} false alarms {row['of']}\n"
    parts = [f"{name} {_told(row[name])}" for name in ("all", "enough", "fewer")]
    return f"  {row['fault']:8} {'; '.join(parts)}\n"


def _told(found: object) -> str:
    if not isinstance(found, dict):
        return "none"
    return "{count}: {soon:.1%} in 60 s, median {median_s:.0f} s, p90 {p90_s:.0f} s, ever {ever:.1%}".format(**found)


if __name__ == "__main__":
    sys.exit(main())
