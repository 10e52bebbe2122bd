"""What a service answers where it cannot answer."""

from __future__ import annotations


class Refused(Exception):
    """A status and a reason, in the services' common form."""

    def __init__(self, reason: str, status: int = 400):
        super().__init__(reason)
        self.status = status
        self.body = {"error": True, "reason": reason}
