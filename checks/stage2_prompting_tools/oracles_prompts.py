"""Right answers of task 2.1 in another way, and the known wrong ones; and what the checks draw."""

from __future__ import annotations

import calendar
import datetime
import json
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

# --- what is drawn --------------------------------------------------------------------------------------------------

_WHO = ("a clerk", "a cook", "a pilot", "a tailor", "a nurse", "a baker", "a guide", "a ranger")
_DOES = ("measures", "counts", "names", "checks", "weighs", "lists", "orders", "maps")
_WHAT = ("the harbour", "a red kite", "two maps", "the tide", "grey stones", "a lamp", "the orchard", "nine bells")


def sentence(rng: np.random.Generator) -> str:
    """A short sentence; one of 5,000 or so."""
    pick = [words[int(rng.integers(len(words)))] for words in (_WHO, _DOES, _WHAT)]
    return f"{' '.join(pick)} {int(rng.integers(10, 100))}"


def sentences(rng: np.random.Generator, count: int) -> list[str]:
    """Different sentences."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[sentence(rng)] = None
    return list(found)


def shots(rng: np.random.Generator, count: int) -> list[list[str]]:
    """Examples, as pairs of a question and an answer."""
    texts = sentences(rng, 2 * count)
    return [[f"Who {texts[2 * i]}?", f"It is {texts[2 * i + 1]}."] for i in range(count)]


def talk(rng: np.random.Generator, exchanges: Sequence[int], *, blocks: bool = False) -> list[dict[str, Any]]:
    """A conversation: for each exchange the number of tool calls in it, each answered before the next message.

    With `blocks` every second question is a list of text blocks, which is another form of a string.
    """
    messages: list[dict[str, Any]] = []
    for number, calls in enumerate(exchanges):
        said = f"Then {sentence(rng)}?"
        content = [{"type": "text", "text": said}] if blocks and (number + calls) % 2 else said
        messages.append({"role": "user", "content": content})
        for call in range(calls):
            id = f"toolu_{number}_{call}"
            use = {"type": "tool_use", "id": id, "name": "look_up", "input": {"what": sentence(rng)}}
            result = {"type": "tool_result", "tool_use_id": id, "content": sentence(rng)}
            messages.append({"role": "assistant", "content": [{"type": "text", "text": "I look it up."}, use]})
            messages.append({"role": "user", "content": [result]})
        messages.append({"role": "assistant", "content": f"Yes, {sentence(rng)}."})
    return messages


# --- system_prompt --------------------------------------------------------------------------------------------------


def system(
    role: str,
    rules: Sequence[str],
    context: str = "",
    today: datetime.date | None = None,
    *,
    order: str = "role rules context today",
    headers_stay: bool = False,
    blank_rules_count: bool = False,
    escape: bool = True,
) -> str:
    """The system message, section by section, each found by its name."""
    parts = {"role": role.strip()}
    lines = []
    number = 0
    for rule in rules:
        words = rule.split()
        if words or blank_rules_count:
            number += 1
        if words:
            lines.append(f"{number}. " + " ".join(words))
    if lines or headers_stay:
        parts["rules"] = "Rules:\n" + "\n".join(lines)
    inside = context.strip()
    if escape:
        lowered = inside.lower()
        places = [i for i in range(len(inside)) if lowered.startswith("</context>", i)]
        inside = "".join("&lt;" if i in places else letter for i, letter in enumerate(inside))
    if inside or headers_stay:
        parts["context"] = f"<context>\n{inside}\n</context>"
    if today is not None:
        day = calendar.weekday(today.year, today.month, today.day)
        name = ("Mon", "Tues", "Wednes", "Thurs", "Fri", "Satur", "Sun")[day] + "day"
        parts["today"] = f"Today is {name}, {today.year:04d}-{today.month:02d}-{today.day:02d}."
    return "\n\n".join(parts[name] for name in order.split() if parts.get(name)).strip()


# --- choose_examples ------------------------------------------------------------------------------------------------


def similarities(vectors: np.ndarray, *, measure: str = "cosine") -> list[float]:
    """How similar each row but the first is to the first, one number at a time."""
    first, *others = [[float(x) for x in row] for row in vectors]
    found = []
    for row in others:
        dot = math.fsum(a * b for a, b in zip(first, row, strict=True))
        lengths = math.hypot(*first) * math.hypot(*row)
        if measure == "dot":
            found.append(dot)
        elif measure == "distance":
            found.append(-math.dist(first, row))
        else:
            found.append(dot / lengths if lengths else 0.0)
    return found


def chosen(
    vectors: np.ndarray, k: int, *, measure: str = "cosine", best_first: bool = False, later_wins: bool = False
) -> list[int]:
    """The places of the k most similar rows, picked one after the other; the best stands last."""
    left = dict(enumerate(similarities(vectors, measure=measure)))
    picked: list[int] = []
    while left and len(picked) < k:
        top = max(left.values())
        tied = [place for place, value in left.items() if value == top]
        place = tied[-1] if later_wins else tied[0]
        picked.append(place)
        del left[place]
    return picked if best_first else picked[::-1]


def clear_vectors(rng: np.random.Generator, count: int, width: int = 6) -> np.ndarray:
    """A row for the question and `count` for examples, of many lengths, no two similarities near each other."""
    while True:
        vectors = rng.normal(size=(count + 1, width)) * np.exp(rng.uniform(-1.5, 1.5, size=(count + 1, 1)))
        values = sorted(similarities(vectors))
        if min(b - a for a, b in pairwise(values)) > 1e-3:
            return vectors


# --- assemble -------------------------------------------------------------------------------------------------------


def count(system: Any, messages: Any) -> int:
    """The judge's tokenizer: a token for four characters and four for each message."""
    return len(str(system)) // 4 + sum(4 + len(json.dumps(message, sort_keys=True)) // 4 for message in messages)


def turns(examples: Sequence[Sequence[str]]) -> list[list[dict[str, Any]]]:
    """Each example as its two messages."""
    return [[{"role": "user", "content": u}, {"role": "assistant", "content": a}] for u, a in examples]


def exchanges(history: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The history cut before every message that a person wrote: not one word of a tool's result in it."""
    starts = [i for i, m in enumerate(history) if m["role"] == "user" and "tool_result" not in json.dumps(m)]
    return [list(history[a:b]) for a, b in pairwise([*starts, len(history)])]


def pairs(history: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The history cut into pairs of messages, calls or not."""
    return [list(history[i : i + 2]) for i in range(0, len(history), 2)]


def levels(
    examples: Sequence[Sequence[str]],
    history: Sequence[dict[str, Any]],
    question: str,
    *,
    order: str = "examples history",
    cut: Any = exchanges,
    newest_first: bool = False,
    last_example_first: bool = False,
    at_once: bool = False,
) -> list[list[dict[str, Any]]]:
    """The messages with nothing dropped, with one piece dropped, and so on, to the question alone."""
    shots, talks = turns(examples), cut(history)
    found = []

    def note() -> None:
        found.append([m for piece in (*shots, *talks) for m in piece] + [{"role": "user", "content": question}])

    note()
    for kind in order.split():
        pieces = shots if kind == "examples" else talks
        while pieces:
            if at_once:
                pieces.clear()
            else:
                from_the_end = last_example_first if kind == "examples" else newest_first
                pieces.pop(-1 if from_the_end else 0)
            note()
    return found


def fitting(system: str, candidates: list[list[dict[str, Any]]], budget: int, *, strictly: bool = False) -> Any:
    """The first of the candidates that fits; None where none does."""
    for messages in candidates:
        tokens = count(system, messages)
        if tokens < budget or (tokens == budget and not strictly):
            return messages
    return None
