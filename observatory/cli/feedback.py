"""`observatory feedback`: says how good the answer to a request was, onto `feedback.given`."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

import orjson
from cyclopts import Parameter
from pydantic import ValidationError

from observatory.adapters.feedback import publish_feedback
from observatory.adapters.kafka import explain
from observatory.cli.options import Json
from observatory.cli.output import print_json, stdout
from observatory.cli.outside import publisher, settings
from observatory.cli.problems import wrong_usage
from schemas.chat import DEFAULT_TENANT
from schemas.feedback import RATING, FeedbackGiven, ScoreKind


async def feedback(
    request: Annotated[UUID | None, Parameter(help="The request whose answer is scored.", show_default=False)] = None,
    /,
    *,
    up: Annotated[bool, Parameter(show_default=False, help="A good answer: the value 1.")] = False,
    down: Annotated[bool, Parameter(show_default=False, help="A bad one: the value 0.")] = False,
    value: Annotated[float | None, Parameter(help="Or a score between 0 (bad) and 1 (good).")] = None,
    name: Annotated[str, Parameter(help="What is scored, for example relevance.")] = RATING,
    kind: Annotated[ScoreKind, Parameter(help="Who judged: a user, or a program.")] = "user",
    comment: Annotated[str | None, Parameter(help="In words.")] = None,
    user: Annotated[str | None, Parameter(help="Who gave it.")] = None,
    tenant: Annotated[str, Parameter(help="Whose request it is.")] = DEFAULT_TENANT,
    conversation: Annotated[str | None, Parameter(help="Its conversation; without a request, all of it.")] = None,
    feedback_id: Annotated[UUID | None, Parameter(help="Its own id; the same id again is the same feedback.")] = None,
    json: Json = False,
) -> int:
    """Score the answer to a request, or a whole conversation; a later score of the same user and name replaces it.

    Some uses:

    `observatory feedback 0b7e6c9e-8f0e-4c7e-9d58-1a2b3c4d5e6f --up`

    `observatory feedback 0b7e6c9e-8f0e-4c7e-9d58-1a2b3c4d5e6f --value 0.8 --name relevance --kind automatic`

    `observatory feedback 0b7e6c9e-8f0e-4c7e-9d58-1a2b3c4d5e6f --down --comment "Wrong order number" --user alice`

    `observatory feedback --conversation order-4711 --down`
    """
    if up + down + (value is not None) != 1:
        raise wrong_usage("give exactly one of --up, --down and --value")
    if request is None and conversation is None:
        raise wrong_usage("give the request, or --conversation to score a conversation as a whole")
    given: dict[str, object | None] = {
        "feedback_id": feedback_id or uuid4(),
        "request_id": request,
        "tenant_id": tenant,
        "conversation_id": conversation,
        "user_id": user,
        "kind": kind,
        "name": name,
        "value": value,
        "thumbs": "up" if up else "down" if down else None,
        "comment": comment,
        "source": "observatory-cli",
        "given_at": datetime.now(UTC),
    }
    try:
        event = FeedbackGiven.model_validate(given)
    except ValidationError as error:
        raise wrong_usage(explain(error)) from error
    config = settings()
    async with publisher(config.kafka) as out:
        place = await (await publish_feedback(out, event))
    if json:
        print_json({**orjson.loads(event.to_json()), "partition": place.partition, "offset": place.offset})
    else:
        about = f"conversation {conversation}" if request is None else f"request {request}"
        stdout().print(f"Feedback {event.feedback_id} on {about} is taken.", markup=False)
    return 0
