"""`/api/v1/analytics/conversations`: what they cost, how their context grows, how good the answers were."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from observatory.adapters.context_windows import context_window
from observatory.adapters.postgres.quality import ConversationQuery, Place, read_conversations, watermark
from observatory.rules.conversations import Conversation
from observatory.rules.instants import at_us, us_of
from schemas.http_analytics import MAX_ROWS, AnalyticsAnswer
from schemas.http_quality import (
    ContextView,
    ConversationParameters,
    ConversationRow,
    ModelUse,
)
from workers.gateway.analytics_answers import csv_answer, json_answer, one_by_one, wants_csv
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.analytics_query import Position, asked, described_query, only_tenant, parameters_of
from workers.gateway.api_bodies import Asker
from workers.gateway.api_users import mean_view, tokens_view
from workers.gateway.refusals import invalid

DEFAULT_CONVERSATIONS = 50


def conversation_costs_router(desk: AnalyticsDesk) -> APIRouter:
    """The endpoint."""
    router = APIRouter(prefix="/api/v1/analytics", tags=["analytics"])
    query = Annotated[ConversationParameters, Depends(parameters_of(ConversationParameters))]

    @router.get(
        "/conversations",
        openapi_extra=described_query(ConversationParameters),
        responses={200: {"model": AnalyticsAnswer[ConversationRow]}},
    )
    async def conversations(request: Request, access: Asker, parameters: query) -> Response:
        """Conversations whose last call began within the period, in the order asked for."""
        question = asked(request, parameters, access)
        wanted = ConversationQuery(
            start_us=us_of(question.period.start),
            end_us=us_of(question.period.end),
            order=parameters.order,
            tenant=only_tenant(access, parameters.tenant),
            user=parameters.user,
            model=parameters.model,
            min_cost_usd=parameters.min_cost_usd,
            min_turns=parameters.min_turns,
            named=parameters.named,
        )
        as_csv = wants_csv(request, parameters)
        limit = parameters.limit or (MAX_ROWS if as_csv else DEFAULT_CONVERSATIONS)
        after = _after(question.after)
        # Asked first: what comes in between is in the answer and beyond what it promises.
        until = await desk.read(watermark)
        found = await desk.read(lambda pool: read_conversations(pool, wanted, after, limit + 1))
        last = found[limit - 1][0] if len(found) > limit else None
        following = question.next(format(last.position, "f"), last.key, last.part) if last else None
        rows = [_row(one) for _, one in found[:limit]]
        if as_csv:
            return csv_answer(ConversationRow, question.period, until, one_by_one(rows), following=following)
        return json_answer(ConversationRow, question.period, until, rows, following)

    return router


def _after(position: Position | None) -> Place | None:
    if position is None:
        return None
    match list(position):
        case [str(value), str(key), int(part)] if (after := _decimal(value)) is not None:
            return Place(after, key, part)
    raise invalid("the cursor is not one that a page of this list gave", "cursor")


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _row(one: Conversation) -> ConversationRow:
    sums, models = one.sums, _models(one)
    return ConversationRow(
        tenant_id=one.tenant_id,
        conversation_id=one.conversation_id,
        first_activity=at_us(one.first_us),
        last_activity=at_us(one.last_us),
        turns=sums.requests,
        calls=sums.calls,
        errors=sums.errors,
        unpriced_calls=sums.unpriced_calls,
        estimated_calls=sums.estimated_calls,
        tokens=tokens_view(sums),
        cost_usd=sums.cost_usd,
        estimated_cost_usd=sums.estimated_cost_usd,
        context=ContextView(
            turns=one.context.turns,
            first_tokens=one.context.first,
            last_tokens=one.context.last,
            most_tokens=one.context.most,
            growth_tokens=one.growth,
        ),
        window_use=max((model.window_use for model in models if model.window_use is not None), default=None),
        models=models,
        other_model_calls=one.other_model_calls,
        users=list(one.users),
        other_user_calls=one.other_user_calls,
        quality=[mean_view(name, tally) for name, tally in sorted(one.scores.items())],
        late_turns=one.late_turns,
    )


def _models(one: Conversation) -> list[ModelUse]:
    found = []
    for model, calls in sorted(one.models.items()):
        most, window = one.context.most_by_model.get(model), context_window(model)
        use = None if most is None or window is None else most / window
        found.append(ModelUse(model=model, calls=calls, most_input_tokens=most, context_window=window, window_use=use))
    return found
