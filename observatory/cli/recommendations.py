"""`observatory recommendations`: what could be saved, with the evidence."""

from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from observatory.adapters.kafka import topic_name
from observatory.adapters.postgres.recommendations import PERIOD_DAYS, Found, last_run, page
from observatory.cli.options import AtMost, Json
from observatory.cli.output import add_row, print_json, stderr, stdout, table
from observatory.cli.outside import database, settings
from observatory.rules.recommendations import advice
from schemas.http_recommendations import RecommendationKind
from schemas.topics import LLM_CALLS
from streams.recommending import recommend


async def recommendations(
    *,
    tenant: Annotated[str | None, Parameter(help="Only this tenant.")] = None,
    kind: Annotated[RecommendationKind | None, Parameter(help="Only of this kind.")] = None,
    limit: Annotated[AtMost, Parameter(help="How many, the largest saving first.")] = 20,
    look: Annotated[bool, Parameter(negative="", help="Look for them now, instead of showing the last look.")] = False,
    json: Json = False,
) -> int:
    """What could be saved: answers and contexts worth caching, cheaper models, attempts that cost and gave nothing.

    The stream workers look every quarter of an hour at the last ten days. A saving is in US dollars in 30 days: the
    exact amount of the period, times three.

    Some uses:

    `observatory recommendations`

    `observatory recommendations --look --kind cache_answers --tenant acme`
    """
    config = settings()
    async with database(config.database_url) as pool:
        if look:
            await recommend(pool, topic_name(config.kafka, LLM_CALLS), datetime.now(UTC))
        run = await last_run(pool)
        found = await page(pool, tenants=[] if tenant is None else [tenant], kind=kind, limit=limit)
    if json:
        looked = None if run is None else {"from": run.began, "to": run.ended, "found_at": run.found_at}
        until = None if run is None else run.watermark
        print_json({"period": looked, "watermark": until, "rows": [_json(one) for one in found]}, indent=True)
    elif run is None:
        stderr().print("Nobody has looked yet: the stream workers do so every quarter of an hour, or use --look.")
    else:
        stdout().print(_table(found))
        stdout().print(f"Looked at {PERIOD_DAYS} days up to {run.ended:%Y-%m-%d %H:%M} UTC.")
    return 0


def _json(one: Found) -> dict[str, object]:
    return {
        "recommendation_id": one.recommendation_id,
        "tenant_id": one.tenant_id,
        "kind": one.kind,
        "subject": one.subject,
        "saving_usd": one.saving_usd,
        "advice": advice(one.kind, one.subject, one.evidence),
        "evidence": one.evidence,
    }


def _table(found: list[Found]) -> Table:
    result = table(["saving $ a month", "tenant", "kind", "what to do"])
    for one in found:
        add_row(result, one.saving_usd, one.tenant_id, one.kind, advice(one.kind, one.subject, one.evidence))
    return result
