"""Puts the gateway together: what it needs, its routes, and the order in which it starts and stops."""

import asyncio
import logging

from aiokafka.errors import KafkaError
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from observatory.adapters.answers import AnswerListener
from observatory.adapters.kafka import Publisher, topic_name
from observatory.adapters.settings import Settings
from observatory.adapters.tracing import Tracing
from schemas.topics import LLM_CALLS
from workers.gateway.access import KeyRing, is_loopback
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.api import build_api
from workers.gateway.api_alerts import alerts_router
from workers.gateway.api_analytics import analytics_router
from workers.gateway.api_anomalies import anomalies_router
from workers.gateway.api_budgets import BudgetDesk, budgets_router
from workers.gateway.api_calls import calls_router
from workers.gateway.api_chat import ChatDesk, chat_router
from workers.gateway.api_conversation_costs import conversation_costs_router
from workers.gateway.api_conversations import ConversationStore, conversations_router
from workers.gateway.api_dead_letters import dead_letters_router
from workers.gateway.api_experiment_results import experiment_results_router
from workers.gateway.api_experiments import experiments_router
from workers.gateway.api_feedback import FeedbackDesk, feedback_router
from workers.gateway.api_latency import latency_router
from workers.gateway.api_live import live_router
from workers.gateway.api_prices import PriceDesk, prices_router
from workers.gateway.api_quality import quality_router
from workers.gateway.api_recommendations import recommendations_router
from workers.gateway.api_repricing import RepricingDesk, repricing_router
from workers.gateway.api_search import search_router
from workers.gateway.api_status import status_router
from workers.gateway.api_traces import traces_router
from workers.gateway.api_turns import turns_router
from workers.gateway.api_users import users_router
from workers.gateway.database import Database
from workers.gateway.dead_letter_desk import DeadLetterDesk
from workers.gateway.intake import Intake
from workers.gateway.live_feed import LiveFeed
from workers.gateway.metrics import WAITING
from workers.gateway.models import Models
from workers.gateway.openai_routes import ChatCompletions, OpenAIEndpoint, nothing_here
from workers.gateway.operations import Operations
from workers.gateway.resuming import Resuming
from workers.gateway.status_desk import StatusDesk
from workers.gateway.tracing import RequestTraces
from workers.gateway.watched import Watched
from workers.gateway.web import Web

log = logging.getLogger(__name__)

PAUSE_S = 1.0
HOT_PATH = "/v1/chat/completions"


class Gateway:
    """Everything that one gateway process holds. It begins to connect to Kafka when it is made, in a running loop."""

    def __init__(self, settings: Settings) -> None:
        name = settings.instance or "gateway"
        self.settings = settings
        self.database = Database(settings.database_url)
        self.analytics = AnalyticsDesk(settings.database_url, topic_name(settings.kafka, LLM_CALLS))
        self.keys = KeyRing(self.database, loopback=is_loopback(settings.http_host))
        self.listener = AnswerListener(settings.kafka, name)
        self.publisher = Publisher(settings.kafka, name)
        self.tracing = Tracing(settings, "gateway")
        self.intake = Intake(self.publisher, self.listener, self.database, settings.chat.deadline_s)
        self.resuming = Resuming(settings.kafka, name, self.listener, self.intake)
        self.live = LiveFeed(settings.kafka, name)
        self._publishing = False
        self.running: asyncio.Task[None] = asyncio.create_task(self._run(), name="Kafka")
        """Connects and then reads answers; ends only by failing: then the process is of no use any more."""
        WAITING.set_function(lambda: self.listener.waiting)

    async def start(self) -> None:
        """Connects to the database. Requests are refused with 503 until Kafka is there too. Raises `OpenToAll`."""
        self.tracing.start()
        await self.database.start()
        await self.analytics.start()
        await self.keys.start()

    async def stop(self) -> None:
        """Disconnects."""
        if not self.running.done():
            self.running.cancel()
            await asyncio.wait((self.running,))
        await self.keys.stop()
        await self.live.stop()
        await self.listener.stop()
        await self.tracing.stop()
        if self._publishing:
            await self.publisher.stop()
        await self.analytics.stop()
        await self.database.stop()

    async def _run(self) -> None:
        await self._connect()
        await self.listener.reading()

    async def _connect(self) -> None:
        """The producer first: who hears answers may ask."""
        while not self.listener.ready:
            try:
                if not self._publishing:
                    await self.publisher.start()
                    self._publishing = True
                await self.listener.start()
            except KafkaError as error:
                log.warning("Kafka: %r, again in %.1f s", error, PAUSE_S)
                await asyncio.sleep(PAUSE_S)


def build_app(gateway: Gateway) -> ASGIApp:
    """The ASGI application: the drop-in surface by plain routes, everything else by FastAPI."""
    operations = Operations(gateway.listener, gateway.database, gateway.keys)
    traces = RequestTraces(gateway.tracing)
    completions = ChatCompletions(gateway.intake, gateway.listener, gateway.keys, traces)
    models = OpenAIEndpoint("/v1/models", Models(gateway.settings.providers, gateway.keys))
    rest = build_rest(gateway, traces)
    routed = Starlette(
        routes=[
            Route("/v1/models", models),
            Route("/v1/models/{model:path}", models),
            Route("/v1/{rest:path}", OpenAIEndpoint("/v1", nothing_here)),
            Route("/healthz", operations.healthz),
            Route("/readyz", operations.readyz),
            Route("/metrics", operations.metrics),
            Route("/openapi.json", rest),
            Route("/api/{rest:path}", rest),
            Mount("/", Web(rest)),
        ]
    )
    routed.router.default = rest  # for a path with a line break in it, which no pattern matches
    return _HotPath(OpenAIEndpoint(HOT_PATH, completions), routed)


class _HotPath:
    """Answers one path before any routing and middleware, which would cost a tenth of such a request."""

    def __init__(self, hot: ASGIApp, rest: ASGIApp) -> None:
        self._hot, self._rest = hot, rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._hot if scope["path"] == HOT_PATH else self._rest
        await app(scope, receive, send)


def build_rest(gateway: Gateway, traces: RequestTraces) -> FastAPI:
    """Everything under `/api`."""
    desk = ChatDesk(gateway.intake, gateway.listener, gateway.resuming)
    settings = gateway.settings
    patience_s = settings.chat.deadline_s
    letters = DeadLetterDesk(settings.kafka, gateway.database, settings.operator_keys)
    status = StatusDesk(settings.kafka, gateway.database, Watched(settings.processes), letters)
    return build_api(
        gateway.keys,
        traces,
        conversations_router(ConversationStore(gateway.database), desk),
        chat_router(desk, gateway.database, patience_s),
        feedback_router(FeedbackDesk(gateway.publisher, lambda: gateway.listener.ready), gateway.analytics),
        quality_router(gateway.analytics),
        conversation_costs_router(gateway.analytics),
        users_router(gateway.analytics),
        budgets_router(BudgetDesk(gateway.database)),
        alerts_router(gateway.database),
        analytics_router(gateway.analytics),
        latency_router(gateway.analytics),
        turns_router(gateway.analytics),
        calls_router(gateway.analytics),
        anomalies_router(gateway.database),
        recommendations_router(gateway.analytics),
        traces_router(gateway.analytics),
        prices_router(PriceDesk(gateway.database)),
        search_router(gateway.analytics),
        live_router(gateway.live, gateway.database),
        repricing_router(RepricingDesk(gateway.database)),
        status_router(status, settings.kafka),
        dead_letters_router(letters),
        experiments_router(gateway.database),
        experiment_results_router(gateway.database, gateway.analytics),
    )
