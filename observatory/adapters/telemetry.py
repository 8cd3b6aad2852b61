"""What a process says about itself: JSON lines on standard error, `/healthz` and Prometheus `/metrics` over HTTP."""

import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from schemas.base import rfc3339

Health = Callable[[], Mapping[str, object]]
"""Tells how the process is; the key `ok` decides between 200 and 503."""

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class _JsonFormatter(logging.Formatter):
    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "component": self._component,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((k, v) for k, v in record.__dict__.items() if k not in _STANDARD)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure_logging(level: str, component: str) -> None:
    """One JSON object a line; `extra={"request_id": …}` becomes fields of it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter(component))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("aiokafka", "asyncpg", "httpx", "httpx2", "openai", "anthropic", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))


class MetricsServer:
    """Serves `/healthz` and `/metrics`; port 0 means none."""

    def __init__(self, host: str, port: int, health: Health) -> None:
        self._host, self._port, self._health = host, port, health
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Begins to listen. Raises `OSError` when the port is taken."""
        await self._runner.setup()
        if self._port:
            await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """Closes the port."""
        await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        state = self._health()
        status = 200 if state.get("ok") else 503
        return web.Response(status=status, body=orjson.dumps(dict(state), default=str), content_type="application/json")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})
