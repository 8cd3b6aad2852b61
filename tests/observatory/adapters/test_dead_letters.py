"""What is said of a dead letter, whoever wrote it."""

import pytest
from aiokafka.structs import ConsumerRecord

from observatory.adapters.dead_letters import letter_of
from observatory.adapters.kafka import Record


@pytest.mark.parametrize("text", ["²", "٣", "-1", "9" * 5000, "", "x"])
def test_a_place_that_is_no_number_is_unknown(text: str) -> None:
    headers = [("dlq_partition", text.encode()), ("dlq_offset", text.encode())]
    record: Record = ConsumerRecord("chat.requests.dlq", 0, 0, 0, 0, None, None, None, 0, 0, headers)
    letter = letter_of(record)
    assert (letter.source_partition, letter.source_offset) == (None, None)
