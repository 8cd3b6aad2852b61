"""`/healthz`, `/readyz` and `/metrics`."""

import asyncio

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from observatory.adapters.answers import AnswerListener
from workers.gateway.access import KeyRing
from workers.gateway.database import Database, DatabaseAway
from workers.gateway.metrics import REACHABLE

PATIENCE_S = 1.0


class Operations:
    """How the process is, for people and supervisors."""

    def __init__(self, listener: AnswerListener, database: Database, keys: KeyRing) -> None:
        self._listener, self._database, self._keys = listener, database, keys

    async def healthz(self, _: Request) -> Response:
        """The process lives (200), with the state of what it needs."""
        kafka, database = await asyncio.gather(self._kafka(), self._postgres())
        state = {"ok": True, "kafka": kafka, "database": database, "waiting": self._listener.waiting}
        return Response(orjson.dumps(state), media_type="application/json")

    async def readyz(self, _: Request) -> Response:
        """Whether a chat request would be taken: 200 or 503."""
        kafka = await self._kafka()
        ready = kafka == "ok" and self._keys.known
        state = {"ok": ready, "kafka": kafka, "keys": "ok" if self._keys.known else "not read yet"}
        return Response(orjson.dumps(state), 200 if ready else 503, media_type="application/json")

    async def metrics(self, _: Request) -> Response:
        """Prometheus' text format; what the gateway needs is asked for it."""
        kafka, database = await asyncio.gather(self._kafka(), self._postgres())
        REACHABLE.labels("kafka").set(kafka == "ok")
        REACHABLE.labels("database").set(database == "ok")
        return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})

    async def _kafka(self) -> str:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return "ok" if await self._listener.reachable() else "away"
        except TimeoutError:
            return "away"

    async def _postgres(self) -> str:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._database.run(lambda pool: pool.fetchval("SELECT 1"))
                return "ok"
        except (TimeoutError, DatabaseAway):
            return "away"
