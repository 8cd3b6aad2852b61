"""Files of exports, hand-made in the providers' public layouts, and what comes of reading them."""

from datetime import UTC, date, datetime
from pathlib import Path

from observatory.adapters.exports.collecting import Collector
from observatory.adapters.exports.files import Provider, Reader
from observatory.adapters.exports.rows import Exported, ExportRefused, Problems
from observatory.adapters.prices import shipped_book
from observatory.rules.drift import Said

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
DAY_S = 86_400


def midnight(day: int, month: int = 10) -> int:
    """Seconds since 1970."""
    return int(datetime(2026, month, day, tzinfo=UTC).timestamp())


def read(provider: Provider, *paths: Path) -> tuple[list[Exported], Said]:
    """The rows and sums of October. Raises `ExportRefused`."""
    problems = Problems()
    collector = Collector(provider, shipped_book(), problems)
    rows = list(collector.read(Reader(provider, OCTOBER, NOVEMBER, problems), paths))
    problems.refuse()
    return rows, collector.said()


def problems_of(provider: Provider, *paths: Path) -> list[str]:
    """Every problem by itself, with the file's folder left out."""
    try:
        read(provider, *paths)
    except ExportRefused as error:
        return [line.strip().replace(f"{paths[0].parent}/", "") for line in str(error).splitlines()[1:]]
    return []
