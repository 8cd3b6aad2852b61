"""Anthropic's exports: the Admin API's messages usage report and cost report, and the CSV downloads of the Console.

Sources, read in November 2026: Anthropic's API reference of `/v1/organizations/usage_report/messages` and
`/v1/organizations/cost_report`, and, for the downloads, published headers of such files.

The reports' buckets are disjoint already; they do not count requests. The cost report's amounts are cents, those of the
download dollars. The download of costs names models as people call them ("Claude Haiku 4.5"), which is turned into the
beginning of the model's own name.
"""

from decimal import Decimal

from observatory.adapters.exports.rows import Fields, Layout, Measures, usage_of
from observatory.rules.money import MONEY

_PLACES = ("workspace_id", "api_key_id", "service_tier", "context_window", "inference_geo", "speed")
_CSV_PLACES = ("workspace", "api_key", "usage_type", "context_window", "inference_geo", "speed")
_UNGROUPED = "is missing: export with group_by[]=model"
_TIERS = {"message": None, "standard": None}


def _usage(fields: Fields) -> Measures:
    usage = usage_of(
        fields,
        uncached_input_tokens=fields.count("uncached_input_tokens", required=True),
        cache_read_tokens=fields.count("cache_read_input_tokens"),
        cache_write_5m_tokens=fields.count("cache_creation_ephemeral_5m_input_tokens"),
        cache_write_1h_tokens=fields.count("cache_creation_ephemeral_1h_input_tokens"),
        output_tokens=fields.count("output_tokens", required=True),
    )
    return Measures(
        model=fields.text("model", missing=_UNGROUPED), usage=usage, service_tier=fields.text("service_tier")
    )


def _usage_csv(fields: Fields) -> Measures:
    usage = usage_of(
        fields,
        uncached_input_tokens=fields.count("usage_input_tokens_no_cache", required=True),
        cache_read_tokens=fields.count("usage_input_tokens_cache_read"),
        cache_write_5m_tokens=fields.count("usage_input_tokens_cache_write_5m"),
        cache_write_1h_tokens=fields.count("usage_input_tokens_cache_write_1h"),
        output_tokens=fields.count("usage_output_tokens", required=True),
    )
    kind = fields.text("usage_type")
    return Measures(
        model=fields.text("model_version", missing=_UNGROUPED), usage=usage, service_tier=_TIERS.get(str(kind), kind)
    )


def _cost(fields: Fields) -> Measures:
    cents = fields.usd("amount", "currency")
    if cents is None and not fields.has("amount"):
        fields.problem("amount", "is missing")
    model = fields.text("model") or fields.text("description") or fields.text("cost_type")
    if model is None:
        fields.problem("model", "is missing: export with group_by[]=description")
    return Measures(model=model, cost_usd=MONEY.scaleb(cents or Decimal(0), -2))


def _cost_csv(fields: Fields) -> Measures:
    cost = fields.usd("cost_usd", None)
    if cost is None and not fields.has("cost_usd"):
        fields.problem("cost_usd", "is missing")
    named = fields.text("model")
    model = named.lower().replace(" ", "-").replace(".", "-") if named else fields.text("cost_type")
    if model is None:
        fields.problem("model", "is missing")
    return Measures(model=model, cost_usd=cost)


USAGE = Layout(
    name="usage report",
    kind="usage",
    marks=frozenset({"uncached_input_tokens", "output_tokens"}),
    dimensions=("model", *_PLACES, "account_id", "service_account_id"),
    measured=frozenset({"uncached_input_tokens", "cache_read_input_tokens", "output_tokens"})
    | {"cache_creation_ephemeral_5m_input_tokens", "cache_creation_ephemeral_1h_input_tokens"},
    # Searches are no tokens: what they cost is in the cost report.
    ignored=frozenset({"server_tool_use_web_search_requests"}),
    window=("starting_at", "ending_at"),
    read=_usage,
)

COSTS = Layout(
    name="cost report",
    kind="cost",
    marks=frozenset({"amount", "currency"}),
    dimensions=("model", "description", "cost_type", "token_type", *_PLACES),
    measured=frozenset({"amount", "currency"}),
    ignored=frozenset(),
    window=("starting_at", "ending_at"),
    read=_cost,
)

USAGE_CSV = Layout(
    name="usage download",
    kind="usage",
    marks=frozenset({"usage_date_utc", "usage_input_tokens_no_cache"}),
    dimensions=("model_version", *_CSV_PLACES),
    measured=frozenset({"usage_input_tokens_no_cache", "usage_input_tokens_cache_read", "usage_output_tokens"})
    | {"usage_input_tokens_cache_write_5m", "usage_input_tokens_cache_write_1h"},
    ignored=frozenset({"web_search_count"}),
    window=("usage_date_utc",),
    read=_usage_csv,
)

COSTS_CSV = Layout(
    name="cost download",
    kind="cost",
    marks=frozenset({"usage_date_utc", "cost_usd"}),
    dimensions=("model", *_CSV_PLACES, "token_type", "cost_type", "api_key_id"),
    measured=frozenset({"cost_usd"}),
    ignored=frozenset({"list_price_usd", "api_key_status"}),
    window=("usage_date_utc",),
    read=_cost_csv,
)

LAYOUTS = (USAGE, COSTS, USAGE_CSV, COSTS_CSV)
