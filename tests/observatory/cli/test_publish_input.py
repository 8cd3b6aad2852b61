"""Chat requests from JSON lines."""

from uuid import UUID

import orjson

from observatory.cli.publish_input import BadLine, read_lines
from schemas.chat import ChatRequested

GOOD = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


def lines(*items: object) -> list[bytes]:
    return [item if isinstance(item, bytes) else orjson.dumps(item) for item in items]


def test_a_request_id_is_filled_in_where_absent_and_kept_where_given() -> None:
    given = "0b7e6c9e-8f0e-4c7e-9d58-1a2b3c4d5e6f"
    filled, kept = read_lines(lines(GOOD, {**GOOD, "request_id": given}))
    assert isinstance(filled, ChatRequested)
    assert filled.request_id.version == 4
    assert isinstance(kept, ChatRequested)
    assert kept.request_id == UUID(given)


def test_bad_lines_are_reported_with_their_number_and_the_others_read() -> None:
    found = list(read_lines(lines(b"nope", b"", {"model": "m"}, {**GOOD, "modle": 1}, [], GOOD)))
    bad = {item.line: item.error for item in found if isinstance(item, BadLine)}
    assert set(bad) == {1, 3, 4, 5}
    assert bad[1].startswith("not JSON")
    assert bad[3] == "messages: Field required"
    assert bad[4] == "no such field: modle"
    assert bad[5] == "a request is a JSON object"
    assert len(found) == 5


def test_copies_have_ids_of_their_own() -> None:
    found = list(read_lines(lines(GOOD), copies=3))
    assert len({item.request_id for item in found if isinstance(item, ChatRequested)}) == 3


def test_a_request_with_its_own_id_cannot_be_sent_several_times() -> None:
    (bad,) = read_lines(lines({**GOOD, "request_id": "0b7e6c9e-8f0e-4c7e-9d58-1a2b3c4d5e6f"}), copies=2)
    assert isinstance(bad, BadLine)
