"""`report.json`: the report as the published schema (docs/report.schema.json) describes it."""

from __future__ import annotations

import json

from roadmap.grading.verdict import Report


def render(report: Report) -> str:
    """The report as JSON text."""
    return json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
