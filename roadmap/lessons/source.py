"""A lesson's source: a Jupytext percent file whose front matter says what the lesson is."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadmap.course.errors import UsageError
from roadmap.course.syllabus import Course, Lesson

if TYPE_CHECKING:
    from nbformat import NotebookNode

ANCHOR = re.compile(r"""<a\s+id=["']([^"']+)["']\s*>\s*</a>""")
_HEADING = re.compile(r"^(#{1,6})\s+(.*)$")
_MARKER = re.compile(r"^# %%(\s|$)")


@dataclass(frozen=True)
class FrontMatter:
    """What stands under `lesson:`. `topics` maps a topic to the anchors of the sections that teach it."""

    id: str
    question: str
    objectives: tuple[str, ...]
    minutes: int
    prerequisites: tuple[str, ...]
    topics: dict[str, tuple[str, ...]]
    leads_to: tuple[str, ...]


@dataclass(frozen=True)
class Heading:
    """A heading of the lesson: its level, its words, its anchor (empty without one), its cell and its line."""

    level: int
    title: str
    anchor: str
    cell: int
    line: int


@dataclass(frozen=True)
class Cell:
    """One cell: `line` is that of its marker in the source file, `tags` as written there."""

    index: int
    kind: str  # "markdown" or "code"
    text: str
    tags: frozenset[str]
    line: int


@dataclass(frozen=True)
class LessonSource:
    """A source as read. `front` is None when the front matter is unusable; `faults` then says why."""

    path: Path
    stage: str
    slug: str
    text: str
    cells: tuple[Cell, ...]
    front: FrontMatter | None
    faults: tuple[str, ...]

    @property
    def notebook_path(self) -> Path:
        """Where the built notebook stands."""
        return self.path.parent.parent / f"{self.slug}.ipynb"

    @property
    def answers_path(self) -> Path:
        """Where the stored answers to the exercises stand."""
        return self.path.with_name(f"{self.slug}.answers.py")

    @property
    def headings(self) -> tuple[Heading, ...]:
        """Every heading in order."""
        return tuple(heading for cell in self.cells if cell.kind == "markdown" for heading in _headings(cell))

    @property
    def anchors(self) -> tuple[str, ...]:
        """Every anchor that stands in a heading, in order."""
        return tuple(heading.anchor for heading in self.headings if heading.anchor)


def read(path: Path) -> LessonSource:
    """Read a source. Raises `UsageError` when the file cannot be read as one at all."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", "Check the path and that it is UTF-8.") from None
    jupytext = _jupytext()
    try:
        notebook = jupytext.reads(text, fmt="py:percent")
    except Exception as error:  # the YAML of the header is the reader's only way to fail
        raise UsageError(f"{path.name} is no Jupytext source: {error}.", "Correct its front matter.") from None
    front, faults = _front(notebook.metadata.get("lesson"))
    return LessonSource(
        path=path,
        stage=path.parent.parent.name,
        slug=path.stem,
        text=text,
        cells=_cells(notebook, text),
        front=front,
        faults=faults,
    )


def source_path(course: Course, lesson: Lesson) -> Path:
    """Where the source of a lesson stands, written or not."""
    return course.root / "stages" / lesson.stage / "source" / f"{lesson.slug}.py"


def find(course: Course, key: str) -> Lesson:
    """The lesson that an author or learner means by `L1.06`, `1.6`, `06_tokens`, `06_tokens#bytes` or a source's path.

    Raises `UsageError`.
    """
    wanted = Path(key).stem if key.endswith((".py", ".ipynb")) else key
    short = re.fullmatch(r"[Ll]?(\d)\.(\d{1,2})", wanted.strip())
    return course.lesson(f"L{short[1]}.{int(short[2]):02d}" if short else wanted)


def _jupytext() -> Any:
    try:
        import jupytext
    except ImportError:
        raise UsageError(
            "The tools for lessons are not installed.", "Install the course with its extra `lessons`."
        ) from None
    return jupytext


def _cells(notebook: NotebookNode, text: str) -> tuple[Cell, ...]:
    markers = [number for number, line in enumerate(text.splitlines(), 1) if _MARKER.match(line)]
    exact = len(markers) == len(notebook.cells)
    return tuple(
        Cell(
            index=index,
            kind=cell.cell_type,
            text=cell.source,
            tags=frozenset(cell.metadata.get("tags", ())),
            line=markers[index] if exact else 0,
        )
        for index, cell in enumerate(notebook.cells)
    )


def _headings(cell: Cell) -> list[Heading]:
    found, fenced = [], False
    for offset, line in enumerate(cell.text.splitlines()):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        match = _HEADING.match(line)
        if match is None or fenced:
            continue
        anchor = ANCHOR.search(match[2])
        title = ANCHOR.sub("", match[2]).strip()
        place = cell.line + offset + 1 if cell.line else 0
        found.append(Heading(len(match[1]), title, anchor[1] if anchor else "", cell.index, place))
    return found


def _front(data: Any) -> tuple[FrontMatter | None, tuple[str, ...]]:
    """The front matter, or what is wrong with it."""
    if not isinstance(data, dict):
        return None, ("there is no `lesson:` under `jupyter:` in the front matter",)
    names = [field.name for field in fields(FrontMatter)]
    faults = [f"`{name}` is missing from the front matter" for name in names if name not in data]
    faults += [f"`{name}` is not known to the front matter" for name in data if name not in names]
    if faults:
        return None, tuple(faults)

    def words(name: str) -> str:
        value = data[name]
        if not isinstance(value, str) or not value.strip():
            faults.append(f"`{name}` must be words")
            return ""
        return " ".join(value.split())

    def listing(name: str, *, empty: bool = False) -> tuple[str, ...]:
        value = data[name]
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            faults.append(f"`{name}` must be a list of words; put numbers in quotes")
            return ()
        if not value and not empty:
            faults.append(f"`{name}` is empty")
        return tuple(" ".join(item.split()) for item in value)

    topics: dict[str, tuple[str, ...]] = {}
    given = data["topics"]
    if not isinstance(given, dict) or not given:
        faults.append("`topics` must map topics to sections, as in {T1.45: top-p}")
        given = {}
    for topic, sections in given.items():
        sections = [sections] if isinstance(sections, str) else sections
        if isinstance(sections, list) and sections and all(isinstance(section, str) for section in sections):
            topics[str(topic)] = tuple(sections)
        else:
            faults.append(f"`topics`: {topic} must name a section or a list of sections")
    minutes = data["minutes"]
    if not isinstance(minutes, int) or isinstance(minutes, bool) or minutes <= 0:
        faults.append("`minutes` must be a number above zero")
        minutes = 0
    front = FrontMatter(
        id=words("id"),
        question=words("question"),
        objectives=listing("objectives"),
        minutes=minutes,
        prerequisites=listing("prerequisites", empty=True),
        topics=topics,
        leads_to=listing("leads_to"),
    )
    return (None, tuple(faults)) if faults else (front, ())
