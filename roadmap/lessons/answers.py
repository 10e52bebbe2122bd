"""Stored answers to a lesson's exercises: right ones that its checks must accept, wrong ones they must refuse.

`NN_topic.answers.py` stands beside the source and defines `RIGHT` and `WRONG`, each a mapping from `exercise_1` to a
list of answers. It is run inside the lesson's own namespace, after the lesson: it may use all that the lesson defined.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
from collections.abc import Mapping
from typing import Any

RIGHT, NOT_ATTEMPTED = "Right", "Not attempted"
EXERCISE = re.compile(r"exercise_([1-9]\d*)")
CALL = (
    "import json as _json\nfrom roadmap.lessons.answers import prove as _prove\n"
    "print(_json.dumps(_prove(globals(), {!r})))"
)


def prove(namespace: Mapping[str, Any], source: str) -> list[str]:
    """What is wrong with the exercises' checks in a finished lesson's `namespace`; empty when they hold.

    Of each `exercise_N`: `None` must return a sentence that begins with "Not attempted", each right answer one that
    begins with "Right", and each wrong answer must fail an assertion that says something.
    """
    scope = dict(namespace)
    try:
        exec(compile(source, "answers", "exec"), scope)  # the authors' own file, in the lesson's own kernel
    except Exception as error:
        return [f"the answers cannot be run: {type(error).__name__}: {error}"]
    right, wrong = scope.get("RIGHT"), scope.get("WRONG")
    if not isinstance(right, dict) or not isinstance(wrong, dict):
        return ["the answers define no mappings RIGHT and WRONG"]
    names = sorted((name for name in namespace if EXERCISE.fullmatch(name)), key=lambda name: int(name.split("_")[1]))
    problems = [f"{name} has answers but the lesson does not define it" for name in {*right, *wrong} - set(names)]
    for name in names:
        check = namespace[name]
        outcome = _outcome(check, None)
        if not outcome.startswith(NOT_ATTEMPTED):
            problems.append(f"{name}(None) must return a sentence that begins with {NOT_ATTEMPTED!r}: {outcome}")
        for answer in right.get(name, ()):
            outcome = _outcome(check, answer)
            if not outcome.startswith(RIGHT):
                problems.append(f"{name} refuses the right answer {_short(answer)}: {outcome}")
        for answer in wrong.get(name, ()):
            outcome = _outcome(check, answer)
            if not outcome.startswith("AssertionError: "):
                problems.append(f"{name} does not refuse the wrong answer {_short(answer)} by an assertion: {outcome}")
        if not right.get(name) or len(wrong.get(name, ())) < 2:
            problems.append(f"{name} needs at least one right answer and two wrong ones")
    return problems


def stored(source: str) -> dict[str, tuple[int | None, int | None]] | None:
    """For each exercise, how many right and wrong answers a file states; None for what is not a literal list.

    None when the file is no Python or defines no mappings.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    tables: dict[str, dict[str, int | None]] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Dict):
            continue
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id in ("RIGHT", "WRONG"):
                tables[target.id] = {
                    key.value: len(value.elts) if isinstance(value, ast.List | ast.Tuple) else None
                    for key, value in zip(node.value.keys, node.value.values, strict=True)
                    if isinstance(key, ast.Constant) and isinstance(key.value, str)
                }
    if set(tables) != {"RIGHT", "WRONG"}:
        return None
    names = {*tables["RIGHT"], *tables["WRONG"]}
    return {name: (tables["RIGHT"].get(name, 0), tables["WRONG"].get(name, 0)) for name in names}


def _outcome(check: Any, answer: Any) -> str:
    """What a check says to an answer, or the error that it raises."""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            return str(check(answer))
        except Exception as error:
            return f"{type(error).__name__}: {error}"


def _short(answer: Any) -> str:
    text = getattr(answer, "__name__", None) or " ".join(repr(answer).split())
    return text if len(text) <= 60 else text[:57] + "..."
