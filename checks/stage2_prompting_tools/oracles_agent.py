"""What a conversation must look like, worked out from its scenario: independent of anything that loops.

`play` says which requests a right agent sends for a scenario and how its run ends; `wrong` names a known mistake.
"""

from __future__ import annotations

import copy
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from roadmap.llm.messages.parts import Text, ToolUse
from roadmap.llm.scripted import Reply

LIMIT = "Not run: the conversation has reached its limit ({limit})."
WORDS = "harbour lantern meadow copper river orchard saddle winter violin marble".split()


def tool(name: str) -> dict[str, Any]:
    """A tool's definition, as a registry gives it."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    return {"name": name, "description": f"Looks up {name}.", "input_schema": schema}


def words(rng, count: int = 4) -> str:
    """A sentence without sense, that nobody can guess."""
    return " ".join(str(word) for word in rng.choice(WORDS, count)) + f" {rng.integers(10_000)}."


def calls(rng, names, count: int) -> list[ToolUse]:
    """Calls with ids and arguments of their own."""
    return [
        ToolUse(str(rng.choice(names)), {"n": int(n), "unit": None}, id=f"toolu_{n}_{i}")
        for i, n in enumerate(rng.choice(100_000, count, replace=False))
    ]


def turns(rng, names, counts) -> list[Reply]:
    """A turn with so many calls for each count, some with text before them, and an answer."""
    replies = []
    for count in counts:
        parts: list[Any] = [Text(words(rng, 2)), *calls(rng, names, count)]
        replies.append(reply(rng, *(parts if rng.random() < 0.6 else parts[1:])))
    return [*replies, reply(rng, Text(words(rng) + " "), Text(words(rng)))]


def reply(rng, *parts: Any, **more: Any) -> Reply:
    """A reply whose counts are its own."""
    counts = {"input_tokens": int(rng.integers(50, 5000)), "output_tokens": int(rng.integers(5, 500))}
    return Reply.of(*parts, **counts, **more)


def table(replies, rng, *, errors: float = 0.3) -> dict[str, list[Any]]:
    """What each call of a scenario is answered with: [content, is_error], by its name and arguments."""
    return {
        key(part.name, part.input): [words(rng, 3), bool(rng.random() < errors)]
        for turn in replies
        for part in turn.parts
        if isinstance(part, ToolUse)
    }


def key(name: Any, arguments: Any) -> str:
    """A call as a string."""
    return json.dumps([name, arguments], sort_keys=True)


@dataclass
class Story:
    """What a right agent does: the messages of each request, the calls that it runs, how the run ends."""

    requests: list[list[dict[str, Any]]] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)


def play(question, replies, answers, *, history=(), max_turns=8, max_cost=None, prices=None, wrong="") -> Story:
    """The story of a scenario whose calls are answered from `answers` (see `table`)."""
    story = Story()
    messages = [*copy.deepcopy(list(history)), {"role": "user", "content": question}]
    usage = [0, 0]
    text, paused = "", False
    steps = []
    for number, turn in enumerate(replies, 1):
        story.requests.append(copy.deepcopy(messages))
        usage = [usage[0] + turn.input_tokens, usage[1] + turn.output_tokens]
        if wrong == "last usage":
            usage = [turn.input_tokens, turn.output_tokens]
        blocks = blocks_of(turn.parts)
        uses = [block for block in blocks if block["type"] == "tool_use"]
        reason = turn.stop_reason or ("tool_use" if uses else "end_turn")
        own = "".join(block["text"] for block in blocks if block["type"] == "text")
        if reason != "tool_use":
            uses = []
            if wrong != "keeps cut calls":
                blocks = [block for block in blocks if block["type"] != "tool_use"]
        if wrong == "calls only" and uses:
            blocks = uses
        if blocks:
            messages.append({"role": "assistant", "content": blocks})
        text = text + own if paused and wrong != "forgets the pause" else own
        paused = reason == "pause_turn"
        limit = ""
        if uses or paused:
            cost = price(usage, prices)
            limit = "max_cost" if max_cost is not None and cost >= max_cost else ""
            limit = "max_turns" if number >= max_turns else limit
        results = []
        for use in uses:
            content, bad = answers.get(key(use["name"], use["input"]), ["", False])
            if limit:
                content, bad = LIMIT.format(limit=limit), True
            else:
                story.ran.append(key(use["name"], use["input"]))
            results.append([content, bad])
        blocks = [
            {"type": "tool_result", "tool_use_id": use["id"], "content": content, "is_error": bad}
            for use, (content, bad) in zip(uses, results, strict=True)
        ]
        if wrong == "no error mark":
            blocks = [{**block, "is_error": False} for block in blocks]
        if wrong == "first only":
            blocks = blocks[:1]
        if wrong == "a message each":
            messages += [{"role": "user", "content": [block]} for block in blocks]
        elif uses and not (limit and wrong == "unanswered"):
            messages.append({"role": "user", "content": blocks})
        steps.append(
            {
                "stop_reason": reason,
                "text": own,
                "calls": [[use["id"], use["name"], use["input"]] for use in uses],
                "results": results,
                "usage": [turn.input_tokens, turn.output_tokens, 0, 0],
            }
        )
        if limit or not (uses or paused):
            story.outcome = {
                "text": text,
                "stop": limit or reason,
                "turns": number,
                "usage": [*usage, 0, 0],
                "cost": price(usage, prices),
                "messages": messages,
                "steps": steps,
            }
            break
    return story


def price(usage, prices) -> float:
    """Dollars for counts, at dollars for a million: input, output, written to a cache, read from it."""
    return sum(count * dollars for count, dollars in zip(usage, prices or [0.0] * 4, strict=False)) / 1e6


def blocks_of(parts) -> list[dict[str, Any]]:
    """The content of an assistant message: pieces joined, empty text left out."""
    blocks: list[dict[str, Any]] = []
    for is_text, group in itertools.groupby(parts, lambda part: isinstance(part, Text)):
        if is_text:
            text = "".join(part.text for part in group)
            blocks += [{"type": "text", "text": text}] if text else []
        else:
            blocks += [{"type": "tool_use", "id": p.id, "name": p.name, "input": p.input} for p in group]
    return blocks


def plain(messages: Any) -> Any:
    """Messages in one form: content as blocks, with the fields that matter, `is_error` always there."""
    if not isinstance(messages, list):
        return messages
    return [
        {"role": m.get("role"), "content": _blocks(m.get("content"))} if isinstance(m, dict) else m for m in messages
    ]


def _blocks(content: Any) -> Any:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [_block(block) for block in content] if isinstance(content, list) else content


def _block(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    kind = block.get("type")
    if kind == "text":
        return {"type": kind, "text": block.get("text")}
    if kind == "tool_use":
        return {"type": kind, **{name: block.get(name) for name in ("id", "name", "input")}}
    if kind == "tool_result":
        content = block.get("content", "")
        if isinstance(content, list):
            content = "".join(str(b.get("text", "")) if isinstance(b, dict) else "" for b in content)
        kept = {"tool_use_id": block.get("tool_use_id"), "content": content}
        return {"type": kind, **kept, "is_error": bool(block.get("is_error", False))}
    return block


def usage_after(counts, *, wrong="") -> list[int]:
    """The sums of counts [input, output, written, read], where None is 0."""
    total = [0, 0, 0, 0]
    for row in counts:
        row = [count or 0 for count in row]
        if wrong == "no cache":
            row = [*row[:2], 0, 0]
        if wrong == "cache as input":
            row = [row[0] + row[2] + row[3], row[1], 0, 0]
        total = row if wrong == "last" else [a + b for a, b in zip(total, row, strict=True)]
    return total


def events_of(story: Story, replies) -> list[list[Any]]:
    """What `stream` yields for a story but for the Outcome, with neighbouring pieces of text joined."""
    events: list[list[Any]] = []
    for step in story.outcome["steps"]:
        if step["text"]:
            if events and events[-1][0] == "text":
                events[-1][1] += step["text"]
            else:
                events.append(["text", step["text"]])
        ran = [c for c, r in zip(step["calls"], step["results"], strict=True) if not r[0].startswith("Not run: ")]
        events += [["called", *call] for call in ran]
        if ran:
            pairs = zip(step["calls"], step["results"], strict=True)
            events += [["answered", *call, *result] for call, result in pairs]
    return events
