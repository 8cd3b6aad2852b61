"""Reads a streamed completion piece by piece: where its first token is, and whether it came to its end. Pure."""

import json


class StreamReader:
    """Server-sent events as OpenAI writes them: `data: {…}` lines, at last `data: [DONE]`."""

    def __init__(self) -> None:
        self._rest = b""
        self._text = False
        self._done = False
        self._error: str | None = None

    @property
    def problem(self) -> str | None:
        """Why what was read is no whole answer; None when it is one."""
        if self._error is not None:
            return self._error
        if not self._done:
            return "the stream ended without [DONE]"
        return None if self._text else "the stream had no text"

    def feed(self, piece: bytes) -> bool:
        """Takes the next piece; True when the first token is in it."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        had_text = self._text
        for line in lines:
            if line.startswith(b"data: "):
                self._read(line.removeprefix(b"data: ").strip())
        return self._text and not had_text

    def _read(self, data: bytes) -> None:
        if data == b"[DONE]":
            self._done = True
            return
        chunk = json.loads(data)
        if "error" in chunk:
            self._error = str(chunk["error"].get("message", chunk["error"]))
        elif not self._text:
            self._text = any(choice["delta"].get("content") for choice in chunk["choices"])
