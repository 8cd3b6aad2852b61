"""The committed schemas are those of the code, and nobody's events broke."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from schemas.chat import ChatRequested
from schemas.compatibility import breaking_changes, surprises
from schemas.export import ASYNCAPI, GENERATED, asyncapi, event_schema, files, write
from schemas.feedback import FeedbackGiven
from schemas.topics import EVENT_TYPES, TOPICS

WRITTEN_BY_CLIENTS = {ChatRequested.ce_type, FeedbackGiven.ce_type}
ACTIONS = {"send", "receive"}


def committed(name: str) -> dict[str, object]:
    document = json.loads((GENERATED / name).read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def test_committed_files_are_those_of_the_code() -> None:
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in GENERATED.glob("*.json")}
    assert on_disk == files(), "run: python -m schemas.export"


@pytest.mark.parametrize("ce_type", sorted(EVENT_TYPES))
def test_bodies_of_the_committed_version_are_still_understood(ce_type: str) -> None:
    assert breaking_changes(committed(f"{ce_type}.json"), event_schema(EVENT_TYPES[ce_type])) == []


@pytest.mark.parametrize("ce_type", sorted(EVENT_TYPES.keys() - WRITTEN_BY_CLIENTS))
def test_readers_of_the_committed_version_are_not_surprised(ce_type: str) -> None:
    assert surprises(committed(f"{ce_type}.json"), event_schema(EVENT_TYPES[ce_type])) == []


def test_a_committed_event_type_never_disappears() -> None:
    names = {path.stem for path in GENERATED.glob("*.json")} - {ASYNCAPI.removesuffix(".json")}
    assert names <= EVENT_TYPES.keys()


@pytest.mark.parametrize("ce_type", sorted(EVENT_TYPES))
def test_an_event_schema_is_a_valid_json_schema(ce_type: str) -> None:
    Draft202012Validator.check_schema(event_schema(EVENT_TYPES[ce_type]))


def test_the_schema_accepts_a_request_and_refuses_money_as_a_number() -> None:
    request = {
        "request_id": "0b7e6c9e-8f0e-4c7e-9d58-1a2b3c4d5e6f",
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Hello"}],
    }
    assert Draft202012Validator(event_schema(ChatRequested)).is_valid(request)
    failed = event_schema(EVENT_TYPES["chat.failed.v1"])
    usd = failed["properties"]["cost_usd"]  # type: ignore[index]
    assert Draft202012Validator(usd).is_valid("0.0125")
    assert not Draft202012Validator(usd).is_valid(0.0125)


def test_writing_removes_the_schema_of_an_event_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "old.event.v1.json").write_text("{}")
    assert "old.event.v1.json" in write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(files())
    assert write(tmp_path) == []


def test_asyncapi_has_what_the_standard_requires() -> None:
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(document["info"])  # type: ignore[call-overload]
    channels = document["channels"]
    assert isinstance(channels, dict)
    assert set(channels) == {topic.name for topic in TOPICS}
    operations = document["operations"]
    assert isinstance(operations, dict)
    assert all(operation["action"] in ACTIONS for operation in operations.values())


def test_every_reference_of_asyncapi_leads_somewhere() -> None:
    document = asyncapi()
    references = list(find_references(document))
    assert references
    for reference in references:
        if reference.startswith("./"):
            assert reference.removeprefix("./") in files()
        else:
            assert resolve(document, reference) is not None


def find_references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield str(value)
            else:
                yield from find_references(value)
    elif isinstance(node, list):
        for item in node:
            yield from find_references(item)


def resolve(document: object, reference: str) -> object:
    node = document
    for part in reference.removeprefix("#/").split("/"):
        assert isinstance(node, dict)
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node
