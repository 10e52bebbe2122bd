"""Errors in the API's own shape: a status, a type, one message.

Source: the error pages of the Messages API's documentation, and the exception classes of its Python SDK.
"""

from __future__ import annotations

import secrets
from typing import Any

STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class ApiError(Exception):
    """What the API answers in place of a message. `kind` is one of STATUS; `retry_after` is in seconds."""

    def __init__(self, kind: str, message: str, *, retry_after: float | None = None):
        super().__init__(message)
        self.kind = kind
        self.status = STATUS[kind]
        self.message = message
        self.retry_after = retry_after

    def body(self, request_id: str) -> dict[str, Any]:
        """The JSON object that a client receives."""
        return {"type": "error", "error": {"type": self.kind, "message": self.message}, "request_id": request_id}

    def headers(self) -> dict[str, str]:
        """What goes beside it: how long to wait."""
        return {} if self.retry_after is None else {"retry-after": f"{self.retry_after:g}"}


def invalid(message: str) -> ApiError:
    """The request breaks the contract."""
    return ApiError("invalid_request_error", message)


def identifier(prefix: str) -> str:
    """A fresh id in the API's style: `msg_...`, `toolu_...`, `req_...`."""
    return f"{prefix}_{secrets.token_hex(12)}"
