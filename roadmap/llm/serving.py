"""An ASGI application on a socket, served from a thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import uvicorn

_START_SECONDS = 10.0


class _Server(uvicorn.Server):
    """Ends at once when told to: uvicorn looks ten times a second, and a grading starts dozens of servers."""

    def end(self) -> None:
        """Stop serving; from any thread, once `started`."""
        self.should_exit = self.force_exit = True
        self._loop.call_soon_threadsafe(self._told.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        ticks = asyncio.create_task(super().main_loop())  # they keep the date header right
        await self._told.wait()
        ticks.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what listens and what is open, and drop answers that are still being made."""
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for task in list(self.server_state.tasks):
            task.cancel()
        await asyncio.sleep(0)


@contextlib.contextmanager
def serve(application: Any, sock: socket.socket | None = None) -> Iterator[str]:
    """Serve until the block ends; gives the base URL. Without `sock` a free port of the loopback is taken.

    A socket that is given stays the caller's; it must be listening or bound.
    """
    own = sock is None
    if sock is None:
        sock = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, log_level=logging.CRITICAL, access_log=False, lifespan="off", workers=1)
    server = _Server(config)
    copy = sock.dup()  # the server closes what it is given
    thread = threading.Thread(target=server.run, kwargs={"sockets": [copy]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise OSError("The server did not start. Is the socket bound?")
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.end()
        thread.join(_START_SECONDS)
        copy.close()
        if own:
            sock.close()
