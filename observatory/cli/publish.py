"""`observatory publish`: chat requests from arguments, a file or stdin onto `chat.requests`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from aiokafka.structs import RecordMetadata
from cyclopts import Parameter
from pydantic import ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from observatory.adapters.kafka import explain
from observatory.adapters.settings import KafkaSettings
from observatory.cli.answers import LivePrinter, print_outcome
from observatory.cli.options import Json, parse_duration, parse_tags
from observatory.cli.output import print_json, stderr
from observatory.cli.outside import publisher, settings
from observatory.cli.problems import FAILED, Problem, wrong_usage
from observatory.cli.publish_input import BadLine, read_lines, requests_from
from observatory.cli.publishing import PublishRun, listening, publish_request
from observatory.rules.subscription import Outcome
from schemas.chat import ChatFailed, ChatRequested
from schemas.topics import CHAT_REQUESTS

MAX_SHOWN = 10


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """The fields of a request that is written as an argument."""

    model: Annotated[str, Parameter(name=["--model", "-m"], help="The model that is asked.")] = "gpt-4o-mini"
    provider: Annotated[str | None, Parameter(help="The provider by name, for example sim-anthropic.")] = None
    tenant: Annotated[str | None, Parameter(help="Whose request it is.")] = None
    user: Annotated[str | None, Parameter(help="The user it is booked to.")] = None
    conversation: Annotated[str | None, Parameter(help="The conversation it belongs to.")] = None
    use_history: Annotated[bool, Parameter(help="The message is the next turn of --conversation.")] = False
    stream: Annotated[bool, Parameter(help="The answer comes in pieces.")] = False
    max_output_tokens: Annotated[int | None, Parameter(help="A limit on the answer.")] = None
    tag: Annotated[list[str], Parameter(help="key=value; may be repeated.")] = field(default_factory=list)

    def fields(self, text: str) -> dict[str, object]:
        """The body's fields, without those that were not given."""
        given: dict[str, object | None] = {
            "model": self.model,
            "messages": [{"role": "user", "content": text}],
            "provider": self.provider,
            "tenant_id": self.tenant,
            "user_id": self.user,
            "conversation_id": self.conversation,
            "use_history": self.use_history or None,
            "stream": self.stream or None,
            "max_output_tokens": self.max_output_tokens,
            "tags": parse_tags(self.tag),
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass
class _Input:
    """Where requests come from, and how many of its lines were bad."""

    text: str | None
    file: Path | None
    count: int
    options: RequestOptions
    as_json: bool
    bad: int = 0

    @property
    def total(self) -> int | None:
        """How many requests will come; None when only the end of the file tells."""
        return self.count if self.text is not None else None

    async def requests(self) -> AsyncIterator[ChatRequested]:
        if self.text is not None:
            for request in _from_arguments(self.text, self.options, self.count):
                yield request
            return
        number = 0
        async for line in _lines(self.file):
            number += 1
            for item in read_lines([line], copies=self.count):
                if isinstance(item, BadLine):
                    self._report(BadLine(number, item.error))
                else:
                    yield item

    def _report(self, bad: BadLine) -> None:
        self.bad += 1
        if self.as_json:
            print_json({"line": bad.line, "error": bad.error})
        stderr().print(f"line {bad.line}: {bad.error}", markup=False)


async def publish(
    text: Annotated[str | None, Parameter(help="What the user says; without it, see --file.")] = None,
    /,
    *,
    file: Annotated[
        Path | None, Parameter(help="JSON lines, one chat.requested body each; '-' or nothing: stdin.")
    ] = None,
    count: Annotated[int, Parameter(name=["--count", "-n"], help="Send each request N times, under new ids.")] = 1,
    wait: Annotated[bool, Parameter(name=["--wait", "-w"], help="Wait for the answers and print them.")] = False,
    timeout: Annotated[str, Parameter(help="How long --wait waits after the last request was sent.")] = "130s",
    options: RequestOptions | None = None,
    json: Json = False,
) -> int:
    """Publish chat requests: one from arguments, or many from a file or stdin.

    Some uses:

    `observatory publish "Where is my order?" --wait`

    `observatory publish "Summarise." --model claude-sonnet-4-5 --conversation c1 --use-history --stream --wait`

    `observatory publish "Hello" --count 1000 --wait`

    `observatory publish --file requests.jsonl --wait --json > answers.jsonl`

    A line of a file is `{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}`;
    `request_id` is filled in where absent. Bad lines are reported and the others sent; the exit code is then 1.
    """
    source = _source(text, file, count, options or RequestOptions(), json)
    config = settings()
    wait_s = parse_duration(timeout).total_seconds()
    if wait and source.total == 1 and not json:
        return await _ask(config.kafka, source, wait_s)
    with progress_bar(enabled=wait) as progress:
        bar = progress.add_task("answers", total=source.total)

        def outcome_came(_: ChatRequested, outcome: Outcome) -> None:
            print_outcome(outcome, as_json=json)
            progress.advance(bar)

        def published(request: ChatRequested, place: RecordMetadata) -> None:
            if not wait:
                _print_published(request, place, as_json=json)

        run = PublishRun(on_published=published, on_outcome=outcome_came)
        if wait:
            await run.send_and_wait(config.kafka, source.requests(), timeout_s=wait_s)
        else:
            await run.send(config.kafka, source.requests())
    return _finish(run, source, waited=wait, timeout=timeout)


async def _ask(kafka: KafkaSettings, source: _Input, timeout_s: float) -> int:
    """One request whose answer is shown as it comes."""
    (request,) = [request async for request in source.requests()]
    printer = LivePrinter(alone=True)
    async with listening(kafka) as listener, publisher(kafka) as out:
        with listener.follow(request.tenant_id, str(request.request_id)) as answers:
            await (await publish_request(out, request))
            while heard := await answers.next(timeout_s):
                for event in heard:
                    printer.show(event.answer)
                last = heard[-1].answer
                if answers.over:
                    return FAILED if isinstance(last, ChatFailed) else 0
    raise Problem(f"no answer to {request.request_id} for {timeout_s:g} s; 'observatory status' shows who works")


def _source(text: str | None, file: Path | None, count: int, options: RequestOptions, as_json: bool) -> _Input:
    if text is not None and file is not None:
        raise wrong_usage("give a text or --file, not both")
    if count < 1:
        raise wrong_usage("--count is at least 1")
    if text is None and file is None and sys.stdin.isatty():
        raise wrong_usage(
            'nothing to publish: give a text, --file or JSON lines on stdin ("observatory publish --help")'
        )
    if text is None and options != RequestOptions():
        raise wrong_usage("options such as --model go with a text; a line of a file carries its own fields")
    if text is not None:
        list(_from_arguments(text, options, 1))  # what is wrong with it is said before anything is connected
    if file is not None and str(file) != "-" and not file.is_file():
        raise wrong_usage(f"there is no file {file}")
    return _Input(text, None if file is None or str(file) == "-" else file, count, options, as_json)


def _from_arguments(text: str, options: RequestOptions, count: int) -> Iterator[ChatRequested]:
    try:
        yield from requests_from(options.fields(text), copies=count)
    except ValidationError as error:
        raise wrong_usage(explain(error)) from error


async def _lines(file: Path | None) -> AsyncIterator[bytes]:
    """Lines as they come; waiting for one does not hold up what else is going on."""
    if file is None:
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            yield line
        return
    with file.open("rb") as stream:
        while chunk := await asyncio.to_thread(stream.readlines, 1_000_000):
            for line in chunk:
                yield line


def _print_published(request: ChatRequested, place: RecordMetadata, *, as_json: bool) -> None:
    if not as_json:
        sys.stdout.write(f"{request.request_id}\n")
        return
    print_json(
        {
            "request_id": request.request_id,
            "tenant_id": request.tenant_id,
            "topic": place.topic,
            "partition": place.partition,
            "offset": place.offset,
        }
    )


def progress_bar(*, enabled: bool) -> Progress:
    """A bar on stderr that goes away when it is done; none when stderr is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=stderr(), transient=True, disable=not (enabled and sys.stderr.isatty()))


def _finish(run: PublishRun, source: _Input, *, waited: bool, timeout: str) -> int:
    """The summary on stderr, and the exit code."""
    say = stderr().print
    rate = run.sent / run.publish_s if run.publish_s else 0.0
    say(f"published {run.sent:,} to {CHAT_REQUESTS.name} in {run.publish_s:.2f} s ({rate:,.0f}/s)")
    if source.bad:
        say(f"{source.bad:,} bad lines were not sent")
    if waited:
        say(str(run.totals))
    if run.missing:
        shown = ", ".join(map(str, run.missing[:MAX_SHOWN])) + (" …" if len(run.missing) > MAX_SHOWN else "")
        say(f"no answer within {timeout} to {len(run.missing):,}: {shown}")
    return FAILED if source.bad or run.totals.failed or run.missing else 0
