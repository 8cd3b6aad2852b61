"""How the other processes are: each is asked at its health address, every few seconds at most for all who ask."""

import asyncio
from collections.abc import Mapping

import aiohttp

from workers.gateway.remembered import Remembered

PATIENCE_S = 2.0
EVERY_S = 5.0
_SHOWN = 200


class Watched:
    """The processes of `OBSERVATORY_PROCESSES`."""

    def __init__(self, told: str) -> None:
        self._addresses = dict(one.split("=", 1) for one in told.split(",") if one)
        self._found = Remembered(self._ask_all, EVERY_S)

    async def problems(self) -> Mapping[str, str | None]:
        """Of each process why it is not well; None: it is."""
        return await self._found.get()

    async def _ask_all(self) -> Mapping[str, str | None]:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            found = await asyncio.gather(*(_problem(http, address) for address in self._addresses.values()))
        return dict(zip(self._addresses, found, strict=True))


async def _problem(http: aiohttp.ClientSession, address: str) -> str | None:
    try:
        async with http.get(address) as answer:
            if answer.status == 200:
                return None
            return f"HTTP {answer.status}: {(await answer.text())[:_SHOWN]}"
    except TimeoutError:
        return f"no answer within {PATIENCE_S:.0f} s"
    except aiohttp.ClientConnectorError as error:
        return f"no connection to {error.host}:{error.port}"
    except aiohttp.ClientError as error:
        return str(error) or type(error).__name__
