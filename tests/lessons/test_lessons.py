"""The course's own lessons: each keeps the standard, and each is executed again and says what its notebook says."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadmap.course import Course
from roadmap.lessons import syllabus, topics
from roadmap.lessons.build import read_notebook
from roadmap.lessons.lint import ERROR, lint_course
from roadmap.lessons.source import read, source_path
from roadmap.lessons.verify import Verdict, verify_all

COURSE = Course.load(Path(__file__).resolve().parents[2])
LESSONS = [lesson for stage in COURSE.stages for lesson in stage.lessons]
WRITTEN = [lesson for lesson in LESSONS if source_path(COURSE, lesson).is_file()]
ALL_SECONDS = 900.0  # every lesson of the course, two at a time


def test_lessons_keep_the_standard() -> None:
    errors = [str(finding) for finding in lint_course(COURSE) if finding.level == ERROR]
    assert not errors, "\n".join(errors)


def test_the_course_names_its_topics() -> None:
    every = topics.load(COURSE)
    assert len(every) == 198
    assert sum(bool(topic.reading) for topic in every.values()) <= topics.MOST_READING
    for task in COURSE.tasks:
        assert set(task.topics) <= set(every), task.id


def test_the_syllabus_is_up_to_date() -> None:
    stored = (COURSE.root / syllabus.SYLLABUS).read_text(encoding="utf-8")
    assert stored == syllabus.render(COURSE), "run: roadmap lessons syllabus"


@pytest.mark.parametrize("stage", [stage for stage in COURSE.stages if stage.complete], ids=lambda stage: stage.name)
def test_a_complete_stage_teaches_its_topics(stage) -> None:
    assert not [f"{topic.id} {topic.words}" for topic in syllabus.untaught(COURSE, stage)]


def test_lessons_fit_into_their_time_together() -> None:
    notebooks = [read_notebook(read(source_path(COURSE, lesson)).notebook_path) for lesson in WRITTEN]
    seconds = [notebook.metadata["roadmap"]["seconds"] for notebook in notebooks if notebook is not None]
    assert sum(seconds) / 2 <= ALL_SECONDS


@pytest.fixture(scope="module")
def verdicts(fetched: None) -> dict[str, Verdict]:
    """Every lesson, executed afresh, two at a time."""
    sources = [read(source_path(COURSE, lesson)) for lesson in WRITTEN]
    return {verdict.slug: verdict for verdict in verify_all(COURSE, sources, lambda verdict: None)}


@pytest.mark.slow
@pytest.mark.parametrize("slug", [lesson.slug for lesson in WRITTEN])
def test_a_lesson_says_what_its_notebook_says(slug: str, verdicts: dict[str, Verdict]) -> None:
    assert verdicts[slug].holds, "\n".join(verdicts[slug].differences)
