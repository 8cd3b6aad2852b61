"""What `/api/v1/live` says besides the events of the topics."""

from schemas.base import Body, Time


class LiveStatus(Body):
    """Once a second: up to when all windows are complete, and how many calls are in flight.

    `complete_until` is null before every partition was read, `in_flight` while the database is away.
    """

    tenant_id: str
    complete_until: Time | None
    in_flight: int | None
