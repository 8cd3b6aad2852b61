"""The corpus of `usage_corpus/`: what providers answer, the buckets that it means, and what it costs to the last digit.

Every case runs through the parsers that production uses and the shipped price book. Its arithmetic is evaluated here by
another way than ours, from prices that were typed by hand.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from observatory.adapters.prices import shipped_book
from observatory.adapters.providers.anthropic import Messages
from observatory.adapters.providers.base import ProviderError, ProviderKind
from observatory.adapters.providers.openai import AzureChatCompletions, ChatCompletions
from observatory.adapters.providers.sdk import Dialect
from observatory.adapters.providers.sse import EventSplitter
from observatory.rules.pricing import PriceQuery
from observatory.rules.usage import UsageError, openai_responses_usage, openai_usage
from schemas.base import decimal_text
from schemas.calls import Usage

FOLDER = Path(__file__).parent / "usage_corpus"
BOOK = shipped_book()
DIALECTS: dict[str, Dialect] = {"openai": ChatCompletions(), "azure": AzureChatCompletions(), "anthropic": Messages()}

Text = Annotated[str, Field(min_length=1)]


class Case(BaseModel):
    """One case, as the README of the corpus describes it."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    why: Text
    kind: ProviderKind
    endpoint: Literal["chat", "embeddings", "responses", "messages"]
    at: datetime
    service_tier: str | None = None
    error: str | None = None
    payload: dict[str, object] | None = None
    events: list[dict[str, object] | Literal["[DONE]"]] | None = None
    buckets: dict[str, Annotated[int, Field(gt=0)]] | None
    arithmetic: str | None
    cost_usd: str | None
    source: Annotated[str, Field(pattern=r"^https://\S+ \(.+\)$")]

    @model_validator(mode="after")
    def _holds_together(self) -> Case:
        if (self.payload is None) == (self.events is None):
            raise ValueError("a case has either a payload or events")
        if (self.arithmetic is None) != (self.cost_usd is None):
            raise ValueError("arithmetic and cost_usd are both there or both null")
        if unknown := set(self.buckets or ()) - set(Usage.model_fields):
            raise ValueError(f"no such buckets: {sorted(unknown)}")
        if self.buckets is None and self.cost_usd is not None:
            raise ValueError("without buckets there is no cost")
        if self.arithmetic is not None:
            evaluated(self.arithmetic)
        return self


Known = tuple[Usage | None, str | None, str | None, str | None]
"""Usage, model and service tier as the provider named them, and the error of a stream."""


def evaluated(expression: str) -> Fraction:
    """The value of a sum of products and quotients of decimal numbers. Raises `ValueError` for anything else."""
    try:
        return _value(ast.parse(expression, mode="eval").body, expression)
    except SyntaxError as error:
        raise ValueError(f"no arithmetic: {expression}") from error


def _value(node: ast.expr, expression: str) -> Fraction:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return Fraction(str(ast.get_source_segment(expression, node)))
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, expression), _value(node.right, expression)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Div):
            return left / right
    raise ValueError(f"only numbers, +, * and / are arithmetic here: {expression}")


def cases() -> Iterator[object]:
    for file in sorted(FOLDER.glob("*.json")):
        for number, raw in enumerate(json.loads(file.read_text())):
            try:
                case = Case.model_validate(raw)
            except ValidationError as error:
                raise ValueError(f"{file.name}, case {number + 1} ({raw.get('name')}): {error}") from error
            yield pytest.param(case, id=f"{file.stem}: {case.name}")


def as_production_reads(case: Case) -> Known:
    if case.events is not None:
        return _streamed(case)
    body = json.dumps(case.payload).encode()
    if case.endpoint in ("chat", "messages"):
        answer = DIALECTS[case.kind].answer(body)
        return answer.usage, answer.response_model, answer.service_tier, None
    assert case.payload is not None
    usage, tier = case.payload["usage"], case.payload.get("service_tier")
    assert isinstance(usage, dict)
    read = openai_usage if case.endpoint == "embeddings" else openai_responses_usage
    try:
        return read(usage), str(case.payload["model"]), None if tier is None else str(tier), None
    except UsageError:
        return None, str(case.payload["model"]), None, None


def _streamed(case: Case) -> Known:
    """Events as bytes on the wire, cut where no event ends."""
    wire = b"".join(_on_the_wire(event) for event in case.events or ())
    answer, splitter = DIALECTS[case.kind].streamed(), EventSplitter()
    try:
        for start in range(0, len(wire), 37):
            for event in splitter.feed(wire[start : start + 37]):
                answer.add(event)
        whole = answer.answer()
    except ProviderError as error:
        return answer.usage_so_far(), _model_of(case), None, error.error_type
    return whole.usage, whole.response_model, whole.service_tier, None


def _on_the_wire(event: dict[str, object] | str) -> bytes:
    name = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
    return f"{name}data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()


def _model_of(case: Case) -> str | None:
    first = (case.events or ["[DONE]"])[0]
    assert isinstance(first, dict)
    message = first.get("message", first)
    return str(message["model"]) if isinstance(message, dict) else None


@pytest.mark.parametrize("case", list(cases()))
def test_what_a_provider_answers_has_these_buckets_and_this_cost(case: Case) -> None:
    usage, model, tier, error = as_production_reads(case)
    assert error == case.error
    counted = None if usage is None else {name: count for name, count in usage if count}
    assert counted == case.buckets
    if usage is None or model is None:
        return
    query = PriceQuery(kind=case.kind, model=model, at=case.at, service_tier=case.service_tier or tier)
    priced = BOOK.cost(query, usage)
    if case.arithmetic is None or case.cost_usd is None:
        assert priced is None
        return
    assert priced is not None, "no price is known"
    assert Fraction(priced[0]) == evaluated(case.arithmetic)
    assert decimal_text(priced[0].normalize()) == case.cost_usd
    assert Decimal(case.cost_usd) > 0


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(list(cases())) >= 60


@pytest.mark.parametrize("expression", ["", "1 - 2", "__import__('os')", "1 ** 2", "price * 3", "'1' * 2", "1 +"])
def test_only_arithmetic_is_evaluated(expression: str) -> None:
    with pytest.raises(ValueError, match="arithmetic"):
        evaluated(expression)


@pytest.mark.parametrize(
    "change",
    [{"source": "I know it"}, {"colour": "red"}, {"buckets": {"tokens": 1}}, {"cost_usd": None}, {"events": []},
     {"buckets": None}, {"why": ""}],
)  # fmt: skip
def test_a_malformed_case_is_refused(change: dict[str, object]) -> None:
    good = json.loads((FOLDER / "openai_chat.json").read_text())[0]
    Case.model_validate(good)
    with pytest.raises(ValidationError):
        Case.model_validate({**good, **change})
