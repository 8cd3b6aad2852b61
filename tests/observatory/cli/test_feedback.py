"""`observatory feedback`, on a real broker."""

from uuid import uuid4

from observatory.adapters.kafka import read_event, topic_name
from observatory.cli.following import follow
from schemas.feedback import FeedbackGiven
from schemas.topics import FEEDBACK_GIVEN
from tests.observatory.cli.conftest import Cli
from tests.streams.ledger.ground import Ground


async def test_feedback_is_published_under_the_key_of_its_conversation(ground: Ground, cli: Cli) -> None:
    request_id, feedback_id = str(uuid4()), str(uuid4())
    ran = await cli(
        "feedback", request_id, "--value", "0.8", "--name", "relevance", "--kind", "automatic", "--tenant", "acme",
        "--conversation", "c1", "--feedback-id", feedback_id, "--json",
    )  # fmt: skip
    assert ran.code == 0
    (shown,) = ran.lines()
    assert isinstance(shown, dict)
    assert shown["feedback_id"] == feedback_id
    found = []
    async with follow(ground.settings.kafka, topic_name(ground.settings.kafka, FEEDBACK_GIVEN), "beginning") as topic:
        async for records in topic.up_to_now():
            found += [(record.key, read_event(record, FeedbackGiven)[1]) for record in records]
    ((key, event),) = [(key, event) for key, event in found if event.feedback_id.hex == feedback_id.replace("-", "")]
    assert key == b"c1"
    assert (event.kind, event.name, event.millionths, event.tenant_id) == ("automatic", "relevance", 800_000, "acme")


async def test_a_conversation_as_a_whole_may_be_scored(cli: Cli) -> None:
    ran = await cli("feedback", "--conversation", "c1", "--up")
    assert (ran.code, ran.stdout.split(" on ")[1]) == (0, "conversation c1 is taken.\n")
    ran = await cli("feedback", "--up")
    assert (ran.code, len(ran.stderr.strip().splitlines())) == (2, 1)


async def test_what_is_no_score_is_wrong_usage(cli: Cli) -> None:
    for score in ([], ["--up", "--down"], ["--value", "1.5"], ["--up", "--name", "Two words"]):
        ran = await cli("feedback", str(uuid4()), *score)
        assert ran.code == 2
        assert len(ran.stderr.strip().splitlines()) == 1
