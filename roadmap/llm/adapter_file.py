"""The adapter that teaches the local model to call tools: a file of the course, found from its root."""

from __future__ import annotations

from pathlib import Path

PLACE = Path("stages", "stage2_prompting_tools", "data", "tool_calling_lora.gguf")


def find() -> Path | None:
    """The adapter's path, or None where there is no course or no adapter in it."""
    from roadmap.course.errors import UsageError
    from roadmap.course.root import find_root

    try:
        path = find_root() / PLACE
    except UsageError:
        return None
    return path if path.is_file() else None
