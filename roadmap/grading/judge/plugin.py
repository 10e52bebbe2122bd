"""The pytest plugin: turns checks into verdicts, in a forked judge and in a plain `pytest checks/...` alike."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.runner import runtestprotocol

from ...course.catalogue import Mistake, read_mistakes
from ...course.package import rests_on
from ...course.syllabus import Stage
from ..check import CheckSpec, spec_of
from ..errors import CandidateDied, CheckFailed, LearnerError, OutOfMemory, TimedOut
from ..text import harmless
from ..verdict import CheckResult, State, Stop, share_points
from .learner import Desk, Learner
from .models import Models

_MESSAGE_LIMIT = 3000
_OUTPUT_LIMIT = 4000
SHORTCUT = Mistake(
    slug="forbidden-shortcut",
    task="",
    says="This stage asks you to write what that function does.",
    hint="Remove the shortcut and write the computation yourself; the lesson shows it step by step.",
)
_RESULT = pytest.StashKey[CheckResult]()
_LEARNER = pytest.StashKey[Learner]()


@dataclass
class StageRun:
    """What the checks of one stage run against."""

    stage: Stage
    desk: Desk
    seed: int
    checks_folder: Path
    shortcuts: dict[str, str] = field(default_factory=dict)  # task id -> what was found
    hidden: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        self.mistakes: dict[str, Mistake] = {SHORTCUT.slug: SHORTCUT}
        for folder in (self.checks_folder, *self.hidden):
            self.mistakes |= read_mistakes(folder)


class CheckPlugin:
    """Collects checks, runs them in the order of their tasks, and records a verdict for each."""

    def __init__(
        self,
        run_of: Callable[[str], StageRun],
        *,
        tasks: Iterable[str] | None = None,
        emit: Callable[[str, Any], None] = lambda kind, value: None,
        stop_at: Stop | None = None,
        first: Iterable[str] = (),
    ):
        self._run_of = run_of
        self._tasks = None if tasks is None else set(tasks)
        self._emit = emit
        self._stop_at = stop_at
        self._first = frozenset(first)
        self._states: dict[tuple[str, str], State] = {}  # (file, function) -> state, for `needs`
        self.results: list[CheckResult] = []

    # --- the manifest, known before any of the learner's code runs -----------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        graded = [(item, spec) for item in items if (spec := _spec(item)) is not None]
        rank = {item: index for index, item in enumerate(items)}
        unknown = [spec.task for item, spec in graded if not self._knows(item, spec.task)]
        if unknown:
            raise pytest.UsageError(f"a check names task {unknown[0]}, which stages/course.toml does not have")
        chosen = [(item, spec) for item, spec in graded if self._tasks is None or spec.task in self._tasks]
        first = self._with_needs(chosen)
        chosen.sort(
            key=lambda pair: (
                _key(pair[0]) not in first,
                self._place(pair[0], pair[1].task),
                self._is_hidden(pair[0]),
                rank[pair[0]],
            )
        )
        items[:] = [item for item, _ in chosen]
        by_task: dict[str, list[tuple[pytest.Item, CheckSpec]]] = {}
        for item, spec in chosen:
            by_task.setdefault(spec.task, []).append((item, spec))
        for task_id, group in by_task.items():
            points = self._task(group[0][0], task_id).points
            for (item, spec), share in zip(group, share_points(points, [s.weight for _, s in group]), strict=True):
                item.stash[_RESULT] = CheckResult(
                    id=_node_name(item),
                    task=task_id,
                    title=spec.title,
                    state=State.GRADER_ERROR,
                    points=share,
                    hidden=self._is_hidden(item),
                    message="This check was not run.",
                    lesson=spec.lesson,
                    hint=spec.hints[0],
                )
        self.results = [item.stash[_RESULT] for item in items]
        self._emit("collected", self.results)

    def _with_needs(self, chosen: list[tuple[pytest.Item, CheckSpec]]) -> set[tuple[str, str]]:
        """The checks that go first, and those that they wait for."""
        needs = {_key(item): [(str(item.path), need) for need in spec.needs] for item, spec in chosen}
        return {key for item, _ in chosen if _node_name(item) in self._first for key in rests_on(_key(item), needs)}

    # --- one check ------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        result = item.stash[_RESULT]
        self._emit("started", result)
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        started = time.monotonic()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if result.state is State.TIMED_OUT:  # a busy machine gets one more chance before it costs points
            item._initrequest()  # type: ignore[attr-defined]
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        result.seconds = time.monotonic() - started
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        result.earned = result.points if result.state is State.PASSED else 0.0
        self._states[_key(item)] = result.state
        self._emit("finished", result)
        caught = result.state not in (State.PASSED, State.BLOCKED)
        if caught and (self._stop_at is Stop.CAUGHT or (self._stop_at is Stop.NAMED and result.mistake)):
            item.session.shouldstop = f"stopped at the first check that {self._stop_at} something"
        return True

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        spec, run = _require_spec(item), self._run(item)
        if shortcut := run.shortcuts.get(spec.task):
            raise CheckFailed(shortcut, SHORTCUT.slug)
        path = str(item.path)
        waiting = [need for need in spec.needs if self._states.get((path, need)) is not State.PASSED]
        if waiting:
            item.stash[_RESULT].state = State.BLOCKED
            pytest.skip(f"waits for {waiting[0]}")

    @pytest.fixture
    def learner(self, request: pytest.FixtureRequest) -> Iterator[Learner]:
        """Calls into the submission."""
        learner = Learner(self._run(request.node).desk, _require_spec(request.node))
        request.node.stash[_LEARNER] = learner
        yield learner
        learner.close()

    @pytest.fixture
    def rng(self, request: pytest.FixtureRequest) -> np.random.Generator:
        """Random numbers that depend on the run's seed and on the check, and on nothing else."""
        name = request.node.name.encode()
        return np.random.default_rng([self._run(request.node).seed, zlib.crc32(name)])

    @pytest.fixture
    def models(self) -> Models:
        """The judge's models, for oracles."""
        return Models()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        report = yield
        result = item.stash[_RESULT]
        if call.when == "setup" and call.excinfo is None:
            return report
        if call.when == "teardown":
            self._take_output(item, result)
            if call.excinfo is not None:
                self._record_grader_error(result, call)
            return report
        if call.excinfo is None:
            result.state, result.message, result.mistake, result.hint = State.PASSED, "", None, ""
        elif isinstance(call.excinfo.value, pytest.skip.Exception) and result.state is State.BLOCKED:
            result.message = f"Not run: it builds on an earlier check ({call.excinfo.value.msg})."
        else:
            self._judge(item, result, call.excinfo.value, call)
            words = self._words(result)
            if result.hidden:
                self._veil(result, self._run(item))
                words = words if result.state is State.GRADER_ERROR else self._words(result)
            report.longrepr = words
            report.outcome = "failed"
        return report

    # --- verdicts -------------------------------------------------------------------------------------------------

    def _judge(self, item: pytest.Item, result: CheckResult, error: BaseException, call: pytest.CallInfo[None]) -> None:
        spec, run = _require_spec(item), self._run(item)
        result.mistake = None
        result.hint = spec.hints[0]
        connected = item.stash[_LEARNER].connected if _LEARNER in item.stash else False
        if isinstance(error, CheckFailed):
            result.state, message = State.FAILED, error.message
            if error.mistake is not None:
                known = run.mistakes.get(error.mistake)
                if known is None:
                    result.state = State.GRADER_ERROR
                    result.message = f"The check names a mistake that mistakes.toml does not have: {error.mistake}."
                    return
                result.mistake, result.hint = known.slug, known.hint
                message = f"{known.says}\n{message}"
        elif isinstance(error, LearnerError):
            result.state, message = self._raised(error)
            if error.info.type == "ForbiddenShortcut":
                result.mistake, result.hint = SHORTCUT.slug, SHORTCUT.hint
        elif isinstance(error, CandidateDied):
            result.state, message = State.CRASHED, f"No answer: {error.how}."
        elif isinstance(error, TimedOut):
            result.state = State.TIMED_OUT
            message = (
                f"No answer within {error.limit:.0f} s, tried twice; the reference takes about {spec.seconds:.2g} s. "
                "Look for a loop that does not end, or for work that grows with the square of the input."
            )
        elif isinstance(error, OutOfMemory):
            result.state = State.OUT_OF_MEMORY
            message = f"Your code asked for more than {error.limit_mb} MB of memory."
        elif connected and isinstance(error, TimeoutError):
            result.state, message = State.TIMED_OUT, "Your program kept a connection open and did not answer in time."
        elif connected and isinstance(error, ConnectionError | EOFError):
            result.state, message = State.FAILED, f"The connection to your program broke ({type(error).__name__})."
        elif isinstance(error, AssertionError):
            result.state, message = State.FAILED, str(error).partition("\nassert ")[0] or "The check did not hold."
        else:
            self._record_grader_error(result, call)
            return
        result.message = harmless(message, _MESSAGE_LIMIT)

    @staticmethod
    def _raised(error: LearnerError) -> tuple[State, str]:
        info = error.info
        if "NotImplementedError" in info.bases:
            return State.NOT_IMPLEMENTED, f"Not written yet: {info.message or info.where() or 'the function'}."
        what = f"Your code raised {info.type}: {info.message}" if info.message else f"Your code raised {info.type}"
        trace = info.trace()
        return State.CRASHED, f"{what}\n{trace}" if trace else what

    @staticmethod
    def _record_grader_error(result: CheckResult, call: pytest.CallInfo[None]) -> None:
        assert call.excinfo is not None
        crash = call.excinfo.getrepr(style="short")
        result.state, result.mistake = State.GRADER_ERROR, None
        result.message = harmless(
            f"The grader failed, not your code: {type(call.excinfo.value).__name__}: {call.excinfo.value}\n{crash}",
            _MESSAGE_LIMIT,
        )

    @staticmethod
    def _veil(result: CheckResult, run: StageRun) -> None:
        """A hidden check says what was wrong in general, never on which input."""
        if result.state is State.GRADER_ERROR:  # the log has the rest; the report may be a learner's to read
            result.message = "The grader failed on a hidden check."
            return
        known = run.mistakes.get(result.mistake or "")
        result.message = known.says if known else f"A hidden check {result.state.replace('_', ' ')}."
        result.output = ""

    @staticmethod
    def _take_output(item: pytest.Item, result: CheckResult) -> None:
        learner = item.stash.get(_LEARNER, None)
        if learner is not None and not result.hidden:
            result.output = harmless(bytes(learner.printed), _OUTPUT_LIMIT).strip()

    @staticmethod
    def _words(result: CheckResult) -> str:
        lines = [f"{result.state}: {result.message}"]
        if result.mistake:
            lines.append(f"mistake: {result.mistake}")
        lines += [f"lesson: {result.lesson}", f"hint: {result.hint}"]
        return "\n".join(lines)

    # --- where things are -----------------------------------------------------------------------------------------

    def _run(self, item: pytest.Item) -> StageRun:
        return self._run_of(_stage_folder(item))

    def _knows(self, item: pytest.Item, task: str) -> bool:
        return any(task == known.id for known in self._run(item).stage.tasks)

    def _task(self, item: pytest.Item, task: str) -> Any:
        return next(known for known in self._run(item).stage.tasks if known.id == task)

    def _place(self, item: pytest.Item, task: str) -> tuple[int, int]:
        stage = self._run(item).stage
        return stage.number, [known.id for known in stage.tasks].index(task)

    def _is_hidden(self, item: pytest.Item) -> bool:
        return any(folder in item.path.parents for folder in self._run(item).hidden)


def _spec(item: pytest.Item) -> CheckSpec | None:
    return spec_of(getattr(item, "function", None))


def _require_spec(item: pytest.Item) -> CheckSpec:
    spec = _spec(item)
    assert spec is not None
    return spec


def _stage_folder(item: pytest.Item) -> str:
    """The stage whose folder a check's file lies in; for a folder of hidden checks elsewhere, an empty name."""
    return next((part.name for part in item.path.parents if part.name.startswith("stage")), "")


def _key(item: pytest.Item) -> tuple[str, str]:
    return str(item.path), item.name


def _node_name(item: pytest.Item) -> str:
    return f"{item.path.name}::{item.name}"
