"""A learner's progress: the last known scores and the hints shown. A cache, never evidence."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from roadmap.course.files import write_atomic
from roadmap.course.package import digest
from roadmap.course.syllabus import Course, Stage, Task

STATE = ".roadmap"
SCHEMA = "roadmap.progress/1"


@dataclass(frozen=True)
class Record:
    """What one task scored when it was last checked.

    `files` is the digest of what was checked, `when` is in seconds since the epoch, `failing` the id of the first check
    that did not pass, `mistake` its slug, if it had one.
    """

    score: float
    max_score: float
    files: str
    when: float
    failing: str = ""
    mistake: str = ""

    @property
    def passed(self) -> bool:
        """Whether every point of the task was earned."""
        return self.max_score > 0 and self.score >= self.max_score - 1e-6


class Progress:
    """The progress file of a course, `<root>/.roadmap/progress.json`.

    A file that cannot be read or written never stops a command: `warn` is told once, and the session goes on with what
    is in memory.
    """

    def __init__(self, root: Path, warn: Callable[[str], None] | None = None) -> None:
        self.path = Path(root) / STATE / "progress.json"
        self._warn = warn or (lambda sentence: print(sentence, file=sys.stderr))
        self._warned = False
        self._tasks: dict[str, dict[str, Record]] = {}
        self._hints: dict[str, dict[str, int]] = {}
        self._read()

    def record(self, stage: Stage, task: Task) -> Record | None:
        """The last known result of a task, or None."""
        return self._tasks.get(stage.name, {}).get(task.id)

    def changed(self, course: Course, stage: Stage, task: Task) -> bool:
        """Whether the task's files differ from those that were checked."""
        record = self.record(stage, task)
        return record is not None and record.files != digest(stage, course.projects / stage.name, task)

    def remember(self, stage: Stage, results: dict[str, Record]) -> None:
        """Store the results of a run by task id; the other tasks keep theirs."""
        self._read()  # another process may have written meanwhile
        self._tasks.setdefault(stage.name, {}).update(results)
        self._write()

    def forget(self, stage: Stage, task: Task) -> None:
        """Drop what is known of a task's result."""
        self._read()
        if self._tasks.get(stage.name, {}).pop(task.id, None) is not None:
            self._write()

    def hints_shown(self, stage: Stage, task: Task, check: str = "") -> int:
        """How many hints were shown so far for that check of the task."""
        return self._hints.get(stage.name, {}).get(_key(task, check), 0)

    def show_hints(self, stage: Stage, task: Task, check: str, count: int) -> None:
        """Remember that `count` hints were shown for that check of the task."""
        self._read()
        self._hints.setdefault(stage.name, {})[_key(task, check)] = count
        self._write()

    def forget_hints(self, stage: Stage, task: Task) -> None:
        """Start the task's hints over."""
        self._read()
        shown = self._hints.get(stage.name, {})
        self._hints[stage.name] = {key: n for key, n in shown.items() if key.split("/")[0] != task.id}
        if self._hints[stage.name] != shown:
            self._write()

    def _read(self) -> None:
        try:
            text = self.path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, UnicodeDecodeError) as error:
            self._say(f"Your progress cannot be read from {self.path} ({_reason(error)}); this run starts without it.")
            return
        try:
            stages = json.loads(text)["stages"]
            tasks = {name: _records(entry.get("tasks", {})) for name, entry in stages.items()}
            hints = {name: _counts(entry.get("hints", {})) for name, entry in stages.items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self._say(f"Your progress in {self.path} is damaged and is started anew; `roadmap check` fills it again.")
            return
        self._tasks, self._hints = tasks, hints

    def _write(self) -> None:
        names = sorted({*self._tasks, *self._hints})
        stages = {
            name: {
                "tasks": {id: asdict(record) for id, record in self._tasks.get(name, {}).items()},
                "hints": self._hints.get(name, {}),
            }
            for name in names
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, json.dumps({"schema": SCHEMA, "stages": stages}, indent=1) + "\n")
        except OSError as error:
            self._say(f"Your progress cannot be saved in {self.path} ({_reason(error)}); nothing else is lost.")

    def _say(self, sentence: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(sentence)


def now() -> float:
    """The time to put into a record, in seconds since the epoch."""
    return round(time.time(), 1)


def _key(task: Task, check: str) -> str:
    return f"{task.id}/{check}" if check else task.id


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _records(entries: dict[str, Any]) -> dict[str, Record]:
    found = {}
    for id, entry in entries.items():
        record = Record(**entry)
        numbers = (record.score, record.max_score, record.when)
        if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
            raise TypeError(id)
        if not all(isinstance(text, str) for text in (record.files, record.failing, record.mistake)):
            raise TypeError(id)
        found[id] = record
    return found


def _counts(entries: dict[str, Any]) -> dict[str, int]:
    if not all(isinstance(count, int) and count >= 0 for count in entries.values()):
        raise TypeError("hints")
    return dict(entries)
