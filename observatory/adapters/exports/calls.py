"""Our own layout of exports that have a row for each call, for whoever makes one from a provider's or a proxy's logs.

CSV with a header, or JSON Lines. `started_at` (RFC 3339), `model`, and `response_id`, the provider's, or `call_id`, the
attempt's, which travels to the provider as a header, or both; `uncached_input_tokens` and `output_tokens`; and where
there are any the other buckets of `usage` (`cache_read_tokens`, `cache_write_5m_tokens`, `cache_write_1h_tokens`,
`reasoning_tokens`, `input_audio_tokens`, `output_audio_tokens`, `input_image_tokens`), `service_tier`, and `cost_usd`
with `currency`, what the provider billed for the call.
"""

from observatory.adapters.exports.rows import Fields, Layout, Measures, usage_of
from schemas.calls import Usage

_BUCKETS = tuple(Usage.model_fields)
_REQUIRED = ("uncached_input_tokens", "output_tokens")


def _call(fields: Fields) -> Measures:
    model = fields.text("model", missing="is missing")
    response_id, call_id = fields.text("response_id"), fields.uuid("call_id")
    if not (fields.has("response_id") or fields.has("call_id")):
        fields.problem("response_id", "is missing, and call_id too")
    cost = fields.usd("cost_usd", "currency" if fields.has("currency") else None)
    usage = usage_of(fields, **{name: fields.count(name, required=name in _REQUIRED) for name in _BUCKETS})
    return Measures(
        model=model,
        calls=1,
        usage=usage,
        cost_usd=cost,
        service_tier=fields.text("service_tier"),
        response_id=response_id,
        call_id=call_id,
    )


CALLS = Layout(
    name="rows by call",
    kind="call",
    marks=frozenset({"started_at", "model"}),
    dimensions=("response_id", "call_id"),
    measured=frozenset({*_BUCKETS, "cost_usd", "currency", "model", "service_tier"}),
    ignored=frozenset(),
    window=("started_at",),
    read=_call,
)
