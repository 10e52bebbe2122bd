"""What runs beside the learner's code for task 2.1: it builds, calls and returns data; it never judges."""

from __future__ import annotations

import copy
import datetime


def system(learner, *, cases):
    """The system message for each (role, rules, context or None, [year, month, day] or None)."""
    found = []
    for role, rules, context, today in cases:
        more = {}
        if context is not None:
            more["context"] = context
        if today is not None:
            more["today"] = datetime.date(*today)
        found.append(learner.prompts.system_prompt(role, rules, **more))
    return found


def choose(learner, *, question, examples, k, embed):
    """The places of the examples that were chosen; -1 for what is not one of those given."""
    made = [learner.prompts.Example(*pair) for pair in examples]
    given = list(made)
    got = learner.prompts.choose_examples(question, made, k, embed)
    same = len(made) == len(given) and all(a is b for a, b in zip(made, given, strict=True))
    return {
        "places": [next((i for i, one in enumerate(given) if one is item), -1) for item in got],
        "kind": type(got).__name__,
        "given": same,
    }


def assemble(learner, *, system, examples, history, question, budget, count):
    """The prompt, and whether what was given is as it was."""
    made = [learner.prompts.Example(*pair) for pair in examples]
    before = list(made), copy.deepcopy(history)
    prompt = learner.prompts.assemble(system, made, history, question, budget=budget, count=count)
    return {
        "system": prompt.system,
        "messages": prompt.messages,
        "kind": type(prompt) is learner.prompts.Prompt,
        "given": (made, history) == before,
        "new": prompt.messages is not history,
    }
