"""Bodies of `/api/v1/analytics/{quality,conversations,users}`. Amounts are decimal strings in US dollars, exact."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Amount, Body, Name, Time, Usd
from schemas.feedback import ScoreKind, ScoreName
from schemas.http import HttpBody
from schemas.http_analytics import PeriodParameters

QualityStep = Literal["day", "month", "none"]
QualityGroup = Literal["tenant", "provider", "model", "prompt_version"]
ConversationOrder = Literal["last_activity", "cost", "tokens", "quality"]
Share = Annotated[float, Field(ge=0, le=1)]


Wanted = list[Name] | None


class QualityParameters(PeriodParameters):
    """Which scores: of calls that began on a day (UTC) of the period. A name that is given twice takes both."""

    granularity: Annotated[QualityStep, Field(description="One row for each day, each month, or the period.")] = "day"
    group_by: Annotated[
        str,
        Field(
            description="A comma list of tenant, provider, model, prompt_version; empty: none. Scores of different "
            "kinds and names are always apart.",
            max_length=200,
        ),
    ] = "model"
    tenant: Annotated[Wanted, Field(description="Only of these tenants; a key sees its own only.")] = None
    provider: Annotated[Wanted, Field(description="Only calls to these providers.")] = None
    model: Annotated[Wanted, Field(description="Only calls of these models, as answered, else as asked.")] = None
    prompt_version: Annotated[Wanted, Field(description="Only calls with these versions of a prompt.")] = None
    kind: Annotated[ScoreKind | None, Field(description="Only scores by users, or automatic ones.")] = None
    name: Annotated[ScoreName | None, Field(description="Only scores of this name, for example rating.")] = None
    unattached: Annotated[
        bool,
        Field(description="true: also scores about no call: of whole conversations, of requests without a known call."),
    ] = False


class QualityRow(Body):
    """What the scores of one kind and name in one group say.

    `start`: the first day of the step, null when the period is one. `low` and `high` are the 95 % confidence interval
    of the mean. `ups` lie above one half, `downs` below. `judged_calls` are the answering calls that the scores are
    about, each once, and `cost_usd` is what these cost, without the unpriced ones. `unattached` scores, where
    they are asked for, are about no call: they have no provider, model and prompt version, and the day on which they
    were given.
    """

    start: Time | None
    group: dict[str, str | None]
    kind: ScoreKind
    name: str
    scores: int
    unattached: int
    mean: Share
    low: Share
    high: Share
    ups: int
    downs: int
    judged_calls: int
    unpriced_calls: int
    cost_usd: Usd


class ConversationParameters(PeriodParameters):
    """Which conversations: whose last call began within the period."""

    order: Annotated[
        ConversationOrder, Field(description="What comes first: the latest, dearest, longest, best rated.")
    ] = "last_activity"
    tenant: Annotated[Name | None, Field(description="Only this tenant's; a key sees its own only.")] = None
    user: Annotated[Name | None, Field(description="With a call of this user.")] = None
    model: Annotated[Name | None, Field(description="With a call of this model, as answered, else as asked.")] = None
    min_cost_usd: Annotated[Amount | None, Field(description="That cost at least so much.")] = None
    min_turns: Annotated[int | None, Field(ge=1, le=2**31 - 1, description="With at least so many turns.")] = None
    named: Annotated[Name | None, Field(description="With this in its name, in whatever case.")] = None


class ModelUse(Body):
    """A model in a conversation.

    `most_input_tokens` is what it had to read in its longest answered turn, `window_use` that as a share of what it can
    read at once, null where that is not known.
    """

    model: str
    calls: int
    most_input_tokens: int | None
    context_window: int | None
    window_use: float | None


class ScoreMean(Body):
    """The mean of the scores of one kind and name."""

    kind: str
    name: str
    scores: int
    mean: Share


class TokenSums(Body):
    """Disjoint buckets, as of a call's usage; reasoning is a part of the output."""

    uncached_input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    input_audio_tokens: int
    output_audio_tokens: int
    input_image_tokens: int


class ContextView(Body):
    """What the answered turns had to read, in tokens: the first, the last, the most, and how many more each turn."""

    turns: int
    first_tokens: int
    last_tokens: int
    most_tokens: int
    growth_tokens: float | None


class ConversationRow(Body):
    """A whole conversation, also what lies before the period.

    `turns` are requests that were sent to a provider, `calls` all attempts. `cost_usd` lacks the unpriced calls and has
    the estimated part in it. `window_use` is the largest of its models. `other_…`: what more models and users than are
    listed had. `late_turns` came when later ones could not change any more: they are not in `context`.
    """

    tenant_id: str
    conversation_id: str
    first_activity: Time
    last_activity: Time
    turns: int
    calls: int
    errors: int
    unpriced_calls: int
    estimated_calls: int
    tokens: TokenSums
    cost_usd: Usd
    estimated_cost_usd: Usd
    context: ContextView
    window_use: float | None
    models: list[ModelUse]
    other_model_calls: int
    users: list[str]
    other_user_calls: int
    quality: list[ScoreMean]
    late_turns: int


class UserParameters(HttpBody):
    """Whose user is meant."""

    tenant: Annotated[Name | None, Field(description="The user's tenant; a key has its own.")] = None


class ModelCalls(Body):
    """How many calls went to a model, as answered, else as asked."""

    model: str
    calls: int


class UserView(Body):
    """A user, over all that is kept; figures as in `ConversationRow`. Everything up to `watermark` is in them."""

    tenant_id: str
    user_id: str
    first_activity: Time
    last_activity: Time
    requests: int
    calls: int
    errors: int
    unpriced_calls: int
    estimated_calls: int
    tokens: TokenSums
    cost_usd: Usd
    estimated_cost_usd: Usd
    models: list[ModelCalls]
    other_model_calls: int
    quality: list[ScoreMean]
    watermark: Time | None
