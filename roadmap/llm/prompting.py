"""A conversation as SmolLM2 reads it: the chat template, down to tokens.

Only the frame is made of special tokens. What people and tools said is encoded as plain text, so that nobody can close
a turn, or open one, by writing the marks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from .messages.contract import Message, Request, TextBlock, ToolUseBlock

IM_START, IM_END = 1, 2  # ids of <|im_start|> and <|im_end|> in SmolLM2's vocabulary
DEFAULT_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"  # what its own template says


@dataclass(frozen=True)
class Turn:
    """One turn of the template; an open one is still to be continued."""

    role: Literal["system", "user", "assistant"]
    text: str
    closed: bool = True


def turns_of(request: Request, tools: str = "") -> list[Turn]:
    """The turns of a request. `tools` is told to the model at the end of the system prompt."""
    system = "\n\n".join(filter(None, [request.system_text or ("" if tools else DEFAULT_SYSTEM), tools]))
    turns = [Turn("system", system)]
    turns += [Turn(message.role, _text(message)) for message in request.turns]
    if turns[-1].role == "assistant":  # the client has begun the answer
        turns[-1] = Turn("assistant", turns[-1].text, closed=False)
    else:
        turns.append(Turn("assistant", "", closed=False))
    return turns


def encode(turns: Iterable[Turn], tokenize: Callable[[str], list[int]]) -> list[int]:
    """The ids of a conversation. `tokenize` must treat nothing as special."""
    ids: list[int] = []
    for turn in turns:
        ids += [IM_START, *tokenize(f"{turn.role}\n{turn.text}")]
        if turn.closed:
            ids += [IM_END, *tokenize("\n")]
    return ids


def _text(message: Message) -> str:
    return "\n".join(_parts(message))


def _parts(message: Message) -> Iterator[str]:
    calls = [block for block in message.blocks if isinstance(block, ToolUseBlock)]
    for block in message.blocks:
        if isinstance(block, TextBlock):
            yield block.text
        elif isinstance(block, ToolUseBlock):
            if block is calls[0]:
                made = [{"tool": call.name, "arguments": call.input} for call in calls]
                yield json.dumps(made, ensure_ascii=False)
        else:
            yield f"{'Error' if block.is_error else 'Result'}: {block.text}"
