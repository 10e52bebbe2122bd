"""The report on a terminal, and the progress of a run while it goes on."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from roadmap.course.wording import number
from roadmap.grading.report import plain
from roadmap.grading.report.words import (
    FAILURES,
    GRADER_SENTENCE,
    NAMES,
    NOTHING_YET,
    Background,
    Sorted,
    isolation_line,
    told_once,
    verdict_line,
)
from roadmap.grading.verdict import CheckResult, Report, State

BAR = 20
_MESSAGE_STYLES = {
    State.FAILED: "red",
    State.CRASHED: "magenta",
    State.TIMED_OUT: "yellow",
    State.OUT_OF_MEMORY: "yellow",
}


def show(report: Report, console: Console, background: Background | None = None) -> None:
    """Print the report: with colours and bars on a terminal, as plain text anywhere else."""
    background = background or Background()
    if not console.is_terminal:
        console.file.write(plain.render(report, background))
        return
    console.print()
    console.print(_tasks(report))
    groups = Sorted.of(report)
    for check, others in told_once(groups.failed, background):
        console.print()
        console.print(failure(check, background))
        for other in others:
            console.print(Padding(Text.assemble(("the same error  ", "dim"), other.title), (0, 0, 0, 4)))
    if groups.blocked:
        _section(console, "Waiting for a check above to pass", [(c.task, c.title) for c in groups.blocked])
    if groups.open_checks:
        _section(console, "Not written yet", [(check.task, check.title) for check in groups.open_checks])
    if groups.nothing_yet:
        console.print()
        console.print(Text(NOTHING_YET))
    elif groups.open_tasks:
        titles = {task.id: task.title for task in report.tasks}
        _section(console, "Not started", [(task, titles.get(task, "")) for task in groups.open_tasks])
    if groups.not_graded:
        console.print()
        console.print(Text(GRADER_SENTENCE, style="bold yellow"))
        for check in groups.not_graded:
            console.print(Text(f"  {check.task}  {check.title}\n    {check.message}", style="yellow"))
    console.print()
    console.print(_verdict(report))
    console.print(Text(f"seed {report.seed}, {isolation_line(report)}, {report.seconds:.1f} s", style="dim"))


def failure(check: CheckResult, background: Background) -> Group:
    """One failed check, for a terminal."""
    style = _MESSAGE_STYLES.get(check.state, "red")
    points = f"{NAMES[check.state]}, {number(check.earned)} of {number(check.points)} points"
    head = Text.assemble(("\u2717 ", f"bold {style}"), (f"{check.task}  ", "bold"), (check.title, "bold"))
    parts: list[Any] = [head, Padding(Text(points, style="dim"), (0, 0, 0, 4))]
    if details := background.details(check):
        parts.append(Padding(Text(details, style=style), (0, 0, 0, 4)))
    if check.output.strip():
        parts.append(Padding(Text("your program printed:", style="dim"), (0, 0, 0, 4)))
        parts.append(Padding(Text(check.output.strip("\n")), (0, 0, 0, 6)))
    notes = Table.grid(padding=(0, 1))
    notes.add_column(style="dim", no_wrap=True)
    notes.add_column(overflow="fold")
    if check.mistake:
        notes.add_row("mistake", Text(background.mistake(check), style="bold"))
    if check.lesson:
        notes.add_row("read", Text(background.lesson(check)))
    if not check.hidden:
        notes.add_row("hints", Text(f"roadmap hint {check.task}", style="cyan"))
    parts.append(Padding(notes, (0, 0, 0, 4)))
    return Group(*parts)


class LiveProgress:
    """What is being checked right now, on one line that goes away. On anything but a terminal it shows nothing.

    An instance is the `on_event` of a run.
    """

    def __init__(self, console: Console, label: str = "") -> None:
        self._total, self._done, self._failed = 0, 0, 0
        self._text = label or "Warming up"
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            console=console, get_renderable=self._line, refresh_per_second=8, transient=True, redirect_stdout=False
        )
        self._shown = console.is_terminal

    def __enter__(self) -> Self:
        if self._shown:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._live.stop()

    def __call__(self, event: Any) -> None:
        """Take one event of the run."""
        if event.kind == "collected":
            self._total = len(event.checks)
        elif event.kind == "started" and event.check is not None:
            self._text = f"{event.check.task}  {event.check.title}"
        elif event.kind == "finished":
            self._done += 1
            if event.check is not None and event.check.state in FAILURES:
                self._failed += 1

    def _line(self) -> Table:
        line = Table.grid(padding=(0, 1))
        line.add_column(no_wrap=True)
        line.add_column(no_wrap=True, width=BAR)
        line.add_column(no_wrap=True, justify="right", min_width=7)
        line.add_column(no_wrap=True, overflow="ellipsis")
        count = f"{self._done}/{self._total}" if self._total else ""
        failed = Text(f"{self._failed} failed  ", style="red") if self._failed else Text()
        bar = ProgressBar(total=self._total or 1, completed=self._done, width=BAR)
        line.add_row(self._spinner, bar, count, Text.assemble(failed, (self._text, "dim")))
        return line


def _tasks(report: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True, width=BAR)
    table.add_column(justify="right", no_wrap=True)
    for task in report.tasks:
        share = task.score / task.max_score if task.max_score else 0.0
        colour = "green" if share >= 1 - 1e-9 else "yellow" if share > 0 else "bright_black"
        bar = ProgressBar(
            total=task.max_score or 1, completed=task.score, width=BAR, complete_style=colour, finished_style="green"
        )
        points = Text(f"{number(task.score)} / {number(task.max_score)}", style=colour)
        table.add_row(task.id, Text(task.title), bar, points)
    return table


def _verdict(report: Report) -> Text:
    if report.grader_failed:
        return Text(verdict_line(report), style="bold yellow")
    return Text(verdict_line(report), style="bold green" if report.passed else "bold")


def _section(console: Console, title: str, rows: list[tuple[str, str]]) -> None:
    console.print()
    console.print(Text(title, style="dim"))
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for task, what in rows:
        table.add_row(f"  {task}", Text(what, style="dim"))
    console.print(table)
