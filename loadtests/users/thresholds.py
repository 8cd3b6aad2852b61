"""What a load test must reach: the plan's figures, for any number of users. Pure.

The plan: 100 concurrent users, 1,000 messages a minute, 95 % of the answers within 3 s with a model that takes one,
less than 1 % errors.
"""

from dataclasses import dataclass

MESSAGES_A_MINUTE_EACH = 10
P95_MS = 3_000.0
ERROR_SHARE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a run saw of messages, from when all its users were there: `messages` are all, `errors` among them."""

    users: int
    seconds: float
    messages: int
    errors: int
    p95_ms: float


def missed(seen: Seen) -> list[str]:
    """A line for each threshold that was missed; none when all is well."""
    if not seen.messages or seen.seconds <= 0:
        return ["no message was answered"]
    lines = []
    wanted = MESSAGES_A_MINUTE_EACH * seen.users
    per_minute = (seen.messages - seen.errors) * 60 / seen.seconds
    if per_minute < wanted:
        lines.append(f"{per_minute:,.0f} messages a minute were answered, {wanted:,} are wanted of {seen.users} users")
    if seen.p95_ms >= P95_MS:
        lines.append(f"95 % of the answers came within {seen.p95_ms:,.0f} ms, less than {P95_MS:,.0f} ms are wanted")
    share = seen.errors / seen.messages
    if share >= ERROR_SHARE:
        lines.append(f"{share:.2%} of {seen.messages:,} messages failed, less than {ERROR_SHARE:.0%} may")
    return lines
