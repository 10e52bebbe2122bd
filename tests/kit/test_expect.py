"""Comparisons: what passes, what fails, and how a failure reads to a beginner."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
import torch

from roadmap.grading import expect
from roadmap.grading.errors import CheckFailed, ErrorInfo

NAN, INF = math.nan, math.inf


def message(action: Any, *args: Any, **kwargs: Any) -> str:
    """What a failed comparison says."""
    with pytest.raises(CheckFailed) as caught:
        action(*args, **kwargs)
    return caught.value.message


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (1.0, 1),
        (1.00001, 1.0),
        ([1.0, 2.0], (1, 2)),
        (np.float32([1, 2]), torch.tensor([1.0, 2.0])),
        (torch.ones(2, 2, dtype=torch.bfloat16), np.ones((2, 2))),
        (NAN, NAN),
        ([INF, -INF, 0.0], [INF, -INF, 0.0]),
        (np.zeros((0, 3)), np.zeros((0, 3))),
        ([np.ones(2), np.ones(3)], [np.ones(2), torch.ones(3)]),
        ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
        (1 + 2j, 1 + 2j),
    ],
)
def test_close_takes_equal_numbers_of_any_kind(got: Any, want: Any) -> None:
    """Kinds, dtypes, lists and arrays are alike."""
    expect.close(got, want)


@pytest.mark.parametrize(
    ("got", "want", "says"),
    [
        (2.0, 1.0, "Expected 1, got 2"),
        (NAN, 1.0, "Expected 1, got nan"),
        (1.0, NAN, "Expected nan, got 1"),
        (INF, -INF, "Expected -inf, got inf"),
        (None, 1.0, "Expected numbers of shape (), got None"),
        ("1.0", 1.0, "Expected numbers of shape (), got '1.0'"),
        ([1.0], 1.0, "Expected the number 1, got [1] of shape (1,)"),
        ([1.0, 2.0], [1.0, 3.0], "Expected [1, 3], got [1, 2]"),
        ([1, 2, 3], [1, 2], "Expected shape (2,), got shape (3,)"),
        (np.zeros((3, 4)), np.ones((3, 4)), "12 of 12 values differ; the first at [0, 0]: expected 1, got 0"),
        (np.zeros((1, 4)), np.ones((3, 4)), "Expected shape (3, 4), got shape (1, 4)"),
        (np.zeros((1 << 20, 0)), [1.0], "Expected [1] of shape (1,), got nothing of shape (1048576, 0)"),
        (["a" * 10**5] + [""] * 10**5, [1.0], "Expected numbers of shape (1,), got ['aaa"),
        ({"a": 1}, [1.0], "Expected numbers of shape (1,), got {'a': 1}"),
        ([[1, 2], [3]], [[1, 2], [3, 4]], "Expected numbers of shape (2, 2), got [[1, 2], [3]]"),
        (1 + 1j, 1.0, "Expected 1, got 1+1j"),
        ([np.ones(2)], [np.ones(2), np.ones(3)], "Expected 2 items, got 1"),
        ([np.ones(2), np.ones(2)], [np.ones(2), np.ones(3)], "Item 1: expected shape (3,), got shape (2,)"),
    ],
)
def test_close_says_what_differs(got: Any, want: Any, says: str) -> None:
    """In the smallest readable form."""
    started = time.perf_counter()
    assert message(expect.close, got, want).startswith(says)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("got", "want"),
    [([1, 2], (1, 2)), ({"a": [1]}, {"a": (1,)}), (NAN, NAN), (np.ones(2), torch.ones(2)), (None, None), (b"a", b"a")],
)
def test_equal_takes_equal_data(got: Any, want: Any) -> None:
    """Lists and tuples are alike, and arrays of either kind."""
    expect.equal(got, want)


@pytest.mark.parametrize(
    ("got", "want", "says"),
    [
        (1, True, "Expected True, got 1"),
        (1.0, 1, "Expected 1 as int, got float"),
        ("1", 1, "Expected 1, got '1'"),
        ([1, 3], [1, 2], "Expected [1, 2], got [1, 3]"),
        ([1], [1, 2], "Expected 2 items, got 1: expected [1, 2], got [1]"),
        (list(range(20)), [*range(19), 99], "Item 19: expected 99, got 19"),
        ({"a": 1}, {"a": 1, "b": 2}, "Key 'b' is missing: expected 2"),
        ({"a": 1, "b": 2}, {"a": 1}, "Unexpected key 'b'"),
        ({"a": 1}, {"a": 2}, "At key 'a': expected 2, got 1"),
        ("x" * 100 + "a", "x" * 100 + "b", "From character 100 on: expected 'xxxxxxxxxxb', got 'xxxxxxxxxxa'"),
        (10**4200, 1, "Expected 1, got 1000"),
        (np.ones(2), [1.0, 1.0], "Expected [1, 1] as list, got ndarray"),
    ],
)
def test_equal_says_what_differs(got: Any, want: Any, says: str) -> None:
    """The first difference, not the whole."""
    assert message(expect.equal, got, want).startswith(says)


def test_an_array_is_not_a_list_and_says_so() -> None:
    """The two look alike when printed."""
    assert message(expect.equal, np.ones(2), [1.0, 1.0]) == "Expected [1, 1] as list, got ndarray"


def test_what_names_the_thing() -> None:
    """It stands before the problem."""
    assert message(expect.close, 2.0, 1.0, what="the loss") == "the loss: expected 1, got 2"


def test_a_mistake_is_named_but_never_decides() -> None:
    """A known wrong answer names itself; the right answer passes even if a mistake would match it."""
    with pytest.raises(CheckFailed) as caught:
        expect.close(2.0, 1.0, mistakes={"other": 3.0, "doubled": lambda: 2.0})
    assert caught.value.mistake == "doubled"
    expect.close(1.0, 1.0, mistakes={"wrong": lambda: pytest.fail("a mistake was looked at")})
    with pytest.raises(CheckFailed) as caught:
        expect.equal([1], [2], mistakes={"other": [3]})
    assert caught.value.mistake is None


def test_shape_type_error_and_that() -> None:
    """The other comparisons."""
    expect.shape(torch.ones(2, 3), (2, 3))
    assert message(expect.shape, torch.ones(2), (3,)) == "Expected shape (3,), got shape (2,)"
    assert message(expect.shape, [1, 2], (2,)) == "Expected an array or tensor, got [1, 2]"
    expect.type(1, float)
    assert message(expect.type, True, int) == "Expected an int, got True"
    info = ErrorInfo("KeyError", ("KeyError", "LookupError"), "no such key")
    expect.error(info, "LookupError", mentions="KEY")
    assert message(expect.error, None, "ValueError") == "Expected ValueError, but no exception was raised"
    assert message(expect.error, info, "ValueError") == "Expected ValueError, got KeyError: no such key"
    assert "to mention 'size'" in message(expect.error, info, "KeyError", mentions="size")
    expect.that([0], "never")
    assert message(expect.that, [], "The list is empty.") == "The list is empty."


HOSTILE = [
    None, NAN, INF, True, 10**3000, "x" * 10**6, b"\xff" * 10**6, [], {}, [[]], [None], [[[[[[[[1]]]]]]]], {NAN: 1},
    {(1, 2): [3]}, {"a": {"b": {"c": {}}}}, np.zeros((1 << 20, 0)), np.zeros((0,) * 8), np.array(NAN), np.array([True]),
    np.zeros(3, np.complex64), np.array([2**64 - 1], np.uint64), torch.zeros(2, dtype=torch.bfloat16),
    torch.tensor([1j]), torch.zeros(0), [np.ones(2), "a"], [np.ones(2), np.ones(3)], ["a", 1, None], [10**400, 1.5],
    [[1, 2], "ab"], [{}] * 3, [b"a"], {"k": np.ones(3)}, [[["a" * 80] * 8] * 8] * 8,
]  # fmt: skip
WANTED = [
    1, 1.5, True, None, "text", [1, 2], [1.0], {"a": 1}, np.ones((2, 3)), torch.ones(4), [np.ones(2), np.ones(3)], NAN,
    [],
]  # fmt: skip


@pytest.mark.parametrize("got", HOSTILE, ids=lambda value: f"{type(value).__name__}"[:20])
def test_whatever_a_stranger_returns_is_a_verdict(got: Any) -> None:
    """No comparison raises anything but CheckFailed, and no message is long."""
    for want in WANTED:
        actions = [(expect.equal, want), (expect.shape, (2,)), (expect.type, int)]
        if expect._numbers(want) is not None:
            actions.append((expect.close, want))
        for compare, wanted in actions:
            problem = ""
            try:
                compare(got, wanted)
            except CheckFailed as failed:
                problem = failed.message
            assert len(problem) < 3000
