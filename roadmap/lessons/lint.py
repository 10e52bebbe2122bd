"""The lint of lessons: what every source and every built notebook must have, and must not.

A finding is an `error` (the tests fail), `pending` (it names a lesson or section that is planned and not written yet;
an error once its stage is complete) or a `note` (guidance: sizes).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadmap.course.catalogue import checks_of
from roadmap.course.errors import UsageError
from roadmap.course.syllabus import Course, Lesson, Stage
from roadmap.lessons import answers, build, code_rules, style
from roadmap.lessons.execute import MEMORY, SECONDS
from roadmap.lessons.normalise import text_of
from roadmap.lessons.source import ANCHOR, Cell, Heading, LessonSource, read, source_path
from roadmap.lessons.topics import Topic
from roadmap.lessons.topics import load as load_topics

if TYPE_CHECKING:
    from nbformat import NotebookNode

ERROR, PENDING, NOTE = "error", "pending", "note"
CLOSING = ("Recap", "Exercises", "Quiz", "Now build it", "Further reading")
TIERS = ("Nudge", "Approach", "Worked answer")
FEWEST_EXERCISES, MOST_EXERCISES = 3, 6
FEWEST_QUESTIONS, MOST_QUESTIONS = 3, 6
LARGEST = 4 * 2**20  # bytes of a built notebook

_STATEMENT = re.compile(r"^\*\*([1-9]\d*)\.", re.MULTILINE)
_DETAILS = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", re.DOTALL)
_CHOICE = re.compile(r"\(([a-f])\)")
_LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"`roadmap (check|hint|watch|reset|solution) ([^`\s]+)")
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u26ff\u2705\u274c\u2728]")
_CODE_SPAN = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """One finding: where (a file from the course's root, and a line, 0 where there is none), which rule, what."""

    file: str
    line: int
    rule: str
    says: str
    level: str = ERROR

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.level}: {self.says} [{self.rule}]"


def lint_course(course: Course, lessons: Iterable[Lesson] | None = None) -> list[Finding]:
    """Everything there is to say about the chosen lessons (all of them, by default) and about the course as a whole."""
    chosen = None if lessons is None else list(lessons)
    topics = load_topics(course)
    findings: list[Finding] = []
    for stage in course.stages:
        for lesson in stage.lessons:
            if chosen is not None and lesson not in chosen:
                continue
            path = source_path(course, lesson)
            if not path.is_file():
                says = f"{lesson.id} is not written yet"
                findings.append(Finding(_name(course, path), 0, "written", says, _unwritten(stage)))
                continue
            source = read(path)
            findings += lint_source(course, source, topics)
            findings += lint_notebook(course, source)
    if chosen is None:
        findings += lint_anchors(course)
        findings += lint_strays(course)
    return findings


def lint_anchors(course: Course) -> list[Finding]:
    """Every section that a check or a task names must exist in a lesson that is written."""
    findings = []
    written: dict[str, tuple[str, ...] | None] = {}
    for stage in course.stages:
        wanted = [(info.file, info.line, f"the check {info.name}", info.lesson) for info in checks_of(course, stage)]
        wanted += [
            ("stages/course.toml", 0, f"task {task.id}", lesson) for task in stage.tasks for lesson in task.lessons
        ]
        for file, line, who, anchor in wanted:
            slug, _, section = anchor.partition("#")
            try:
                lesson = course.lesson(anchor)
            except UsageError:
                findings.append(Finding(file, line, "check-anchor", f"{who} names {anchor!r}, which no lesson has"))
                continue
            if slug not in written:
                path = source_path(course, lesson)
                written[slug] = read(path).anchors if path.is_file() else None
            anchors = written[slug]
            if anchors is None:
                says = f"{who} names {anchor!r}, whose lesson is not written yet"
                findings.append(Finding(file, line, "check-anchor", says, _unwritten(course.stage(lesson.stage))))
            elif section and section not in anchors:
                findings.append(Finding(file, line, "check-anchor", f"{who} names {anchor!r}, which the lesson lacks"))
    return findings


def lint_strays(course: Course) -> list[Finding]:
    """Sources and notebooks that belong to no lesson of the syllabus."""
    findings = []
    for stage in course.stages:
        slugs = {lesson.slug for lesson in stage.lessons}
        folder = course.root / "stages" / stage.name
        for path in [*folder.glob("source/*.py"), *folder.glob("*.ipynb")]:
            if path.stem.removesuffix(".answers") not in slugs:
                findings.append(Finding(_name(course, path), 0, "stray", "no lesson of the syllabus has this name"))
    return findings


def lint_source(course: Course, source: LessonSource, topics: dict[str, Topic] | None = None) -> list[Finding]:
    """Everything there is to say about one source."""
    rules = _SourceRules(course, source, load_topics(course) if topics is None else topics)
    return sorted(rules.findings(), key=lambda finding: (finding.level != ERROR, finding.line))


def lint_notebook(course: Course, source: LessonSource) -> list[Finding]:
    """Everything there is to say about the notebook of a source."""
    return [replace(finding, file=_name(course, source.notebook_path)) for finding in _notebook_rules(course, source)]


class _SourceRules:
    """The rules that a source alone can keep or break."""

    def __init__(self, course: Course, source: LessonSource, topics: dict[str, Topic]) -> None:
        self.course, self.source, self.topics = course, source, topics
        self.file = _name(course, source.path)
        self.lesson = next((one for stage in course.stages for one in stage.lessons if one.slug == source.slug), None)
        self.markdown = [cell for cell in source.cells if cell.kind == "markdown"]
        self.code = [cell for cell in source.cells if cell.kind == "code"]

    def findings(self) -> list[Finding]:
        rules: list[Callable[[], Iterator[Finding]]] = [
            self.front_matter,
            self.headings,
            self.topic_sections,
            self.predictions,
            self.exercises,
            self.stored_answers,
            self.quiz,
            self.commands,
            self.folds,
            self.links,
            self.figures,
            self.forbidden_code,
            self.prose,
            self.sizes,
        ]
        return [finding for rule in rules for finding in rule()]

    def error(self, rule: str, says: str, cell: Cell | None = None, offset: int = 0, level: str = ERROR) -> Finding:
        line = cell.line + 1 + offset if cell is not None and cell.line else 0
        return Finding(self.file, line, rule, says, level)

    # --- the front matter against the syllabus -----------------------------------------------------------------------

    def front_matter(self) -> Iterator[Finding]:
        for fault in self.source.faults:
            yield self.error("front-matter", fault)
        front, lesson = self.source.front, self.lesson
        if lesson is None:
            yield self.error("front-matter", f"course.toml has no lesson {self.source.slug!r}")
            return
        if self.source.stage != lesson.stage:
            yield self.error("front-matter", f"the lesson belongs into stages/{lesson.stage}/source")
        if front is None:
            return
        if front.id != lesson.id:
            yield self.error("front-matter", f"`id` is {front.id}, course.toml says {lesson.id}")
        if front.minutes != lesson.minutes:
            yield self.error("front-matter", f"`minutes` is {front.minutes}, course.toml says {lesson.minutes}")
        order = [one.id for stage in self.course.stages for one in stage.lessons]
        for key in front.prerequisites:
            if key not in order:
                yield self.error("front-matter", f"`prerequisites` names {key}, which is no lesson")
            elif order.index(key) >= order.index(lesson.id):
                yield self.error("front-matter", f"`prerequisites` names {key}, which comes later")
        tasks = {task.id for stage in self.course.stages for task in stage.named}
        taskless = {str(stage.number) for stage in self.course.stages if not stage.tasks}
        for id in front.leads_to:
            if id not in tasks and not (re.fullmatch(r"\d\.\d+", id) and id.partition(".")[0] in taskless):
                yield self.error("front-matter", f"`leads_to` names {id}, which is no task")

    def topic_sections(self) -> Iterator[Finding]:
        taught = self.source.front.topics if self.source.front else {}
        for id, sections in taught.items():
            if id not in self.topics:
                yield self.error("topics", f"`topics` names {id}, which is no topic")
            for section in sections:
                if section not in self.source.anchors:
                    yield self.error("topics", f"{id} is taught in {section!r}, but no heading has that anchor")
        for topic in self.topics.values():
            if topic.planned.partition("#")[0] == self.source.slug and topic.id not in taught:
                yield self.error(
                    "topics",
                    f"{topic.id} ({topic.words}) is planned for {topic.planned}; teach it, or move the plan in "
                    "topics.toml",
                )

    # --- the shape ---------------------------------------------------------------------------------------------------

    def headings(self) -> Iterator[Finding]:
        headings = self.source.headings
        first = self.source.cells[0] if self.source.cells else None
        tops = [heading for heading in headings if heading.level == 1]
        title = self.lesson.title if self.lesson else ""
        if first is None or first.kind != "markdown" or not tops or tops[0].cell != 0:
            yield self.error("title", "the lesson does not open with a heading of its title")
        elif title and tops[0].title != title:
            yield self.at(tops[0], "title", f"the title is {tops[0].title!r}, course.toml says {title!r}")
        for heading in tops[1:]:
            yield self.at(heading, "title", "a second heading of the first level")
        anchors = list(self.source.anchors)
        for anchor in {anchor for anchor in anchors if anchors.count(anchor) > 1}:
            yield self.error("anchors", f"two headings have the anchor {anchor!r}")
        outside = [anchor for cell in self.markdown for anchor in ANCHOR.findall(cell.text) if anchor not in anchors]
        for anchor in outside:
            yield self.error("anchors", f"the anchor {anchor!r} does not stand in a heading")
        wanted = list(self.lesson.sections) if self.lesson else []
        for section in wanted:
            if section not in anchors:
                yield self.error("sections", f'no heading has the anchor {section!r}: write `<a id="{section}"></a>`')
        if [anchor for anchor in anchors if anchor in wanted] != [one for one in wanted if one in anchors]:
            yield self.error("sections", "the sections do not stand in the order of course.toml")
        seconds = [heading for heading in headings if heading.level == 2]
        for heading in seconds:
            if heading.title not in CLOSING and not heading.anchor:
                yield self.at(heading, "anchors", f"the section {heading.title!r} has no anchor")
        closing = [heading.title for heading in seconds if heading.title in CLOSING]
        for name in CLOSING:
            if name not in closing:
                yield self.error("closing", f"the section '## {name}' is missing")
        if [name for name in CLOSING if name in closing] != closing:
            yield self.error("closing", f"the closing sections stand in the order {', '.join(CLOSING)}, each once")

    def at(self, heading: Heading, rule: str, says: str) -> Finding:
        return Finding(self.file, heading.line, rule, says)

    def under(self, title: str, rule: str, says: str) -> Finding:
        """A finding about a closing section as a whole."""
        line = next((heading.line for heading in self.source.headings if heading.title == title), 0)
        return Finding(self.file, line, rule, says)

    def section(self, title: str) -> list[tuple[Cell, str, int]]:
        """The cells of a closing section, each with its text inside the section and that text's first line."""
        inside = False
        found: list[tuple[Cell, str, int]] = []
        for cell in self.source.cells:
            if cell.kind == "code":
                if inside:
                    found.append((cell, cell.text, 0))
                continue
            kept: list[str] = []
            start = 0
            for number, line in enumerate(cell.text.splitlines()):
                if re.match(r"^##\s", line):
                    if inside and kept:
                        found.append((cell, "\n".join(kept), start))
                        kept = []
                    inside = ANCHOR.sub("", line[2:]).strip() == title
                    start = number + 1
                elif inside:
                    if not kept:
                        start = number
                    kept.append(line)
            if inside and kept:
                found.append((cell, "\n".join(kept), start))
        return found

    def predictions(self) -> Iterator[Finding]:
        if not any("**Predict.**" in cell.text for cell in self.markdown):
            yield self.error("prediction", "the lesson asks for no prediction: write '**Predict.**' before a surprise")

    def exercises(self) -> Iterator[Finding]:
        """Numbered statements, each followed by a checking cell and three folded tiers of help."""
        found: dict[int, dict[str, Any]] = {}
        current: int | None = None
        for cell, text, start in self.section("Exercises"):
            if cell.kind == "code":
                for number in _defined_exercises(text):
                    entry = found.setdefault(number, {"cell": cell, "tiers": [], "stated": False, "offset": start})
                    entry["checked"] = bool(re.search(rf"^exercise_{number}\(", text, re.MULTILINE))
                continue
            marks = [(match.start(), "statement", match[1]) for match in _STATEMENT.finditer(text)]
            marks += [(match.start(), "tier", match[1].strip()) for match in _DETAILS.finditer(text)]
            for position, kind, value in sorted(marks):
                offset = start + text.count("\n", 0, position)
                if kind == "statement":
                    current = int(value)
                    entry = found.setdefault(current, {"tiers": [], "checked": None})
                    entry.update(cell=cell, offset=offset, stated=True)
                elif current is not None:
                    found[current]["tiers"].append(value)
        stated = [number for number, entry in found.items() if entry["stated"]]
        if not FEWEST_EXERCISES <= len(stated) <= MOST_EXERCISES:
            says = f"there are {len(stated)} exercises; give three to six, stated as '**1. '"
            yield self.under("Exercises", "exercises", says)
        if stated != list(range(1, len(stated) + 1)):
            yield self.under("Exercises", "exercises", f"the exercises are numbered {stated}")
        for number, entry in found.items():
            where = (entry["cell"], entry["offset"])
            if not entry["stated"]:
                yield self.error("exercises", f"exercise_{number} is checked but not stated", *where)
                continue
            if entry.get("checked") is None:
                yield self.error("exercises", f"exercise {number} has no cell that defines exercise_{number}", *where)
            elif not entry["checked"]:
                yield self.error("exercises", f"exercise_{number} is not called in its cell", *where)
            if tuple(entry["tiers"]) != TIERS:
                says = f"exercise {number} folds {', '.join(entry['tiers']) or 'nothing'}; give {', '.join(TIERS)}"
                yield self.error("tiers", says, *where)

    def stored_answers(self) -> Iterator[Finding]:
        names = {f"exercise_{number}" for cell in self.code for number in _defined_exercises(cell.text)}
        path = self.source.answers_path
        file = _name(self.course, path)
        if not path.is_file():
            if names:
                yield Finding(file, 0, "answers", "the stored answers to the exercises are missing")
            return
        counts = answers.stored(path.read_text(encoding="utf-8"))
        if counts is None:
            yield Finding(file, 0, "answers", "the file does not define the mappings RIGHT and WRONG")
            return
        for name in sorted(names | set(counts)):
            right, wrong = counts.get(name, (0, 0))
            if name not in names:
                yield Finding(file, 0, "answers", f"{name} is not in the lesson")
            elif right == 0 or (wrong is not None and wrong < 2):
                yield Finding(file, 0, "answers", f"{name} needs at least one right answer and two wrong ones")

    def quiz(self) -> Iterator[Finding]:
        questions = 0
        for cell, text, start in self.section("Quiz"):
            if cell.kind == "code":
                continue
            position = 0
            for fold in _DETAILS.finditer(text):
                asked, position = text[position : fold.start()], fold.end()
                offset = start + text.count("\n", 0, fold.start())
                if fold[1].strip() != "Answer":
                    yield self.error("quiz", f"the fold {fold[1].strip()!r} in the quiz is no Answer", cell, offset)
                    continue
                questions += 1
                choices = set(_CHOICE.findall(asked))
                explained = set(_CHOICE.findall(fold[2]))
                if len(choices) < 2:
                    yield self.error("quiz", f"question {questions} has no choices (a), (b), ...", cell, offset)
                elif missing := sorted(choices - explained):
                    says = f"the answer to question {questions} does not explain ({'), ('.join(missing)})"
                    yield self.error("quiz", says, cell, offset)
        if not FEWEST_QUESTIONS <= questions <= MOST_QUESTIONS:
            yield self.under("Quiz", "quiz", f"there are {questions} questions with an answer; give three to six")

    def commands(self) -> Iterator[Finding]:
        """The commands named in the text must be ones that work; the closing must name a check."""
        known = {task.id for stage in self.course.stages for task in stage.named}
        taskless = {str(stage.number) for stage in self.course.stages if not stage.tasks}
        stages = {key for stage in self.course.stages for key in (str(stage.number), stage.name)}
        for cell in self.markdown:
            for match in _COMMAND.finditer(cell.text):
                key = match[2]
                planned = re.fullmatch(r"\d\.\d+", key) and key.partition(".")[0] in taskless
                if key not in known | stages and not planned and not key.isupper():
                    offset = cell.text.count("\n", 0, match.start())
                    yield self.error("command", f"`roadmap {match[1]} {key}` names no task", cell, offset)
        closing = " ".join(text for _, text, _ in self.section("Now build it"))
        if "`roadmap check " not in closing:
            yield self.error("command", "'## Now build it' does not name `roadmap check TASK`")

    def folds(self) -> Iterator[Finding]:
        """Markdown inside a fold is only rendered between blank lines."""
        for cell in self.markdown:
            for match in _DETAILS.finditer(cell.text):
                body = match[2]
                if not (re.match(r"[ \t]*\n[ \t]*\n", body) and re.search(r"\n[ \t]*\n[ \t]*$", body)):
                    offset = cell.text.count("\n", 0, match.start())
                    yield self.error("folds", "leave a blank line after </summary> and before </details>", cell, offset)
            if cell.text.count("<details") != len(_DETAILS.findall(cell.text)):
                yield self.error("folds", "write a fold as <details><summary>...</summary> ... </details>", cell)

    def links(self) -> Iterator[Finding]:
        folder = self.source.notebook_path.parent
        for cell in self.markdown:
            text = _CODE_SPAN.sub(lambda span: " " * len(span[0]), cell.text)
            for match in _LINK.finditer(text):
                target = match[1]
                if re.match(r"[a-z]+:", target):
                    continue
                offset = text.count("\n", 0, match.start())
                path, _, anchor = target.partition("#")
                if not path:
                    if anchor not in self.source.anchors:
                        yield self.error("links", f"no heading of this lesson has the anchor {anchor!r}", cell, offset)
                    continue
                yield from self.link(folder / path, anchor, target, cell, offset)

    def link(self, path: Path, anchor: str, target: str, cell: Cell, offset: int) -> Iterator[Finding]:
        lesson = next(
            (one for stage in self.course.stages for one in stage.lessons if path.name == f"{one.slug}.ipynb"), None
        )
        if lesson is None:
            if not path.exists():
                yield self.error("links", f"the link {target!r} leads nowhere", cell, offset)
            return
        own = self.course.root / "stages" / lesson.stage / path.name
        if path.resolve() != own.resolve():
            yield self.error("links", f"the link {target!r} leads nowhere", cell, offset)
            return
        written = source_path(self.course, lesson)
        if written.is_file():
            if anchor and anchor not in read(written).anchors:
                yield self.error("links", f"{lesson.slug} has no section {anchor!r}", cell, offset)
        elif anchor and anchor not in lesson.sections:
            yield self.error("links", f"{lesson.slug} plans no section {anchor!r}", cell, offset)
        else:
            level = _unwritten(self.course.stage(lesson.stage))
            yield self.error("links", f"{target!r} is not written yet", cell, offset, level)

    # --- the code ----------------------------------------------------------------------------------------------------

    def figures(self) -> Iterator[Finding]:
        for cell in self.code:
            tree = _parse(cell.text)
            if tree is None:
                continue
            for node in ast.walk(tree):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                name = f"{getattr(node.func.value, 'id', '?')}.{node.func.attr}"
                if name in ("style.show", "style.table"):
                    words = {word.arg: word.value for word in node.keywords}
                    for wanted in ("caption", "alt") if name == "style.show" else ("caption",):
                        if not _says_something(words.get(wanted)):
                            says = f"{name} has no {wanted}, or one of fewer than three words"
                            yield self.error("figures", says, cell, node.lineno - 1)
                elif name in ("plt.show", "pyplot.show", "plt.savefig"):
                    yield self.error("figures", f"{name}: figures are shown by style.show", cell, node.lineno - 1)
            for match in re.finditer(r"\brcParams\b|\bplt\.style\b|\bset_theme\b|%matplotlib", cell.text):
                offset = cell.text.count("\n", 0, match.start())
                yield self.error("figures", f"{match[0]}: the look of figures is set by style.use", cell, offset)

    def forbidden_code(self) -> Iterator[Finding]:
        seeds = code_rules.Seeds()
        for cell in self.code:
            optional = "optional" in cell.tags
            for offset, says in code_rules.shell_faults(cell.text):
                yield self.error("network", says, cell, offset)
            tree = _parse(cell.text)
            if tree is None:
                yield self.error("syntax", "the cell is not valid Python", cell)
                continue
            for offset, says in seeds.faults(tree):
                yield self.error("randomness", says, cell, offset)
            if not optional:
                for offset, says in code_rules.network_faults(tree):
                    yield self.error("network", says, cell, offset)
        for cell in self.source.cells:
            for offset, line in enumerate(cell.text.splitlines()):
                if path := code_rules.machine_path(line):
                    yield self.error("absolute-path", f"{path!r} is a path of one machine", cell, offset)

    # --- the words ---------------------------------------------------------------------------------------------------

    def prose(self) -> Iterator[Finding]:
        for cell in self.source.cells:
            for offset, line in enumerate(cell.text.splitlines()):
                if _EMOJI.search(line) and cell.kind == "markdown":
                    yield self.error("voice", "no emoji in prose", cell, offset)
                if cell.kind == "markdown" and re.search(r"\bsimply\b", line, re.IGNORECASE):
                    yield self.error("voice", "'simply' tells the reader nothing", cell, offset, NOTE)

    def sizes(self) -> Iterator[Finding]:
        cells = len(self.source.cells)
        words = sum(len(cell.text.split()) for cell in self.markdown)
        lines = sum(bool(line.strip()) for cell in self.code for line in cell.text.splitlines())
        shown = sum(len(re.findall(r"\bstyle\.(?:show|table)\(", cell.text)) for cell in self.code)
        predictions = sum(cell.text.count("**Predict.**") for cell in self.markdown)
        says = (
            f"{cells} cells (30 to 60), {words:,} words (1,500 to 3,000), {lines} lines of code (150 to 350), "
            f"{shown} figures and tables in the code ({-(-cells // 10)} or more), {predictions} predictions"
        )
        yield self.error("sizes", says, level=NOTE)


def _notebook_rules(course: Course, source: LessonSource) -> Iterator[Finding]:
    """The rules that a built notebook can keep or break."""

    def error(rule: str, says: str, level: str = ERROR) -> Finding:
        return Finding("", 0, rule, says, level)

    path = source.notebook_path
    notebook = build.read_notebook(path)
    if notebook is None:
        yield error("built", f"it is not built; run: roadmap lessons build {source.slug}")
        return
    fresh = build.assemble(course, source)
    same = [(cell.cell_type, cell.source, cell.id) for cell in fresh.cells] == [
        (cell.cell_type, cell.source, cell.id) for cell in notebook.cells
    ]
    if not same or fresh.metadata != {key: value for key, value in notebook.metadata.items() if key != "roadmap"}:
        yield error("built", f"it is not what the source says now; run: roadmap lessons build {source.slug}")
    if path.stat().st_size > LARGEST:
        yield error("size", f"it has {path.stat().st_size / 2**20:.1f} MiB; keep it under {LARGEST / 2**20:g} MiB")
    record = notebook.metadata.get("roadmap", {})
    taken, peak = record.get("seconds"), record.get("peak_mb")
    if not isinstance(taken, int | float) or not isinstance(peak, int | float):
        yield error("limits", "it does not say what it took; build it again")
    elif taken > SECONDS or peak > MEMORY / 2**20:
        yield error("limits", f"it took {taken:g} s and {peak:g} MB; the limits are {SECONDS:g} s and 4 GiB")
    elif taken > 60:
        yield error("limits", f"it took {taken:g} s; aim at 60", NOTE)
    yield from _output_rules(notebook, error)
    size = path.stat().st_size / 1024
    shown = sum(_kind(output) in ("figure", "table") for cell in notebook.cells for output in cell.get("outputs", ()))
    yield error("sizes", f"{shown} figures and tables, {taken} s, {peak} MB of memory, {size:,.0f} KiB", NOTE)


def _output_rules(notebook: NotebookNode, error: Callable[..., Finding]) -> Iterator[Finding]:
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        where = f"cell {cell.id} ({cell.source.strip().splitlines()[0][:50] if cell.source.strip() else 'empty'})"
        if cell.execution_count is None and cell.source.strip():
            yield error("executed", f"{where} was not executed")
        for output in cell.outputs:
            if output.output_type == "error":
                yield error("executed", f"{where} failed: {output.ename}")
                continue
            if output.output_type == "stream" and output.name == "stderr":
                first = output.text.strip().splitlines()[0] if output.text.strip() else ""
                yield error("stderr", f"{where} writes to stderr, {first[:80]!r}; readers see it as a warning")
            data = output.get("data", {})
            if any(kind.startswith("image/") for kind in data):
                words = output.metadata.get(style.KEY, {})
                if not words.get("caption") or not words.get("alt"):
                    yield error("figures", f"{where} shows a picture without style.show: no caption, no alt text")
            texts = [output.get("text", "")] + [data[kind] for kind in data if kind.startswith("text/")]
            for text in texts:
                if found := code_rules.machine_path(text_of(text)):
                    yield error("absolute-path", f"{where} prints {found!r}, a path of one machine")
                    break


def _kind(output: Any) -> str:
    return str(output.get("metadata", {}).get(style.KEY, {}).get("kind", ""))


def _defined_exercises(text: str) -> list[int]:
    return [int(match) for match in re.findall(r"^def exercise_([1-9]\d*)\(", text, re.MULTILINE)]


def _says_something(node: ast.expr | None) -> bool:
    if node is None:
        return False
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and len(node.value.split()) >= 3
    return True  # computed: the notebook shows what it came to


def _parse(text: str) -> ast.Module | None:
    """The syntax tree of a cell, without its magics where it has some; None where it has none."""
    without = "\n".join("" if re.match(r"%%?[a-z]|!", line) else line for line in text.splitlines())
    for candidate in (text, without):
        try:
            return ast.parse(candidate)
        except SyntaxError:
            continue
    return None


def _unwritten(stage: Stage) -> str:
    return ERROR if stage.complete else PENDING


def _name(course: Course, path: Path) -> str:
    try:
        return path.resolve().relative_to(course.root.resolve()).as_posix()
    except ValueError:
        return path.as_posix()
