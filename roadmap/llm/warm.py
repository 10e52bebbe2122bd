"""Importing this builds, once, what the SDK and its HTTP stack build at their first answer.

The `anthropic` package completes its types when they are first needed and imports its HTTP stack with the first client:
a fifth of a second, or more. A grader's base imports this module, so that the candidates forked from it need not each
pay for that. No connection is made: a transport in memory answers. The answers are written out here, and not made by
`messages.events`: that would load jsonschema, which a stage may keep from its candidates.
"""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpcore  # noqa: F401  httpx imports it with its first client
import httpcore2  # noqa: F401  as httpx2 does
import httpx2

_MODEL = "warm"
_REQUEST: Any = {"model": _MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "?"}]}
_TEXT = {"type": "text", "text": "!"}
_CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": _MODEL,
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


def _stream() -> str:
    opened: dict[str, Any] = _MESSAGE | {"content": [], "stop_reason": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": opened},
        {"type": "content_block_start", "index": 0, "content_block": _TEXT | {"text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "!"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": _CALL},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 1},
        },
        {"type": "message_stop"},
    ]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)


def _answer(request: httpx2.Request) -> httpx2.Response:
    if json.loads(request.content).get("stream"):
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, text=_stream())
    return httpx2.Response(200, json=_MESSAGE | {"content": [_TEXT, _CALL]})


def _warm() -> None:
    transport = httpx2.MockTransport(_answer)
    with anthropic.Anthropic(
        base_url="http://127.0.0.1", api_key="none", http_client=anthropic.DefaultHttpxClient(transport=transport)
    ) as client:
        client.messages.create(**_REQUEST)
        with client.messages.stream(**_REQUEST) as stream:
            stream.get_final_message()


_warm()
