"""OpenAI's exports: the organization usage API (completions, embeddings), the costs API, and the CSV downloads of both.

Sources, read in November 2026: the types of the API in OpenAI's own Python library
(`openai.types.admin.organization.usage_completions_response`, `usage_costs_response`), the API reference of
`/v1/organization/usage/completions` and `/v1/organization/costs`, and, for the downloads of the dashboard, published
headers of such files: they have the API's fields as columns, `amount_value` for `amount.value`, and names beside ids.

Input tokens include cached ones, cache writes, audio and images; `input_audio_tokens` and `input_image_tokens` are
without cached ones. A line item of the costs is `model, what of it`, with `priority | ` before it where that applies;
tools are line items of their own and stand where a model would.
"""

from observatory.adapters.exports.rows import Fields, Layout, Measures, usage_of

_NAMES = frozenset(
    {"object", "start_time_iso", "end_time_iso", "organization_id", "organization_name", "project_name", "user_email"}
) | {"api_key_name", "user_name"}
_DIMENSIONS = ("project_id", "user_id", "api_key_id", "api_source")
_WINDOW = ("start_time", "end_time")


_UNGROUPED = "is missing: export with group_by=model"
_NOTHING = Measures(model=None)
"""A row of a download for a period in which nothing was used."""


def _completions(fields: Fields) -> Measures:
    if _is_empty(fields):
        return _NOTHING
    cached = fields.count("input_cached_tokens")
    written = fields.count("input_cache_write_tokens")
    audio, image = fields.count("input_audio_tokens"), fields.count("input_image_tokens")
    audio_out = fields.count("output_audio_tokens")
    usage = usage_of(
        fields,
        uncached_input_tokens=fields.count("input_tokens", required=True) - cached - written - audio - image,
        cache_read_tokens=cached,
        cache_write_5m_tokens=written,
        output_tokens=fields.count("output_tokens", required=True) - audio_out,
        input_audio_tokens=audio,
        output_audio_tokens=audio_out,
        input_image_tokens=image,
    )
    tier = "batch" if fields.flag("batch") else fields.text("service_tier")
    calls = fields.count("num_model_requests", required=True)
    return Measures(model=fields.text("model", missing=_UNGROUPED), calls=calls, usage=usage, service_tier=tier)


def _embeddings(fields: Fields) -> Measures:
    if _is_empty(fields):
        return _NOTHING
    usage = usage_of(fields, uncached_input_tokens=fields.count("input_tokens", required=True))
    return Measures(
        model=fields.text("model", missing=_UNGROUPED),
        calls=fields.count("num_model_requests", required=True),
        usage=usage,
    )


def _is_empty(fields: Fields) -> bool:
    return not any(fields.has(name) for name in ("object", "model", "num_model_requests", "input_tokens"))


def _cost(fields: Fields) -> Measures:
    amount = fields.usd("amount_value", "amount_currency")
    item = fields.text("line_item")
    if item is None and amount is None:
        return _NOTHING
    if item is None:
        fields.problem("line_item", "is missing: export with group_by=line_item")
    if amount is None and not fields.has("amount_value"):
        fields.problem("amount_value", "is missing")
    return Measures(model=(item or "").rpartition(" | ")[2].partition(",")[0].strip() or None, cost_usd=amount)


COMPLETIONS = Layout(
    name="organization.usage.completions.result",
    kind="usage",
    marks=frozenset({"num_model_requests", "input_tokens", "output_tokens"}),
    dimensions=("model", *_DIMENSIONS, "batch", "service_tier"),
    measured=frozenset(
        {"num_model_requests", "input_tokens", "output_tokens", "input_cached_tokens", "input_cache_write_tokens"}
    )
    | {"input_audio_tokens", "output_audio_tokens", "input_image_tokens"},
    # Parts of the sums above, in other cuts.
    ignored=_NAMES
    | {"input_uncached_tokens", "input_text_tokens", "output_text_tokens", "output_image_tokens"}
    | {"input_cached_text_tokens", "input_cached_audio_tokens", "input_cached_image_tokens"}
    | {"input_cache_write_30m_tokens", "input_cache_write_12h_tokens"},
    window=_WINDOW,
    read=_completions,
)

EMBEDDINGS = Layout(
    name="organization.usage.embeddings.result",
    kind="usage",
    marks=frozenset({"num_model_requests", "input_tokens"}),
    dimensions=("model", *_DIMENSIONS),
    measured=frozenset({"num_model_requests", "input_tokens"}),
    ignored=_NAMES,
    window=_WINDOW,
    read=_embeddings,
)

COSTS = Layout(
    name="organization.costs.result",
    kind="cost",
    marks=frozenset({"amount_value", "amount_currency"}),
    dimensions=("line_item", *_DIMENSIONS),
    measured=frozenset({"amount_value", "amount_currency"}),
    ignored=_NAMES | {"quantity", "quantity_unit"},
    window=_WINDOW,
    read=_cost,
)

LAYOUTS = (COMPLETIONS, EMBEDDINGS, COSTS)
"""Those with more marks before those with fewer of the same."""
