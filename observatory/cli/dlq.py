"""`observatory dlq`: records that could not be read: list, show, send again."""

import base64
from contextlib import AsyncExitStack
from typing import Annotated

from cyclopts import App, Parameter
from rich.markup import escape

from observatory.adapters.dead_letters import Letter, Summary, letters, retried_below, retry, summaries, topic_of
from observatory.adapters.following import NoSuchTopic
from observatory.adapters.postgres.resending import only_sender
from observatory.cli.options import AtMost, Json
from observatory.cli.output import add_row, print_json, stdout, table
from observatory.cli.outside import database, kafka_problems, settings
from observatory.cli.problems import wrong_usage
from schemas.topics import Topic

SHOWN_BYTES = 2_000
ALONE_WITHIN_S = 60.0

From = Annotated[int | None, Parameter(name="--from", help="First offset on the dead letters' topic.")]
To = Annotated[int | None, Parameter(help="Last offset, included.")]
TopicName = Annotated[str, Parameter(help="The topic that they came from, for example chat.requests.")]

dlq = App(
    name="dlq",
    help="""Dead letters: records that could not be read, as they came, with the reason.

Some uses:

`observatory dlq list`

`observatory dlq show chat.requests --limit 5`

`observatory dlq retry chat.requests --dry-run`""",
)


@dlq.command(name="list")
async def list_letters(*, json: Json = False) -> int:
    """Count dead letters by topic and reason; 'waiting' are those not retried yet."""
    config = settings()
    with kafka_problems(config.kafka):
        found = await summaries(config.kafka)
    if json:
        print_json([_summary_json(item) for item in found], indent=True)
        return 0
    rows = table(["topic", "reason", "records", "waiting"], left=2)
    for item in found:
        add_row(rows, item.topic, "", item.records, item.waiting, style="bold" if item.waiting else None)
        for reason, count in item.reasons.items():
            add_row(rows, "", reason, count, "")
    stdout().print(rows)
    return 0


@dlq.command
async def show(
    topic: TopicName,
    /,
    *,
    from_: From = None,
    to: To = None,
    limit: AtMost = 20,
    json: Json = False,
) -> int:
    """Show dead letters: where each came from, why it could not be read, its key and its value."""
    config = settings()
    shown = 0
    source = _source(topic)
    with kafka_problems(config.kafka):
        async for letter in letters(config.kafka, source):
            if shown >= limit:
                break
            if _within(letter, from_, to):
                shown += 1
                if json:
                    print_json(_letter_json(letter))
                else:
                    _print(letter)
    if not shown and not json:
        stdout().print("There are none.")
    return 0


@dlq.command(name="retry")
async def retry_letters(
    topic: TopicName,
    /,
    *,
    from_: From = None,
    to: To = None,
    again: Annotated[bool, Parameter(help="Also those that were retried before.")] = False,
    dry_run: Annotated[bool, Parameter(help="Say what would be sent and send nothing.")] = False,
    json: Json = False,
) -> int:
    """Send dead letters again to the topic that they came from: same key, value and headers.

    What was retried once is not sent by a second retry, unless with --again.
    """
    config = settings()
    source = _source(topic)
    if from_ is not None and to is not None and from_ > to:
        raise wrong_usage("--from is not above --to")
    async with AsyncExitStack() as stack:
        if not dry_run:
            pool = await stack.enter_async_context(database(config.database_url))
            await stack.enter_async_context(only_sender(pool, source.name, ALONE_WITHIN_S))
        stack.enter_context(kafka_problems(config.kafka))
        below = 0 if again else await retried_below(config.kafka, source)
        waiting = [item async for item in letters(config.kafka, source) if item.record.offset >= below]
        chosen = [letter for letter in waiting if _within(letter, from_, to)]
        if chosen and chosen[0].record.offset > waiting[0].record.offset and not again:
            skipped = chosen[0].record.offset - waiting[0].record.offset
            raise wrong_usage(
                f"--from would skip {skipped} that wait and mark them as retried; add --again to do without"
            )
        if chosen and not dry_run:
            await retry(config.kafka, source, chosen, remember=not again)
    if json:
        print_json({"topic": source.name, "sent": 0 if dry_run else len(chosen), "chosen": _offsets(chosen)})
    else:
        verb = "would be sent" if dry_run else "were sent"
        stdout().print(f"{len(chosen)} of {len(waiting)} {verb} to {source.name} again")
    return 0


def _source(name: str) -> Topic:
    try:
        return topic_of(name)
    except NoSuchTopic as error:
        raise wrong_usage(str(error)) from error


def _offsets(chosen: list[Letter]) -> list[int]:
    return [letter.record.offset for letter in chosen]


def _within(letter: Letter, first: int | None, last: int | None) -> bool:
    offset = letter.record.offset
    return (first is None or offset >= first) and (last is None or offset <= last)


def _summary_json(item: Summary) -> dict[str, object]:
    return {"topic": item.topic, "records": item.records, "waiting": item.waiting, "reasons": item.reasons}


def _letter_json(letter: Letter) -> dict[str, object]:
    record = letter.record
    return {
        "offset": record.offset,
        "time": letter.appended_at,
        "reason": letter.reason,
        "source": {
            "topic": letter.source_topic,
            "partition": letter.source_partition,
            "offset": letter.source_offset,
            "failed_at": letter.failed_at,
        },
        "key_base64": _base64(record.key),
        "value_base64": _base64(record.value),
        "text": (record.value or b"")[:SHOWN_BYTES].decode(errors="replace"),
        "headers": {name: value.decode(errors="replace") for name, value in record.headers},
    }


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _print(letter: Letter) -> None:
    record = letter.record
    place = f"{letter.source_topic}/{letter.source_partition}/{letter.source_offset}"
    out = stdout()
    out.print(
        f"[bold]{record.offset}[/bold] from {escape(place)} at {letter.failed_at}: [red]{escape(letter.reason)}[/red]"
    )
    value = record.value or b""
    more = f" … ({len(value):,} bytes)" if len(value) > SHOWN_BYTES else ""
    out.print(value[:SHOWN_BYTES].decode(errors="replace") + more, markup=False)
