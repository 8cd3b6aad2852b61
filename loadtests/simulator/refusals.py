"""Refusals: why a call gets an error, before any provider's way of saying it."""


class Refusal(Exception):
    """A call that is answered with an error status and not billed.

    `code` is OpenAI's error code where it has one; `retry_after` goes into the header of that name, in
    seconds.
    """

    def __init__(self, status: int, message: str, *, code: str | None = None, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.retry_after = retry_after
