"""An ASGI application on a socket, served from a thread of this process."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import uvicorn

_START_SECONDS = 10.0


@contextlib.contextmanager
def serve(application: Any, sock: socket.socket | None = None) -> Iterator[str]:
    """Serve until the block ends; gives the base URL. Without `sock` a free port of the loopback is taken.

    A socket that is given stays the caller's; it must be listening or bound.
    """
    own = sock is None
    if sock is None:
        sock = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, log_level=logging.CRITICAL, access_log=False, lifespan="off", workers=1)
    server = uvicorn.Server(config)
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
        server.should_exit = server.force_exit = True
        thread.join(_START_SECONDS)
        copy.close()
        if own:
            sock.close()
