"""A response that breaks off after its first bytes, as a lost connection does: for servers that inject faults."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class BrokenOff(Response):
    """Announces more than it sends: `start`, and then the connection is gone."""

    def __init__(self, start: bytes):
        super().__init__()
        self._start = start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"4096")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._start, "more_body": True})
        raise ConnectionAbortedError
