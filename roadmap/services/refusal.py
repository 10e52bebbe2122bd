"""What a service answers when it does not give what was asked for."""

from __future__ import annotations


class Refused(Exception):
    """What the service answers instead: a status and its reason."""

    def __init__(self, reason: str, status: int = 400):
        super().__init__(reason)
        self.status = status
        self.body = {"error": True, "reason": reason}
