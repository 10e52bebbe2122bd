"""A grading session: warm bases for one stage, and runs of its checks against submissions."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import select
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import filelock

from ..course import Course, Stage, installed
from ..course.catalogue import checks_of
from . import calibration, submission, wire
from .bases import Process, candidate_config, start_candidate_base
from .errors import GraderError
from .removal import remove_tree
from .sandbox import Layers, layers, requested_mode
from .submission import SubmissionError
from .verdict import CheckResult, Report, State, Stop, TaskResult

if TYPE_CHECKING:
    from .judge.plugin import StageRun

_HOME_PREFIX = "roadmap-grading-"
_LOCK = "lock"  # in the session's folder, held while the session lives
_NEWBORN_SECONDS = 60.0  # a folder this young may not have its lock yet
_LANES = 2  # judges that share a stage's tasks
_SILENCE_SECONDS = 1800.0  # a judge that says nothing for longer is taken for dead

__all__ = ["Event", "Grader", "GraderError", "SubmissionError"]


@dataclass(frozen=True)
class Event:
    """Progress of a run. `kind` is `collected` (then `checks` holds all of them), `started` or `finished`."""

    kind: str
    check: CheckResult | None = None
    checks: tuple[CheckResult, ...] = ()


class Grader:
    """Grades submissions of one stage. Use as a context manager; the bases start at the first need and stay warm.

    Threads may call `check` side by side: each run is a judge of its own, forked from the same bases.
    """

    def __init__(self, course: Course, stage: Stage):
        self.course = course
        self.stage = stage
        self._catalogue = checks_of(course, stage)
        self._mode = requested_mode()
        self._layers: Layers = layers(self._mode)
        self._judge: Process | None = None
        self._candidates: Process | None = None
        self._models: set[str] = set()
        self._starting = threading.Lock()
        self._isolation, self._missing = self._layers.isolation, self._layers.missing
        _sweep()
        self._home = Path(tempfile.mkdtemp(prefix=_HOME_PREFIX))
        self._lock = filelock.FileLock(self._home / _LOCK)
        self._lock.acquire()

    def __enter__(self) -> Grader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the bases and remove what the session kept on disk."""
        self.close_bases()
        self._lock.release()
        remove_tree(self._home)

    def prepare(self, tasks: Sequence[str] | None = None) -> None:
        """Start the bases and load the models that the checks of `tasks` (all, where None) want, once."""
        with self._starting:
            self._prepare(sorted(self._models_of(tasks)))

    def _prepare(self, wanted: list[str]) -> None:
        self._require(wanted)
        if not self._layers.fork:
            return
        if any(base is not None and base.child.poll() is not None for base in (self._judge, self._candidates)):
            self.close_bases()
        if self._judge is None:
            self._judge = self._start_judge_base(wanted, inline=False)
            self._candidates = start_candidate_base(self._config(), wanted, self._home / "candidates.log")
            self._judge.hear()
            hello = self._candidates.hear()
            self._isolation, self._missing = hello["isolation"], hello["missing"]
            self._models = set(wanted)
        new = [name for name in wanted if name not in self._models]
        if new:
            assert self._candidates is not None
            for process in (self._judge, self._candidates):
                process.say({"op": "prepare", "models": new})
            for process in (self._judge, self._candidates):
                process.hear()
            self._models |= set(new)

    def candidates_for(self, here: Path, source: Path) -> tuple[StageRun, socket.socket | None]:
        """Start the candidates' side only, for a judge that is this very process: plain `pytest checks/...`.

        `here` is an empty folder for the run. Returns what the checks run against, without a seed, and the channel.
        """
        from .judge.client import Launcher, Workplace
        from .judge.learner import Desk
        from .judge.plugin import StageRun

        wanted = sorted(self._models_of(None))
        self._require(wanted)
        shortcuts = self._lay_out(source, here)
        channel = None
        if self._layers.fork:
            self._candidates = start_candidate_base(self._config(), wanted, self._home / "candidates.log")
            self._candidates.hear()
            channel, theirs = socket.socketpair()
            with theirs:
                self._candidates.say({"op": "channel"}, (theirs.fileno(),))
        desk = Desk(
            Launcher(channel, self._config()),
            here / "submission",
            Workplace(here / "scratch"),
            spawned=channel is None,
            factor=calibration.allowance(self.course.root / ".roadmap"),
        )
        run = StageRun(
            stage=self.stage, desk=desk, seed=0, checks_folder=self.course.checks(self.stage), shortcuts=shortcuts
        )
        return run, channel

    def _lay_out(self, source: Path, work: Path) -> dict[str, str]:
        """Copy the submission and make the scratch folder of a run; returns the shortcuts found."""
        submission.copy(self.stage, Path(source), work / "submission")
        (work / "scratch").mkdir()
        return submission.shortcuts(self.stage, work / "submission")

    def close_bases(self) -> None:
        """End the bases only; the next run starts new ones."""
        for process in (self._judge, self._candidates):
            if process is not None:
                process.close()
        self._judge = self._candidates = None
        self._models = set()

    def check(
        self,
        source: Path,
        tasks: Sequence[str] | None = None,
        seed: int | None = None,
        checks: Iterable[Path] = (),
        on_event: Callable[[Event], None] | None = None,
        *,
        hidden: bool = False,
        stop_at: Stop | None = None,
        first: Iterable[str] = (),
    ) -> Report:
        """Run the stage's checks, or those of `tasks`, against the package in `source`.

        `checks` are folders of further, hidden checks; `hidden` adds the stage's own. `stop_at` ends the run at the
        first check that did not pass, or at the first that named a mistake; the report then ends there, too. The
        checks in `first`, by their ids, run before the others. Raises SubmissionError when the submission cannot be
        read, GraderError when the grader fails before any verdict.
        """
        started = time.monotonic()
        seed = secrets.randbelow(2**32) if seed is None else seed
        with self._folder() as work:
            shortcuts = self._lay_out(source, work)
            self.prepare(tasks)
            hidden_folders = [str(Path(path).resolve()) for path in checks]
            own_hidden = self.course.checks(self.stage) / "hidden"
            job = {
                "root": str(self.course.root),
                "stage": self.stage.name,
                "submission": str(work / "submission"),
                "work": str(work / "scratch"),
                "seed": seed,
                "factor": calibration.allowance(self.course.root / ".roadmap"),
                "shortcuts": shortcuts,
                "hidden": [*hidden_folders, *([str(own_hidden)] if hidden and own_hidden.is_dir() else [])],
                "stop_at": stop_at and stop_at.value,
                "first": list(first),
                "candidate": dataclasses.asdict(self._config()),
            }
            whole = stop_at is not None or bool(job["hidden"])  # a hidden check may belong to any task
            lanes = [None if tasks is None else list(tasks)] if whole else self._lanes(tasks)
            jobs = [job | {"tasks": lane, "files": self._files(lane, hidden_folders, hidden)} for lane in lanes]
            results = self._run(jobs, on_event or (lambda event: None))
        return self._report(results, tasks, seed, time.monotonic() - started, partial=stop_at is not None)

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._home))
        try:
            yield folder
        finally:
            remove_tree(folder)

    # --- below: a run -----------------------------------------------------------------------------------------------

    def _lanes(self, tasks: Sequence[str] | None) -> list[list[str] | None]:
        """The tasks in as many groups of about equal time as there are processors, two at most.

        Tasks whose checks share a file stay together: these checks may need one another.
        """
        everything = [None if tasks is None else list(tasks)]
        if not self._layers.fork or len(os.sched_getaffinity(0)) < _LANES:
            return everything
        groups: dict[str, set[str]] = {}  # by file
        seconds: dict[str, float] = {}
        for check in self._catalogue:
            if tasks is None or check.task in tasks:
                groups.setdefault(check.file, set()).add(check.task)
                seconds[check.file] = seconds.get(check.file, 0.0) + check.seconds
        if len(groups) < _LANES or sum(map(len, groups.values())) > len(set().union(*groups.values())):
            return everything  # one file only, or a task whose checks stand in several
        lanes: list[list[str]] = [[] for _ in range(_LANES)]
        loads = [0.0] * _LANES
        for file in sorted(groups, key=lambda file: -seconds[file]):
            lightest = loads.index(min(loads))
            loads[lightest] += seconds[file]
            lanes[lightest] += sorted(groups[file])
        return list(lanes)

    def _run(self, jobs: list[dict[str, Any]], on_event: Callable[[Event], None]) -> list[CheckResult]:
        """Run the jobs side by side, each by a judge of its own; the verdicts come in the stage's order."""
        try:
            with contextlib.ExitStack() as stack:
                socks = [stack.enter_context(self._judging(job)) for job in jobs]
                results = self._listen(socks, on_event)
        except (wire.Closed, OSError) as error:
            raise GraderError(f"The grading process ended early ({type(error).__name__}).") from None
        return self._ordered(results)

    @contextlib.contextmanager
    def _judging(self, job: dict[str, Any]) -> Iterator[socket.socket]:
        """A judge at work on a job; what it reports arrives on the socket."""
        ours, theirs = socket.socketpair()
        inline: Process | None = None
        try:
            if self._layers.fork:
                assert self._judge is not None
                assert self._candidates is not None
                judge_end, base_end = socket.socketpair()
                with judge_end, base_end, self._starting:
                    self._candidates.say({"op": "channel"}, (base_end.fileno(),))
                    self._judge.say({"op": "judge"}, (theirs.fileno(), judge_end.fileno()))
            else:
                inline = self._start_judge_base(sorted(self._models_of(job["tasks"])), inline=True)
                inline.hear()
                inline.say({"op": "judge"}, (theirs.fileno(),))
            theirs.close()
            wire.send(ours, wire.encode(job))
            yield ours
        finally:
            ours.close()
            with contextlib.suppress(OSError):
                theirs.close()
            if inline is not None:
                inline.close()

    def _listen(self, socks: list[socket.socket], on_event: Callable[[Event], None]) -> list[CheckResult]:
        """Collect verdicts until every judge is done. A check without one stays a grader error: never an absence."""
        results: dict[str, CheckResult] = {}
        uncollected = {sock.fileno() for sock in socks}
        waiting: list[Event] = []  # until it is known how many checks there are
        poller = select.poll()
        for sock in socks:
            poller.register(sock, select.POLLIN)
        live = {sock.fileno(): sock for sock in socks}
        while live:
            ready = [fd for fd, _ in poller.poll(_SILENCE_SECONDS * 1000)]
            for fd in ready or list(live):
                try:
                    if not ready:
                        raise wire.Timeout
                    message = wire.decode(wire.receive(live[fd], time.monotonic() + _SILENCE_SECONDS))
                except (wire.Closed, wire.Timeout):
                    if fd in uncollected:
                        raise GraderError(
                            f"The grading process ended before it had read the checks. {self._said()}"
                        ) from None
                    message = {"event": "done", "value": None}
                kind, value = message["event"], message["value"]
                if kind == "collected":
                    uncollected.discard(fd)
                    results |= {check["id"]: _result(check) for check in value}
                    if not uncollected:
                        waiting.insert(0, Event("collected", checks=tuple(self._ordered(results.values()))))
                elif kind in ("started", "finished"):
                    check = _result(value)
                    if kind == "finished":
                        results[check.id] = check
                    waiting.append(Event(kind, check=check))
                elif kind == "failed":
                    raise GraderError(f"The grader failed: {value.splitlines()[0]}")
                else:
                    if fd in uncollected:
                        words = f"No check was found for that. {self._said()}"
                        raise GraderError(words, "Look at the folder `checks`.")
                    poller.unregister(fd)
                    del live[fd]
                while waiting and not uncollected:
                    on_event(waiting.pop(0))
        return list(results.values())

    def _said(self) -> str:
        return self._judge.last_words() if self._judge is not None else ""

    def _ordered(self, results: Iterable[CheckResult]) -> list[CheckResult]:
        place = {task.id: index for index, task in enumerate(self.stage.tasks)}
        return sorted(results, key=lambda check: place.get(check.task, len(place)))

    def _report(
        self, results: list[CheckResult], tasks: Sequence[str] | None, seed: int, seconds: float, *, partial: bool
    ) -> Report:
        if partial:  # what was left out after the first catch is no verdict
            results = [check for check in results if check.message != "This check was not run."]
        chosen = [task for task in self.stage.tasks if tasks is None or task.id in tasks]
        scores = [
            TaskResult(
                id=task.id,
                title=task.title,
                score=round(sum(check.earned for check in results if check.task == task.id), 2),
                max_score=float(task.points),
            )
            for task in chosen
        ]
        total, most = round(sum(task.score for task in scores), 2), float(sum(task.points for task in chosen))
        pass_mark = round(self.stage.pass_mark / 100 * most, 2)
        failed = any(check.state is State.GRADER_ERROR for check in results)
        return Report(
            course=self.course.title,
            stage=self.stage.name,
            task=tasks[0] if tasks is not None and len(tasks) == 1 else None,
            score=total,
            max_score=most,
            pass_mark=pass_mark,
            passed=total >= pass_mark and not failed,
            seed=seed,
            isolation=self._isolation,
            missing_layers=list(self._missing),
            models=self._identities(),
            seconds=seconds,
            tasks=scores,
            checks=results,
        )

    # --- below: what a run needs --------------------------------------------------------------------------------------

    def _start_judge_base(self, models: list[str], *, inline: bool) -> Process:
        process = Process("roadmap.grading.judge.base", self._home / "judge.log")
        process.say({"libraries": list(self.stage.judge_libraries), "models": models, "inline": inline})
        return process

    def _config(self) -> Any:
        forbidden = dict.fromkeys(name for task in self.stage.tasks for name in task.forbid)
        root = self.course.root
        return candidate_config(
            self.stage.name,
            blocked=self.stage.blocked,
            forbidden=forbidden,
            hide=[root / name for name in ("checks", "solutions", "tests", ".git", ".roadmap")],
            libraries=self.stage.libraries,
        )

    def _models_of(self, tasks: Sequence[str] | None) -> set[str]:
        return {name for check in self._catalogue if tasks is None or check.task in tasks for name in check.models}

    def _files(self, tasks: Sequence[str] | None, hidden_folders: list[str], hidden: bool) -> list[str]:
        """The check files that hold the chosen tasks: one task needs no other file's imports."""
        folder = self.course.checks(self.stage)
        files = {str(check.file) for check in self._catalogue if tasks is None or check.task in tasks}
        own = [str(folder / "hidden")] if hidden and (folder / "hidden").is_dir() else []
        return [*sorted(files), *own, *hidden_folders]

    def _require(self, models: list[str]) -> None:
        from .. import artifacts

        installed.require(self.stage)
        for name in models:
            artifacts.path(name)  # raises ArtifactMissing, whose sentences say what to do

    def _identities(self) -> dict[str, str]:
        from .. import artifacts

        return {name: artifacts.sha256_of(name) for name in sorted(self._models) if artifacts.is_present(name)}


def _sweep() -> None:
    """Remove what sessions that were killed left behind: nobody holds the lock in their folders any more.

    A lock, not a process number: containers that share a temporary folder number their processes each for itself.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{_HOME_PREFIX}*"):
        with contextlib.suppress(OSError, filelock.Timeout):
            status = folder.lstat()
            if status.st_uid == os.getuid() and time.time() - status.st_mtime > _NEWBORN_SECONDS:
                with filelock.FileLock(folder / _LOCK, timeout=0):
                    pass
                remove_tree(folder)


def _result(data: dict[str, Any]) -> CheckResult:
    return CheckResult(**{**data, "state": State(data["state"])})
