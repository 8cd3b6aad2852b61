"""The web application: the files of its build at `/`, and its one page for every address that is a view of it.

The build is read when it is asked for and again when it has changed. Files whose names carry a hash may be kept for
ever; the page itself is asked for anew each time.
"""

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

DIST = Path(__file__).resolve().parents[2] / "web" / "dist"

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_SAFE = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_ANEW = "no-cache"
_PAGE = "/index.html"
_HASHED = "/assets/"
_ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""The best first."""

_NO_BUILD = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>LLM Observatory</title>"
    "<h1>The web application is not built</h1>"
    "<p>Run <code>make install</code> in the checkout (it needs Node.js 20 or newer) and load this page again."
    "<p>The API is here all the same: <a href=/openapi.json>its description</a>."
)


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the build: its type and its bytes by encoding, `identity` among them."""

    media_type: str
    bodies: Mapping[str, bytes]
    etag: str


class Web:
    """Serves the build; what is no file and no view of the page is left to `rest`."""

    def __init__(self, rest: ASGIApp, dist: Path = DIST) -> None:
        self._rest, self._dist = rest, dist
        self._files: Mapping[str, _File] = {}
        self._read_at: int | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        app = self._answer(Request(scope)) if scope["method"] in ("GET", "HEAD") else None
        await (app or self._rest)(scope, receive, send)

    def _answer(self, request: Request) -> Response | None:
        files = self._build()
        path = _PAGE if request.url.path == "/" else request.url.path
        if path in files and path != _PAGE:
            return _sent(files[path], request.headers, _FOR_EVER if path.startswith(_HASHED) else _ANEW)
        if path != _PAGE and "text/html" not in request.headers.get("accept", ""):
            return None
        if _PAGE not in files:
            return Response(_NO_BUILD, 503, _SAFE | {"cache-control": "no-store"}, "text/html")
        return _sent(files[_PAGE], request.headers, _ANEW)

    def _build(self) -> Mapping[str, _File]:
        try:
            written_at = (self._dist / _PAGE[1:]).stat().st_mtime_ns
        except FileNotFoundError:
            self._files, self._read_at = {}, None
            return self._files
        if written_at != self._read_at:
            self._files, self._read_at = dict(_files(self._dist)), written_at
        return self._files


def _files(dist: Path) -> list[tuple[str, _File]]:
    found = []
    for path in sorted(dist.rglob("*")):
        if not path.is_file() or path.suffix in _ENCODINGS.values():
            continue
        bodies = {"identity": path.read_bytes()}
        for encoding, suffix in _ENCODINGS.items():
            packed = path.with_name(path.name + suffix)
            if packed.is_file():
                bodies[encoding] = packed.read_bytes()
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        stat = path.stat()
        found.append((f"/{path.relative_to(dist).as_posix()}", _File(media_type, bodies, f'"{stat.st_mtime_ns:x}"')))
    return found


def _sent(file: _File, headers: Headers, caching: str) -> Response:
    kept = {**_SAFE, "cache-control": caching, "etag": file.etag, "vary": "accept-encoding"}
    if headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=kept)
    accepted = {part.partition(";")[0].strip() for part in headers.get("accept-encoding", "").split(",")}
    encoding = next((each for each in _ENCODINGS if each in accepted and each in file.bodies), "identity")
    if encoding != "identity":
        kept["content-encoding"] = encoding
    return Response(file.bodies[encoding], 200, kept, file.media_type)
