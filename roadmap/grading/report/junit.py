"""The report as JUnit XML, which most CI systems read."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from roadmap.course.wording import number
from roadmap.grading.report.words import NAMES, Background
from roadmap.grading.verdict import CheckResult, Report, State

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, background: Background | None = None) -> str:
    """The report as XML text: one suite a task, one case a check.

    A check that waits for another one is skipped, since the other is a failure already; one that is not written yet is
    a failure; one that could not be graded is an error.
    """
    background = background or Background()
    root = ElementTree.Element("testsuites", name=_clean(report.stage))
    _count(root, report.checks)
    for task in report.tasks:
        checks = [check for check in report.checks if check.task == task.id]
        suite = ElementTree.SubElement(root, "testsuite", name=_clean(f"{task.id} {task.title}"))
        _count(suite, checks)
        properties = ElementTree.SubElement(suite, "properties")
        facts = {
            "score": number(task.score),
            "max_score": number(task.max_score),
            "seed": str(report.seed),
            "isolation": report.isolation,
        }
        for name, value in facts.items():
            ElementTree.SubElement(properties, "property", name=name, value=_clean(value))
        for check in checks:
            suite.append(_case(report, check, background))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(report: Report, check: CheckResult, background: Background) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=_clean(f"{report.stage}.{check.task}"),
        name=_clean(check.title or check.id),
        time=f"{check.seconds:.3f}",
    )
    if check.state is State.BLOCKED:
        ElementTree.SubElement(case, "skipped", message=_clean(check.message or NAMES[check.state]))
    elif check.state is not State.PASSED:
        kind = "error" if check.state is State.GRADER_ERROR else "failure"
        first = check.message.strip().partition("\n")[0] or NAMES[check.state]
        child = ElementTree.SubElement(case, kind, type=str(check.state), message=_clean(first))
        lines = [background.details(check)]
        if check.mistake:
            lines.append(f"mistake: {background.mistake(check)}")
        if check.lesson:
            lines.append(f"read: {background.lesson(check)}")
        child.text = _clean("\n".join(line for line in lines if line))
    if check.output:
        ElementTree.SubElement(case, "system-out").text = _clean(check.output)
    return case


def _count(element: ElementTree.Element, checks: list[CheckResult]) -> None:
    calm = (State.PASSED, State.BLOCKED, State.GRADER_ERROR)
    element.set("tests", str(len(checks)))
    element.set("failures", str(sum(check.state not in calm for check in checks)))
    element.set("errors", str(sum(check.state is State.GRADER_ERROR for check in checks)))
    element.set("skipped", str(sum(check.state is State.BLOCKED for check in checks)))
    element.set("time", f"{sum(check.seconds for check in checks):.3f}")


def _clean(text: str) -> str:
    """`text` without the characters that XML cannot hold, escaped or not."""
    return _NOT_XML.sub("", text)
