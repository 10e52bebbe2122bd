"""Errors that a person can meet: one sentence says what happened, one says what to do."""

from __future__ import annotations


class UsageError(Exception):
    """Something the person at the keyboard can put right.

    `message` says what happened, `advice` what to do; each is one sentence. The command ends with `exit_code`.
    """

    exit_code = 2

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class CourseError(UsageError):
    """The course's own files are wrong: the syllabus, a marker in a reference, a check's declaration."""


class UnknownStage(UsageError):
    """No stage has that number or name."""


class UnknownTask(UsageError):
    """No task has that number."""


class NotInstalled(UsageError):
    """A library that a stage needs is absent from this environment."""
