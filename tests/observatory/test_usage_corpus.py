"""The corpus of `usage_corpus/`: what providers answer, the buckets that it means, and what it costs to the last digit.

Every case runs through the parsers that production uses and the shipped price book. Its arithmetic is evaluated here by
another way than ours, from prices that were typed by hand.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from decimal import Decimal, Inexact
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from observatory.adapters.prices import shipped_book
from observatory.adapters.providers.anthropic import Messages
from observatory.adapters.providers.base import ProviderError, ProviderKind
from observatory.adapters.providers.openai import AzureChatCompletions, ChatCompletions
from observatory.adapters.providers.sdk import Dialect
from observatory.adapters.providers.sse import EventSplitter
from observatory.rules.money import MONEY
from observatory.rules.pricing import PriceQuery, cost_of_call
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
    at: AwareDatetime
    asked: str | None = None
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
        if (self.kind == "anthropic") != (self.endpoint == "messages"):
            raise ValueError(f"{self.kind} has no endpoint {self.endpoint}")
        if self.arithmetic is not None and self.cost_usd != (cost := written(evaluated(self.arithmetic))):
            raise ValueError(f"cost_usd is {self.cost_usd}, the arithmetic gives {cost}")
        return self


Known = tuple[Usage | None, str | None, str | None, str | None]
"""Usage, model and service tier as the provider named them, and the error of a stream."""


def evaluated(expression: str) -> Fraction:
    """The value of a sum of products and quotients of decimal numbers. Raises `ValueError` for anything else."""
    try:
        return _value(ast.parse(expression, mode="eval").body, expression)
    except (SyntaxError, ZeroDivisionError) as error:
        raise ValueError(f"no arithmetic: {expression}") from error


def written(amount: Fraction) -> str:
    """All digits of an amount, no trailing zeros. Raises `ValueError` for one whose digits have no end."""
    try:
        exact = MONEY.divide(Decimal(amount.numerator), Decimal(amount.denominator))
    except Inexact as error:
        raise ValueError(f"{amount} is no decimal number") from error
    return decimal_text(exact.normalize(MONEY))


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
        for case in read_cases(file.name, json.loads(file.read_text())):
            yield pytest.param(case, id=f"{file.stem}: {case.name}")


def read_cases(file: str, found: object) -> Iterator[Case]:
    """The cases of a file. Raises `ValueError`, which says which case is wrong and how."""
    if not isinstance(found, list):
        raise ValueError(f"{file}: a file holds a list of cases")
    names: set[str] = set()
    for number, raw in enumerate(found, start=1):
        where = f"{file}, case {number} ({raw.get('name') if isinstance(raw, dict) else raw})"
        try:
            case = Case.model_validate(raw)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise ValueError(f"{where}: {wrong}") from error
        if case.name in names:
            raise ValueError(f"{where}: another case has that name")
        names.add(case.name)
        yield case


def as_production_reads(case: Case) -> Known:
    if case.endpoint in ("chat", "messages"):
        return _streamed(case) if case.events is not None else _whole(case)
    read = openai_usage if case.endpoint == "embeddings" else openai_responses_usage
    body = _object(case.payload) if case.events is None else _last_response(case)
    usage, tier = body["usage"], body.get("service_tier")
    try:
        known = None if usage is None else read(_object(usage))
    except UsageError:
        known = None
    return known, str(body["model"]), None if tier is None else str(tier), None


def _whole(case: Case) -> Known:
    try:
        answer = DIALECTS[case.kind].answer(json.dumps(case.payload).encode())
    except ProviderError as error:
        return error.usage, case.asked, error.service_tier, error.error_type
    return answer.usage, answer.response_model, answer.service_tier, None


def _streamed(case: Case) -> Known:
    answer = DIALECTS[case.kind].streamed()
    try:
        for event in _received(case):
            answer.add(event)
        whole = answer.answer()
    except ProviderError as error:
        return answer.usage_so_far(), _model_of(case), answer.service_tier, error.error_type
    return whole.usage, whole.response_model, whole.service_tier, None


def _last_response(case: Case) -> dict[str, object]:
    """What the last event of a stream of responses says of the response; only then its usage is told."""
    return _object([_object(json.loads(event)) for event in _received(case)][-1]["response"])


def _received(case: Case) -> Iterator[bytes]:
    """The events after their way as bytes over the wire, cut where no event ends."""
    wire, splitter = b"".join(_on_the_wire(event) for event in case.events or ()), EventSplitter()
    for start in range(0, len(wire), 37):
        yield from splitter.feed(wire[start : start + 37])


def _object(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value


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
    tier = case.service_tier or tier
    query = PriceQuery(kind=case.kind, model=model, at=case.at, service_tier=tier, deployment=case.asked)
    priced = cost_of_call(BOOK, query, usage)
    if case.arithmetic is None or case.cost_usd is None:
        assert priced is None
        return
    assert priced is not None, "no price is known"
    assert Fraction(priced[0]) == evaluated(case.arithmetic)
    assert Decimal(case.cost_usd) == priced[0] > 0


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(list(cases())) >= 60


@pytest.mark.parametrize(
    "expression", ["", "1 - 2", "__import__('os')", "1 ** 2", "price * 3", "'1' * 2", "1 +", "1 / 0"]
)
def test_only_arithmetic_is_evaluated(expression: str) -> None:
    with pytest.raises(ValueError, match="arithmetic"):
        evaluated(expression)


GOOD: dict[str, object] = {
    "name": "n",
    "why": "w",
    "kind": "openai",
    "endpoint": "embeddings",
    "at": "2026-11-01T12:00:00Z",
    "payload": {"model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}},
    "buckets": {"uncached_input_tokens": 1},
    "arithmetic": "1 * 0.02 / 1000000",
    "cost_usd": "0.00000002",
    "source": "https://example.com/prices (m)",
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": "I know it"}, "source: String should match"),
        ({"source": None}, "source: Input should be a valid string"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"buckets": {"tokens": 1}}, r"no such buckets: \['tokens'\]"),
        ({"buckets": {"output_tokens": 0}}, "buckets.output_tokens: Input should be greater than 0"),
        ({"buckets": None}, "without buckets there is no cost"),
        ({"cost_usd": None}, "both there or both null"),
        ({"cost_usd": "0.000000020"}, "cost_usd is 0.000000020, the arithmetic gives 0.00000002"),
        ({"cost_usd": 0.00000002}, "cost_usd: Input should be a valid string"),
        ({"arithmetic": "1 * price"}, "only numbers, .* are arithmetic here: 1 \\* price"),
        ({"arithmetic": "1 / 3"}, "1/3 is no decimal number"),
        ({"arithmetic": "open('x')"}, "are arithmetic here"),
        ({"events": []}, "either a payload or events"),
        ({"payload": None}, "either a payload or events"),
        ({"at": "2026-11-01T12:00:00"}, "at: Input should have timezone info"),
        ({"endpoint": "messages"}, "openai has no endpoint messages"),
        ({"why": ""}, "why: String should have at least 1 character"),
        ({"kind": "acme"}, "kind: Input should be 'openai'"),
    ],
)
def test_a_malformed_case_is_refused_with_its_place_and_reason(change: dict[str, object], said: str) -> None:
    assert [case.name for case in read_cases("f.json", [GOOD])] == ["n"]
    with pytest.raises(ValueError, match=rf"^f\.json, case 2 \(m\): .*{said}"):
        list(read_cases("f.json", [GOOD, {**GOOD, "name": "m", **change}]))


def test_a_file_of_cases_is_a_list_of_objects_with_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="a list of cases"):
        list(read_cases("f.json", GOOD))
    with pytest.raises(ValueError, match="another case has that name"):
        list(read_cases("f.json", [GOOD, GOOD]))
    with pytest.raises(ValueError, match="case 1"):
        list(read_cases("f.json", ["a case"]))
