"""What a backend produces, piece by piece, whichever way it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import identifier

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]


@dataclass(frozen=True)
class Begun:
    """The prompt was read: its tokens. A backend that knows them says so first, so that nobody counts them again."""

    input_tokens: int


@dataclass(frozen=True)
class Text:
    """A piece of text. Neighbouring pieces are one text block."""

    text: str


@dataclass(frozen=True)
class ToolUse:
    """A call of a tool. `raw` replaces the JSON text of the input in a stream: for inputs that are no JSON."""

    name: str
    input: dict[str, Any]
    id: str = field(default_factory=lambda: identifier("toolu"))
    raw: str | None = None


@dataclass(frozen=True)
class Cut:
    """The connection breaks here, without a word. Only a server that injects faults produces it."""


@dataclass(frozen=True)
class End:
    """The last piece: why it ended, and what was counted, in tokens."""

    stop_reason: StopReason
    input_tokens: int
    output_tokens: int
    stop_sequence: str | None = None


Part = Begun | Text | ToolUse | Cut | End
