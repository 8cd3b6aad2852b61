"""Reads files of exports row by row: pages of JSON, JSON Lines with a page or a row each, CSV with a header.

What is read is never held in memory as a whole, but for a `.json` file, which is one page or a list of pages.
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import IO, Literal

from observatory.adapters.exports import anthropic, openai
from observatory.adapters.exports.calls import CALLS
from observatory.adapters.exports.rows import Exported, ExportRefused, Fields, Layout, Problems, Window

Provider = Literal["openai", "anthropic"]

LAYOUTS: Mapping[str, tuple[Layout, ...]] = {
    "openai": (*openai.LAYOUTS, CALLS),
    "anthropic": (*anthropic.LAYOUTS, CALLS),
}
WHOLE_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20
_JSON_LINES = (".jsonl", ".ndjson")
_BUCKET_TIMES = (("start_time", "end_time"), ("starting_at", "ending_at"))


@dataclass(frozen=True, slots=True)
class NothingUsed:
    """The export says of a day that it covers it, though there may be no row of it.

    `kind` is what rows its file is of; None for a file without any.
    """

    kind: str | None
    day: date


def export_id(paths: Sequence[Path]) -> str:
    """What names an export: a hash of the contents of its files, in whatever order and under whatever names."""
    digests = sorted(_sha256(path) for path in paths)
    return "sha256:" + hashlib.sha256(b"".join(digests)).hexdigest()


def _sha256(path: Path) -> bytes:
    digest = hashlib.sha256()
    with _opened(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise ExportRefused(f"{path} cannot be read: {error.strerror}") from error


class Reader:
    """Reads the rows of one provider's export that covers the days from `first` up to, not including, `end`."""

    def __init__(self, provider: Provider, first: date, end: date, problems: Problems) -> None:
        self._layouts = LAYOUTS[provider]
        self._first, self._end, self._problems = first, end, problems
        self._provider = provider
        self._kinds: set[str | None] = set()
        self._empty: set[date] = set()

    def rows(self, path: Path) -> Iterator[Exported | NothingUsed]:
        """The good rows of a file; what is wrong is noted. Raises `ExportRefused` when it cannot be read at all."""
        self._kinds, self._empty = set(), set()
        with _opened(path) as file:
            if path.suffix == ".csv":
                yield from self._csv(str(path), file)
            elif path.suffix in _JSON_LINES:
                yield from self._json_lines(str(path), file)
            elif path.suffix == ".json":
                yield from self._json(path, file)
            else:
                raise ExportRefused(f"{path}: its name has to end in .csv, .json or {' or '.join(_JSON_LINES)}")
        # What kind of rows an empty bucket has none of is only known from the others of its file.
        yield from (NothingUsed(kind, day) for kind in self._kinds or {None} for day in sorted(self._empty))

    def _csv(self, name: str, file: IO[bytes]) -> Iterator[Exported | NothingUsed]:
        """Lines are numbered as an editor does; a row that goes on over lines has the number of its last."""
        lines = csv.reader(self._texts(name, file), strict=True)
        header: list[str] = []
        layout: Layout | None = None
        while True:
            try:
                values = next(lines)
            except StopIteration:
                break
            except csv.Error as error:
                self._problems.add(f"{name}: line {lines.line_num}", f"not CSV: {error}")
                continue
            where = f"{name}: line {lines.line_num}"
            if layout is None:
                header = [value.strip() for value in values]
                layout = self._layout_of_header(where, header)
                if layout is None:
                    return
            elif len(values) != len(header):
                if values:
                    self._problems.add(where, f"has {len(values)} fields, the header {len(header)}")
            else:
                yield from self._row(layout, dict(zip(header, values, strict=True)), where, None)
        if layout is None:
            self._problems.add(name, "is empty")

    def _layout_of_header(self, where: str, header: Sequence[str]) -> Layout | None:
        if len(set(header)) != len(header):
            self._problems.add(where, "a column stands twice")
            return None
        return self._layout(where, set(header), header)

    def _texts(self, name: str, file: Iterable[bytes]) -> Iterator[str]:
        for number, line in enumerate(file, 1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                self._problems.add(f"{name}: line {number}", "is not UTF-8")
                yield line.decode(errors="replace")

    def _json_lines(self, name: str, file: IO[bytes]) -> Iterator[Exported | NothingUsed]:
        last: tuple[str, bool] | None = None
        for number, line in enumerate(file, 1):
            if line.strip():
                where = f"{name}: line {number}"
                document = self._parsed(line, where)
                if isinstance(document, dict) and "data" not in document:
                    yield from self._row(CALLS, _flat(document), where, None)
                elif document is not None:
                    yield from self._page(document, f"{where}, ")
                    last = (where, isinstance(document, dict) and bool(document.get("has_more")))
        self._complete(last)

    def _json(self, path: Path, file: IO[bytes]) -> Iterator[Exported | NothingUsed]:
        text = file.read(WHOLE_BYTES + 1)
        if len(text) > WHOLE_BYTES:
            raise ExportRefused(f"{path} is larger than {WHOLE_BYTES >> 20} MB: write its pages to a .jsonl file")
        document = self._parsed(text, str(path))
        if document is None:
            return
        pages = document if isinstance(document, list) else [document]
        for number, page in enumerate(pages):
            yield from self._page(page, f"{path}: " + (f"[{number}]." if isinstance(document, list) else ""))
        end = pages[-1] if pages else None
        self._complete((str(path), isinstance(end, dict) and bool(end.get("has_more"))))

    def _parsed(self, text: bytes, where: str) -> object:
        """None, with a problem noted, for what is no JSON; numbers with decimals stay exact."""
        try:
            document: object = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            self._problems.add(where, f"not JSON: {error or 'nested too deeply'}")
            return None
        if document is None:
            self._problems.add(where, "is null")
        return document

    def _complete(self, last: tuple[str, bool] | None) -> None:
        if last is not None and last[1]:
            self._problems.add(last[0], "has_more is true: the pages after it are missing")

    def _page(self, page: object, where: str) -> Iterator[Exported | NothingUsed]:
        buckets = page.get("data") if isinstance(page, dict) else None
        if not isinstance(buckets, list):
            self._problems.add(where.rstrip(" .,:"), "is no page of an export: it has no list 'data'")
            return
        for number, bucket in enumerate(buckets):
            yield from self._bucket(bucket, f"{where}data[{number}]")

    def _bucket(self, bucket: object, where: str) -> Iterator[Exported | NothingUsed]:
        results = bucket.get("results") if isinstance(bucket, dict) else None
        if not isinstance(bucket, dict) or not isinstance(results, list):
            self._problems.add(where, "is no bucket: it has no list 'results'")
            return
        fields = Fields(bucket, where, self._problems)
        names = next((names for names in _BUCKET_TIMES if fields.has(names[0])), _BUCKET_TIMES[0])
        begin, end = (fields.moment(name) for name in names)
        if begin is None or end is None:
            return
        window = Window(begin, end)
        if not results and self._first <= window.day < self._end:
            self._empty.add(window.day)
        for number, result in enumerate(results):
            place = f"{where}.results[{number}]"
            if not isinstance(result, dict):
                self._problems.add(place, "is no object")
            else:
                flat = _flat(result)
                layout = self._layout(place, flat.keys(), flat, result.get("object"))
                if layout is not None:
                    yield from self._row(layout, flat, place, window)

    def _layout(self, where: str, present: Iterable[str], shown: Iterable[str], named: object = None) -> Layout | None:
        names = set(present)
        for layout in self._layouts:
            if layout.name == named or (named is None and layout.marks <= names):
                return layout
        known = ", ".join(layout.name for layout in self._layouts)
        what = str(named) if named is not None else ", ".join(shown)
        self._problems.add(where, f"no export of {self._provider} that is known: {what[:200]}; known are {known}")
        return None

    def _row(
        self, layout: Layout, raw: Mapping[str, object], where: str, window: Window | None
    ) -> Iterator[Exported | NothingUsed]:
        row = layout.exported(Fields(raw, where, self._problems), window, self._first, self._end)
        if row is None:
            return
        self._kinds.add(row.kind)
        if row.measures.model is not None:
            yield row
        elif self._first <= row.window.day < self._end:
            yield NothingUsed(row.kind, row.window.day)


def _flat(raw: Mapping[str, object]) -> dict[str, object]:
    """Objects within by one name: `amount.value` is `amount_value`, as the downloads have it."""
    flat: dict[str, object] = {}
    for name, value in raw.items():
        if isinstance(value, dict):
            flat |= {f"{name}_{inner}": part for inner, part in value.items()}
        else:
            flat[name] = value
    return flat


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")
