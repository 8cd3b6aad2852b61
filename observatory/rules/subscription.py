"""What a subscriber to one request does: every answer is seen once, void attempts and anything late are passed over.

Repeats are known by `ce_id`. A delta of an attempt below the highest seen is void. After the first `chat.completed` or
`chat.failed` the request is over and nothing counts any more.
"""

from typing import TypeAlias

from schemas.chat import ChatCompleted, ChatDelta, ChatFailed, ChatRestarted

Answer: TypeAlias = ChatDelta | ChatRestarted | ChatCompleted | ChatFailed
Outcome: TypeAlias = ChatCompleted | ChatFailed

ANSWERS: tuple[type[Answer], ...] = (ChatDelta, ChatRestarted, ChatCompleted, ChatFailed)
OUTCOME_TYPES = frozenset({ChatCompleted.ce_type, ChatFailed.ce_type})


class Subscription:
    """The state of following one request; one instance for each follower."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._attempt = 0
        self._over = False

    @property
    def over(self) -> bool:
        """True once the outcome was accepted."""
        return self._over

    def accepts(self, ce_id: str, answer: Answer) -> bool:
        """Whether this answer is to be shown; remembers it when it is."""
        if self._over or ce_id in self._seen:
            return False
        if isinstance(answer, ChatCompleted | ChatFailed):
            self._over = True
        elif answer.attempt < self._attempt:
            return False
        else:
            self._attempt = answer.attempt
        self._seen.add(ce_id)
        return True
