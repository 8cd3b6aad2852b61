"""`observatory traces`: find traces, and see one as a waterfall."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated

import orjson
from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.table import Table
from rich.text import Text

from observatory.adapters.postgres.traces import LinkedSpan, StoredTrace, TraceFilter, Traces
from observatory.adapters.trace_views import detail_of, view_of
from observatory.cli.options import AtMost, Json, Since, Until, parse_moment
from observatory.cli.output import add_row, cell, print_json, stderr, stdout, table
from observatory.cli.outside import database, settings
from observatory.cli.problems import Problem, wrong_usage
from observatory.rules.money import bookable
from observatory.rules.trace_shape import Shape, shape_of
from observatory.rules.traces import Outline, Trace
from observatory.rules.waterfall import Line, waterfall
from schemas.http_traces import MAX_SPANS_PAGE

BAR = 40
ROOMY = 110
"""Columns of a terminal in which the whole bar leaves room for the rest."""
MOST_LINES = 200

traces = App(
    name="traces",
    help="""Traces: what happened to a request, span by span, from the gateway to the ledger.

Some uses:

`observatory traces list --since 1h --error`

`observatory traces list --conversation chat-7 --min-cost 0.01`

`observatory traces show 0af7651916cd43dd8448eb211c80319c`""",
)

Tenant = Annotated[str | None, Parameter(help="Only those of one tenant.")]


@traces.command(name="list")
async def list_traces(
    *,
    tenant: Tenant = None,
    conversation: Annotated[str | None, Parameter(help="With a span of this conversation.")] = None,
    user: Annotated[str | None, Parameter(help="With a span of this user.")] = None,
    model: Annotated[str | None, Parameter(help="With a call of this model.")] = None,
    min_cost: Annotated[str | None, Parameter(help="That cost at least so many US dollars.")] = None,
    min_ms: Annotated[
        float | None, Parameter(help="That took at least so many milliseconds.", validator=Number(gte=0, lte=1e12))
    ] = None,
    error: Annotated[bool, Parameter(show_default=False, help="With a failed span.")] = False,
    since: Since = "24h",
    until: Until = None,
    limit: AtMost = 50,
    json: Json = False,
) -> int:
    """List traces, latest first."""
    now = datetime.now(UTC)
    wanted = TraceFilter(
        tenant=tenant,
        start=parse_moment(since, now) or now - timedelta(days=1),
        end=parse_moment(until, now) or now + timedelta(days=1),
        conversation=conversation,
        user=user,
        model=model,
        min_cost_usd=_amount(min_cost),
        min_duration_us=None if min_ms is None else round(min_ms * 1000),
        error=True if error else None,
    )
    async with database(settings().database_url) as pool:
        until_then = await Traces(pool).until()
        found = await Traces(pool).page(wanted, None, limit)
    if json:
        views = [orjson.loads(view_of(stored).model_dump_json()) for stored in found]
        print_json({"watermark": until_then, "traces": views}, indent=True)
    elif not found:
        stdout().print("There are no such traces.")
    else:
        stdout().print(_list(found))
        if len(found) == limit:
            stderr().print(f"Only the latest {limit} are shown (--limit).")
    return 0


@traces.command
async def show(
    trace_id: Annotated[str, Parameter(help="32 hex digits.")],
    *,
    tenant: Tenant = None,
    limit: Annotated[AtMost, Parameter(help="How many spans at most.")] = MOST_LINES,
    json: Json = False,
) -> int:
    """Show one trace: its spans as a waterfall, those that it waited for in bold, and its service graph."""
    if not (len(trace_id) == 32 and set(trace_id) <= set("0123456789abcdef")):
        raise wrong_usage(f"{trace_id!r} is no trace id: it has 32 hex digits")
    async with database(settings().database_url) as pool:
        found = await Traces(pool).get(tenant, trace_id)
        if not found:
            raise Problem(f"there is no trace {trace_id}, or nothing of it has come yet")
        if len({stored.trace.tenant_id for stored in found}) > 1:
            names = ", ".join(repr(stored.trace.tenant_id) for stored in found)
            raise Problem(f"several tenants have a trace of that id: {names}; choose one with --tenant")
        stored = found[0]
        spans = await Traces(pool).spans(stored.trace, None, min(limit, MAX_SPANS_PAGE)) if json else []
        linked = await Traces(pool).linked(stored.trace)
        until_then = await Traces(pool).until()
    if json:
        print_json(orjson.loads(detail_of(stored, spans, linked, until_then, None).model_dump_json()), indent=True)
    else:
        _show(stored, linked, limit)
    return 0


def _amount(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        return bookable(text)
    except ValueError:
        raise wrong_usage(f"--min-cost {text[:40]!r} is no amount; write for example 0.01") from None


def _list(found: Sequence[StoredTrace]) -> Table:
    rows = table(
        ["started", "trace", "root", "ms", "spans", "errors", "calls", "cost USD"], left=3,
        expendable=("calls", "spans", "errors", "started"),
    )  # fmt: skip
    rows.columns[1].no_wrap = True
    for stored in found:
        trace, sums = stored.trace, stored.trace.sums
        add_row(
            rows, _moment(sums.start_us), trace.trace_id, _root(trace), (sums.end_us - sums.start_us) / 1000,
            sums.spans, sums.errors, sums.calls, sums.cost_usd, style="red" if sums.errors else None,
        )  # fmt: skip
    return rows


def _show(stored: StoredTrace, linked: Sequence[LinkedSpan], limit: int) -> None:
    trace, out = stored.trace, stdout()
    outlines = trace.outlines
    shape = shape_of(outlines)
    out.print(_heading(stored), markup=False)
    for line in _note(trace, outlines, shape):
        out.print(line, markup=False)
    lines = list(waterfall(outlines, shape, BAR if out.width >= ROOMY else BAR // 2))
    out.print(_waterfall(lines[:limit], linked))
    if len(lines) > limit:
        stderr().print(f"Only the first {limit} of {len(lines)} spans are shown (--limit).")
    if shape.edges:
        out.print(_edges(shape))


def _heading(stored: StoredTrace) -> str:
    trace, sums = stored.trace, stored.trace.sums
    cost = f"{cell(sums.cost_usd)} USD" + (f" and {sums.unpriced_calls} without a price" if sums.unpriced_calls else "")
    state = "" if stored.closed else ", still open"
    return (
        f"{trace.trace_id}  {cell(_moment(sums.start_us))}  {(sums.end_us - sums.start_us) / 1000:,.1f} ms{state}\n"
        f"{sums.spans} spans, {sums.errors} failed; {sums.calls} calls, {sums.input_tokens:,} tokens in, "
        f"{sums.output_tokens:,} out, {cost}"
    )


def _note(trace: Trace, outlines: dict[str, Outline], shape: Shape) -> list[str]:
    notes = []
    if trace.first is not None and trace.first.orphan:
        notes.append("Its root has not come.")
    if shape.orphans:
        notes.append(f"{shape.orphans} spans name a parent that has not come.")
    if shape.skewed:
        notes.append(f"{shape.skewed} spans begin before their parent: clocks differ.")
    if len(outlines) < trace.sums.spans:
        notes.append(f"{trace.sums.spans - len(outlines)} spans are counted only.")
    return notes


def _waterfall(lines: Sequence[Line], linked: Sequence[LinkedSpan]) -> Table:
    rows = table(
        ["span", "service", "", "ms", "waited for", "cost USD"],
        left=3,
        expendable=("waited for", "cost USD", "service"),
    )
    rows.columns[2].no_wrap = True
    for line in lines:
        span = line.span
        style = "red" if span.error else "bold" if line.critical_us else None
        rows.add_row(
            Text("  " * min(line.depth, 20) + span.name),
            Text(span.service),
            Text(line.bar, style="red" if span.error else "cyan" if line.critical_us else "blue"),
            f"{(span.end_us - span.start_us) / 1000:,.1f}",
            f"{line.critical_us / 1000:,.1f}" if line.critical_us else "",
            cell(span.call.cost_usd) if span.call else "",
            style=style,
        )
    for each in linked:
        took = f"{(each.end_ns - each.start_ns) / 1e6:,.1f}"
        rows.add_row(Text(f"↳ {each.name}"), Text(each.service), Text("with others"), took, "", "", style="dim")
    return rows


def _edges(shape: Shape) -> Table:
    rows = table(["caller", "called", "calls", "errors", "mean ms", "longest ms"], left=2)
    for (caller, called), figures in shape.edges.items():
        add_row(
            rows, caller, called, figures.calls, figures.errors, figures.total_us / figures.calls / 1000,
            figures.longest_us / 1000,
        )  # fmt: skip
    return rows


def _root(trace: Trace) -> str:
    first = trace.first
    if first is None:
        return ""
    return f"{first.service}: {first.name}" + (" (root missing)" if first.orphan else "")


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1_000_000, UTC)
