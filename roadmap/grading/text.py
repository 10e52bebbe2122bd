"""Text from strangers, made safe to print, to log and to show in a CI console."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # operating system commands: terminal titles, links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # device control strings
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"  # control sequences: colours, cursor
    r"|\x1b[ -/]*[0-~]?"  # everything else that starts with ESC
    r"|\x9b[0-?]*[ -/]*[@-~]?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
# `::` is a command at the start of a line; the older forms are found anywhere in it. No newline in the space before:
# a million empty lines would otherwise be searched from each of them.
_COMMANDS = re.compile(r"(?m)^([^\S\n]*)(::)")
_OLD_COMMANDS = re.compile(r"##(?=\[|vso\[|teamcity\[)")


def harmless(text: str | bytes, limit: int | None = None) -> str:
    """Return `text` without terminal escapes, control and direction characters, and without CI workflow commands.

    What a CI runner would take for a command stays readable, but is broken up. With `limit`, at most that many
    characters from the start and the end stay, with a line between them that says how many were left out.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="replace")
    text = text.encode("utf-8", errors="replace").decode("utf-8")  # lone surrogates cannot be printed
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROLS.sub("", _ESCAPES.sub("", text))
    text = _OLD_COMMANDS.sub("# #", _COMMANDS.sub(r"\1| \2", text))
    if limit is not None and len(text) > limit:
        head, tail = text[: limit // 2], text[-(limit // 2) :]
        text = f"{head}\n[{len(text) - limit} characters left out]\n{tail}"
        text = _COMMANDS.sub(r"\1| \2", text)  # a cut can put a command at the start of a line
    return text
