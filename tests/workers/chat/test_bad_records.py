"""Records that cannot be read go to the dead letters, whatever is wrong with them, and hold nothing back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from schemas.chat import ChatCompleted
from tests.simulator import running_simulator
from tests.stack import LiveStack
from tests.workers.chat.running import Books, ask, partition_of, place

PARTITION = 3


@pytest.fixture(scope="module")
async def books(stack: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Books]:
    folder: Path = tmp_path_factory.mktemp("simulator")
    with running_simulator(folder) as simulator:
        async with place(stack, simulator, "bad.") as here:
            here.worker()
            yield here.books


def body(**fields: object) -> bytes:
    """A good request with some fields made bad."""
    usual = {"request_id": str(uuid4()), "model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}
    return json.dumps({**usual, **fields}).encode()


def with_parameters(text: str) -> bytes:
    """A good request whose `parameters` are this text."""
    return body(parameters=0).replace(b'"parameters": 0', b'"parameters": ' + text.encode())


BAD: dict[str, tuple[bytes | None, dict[str, bytes]]] = {
    "null": (None, {}),
    "empty": (b"", {}),
    "broken UTF-8": (b'{"request_id": "\xff\xfe"}', {}),
    "no object": (b"[]", {}),
    "half a body": (body()[:-5], {}),
    "no UUID": (body(request_id="1"), {}),
    "a number for a text": (body(model=5), {}),
    "no messages": (body(messages=[]), {}),
    "an unknown role": (body(messages=[{"role": "king", "content": "x"}]), {}),
    "a deadline without zone": (body(deadline="2030-01-01T00:00:00"), {}),
    "a NUL in the tenant": (body(tenant_id="a\0b"), {}),
    "a NUL in the conversation": (body(conversation_id="a\0"), {}),
    "history of nothing": (body(use_history=True), {}),
    "NaN as a temperature": (body(temperature=float("nan")), {}),
    "NaN inside": (with_parameters('{"seed": NaN}'), {}),
    "an infinite number": (with_parameters('{"seed": 1e999}'), {}),
    "400 digits": (with_parameters('{"seed": 1' + "0" * 400 + "}"), {}),
    "a lone surrogate": (with_parameters('{"a": "\\ud800"}'), {}),
    "a thousand levels": (with_parameters('{"a":' * 1000 + "1" + "}" * 1000), {}),
    "a name too long": (body(user_id="u" * 300), {}),
    "a version to come": (body(), {"ce_type": b"chat.requested.v9"}),
    "another type": (body(), {"ce_type": b"chat.completed.v1"}),
    "a header that is no text": (body(), {"ce_type": b"\xff"}),
}


async def test_every_bad_record_is_a_dead_letter_with_its_bytes_and_the_partition_flows_on(books: Books) -> None:
    for value, headers in BAD.values():
        await books.send_raw(value, partition=PARTITION, headers=headers)
    key = next(key for n in range(99) if partition_of(key := f"k{n}") == PARTITION)
    request = ask()
    answer = await books.outcome(await books.send(request, key=key))
    assert isinstance(answer, ChatCompleted)
    await books.until(lambda: len(books.dead) >= len(BAD), "all dead letters")
    assert [value for value, _ in books.dead] == [value for value, _ in BAD.values()]
    assert all(reason for _, reason in books.dead)


@pytest.mark.parametrize(
    "parameters",
    ['{"seed": 123456789012345678901234567890}', '{"user": "a\\u0000b"}', '{"a":' * 150 + "1" + "}" * 150],
)
async def test_what_is_odd_but_readable_gets_an_outcome(books: Books, parameters: str) -> None:
    request_id = uuid4()
    value = with_parameters(parameters).replace(
        b'"model"', f'"provider": "sim-openai", "request_id": "{request_id}", "model"'.encode()
    )
    await books.send_raw(value)
    await books.outcome(request_id)


async def test_odd_fields_survive_the_whole_way(books: Books) -> None:
    value = body(
        request_id=str(request_id := uuid4()),
        provider="sim-openai",
        deadline="9999-12-31T23:59:59-14:00",
        tags={"a": "\0", "emoji 😀": "ünï"},
        user_id="ユーザー",
        conversation_id="💬 with blanks",
        something_new={"x": 1},
    )
    await books.send_raw(value, headers={"traceparent": b"nonsense"})
    answer = await books.outcome(request_id)
    assert isinstance(answer, ChatCompleted), answer
    await books.agree([request_id])
    assert books.calls_of(request_id)[0].tags == {"a": "\0", "emoji 😀": "ünï"}
