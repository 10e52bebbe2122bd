"""What runs beside the learner's code for task 2.3: it builds, calls and returns data; it never judges."""

from __future__ import annotations

import copy

import anthropic


def extract(learner, *, texts):
    """For each text the value that was found, or that ValueError was raised."""
    found = []
    for text in texts:
        try:
            found.append({"value": learner.structured.extract_json(text)})
        except ValueError:
            found.append({"none": True})
    return found


def validate(learner, *, cases):
    """For each (value, schema) the problems as [path, message]; and whether value and schema are as they were."""
    found, same = [], True
    for value, schema in cases:
        before = copy.deepcopy((value, schema))
        problems = learner.structured.validate(value, schema)
        found.append([[problem.path, problem.message] for problem in problems])
        same = same and (value, schema) == before
    return {"problems": found, "same": same}


def ask(learner, *, url, model, messages, schema, options):
    """What came of a question to the model: a value, or how it failed; and whether the messages are as they were."""
    client = anthropic.Anthropic(base_url=url, api_key="test", max_retries=0)
    before = copy.deepcopy(messages)
    answer = {}
    try:
        answer["value"] = learner.structured.ask(client, model, messages, schema, **options)
    except learner.structured.StructuredError as error:
        answer["problems"] = [[problem.path, problem.message] for problem in error.problems]
        answer["text"] = error.text
        answer["attempts"] = error.attempts
    except anthropic.APIStatusError as error:
        answer["status"] = error.status_code
    finally:
        client.close()
    return {**answer, "same": messages == before}
