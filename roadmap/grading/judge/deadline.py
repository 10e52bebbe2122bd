"""A socket that a stranger serves: the whole conversation has a deadline, not each piece of it."""

from __future__ import annotations

import socket
import time
from typing import Any


class DeadlineSocket(socket.socket):
    """A connected socket whose every wait ends at one moment: a server that drips bytes gains no time by it.

    Waiting beyond it raises TimeoutError. `deadline` is in `time.monotonic()` seconds.
    """

    deadline: float

    @classmethod
    def of(cls, sock: socket.socket, deadline: float) -> DeadlineSocket:
        """Take over a connected socket; the given one is closed."""
        taken = cls(sock.family, sock.type, sock.proto, fileno=sock.detach())
        taken.deadline = deadline
        return taken

    def _hurry(self) -> None:
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("timed out")
        self.settimeout(remaining)

    def recv(self, *args: Any) -> bytes:
        """As `socket.recv`, until the deadline."""
        self._hurry()
        return super().recv(*args)

    def recv_into(self, *args: Any) -> int:
        """As `socket.recv_into`, until the deadline; `makefile()` reads through it."""
        self._hurry()
        return super().recv_into(*args)

    def send(self, *args: Any) -> int:
        """As `socket.send`, until the deadline."""
        self._hurry()
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        """As `socket.sendall`, until the deadline."""
        self._hurry()
        super().sendall(*args)
