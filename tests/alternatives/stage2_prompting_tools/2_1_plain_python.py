"""Without NumPy or regular expressions; pieces in deques; the budget found by counting down."""

import math
from collections import deque


def system_prompt(role, rules, *, context="", today=None):
    if isinstance(rules, str):
        raise TypeError("A list of rules, please.")
    text = ""

    def add(section):
        nonlocal text
        if section:
            text = f"{text}\n\n{section}" if text else section

    add(role.strip())
    numbered = ""
    number = 1
    for rule in rules:
        if words := rule.split():
            numbered += f"\n{number}. {' '.join(words)}"
            number += 1
    add(numbered and "Rules:" + numbered)
    inside = context.strip()
    place = inside.lower().find("</context>")
    while place >= 0:
        inside = inside[:place] + "&lt;" + inside[place + 1 :]
        place = inside.lower().find("</context>")
    add(inside and "<context>\n" + inside + "\n</context>")
    add(today and "Today is {}, {:04d}-{:02d}-{:02d}.".format(  # noqa: UP032
        WEEKDAYS[today.weekday()], today.year, today.month, today.day))  # fmt: skip
    return text


def choose_examples(question, examples, k, embed):
    if k < 0:
        raise ValueError("k must not be negative")
    examples = list(examples)
    if not (k and examples):
        return []
    rows = [list(map(float, row)) for row in embed([*(one.user for one in examples), question])]
    asked = rows.pop()

    def cosine(row):
        length = math.hypot(*row) * math.hypot(*asked)
        return sum(a * b for a, b in zip(row, asked, strict=True)) / length if length else 0.0

    order = sorted(range(len(examples)), key=lambda i: cosine(rows[i]), reverse=True)  # stable: earlier ones win
    return [examples[i] for i in order[:k]][::-1]


def assemble(system, examples, history, question, *, budget, count):
    expected = "user"
    for message in history:
        if message["role"] != expected:
            raise ValueError("The roles must alternate.")
        expected = "assistant" if expected == "user" else "user"
    if expected != "user":
        raise ValueError("The last message must be the assistant's.")

    def is_answer_of_tool(message):
        if message["role"] == "assistant" or isinstance(message["content"], str):
            return False
        return "tool_result" in [block["type"] for block in message["content"]]

    if history and is_answer_of_tool(history[0]):
        raise ValueError("The first message must be a question.")
    shots = deque(examples)
    past = deque(history)
    while True:
        messages = []
        for shot in shots:
            messages += [{"role": "user", "content": shot.user}, {"role": "assistant", "content": shot.assistant}]
        messages.extend(past)
        messages.append(dict(role="user", content=question))
        size = count(system, messages)
        if size <= budget:
            return Prompt(system=system, messages=messages)
        if shots:
            shots.popleft()
        elif past:
            past.popleft()
            while past and (past[0]["role"] == "assistant" or is_answer_of_tool(past[0])):
                past.popleft()
        else:
            raise PromptTooLong(f"Needs {size} tokens; the budget is {budget}.")
