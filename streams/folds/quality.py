"""Quality: what the scores of a day add up to, by tenant, provider, model, prompt version and what is scored.

Beside it, in cells of the same kind, the scores that are about no call.
"""

from dataclasses import replace
from datetime import timedelta

import msgspec

from streams.engine.fold import At, Fold, Out
from streams.folds.requests import NAME as REQUESTS
from streams.folds.shares import QUALITY as NAME
from streams.folds.shares import UNATTACHED as UNATTACHED_NAME
from streams.folds.shares import Dimensions, Judged, QualityChange


class QualityCell(msgspec.Struct):
    """One cell: exact sums of scores in millionths, and of the judged calls."""

    dimensions: Dimensions
    judged: Judged


def apply(state: QualityCell | None, change: QualityChange, at: At, out: Out) -> QualityCell:
    """Adds what changed."""
    cell = state or QualityCell(change.dimensions, Judged())
    cell.judged.tally.add(change.judged.tally)
    cell.judged.sums.book(change.judged.sums)
    return cell


def _is_empty(cell: QualityCell) -> bool:
    return cell.judged == Judged()


QUALITY = Fold(
    name=NAME, parent=REQUESTS, state=QualityCell, apply=apply, keep=timedelta(days=400), is_empty=_is_empty
)  # fmt: skip
UNATTACHED = replace(QUALITY, name=UNATTACHED_NAME)
