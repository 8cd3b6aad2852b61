"""What breaks a schema and what lets it grow, one rule a test."""

from typing import Any

import pytest

from schemas.compatibility import breaking_changes, surprises

STRING: dict[str, Any] = {"type": "string"}
NULLABLE: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def body(required: tuple[str, ...] = (), **properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": list(required)}


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (body(a=STRING), body(), "body.a: removed"),
        (body(), body(("a",), a=STRING), "body.a: newly required"),
        (body(a=STRING), body(("a",), a=STRING), "body.a: newly required"),
        (body(a=STRING), body(a={"type": "integer"}), "body.a: type string became integer"),
        (body(a={"type": "number"}), body(a={"type": "integer"}), "body.a: type number became integer"),
        (body(a={}), body(a=STRING), "body.a: type any became string"),
        (body(a=NULLABLE), body(a=STRING), "body.a: alternative 2 (null) is no longer allowed"),
        (body(a={"enum": ["x", "y"]}), body(a={"enum": ["x"]}), "body.a: value 'y' removed"),
        (body(a=STRING), body(a={"type": "string", "enum": ["x"]}), "body.a: limited to ['x']"),
        (body(a={"enum": ["x", "y"]}), body(a={"const": "x"}), "body.a: value 'y' removed"),
        (body(a=STRING), body(a={"type": "string", "maxLength": 5}), "body.a: maxLength None became 5"),
        (body(a={"minimum": 0}), body(a={"minimum": 1}), "body.a: minimum 0 became 1"),
        (body(a={"maximum": 9}), body(a={"maximum": 8}), "body.a: maximum 9 became 8"),
        (body(a={"pattern": "a"}), body(a={"pattern": "b"}), "body.a: pattern 'a' became 'b'"),
        (body(a={"items": STRING}), body(a={"items": {"type": "null"}}), "body.a[]: type string became null"),
        (body(a={}), {**body(a={}), "additionalProperties": False}, "body.*: no longer allowed"),
        (body(a={}), {**body(a={}), "additionalProperties": STRING}, "body.*: narrowed"),
    ],
)
def test_what_the_old_version_allowed_and_the_new_one_refuses_is_reported(
    old: dict[str, object], new: dict[str, object], line: str
) -> None:
    assert breaking_changes(old, new) == [line]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (body(), body(a=STRING)),
        (body(("a",), a=STRING), body(a=STRING)),
        (body(a={"type": "integer"}), body(a={"type": "number"})),
        (body(a=STRING), body(a=NULLABLE)),
        (body(a={"enum": ["x"]}), body(a={"enum": ["x", "y"]})),
        (body(a={"maxLength": 5}), body(a={"maxLength": 6})),
        (body(a={"maxLength": 5}), body(a={})),
        (body(a={"description": "old"}), body(a={"description": "new", "default": 1})),
    ],
)
def test_what_only_allows_more_is_compatible(old: dict[str, object], new: dict[str, object]) -> None:
    assert breaking_changes(old, new) == []


def test_references_are_followed_in_both_documents() -> None:
    old = {**body(a={"$ref": "#/$defs/One"}), "$defs": {"One": body(b=STRING)}}
    new = {**body(a={"$ref": "#/$defs/Other"}), "$defs": {"Other": body()}}
    assert breaking_changes(old, new) == ["body.a.b: removed"]


def test_a_schema_that_refers_to_itself_is_compared_once() -> None:
    tree: dict[str, object] = {"$ref": "#/$defs/Node", "$defs": {"Node": body(child={"$ref": "#/$defs/Node"})}}
    assert breaking_changes(tree, tree) == []


def test_readers_ignore_new_fields() -> None:
    assert surprises(body(a=STRING), body(a=STRING, b=STRING)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (body(a=STRING), body(a=NULLABLE)),
        (body(a={"enum": ["x"]}), body(a={"enum": ["x", "y"]})),
        (body(("a",), a=STRING), body(a=STRING)),
        (body(a={"type": "integer"}), body(a={"type": "number"})),
    ],
)
def test_readers_are_surprised_by_values_that_they_do_not_know_and_by_fields_that_may_be_absent(
    old: dict[str, object], new: dict[str, object]
) -> None:
    assert surprises(old, new) == ["body.a: readers of the old version do not expect this"]
