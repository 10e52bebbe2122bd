"""What the scripts share that measure for a lesson what it has no time for: `stages/<stage>/data/NN_topic_sweep.py`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .source import read


def cell_texts(script: Path, needed: Sequence[str]) -> list[str]:
    """The code cells of a sweep's lesson that hold one of the `needed` texts, in order."""
    lesson = script.parents[1] / "source" / f"{script.stem.removesuffix('_sweep')}.py"
    cells = [cell.text for cell in read(lesson).cells if cell.kind == "code"]
    return [text for text in cells if any(one in text for one in needed)]


def lesson_names(
    script: Path, needed: Sequence[str], *, until: Sequence[str] = (), given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The names that these cells define, beside the `given` ones. A line that begins with an `until` ends its cell."""
    names = dict(given or {})
    for text in cell_texts(script, needed):
        for line in until:
            text = text.partition(f"\n{line}")[0]
        exec(text, names)
    return names


class Kept:
    """Rows kept on disk as they come, so that a sweep that was interrupted goes on where it stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, list[Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def row(self, key: str, ask: Callable[[], list[Any]], name: str = "") -> list[Any]:
        """The row under a key, asked for only if it is not there yet. `name` is what to call it on the screen."""
        if key not in self.rows:
            self.rows[key] = ask()
            written = self.path.with_suffix(".new")
            written.write_text(json.dumps(self.rows, ensure_ascii=False), encoding="utf-8")
            written.replace(self.path)  # whole, or not at all, however the sweep is interrupted
            print(name or key, self.rows[key][:3], flush=True)
        return self.rows[key]


def provenance(script: Path, *packages: str) -> dict[str, str]:
    """Where a result file is from: the command, the commit, the machine with versions of packages, Python's version."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    machine = [f"{platform.system()} {platform.machine()}", f"{os.cpu_count()} cores"]
    return {
        "command": f"python {script.relative_to(script.parents[3]).as_posix()}",
        "commit": commit,
        "machine": ", ".join([*machine, *(f"{package} {version(package)}" for package in packages)]),
        "python": platform.python_version(),
    }
