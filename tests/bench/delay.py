"""A long way to a server on this machine: every byte arrives half a round trip late, and none is lost.

`python -m tests.bench.delay PORT` prints the port on which it listens. It does not limit the bandwidth:
bytes are stamped as they come and wait in a queue for their time. Only the TCP handshake is not delayed.
"""

import asyncio
import contextlib
import sys

ROUND_TRIP = 0.05
#: Bytes under way in one direction; in 25 ms that holds back nobody below 600 MB/s.
_UNDER_WAY = 16 * 2**20
_CHUNK = 2**18


class _Way:
    """One direction of a connection."""

    def __init__(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        self._source = source
        self._target = target
        self._chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._size = 0
        self._room = asyncio.Event()

    async def carry(self) -> None:
        """Carry bytes until either end is closed, and close the target."""
        reading = asyncio.create_task(self._read())
        with contextlib.suppress(ConnectionError):
            await self._write()
        reading.cancel()
        self._target.close()

    async def _read(self) -> None:
        clock = asyncio.get_running_loop().time
        chunk = b"."
        while chunk:
            try:
                chunk = await self._source.read(_CHUNK)
            except ConnectionError:
                chunk = b""
            self._chunks.put_nowait((clock() + ROUND_TRIP / 2, chunk))
            self._size += len(chunk)
            if self._size > _UNDER_WAY:
                self._room.clear()
                await self._room.wait()

    async def _write(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, chunk = await self._chunks.get()
            if not chunk:
                return
            if (early := due - clock()) > 0:
                await asyncio.sleep(early)
            self._target.write(chunk)
            await self._target.drain()
            self._size -= len(chunk)
            if self._size <= _UNDER_WAY:
                self._room.set()


async def _serve(port: int) -> None:
    async def connect(near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        far_in, far_out = await asyncio.open_connection("127.0.0.1", port, limit=_CHUNK)
        await asyncio.gather(_Way(near_in, far_out).carry(), _Way(far_in, near_out).carry())

    server = await asyncio.start_server(connect, "127.0.0.1", 0, limit=_CHUNK)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
