"""`stages/syllabus.md`: for each topic the section that teaches it and the task whose checks grade it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from roadmap.course.files import write_atomic
from roadmap.course.syllabus import Course, Lesson, Stage, Task
from roadmap.lessons.source import Heading, LessonSource, read, source_path
from roadmap.lessons.topics import EVERYWHERE, Topic, load

SYLLABUS = Path("stages", "syllabus.md")


@dataclass(frozen=True)
class Entry:
    """A topic with the sections that teach it (lesson, heading) and the tasks that grade it."""

    topic: Topic
    taught: tuple[tuple[Lesson, Heading], ...]
    graded: tuple[Task, ...]


def entries(course: Course) -> list[Entry]:
    """Every topic in the order of `topics.toml`. A section counts as teaching a topic when its lesson's source claims
    the topic and has that heading."""
    written = [(lesson, read(path)) for lesson in _lessons(course) if (path := source_path(course, lesson)).is_file()]
    return [
        Entry(
            topic=topic,
            taught=tuple((lesson, heading) for lesson, source in written for heading in _teaching(source, topic.id)),
            graded=tuple(task for task in course.tasks if topic.id in task.topics),
        )
        for topic in load(course).values()
    ]


def untaught(course: Course, stage: Stage) -> list[Topic]:
    """The topics that the stage owes: its own, and those planned for its lessons, that nothing teaches."""
    slugs = {lesson.slug for lesson in stage.lessons}
    return [
        entry.topic
        for entry in entries(course)
        if not entry.taught
        and not entry.topic.reading
        and (entry.topic.stage == stage.name or entry.topic.planned.partition("#")[0] in slugs)
    ]


def render(course: Course) -> str:
    """The syllabus as Markdown."""
    every = entries(course)
    taught = sum(bool(entry.taught) for entry in every)
    reading = sum(bool(entry.topic.reading) for entry in every)
    lines = [
        "# Syllabus",
        "",
        "Made by `roadmap lessons syllabus` from `topics.toml`, `course.toml` and the lessons; do not edit it.",
        "",
        f"{len(every)} topics: {taught} taught, {len(every) - taught - reading} planned, {reading} for reading only.",
    ]
    groups = [(EVERYWHERE, "Across all stages")] + [
        (stage.name, f"Stage {stage.number}: {stage.title}") for stage in course.stages
    ]
    for name, title in groups:
        own = [entry for entry in every if entry.topic.stage == name]
        if own:
            lines += ["", f"## {title}", "", "| topic | | taught in | graded by |", "| --- | --- | --- | --- |"]
            lines += [_row(course, entry) for entry in own]
    return "\n".join(lines) + "\n"


def write(course: Course, text: str) -> bool:
    """Write the syllabus; whether it changed."""
    path = course.root / SYLLABUS
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    write_atomic(path, text)
    return True


def _lessons(course: Course) -> Iterator[Lesson]:
    for stage in course.stages:
        yield from stage.lessons


def _teaching(source: LessonSource, topic: str) -> list[Heading]:
    sections = source.front.topics.get(topic, ()) if source.front else ()
    return [heading for heading in source.headings if heading.anchor and heading.anchor in sections]


def _row(course: Course, entry: Entry) -> str:
    topic = entry.topic
    if entry.taught:
        where = ", ".join(
            f"[{lesson.id} {_cell(heading.title)}]({lesson.stage}/{lesson.slug}.ipynb#{heading.anchor})"
            for lesson, heading in entry.taught
        )
    elif topic.reading:
        where = f"reading: {_cell(topic.reading)}"
    elif topic.planned:
        lesson = course.lesson(topic.planned)
        where = f"planned: {lesson.id}, {topic.planned.partition('#')[2]}"
    else:
        where = "planned"
    graded = ", ".join(f"{task.id} {_cell(task.title)}" for task in entry.graded)
    return f"| {topic.id} | {_cell(topic.words)} | {where} | {graded} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
