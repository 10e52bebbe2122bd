"""The grader. What a check's author uses stands here; everything else is its machinery.

from roadmap.grading import check, expect
"""

from . import expect
from .check import check
from .errors import CheckFailed, ErrorInfo

__all__ = ["CheckFailed", "ErrorInfo", "check", "expect"]
