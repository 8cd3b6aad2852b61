"""Why a measurement cannot be made."""


class BenchError(Exception):
    """A measurement cannot be made; the message says which and why."""
