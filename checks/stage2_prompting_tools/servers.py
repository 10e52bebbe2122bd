"""Model servers for checks: the judge plays the Messages API inside the network of the learner's code.

A check that uses one says `fresh=True`: a listening socket belongs to one candidate. What the learner's code did is
read off the server: `requests`, `problems`, `left`.

    with servers.scripted(learner, [Reply.of("Hello.")]) as model:
        learner.run(probes.ask, url=model.url)
    expect.equal(len(model.requests), 1)
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from roadmap.llm.messages.contract import Request
from roadmap.llm.messages.parts import Part, Text
from roadmap.llm.scripted import MODEL, Reply, Scenario, ScriptedModel, scripted_application
from roadmap.llm.serving import serve

__all__ = ["MODEL", "Held", "Server", "held", "program_server", "scripted"]


class Server(ScriptedModel):
    """A scripted model and its address. `play` starts over with another scenario: one server serves a whole check.

    A streamed answer counts the reply's `input_tokens`, as one that is not streamed does.
    """

    url = ""
    _input_tokens = 0

    def play(self, scenario: Scenario) -> None:
        """The next request takes the first turn of `scenario`; what came before is forgotten."""
        with self._lock:
            self.exchanges = []
            self._scenario = scenario
            self._played = 0

    def count(self, request: Request) -> int:
        """The count of the reply that is being played; requests come one at a time here."""
        return self._input_tokens or super().count(request)

    def _play(self, reply: Reply) -> Iterator[Part]:
        self._input_tokens = reply.input_tokens
        yield from super()._play(reply)


@contextlib.contextmanager
def scripted(learner: Any, scenario: Scenario = ()) -> Iterator[Server]:
    """A scripted model at `.url`, an address inside the candidate's network, for as long as the block runs."""
    model = Server(scenario)
    sock, port = learner.listen()
    with contextlib.closing(sock), serve(scripted_application(model), sock):
        model.url = f"http://127.0.0.1:{port}"
        yield model


def program_server(model: ScriptedModel) -> Callable[[socket.socket], contextlib.AbstractContextManager[Any]]:
    """What `learner.program(servers={"ROADMAP_LLM_BASE_URL": ...})` takes for a scripted model."""
    return lambda sock: serve(scripted_application(model), sock)


class Held:
    """Pieces of text for a Reply, each held back until the one before it has been handed on.

    `seen(piece)` is for the learner's code, as a judge's callback: it says that a piece has come through.
    `Reply(parts=held)`; `held.late` is true when a piece had to be sent without that, after `patience` seconds.
    """

    def __init__(self, *pieces: str, patience: float = 3.0):
        self.pieces = pieces
        self.patience = patience
        self.late = False
        self._passed: list[str] = []
        self._change = threading.Condition()

    def seen(self, piece: Any) -> None:
        """A piece has reached whoever reads the learner's stream."""
        with self._change:
            self._passed.append(piece if isinstance(piece, str) else "")
            self._change.notify_all()

    def __iter__(self) -> Iterator[Text]:
        for number, piece in enumerate(self.pieces):
            awaited = len("".join(self.pieces[:number]))
            with self._change:
                if not self.late:
                    self.late = not self._change.wait_for(self._passed_on(awaited), self.patience)
            yield Text(piece)

    def _passed_on(self, characters: int) -> Callable[[], bool]:
        return lambda: len("".join(self._passed)) >= characters


def held(*pieces: str, **more: Any) -> tuple[Held, Reply]:
    """Pieces that wait for one another, and the reply that sends them."""
    parts = Held(*pieces, **more)
    return parts, Reply(parts)  # type: ignore[arg-type]
