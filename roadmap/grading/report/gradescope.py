"""The report as Gradescope's `results.json` (https://gradescope-autograders.readthedocs.io/en/latest/specs/)."""

from __future__ import annotations

import json
from typing import Any

from roadmap.grading.report.plain import check_lines
from roadmap.grading.report.words import FAILURES, GRADER_SENTENCE, NAMES, Background, isolation_line, verdict_line
from roadmap.grading.verdict import CheckResult, Report, State


def render(report: Report, background: Background | None = None) -> str:
    """The report as JSON text for Gradescope.

    A hidden check's entry is `hidden`: instructors see it, students never. When the grader itself failed, no score is
    given anywhere, so that Gradescope shows a failed run instead of a grade that is nobody's.
    """
    background = background or Background()
    graded = not report.grader_failed
    results: dict[str, Any] = {
        "output": _output(report),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "execution_time": round(report.seconds),
        "tests": [_test(report, check, index, background, graded) for index, check in enumerate(report.checks, 1)],
        "extra_data": {"seed": report.seed, "stage": report.stage, "isolation": report.isolation},
    }
    if graded:
        results = {"score": round(report.score, 4), **results}
    return json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _output(report: Report) -> str:
    lines = [verdict_line(report)]
    if report.grader_failed:
        lines.append(GRADER_SENTENCE)
    lines.append(f"seed {report.seed}, {isolation_line(report)}")
    return "\n".join(lines)


def _test(report: Report, check: CheckResult, index: int, background: Background, graded: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": f"{check.task} {check.title}",
        "number": f"{check.task}.{index}",
        "status": "passed" if check.state is State.PASSED else "failed",
        "visibility": "hidden" if check.hidden else "visible",
        "output": _text(check, background),
        "tags": [check.task, str(check.state)],
        "extra_data": {"id": check.id, "mistake": check.mistake},
    }
    if graded:
        entry = {"score": round(check.earned, 4), "max_score": round(check.points, 4), **entry}
    return entry


def _text(check: CheckResult, background: Background) -> str:
    if check.state is State.PASSED:
        return ""
    if check.state in FAILURES:
        return "\n".join(line.removeprefix("    ") for line in check_lines(check, background)[1:])
    return "\n".join(part for part in (NAMES[check.state], check.message.strip()) if part)
