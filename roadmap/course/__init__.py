"""What the course is: stages, tasks, lessons, checks by name, and a learner's progress. Imports nothing heavy."""

from roadmap.course.errors import CourseError, UnknownStage, UnknownTask, UsageError
from roadmap.course.root import find_root
from roadmap.course.syllabus import Course, Lesson, Stage, Task

__all__ = [
    "Course",
    "CourseError",
    "Lesson",
    "Stage",
    "Task",
    "UnknownStage",
    "UnknownTask",
    "UsageError",
    "find_root",
]
