"""Text from strangers: what a terminal or a CI runner would act on is gone, what a reader wants stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadmap.grading.text import harmless


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("plain text, ünïcödé, 日本\tand\nlines", "plain text, ünïcödé, 日本\tand\nlines"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\after", "after"),
        ("\x9b31mred", "red"),
        ("a\x00b\x08c\x7fd", "abcd"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("::notice::x", "| ::notice::x"),
        ("  ::error::x", "  | ::error::x"),
        ("\u00a0::error::x", "\u00a0| ::error::x"),
        (":\x1b[0m:notice::x", "| ::notice::x"),
        ("a::b and std::vector", "a::b and std::vector"),
        ("say ##[set-output name=a]b", "say # #[set-output name=a]b"),
        ("##vso[task]x", "# #vso[task]x"),
        ("## [a heading]", "## [a heading]"),
        ("file\u202egnp.exe", "filegnp.exe"),
        ("\ud800", "?"),
        (b"bytes \xff", "bytes \ufffd"),
    ],
)
def test_harmless(raw: str | bytes, clean: str) -> None:
    """Each case as a reader would want it."""
    assert harmless(raw) == clean


def test_a_limit_keeps_both_ends_and_says_so() -> None:
    """The first error and the last line both matter."""
    text = harmless("start" + "x" * 1000 + "end", 100)
    assert text.startswith("start")
    assert text.endswith("end")
    assert "[908 characters left out]" in text


def test_a_cut_does_not_make_a_command() -> None:
    """What the limit puts at the start of a line is looked at again."""
    assert "\n::" not in harmless("x" * 60 + "::notice::" + "y" * 40, 100)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("\x1b[]:#vso \t\n\r\x07\\P0m;\x9b\u2028\u00a0\x85a"), max_size=60))
def test_nothing_that_acts_survives(raw: str) -> None:
    """Whatever is put together from the dangerous characters."""
    text = harmless(raw)
    assert not any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 or c in "\u2028\u2029" for c in text)
    assert not any(line.lstrip().startswith("::") for line in text.split("\n"))
    assert "##[" not in text
    assert "##vso[" not in text


@pytest.mark.parametrize("unit", ["\n", " ", "\x1b]", "\x1b[", "\r", "::", "\n:", "##["])
def test_a_megabyte_of_anything_takes_no_time(unit: str) -> None:
    """No pattern looks twice at the same text."""
    started = time.perf_counter()
    harmless(unit * (1_000_000 // len(unit)), 4000)
    assert time.perf_counter() - started < 5
