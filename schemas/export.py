"""`python -m schemas.export`: JSON Schemas of the events and an AsyncAPI 3.0 document, from models and catalogue.

One file an event (`chat.requested.v1.json`, draft 2020-12) and `asyncapi.json`, all in `schemas/generated/`. Files that
belong to no event any more are removed. The output depends on nothing but the code: same code, same bytes.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from schemas.base import Event
from schemas.topics import EVENT_TYPES, TOPICS, WRITTEN_BY_CLIENTS, Topic

GENERATED = Path(__file__).parent / "generated"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ASYNCAPI = "asyncapi.json"
API_VERSION = "1.0.0"

Json = dict[str, object]

_HEADERS: Json = {
    "type": "object",
    "description": "CloudEvents 1.0 in Kafka's binary mode. Clients may leave all of them out.",
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid", "description": "An event that is sent twice has one id."},
        "ce_type": {"type": "string"},
        "ce_source": {"type": "string", "format": "uri-reference"},
        "ce_time": {"type": "string", "format": "date-time"},
        "content-type": {"type": "string", "const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C Trace Context"},
    },
}


def event_schema(event: type[Event]) -> Json:
    """The JSON Schema of an event's body."""
    schema: Json = event.model_json_schema(mode="validation", ref_template="#/$defs/{model}")
    return {"$schema": DIALECT, "$id": f"urn:llm-observatory:{event.ce_type}", **schema}


def asyncapi() -> Json:
    """The AsyncAPI 3.0 document of all topics and their events."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "LLM Observatory",
            "version": API_VERSION,
            "description": "Chat requests as events, their answers, and what each call cost. "
            "The value of a record is the JSON body alone; its CloudEvents attributes are headers.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "native": {"host": "127.0.0.1:9092", "protocol": "kafka", "description": "`observatory up` starts it."}
        },
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {name: op for topic in TOPICS for name, op in _operations(topic).items()},
        "components": {
            "messages": {ce_type: _message(event) for ce_type, event in EVENT_TYPES.items()},
            "messageTraits": {"cloudEvent": {"headers": _HEADERS}},
        },
    }


def files() -> dict[str, str]:
    """The text of each generated file by its name."""
    documents: dict[str, Json] = {f"{name}.json": event_schema(event) for name, event in EVENT_TYPES.items()}
    documents[ASYNCAPI] = asyncapi()
    return {name: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for name, document in documents.items()}


def write(folder: Path) -> list[str]:
    """Writes the files and removes what is none of them; returns the names of those that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = files()
    existing = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    for name in existing.keys() - wanted.keys():
        (folder / name).unlink()
    changed = [name for name, text in wanted.items() if existing.get(name) != text]
    for name in changed:
        (folder / name).write_text(wanted[name], encoding="utf-8")
    return sorted({*changed, *(existing.keys() - wanted.keys())})


def _channel(topic: Topic) -> Json:
    return {
        "address": topic.name,
        "description": f"{topic.description} Keyed by {topic.key}.",
        "messages": {event.ce_type: _ref("components", "messages", event.ce_type) for event in topic.events},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [topic.cleanup_policy],
                    "retention.ms": topic.retention_ms,
                    "max.message.bytes": int(topic.config["max.message.bytes"]),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations(topic: Topic) -> Mapping[str, Json]:
    """Anybody may write requests and feedback and read every topic; AsyncAPI names operations by what a client does."""
    channel = _ref("channels", topic.name)
    operations: dict[str, Json] = {
        f"receive {topic.name}": {"action": "receive", "channel": channel, "summary": f"Subscribe to {topic.name}."}
    }
    if topic in WRITTEN_BY_CLIENTS:
        operations[f"send {topic.name}"] = {
            "action": "send",
            "channel": channel,
            "summary": f"Publish to {topic.name}.",
        }
    return operations


def _message(event: type[Event]) -> Json:
    return {
        "name": event.ce_type,
        "summary": (event.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "traits": [_ref("components", "messageTraits", "cloudEvent")],
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./{event.ce_type}.json"},
        },
    }


def _ref(*path: str) -> Json:
    """A reference within the document; `/` and `~` in a name are escaped as JSON Pointer asks."""
    return {"$ref": "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in path)}


if __name__ == "__main__":
    names = write(GENERATED)
    print("changed: " + (", ".join(names) or "nothing"))  # noqa: T201  # this is a command
