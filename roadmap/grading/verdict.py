"""What a run decides: the state of each check, the points it earns, and the report that holds them all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SCHEMA = "roadmap.report/1"


class State(StrEnum):
    """The states a check can end in."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_IMPLEMENTED = "not_implemented"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    BLOCKED = "blocked"  # a check that it depends on did not pass
    GRADER_ERROR = "grader_error"  # never the learner's fault


class Stop(StrEnum):
    """What may end a run before its last check."""

    CAUGHT = "caught"  # a check that did not pass
    NAMED = "named"  # one that named a mistake


@dataclass
class CheckResult:
    """One check's verdict. `earned` and `points` are in the stage's points; `seconds` is wall time."""

    id: str
    task: str
    title: str
    state: State
    points: float
    earned: float = 0.0
    hidden: bool = False
    seconds: float = 0.0
    message: str = ""
    mistake: str | None = None
    lesson: str = ""
    hint: str = ""
    output: str = ""


@dataclass
class TaskResult:
    """A task's points, summed over its checks."""

    id: str
    title: str
    score: float
    max_score: float


@dataclass
class Report:
    """The whole run. `task` is set when only one task was checked; `pass_mark` is in points of this report."""

    course: str
    stage: str
    task: str | None
    score: float
    max_score: float
    pass_mark: float
    passed: bool
    seed: int
    isolation: str
    models: dict[str, str]
    seconds: float
    tasks: list[TaskResult] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)
    schema: str = SCHEMA
    missing_layers: list[str] = field(default_factory=list)

    @property
    def grader_failed(self) -> bool:
        """Whether any check could not be graded: then the score is not the learner's."""
        return any(check.state is State.GRADER_ERROR for check in self.checks)

    @property
    def exit_code(self) -> int:
        """0 at or above the pass mark, 1 below it, 3 when the grader itself failed."""
        if self.grader_failed:
            return 3
        return 0 if self.passed else 1

    def to_dict(self) -> dict[str, Any]:
        """Plain data in the order of the published schema (docs/report.schema.json)."""
        return {
            "schema": self.schema,
            "course": self.course,
            "stage": self.stage,
            "task": self.task,
            "score": self.score,
            "max_score": self.max_score,
            "pass_mark": self.pass_mark,
            "passed": self.passed,
            "seed": self.seed,
            "isolation": self.isolation,
            "missing_layers": list(self.missing_layers),
            "models": dict(self.models),
            "seconds": round(self.seconds, 3),
            "tasks": [dict(vars(task)) for task in self.tasks],
            "checks": [{**vars(c), "state": str(c.state), "seconds": round(c.seconds, 4)} for c in self.checks],
        }


def share_points(points: float, weights: Iterable[float]) -> list[float]:
    """Spread a task's points over its checks by weight; the last check takes what rounding leaves."""
    weights = list(weights)
    total = sum(weights)
    shares = [round(points * weight / total, 4) for weight in weights]
    if shares:
        shares[-1] = round(points - sum(shares[:-1]), 4)
    return shares
