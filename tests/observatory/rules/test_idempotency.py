"""Two bodies are the same request when they ask for the same."""

from __future__ import annotations

import json

import pytest

from observatory.rules.idempotency import body_sha256
from schemas.chat import ChatRequested

BODY = {
    "request_id": "6c1f8b1e-3a52-5b0e-9a55-7d3c1a0e4f11",
    "model": "m",
    "messages": [{"role": "user", "content": "ü", "x": {"b": 1, "a": 2}}],
    "tags": {"b": "1", "a": "2"},
    "temperature": 1,
}


def digest(**changed: object) -> bytes:
    """Of the body with these changes."""
    return body_sha256(ChatRequested.model_validate_json(json.dumps({**BODY, **changed})))


def test_order_spacing_defaults_and_unknown_fields_make_no_difference() -> None:
    turned = json.dumps(dict(reversed(BODY.items())), indent=3, ensure_ascii=False)
    assert body_sha256(ChatRequested.model_validate_json(turned)) == digest()
    same = digest(
        tenant_id="default", stream=False, user_id=None, new_field=1, temperature=1.0, tags={"a": "2", "b": "1"}
    )
    assert same == digest()


def test_a_repeat_may_move_its_deadline_and_use_another_key() -> None:
    assert digest(deadline="2030-01-01T00:00:00Z", api_key_id="k2") == digest()


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "n"},
        {"messages": [{"role": "user", "content": "u"}]},
        {"messages": [{"role": "user", "content": "ü", "x": {"b": 1, "a": 3}}]},
        {"tenant_id": "other"},
        {"stream": True},
        {"temperature": 0.5},
        {"tags": {"a": "2"}},
        {"parameters": {"seed": 1}},
        {"max_output_tokens": 5},
    ],
)
def test_another_wish_is_another_request(changed: dict[str, object]) -> None:
    assert digest(**changed) != digest()
