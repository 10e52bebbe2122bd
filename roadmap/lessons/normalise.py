"""Taking out of an executed notebook what differs from run to run without meaning anything."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,16}\b")
_TEMPORARY = re.compile(r"(/private)?(/tmp|/var/folders/[^\s'\"/]+/[^\s'\"/]+/T)/lesson-[A-Za-z0-9_]+(/work)?")
_CELL_INPUT = re.compile(r"/tmp/ipykernel_\d+/\d+\.py")
_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n)")
_WORDS = (b"tEXt", b"iTXt", b"zTXt", b"tIME", b"eXIf")  # PNG chunks about a picture, not of it


def normalise(notebook: NotebookNode, root: Path) -> None:
    """Normalise outputs, metadata and cell ids in place; `root` is the course's folder, which no output may name."""
    counts: dict[str, int] = {}
    for cell in notebook.cells:
        tags = sorted(cell.metadata.get("tags", ()))
        cell.metadata = type(cell.metadata)({"tags": tags} if tags else {})
        digest = hashlib.sha256(f"{cell.cell_type}\0{cell.source}".encode()).hexdigest()[:12]
        counts[digest] = counts.get(digest, 0) + 1
        cell.id = digest if counts[digest] == 1 else f"{digest}-{counts[digest]}"
        if cell.cell_type == "code":
            cell.outputs = _merged(cell.outputs)
            for output in cell.outputs:
                _output(output, root)


def clean(text: str, root: Path) -> str:
    """`text` without memory addresses, temporary folders and the places of this machine."""
    text = _OVERWRITTEN.sub("", text)
    text = _CELL_INPUT.sub("<cell>", _TEMPORARY.sub(".", text))
    for place, name in ((str(root), "<course>"), (str(Path.home()), "~")):
        if len(place) > 1:
            text = re.sub(re.escape(place) + r"(?=[/\\\s'\":,)\]]|$)", name, text)
    return _ADDRESS.sub("0x…", text)


def strip_png(data: bytes) -> bytes:
    """A PNG without the chunks that name software, time or camera."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return data
    kept, position = [data[:8]], 8
    while position + 8 <= len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        chunk = data[position : position + 12 + length]
        if chunk[4:8] not in _WORDS:
            kept.append(chunk)
        position += 12 + length
    return b"".join(kept)


def png_size(encoded: str) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG in base64; None when it is none."""
    try:
        head = base64.b64decode(encoded[:64])
        width, height = struct.unpack(">II", head[16:24])
    except (ValueError, struct.error):
        return None
    return (width, height) if head[:4] == b"\x89PNG" else None


def text_of(value: Any) -> str:
    """A field of a notebook that may be a string or a list of lines."""
    return "".join(value) if isinstance(value, list) else str(value)


def _merged(outputs: list[Any]) -> list[Any]:
    """Streams of the same name that follow each other, as one."""
    merged: list[Any] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if output.output_type == "stream" and last is not None and last.get("name") == output.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def _output(output: Any, root: Path) -> None:
    output.pop("transient", None)
    if output.output_type == "stream":
        output.text = clean(text_of(output.text), root)
    elif output.output_type == "error":
        output.traceback = [clean(line, root) for line in output.traceback]
        output.evalue = clean(output.evalue, root)
    else:
        for kind, value in output.data.items():
            if kind == "image/png":
                stripped = strip_png(base64.b64decode(text_of(value)))
                output.data[kind] = base64.b64encode(stripped).decode()
            elif kind.startswith("text/") or kind == "image/svg+xml":
                output.data[kind] = clean(text_of(value), root)
        output.metadata.pop("isolated", None)
