"""What a provider's export says about an attempt, case by case."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from observatory.rules.reconciliation import Decision, ExportRow, Unsettled, decide
from schemas.calls import CallStatus, Usage

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
COMPLETE = START + timedelta(minutes=1)
MARGIN = timedelta(seconds=2)
USED = Usage(uncached_input_tokens=100, output_tokens=50)


def decision(
    status: CallStatus, found: ExportRow | None, *, started_at: datetime = START, complete_until: datetime = COMPLETE
) -> Decision | None:
    attempt = Unsettled(status=status, started_at=started_at)
    return decide(attempt, found, complete_until=complete_until, margin=MARGIN)


def row(*, billed: bool = True, still_open: bool = False, received_at: datetime = START) -> ExportRow:
    return ExportRow(usage=USED if billed else Usage(), billed=billed, open=still_open, received_at=received_at)


@pytest.mark.parametrize(
    ("known", "becomes"),
    [("unknown", "ok"), ("not_sent", "ok"), ("ok", "ok"), ("error", "error"), ("cancelled", "cancelled")],
)
def test_a_billed_call_gets_the_exports_usage_and_keeps_an_end_that_was_known(
    known: CallStatus, becomes: CallStatus
) -> None:
    found = decision(known, row())
    assert found is not None
    assert (found.verdict, found.status, found.usage, found.usage_source) == ("billed", becomes, USED, "provider")
    assert found.cost_usd is None, "priced by our own rules"


@pytest.mark.parametrize(
    ("known", "becomes"),
    [("unknown", "error"), ("not_sent", "error"), ("error", "error"), ("cancelled", "cancelled")],
)
def test_a_call_that_was_not_billed_cost_nothing(known: CallStatus, becomes: CallStatus) -> None:
    found = decision(known, row(billed=False))
    assert found is not None
    assert (found.verdict, found.status, found.cost_usd, found.usage) == ("unbilled", becomes, Decimal(0), Usage())


def test_what_a_complete_export_does_not_hold_was_not_sent() -> None:
    found = decision("unknown", None)
    assert found is not None
    assert (found.verdict, found.status, found.cost_usd) == ("not_sent", "not_sent", Decimal(0))


def test_what_began_within_the_margin_of_the_exports_end_stays_open() -> None:
    assert decision("unknown", None, started_at=COMPLETE - MARGIN) is None
    assert decision("unknown", None, started_at=COMPLETE - MARGIN - timedelta(microseconds=1)) is not None


def test_a_call_known_as_not_sent_is_left_alone_while_the_export_does_not_hold_it() -> None:
    assert decision("not_sent", None) is None


def test_a_call_still_being_served_is_left_for_later() -> None:
    assert decision("unknown", row(still_open=True, received_at=COMPLETE)) is None


def test_an_open_row_from_before_the_exports_end_is_its_last_word() -> None:
    found = decision("unknown", row(still_open=True, received_at=COMPLETE - timedelta(seconds=1)))
    assert found is not None
    assert found.verdict == "billed"
