"""A conversation's context: the same whether turns were appended one by one or placed between others."""

from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.rules.conversations import MOST_TURNS, Conversation, Series, Turn, place_turn

MANY = MOST_TURNS + 20


def placed(turns: list[Turn]) -> Conversation:
    one = Conversation(tenant_id="acme", conversation_id="c", first_us=0, last_us=0)
    for turn in turns:
        place_turn(one, turn.request_id, turn)
    return one


def series(turns: list[Turn]) -> Series:
    found = Series()
    for turn in turns:
        found.append(turn)
    return found


@settings(max_examples=60)
@given(st.permutations(range(MOST_TURNS)), st.integers(1, 5))
def test_the_context_is_that_of_the_turns_in_the_order_of_their_start(order: list[int], models: int) -> None:
    turns = [Turn(number, f"r{number}", number * 7 % 50, f"m{number % models}") for number in range(MOST_TURNS)]
    one = placed([turns[number] for number in order])
    assert one.context == series(turns)
    assert one.growth == one.context.growth


def test_a_turn_is_replaced_or_taken_away_wherever_it_stands() -> None:
    turns = [Turn(number, f"r{number}", 10 * number, "m") for number in range(MANY)]
    one = placed(turns)
    assert one.context == series(turns)
    changed = Turn(MANY - 30, f"r{MANY - 30}", 5_000, "other")
    place_turn(one, changed.request_id, changed)
    turns[MANY - 30] = changed
    assert one.context == series(turns)
    place_turn(one, turns[-1].request_id, None)
    assert one.context == series(turns[:-1])
    assert len(one.recent) == MOST_TURNS - 1
