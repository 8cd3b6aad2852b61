"""`python -m workers.gateway.openapi FILE`: writes the OpenAPI document of the gateway, which nothing needs to run for.

The web application's types are made from it: `npm run api` in `web/`.
"""

import asyncio
import sys
from pathlib import Path

import orjson

from observatory.adapters.settings import Settings
from workers.gateway.app import Gateway, build_rest
from workers.gateway.tracing import RequestTraces


async def document() -> dict[str, object]:
    """The document, as a gateway serves it at `/openapi.json`."""
    gateway = Gateway(Settings())
    gateway.running.cancel()
    document: dict[str, object] = build_rest(gateway, RequestTraces(gateway.tracing)).openapi()
    return document


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(orjson.dumps(asyncio.run(document()), option=orjson.OPT_INDENT_2))
