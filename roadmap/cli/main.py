"""The command `roadmap`: finds the verb's module, runs it, and turns errors into two sentences and an exit code."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from roadmap.course.errors import UsageError

# Each verb is a function of its own name in a module of its own name. What `roadmap --help` says about it stands here,
# so that showing the help imports none of them.
VERBS = {
    "next": "What to do next.",
    "hint": "The next hint for a task.",
    "lesson": "The lessons of a stage, or one of them.",
    "check": "Grade a stage or one task.",
    "watch": "Check again whenever a file is saved.",
    "run": "Run a stage's program.",
    "reset": "Give a task's stubs back; your code is saved first.",
    "solution": "The reference for a task that yours passes.",
    "fetch": "Bring models and data into the cache.",
    "model": "Serve the local model behind the Messages API.",
    "doctor": "Look for what is wrong with this machine's set-up.",
    "demo": "The real model speaks, and stage 1 is graded.",
    "lessons": "For authors: build, verify and lint the lessons.",
    "status": "The status board; also what `roadmap` alone shows.",
}
PASS_THROUGH = {"run"}  # what follows belongs to the program that is run
# The verbs that are used all day, and how many words each takes. Typer reads any command line through pydantic, whose
# import takes as long as all the rest: where there is nothing to convert and no option, they are called without it.
PLAIN = {"next": 0, "hint": 1, "status": 0}


class LazyCommand(TyperCommand):
    """A verb that is imported when it is called."""

    def __init__(self, verb: str) -> None:
        super().__init__(verb, help=VERBS[verb], rich_markup_mode=None)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Import the verb's module and hand over to its command."""
        return self.load().make_context(info_name, args, parent=parent, **extra)

    def load(self) -> Any:
        """The verb's real command."""
        verb = typer.Typer(add_completion=False, rich_markup_mode=_markup_mode())
        settings = {"allow_extra_args": True, "ignore_unknown_options": True} if self.name in PASS_THROUGH else {}
        verb.command(self.name, context_settings=settings)(_function(str(self.name)))
        return typer.main.get_command(verb)


class LazyGroup(TyperGroup):
    """The verbs, none of them imported."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The verbs in the order in which a learner meets them."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb of that name, or None."""
        if cmd_name not in VERBS:
            return None
        return self.commands.setdefault(cmd_name, LazyCommand(cmd_name))

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; Ctrl-C ends it with exit code 130."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _say("Interrupted.")
            raise typer.Exit(130) from None


def _markup_mode() -> Any:
    # Boxes are for terminals; in a file or a pipe the help is plain text.
    return "rich" if sys.stdout.isatty() else None


app = typer.Typer(cls=LazyGroup, invoke_without_command=True, rich_markup_mode=_markup_mode())


@app.callback()
def roadmap(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> Any:
    """The LLM Engineer Roadmap course. Without a command: the status board."""
    if version:
        from roadmap import __version__

        print(f"roadmap {__version__}")
        raise typer.Exit(0)
    if context.invoked_subcommand is None:
        from roadmap.cli.status import status

        return status()
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: this process's); returns the exit code.

    0 all well (for `check`: at or above the pass mark), 1 below it, 2 wrong usage or an unusable submission, 3 the
    grader's or the course's own failure, 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a locale that lacks a character
    try:
        words = sys.argv[1:] if argv is None else list(argv)
        if _is_plain(words):
            verb, *rest = words or ["status"]
            result = _function(verb)(*rest)
        else:
            result = app(words, prog_name="roadmap", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except BaseException as error:
        if os.environ.get("ROADMAP_DEBUG") and not isinstance(error, KeyboardInterrupt | typer.Abort):
            raise
        return explain(error)


def _is_plain(words: Sequence[str]) -> bool:
    verb, *rest = words or ["status"]
    return PLAIN.get(verb) == len(rest) and not any(word.startswith("-") for word in rest)


def _function(verb: str) -> Any:
    return getattr(importlib.import_module(f"roadmap.cli.{verb}"), verb)


def explain(error: BaseException) -> int:
    """Say on stderr what happened and what to do, and return the exit code. Raises what is no error (SystemExit)."""
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        _say("Interrupted.")
        return 130
    if isinstance(error, SystemExit | GeneratorExit):
        raise error
    if isinstance(error, BrokenPipeError):
        # Whoever read the output has gone; keep Python from failing again when it flushes at exit.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, UsageError):
        _say(str(error))
        return error.exit_code
    if isinstance(error, typer.TyperException):
        _say(_usage_sentences(error))
        return 2
    if _is(error, "roadmap.artifacts.errors", "ArtifactError"):
        _say(str(error))
        return 2
    if _is(error, "roadmap.grading.errors", "GraderError"):
        _say(f"{getattr(error, 'message', error)} {getattr(error, 'advice', '')}".strip())
        return 3
    if isinstance(error, OSError) and error.strerror:
        what = f"{error.filename or 'A file'}: {error.strerror.lower()}."
        _say(f"{what} Check the path, its permissions and the free space.")
        return 3
    _say(
        f"The course itself failed ({type(error).__name__}: {error}). "
        "Run it again with ROADMAP_DEBUG=1 to see where, and report that."
    )
    return 3


def _is(error: BaseException, module: str, name: str) -> bool:
    # An error of a package that was never imported cannot be what we hold, so there is no need to import it now.
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(error, kind)


def _usage_sentences(error: typer.TyperException) -> str:
    sentence = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", None) or "roadmap"
    return f"{sentence}. `{command} --help` shows how it is used."


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
