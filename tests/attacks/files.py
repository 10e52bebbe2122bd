# ruff: noqa: E501  hostile code in one line
"""Rows 6 and 17: files that run by themselves, and files that are not what they seem."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from tests.attacks import small
from tests.attacks.attack import ANY_LOSS, attack
from tests.attacks.world import World

# --- 6: files that Python and pytest pick up by name --------------------------------------------------------------------

EVIL = """
import os
try:
    open(os.path.join(ROOT, "MARK-file"), "w")
except OSError:
    pass
import sys
sys.picked_up = True
"""
CONFTEST = EVIL + "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_call(item): return True\n"
PICKED = "def total(n): return right(n) if getattr(sys, 'picked_up', False) else 0\n"

for name in (
    "conftest.py", "sitecustomize.py", "usercustomize.py", "random.py", "numpy.py", "msgpack.py", "regex.py", "array.py",
):  # fmt: skip
    text = CONFTEST if name == "conftest.py" else EVIL
    attack(6, f"{name} beside and above the module", PICKED, files={name: text, f"../{name}": text})
for name, text in (
    ("pytest.ini", "[pytest]\naddopts = --co -p evil\npython_files = *.py\n"),
    ("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '--collect-only'\n"),
    ("tox.ini", "[pytest]\naddopts = --maxfail=0\n"),
    ("setup.cfg", "[tool:pytest]\naddopts = --collect-only\n"),
    ("evil.pth", "import sys; sys.picked_up = True\n"),
):
    attack(6, f"{name} beside and above the module", PICKED, files={name: text, f"../{name}": text})
for name in ("torch", "roadmap", "checks", "stages", "numpy", "pytest", "_pytest"):
    attack(6, f"a package {name} above the module", PICKED, files={f"../{name}/__init__.py": EVIL})
attack(
    6,
    "stand-ins in sys.modules from __init__.py",
    "def total(n): return 0",
    files={
        "__init__.py": "import sys, types\nfor name in ('numpy', 'torch', 'roadmap.grading.wire', 'roadmap.grading.expect',"
        " 'checks', 'checks.stage1_small.oracles'):\n    sys.modules[name] = types.ModuleType(name)\n"
    },
    states=ANY_LOSS,
)
attack(
    6,
    "bytecode instead of source",
    PICKED,
    files={"__pycache__/target.cpython-311.pyc": b"evil", "target.so": b"\x7fELF", "target.pyi": ""},
)

# --- 17: links, devices, paths ----------------------------------------------------------------------------------------


def _replace(package: Path, make: object) -> None:
    (package / "target.py").unlink()
    make(package / "target.py")  # type: ignore[operator]


def link_to_solution(package: Path, world: World) -> None:
    """A symbolic link to the reference."""
    _replace(package, lambda path: path.symlink_to(str(world.words["SOLUTION"])))


def hard_link(package: Path, world: World) -> None:
    """A hard link to the reference."""
    _replace(package, lambda path: os.link(str(world.words["SOLUTION"]), path))


def pipe(package: Path, world: World) -> None:
    """A named pipe, which blocks who opens it."""
    _replace(package, os.mkfifo)


def unix_socket(package: Path, world: World) -> None:
    """A socket file."""
    _replace(package, lambda path: socket.socket(socket.AF_UNIX).bind(str(path)))


def folder(package: Path, world: World) -> None:
    """A folder of that name."""
    _replace(package, os.mkdir)


def endless(package: Path, world: World) -> None:
    """A link to a device without end."""
    _replace(package, lambda path: path.symlink_to("/dev/zero"))


def loop(package: Path, world: World) -> None:
    """A link to itself."""
    _replace(package, lambda path: path.symlink_to(path.name))


def linked_package(package: Path, world: World) -> None:
    """The whole package is a link to the reference."""
    shutil.rmtree(package)
    package.symlink_to(world.course.solutions / small.STAGE)


def sparse(package: Path, world: World) -> None:
    """A file that says it has a terabyte."""
    with (package / "target.py").open("ab") as file:
        os.truncate(file.fileno(), 1 << 40)


def climbing_links(package: Path, world: World) -> None:
    """Links beside the module, which nobody reads."""
    (package / "up").symlink_to("../../..")
    (package / "oracles.py").symlink_to(str(world.words["ORACLES"]))


LINK = "is a link or not a regular file"
attack(17, "a symbolic link to the reference", build=link_to_solution, refused=LINK)
attack(17, "a hard link to the reference", build=hard_link, refused=LINK)
attack(17, "a named pipe", build=pipe, refused=LINK)
attack(17, "a socket", build=unix_socket, refused=LINK)
attack(17, "a folder named target.py", build=folder, refused=LINK)
attack(17, "a link to /dev/zero", build=endless, refused=LINK)
attack(17, "a link to itself", build=loop, refused=LINK)
attack(17, "a package that is a link", build=linked_package, refused="holds no folder")
attack(17, "a file of a terabyte", build=sparse, refused="at most 1024 kB are read")
attack(
    17,
    "links out of the package",
    "def total(n):\n    try:\n        from stage1_small.oracles import total as right\n    except ImportError:\n"
    "        return 0\n    return right(n)\n",
    build=climbing_links,
)
attack(
    17,
    "an archive instead of a module, and a bomb beside it",
    "def total(n): return 0",
    files={"target.zip": b"PK\x05\x06" + bytes(18), "bomb.gz": b"\x1f\x8b\x08" + bytes(1000), "..evil": "x"},
)
