"""Puts feedback into the partition of the calls that it is about.

Clients publish feedback under whatever key, by whatever partitioner, and may not know the conversation. Calls are keyed
by what the journal says of their request; for one that it does not know, by the conversation, else by the request.
"""

from collections.abc import Sequence

from observatory.adapters.kafka import Record
from observatory.adapters.postgres.feedback import Keyed, record_keys
from observatory.adapters.postgres.pool import Pool
from schemas.envelope import event_id, request_key
from schemas.feedback import FeedbackGiven
from schemas.topics import FEEDBACK_GIVEN, FEEDBACK_ROUTED
from streams.engine.fold import Outgoing, Relay
from streams.feedback.events import read_given


async def route(pool: Pool, records: Sequence[Record]) -> list[Outgoing]:
    """The same feedback for `feedback.routed`. Raises one of `pool.TRANSIENT` when the database is away."""
    given = [read_given(record) for record in records]
    requests = {(one.tenant_id, one.request_id) for one in given if one.request_id is not None}
    known = await record_keys(pool, requests) if requests else {}
    return [
        _outgoing(one, None if one.request_id is None else known.get((one.tenant_id, one.request_id))) for one in given
    ]


def _outgoing(given: FeedbackGiven, keyed: Keyed | None) -> Outgoing:
    routed, key = given, given.key
    if keyed is not None:
        routed, key = given.model_copy(update={"conversation_id": keyed.conversation_id}), keyed.record_key
    ce_id = event_id(request_key(given.tenant_id, given.feedback_id), FeedbackGiven.ce_type)
    return Outgoing(FEEDBACK_ROUTED, key, FeedbackGiven, routed.to_json(), ce_id)


FEEDBACK_ROUTING = Relay(name="feedback_routing", input=FEEDBACK_GIVEN, relay=route)
