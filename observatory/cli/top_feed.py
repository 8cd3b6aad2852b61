"""Listens to a gateway's `/api/v1/live` for as long as it is wanted; when it breaks off, goes on where it was."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import aiohttp
import orjson
from pydantic import ValidationError

from observatory.rules.live_windows import LiveWindows
from schemas.metrics import MetricsWindow

SILENCE_S = 5.0
"""A gateway says something every second: one that is silent for longer is away."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
NOT_YET = "not connected yet"


class Refused(Exception):
    """The gateway answers something else than a stream; the message says what."""


@dataclass
class Feed:
    """What was heard. `problem` is empty while the gateway is connected."""

    windows: LiveWindows = field(default_factory=LiveWindows)
    tenant_id: str | None = None
    in_flight: int | None = None
    complete_until: datetime | None = None
    problem: str = NOT_YET

    def take(self, event: str, data: bytes) -> None:
        """Notes an event; of kinds that are not known here nothing is noted. Raises `ValueError` for a broken one."""
        if event == "metrics.window":
            self.windows.take(MetricsWindow.model_validate_json(data))
        elif event == "status":
            status = orjson.loads(data)
            self.tenant_id, self.in_flight = status["tenant_id"], status["in_flight"]
            until = status["complete_until"]
            self.complete_until = None if until is None else datetime.fromisoformat(until)
            self.problem = ""


async def listen(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], feed: Feed) -> None:
    """Listens until cancelled; what is wrong is said in `feed.problem`."""
    last_id, pause = "", FIRST_PAUSE_S
    while True:
        try:
            async for event_id, event, data in _events(session, url, headers, last_id):
                last_id = event_id or last_id
                feed.take(event, data)
                pause = FIRST_PAUSE_S
            feed.problem = f"{url} ended the stream"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            feed.problem = f"{url} does not answer: {str(error) or type(error).__name__}"
        except Refused as error:
            feed.problem = str(error)
        except (ValidationError, ValueError, KeyError) as error:
            feed.problem = f"{url} says what is not understood: {str(error).splitlines()[0]}"
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


async def _events(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], last_id: str
) -> AsyncIterator[tuple[str, str, bytes]]:
    """Id, kind and data of each event."""
    resumed = {**headers, "last-event-id": last_id} if last_id else headers
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)
    async with session.get(f"{url}/api/v1/live", headers=resumed, timeout=timeout) as response:
        if response.status != 200:
            raise Refused(f"{url} refuses: {await refusal(response)}")
        event_id, event = "", ""
        async for line in response.content:
            name, _, value = line.rstrip(b"\r\n").partition(b": ")
            if name == b"id":
                event_id = value.decode()
            elif name == b"event":
                event = value.decode()
            elif name == b"data":
                yield event_id, event, value
                event_id, event = "", ""


async def refusal(response: aiohttp.ClientResponse) -> str:
    """What an answer that is none says, in one line."""
    with suppress(aiohttp.ClientError, ValueError, TypeError, KeyError):
        return f"HTTP {response.status}: {orjson.loads(await response.read())['detail']}"
    return f"HTTP {response.status}"
