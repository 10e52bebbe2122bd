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
    # >>> solution
    parser = Parser(prog=PROGRAM, description="Your model continues a text.", allow_abbrev=False)
    parser.add_argument("prompt", nargs="?", default="", metavar="PROMPT", help="what the model continues")
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help="a model of the course, or its folder")
    parser.add_argument(
        "--max-new-tokens",
        type=_number(int, "an integer of at least 1", lambda n: n >= 1),
        default=Options.max_new_tokens,
        metavar="N",
        help="stop after so many tokens (default: %(default)s)",
    )
    parser.add_argument(
        "--temperature",
        type=_number(float, "a number of at least 0", lambda t: 0 <= t < math.inf),
        default=Options.temperature,
        metavar="T",
        help="0 is greedy, higher is more varied (default: %(default)s)",
    )
    parser.add_argument(
        "--top-p",
        type=_number(float, "a number above 0 and at most 1", lambda p: 0 < p <= 1),
        default=Options.top_p,
        metavar="P",
        help="draw from the likeliest tokens that reach this probability together (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=_number(int, "an integer of at least 0, below 2**63", lambda n: 0 <= n < 2**63),
        default=Options.seed,
        metavar="N",
        help="the same seed draws the same text (default: %(default)s)",
    )
    parser.add_argument("--show-tokens", action="store_true", help="list the tokens and their ids, on stderr")
    parser.add_argument("--show-probs", action="store_true", help="list the tokens and their probabilities, on stderr")
    options = Options(**vars(parser.parse_args(argv)))
    if not options.prompt.strip():
        raise UsageError("there is no prompt: write the text to continue, in quotes")
    return options
    # <<< solution


def _number(kind: Callable[[str], float], meaning: str, valid: Callable[[float], bool]) -> Callable[[str], float]:
    """A converter for `Parser.add_argument(type=...)`: text to a number of one kind, refused unless it is valid.

    It raises `argparse.ArgumentTypeError`, whose message argparse hands to `Parser.error` with the option's name.
    """

    # >>> solution
    def convert(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        # NaN is not valid: it compares false with everything.
        if not valid(number):
            raise argparse.ArgumentTypeError(f"expected {meaning}, got {text!r}")
        return number

    return convert
    # <<< solution


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
    # >>> solution
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
    except SystemExit:
        return 0
    except UsageError as error:
        return _refuse(error)

    from roadmap.artifacts import ArtifactError

    from .cache import CachedModel
    from .generate import generate
    from .model import load
    from .sampling import SamplingParams

    try:
        model, tokenizer = load(options.model)
    except (ArtifactError, ValueError) as error:
        return _refuse(error)

    steps = generate(
        CachedModel(model),
        tokenizer.encode(options.prompt),
        max_new_tokens=options.max_new_tokens,
        params=SamplingParams(temperature=options.temperature, top_p=options.top_p),
        seed=options.seed,
        stop_tokens=[tokenizer.special_tokens[name] for name in END_TOKENS if name in tokenizer.special_tokens],
        decoder=tokenizer.stream(),
    )
    lines = []
    try:
        for step in steps:
            print(step.text, end="", flush=True)
            columns = [json.dumps(step.text, ensure_ascii=False)]
            if options.show_tokens:
                columns.insert(0, str(step.token))
            if options.show_probs:
                columns.append(f"{math.exp(step.logprob):.4f}")
            lines.append("\t".join(columns))
    except ValueError as error:
        if lines:
            print()
        return _refuse(error)
    print()
    if options.show_tokens or options.show_probs:
        print("\n".join(lines), file=sys.stderr)
    return 0
    # <<< solution


def _refuse(error: Exception) -> int:
    """Say on stderr, in one line, why nothing was done; returns the exit code for it."""
    print(f"{PROGRAM}: {' '.join(str(error).split())}", file=sys.stderr)
    return 2
