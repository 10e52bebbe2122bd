"""Task 1.10: the command line, `python -m stage1_foundations "Explain what a transformer is:"`."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

PROGRAM = "python -m stage1_foundations"
DEFAULT_MODEL = "smollm2-135m-instruct"
# The model writes one of these when it has nothing more to say.
END_TOKENS = ("<|endoftext|>", "<|im_end|>")


class UsageError(Exception):
    """The command cannot be carried out as it was written; the message says why, in one sentence."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UsageError`, where the standard one prints its usage and ends the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


@dataclass(frozen=True)
class Options:
    """What the command line asks for; the defaults are those of the options left out."""

    prompt: str
    model: str = DEFAULT_MODEL
    max_new_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    show_tokens: bool = False
    show_probs: bool = False


def parse(argv: Sequence[str]) -> Options:
    """The options and the prompt of a command line, in any order; `--` ends the options.

        PROMPT               what the model continues; one argument, not blank
        --model NAME         a model of the course, or a folder that holds one
        --max-new-tokens N   an integer of at least 1
        --temperature T      a finite number of at least 0; 0 is greedy decoding
        --top-p P            above 0, at most 1
        --seed N             an integer of at least 0, below 2**63
        --show-tokens, --show-probs
        --help, -h           prints all of this on stdout and raises SystemExit(0), as argparse does

    Options are not abbreviated (`--temp` is unknown).

    Raises:
        UsageError: anything else. The message names the option at fault, as it is written above, or the argument that
            is one too many, or the prompt where it is missing.
    """
    raise NotImplementedError("task 1.10: parse")


def _number(kind: Callable[[str], float], meaning: str, valid: Callable[[float], bool]) -> Callable[[str], float]:
    """A converter for `Parser.add_argument(type=...)`: text to a number of one kind, refused unless it is valid.

    It raises `argparse.ArgumentTypeError`, whose message argparse hands to `Parser.error` with the option's name.
    """

    raise NotImplementedError("task 1.10: _number")


def main(argv: Sequence[str] | None = None) -> int:
    """Stream the model's continuation of a prompt to stdout; returns the exit code of the program.

    Args:
        argv: the arguments, without the program's name; None means those that the process was started with.

    The command line is `parse`'s. Everything heavy (torch, and with it this package's other modules) is imported only
    after it has been accepted, so that `--help` and mistakes answer at once. Then:

    - `model.load(NAME)` gives the model and its tokenizer; a `cache.CachedModel` of the model makes the steps.
    - `generate.generate` continues the encoded prompt, with `sampling.SamplingParams` for the temperature and top-p,
      the seed, the tokenizer's `stream()` as decoder, and as stop tokens the ids of those `END_TOKENS` that the
      tokenizer's `special_tokens` has.
    - Stdout gets the text of each step, flushed before the next step is asked for, and after the last one a newline.
      It holds nothing else, whatever the options.
    - `--show-tokens` and `--show-probs` then write one line for each step to stderr, its columns separated by a tab:
      the token id (only with `--show-tokens`), the step's text as a JSON string, in which letters outside ASCII stay
      as they are, and the token's probability with four decimals (only with `--show-probs`).

    Returns:
        0, for `--help` too. 2 if the command line is wrong, or if `model.load` raises an `ArtifactError` (of
        `roadmap.artifacts`) or a `ValueError`: stdout stays empty, and stderr gets one line that holds the message,
        with every run of white space in it as one space. Also 2, and such a line and no other on stderr, if a step
        raises a `ValueError`, because the text has become longer than the model has positions: what had been shown
        before stays on stdout, closed by a newline.
    """
    raise NotImplementedError("task 1.10: main")


def _refuse(error: Exception) -> int:
    """Say on stderr, in one line, why nothing was done; returns the exit code for it."""
    print(f"{PROGRAM}: {' '.join(str(error).split())}", file=sys.stderr)
    return 2
