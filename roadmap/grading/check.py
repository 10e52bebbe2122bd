"""The `@check` decorator: what the grader needs to know about a check besides its code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
_ATTRIBUTE = "__roadmap_check__"


@dataclass(frozen=True)
class CheckSpec:
    """What `@check` was told. `seconds` is what the reference takes, `limit` what a learner's code may take in place of
    five times that; `memory_mb` counts beyond the warm base.
    """

    task: str
    title: str
    weight: float
    lesson: str
    hints: tuple[str, ...]
    needs: tuple[str, ...]
    models: tuple[str, ...]
    seconds: float
    limit: float | None
    memory_mb: int
    fresh: bool


def check(
    task: str,
    *,
    weight: float = 1,
    lesson: str,
    hints: Sequence[str],
    needs: Sequence[str] = (),
    models: Sequence[str] = (),
    seconds: float = 0.5,
    limit: float | None = None,
    memory_mb: int = 1024,
    fresh: bool = False,
) -> Callable[[Function], Function]:
    """Declare a test function as a graded check of `task`; its docstring's first line is what the learner reads.

    docs/authors.md explains each argument. Raises ValueError when the declaration itself is incomplete.
    """
    if len(hints) < 2:
        raise ValueError("a check needs at least two hints, from general to specific")
    if weight <= 0 or seconds <= 0 or memory_mb <= 0 or (limit is not None and limit <= 0):
        raise ValueError("weight, seconds, limit and memory_mb must be positive")
    if "#" not in lesson:
        raise ValueError(f"lesson must name a section, as in '10_decoding#top-p'; got {lesson!r}")

    def mark(function: Function) -> Function:
        title = (inspect.getdoc(function) or "").partition("\n")[0].strip()
        if not title:
            raise ValueError(f"{function.__name__} needs a docstring: it is what the learner reads")
        spec = CheckSpec(
            task=task,
            title=title,
            weight=float(weight),
            lesson=lesson,
            hints=tuple(hints),
            needs=tuple(needs),
            models=tuple(models),
            seconds=float(seconds),
            limit=None if limit is None else float(limit),
            memory_mb=memory_mb,
            fresh=fresh or bool(models),
        )
        setattr(function, _ATTRIBUTE, spec)
        return function

    return mark


def spec_of(function: Any) -> CheckSpec | None:
    """The declaration of a check, or None for a function that is not one."""
    return getattr(function, _ATTRIBUTE, None)
