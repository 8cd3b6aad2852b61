"""Reading streamed completions as they come."""

from loadtests.users.sse import StreamReader

ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


def test_the_first_token_is_in_the_piece_that_brings_text_and_in_no_other() -> None:
    reader = StreamReader()
    assert [reader.feed(piece) for piece in (ROLE, TEXT, TEXT, DONE)] == [False, True, False, False]
    assert reader.problem is None


def test_an_event_may_be_cut_anywhere() -> None:
    reader = StreamReader()
    stream = b": still working\n\n" + ROLE + TEXT + DONE
    found = [reader.feed(stream[position : position + 1]) for position in range(len(stream))]
    assert found.count(True) == 1
    assert reader.problem is None


def test_a_stream_without_its_end_is_a_failure() -> None:
    reader = StreamReader()
    reader.feed(ROLE + TEXT)
    assert reader.problem == "the stream ended without [DONE]"


def test_a_stream_without_text_is_a_failure() -> None:
    reader = StreamReader()
    reader.feed(ROLE + DONE)
    assert reader.problem == "the stream had no text"


def test_an_error_event_is_a_failure_with_its_message() -> None:
    reader = StreamReader()
    reader.feed(ROLE + b'data: {"error":{"message":"deadline exceeded","code":"deadline_exceeded"}}\n\n')
    assert reader.problem == "deadline exceeded"
