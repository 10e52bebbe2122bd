"""Answers on the wire: one JSON message, or the same as a stream of server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from .errors import ApiError, identifier
from .parts import Begun, Cut, End, Part, Text, ToolUse

_JSON_PIECE = 12  # characters of a tool's input in one delta


def message(parts: Iterable[Part], model: str) -> dict[str, Any]:
    """The whole answer as the API sends it without streaming.

    Raises what the backend raises, and ConnectionAbortedError where it says that the connection breaks.
    """
    content: list[dict[str, Any]] = []
    end: End | None = None
    for part in parts:
        if isinstance(part, Begun):
            continue
        if isinstance(part, Cut):
            raise ConnectionAbortedError
        if isinstance(part, End):
            end = part
        elif isinstance(part, ToolUse):
            content.append({"type": "tool_use", "id": part.id, "name": part.name, "input": part.input})
        elif content and content[-1]["type"] == "text":
            content[-1]["text"] += part.text
        else:
            content.append({"type": "text", "text": part.text})
    assert end is not None, "a backend must say how its answer ends"
    return _frame(model) | {
        "content": content,
        "stop_reason": end.stop_reason,
        "stop_sequence": end.stop_sequence,
        "usage": {"input_tokens": end.input_tokens, "output_tokens": end.output_tokens},
    }


def stream(parts: Iterable[Part], model: str, input_tokens: int) -> Iterator[dict[str, Any]]:
    """The answer's events, each as its data object, as they become known; `Cut` raises ConnectionAbortedError."""
    usage = {"input_tokens": input_tokens, "output_tokens": 1}
    yield {"type": "message_start", "message": _frame(model) | {"usage": usage}}
    yield {"type": "ping"}
    index = -1
    in_text = False
    try:
        for part in parts:
            if isinstance(part, Begun):
                continue
            if isinstance(part, Cut):
                raise ConnectionAbortedError
            if in_text and not isinstance(part, Text):
                yield {"type": "content_block_stop", "index": index}
                in_text = False
            if isinstance(part, Text):
                if not in_text:
                    index, in_text = index + 1, True
                    yield _start(index, {"type": "text", "text": ""})
                yield _delta(index, {"type": "text_delta", "text": part.text})
            elif isinstance(part, ToolUse):
                index += 1
                yield _start(index, {"type": "tool_use", "id": part.id, "name": part.name, "input": {}})
                text = json.dumps(part.input, ensure_ascii=False) if part.raw is None else part.raw
                for at in range(0, len(text), _JSON_PIECE):
                    piece = text[at : at + _JSON_PIECE]
                    yield _delta(index, {"type": "input_json_delta", "partial_json": piece})
                yield {"type": "content_block_stop", "index": index}
            else:
                delta = {"stop_reason": part.stop_reason, "stop_sequence": part.stop_sequence}
                yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": part.output_tokens}}
                yield {"type": "message_stop"}
    except ApiError as error:  # too late for a status: the stream itself says it
        yield {"type": "error", "error": {"type": error.kind, "message": error.message}}


def encode(event: dict[str, Any]) -> bytes:
    """One event as server-sent bytes."""
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def _frame(model: str) -> dict[str, Any]:
    return {
        "id": identifier("msg"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _start(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def _delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}
