"""Task 2.1: prompts within a budget: a system message in sections, examples by similarity, a conversation that fits.

A prompt is a program's output like any other: the same parts give the same text, whatever was left out leaves no trace,
and what has to go when room is short is decided here, not by a server that cuts.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Message = dict[str, Any]  # {"role": "user" or "assistant", "content": text or a list of blocks}


@dataclass(frozen=True)
class Example:
    """A question and the answer that is wanted for it: one shot of a few-shot prompt."""

    user: str
    assistant: str


@dataclass(frozen=True)
class Prompt:
    """What a request is made of: the system message, and the turns in the form of the Messages API."""

    system: str
    messages: list[Message]


class PromptTooLong(ValueError):
    """Not even the system message and the question fit into the budget."""


def system_prompt(role: str, rules: Sequence[str], *, context: str = "", today: datetime.date | None = None) -> str:
    """The system message: who the model is, the rules it keeps, what it may rely on, what day it is.

    Up to four sections in this order, one blank line between two of them. What changes from day to day comes last, so
    that a prompt cache finds the same beginning again.

    1. `role`, without white space at its ends.
    2. `Rules:` on a line of its own, then one line for each rule: `1. `, `2. `, ... and the rule. In a rule, every run
       of white space (line breaks too) becomes one space, and none is left at its ends.
    3. `<context>` on a line of its own, `context` without white space at its ends but otherwise as it is, and
       `</context>` on a line of its own. The context may be a stranger's text: where it holds `</context>` itself, in
       whatever case, the `<` becomes `&lt;`, or it would end the section early.
    4. `Today is Wednesday, 2026-11-25.`: the weekday from WEEKDAYS, whatever the machine's language is.

    What is empty or only white space leaves nothing behind: a blank rule has no line and takes no number; without rules
    there is no `Rules:`, without a context no tags, without `today` no last section. With nothing at all the result is
    the empty string. No white space stands at either end of it.

    Raises TypeError when `rules` is a string: its characters would become the rules.
    """
    # >>> solution
    if isinstance(rules, str):
        raise TypeError("Rules come as a list of strings, not as one string. Put it into a list.")
    sections = [role.strip()]
    lines = [line for line in (" ".join(rule.split()) for rule in rules) if line]
    if lines:
        sections.append("\n".join(["Rules:", *(f"{number}. {line}" for number, line in enumerate(lines, 1))]))
    if context.strip():
        inside = re.sub("<(?=/context>)", "&lt;", context.strip(), flags=re.IGNORECASE)
        sections.append(f"<context>\n{inside}\n</context>")
    if today is not None:
        sections.append(f"Today is {WEEKDAYS[today.weekday()]}, {today.isoformat()}.")
    return "\n\n".join(section for section in sections if section)
    # <<< solution


def choose_examples(
    question: str, examples: Sequence[Example], k: int, embed: Callable[[list[str]], np.ndarray]
) -> list[Example]:
    """The `k` examples whose user texts are most similar to the question, the least similar of them first.

    So the most similar one stands next to the question, where a model heeds it most.

    `embed` maps n texts to an array (n, d) of numbers, a row for each text. It is slow: it is called once, with all
    texts that are needed (the question and each example's user text, nothing else), or not at all when there is
    nothing to choose (`k` is 0 or there are no examples).

    Similarity is the cosine of the angle between two rows, however long or short they are; with a row of zeros it is
    0. Where two are equally similar, the one that stands earlier in `examples` counts as the more similar. With `k`
    above the number of examples all of them come back. `examples` is left as it is.

    Raises ValueError when `k` is below 0.
    """
    # >>> solution
    if k < 0:
        raise ValueError(f"{k} examples cannot be chosen. Give 0 or more.")
    if k == 0 or not examples:
        return []
    vectors = np.asarray(embed([question, *(example.user for example in examples)]), dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    similarity = units[1:] @ units[0]
    best = sorted(range(len(examples)), key=lambda i: (-similarity[i], i))[:k]
    return [examples[i] for i in reversed(best)]
    # <<< solution


def assemble(
    system: str,
    examples: Sequence[Example],
    history: Sequence[Message],
    question: str,
    *,
    budget: int,
    count: Callable[[str, list[Message]], int],
) -> Prompt:
    """A prompt of at most `budget` tokens: examples, then the conversation so far, then the question.

    Every example becomes a user message and an assistant message, `{"role": ..., "content": ...}` with its text as
    content; the messages of `history` follow as they are; the question is the last user message.

    `count(system, messages)` says how many tokens a request takes. It fits when that is `budget` or less. Until it
    fits, this goes, one piece at a time, and not a piece more than it takes:
    1. the examples, the first of them (the least similar) first;
    2. when no example is left, the oldest exchange of the history.
    The system message and the question never go.

    An exchange begins with a user message and ends before the next one; but a user message with a `tool_result` block
    in its content (a list of blocks, each a dict with its "type") belongs to the exchange that it stands in. So a call
    never parts from its result, which the API would refuse.

    Counting is slow: `count` is called at most once for each piece that could go and once more. It gives the same
    number for the same messages, and no more when messages are taken away.

    Raises
    - PromptTooLong when the system message and the question alone do not fit; the error's text holds both numbers, the
      tokens that they take and the budget;
    - ValueError when `history` is not alternating messages of user and assistant, the first the user's and the last
      the assistant's, or when its first message holds a `tool_result`. An empty history is fine.

    Neither `examples` nor `history` is changed, and `messages` is a new list.
    """
    # >>> solution
    roles = [message["role"] for message in history]
    if roles != ["user", "assistant"] * (len(roles) // 2):
        raise ValueError("The history must alternate, from a user's message to an assistant's. Pass whole exchanges.")
    exchanges: list[list[Message]] = []
    for message in history:
        if message["role"] == "user" and not _holds_result(message):
            exchanges.append([])
        elif not exchanges:
            raise ValueError("The history begins with a tool's result. Begin with the question that led to the call.")
        exchanges[-1].append(message)
    shots = [
        [{"role": "user", "content": example.user}, {"role": "assistant", "content": example.assistant}]
        for example in examples
    ]
    pieces = [*shots, *exchanges]  # in the order in which they go
    for dropped in range(len(pieces) + 1):
        messages = [message for piece in pieces[dropped:] for message in piece]
        messages.append({"role": "user", "content": question})
        tokens = count(system, messages)
        if tokens <= budget:
            return Prompt(system, messages)
    raise PromptTooLong(
        f"The system message and the question take {tokens} tokens, {budget} are allowed. "
        "Shorten them or raise the budget."
    )
    # <<< solution


# >>> solution
def _holds_result(message: Message) -> bool:
    content = message["content"]
    return isinstance(content, list) and any(block.get("type") == "tool_result" for block in content)


# <<< solution
