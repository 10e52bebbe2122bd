"""The report as plain text: for files, pipes and CI logs. No colours, no boxes, nothing wrapped."""

from __future__ import annotations

import re

from roadmap.course.wording import number
from roadmap.grading.report.words import (
    GRADER_SENTENCE,
    NAMES,
    NOTHING_YET,
    Background,
    Sorted,
    isolation_line,
    told_once,
    verdict_line,
)
from roadmap.grading.verdict import CheckResult, Report

_LEGACY_COMMAND = re.compile(r"##(?=\[|vso\[)")


def render(report: Report, background: Background | None = None) -> str:
    """The whole report as text that ends with a line end. No line of it is a CI workflow command."""
    background = background or Background()
    lines = [verdict_line(report), ""]
    width = max([len(task.title) for task in report.tasks], default=0)
    for task in report.tasks:
        points = f"{number(task.score)} / {number(task.max_score)}"
        lines.append(f"  {task.id:<5} {task.title:<{width}}  {points:>9}")
    groups = Sorted.of(report)
    for check, others in told_once(groups.failed, background):
        lines += ["", *check_lines(check, background)]
        lines += [f"    the same error: {other.title}" for other in others]
    if groups.blocked:
        lines += ["", "Waiting for a check above to pass:"]
        lines += [f"  {check.task}  {check.title}" for check in groups.blocked]
    if groups.open_checks:
        lines += ["", "Not written yet:"]
        lines += [f"  {check.task}  {check.title}" for check in groups.open_checks]
    if groups.nothing_yet:
        lines += ["", NOTHING_YET]
    elif groups.open_tasks:
        titles = {task.id: task.title for task in report.tasks}
        lines += ["", "Not started:"]
        lines += [f"  {task:<5} {titles.get(task, '')}".rstrip() for task in groups.open_tasks]
    if groups.not_graded:
        lines += ["", GRADER_SENTENCE]
        for check in groups.not_graded:
            lines += [f"  {check.task}  {check.title}", *_indented(check.message)]
    lines += ["", f"seed {report.seed}, {isolation_line(report)}, {report.seconds:.1f} s"]
    return defuse("\n".join(lines) + "\n")


def check_lines(check: CheckResult, background: Background) -> list[str]:
    """One failed check: what it wants, what came, the mistake, what to read, where the hints are."""
    state = NAMES[check.state]
    lines = [f"{check.task}  {check.title}", f"    {state}, {number(check.earned)} of {number(check.points)} points"]
    lines += _indented(background.details(check))
    if check.mistake:
        lines.append(f"    mistake: {background.mistake(check)}")
    if check.output.strip():
        lines += ["    your program printed:", *(f"      {line}" for line in check.output.strip("\n").split("\n"))]
    if check.lesson:
        lines.append(f"    read: {background.lesson(check)}")
    if not check.hidden:
        lines.append(f"    hints: roadmap hint {check.task}")
    return lines


def defuse(text: str) -> str:
    """`text` with no line that GitHub Actions or Azure Pipelines would take for a command.

    `::name::` counts at the start of a line, leading blanks skipped; the older `##[name]` anywhere in it.
    """
    text = _LEGACY_COMMAND.sub("## ", text)
    lines = text.split("\n")
    return "\n".join(f"| {line}" if line.lstrip().startswith("::") else line for line in lines)


def _indented(message: str) -> list[str]:
    return [f"    {line}" for line in message.strip("\n").split("\n")] if message.strip() else []
