"""What a request becomes: answers, streams, retries, failures, each with its bill. One worker serves them all."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from schemas.chat import ChatCompleted, ChatFailed, Message
from tests.simulator import Simulator, running_simulator
from tests.stack import LiveStack
from tests.workers.chat.running import Books, ask, in_ms, partition_of, place


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    folder: Path = tmp_path_factory.mktemp("simulator")
    with running_simulator(folder) as running:
        yield running


@pytest.fixture(scope="module")
async def books(stack: LiveStack, simulator: Simulator) -> AsyncIterator[Books]:
    async with place(stack, simulator, "answers.") as here:
        here.worker()
        yield here.books


async def test_a_plain_request_is_answered_and_billed_once(books: Books) -> None:
    request = ask("Say it [[sim in=374 out=44 cached=100]]", tags={"team": "red"}, user_id="u")
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatCompleted)
    assert answer.usage is not None
    assert (answer.usage.uncached_input_tokens, answer.usage.cache_read_tokens, answer.usage.output_tokens) == (
        274,
        100,
        44,
    )
    bill = await books.agree([request.request_id])
    assert [Decimal(line["cost_usd"]) for line in bill.values()] == [answer.cost_usd]
    (call,) = books.calls_of(request.request_id)
    assert (call.tags, call.user_id, call.status, call.usage) == ({"team": "red"}, "u", "ok", answer.usage)


async def test_calls_with_the_same_prompt_are_known_by_it(books: Books) -> None:
    requests = [ask(f"{text} [[sim out=3]]", user_id=str(n)) for n, text in enumerate(("one", "two", "one"))]
    ids = await books.send_all(requests)
    await books.outcomes(ids)
    await books.agree(ids)
    one, two, again = [books.calls_of(request.request_id)[0].prompt_hash for request in requests]
    assert one == again != two
    assert one is not None


async def test_requests_of_all_protocols_cost_what_the_provider_bills(books: Books) -> None:
    models = {"sim-openai": "gpt-4o-mini", "sim-azure": "gpt-4o-mini", "sim-anthropic": "claude-sonnet-4-5"}
    requests = [
        ask(f"n {n} [[sim in={400 + n} out=30 cached={n}]]", provider=provider, model=model, stream=n % 2 == 0)
        for provider, model in models.items()
        for n in range(20)
    ]
    ids = await books.send_all(requests)
    outcomes = await books.outcomes(ids)
    bill = await books.agree(ids)
    total = sum((o.cost_usd for o in outcomes if o.cost_usd is not None), Decimal(0))
    assert len(bill) == 60
    assert total == sum(Decimal(line["cost_usd"]) for line in bill.values())


async def test_a_stream_comes_in_order_without_a_gap_and_equals_the_answer(books: Books) -> None:
    requests = [ask(f"n {n} [[sim out=60 ttft=20 gap=4 chunks=30]]", stream=True) for n in range(8)]
    ids = await books.send_all(requests)
    for answer in await books.outcomes(ids):
        assert isinstance(answer, ChatCompleted)
        deltas = books.of(answer.request_id).deltas
        assert [delta.seq for delta in deltas] == list(range(len(deltas)))
        assert len(deltas) > 1
        assert {delta.attempt for delta in deltas} == {1}
        assert books.of(answer.request_id).text() == answer.message.content
    await books.agree(ids)


@pytest.mark.parametrize("fault", ["429;retryafter=0", "500", "503", "cut-before"])
async def test_a_refused_attempt_is_made_again_and_both_are_told(books: Books, fault: str) -> None:
    request = ask(f"again [[sim in=50 out=20 fault={fault} first=1]]")
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatCompleted), answer
    assert answer.attempts == 2
    bill = await books.agree([request.request_id])
    assert [(call.attempt, call.status) for call in books.calls_of(request.request_id)] == [(1, "error"), (2, "ok")]
    assert sum(1 for line in bill.values() if line["billed"]) == 1


async def test_when_all_attempts_fail_the_request_fails(books: Books) -> None:
    request = ask("never [[sim fault=500]]")
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatFailed)
    assert (answer.error.code, answer.error.retryable, answer.error.provider_status) == ("provider_error", True, 500)
    assert (answer.attempts, answer.cost_usd) == (3, Decimal(0))
    assert len(await books.agree([request.request_id])) == 3


async def test_an_answer_that_no_record_holds_fails_the_request_and_is_paid(books: Books) -> None:
    longest_word = "x" * 4_500_000  # which the simulator quotes in its answer, besides a million other words
    request = ask(f"{longest_word} [[sim in=10 out=1000000]]")
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatFailed)
    assert (answer.error.code, answer.attempts) == ("answer_too_large", 1)
    (bill,) = (await books.agree([request.request_id])).values()
    assert answer.cost_usd == Decimal(bill["cost_usd"]) > Decimal("0.5")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"model": "gpt-none"}, "no_such_model"),
        ({"provider": "nobody"}, "no_such_provider"),
        ({"model": "gpt-4o-mini@fault=400"}, "invalid_request"),
    ],
)
async def test_what_cannot_be_asked_fails_at_no_cost(books: Books, fields: dict[str, str], code: str) -> None:
    request = ask(**fields)
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatFailed)
    assert (answer.error.code, answer.cost_usd) == (code, Decimal(0))
    await books.agree([request.request_id])


async def test_a_request_whose_deadline_passed_makes_no_call(books: Books) -> None:
    request = ask(deadline=in_ms(-1))
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatFailed)
    assert (answer.error.code, answer.attempts, answer.cost_usd) == ("deadline_exceeded", 0, Decimal(0))
    assert await books.agree([request.request_id]) == {}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_ends_at_the_deadline_and_is_estimated(books: Books, stream: bool) -> None:
    request = ask("late [[sim fault=timeout]]", deadline=in_ms(1500), stream=stream)
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatFailed)
    assert (answer.error.code, answer.attempts) == ("deadline_exceeded", 1)
    await books.agree([request.request_id])
    (call,) = books.calls_of(request.request_id)
    assert (call.status, call.error_type, call.cost_state) == ("error", "timeout", "estimated")
    assert answer.cost_usd == call.cost_usd
    assert call.cost_usd is not None
    assert call.cost_usd > 0


async def test_a_cut_stream_starts_again_with_a_word_about_it(books: Books) -> None:
    request = ask("cut [[sim in=80 out=40 chunks=40 gap=5 fault=cut-mid first=1]]", stream=True)
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatCompleted), answer
    heard = books.of(request.request_id)
    assert [(restart.attempt, restart.reason) for restart in heard.restarts] == [(2, "stream_cut")]
    assert heard.text() == answer.message.content
    assert answer.cost_state == "estimated"
    bill = await books.agree([request.request_id])
    assert sum(1 for line in bill.values() if line["billed"]) == 2


@pytest.mark.parametrize("directive", ["fault=malformed first=1", "fault=cut-after first=1"])
async def test_an_answer_that_cannot_be_read_may_be_billed(books: Books, directive: str) -> None:
    request = ask(f"broken [[sim in=90 out=20 {directive}]]")
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatCompleted), answer
    assert (answer.attempts, answer.cost_state) == (2, "estimated")
    bill = await books.agree([request.request_id])
    assert sum(1 for line in bill.values() if line["billed"]) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_without_usage_is_estimated(books: Books, stream: bool) -> None:
    request = ask("untold [[sim in=90 out=20 nousage=1]]", stream=stream)
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatCompleted)
    assert answer.cost_state == "estimated"
    (call,) = books.calls_of(request.request_id)
    assert (call.status, call.usage_source) == ("ok", "estimated")
    await books.agree([request.request_id])


async def test_a_model_without_a_price_is_answered_and_has_no_cost(books: Books) -> None:
    request = ask(model="sim-unpriced")
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatCompleted)
    assert answer.cost_usd is None


async def test_a_request_sent_again_hears_the_same_and_costs_nothing_more(books: Books) -> None:
    request = ask()
    first = await books.outcome(await books.send(request))
    elsewhere = next(key for n in range(99) if partition_of(key := f"k{n}") != partition_of(str(request.request_id)))
    await books.send(request)
    await books.send(request, key=elsewhere)
    heard = books.of(request.request_id)
    await books.until(lambda: len(heard.outcomes) == 3, "the answer given again")
    assert {outcome.to_json() for outcome in heard.outcomes} == {first.to_json()}
    assert len(await books.agree([request.request_id])) == 1


async def test_the_same_request_many_times_at_once_is_answered_by_one_call(books: Books) -> None:
    request = ask("once [[sim latency=200]]")
    for _ in range(3):
        await books.send(request)
    for number in range(6):
        await books.send(request, key=f"other {number}")
    heard = books.of(request.request_id)
    await books.until(lambda: len(heard.outcomes) == 9, "nine answers")
    assert len(await books.agree([request.request_id])) == 1


async def test_another_body_under_the_same_id_is_a_dead_letter(books: Books) -> None:
    request = ask("one thing")
    await books.outcome(await books.send(request))
    await books.send(ask("another thing", request_id=request.request_id))
    await books.until(lambda: any("idempotency_conflict" in reason for _, reason in books.dead), "a dead letter")
    assert len(await books.agree([request.request_id])) == 1


async def test_a_million_characters_pass(books: Books) -> None:
    request = ask("x" * 1_000_000 + " [[sim in=250000 out=10]]", stream=True)
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatCompleted), answer
    await books.agree([request.request_id])


async def test_turns_of_a_conversation_are_in_order_and_each_sees_those_before(books: Books) -> None:
    conversations = [str(uuid4()) for _ in range(5)]
    requests = [ask(f"turn {n} of {c}", conversation_id=c, use_history=True) for n in range(6) for c in conversations]
    ids = [await books.send(request) for request in requests]
    await books.outcomes(ids)
    rows = await books.rows(
        "SELECT request_id FROM app.turns WHERE conversation_id = ANY ($1) ORDER BY conversation_id, turn",
        conversations,
    )
    expected = [r.request_id for c in sorted(conversations) for r in requests if r.conversation_id == c]
    assert [row["request_id"] for row in rows] == expected
    bill = await books.agree(ids)
    inputs = [next(iter(books.bill([r.request_id]).values()))["uncached_input_tokens"] for r in requests[::5]]
    assert inputs == sorted(set(inputs)), "every turn sends a longer prompt than the one before"
    assert len(bill) == 30


async def test_turns_on_different_partitions_never_overlap(books: Books) -> None:
    conversation = str(uuid4())
    requests = [ask(f"turn {n} [[sim latency=100]]", conversation_id=conversation, use_history=True) for n in range(6)]
    ids = [await books.send(request, key=f"{n}") for n, request in enumerate(requests)]
    await books.outcomes(ids)
    rows = await books.rows("SELECT messages FROM app.turns WHERE conversation_id = $1", conversation)
    assert len(rows) == 6
    bill = await books.agree(ids)
    spans = sorted((line["received_at"], line["finished_at"]) for line in bill.values())
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


async def test_a_failed_turn_leaves_the_conversation_open_for_the_next(books: Books) -> None:
    conversation = str(uuid4())
    bad = ask("no [[sim fault=400]]", conversation_id=conversation, use_history=True)
    good = ask("yes", conversation_id=conversation, use_history=True)
    ids = [await books.send(bad), await books.send(good)]
    outcomes = await books.outcomes(ids)
    assert [type(outcome) for outcome in outcomes] == [ChatFailed, ChatCompleted]
    await books.agree(ids)


async def test_a_tool_call_comes_back(books: Books) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    request = ask("use it [[sim tool=1]]", tools=[tool], messages=[Message(role="user", content="go [[sim tool=1]]")])
    answer = await books.outcome(await books.send(request))
    assert isinstance(answer, ChatCompleted), answer
    assert answer.message.tool_calls
    await books.agree([request.request_id])
