"""`roadmap watch [STAGE]`: checks again what a save touched, with the grader kept warm."""

from __future__ import annotations

import ast
import queue
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from roadmap.cli.console import console, load_course, select
from roadmap.cli.next import next_task
from roadmap.cli.submission import digests, package_root, remember
from roadmap.course.catalogue import checks_of
from roadmap.course.errors import UsageError
from roadmap.course.package import tasks_touched
from roadmap.course.progress import Progress
from roadmap.course.syllabus import Course, Stage, Task
from roadmap.course.wording import number

if TYPE_CHECKING:
    from roadmap.grading.report.words import Background
    from roadmap.grading.session import Grader
    from roadmap.grading.verdict import Report


def watch(
    stage: Annotated[
        str | None, typer.Argument(metavar="[STAGE]", help="A stage; default: the one you work on.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="The folder that holds stage packages.  [projects]")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop after the first save was checked.")] = False,
) -> int:
    """Check the tasks that a save touches, again and again, until Ctrl-C."""
    course = load_course()
    if stage is None:
        found = next_task(course, Progress(course.root))
        chosen = found[0] if found else next(stage for stage in course.stages if stage.tasks)
    else:
        chosen, _ = select(course, stage)
    root = package_root(course, chosen, source)

    try:
        return _follow(course, chosen, root, once=once)
    except KeyboardInterrupt:
        print("\nStopped watching.")
        return 0


def _follow(course: Course, stage: Stage, root: Path, *, once: bool) -> int:
    from roadmap.grading.report.words import Background
    from roadmap.grading.session import Grader

    package = root / stage.name
    with Saves(package, stage.package_files) as saves, Grader(course, stage) as grader:
        grader.prepare()
        session = Session(course, stage, root, grader, Background.of(course, stage))
        print(f"Watching {package}. Save a file, and its tasks are checked; Ctrl-C ends this.", flush=True)
        pending: set[str] = set()
        while True:
            pending |= saves.wait()
            done = session.cycle(pending, saves)
            if once:
                return session.exit_code
            if done:
                pending = set()


class Saves:
    """The names of a package's files that were saved, gathered by a thread of its own while checks run."""

    def __init__(self, package: Path, files: Iterable[str]) -> None:
        self._package, self._files = package, frozenset(files)
        self._queue: queue.SimpleQueue[set[str] | Exception] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="saves", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(5.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(2.0)

    def wait(self) -> set[str]:
        """Block until something was saved; returns the names of the files. Ctrl-C gets through."""
        while True:
            try:
                first = self._queue.get(timeout=0.5)
            except queue.Empty:
                if not self._package.is_dir():
                    raise UsageError(f"{self._package} is gone.", "Restore the folder, then watch again.") from None
                continue
            return self._take(first) | self.more()

    def more(self) -> set[str]:
        """What was saved meanwhile, without waiting."""
        names: set[str] = set()
        while True:
            try:
                names |= self._take(self._queue.get_nowait())
            except queue.Empty:
                return names

    @staticmethod
    def _take(item: set[str] | Exception) -> set[str]:
        if isinstance(item, Exception):
            raise UsageError(f"The folder cannot be watched ({item}).", "Use `roadmap check` instead.")
        return item

    def _follow(self) -> None:
        import watchfiles

        try:
            # A short time-out makes the first yield come at once: then the watch is in place.
            changes = watchfiles.watch(
                self._package,
                watch_filter=None,
                debounce=50,
                step=10,
                stop_event=self._stop,
                rust_timeout=200,
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=False,
            )
            for batch in changes:
                self._ready.set()
                names = {Path(path).name for _, path in batch} & self._files
                if names:
                    self._queue.put(names)
        except Exception as error:  # told to the thread that waits
            self._queue.put(error)
        finally:
            self._ready.set()


class Session:
    """One stage being watched: what to check after a save, and how it is told."""

    def __init__(self, course: Course, stage: Stage, root: Path, grader: Grader, background: Background) -> None:
        self.course, self.stage, self.root, self.grader, self.background = course, stage, root, grader, background
        self.progress = Progress(course.root)
        self.exit_code = 0
        self.checked = {check.task for check in checks_of(course, stage)}
        self.console = console()

    def cycle(self, changed: set[str], saves: Saves) -> bool:
        """Check what the files `changed` touch, their own tasks first.

        False when that could not be done just now, as with a file that is not Python while it is being typed: then they
        stay to be checked.
        """
        started = time.perf_counter()
        package = self.root / self.stage.name
        self._say(f"\n{time.strftime('%H:%M:%S')}  {', '.join(sorted(changed))}")
        broken = syntax_errors(package, changed)
        if broken:
            self._say("\n".join(f"  {line}" for line in broken))
            self.exit_code = 1
            return False
        batches = self._batches(package, changed)
        if not batches:
            self._say("  No check rests on this file.")
        self.exit_code = 0
        for index, batch in enumerate(batches):
            later = saves.more() if index else set()
            if later:  # the rest would judge what is already old
                return self.cycle(changed | later, saves)
            report = self._check(batch, started)
            if report is None:
                return False
            self.exit_code = max(self.exit_code, report.exit_code)
        return True

    def _batches(self, package: Path, changed: set[str]) -> list[list[Task]]:
        """The tasks whose own modules changed, then those that rest on them; the first answers come soonest."""
        touched = [task for task in tasks_touched(self.stage, package, changed) if task.id in self.checked]
        own = [task for task in touched if task.file in changed]
        rest = [task for task in touched if task.file not in changed]
        return [batch for batch in (own, rest) if batch]

    def _check(self, batch: list[Task], started: float) -> Report | None:
        from roadmap.grading.errors import GraderError
        from roadmap.grading.report import terminal

        before = digests(self.course, self.stage, self.root)
        told = FirstFailure(self.console, self.background)
        live = terminal.LiveProgress(self.console)

        def take(event: Any) -> None:
            live(event)
            told(event)

        try:
            with live:
                report = self.grader.check(self.root, tasks=[task.id for task in batch], on_event=take)
        except (UsageError, GraderError) as error:
            self._say(f"  {error.message} {error.advice}")
            self.exit_code = error.exit_code
            return None
        remember(self.progress, self.stage, report, before)
        told.rest(report, time.perf_counter() - started)
        return report

    def _say(self, text: str) -> None:
        from rich.text import Text

        self.console.print(Text(text), soft_wrap=True)


class FirstFailure:
    """Shows the first failed check as soon as it is known, and the others as a count."""

    def __init__(self, out: Any, background: Background) -> None:
        self._console, self._background, self._shown = out, background, False

    def __call__(self, event: Any) -> None:
        """Take one event of the run."""
        from roadmap.grading.report.plain import check_lines, defuse
        from roadmap.grading.report.terminal import failure
        from roadmap.grading.report.words import FAILURES

        if self._shown or event.kind != "finished" or event.check is None or event.check.state not in FAILURES:
            return
        self._shown = True
        if self._console.is_terminal:
            self._console.print(failure(event.check, self._background))
        else:
            print(defuse("\n".join(f"  {line}" for line in check_lines(event.check, self._background))), flush=True)

    def rest(self, report: Report, seconds: float) -> None:
        """Print each task's points, how many more checks failed, and how long the save took to judge."""
        from rich.text import Text

        from roadmap.grading.report.words import GRADER_SENTENCE, Sorted

        groups = Sorted.of(report)
        for index, task in enumerate(report.tasks):
            full = task.score >= task.max_score - 1e-6
            notes = []
            if index == 0 and len(groups.failed) > 1:
                notes.append(f"{len(groups.failed) - 1} more failed")
            if task.id in groups.open_tasks:
                notes.append("not started")
            line = f"  {task.id:<5} {number(task.score)} / {number(task.max_score)}  {task.title}"
            text = Text(line + (f"  ({', '.join(notes)})" if notes else ""), style="green" if full else "")
            self._console.print(text, soft_wrap=True)
        if report.grader_failed:
            self._console.print(Text(f"  {GRADER_SENTENCE}", style="yellow"), soft_wrap=True)
        self._console.print(Text(f"  {seconds:.2f} s", style="dim"))


def syntax_errors(package: Path, files: Iterable[str]) -> list[str]:
    """One line for each of the files that is not Python, with where and why. A missing file is none."""
    found = []
    for name in sorted(files):
        try:
            ast.parse((package / name).read_bytes(), filename=name)
        except FileNotFoundError:
            continue
        except SyntaxError as error:
            found.append(f"{name}, line {error.lineno}: {error.msg}. Waiting for the next save.")
        except (ValueError, OSError, RecursionError, MemoryError) as error:
            found.append(f"{name} cannot be read ({error}). Waiting for the next save.")
    return found
