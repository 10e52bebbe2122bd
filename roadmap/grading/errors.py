"""What can go wrong while grading, and whose fault it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ErrorInfo:
    """An exception that the learner's code raised, as plain text. `bases` names its classes, from itself upwards."""

    type: str
    bases: tuple[str, ...]
    message: str
    frames: tuple[dict[str, Any], ...] = field(default=(), repr=False)

    def where(self) -> str:
        """The innermost place in the learner's own files, as `sampling.py:31 in top_p_filter`."""
        return self._place(self.frames[-1]) if self.frames else ""

    def trace(self) -> str:
        """The learner's own frames, innermost last, each with its line of source."""
        return "\n".join(f"  {self._place(frame)}\n      {frame['source']}" for frame in self.frames)

    @staticmethod
    def _place(frame: dict[str, Any]) -> str:
        place = f"{frame['file']}:{frame['line']}"
        return f"{place} in {frame['function']}" if frame["function"] else place  # a syntax error is in no function


class Verdict(Exception):
    """A check ended without passing, for a reason that lies in the submission."""


class CheckFailed(Verdict):
    """A comparison did not hold. `mistake` is a slug from mistakes.toml when the answer equals a known wrong one."""

    def __init__(self, message: str, mistake: str | None = None):
        super().__init__(message)
        self.message = message
        self.mistake = mistake


class LearnerError(Verdict):
    """The learner's code raised an exception."""

    def __init__(self, info: ErrorInfo):
        super().__init__(f"{info.type}: {info.message}")
        self.info = info


class CandidateDied(Verdict):
    """The learner's process ended in the middle of a call. `how` is a sentence."""

    def __init__(self, how: str):
        super().__init__(how)
        self.how = how


class TimedOut(Verdict):
    """The learner's code used up the check's wall limit, in seconds."""

    def __init__(self, limit: float):
        super().__init__(f"no answer within {limit:.0f} s")
        self.limit = limit


class OutOfMemory(Verdict):
    """The learner's code asked for more memory than the check allows, in MB."""

    def __init__(self, limit_mb: int):
        super().__init__(f"more than {limit_mb} MB of memory")
        self.limit_mb = limit_mb


class WireError(Exception):
    """Bytes that are no message, or data that may not travel. In a candidate's answer it is the submission's fault."""


class GraderError(Exception):
    """The grader itself failed: `message` says what, `advice` what to do. Never the learner's fault; exit code 3."""

    exit_code = 3

    def __init__(self, message: str, advice: str = "Run `roadmap doctor`, then try again."):
        super().__init__(message)
        self.message = message
        self.advice = advice
