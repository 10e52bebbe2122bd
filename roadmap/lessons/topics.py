"""The topics of the course: what it promises to teach, read from `stages/topics.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from roadmap.course.errors import CourseError
from roadmap.course.syllabus import Course

TOPICS = Path("stages", "topics.toml")
EVERYWHERE = "all"  # topics that belong to no single stage
MOST_READING = 5


@dataclass(frozen=True)
class Topic:
    """One topic. `planned` is the section (`06_tokens#bytes`) that will teach it, as long as no lesson says it does;
    `reading` says why nothing of it can be run here, and is empty for all but a few."""

    id: str
    stage: str
    words: str
    planned: str = ""
    reading: str = ""


def load(course: Course) -> dict[str, Topic]:
    """The topics by id, in the order of the file. Raises `CourseError` that says what is wrong."""
    path = course.root / TOPICS
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CourseError(f"{TOPICS.as_posix()} cannot be read: {error}.", "Correct that file.") from None
    stages = {EVERYWHERE, *(stage.name for stage in course.stages)}
    anchors = {anchor for stage in course.stages for lesson in stage.lessons for anchor in lesson.anchors}
    found: dict[str, Topic] = {}
    for stage, entries in data.items():
        if stage not in stages or not isinstance(entries, dict):
            raise CourseError(f"{TOPICS.as_posix()}: there is no stage {stage!r}.", "Name a stage, or 'all'.")
        for id, entry in entries.items():
            where = f"{TOPICS.as_posix()}: {id}"
            if not isinstance(entry, dict) or not set(entry) <= {"topic", "planned", "reading"}:
                raise CourseError(f"{where} is not a topic.", 'Write it as { topic = "...", planned = "..." }.')
            if id in found:
                raise CourseError(f"{where} is there twice.", "Keep it once.")
            if not all(isinstance(value, str) and value for value in entry.values()) or "topic" not in entry:
                raise CourseError(f"{where} has no words.", "Say in `topic` what it is.")
            if entry.get("planned") and entry["planned"] not in anchors:
                raise CourseError(f"{where}: no lesson has {entry['planned']!r}.", "Name a section of course.toml.")
            found[id] = Topic(id, stage, entry["topic"], entry.get("planned", ""), entry.get("reading", ""))
    if sum(bool(topic.reading) for topic in found.values()) > MOST_READING:
        raise CourseError(
            f"{TOPICS.as_posix()}: more than {MOST_READING} topics are reading only.", "Teach some of them."
        )
    return found
