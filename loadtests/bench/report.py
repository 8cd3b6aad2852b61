"""The bench's results as one table, and as JSON."""

import dataclasses
import json

from rich.table import Table

from loadtests.bench.phases import CLIENT, OTHERS
from loadtests.bench.results import Measure, Results


def as_json(results: Results) -> str:
    """All figures, as one JSON document."""
    return json.dumps(dataclasses.asdict(results), indent=2)


def as_line(measure: Measure) -> str:
    """One measure in short, for whoever watches."""
    if measure.problem:
        return f"{measure.name}: {measure.problem}"
    _, rate, *times = _figures(measure)
    spent = [f"{label} {ms} ms" for label, ms in zip(("p50", "p95", "p99"), times, strict=False) if ms]
    return f"{measure.name}: {', '.join([rate, *spent] if rate else spent)}"


def as_table(results: Results) -> Table:
    """One line a measure; behind the figures, how many cores each process kept busy meanwhile."""
    names = _processes(results)
    caption = (
        f"{results.cpus} CPUs, {results.machine}; fsync of 4 KB {results.fsync_ms:.2f} ms (median of 200). "
        "By process: cores kept busy, 'others' being all that is not of the bench; in the last line MB (PSS)."
    )
    table = Table(caption=caption, caption_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("measure", no_wrap=True)
    for column in ("result", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("target", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for measure in results.measures:
        table.add_row(*_figures(measure), measure.target, *(_cores(measure, name) for name in names))
    memory = results.idle_memory_bytes
    table.add_row(
        "idle memory", f"{sum(memory.values()) / 1e6:,.0f} MB", "", "", "", "< 2,000 MB",
        *(f"{memory[name] / 1e6:,.0f}" if name in memory else "" for name in names),
    )  # fmt: skip
    return table


def _figures(measure: Measure) -> tuple[str, ...]:
    """The name, the rate and the three latencies."""
    rate = "failed" if measure.problem else measure.text if measure.rate is None else f"{measure.rate:,.0f}/s"
    times = (measure.p50_ms, measure.p95_ms, measure.p99_ms)
    return measure.name, rate, *("" if ms is None else f"{ms:,.1f}" for ms in times)


def _cores(measure: Measure, process: str) -> str:
    cores = measure.cores(process)
    return "" if cores is None else f"{cores:.2f}"


def _processes(results: Results) -> list[str]:
    """Those of the stack, then the client and the rest of the machine."""
    known = {name for measure in results.measures for name in measure.cpu_seconds} | set(results.idle_memory_bytes)
    return [*sorted(known - {CLIENT, OTHERS}), CLIENT, OTHERS]
