"""What a provider's export says about an attempt whose end we do not know, or whose usage we guessed. Pure.

Found and billed: usage and cost become the export's. Found and not billed: it cost nothing. Not found although the
export is complete past its start: it was never sent. A call that was taken for not sent and turns up later is as if
found at once. What is known of an attempt (that it ended well, failed or was cancelled) is kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from schemas.calls import CallStatus, Usage, UsageSource

NOTHING = Usage()

Verdict = Literal["billed", "unbilled", "not_sent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """An attempt that reconciliation may settle: what is known of it, and when it began."""

    status: CallStatus
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRow:
    """What the provider says of a call. `open` is one that it was still serving when it wrote the row."""

    usage: Usage
    billed: bool
    open: bool
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is known now. `cost_usd` is None where the usage has to be priced; all decisions are final: `reconciled`."""

    verdict: Verdict
    status: CallStatus
    usage: Usage
    usage_source: UsageSource
    cost_usd: Decimal | None


def decide(
    attempt: Unsettled, found: ExportRow | None, *, complete_until: datetime, margin: timedelta
) -> Decision | None:
    """What the export says of the attempt; None when it says nothing yet.

    The export has the last word on every call received before `complete_until`; `margin` allows for the clocks of
    provider and database to differ.
    """
    if found is None:
        return _absent(attempt, complete_until - margin)
    if found.open and found.received_at >= complete_until:
        return None
    if found.billed:
        status: CallStatus = "ok" if attempt.status in ("unknown", "not_sent") else attempt.status
        return Decision(verdict="billed", status=status, usage=found.usage, usage_source="provider", cost_usd=None)
    status = "error" if attempt.status in ("unknown", "not_sent") else attempt.status
    return _free("unbilled", status)


def _absent(attempt: Unsettled, complete_to: datetime) -> Decision | None:
    if attempt.status == "not_sent" or attempt.started_at >= complete_to:
        return None
    return _free("not_sent", "not_sent")


def _free(verdict: Verdict, status: CallStatus) -> Decision:
    return Decision(verdict=verdict, status=status, usage=NOTHING, usage_source="missing", cost_usd=Decimal(0))
