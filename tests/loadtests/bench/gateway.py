"""A gateway for the bench's clients: answers what it is told to, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-Observatory-Cost-Usd: 0.5\r\n\r\n{}"


async def plain(writer: asyncio.StreamWriter) -> None:
    """A whole answer at once."""
    writer.write(PLAIN)


async def in_pieces(writer: asyncio.StreamWriter) -> None:
    """A stream of chunks, cut where it hurts: within the head, within a chunk, before the last bytes."""
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"
    for piece in (head[:20], head[20:] + b"\r\n", b"e\r\ndata: [DO", b"NE]\n\r\n0\r\n", b"\r\n"):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)


async def none(writer: asyncio.StreamWriter) -> None:
    """The connection closes instead."""
    writer.close()


@asynccontextmanager
async def gateway(answer: Answer) -> AsyncIterator[tuple[str, int]]:
    """Host and port of a server that reads requests with a body and answers each."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
                await answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield host, port
