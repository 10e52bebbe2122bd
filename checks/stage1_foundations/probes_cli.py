"""What runs beside the learner's code for task 1.10: it builds, calls and returns data; it never judges.

The command line is the last task, but it can be graded while the others are unfinished: the modules that it calls are
replaced by stand-ins, which note what they are asked and play a scripted answer.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import io
import sys
from typing import NamedTuple

PACKAGE = "stage1_foundations"


class Screen(io.RawIOBase):
    """The far end of a pipe: it notes when bytes really arrive, which is when they have been flushed."""

    def __init__(self, note):
        self.note = note

    def writable(self):
        return True

    def write(self, data):
        self.note(bytes(data))
        return len(data)


def stream(note):
    """A buffered text stream onto a Screen, like the stdout of a program whose output goes to a pipe."""
    return io.TextIOWrapper(io.BufferedWriter(Screen(note)), encoding="utf-8", newline="\n")


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves stand-ins for the package's heavy modules at the moment they are imported."""

    def __init__(self, namespaces):
        self.namespaces = {f"{PACKAGE}.{name}": names for name, names in namespaces.items()}

    def find_spec(self, fullname, path=None, target=None):
        if fullname in self.namespaces:
            return importlib.util.spec_from_loader(fullname, self)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        vars(module).update(self.namespaces[module.__name__])


class SamplingParams(NamedTuple):
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0


class Step(NamedTuple):
    token: int
    text: str
    logprob: float


class Model:
    pass


class Tokenizer:
    def __init__(self, special_tokens, prompt_ids):
        self.special_tokens = special_tokens
        self.prompt_ids = prompt_ids
        self.encoded = []
        self.decoders = []

    def encode(self, text):
        self.encoded.append(text)
        return list(self.prompt_ids)

    def stream(self):
        self.decoders.append(object())
        return self.decoders[-1]


class CachedModel:
    def __init__(self, model):
        self.model = model


def speak(
    learner, *, argv, steps=(), special_tokens=None, prompt_ids=(1, 2), failure=None, ends_with=None, by_process=False
):
    """`cli.main(argv)` among stand-ins. `steps` is what the model will say: [token, text, logprob] each.

    `failure` is [kind, message]: what loading the model raises; `ends_with` is the message of the ValueError that the
    model raises once the steps are over. With `by_process`, main gets no argument and finds
    `argv` where a process does.
    """
    model, tokenizer = Model(), Tokenizer(special_tokens or {}, prompt_ids)
    notes = {"loaded": [], "asked": []}
    out, err = bytearray(), bytearray()
    planted = _exception(*failure) if failure else None
    full = ValueError(ends_with)

    def load(name_or_folder="the default of load"):
        notes["loaded"].append(str(name_or_folder))
        if planted is not None:
            raise planted
        return model, tokenizer

    def generate(
        step,
        prompt,
        *,
        max_new_tokens,
        params=None,
        seed=0,
        stop_tokens=(),
        stop_strings=(),
        decoder=None,
    ):
        params = SamplingParams() if params is None else params
        notes["asked"].append(
            {
                "the model": isinstance(step, CachedModel) and step.model is model,
                "the prompt": [int(i) for i in prompt],
                "max_new_tokens": max_new_tokens,
                "temperature": float(params.temperature),
                "top_p": float(params.top_p),
                "other sampling": [params.top_k, params.min_p, params.repetition_penalty],
                "seed": seed,
                "stop_tokens": sorted(int(i) for i in stop_tokens),
                "stop_strings": list(stop_strings),
                "the decoder": any(decoder is known for known in tokenizer.decoders),
            }
        )
        return play()

    arrived = []

    def play():
        for token, text, logprob in steps:
            arrived.append(bytes(out))
            yield Step(token, text, logprob)
        arrived.append(bytes(out))
        if ends_with is not None:
            raise full

    finder = StandIns(
        {
            "model": {"load": load, "Transformer": Model},
            "cache": {"CachedModel": CachedModel},
            "sampling": {"SamplingParams": SamplingParams},
            "generate": {"generate": generate, "Step": Step},
        }
    )
    package = importlib.import_module(PACKAGE)
    before = {name: module for name, module in sys.modules.items() if name.startswith(f"{PACKAGE}.")}
    attributes = dict(vars(package))
    streams = sys.stdout, sys.stderr, sys.argv
    for name in before:
        del sys.modules[name]
        vars(package).pop(name.removeprefix(f"{PACKAGE}."), None)
    sys.meta_path.insert(0, finder)
    code, raised = None, ""
    try:
        sys.stdout, sys.stderr = stream(out.extend), stream(err.extend)
        sys.argv = ["__main__.py", *(argv if by_process else ["--elsewhere"])]
        cli = importlib.import_module(f"{PACKAGE}.cli")
        try:
            code = cli.main() if by_process else cli.main(list(argv))
        except SystemExit as end:
            raised = f"SystemExit({end.code})"
        except Exception as error:
            if error is not planted and error is not full:
                raise
            raised = type(error).__name__
        sys.stdout.flush()
        sys.stderr.flush()
        imported = sorted(name for name in sys.modules if name.startswith(f"{PACKAGE}.") and not name.endswith(".cli"))
    finally:
        sys.stdout, sys.stderr, sys.argv = streams
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.startswith(f"{PACKAGE}.")]:
            del sys.modules[name]
        sys.modules.update(before)
        vars(package).clear()
        vars(package).update(attributes)
    return {
        "code": code if type(code) is int else repr(code),
        "raised": raised,
        "stdout": out.decode("utf-8", "replace"),
        "stderr": err.decode("utf-8", "replace"),
        "imported": [name.removeprefix(f"{PACKAGE}.") for name in imported],
        "arrived": [data.decode("utf-8", "replace") for data in arrived],
        "encoded": tokenizer.encoded,
        **notes,
    }


def _exception(kind, message):
    """An exception as the real `model.load` would raise it."""
    if kind == "ValueError":
        return ValueError(message)
    return getattr(importlib.import_module("roadmap.artifacts"), kind)(message)
