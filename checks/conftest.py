"""Lets plain pytest run the checks: `pytest checks/stage1_foundations --from solutions`.

`roadmap check` does not read this file: its judge brings the same plugin along.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from roadmap.grading.judge.standalone import (
    pytest_addoption,
    pytest_configure,
    pytest_report_header,
    pytest_unconfigure,
)

__all__ = ["pytest_addoption", "pytest_configure", "pytest_report_header", "pytest_unconfigure"]
