"""What runs beside the learner's code for task 2.2: it builds, calls and returns data; it never judges."""

from __future__ import annotations

import itertools
import sys
import types

_numbers = itertools.count()


def module_of(source):
    """A module made of source text, as if it had been imported: annotations that are strings are resolved in it."""
    module = types.ModuleType(f"tools_{next(_numbers)}")
    sys.modules[module.__name__] = module
    exec(compile(source, module.__name__, "exec", dont_inherit=True), module.__dict__)
    return module


def annotations(learner, *, source, expressions):
    """The schema of each annotation."""
    scope = vars(module_of(source))
    return [learner.schemas.annotation_schema(eval(expression, scope)) for expression in expressions]


def twice(learner, *, source, expression):
    """The schema of one annotation, asked for again after the first answer was spoilt."""
    annotation = eval(expression, vars(module_of(source)))

    def spoil(value):
        for inner in list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []:
            spoil(inner)
        if isinstance(value, dict | list):
            value.clear()

    spoil(learner.schemas.annotation_schema(annotation))
    return learner.schemas.annotation_schema(annotation)


def tools(learner, *, source, expressions):
    """The definition of each function."""
    scope = vars(module_of(source))
    return [learner.schemas.tool_schema(eval(expression, scope)) for expression in expressions]


def orders(learner, *, source, expression):
    """The names of the properties of a tool in their order."""
    made = learner.schemas.tool_schema(eval(expression, vars(module_of(source))))
    return list(made["input_schema"]["properties"])
