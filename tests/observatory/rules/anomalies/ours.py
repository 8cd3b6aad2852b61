"""Our detector, as an evaluation sees it."""

import msgspec

from observatory.rules.anomalies.detector import new_series, step
from observatory.rules.anomalies.limits import USUAL_LIMITS, Limits
from observatory.rules.anomalies.series import Raised, Series
from observatory.rules.anomalies.windows import Window
from tests.observatory.rules.anomalies.evaluation import Heard
from tests.observatory.rules.anomalies.ordinary import MONDAY_S


class Ours:
    """One series; a copy of it is what its JSON keeps."""

    def __init__(self, series: Series | None = None, limits: Limits = USUAL_LIMITS) -> None:
        self.series, self._limits = series or new_series(MONDAY_S), limits

    def step(self, window: Window) -> list[Heard]:
        """Takes the next window in."""
        return [Heard(change.metric, isinstance(change, Raised)) for change in step(self.series, window, self._limits)]

    def copy(self) -> "Ours":
        """One that knows the same and goes its own way."""
        return Ours(msgspec.json.decode(msgspec.json.encode(self.series), type=Series), self._limits)
