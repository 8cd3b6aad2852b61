"""`observatory subscribe`: follows a topic, a conversation or one request, live."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from cyclopts import Parameter

from observatory.adapters.following import Start
from observatory.adapters.kafka import Record
from observatory.cli.following import follow
from observatory.cli.options import AtMost, Json, parse_duration, parse_moment
from observatory.cli.outside import settings
from observatory.cli.problems import Problem, wrong_usage
from observatory.cli.views import AnswerView, RecordView, View, Wanted
from schemas.topics import CHAT_RESPONSES


async def subscribe(
    topic: Annotated[str, Parameter(help="The topic, without the prefix that OBSERVATORY_TOPIC_PREFIX sets.")] = (
        CHAT_RESPONSES.name
    ),
    /,
    *,
    request: Annotated[UUID | None, Parameter(help="Only this request; ends with its outcome.")] = None,
    conversation: Annotated[str | None, Parameter(help="Only this conversation.")] = None,
    tenant: Annotated[str | None, Parameter(help="Only this tenant.")] = None,
    from_beginning: Annotated[bool, Parameter(help="Start with the oldest record that the topic holds.")] = False,
    since: Annotated[
        str | None, Parameter(help="Start this long ago ('10m') or at a time; else now, for --request an hour ago.")
    ] = None,
    limit: Annotated[AtMost | None, Parameter(help="End after so many records.")] = None,
    timeout: Annotated[str | None, Parameter(help="End after this time, for example 30s; else never.")] = None,
    json: Json = False,
) -> int:
    """Follow answers, or any topic, without disturbing other readers.

    On chat.responses repeats, void attempts and what comes after an outcome are left out, and streamed text is shown
    as it grows. Other topics are shown record by record. The exit code is 1 when a followed request failed or had no
    outcome in time.

    Some uses:

    `observatory subscribe`

    `observatory subscribe --request 0b7e6c9e-8f0e-4c7e-9d58-1a2b3c4d5e6f`

    `observatory subscribe --conversation c1 --since 1h`

    `observatory subscribe llm.calls --from-beginning --limit 10 --json`
    """
    config = settings()
    if from_beginning and since:
        raise wrong_usage("give --from-beginning or --since, not both")
    wanted = Wanted(request, conversation, tenant)
    view: View = RecordView(wanted, as_json=json)
    if topic == CHAT_RESPONSES.name:
        view = AnswerView(wanted, as_json=json)
    timeout_s = None if timeout is None else parse_duration(timeout).total_seconds()
    start = _start(since or ("1h" if request else None), from_beginning=from_beginning)
    async with follow(config.kafka, config.kafka.topic_prefix + topic, start) as follower:
        code = await _show(follower.batches(timeout_s=timeout_s), view, limit)
    if code is None and request is not None and isinstance(view, AnswerView):
        raise Problem(f"no outcome of {request} within {timeout}")
    return code or 0


async def _show(batches: AsyncIterator[list[Record]], view: View, limit: int | None) -> int | None:
    """The exit code once what was followed is over; None when time ran out."""
    shown = 0
    async for records in batches:
        for record in records:
            shown += view.show(record)
            if view.exit_code is not None:
                return view.exit_code
            if limit is not None and shown >= limit:
                return 0
    return None


def _start(since: str | None, *, from_beginning: bool) -> Start:
    if from_beginning:
        return "beginning"
    return parse_moment(since, datetime.now(UTC)) or "end"
