"""What `observatory subscribe` shows of a record: answers by the subscriber's rules, other records as they are."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import orjson
from rich.markup import escape

from observatory.adapters.kafka import Record, Unreadable, read_event
from observatory.cli.answers import LivePrinter
from observatory.cli.output import print_json, stderr, stdout
from observatory.rules.subscription import ANSWERS, Answer, Subscription
from schemas.chat import ChatFailed

REMEMBERED = 100_000
"""Requests whose repeats are recognised; the longest unheard of are forgotten."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are shown; None: any."""

    request: UUID | None
    conversation: str | None
    tenant: str | None

    def fits(self, request_id: str, conversation_id: str | None, tenant_id: str | None) -> bool:
        """Whether a record with these ids is to be shown."""
        return (
            (self.request is None or request_id == str(self.request))
            and (self.conversation is None or conversation_id == self.conversation)
            and (self.tenant is None or tenant_id == self.tenant)
        )


class View(Protocol):
    """Shows records; `exit_code` is set once what was followed is over."""

    exit_code: int | None

    def show(self, record: Record) -> bool:
        """Prints the record unless it is to be left out; tells whether it did."""
        ...


class AnswerView:
    """Answers: repeats, void attempts and what comes after an outcome are left out."""

    def __init__(self, wanted: Wanted, *, as_json: bool) -> None:
        self._wanted = wanted
        self._as_json = as_json
        self._printer = LivePrinter(alone=wanted.request is not None)
        self._known: OrderedDict[tuple[str, UUID], Subscription] = OrderedDict()
        self.exit_code: int | None = None

    def show(self, record: Record) -> bool:
        """Prints an answer; one that cannot be read is remarked on."""
        try:
            envelope, answer = read_event(record, *ANSWERS)
        except Unreadable as error:
            stderr().print(f"{_place(record)}: {error}", markup=False)
            return False
        if not self._wanted.fits(str(answer.request_id), answer.conversation_id, answer.tenant_id):
            return False
        subscription = self._subscription(answer)
        if not subscription.accepts(envelope.ce_id or _place(record), answer):
            return False
        if self._as_json:
            print_json(as_json(record))
        else:
            self._printer.show(answer)
        if subscription.over and self._wanted.request is not None:
            self.exit_code = int(isinstance(answer, ChatFailed))
        return True

    def _subscription(self, answer: Answer) -> Subscription:
        key = (answer.tenant_id, answer.request_id)
        subscription = self._known.setdefault(key, Subscription())
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return subscription


class RecordView:
    """Records of any topic as they are."""

    def __init__(self, wanted: Wanted, *, as_json: bool) -> None:
        self._wanted = wanted
        self._as_json = as_json
        self.exit_code: int | None = None

    def show(self, record: Record) -> bool:
        """Prints a record as JSON, or as a heading and its value."""
        shown = as_json(record)
        body = shown["body"] if isinstance(shown.get("body"), dict) else {}
        assert isinstance(body, Mapping)
        ids = (str(body.get("request_id")), body.get("conversation_id"), body.get("tenant_id", "default"))
        if not self._wanted.fits(*ids):
            return False
        if self._as_json:
            print_json(shown)
        else:
            heading = f"{shown['time']} {_place(record)} {shown.get('key') or ''} {shown.get('ce_type') or ''}"
            stdout().print(f"[dim]{escape(heading)}[/dim]")
            stdout().print((record.value or b"").decode(errors="replace"), markup=False)
        return True


def as_json(record: Record) -> dict[str, object]:
    """A record for JSON: where it stands, its headers that name it, its body (as text where it is no JSON)."""
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    shown: dict[str, object] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "time": datetime.fromtimestamp(record.timestamp / 1000, UTC),
        "key": None if record.key is None else record.key.decode(errors="replace"),
        "ce_type": headers.get("ce_type"),
        "ce_id": headers.get("ce_id"),
    }
    try:
        shown["body"] = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        shown["text"] = (record.value or b"").decode(errors="replace")
    return shown


def _place(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"
