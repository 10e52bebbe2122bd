"""A report as HTML for a notebook. Everything from a submission is escaped."""

from __future__ import annotations

from html import escape

from roadmap.course.wording import number
from roadmap.grading.report.words import (
    GRADER_SENTENCE,
    NAMES,
    Background,
    Sorted,
    isolation_line,
    told_once,
    verdict_line,
)
from roadmap.grading.verdict import Report, State
from roadmap.lessons.style import aligned_to

# Colours that are legible on the light and on the dark page of a notebook, and never the only sign.
_COLOURS = {State.PASSED: "#2E8B57", State.NOT_IMPLEMENTED: "#808080", State.BLOCKED: "#808080"}
_FAILED = "#D2691E"
_LEFT, _RIGHT = aligned_to("left"), aligned_to("right")


def render(report: Report, background: Background | None = None) -> str:
    """The whole report as one HTML fragment, in the order and words of the plain report."""
    background = background or Background()
    parts = [f"<p><strong>{escape(verdict_line(report))}</strong></p>"]
    groups = Sorted.of(report)
    parts.append(_checks(report))
    for check, others in told_once(groups.failed, background):
        details = background.details(check)
        lines = [f"<p><strong>{escape(check.task)} {escape(check.title)}</strong><br>"]
        lines.append(f"{NAMES[check.state]}, {number(check.earned)} of {number(check.points)} points</p>")
        if details.strip():
            lines.append(f"<pre>{escape(details.strip(chr(10)))}</pre>")
        lines += [f"<p>The same error: {escape(other.title)}</p>" for other in others]
        if check.mistake:
            lines.append(f"<p>Mistake: {escape(background.mistake(check))}</p>")
        if check.output.strip():
            lines.append(f"<p>Your program printed:</p><pre>{escape(check.output.strip(chr(10)))}</pre>")
        if check.lesson:
            lines.append(f"<p>Read: {escape(background.lesson(check))}</p>")
        if not check.hidden:
            lines.append(f"<p>Hints: <code>roadmap hint {escape(check.task)}</code></p>")
        parts.append("\n".join(lines))
    if groups.not_graded:
        parts.append(f"<p><strong>{escape(GRADER_SENTENCE)}</strong></p>")
        parts += [f"<p>{escape(check.title)}</p><pre>{escape(check.message)}</pre>" for check in groups.not_graded]
    parts.append(f"<p><small>seed {report.seed}, {escape(isolation_line(report))}, {report.seconds:.1f} s</small></p>")
    return "\n".join(parts)


def _checks(report: Report) -> str:
    rows = []
    for check in report.checks:
        colour = _COLOURS.get(check.state, _FAILED)
        state = f'<span style="color:{colour}">{escape(NAMES[check.state])}</span>'
        points = f"{number(check.earned)} / {number(check.points)}"
        rows.append(
            f"<tr><td {_LEFT}>{escape(check.task)}</td><td {_LEFT}>{escape(check.title)}</td>"
            f"<td {_LEFT}>{state}</td><td {_RIGHT}>{points}</td></tr>"
        )
    return f"<table>\n{chr(10).join(rows)}\n</table>"
