"""HTTP services for checks: the judge plays them inside the network of the learner's code, and counts what it is asked.

A check that uses one says `fresh=True`: a listening socket belongs to one candidate.

    with http_services.served(learner) as service:
        service.play([Answer(status=503), Answer({"fine": True})])
        learner.run(probes.fetch, url=service.url + "/path", ...)
        expect.equal(len(service.requests), 2)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from roadmap.llm.serving import serve

NOBODY = "http://127.0.0.1:9"  # an address where nothing listens, in any candidate's network


@dataclass(frozen=True)
class Answer:
    """An answer: a JSON body, or bytes as they are. It comes after `seconds`; with `cut` it breaks off."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    cut: bool = False


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    method: str


Plan = Sequence[Answer] | Callable[[Asked], Answer]


class Service:
    """What answers at `url`, by a plan. `requests` is what came since the plan was made."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Asked] = []
        self._plan: Plan = ()
        self._lock = threading.Lock()

    def play(self, plan: Plan) -> None:
        """Answer by this plan from now on: one after the other, or whatever a function says; then always 418."""
        with self._lock:
            self._plan, self.requests = plan, []

    @property
    def queries(self) -> list[dict[str, str]]:
        """The queries of the requests."""
        return [asked.query for asked in self.requests]

    def next(self, asked: Asked) -> Answer:
        """Record a request; its answer."""
        with self._lock:
            place = len(self.requests)
            self.requests.append(asked)
            if callable(self._plan):
                return self._plan(asked)
            return self._plan[place] if place < len(self._plan) else Answer({"reason": "nobody expected this"}, 418)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        answer = self.next(Asked(scope["path"], query, headers, scope["method"]))
        await asyncio.sleep(answer.seconds)
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body, ensure_ascii=False).encode()
        length = len(body) + 1000 * answer.cut
        sent = {"content-type": "application/json", "content-length": str(length), **answer.headers}
        fields = [(name.encode(), value.encode()) for name, value in sent.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": fields})
        await send({"type": "http.response.body", "body": body, "more_body": answer.cut})
        if answer.cut:
            raise ConnectionAbortedError


@contextlib.contextmanager
def served(learner: Any) -> Iterator[Service]:
    """A service at `.url`, an address inside the candidate's network, for as long as the block runs."""
    service = Service()
    sock, port = learner.listen()
    with contextlib.closing(sock), serve(service, sock):
        service.url = f"http://127.0.0.1:{port}"
        yield service
