"""Shortcuts taken away from the learner's process: packages that do the tasks, and functions that are the task."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
import sys
import types
from collections.abc import Iterable
from importlib.abc import MetaPathFinder
from typing import Any, NoReturn

# Where torch keeps the same operation under another name. What gets past this list is in docs/threat-model.md.
_TWIN_HOMES = ("torch", "torch._C._nn", "torch._C._VariableFunctions", "torch.ops.aten", "torch._VF")
_RELATED = {"scaled_dot_product_attention": "_scaled_dot_product_", "rms_norm": "_fused_rms_norm"}


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
            _poison_module(value, dotted)
            continue
        _replace_everywhere(value, _stub(dotted, value))
        if owner_name.partition(".")[0] == "torch":
            _poison_twins(dotted, attribute)


def _poison_module(module: types.ModuleType, dotted: str) -> None:
    """Replace the public callables of a module, and those of its own that its submodules define."""
    for name, member in list(vars(module).items()):
        if callable(member) and not name.startswith("_"):
            setattr(module, name, _stub(f"{dotted}.{name}", member))
    for path, inner in list(sys.modules.items()):
        if path.startswith(f"{dotted}.") and inner is not None:
            for name, member in list(vars(inner).items()):
                if isinstance(member, type) and member.__module__ == path and not name.startswith("_"):
                    setattr(inner, name, _stub(f"{path}.{name}", member))


def _replace_everywhere(value: Any, stub: Any) -> None:
    """Put `stub` in place of `value` in every module that holds it, under whatever name."""
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if isinstance(module, types.ModuleType) and isinstance(names, dict):
            for name, member in list(names.items()):
                if member is value:
                    with contextlib.suppress(AttributeError, TypeError):
                        setattr(module, name, stub)


def _poison_twins(dotted: str, attribute: str) -> None:
    """Replace the same operation where torch keeps it under another name: `cross_entropy_loss`, `nll_loss_forward`."""
    pattern = re.compile(rf"_?{re.escape(attribute)}(_.*|\d.*)?$")
    related = _RELATED.get(attribute)
    operations = {name.removeprefix("aten::").partition(".")[0] for name in _operations() if name.startswith("aten::")}
    for home in _TWIN_HOMES:
        try:
            module = _resolve(home)
            names = operations if home == "torch.ops.aten" else dir(module)
        except (ImportError, AttributeError):
            continue
        for name in names:
            if pattern.match(name) or (related is not None and name.startswith(related)):
                with contextlib.suppress(AttributeError, RuntimeError, TypeError):
                    setattr(module, name, _stub(dotted, getattr(module, name)))


def _operations() -> list[str]:
    try:
        return list(sys.modules["torch"]._C._dispatch_get_all_op_names())
    except (KeyError, AttributeError):
        return []


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
