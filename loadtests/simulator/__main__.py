"""Run the provider simulator: `python -m loadtests.simulator --port 8090 --bill bill.jsonl`."""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import uvloop

from loadtests.simulator.bill import BillWriter
from loadtests.simulator.control import Control
from loadtests.simulator.desk import Defaults, Desk
from loadtests.simulator.http import Connection
from loadtests.simulator.server import Server

_BACKLOG = 4096
_GRACE_S = 3.0


def main() -> None:
    """Read the command line and serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.simulator",
        description="Stands in for OpenAI (/v1/chat/completions, /v1/embeddings, /v1/models), Azure OpenAI "
        "(/openai/deployments/NAME/...) and Anthropic (/v1/messages), and bills what it serves.",
        epilog="A request dictates what happens to it with key=value pairs after @ in its model name, in the header "
        "x-sim, or as [[sim in=100 out=20 fault=500]] in its last user message; see directives.py for the keys.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="port to listen on (default %(default)s)")
    parser.add_argument("--bill", type=Path, required=True, help="JSON lines file that is appended to")
    parser.add_argument("--latency-ms", type=_milliseconds, default=0, help="wait before a plain answer")
    parser.add_argument("--ttft-ms", type=_milliseconds, default=0, help="wait before a stream's first token")
    options = parser.parse_args()
    try:
        uvloop.run(serve(options.host, options.port, options.bill, Defaults(options.latency_ms, options.ttft_ms)))
    except OSError as error:
        sys.exit(f"simulator: {error}")


async def serve(host: str, port: int, bill: Path, defaults: Defaults) -> None:
    """Serve until told to stop, then give calls in flight a moment and bill the rest. Raises OSError at start."""
    loop = asyncio.get_running_loop()
    desk = Desk(BillWriter(bill), defaults, loop)
    server, open_now = Server(desk, Control(desk)), set[Connection]()
    listener = await loop.create_server(
        lambda: Connection(server.handle, open_now), host, port, backlog=_BACKLOG, reuse_address=True
    )
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    listener.close()
    for connection in list(open_now):
        connection.retire()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(desk.drained(), _GRACE_S)
    for call in list(desk.in_flight.values()):
        call.abandon()
    desk.writer.close()


def _milliseconds(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 600_000:
        raise argparse.ArgumentTypeError("not from 0 to 600000")
    return value


if __name__ == "__main__":
    main()
