"""What runs beside the learner's code for task 2.9: it builds, calls and returns data; it never judges.

The model is an engine of DSPy around a judge's function, so that the judge sees every prompt and gives every answer.
"""

from __future__ import annotations

import contextlib
import random
import threading

import dspy
from dspy import lm15


class Engine:
    """Answers with what the judge says. One question at a time: programs may ask from several threads."""

    def __init__(self, ask):
        self._ask = ask
        self._lock = threading.Lock()

    def complete(self, request):
        """One answer, as DSPy's engines give it."""
        system = request.system or ""
        if not isinstance(system, str):
            system = "".join(part.text for part in system)
        turns = [[message.role, message.text or ""] for message in request.messages]
        with self._lock:
            text = self._ask(system, turns)
        return lm15.Response(
            id=None,
            model="judge",
            message=lm15.Message.assistant([lm15.TextPart(text)]),
            finish_reason="stop",
            usage=lm15.Usage(input_tokens=0, output_tokens=0, total_tokens=0),
        )


@contextlib.contextmanager
def model(ask):
    """The judge's model as DSPy's own, without a cache, without retries."""
    with dspy.context(lm=dspy.LM("judge", engine=Engine(ask), cache=False, num_retries=0), disable_history=True):
        yield


def examples_of(pairs):
    """DSPy examples that remember their place."""
    made = [dspy.Example(request=request, tool=tool).with_inputs("request") for request, tool in pairs]
    return made, {id(example): place for place, example in enumerate(made)}


def splits_of(learner, train, validation, test):
    """The learner's Splits of three lists of pairs."""
    return learner.optimize.Splits(*(examples_of(pairs)[0] for pairs in (train, validation, test)))


def split(learner, *, pairs, options):
    """The places of the examples in each split, for each set of options; and whether anything else was touched."""
    examples, places = examples_of(pairs)
    before = [(id(example), dict(example.items())) for example in examples]
    random.seed(5)
    state = random.getstate()
    found = []
    for option in options:
        parts = learner.optimize.split(examples, **option)
        found.append([[places.get(id(example), -1) for example in part] for part in parts.__dict__.values()])
    return {
        "places": found,
        "names": list(parts.__dict__),
        "given": [(id(example), dict(example.items())) for example in examples] == before,
        "random": random.getstate() == state,
    }


def marks(learner, *, cases):
    """The metric of (tool wanted, fields of the prediction, trace or None)."""
    found = []
    for wanted, fields, trace in cases:
        example = dspy.Example(request="?", tool=wanted).with_inputs("request")
        arguments = () if trace is None else (trace,)
        found.append(learner.optimize.metric(example, dspy.Prediction(**fields), *arguments))
    return found


def signature(learner, *, tools):
    """What the signature says: field names, the output's choices, the instructions."""
    made = learner.optimize.routing_signature(tools)
    output = made.output_fields["tool"].annotation
    return {
        "inputs": list(made.input_fields),
        "outputs": list(made.output_fields),
        "input": made.input_fields["request"].annotation is str,
        "literal": getattr(output, "__origin__", None) is __import__("typing").Literal,
        "choices": list(getattr(output, "__args__", ())),
        "instructions": made.instructions,
    }


def route(learner, *, tools, requests, ask):
    """The tools that the router chooses."""
    router = learner.optimize.Router(tools)
    with model(ask):
        return [router(request=request).tool for request in requests]


class Whole(dspy.teleprompt.Teleprompter):
    """An optimizer of the judge: the first `k` training examples as demonstrations; `seen` notes what it was given."""

    def __init__(self, k):
        super().__init__()
        self.k = k
        self.seen = []

    def compile(self, student, *, trainset, teacher=None, valset=None):
        """Compile, and note."""
        self.seen.append([[[demo["request"] for demo in p.demos] for p in student.predictors()], len(trainset)])
        student = student.reset_copy()
        for predictor in student.predictors():
            predictor.demos = list(trainset[: self.k])
        return student


def optimizer_of(learner, kind, k):
    """A DSPy optimizer: the judge's own, or one of DSPy's."""
    if kind == "first":
        return Whole(k)
    if kind == "labeled":
        return dspy.LabeledFewShot(k=k)
    return dspy.BootstrapFewShot(metric=learner.optimize.metric, max_bootstrapped_demos=k, max_labeled_demos=0)


def compiled(learner, *, tools, train, validation, test, candidates, seeds, ask, stale=0):
    """What compiling with each seed gives; `ask` answers the model's questions."""
    splits = splits_of(learner, train, validation, test)
    router = learner.optimize.Router(tools)
    router.predict.demos = list(splits.train[:stale])
    before = [list(part) for part in splits.__dict__.values()]
    random.seed(5)
    state = random.getstate()
    answers = []
    with model(ask):
        for seed in seeds:
            made = {name: optimizer_of(learner, kind, k) for name, kind, k in candidates}
            result = learner.optimize.compile_router(router, splits, candidates=made, seed=seed)
            answers.append(
                {
                    "name": result.name,
                    "scores": dict(result.scores),
                    "demos": [[demo.request, demo.tool] for demo in result.program.predictors()[0].demos],
                    "baseline": [demo.request for demo in result.baseline.predictors()[0].demos],
                    "other": result.program is not router,
                    "students": [demos for one in made.values() for demos, _ in getattr(one, "seen", [])],
                }
            )
    return {
        "answers": answers,
        "random": random.getstate() == state,
        "splits": [list(part) for part in splits.__dict__.values()] == before,
        "router": [demo.request for demo in router.predict.demos] == [request for request, _ in train[:stale]],
    }


def reported(learner, *, tools, test, demos, name, scores, ask):
    """The report on a compiled router with the given demonstrations."""
    splits = splits_of(learner, demos, demos, test)
    baseline, program = learner.optimize.Router(tools), learner.optimize.Router(tools)
    program.predict.demos = list(splits.train)
    result = learner.optimize.Compiled(name, program, baseline, scores)
    with model(ask):
        return learner.optimize.report(result, splits)
