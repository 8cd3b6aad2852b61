"""`python -m loadtests.bench`: measures a stack of its own and prints one table, or JSON. It takes some minutes."""

import argparse
import sys

import uvloop
from rich.console import Console

from loadtests.bench.analytics import FACTS
from loadtests.bench.problems import BenchError
from loadtests.bench.report import as_json, as_line, as_table
from loadtests.bench.runner import PARTS, QUICK_PARTS, Bench
from loadtests.bench.stack import fresh_stack


def main() -> int:
    """Exit code 1 when something could not be measured; the targets are shown, not enforced."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench",
        description="Starts a stack of its own on free ports, measures it and removes it again: about 5 minutes. "
        "Analytics, which makes 10 million facts first (--facts), is measured with --only analytics alone. The "
        "simulated model answers at once; an answer is given when its attempt is settled in PostgreSQL.",
    )
    parser.add_argument("--json", action="store_true", help="print all figures as JSON, nothing else on stdout")
    parser.add_argument(
        "--only",
        action="append",
        choices=PARTS,
        metavar="PART",
        help=f"only this part, of {', '.join(PARTS)}; repeatable",
    )
    parser.add_argument(
        "--facts", type=int, default=FACTS, metavar="N", help=f"how many facts analytics asks, {FACTS:,} by default"
    )
    options = parser.parse_args()
    remarks = Console(stderr=True, highlight=False)
    try:
        with remarks.status("starting a stack") as status, fresh_stack() as stack:
            bench = Bench(
                stack,
                status.update,
                lambda measure: remarks.print(as_line(measure), markup=False, soft_wrap=True),
                options.facts,
            )
            results = uvloop.run(bench.run(options.only or QUICK_PARTS))
    except BenchError as problem:
        sys.stderr.write(f"bench: {problem}\n")
        return 1
    if options.json:
        sys.stdout.write(as_json(results) + "\n")
    else:
        Console(width=None if sys.stdout.isatty() else 200).print(as_table(results))
    return 1 if any(measure.problem for measure in results.measures) else 0


def _tell(remarks: Console, line: str) -> None:
    remarks.print(line, markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
