"""The report for GitHub Actions: a job summary in Markdown, and annotations at the learner's lines."""

import ast
import html
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from roadmap.course.catalogue import CheckInfo, find_check
from roadmap.course.syllabus import Stage
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

ANNOTATIONS = 10  # GitHub shows ten errors of a step and drops the rest
SUMMARY_LIMIT = 900_000  # bytes; GitHub refuses more than a mebibyte


@dataclass(frozen=True)
class Places:
    """Where in the submission a check's trouble is: the stage, the package that was graded, the checks as declared."""

    stage: Stage
    package: Path
    checks: tuple[CheckInfo, ...] = ()

    def of(self, check: CheckResult) -> tuple[str, int]:
        """File, as the pull request names it, and line.

        The innermost place that the message names in one of the package's files; else the function that the check calls
        or that its words name; else the task's first function.
        """
        named = re.findall(r"\b(\w+\.py)(?::|, line )(\d{1,6})", check.message)
        for file, line in reversed(named):
            if file in self.stage.package_files:
                return self._path(file), max(int(line), 1)
        task = next((task for task in self.stage.tasks if task.id == check.task), None)
        if task is None:
            return f"projects/{self.stage.name}", 1
        lines = _lines(self.package / task.file)
        info = find_check(self.checks, check.id)
        prefix = f"{task.module}."
        called = [name.removeprefix(prefix) for name in (info.calls if info else ()) if name.startswith(prefix)]
        words = f"{check.title} {check.message}"
        told = [name for name in task.functions if re.search(rf"\b{re.escape(name.split('.')[-1])}\b", words)]
        known = [lines[name] for name in (*called, *told, *task.functions) if name in lines]
        return self._path(task.file), known[0] if known else 1

    def _path(self, file: str) -> str:
        return f"projects/{self.stage.name}/{file}"


def annotations(report: Report, places: Places, background: Background | None = None) -> str:
    """Workflow commands, one a line: an error for each failed check, a notice for what is open and for the score.

    Whatever comes from the learner is encoded: it cannot end a command or start another.
    """
    background = background or Background()
    groups = Sorted.of(report)
    lines = []
    for check, others in told_once(groups.failed, background)[:ANNOTATIONS]:
        file, line = places.of(check)
        parts = [background.details(check), background.mistake(check)]
        parts += [f"The same error: {other.title}" for other in others]
        if check.lesson:
            parts.append(f"Read {background.lesson(check)}.")
        if not check.hidden:
            parts.append(f"Hints: roadmap hint {check.task}")
        properties = {"file": file, "line": str(line), "title": f"{check.task} {check.title}"}
        lines.append(command("error", properties, "\n".join(part for part in parts if part)))
    if groups.open_tasks:
        lines.append(command("notice", {"title": "Not started"}, ", ".join(groups.open_tasks)))
    if groups.not_graded:
        lines.append(command("warning", {"title": "The grader failed"}, GRADER_SENTENCE))
    lines.append(command("notice", {"title": "Score"}, verdict_line(report)))
    return "\n".join(lines) + "\n"


def command(name: str, properties: Mapping[str, str], message: str) -> str:
    """One workflow command on one line (https://docs.github.com/actions/reference/workflow-commands-for-github-actions)."""
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {told}::{_data(message)}"


def summary(report: Report, background: Background | None = None) -> str:
    """The job summary in Markdown. The learner's text stands in escaped `<pre>` blocks."""
    background = background or Background()
    lines = [f"## {_inline(verdict_line(report))}", "", "| task | | points |", "| --- | --- | ---: |"]
    for task in report.tasks:
        lines.append(f"| {task.id} | {_inline(task.title)} | {number(task.score)} / {number(task.max_score)} |")
    groups = Sorted.of(report)
    for check, others in told_once(groups.failed, background):
        lines += ["", f"### {check.task} {_inline(check.title)}", ""]
        lines.append(f"{NAMES[check.state]}, {number(check.earned)} of {number(check.points)} points")
        if details := background.details(check):
            lines += ["", _block(details)]
        if others:
            lines += ["", "The same error:", "", *(f"- {_inline(other.title)}" for other in others)]
        if check.mistake:
            lines += ["", f"**Mistake:** {_inline(background.mistake(check))}"]
        if check.output.strip():
            lines += [
                "",
                "<details><summary>What the program printed</summary>",
                "",
                _block(check.output),
                "</details>",
            ]
        if check.lesson:
            lines += ["", f"Read {_inline(background.lesson(check))}."]
        if not check.hidden:
            lines += ["", f"Hints: `roadmap hint {check.task}`"]
    for title, checks in (
        ("Waiting for a check above to pass", groups.blocked),
        ("Not written yet", groups.open_checks),
        ("Not graded", groups.not_graded),
    ):
        if checks:
            lines += ["", f"**{title}**", "", *(f"- {check.task} {_inline(check.title)}" for check in checks)]
    if groups.not_graded:
        lines += ["", GRADER_SENTENCE]
    if groups.nothing_yet:
        lines += ["", NOTHING_YET]
    elif groups.open_tasks:
        lines += ["", f"**Not started:** {', '.join(groups.open_tasks)}"]
    lines += ["", f"<sub>seed {report.seed}, {_inline(isolation_line(report))}, {report.seconds:.1f} s</sub>"]
    return "\n".join(lines) + "\n"


def append_summary(text: str) -> bool:
    """Append to the file that GITHUB_STEP_SUMMARY names; False where there is none. Raises `OSError`."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return False
    data = text.encode("utf-8")
    if len(data) > SUMMARY_LIMIT:
        cut = data[:SUMMARY_LIMIT].decode("utf-8", errors="ignore").rpartition("\n")[0]
        # The cut may fall inside a block: close what could be open, so that the note is seen.
        data = f"{cut}\n</pre></details>\n\nThe rest is in report.json.\n".encode()
    with open(path, "ab") as file:
        file.write(data)
    return True


def _lines(path: Path) -> dict[str, int]:
    """The line of every function of a module, by qualified name; empty when it is not Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = node.lineno
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    found[f"{node.name}.{inner.name}"] = inner.lineno
    return found


def _data(text: str) -> str:
    text = text.replace("##[", "## [")  # the older form of a command counts anywhere in a line
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    # What else some reader might take for the end of a line.
    return re.sub("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", " ", text)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _inline(text: str) -> str:
    """Text that Markdown and HTML leave alone, on one line."""
    text = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]#|~@$])", lambda m: f"&#{ord(m[1])};", html.escape(text, quote=False))


def _block(text: str) -> str:
    # Escaped letters cannot leave the block; `#`, `@` and the like are not read inside it.
    return f"<pre>{html.escape(text.strip(chr(10)), quote=False)}</pre>"
