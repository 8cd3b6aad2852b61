"""`python -m loadtests.replay --trace FILE --speed N`: replays a trace and compares two bills of it.

Reaches the gateway at OBSERVATORY_HTTP_HOST and _PORT, or the broker at OBSERVATORY_KAFKA, as every other client does.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from loadtests.replay.bill import MODEL, compare
from loadtests.replay.report import Report
from loadtests.replay.schedule import Played, play
from loadtests.replay.trace import Row, TraceError, read_trace
from loadtests.replay.ways import Away, HttpWay, KafkaWay, Way


def main() -> int:
    """Exit code 0: every request was answered at exactly its price; 1: not; 2: the trace cannot be read."""
    options = _options()
    try:
        rows = read_trace(options.trace, options.limit)
        began = time.perf_counter()
        played = uvloop.run(_replay(rows, _way(options.via), options.speed, options.at_once))
        seconds = time.perf_counter() - began
    except TraceError as problem:
        sys.stderr.write(f"replay: {problem}\n")
        return 2
    except Away as problem:
        sys.stderr.write(f"replay: {problem}; 'observatory status' shows what runs\n")
        return 1
    report = Report(MODEL, options.via, options.speed, seconds, compare(rows, played.costs, played.failures), played)
    if options.json:
        sys.stdout.write(json.dumps(report.as_json(), indent=2) + "\n")
    else:
        Console(highlight=False, soft_wrap=not sys.stdout.isatty()).print(report.as_table())
    return 0 if report.comparison.ok else 1


async def _replay(rows: Sequence[Row], way: Way, speed: float, at_once: int) -> Played:
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with way:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("replay", total=len(rows))
            return await play(rows, way, speed=speed, at_once=at_once, answered=lambda: progress.advance(bar))


def _way(via: str) -> Way:
    if via == "kafka":
        bootstrap = os.environ.get("OBSERVATORY_KAFKA", "127.0.0.1:9092")
        return KafkaWay(bootstrap, os.environ.get("OBSERVATORY_TOPIC_PREFIX", ""))
    host, port = os.environ.get("OBSERVATORY_HTTP_HOST", "127.0.0.1"), os.environ.get("OBSERVATORY_HTTP_PORT", "8080")
    return HttpWay(f"http://{host}:{port}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.replay",
        description="Sends one chat request for each row of an arrival trace (TIMESTAMP,ContextTokens,GeneratedTokens) "
        "when it is due, asks the simulated model for the row's tokens, and compares what the answers cost with a "
        "bill made from the file alone.",
    )
    parser.add_argument("--trace", type=Path, required=True, help="the CSV file")
    parser.add_argument("--speed", type=_positive, default=1.0, help="times as fast as recorded (default %(default)s)")
    parser.add_argument("--limit", type=_count, help="only so many rows")
    parser.add_argument("--via", choices=("http", "kafka"), default="http", help="default %(default)s")
    parser.add_argument("--at-once", type=_count, default=512, help="most requests under way (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else on stdout")
    return parser.parse_args()


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError("not above 0 and below a million")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("not at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
