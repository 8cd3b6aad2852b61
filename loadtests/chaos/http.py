"""An HTTP client that does as it is told: after an error it repeats with the same Idempotency-Key, until it has an
answer; then once more, to see whether the answer stays the same."""

import asyncio
import json
import random
from uuid import UUID

import aiohttp

from schemas.chat import ChatRequested

AGAIN_S = 0.5
ONCE_MORE_SHARE = 0.3
PATIENCE = aiohttp.ClientTimeout(total=150, connect=5)
FINAL = (200, 400, 402, 502)
"""An answer, or a bad outcome: refused by the provider or a budget, or the provider failed as often as it may."""
FINAL_CODES = ("invalid_request", "budget_exceeded", "provider_error")


class HttpClient:
    """Asks and remembers: `answers` are the distinct ones of each request; more than one is wrong."""

    def __init__(self, url: str, seed: int) -> None:
        self._url = url + "/v1/chat/completions"
        self._chance = random.Random(seed)
        self._session = aiohttp.ClientSession(timeout=PATIENCE, connector=aiohttp.TCPConnector(limit=0))
        self.answers: dict[UUID, set[str]] = {}
        self.repeats = 0

    async def stop(self) -> None:
        """Disconnects."""
        await self._session.close()

    async def ask(self, request: ChatRequested) -> None:
        """Returns when the request has its answer, however long that takes."""
        once_more = self._chance.random() < ONCE_MORE_SHARE
        answers = self.answers.setdefault(request.request_id, set())
        answers.add(await self._until_answered(request))
        if once_more:
            answers.add(await self._until_answered(request))

    async def _until_answered(self, request: ChatRequested) -> str:
        while True:
            try:
                answer = await self._once(request)
            except (aiohttp.ClientError, TimeoutError, OSError):
                answer = None
            if answer is not None:
                return answer
            self.repeats += 1
            await asyncio.sleep(AGAIN_S)

    async def _once(self, request: ChatRequested) -> str | None:
        """The answer's text, or the error's; None when it is to be asked for again."""
        headers = {"Idempotency-Key": str(request.request_id), "x-observatory-user": str(request.user_id)}
        headers["x-observatory-provider"] = str(request.provider)
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        body = {"model": request.model, "messages": messages, "stream": request.stream}
        if request.max_output_tokens is not None:
            body["max_tokens"] = request.max_output_tokens
        async with self._session.post(self._url, json=body, headers=headers) as response:
            told = await response.text()
            if response.status not in FINAL:
                return None
            if response.status != 200:
                return f"failed {json.loads(told)['error']['code']}"
            return _streamed(told) if request.stream else str(json.loads(told)["choices"][0]["message"]["content"])


def _streamed(events: str) -> str | None:
    """The text of a whole stream, the code of one that ended with an error; None of one that was cut."""
    text, whole = "", False
    for line in events.splitlines():
        if not line.startswith("data: "):
            continue
        if line == "data: [DONE]":
            whole = True
            continue
        event = json.loads(line.removeprefix("data: "))
        if "error" in event:
            # A stream that was shown in part and began again differently cannot be taken back: it is asked for again.
            code = str(event["error"].get("code"))
            return f"failed {code}" if code in FINAL_CODES else None
        text += "".join(choice["delta"].get("content") or "" for choice in event["choices"])
    return text if whole else None
