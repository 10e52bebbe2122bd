"""The Messages API as a contract: what a request must be, what an answer and an error look like on the wire."""

from .contract import Request, parse
from .errors import ApiError
from .parts import End, Part, Text, ToolUse

__all__ = ["ApiError", "End", "Part", "Request", "Text", "ToolUse", "parse"]
