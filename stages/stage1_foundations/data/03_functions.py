"""Make lesson 3's table: functions of the Python standard library and of six installed packages, in numbers.

Writes 03_functions.csv.gz (the table) and 03_functions.json (where it comes from) beside this file. In the course's
root:

    python stages/stage1_foundations/data/03_functions.py
"""

from __future__ import annotations

import ast
import csv
import gzip
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import platform
import re
import subprocess
import sysconfig
import tokenize
from pathlib import Path

# The words by which programmers mark unfinished work. The last is put together, so that no search finds it here.
MARKER = re.compile(r"\b(XXX|FIXME|HACK|" + "TO" + r"DO)\b")
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.With, ast.AsyncWith)
LEFT_OUT = {"site-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo", "pydoc_data", "encodings"}
PACKAGES = ("matplotlib", "networkx", "numpy", "pandas", "scipy", "sklearn")
COLUMNS = (
    "module", "name", "lines", "args", "annotated", "branches", "loops", "tries", "returns", "raises", "calls",
    "depth", "strings", "doc_words", "comments", "method", "decorated", "noted",
)  # fmt: skip


def depth_of(node: ast.AST) -> int:
    """How many blocks stand inside one another."""
    below = max((depth_of(child) for child in ast.iter_child_nodes(node)), default=0)
    return below + isinstance(node, BLOCKS)


def rows_of(source: str, module: str) -> list[dict]:
    """One row for each function in a file. A comment counts for the innermost function around it."""
    tree = ast.parse(source)
    spans = [(node.lineno, node.end_lineno, node) for node in ast.walk(tree) if isinstance(node, FUNCTION)]
    methods = {id(child) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for child in node.body}
    comments: dict[int, list[str]] = {id(node): [] for *_, node in spans}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            around = [span for span in spans if span[0] <= token.start[0] <= span[1]]
            if around:
                comments[id(min(around, key=lambda span: span[1] - span[0])[2])].append(token.string)
    rows = []
    for start, end, node in spans:
        inside = list(ast.walk(node))
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        arguments = [argument for argument in arguments if argument.arg not in ("self", "cls")]
        noted = [text for text in comments[id(node)] if MARKER.search(text)]
        annotated = sum(argument.annotation is not None for argument in arguments) / max(len(arguments), 1)
        rows.append(
            {
                "module": module,
                "name": node.name,
                "lines": end - start + 1,
                "args": len(arguments),
                "annotated": round(annotated, 2) if arguments else "",  # no arguments: there is no such share
                "branches": sum(isinstance(n, ast.If | ast.IfExp) for n in inside),
                "loops": sum(isinstance(n, ast.For | ast.AsyncFor | ast.While) for n in inside),
                "tries": sum(isinstance(n, ast.Try) for n in inside),
                "returns": sum(isinstance(n, ast.Return) for n in inside),
                "raises": sum(isinstance(n, ast.Raise) for n in inside),
                "calls": sum(isinstance(n, ast.Call) for n in inside),
                "depth": depth_of(node),
                "strings": sum(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in inside),
                "doc_words": len((ast.get_docstring(node) or "").split()),
                "comments": len(comments[id(node)]) - len(noted),  # the marked ones are the answer: not counted
                "method": int(id(node) in methods),
                "decorated": int(bool(node.decorator_list)),
                "noted": int(bool(noted)),
            }
        )
    return rows


def main() -> None:
    """Read every module, write the table and its record."""
    places = {"": Path(sysconfig.get_paths()["stdlib"])}
    places |= {name: Path(importlib.util.find_spec(name).origin).parent for name in PACKAGES}
    rows, digest = [], hashlib.sha256()
    for package, folder in places.items():
        for file in sorted(folder.rglob("*.py"), key=lambda file: file.relative_to(folder).as_posix()):
            parts = file.relative_to(folder).with_suffix("").parts
            if LEFT_OUT & set(parts) or parts[0].startswith(("config-", "_sysconfigdata", "lib-")):
                continue
            try:
                source = file.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            digest.update(source.encode())
            rows += rows_of(source, f"{package}.{parts[0]}".strip("."))
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    here = Path(__file__)
    here.with_suffix(".csv.gz").write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    record = {
        "command": f"python stages/stage1_foundations/data/{here.name}",
        "commit": commit,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name.replace("sklearn", "scikit-learn")) for name in PACKAGES},
        "data_sha256": digest.hexdigest(),
        "rows": len(rows),
        "noted": sum(row["noted"] for row in rows),
    }
    here.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")
    print(record)


if __name__ == "__main__":
    main()
