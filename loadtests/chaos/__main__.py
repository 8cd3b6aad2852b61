"""`python -m loadtests.chaos`: kills parts of the running stack at random under load; not one call may be lost."""

import argparse
import asyncio
import json
import logging
import sys
from pathlib import Path

from loadtests.bench.problems import BenchError
from loadtests.chaos.plan import outage
from loadtests.chaos.run import Options, run
from loadtests.chaos.scorecard import scorecard


def main() -> int:
    """Exit code 0 when every request got its one outcome and all books agree to the last decimal, else 1.

    2 for an outage that cannot be.
    """
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.chaos",
        description="Sends load to the stack that 'observatory up' started, kills its processes with SIGKILL at random "
        "moments, waits for quiet, reconciles and verifies. What happens is told on stderr.",
    )
    parser.add_argument("--kills", type=int, default=20, help="how many processes are killed, one after another")
    parser.add_argument("--seed", type=int, default=1, help="which random order; the same seed plans the same")
    parser.add_argument("--rate", type=float, default=20, help="requests a second")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="of the load; else 3 s for each kill")
    parser.add_argument("--outage", help="take a service away for a while: db=60s, kafka=60s or simulator=60s")
    parser.add_argument("--kill-simulator", action="store_true", help="the simulated provider may be killed too")
    parser.add_argument("--services", type=Path, help="data folder of Kafka and PostgreSQL, if not the stack's own")
    parser.add_argument("--scorecard", type=Path, help="write the run as a page in Markdown to this file")
    parser.add_argument("--json", action="store_true", help="print the verdict as one JSON object")
    given = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)  # that the broker is away is what was wanted
    options = Options(
        kills=given.kills,
        seed=given.seed,
        rate=given.rate,
        duration_s=given.duration,
        outage=given.outage,
        kill_simulator=given.kill_simulator,
        services=given.services,
    )
    try:
        if options.outage:
            outage(options.outage, 0)
    except ValueError as problem:
        sys.stderr.write(f"chaos: {problem}\n")
        return 2
    try:
        verdict = asyncio.run(run(options))
    except BenchError as problem:
        sys.stderr.write(f"chaos: {problem}\n")
        return 1
    if given.scorecard:
        given.scorecard.write_text(scorecard(verdict, "observatory chaos " + _as_typed(options)))
    print(json.dumps(verdict, indent=1, default=str) if given.json else _told(verdict))
    return 0 if verdict["ok"] else 1


def _as_typed(options: Options) -> str:
    outage = f" --outage {options.outage}" if options.outage else ""
    simulator = " --kill-simulator" if options.kill_simulator else ""
    return f"--kills {options.kills} --seed {options.seed}{outage}{simulator}"


def _told(verdict: dict[str, object]) -> str:
    shown = ("kills", "client", "budgets", "legs", "requests", "outcomes", "differences", "problems")
    lines = [f"{name:<12} {json.dumps(verdict[name], default=str)}" for name in shown]
    return "\n".join([*lines, "ok: not one call lost or doubled" if verdict["ok"] else "NOT OK"])


if __name__ == "__main__":
    sys.exit(main())
