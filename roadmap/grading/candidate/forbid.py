"""Shortcuts taken away from the learner's process: packages that do the tasks, and functions that are the task."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterable
from importlib.abc import MetaPathFinder
from typing import Any, NoReturn

# Where torch keeps the same operation under another name. What gets past this list is in docs/threat-model.md.
_TWIN_HOMES = ("torch", "torch._C._nn", "torch.ops.aten", "torch._VF")
_TWIN_ENDINGS = ("", "_loss", "_nd")


class ForbiddenShortcut(RuntimeError):
    """The learner's code used something that this stage asks it to write."""


class _Blocker(MetaPathFinder):
    def __init__(self, names: frozenset[str]):
        self.names = names

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname.partition(".")[0] in self.names:
            raise ModuleNotFoundError(
                f"{fullname} is not available here: this stage asks you to write what it does", name=fullname
            )


def block(names: Iterable[str]) -> list[str]:
    """Make packages unimportable in this process. Returns their folders, to be hidden from the file system too."""
    names = frozenset(names)
    folders = []
    for name in names:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
        if spec is not None and spec.submodule_search_locations:
            folders.extend(spec.submodule_search_locations)
    for loaded in [m for m in sys.modules if m.partition(".")[0] in names]:
        del sys.modules[loaded]
    sys.meta_path.insert(0, _Blocker(names))
    return folders


def poison(dotted_names: Iterable[str]) -> None:
    """Replace functions, classes, or every public callable of a module, by ones that raise ForbiddenShortcut."""
    for dotted in dotted_names:
        owner_name, _, attribute = dotted.rpartition(".")
        try:
            owner = _resolve(owner_name)
            value = getattr(owner, attribute)
        except (ImportError, AttributeError):
            continue  # an optional library that is not installed
        if isinstance(value, types.ModuleType):
            for name, member in list(vars(value).items()):
                if callable(member) and not name.startswith("_"):
                    setattr(value, name, _stub(f"{dotted}.{name}", member))
            continue
        for home in (owner_name, *_TWIN_HOMES):
            for ending in _TWIN_ENDINGS:
                try:
                    module = _resolve(home)
                    twin = getattr(module, attribute + ending)
                    setattr(module, attribute + ending, _stub(dotted, twin))
                except (ImportError, AttributeError, RuntimeError, TypeError):
                    continue


def _resolve(dotted: str) -> Any:
    """The object a dotted name stands for: the longest importable prefix, then attributes."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            value = getattr(value, part)
        return value
    raise ImportError(dotted)


def _stub(dotted: str, original: Any) -> Any:
    sentence = f"{dotted} is not available here: this stage asks you to write what it does"

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise ForbiddenShortcut(sentence)

    if isinstance(original, type):
        return type(original.__name__, (), {"__init__": refuse, "__module__": original.__module__})
    refuse.__name__ = refuse.__qualname__ = getattr(original, "__name__", "forbidden")
    return refuse
