"""Comparisons whose failure teaches: expected and got in the smallest readable form, and the mistake by its name.

A mistake never decides. The comparison does; only after it has failed is the answer held against the known wrong ones.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NoReturn

import numpy as np

from .errors import CheckFailed, ErrorInfo

ARRAY = "array"
_SHOWN_ITEMS = 8
_SHOWN_TEXT = 160
_SHOWN_LEVELS = 5


def close(
    got: Any,
    want: Any,
    *,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    mistakes: Mapping[str, Any] | None = None,
    what: str = "",
) -> None:
    """Pass when `got` has the shape of `want` and its values within `atol + rtol * |want|`.

    Numbers, nested lists and arrays of either kind are alike. NaN is right only where expected; infinities must agree.
    """
    problem = _unlike(got, want, rtol, atol)
    if problem is None:
        return
    for slug, wrong in (mistakes or {}).items():
        if _unlike(got, wrong() if callable(wrong) else wrong, rtol, atol) is None:
            fail(_sentence(what, problem), mistake=slug)
    fail(_sentence(what, problem))


def equal(got: Any, want: Any, *, mistakes: Mapping[str, Any] | None = None, what: str = "") -> None:
    """Pass when `got` equals `want` as plain data. Lists and tuples are alike; 1, 1.0 and True are not."""
    if same(got, want):
        return
    problem = _first_difference(got, want)
    for slug, wrong in (mistakes or {}).items():
        if same(got, wrong() if callable(wrong) else wrong):
            fail(_sentence(what, problem), mistake=slug)
    fail(_sentence(what, problem))


def shape(got: Any, want: Sequence[int], *, what: str = "") -> None:
    """Pass when `got` is an array or tensor of shape `want`."""
    type(got, ARRAY, what=what)
    if tuple(got.shape) != tuple(want):
        fail(_sentence(what, f"expected shape {_shape(want)}, got shape {_shape(got.shape)}"))


def type(got: Any, kind: Any, *, what: str = "") -> None:
    """Pass when `got` is of the plain type `kind` (`int`, `str`, `list`, ...; `expect.ARRAY` for an array or tensor).

    `float` also takes an int; `int` does not take a bool.
    """
    import builtins

    actual = builtins.type(got)
    if kind == ARRAY:
        right = _is_array(got)
        name = "an array or tensor"
    else:
        right = actual is kind or (kind is float and actual is int)
        name = _article(kind.__name__)
    if not right:
        fail(_sentence(what, f"expected {name}, got {show(got)}"))


def error(got: ErrorInfo | None, kind: str, *, what: str = "", mentions: str = "") -> None:
    """Pass when `got` is an exception of class `kind`, or of one derived from it, and says `mentions`."""
    if got is None:
        fail(_sentence(what, f"expected {kind}, but no exception was raised"))
    if kind not in got.bases:
        place = f" at {got.where()}" if got.where() else ""
        fail(_sentence(what, f"expected {kind}, got {got.type}: {got.message[:_SHOWN_TEXT]}{place}"))
    if mentions and mentions.lower() not in got.message.lower():
        fail(_sentence(what, f"expected the message to mention {mentions!r}, got {got.message[:_SHOWN_TEXT]!r}"))


def that(condition: object, message: str, *, mistake: str | None = None) -> None:
    """Pass when `condition` holds."""
    if not condition:
        fail(message, mistake=mistake)


def fail(message: str, *, mistake: str | None = None) -> NoReturn:
    """Fail the check."""
    raise CheckFailed(message, mistake)


# --- looking at values ----------------------------------------------------------------------------------------------


def same(a: Any, b: Any) -> bool:
    """Equality of plain data, exact in type but for list and tuple, and for the kind of an array."""
    import builtins

    if _is_array(a) or _is_array(b):
        if not (_is_array(a) and _is_array(b)):
            return False
        left, right = _numbers(a), _numbers(b)
        if left is None or right is None or left.shape != right.shape:
            return False
        return bool(np.array_equal(left, right, equal_nan=left.dtype.kind in "fc"))
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return len(a) == len(b) and all(key in b and same(value, b[key]) for key, value in a.items())
    return builtins.type(a) is builtins.type(b) and bool(a == b or (a != a and b != b))


def show(value: Any, _levels: int = _SHOWN_LEVELS) -> str:
    """A value in the smallest form that a reader can use. Its length is bounded, whatever the value is."""
    if _is_array(value):
        numbers = _numbers(value)
        kind = "tensor" if _is_tensor(value) else "array"
        if numbers is None or numbers.size > _SHOWN_ITEMS or (numbers.size == 0 and numbers.ndim > 1):
            return f"{_article(kind)} of shape {_shape(value.shape)}"
        return f"{_list(numbers)}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple | dict):
        left, right = "{}" if isinstance(value, dict) else "[]"
        if _levels == 0 and value:
            return f"{left}...{right}"
        if isinstance(value, dict):
            shown = [f"{show(k, _levels - 1)}: {show(v, _levels - 1)}" for k, v in islice(value.items(), _SHOWN_ITEMS)]
        else:
            shown = [show(item, _levels - 1) for item in value[:_SHOWN_ITEMS]]
        more = f", ... ({len(value)} items)" if len(value) > _SHOWN_ITEMS else ""
        return _shortened(f"{left}{', '.join(shown)}{more}{right}", 4 * _SHOWN_TEXT)
    if isinstance(value, str | bytes) and len(value) > _SHOWN_TEXT:
        return f"{value[: _SHOWN_TEXT // 2]!r} ... {value[-_SHOWN_TEXT // 4 :]!r}"
    return _shortened(repr(value), _SHOWN_TEXT)


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit // 2]} ... {text[-limit // 4 :]}"


def _numbers(value: Any) -> np.ndarray | None:
    """The value as a NumPy array of numbers, or None."""
    if _is_tensor(value):
        value = value.detach()
        if str(value.dtype) in ("torch.bfloat16", "torch.float16"):
            value = value.float()
        value = value.numpy()
    if value is None or isinstance(value, str | bytes | dict):
        return None
    if isinstance(value, list | tuple) and any(_is_array(item) for item in value):
        parts = [_numbers(item) for item in value]
        if any(part is None for part in parts) or len({part.shape for part in parts if part is not None}) != 1:
            return None
        return np.stack([part for part in parts if part is not None])
    if isinstance(value, list | tuple) and not _only_numbers(value):
        return None
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return array if array.dtype.kind in "biufc" else None


def _only_numbers(value: list[Any] | tuple[Any, ...]) -> bool:
    """Whether the leaves of nested lists are all numbers.

    NumPy pads a list with text in it to its longest string: a megabyte in a stranger's list can ask for terabytes.
    """
    level: Sequence[Any] = value
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, list | tuple):
                inner.extend(item)
            elif not isinstance(item, bool | int | float | complex | np.generic):
                return False
        level = inner
    return True


def _unlike(got: Any, want: Any, rtol: float, atol: float) -> str | None:
    """What keeps `got` from being close to `want`; None when nothing does."""
    expected = _numbers(want)
    if expected is not None:
        return _difference(_numbers(got), got, expected, rtol, atol)
    if not isinstance(want, list | tuple):
        raise TypeError("expect.close: `want` holds no numbers; use expect.equal")
    if not isinstance(got, list | tuple):
        return f"expected {len(want)} arrays, got {show(got)}"
    if len(got) != len(want):
        return f"expected {len(want)} items, got {len(got)}"
    for index, (left, right) in enumerate(zip(got, want, strict=True)):
        problem = _unlike(left, right, rtol, atol)
        if problem is not None:
            return f"item {index}: {problem}"
    return None


def _difference(got: np.ndarray | None, raw: Any, want: np.ndarray, rtol: float, atol: float) -> str | None:
    if got is None:
        return f"expected numbers of shape {_shape(want.shape)}, got {show(raw)}"
    if got.shape != want.shape:
        if want.size <= 1 and got.size <= 1:
            return f"expected {_describe(want)}, got {_describe(got)}"
        return f"expected shape {_shape(want.shape)}, got shape {_shape(got.shape)}"
    if want.dtype.kind in "biu" and got.dtype.kind in "biu":
        wrong = got != want
    else:
        kind = complex if "c" in (want.dtype.kind, got.dtype.kind) else float
        wrong = ~np.isclose(got.astype(kind), want.astype(kind), rtol=rtol, atol=atol, equal_nan=True)
    count = int(np.count_nonzero(wrong))
    if not count:
        return None
    if want.ndim == 0:
        return f"expected {_number(want[()])}, got {_number(got[()])}"
    if want.size <= _SHOWN_ITEMS:
        return f"expected {_list(want)}, got {_list(got)}"
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    share = f"{count} of {want.size} values differ; the first at {list(place)}"
    return f"{share}: expected {_number(want[place])}, got {_number(got[place])}"


def _first_difference(got: Any, want: Any) -> str:
    import builtins

    if isinstance(got, list | tuple) and isinstance(want, list | tuple) and len(want) > 1:
        if len(got) != len(want):
            lengths = f"expected {len(want)} items, got {len(got)}"
            return f"{lengths}: expected {show(want)}, got {show(got)}"
        for index, (left, right) in enumerate(zip(got, want, strict=True)):
            if not same(left, right) and len(want) > _SHOWN_ITEMS:
                return f"item {index}: expected {show(right)}, got {show(left)}"
    if isinstance(got, dict) and isinstance(want, dict):
        for key, value in want.items():
            if key not in got:
                return f"key {show(key)} is missing: expected {show(value)}"
            if not same(got[key], value):
                return f"at key {show(key)}: expected {show(value)}, got {show(got[key])}"
        extra = [key for key in got if key not in want]
        return f"unexpected key {show(extra[0])}" if extra else "the two dictionaries differ"
    if isinstance(got, str) and isinstance(want, str) and max(len(got), len(want)) > _SHOWN_TEXT // 2:
        place = next((i for i, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), min(len(got), len(want)))
        start = max(0, place - 10)
        return (
            f"from character {place} on: expected {want[start : place + 40]!r}, got {got[start : place + 40]!r} "
            f"({len(want)} and {len(got)} characters)"
        )
    if builtins.type(got) is not builtins.type(want) and show(got) == show(want):
        return f"expected {show(want)} as {builtins.type(want).__name__}, got {builtins.type(got).__name__}"
    return f"expected {show(want)}, got {show(got)}"


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or _is_tensor(value)


def _describe(array: np.ndarray) -> str:
    return f"{_list(array)} of shape {_shape(array.shape)}" if array.ndim else f"the number {_number(array[()])}"


def _list(array: np.ndarray) -> str:
    if array.ndim == 0:
        return _number(array[()])
    if array.ndim > 1 and not array.size:
        return "nothing"
    return "[" + ", ".join(_list(item) for item in array) + "]"


def _number(value: Any) -> str:
    return str(value) if isinstance(value, bool | int | np.bool_ | np.integer) else f"{value:.6g}"


def _shape(shape: Sequence[int]) -> str:
    return "(" + ", ".join(str(int(n)) for n in shape) + ("," if len(shape) == 1 else "") + ")"


def _article(name: str) -> str:
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def _sentence(what: str, problem: str) -> str:
    return f"{what}: {problem}" if what else problem[:1].upper() + problem[1:]
