"""Whether what a stage needs is installed."""

from __future__ import annotations

import importlib.util

from .errors import NotInstalled
from .syllabus import Stage


def require(stage: Stage) -> None:
    """Raises NotInstalled where a library that a stage keeps warm is absent, with the extra that brings it."""
    needed = dict.fromkeys(name.partition(".")[0] for name in (*stage.libraries, *stage.judge_libraries))
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if absent:
        what = f".[{stage.extra}]" if stage.extra else "."
        raise NotInstalled(
            f"Stage {stage.number} needs {', '.join(absent)}, not installed here.",
            f"In the course's folder: pip install -c constraints.txt -e '{what}'",
        )
