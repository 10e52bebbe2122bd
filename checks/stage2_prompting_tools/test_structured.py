"""Checks of task 2.3: JSON found in a text, held against a schema, asked for again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from checks.stage2_prompting_tools import oracles_structured as oracles
from checks.stage2_prompting_tools import probes_structured as probes
from checks.stage2_prompting_tools import servers
from checks.stage2_prompting_tools.oracles_structured import Found
from roadmap.grading import check, expect
from roadmap.llm.messages.parts import ToolUse
from roadmap.llm.scripted import Fault, Reply

NONE = {"none": True}  # no JSON was found


def expect_extracted(learner, cases: list[tuple[str, Any, dict[str, Any]]]) -> None:
    """Each text gives the value that is wanted; NONE for none. Known wrong outcomes come as `mistakes`, or several."""
    got = learner.run(probes.extract, texts=[text for text, _, _ in cases])
    for (text, want, mistakes), outcome in zip(cases, got, strict=True):
        right = want if want == NONE else {"value": want}
        if expect.same(outcome, right):
            continue
        known = {slug: wrong if isinstance(wrong, list) else [wrong] for slug, wrong in mistakes.items()}
        named = next((slug for slug, wrongs in known.items() if any(expect.same(outcome, w) for w in wrongs)), None)
        wanted = "ValueError" if want == NONE else expect.show(want)
        shown = "ValueError" if outcome == NONE else expect.show(outcome.get("value"))
        expect.fail(f"extract_json({expect.show(text)}): expected {wanted}, got {shown}", mistake=named)


# --- extract_json ---------------------------------------------------------------------------------------------------


@check(
    task="2.3",
    weight=1,
    lesson="04_structure#parsing",
    seconds=0.02,
    hints=[
        "What is the simplest thing that a well-behaved model can send?",
        "Try json.loads on the stripped text first; if nothing at all can be read, raise ValueError.",
    ],
)
def test_bare_json_is_read(learner, rng):
    """A text that is JSON is read, whatever kind of value it is; a text without JSON raises ValueError."""
    values = [oracles.container(rng), [oracles.value(rng, 1)], oracles.word(rng), 12, -0.5, True, None, [], {}]
    cases = [(f" \n{json.dumps(value, indent=2)}\n ", value, {}) for value in values]
    tick = {"code": f"```python\n{oracles.word(rng)} = [1]\n```", "also": "```"}
    cases.append((json.dumps(tick), tick, {}))
    one, two = oracles.words(rng, 2)
    for text in ("", " \n", f"{one} {two}.", f"{one} [{two}", f"{one}: {{{two}}}", f"]{one}}} {{", "```json\n```"):
        cases.append((text, NONE, {}))
    expect_extracted(learner, cases)


@check(
    task="2.3",
    weight=2,
    lesson="04_structure#parsing",
    seconds=0.02,
    needs=["test_bare_json_is_read"],
    hints=[
        "How do you find the bracket that closes a value when brackets may also stand inside its strings?",
        "json.JSONDecoder().raw_decode(text, place) reads one value from a place and says where it ended. Try it at "
        "every '{' and '['.",
    ],
)
def test_json_inside_prose_is_found(learner, rng):
    """The first complete object or array in a text is found, whatever stands before and behind it."""
    cases: list[tuple[str, Any, dict[str, Any]]] = []
    for _ in range(3):
        one, two, three = oracles.words(rng, 3)
        value, other = oracles.container(rng), oracles.container(rng)
        tricky = {one: "} ] {", two: '"}\\', three: ["[", {"x": "}}"}]}
        plain, written = json.dumps(value), json.dumps(tricky)
        cases.append((f"{one} {two}: {plain} {three}.", value, {}))
        cases.append((f"{one}: {written} {three}.", tricky, {"extract-counts-brackets-in-strings": NONE}))
        brace_to_brace = [NONE, {"value": other}]
        cases.append(
            (f"{one} {plain} {two} {json.dumps(other)}.", value, {"extract-first-to-last-brace": brace_to_brace})
        )
        cases.append((f"{one} {plain}}} {three}", value, {"extract-first-to-last-brace": NONE}))
        listed = [value, other]
        cases.append(
            (f"{one}: {json.dumps(listed, indent=1)}", listed, {"extract-takes-objects-only": {"value": value}})
        )
        for false_start in (f"[{two} {three}]", f"{{{two}}}", '{"a": 1,', "[1, 2"):
            cases.append((f"{one} {false_start} {plain}", value, {"extract-gives-up-at-the-first-bracket": NONE}))
        cases.append((f"{one} {{'{two}': 1}} {{ {plain} }}", value, {"extract-gives-up-at-the-first-bracket": NONE}))
    expect_extracted(learner, cases)


@check(
    task="2.3",
    weight=2,
    lesson="04_structure#parsing",
    seconds=0.02,
    needs=["test_json_inside_prose_is_found"],
    hints=[
        "The prose before a code block says 'an empty list [] means none'. Which of the two values did the model mean?",
        "Look at fenced blocks before you look at brackets; a fence stands at the beginning of a line, so that one "
        "inside a string is none.",
    ],
)
def test_code_blocks_come_first(learner, rng):
    """The first fenced block that holds JSON wins over brackets in prose; fences inside strings are text."""
    cases: list[tuple[str, Any, dict[str, Any]]] = []
    for tag in ("json", "", "JSON"):
        one, two = oracles.words(rng, 2)
        value, other = oracles.container(rng), oracles.container(rng)
        block = f"```{tag}\n{json.dumps(value, indent=2)}\n```"
        second = f"```\n{json.dumps(other)}\n```"
        cases.append((f"{one}:\n\n{block}\n{two}.", value, {}))
        cases.append((f"{one} [] {two} {{}}\n{block}\n", value, {"extract-reads-prose-before-fences": {"value": []}}))
        cases.append((f"{json.dumps(other)}\n{block}", value, {"extract-reads-prose-before-fences": {"value": other}}))
        cases.append((f"{block}\n{second}", value, {}))
        cases.append((f"```python\n{one} = {two}\n```\n{block}\n{second}", value, {}))
        cases.append((f"```python\n{one} = [1]\n```\n{block}\n{second}", value, {}))
        tick = {one: "```", two: "```json {} ``` [", "n": 1}
        cases.append(
            (f"{one}\n```{tag}\n{json.dumps(tick)}\n```", tick, {"extract-ends-fence-inside-string": NONE,
             "extract-reads-prose-before-fences": {"value": {}}})
        )  # fmt: skip
        cases.append((f"{one}\n```{tag}\n 42 \n```\n{two} {{}}", 42, {}))
        cases.append((f"{one} {{}}\n```{tag}\n{json.dumps(value)}\n", {}, {}))
    expect_extracted(learner, cases)


@check(
    task="2.3",
    weight=1,
    lesson="04_structure#parsing",
    seconds=0.1,
    needs=["test_json_inside_prose_is_found"],
    hints=[
        "Python's json module reads more than JSON. What does json.loads('NaN') give?",
        "JSONDecoder(parse_constant=...) is asked about NaN and the infinities: let it raise ValueError. Catch "
        "RecursionError, too.",
    ],
)
def test_what_is_no_json_is_not_read(learner, rng):
    """NaN, Infinity, single quotes, trailing commas, endless nesting: none of it is JSON."""
    one = oracles.word(rng)
    value = {one: 1}
    cases: list[tuple[str, Any, dict[str, Any]]] = []
    for name in ("NaN", "Infinity", "-Infinity"):
        for text in (f"{{{json.dumps(one)}: {name}}}", f"[1, {name}]", name):
            got = learner.run(probes.extract, texts=[text])[0]
            read = isinstance(got.get("value"), float | list | dict) and got != NONE
            expect.that(not read, f"extract_json({text!r}): expected ValueError.", mistake="extract-reads-nan")
            cases.append((text, NONE, {}))
        cases.append((f"[{name}] {json.dumps(value)}", value, {}))
    cases += [(text, NONE, {}) for text in (f"{{'{one}': 1}}", f"[1, 2 // {one}\n]", '{"a": 01}', '{"a" 1}', "{a: 1}")]
    for deep in ("[" * 100_000 + "]" * 100_000, '{"a":' * 50_000, "[" * 100_000):
        info = learner.error("structured.extract_json", deep)
        expect.error(info, "ValueError", what=f"extract_json({deep[:4]}...) with {len(deep)} characters")
    expect_extracted(learner, cases)


# --- validate -------------------------------------------------------------------------------------------------------


def validated(learner, cases: list) -> list[list[list[str]]]:
    """The problems of each case, as pairs of path and message."""
    got = learner.run(probes.validate, cases=cases)
    for problems in got["problems"]:
        for problem in problems:
            for part in problem:
                expect.type(part, str, what="the path or the message of a problem")
    expect.that(got["same"], "validate has changed the value or the schema that it was given.")
    return got["problems"]


def shown(value: Any, schema: Any) -> str:
    """A case in the words of a call."""
    return f"validate({json.dumps(value)[:300]}, {json.dumps(schema)[:600]})"


def named_wrong(value: Any, schema: Any, slugs: tuple[str, ...]) -> dict[str, list[str]]:
    """The paths that known wrong readings report."""
    right = oracles.found(value, schema)
    ways = {
        "validate-bool-is-a-number": lambda: oracles.found(value, schema, validator=oracles.BOOL_IS_NUMBER),
        "validate-refuses-integral-floats": lambda: oracles.found(value, schema, validator=oracles.NO_INTEGRAL_FLOAT),
        "validate-true-equals-1": lambda: oracles.found(value, schema, validator=oracles.PYTHON_EQUALITY),
        "validate-anchors-patterns": lambda: oracles.found(value, schema, validator=oracles.ANCHORED),
        "validate-reports-at-the-object": lambda: oracles.found(value, schema, at_object=True),
        "validate-goes-on-after-a-wrong-type": lambda: oracles.found(value, schema, type_ends=False),
        "validate-ignores-additional-schemas": lambda: oracles.found(value, oracles.without_extra_schemas(schema)),
        "validate-requires-all-properties": lambda: oracles.found(value, oracles.all_required(schema)),
        "validate-stops-at-the-first": lambda: right[:1],
    }
    wrong = {slug: [one.path for one in ways[slug]()] for slug in slugs}
    return {slug: paths for slug, paths in wrong.items() if paths != [one.path for one in right]}


def expect_problems(learner, cases: list[tuple[Any, Any]], slugs: tuple[str, ...] = ()) -> None:
    """The problems of each case, their order and what their messages hold are right."""
    for (value, schema), got in zip(cases, validated(learner, [list(case) for case in cases]), strict=True):
        want = oracles.found(value, schema)
        expect.equal(
            [path for path, _ in got],
            [one.path for one in want],
            what=f"paths of {shown(value, schema)}",
            mistakes=named_wrong(value, schema, slugs),
        )
        expect_words(got, want, shown(value, schema))


def expect_words(got: list[list[str]], want: list[Found], what: str) -> None:
    """The messages at each path hold what was expected there."""
    for one in want:
        said = " ".join(message for path, message in got if path == one.path)
        packed = "".join(said.split())
        for token in one.tokens:
            expect.that(
                "".join(token.split()) in packed,
                f"{what}: the message at {one.path!r} must hold {token!r}, what was expected; it is {said!r}",
            )
        expect.that(said.strip(), f"{what}: the message at {one.path!r} is empty.")


@check(
    task="2.3",
    weight=2,
    lesson="04_structure#validation",
    seconds=0.02,
    hints=[
        "isinstance(True, int) is True in Python. What does JSON say about true and numbers?",
        "Ask for bool before you ask for int and float; an integer is also a float with value == int(value).",
    ],
)
def test_types_are_those_of_json(learner, rng):
    """Each of the seven types, and lists of them: True is no number, 1.0 is an integer, null is a type."""
    number = int(rng.integers(2, 99))
    values = [{}, {"a": 1}, [], [1], "", "1", number, -number, 0, 1, float(number), 0.5, 1e300, True, False, None]
    schemas = [{"type": kind} for kind in oracles.KINDS]
    schemas += [{"type": ["string", "null"]}, {"type": ["integer", "boolean"]}, {"type": ["array"]}, {}]
    cases = [(value, schema) for schema in schemas for value in values]
    expect_problems(learner, cases, ("validate-bool-is-a-number", "validate-refuses-integral-floats"))


@check(
    task="2.3",
    weight=1,
    lesson="04_structure#validation",
    seconds=0.02,
    needs=["test_types_are_those_of_json"],
    hints=[
        "What does `True in [1, 2]` say in Python, and what should it say here?",
        "Write an equality of your own: booleans only equal booleans; go through lists and dicts.",
    ],
)
def test_enum_and_const_compare_as_json(learner, rng):
    """enum and const: 1 and 1.0 are equal, True and 1 are not, at every depth."""
    one, two = oracles.words(rng, 2)
    number = int(rng.integers(2, 99))
    choices: list[Any] = [1, 0, True, False, None, one, 1.0, [1], [True], {one: 0}, {one: False}, [[0.0]], number]
    values = [*choices, two, float(number), [False], {one: 0.0}, {two: 0}, [1, 1], [], "1", "true", -0.0]
    cases = [(value, {"const": choice}) for choice in choices for value in values]
    picked = [[choices[int(i)] for i in rng.permutation(len(choices))[:3]] for _ in range(5)]
    cases += [(value, {"enum": some}) for some in ([1, one], [True], [[0], {one: 1}], *picked) for value in values]
    expect_problems(learner, cases, ("validate-true-equals-1",))


@check(
    task="2.3",
    weight=2,
    lesson="04_structure#validation",
    seconds=0.02,
    needs=["test_types_are_those_of_json"],
    hints=[
        "Which three things can be wrong with an object, apart from what its properties hold?",
        "required is one list, properties another; additionalProperties is False or a schema for all other properties. "
        "Escape '~' before '/'.",
    ],
)
def test_objects_and_their_properties(learner, rng):
    """Missing, wrong and additional properties, each at its own path, in the documented order."""
    a, b, c, d = oracles.words(rng, 4)
    base = {"type": "object", "properties": {a: {"type": "integer"}, b: {"type": "string"}, c: {}}, "required": [b, a]}
    closed = {**base, "additionalProperties": False}
    typed = {**base, "additionalProperties": {"type": "boolean"}}
    values = [{}, {a: 1, b: ""}, {a: "x", b: 1}, {b: 1, a: "x"}, {d: 1, b: "", a: 1}, {d: True, a: 1}, {c: 0, d: "x"}]
    cases = [(value, schema) for schema in (base, closed, typed, {"required": [d, a]}) for value in values]
    cases += [({a: 1}, {"additionalProperties": False}), ({a: 1, b: "x"}, {"additionalProperties": {"type": "string"}})]
    cases += [(value, {"required": [a], "properties": {a: {}}}) for value in ("x", 3, [a], None)]
    slugs = (
        "validate-requires-all-properties",
        "validate-ignores-additional-schemas",
        "validate-reports-at-the-object",
        "validate-stops-at-the-first",
    )
    expect_problems(learner, cases, slugs)
    strange = {f"{a}/{b}": 1, f"{a}~{b}": 1, "~1": 1, "": 1, "a b": 1, "/": {"~/": 1}}
    schema = {"properties": {"/": {"additionalProperties": {"type": "null"}}}, "additionalProperties": {"type": "null"}}
    got = validated(learner, [[strange, schema]])[0]
    want = [one.path for one in oracles.found(strange, schema)]
    bare = [path.replace("~1", "/").replace("~0", "~") for path in want]
    swapped = [path.replace("~1", "~01") for path in want]
    expect.equal(
        [path for path, _ in got],
        want,
        what=f"paths of {shown(strange, schema)}",
        mistakes={"validate-leaves-paths-unescaped": bare if [p for p, _ in got] == bare else swapped},
    )


@check(
    task="2.3",
    weight=2,
    lesson="04_structure#validation",
    seconds=0.02,
    needs=["test_types_are_those_of_json"],
    hints=[
        "What does {'minimum': 5} say about the string 'x'? And what about True?",
        "Each keyword belongs to one type: check it only for values of that type. re.search finds a pattern anywhere.",
    ],
)
def test_limits_belong_to_their_types(learner, rng):
    """Limits of numbers, strings and arrays include their ends, and say nothing about values of other types."""
    low = int(rng.integers(2, 6))
    high = low + int(rng.integers(1, 4))
    limits: list[dict[str, Any]] = [{"minimum": low}, {"maximum": low}, {"minimum": 0.5, "maximum": high}]
    limits += [{"minLength": low}, {"maxLength": high}, {"minItems": low}, {"maxItems": high}]
    limits += [{"minItems": low, "maxItems": low}]
    all_of_them = {key: value for one in limits for key, value in one.items()}
    values: list[Any] = [low - 1, low, low + 1, low - 0.5, high, high + 0.25, True, False, None, {}, 0]
    values += ["x" * size for size in range(low - 1, high + 2)] + [[0] * size for size in range(low - 1, high + 2)]
    values += ["é" * high, "\U0001f300" * high, {str(i): i for i in range(high + 2)}]
    expect_problems(learner, [(value, schema) for schema in (*limits, all_of_them) for value in values])
    one, two = oracles.words(rng, 2)
    patterns = [one, f"^{one}$", f"{one}$", "[0-9]{3}", f"^({one}|{two})-", "^$"]
    texts = [one, f"{two} {one}", f"{one} {two}", f"{two}-{low}", "x 123 y", "", 123, None, [one], {one: one}]
    cases = [(text, {"pattern": pattern}) for pattern in patterns for text in texts]
    expect_problems(learner, cases, ("validate-anchors-patterns",))


@check(
    task="2.3",
    weight=1,
    lesson="04_structure#validation",
    seconds=0.02,
    needs=["test_objects_and_their_properties"],
    hints=[
        "None of three alternatives fits, and each would name two problems. Which six would help the model?",
        "anyOf is fine when one alternative has no problems; otherwise it is one problem, at the path of the value.",
    ],
)
def test_any_of_and_schemas_that_are_booleans(learner, rng):
    """anyOf that fits nowhere is one problem; True and False are schemas; other keywords are ignored."""
    a, b = oracles.words(rng, 2)
    closed = {"type": "object", "properties": {a: {"type": "integer"}}, "required": [a], "additionalProperties": False}
    either = {"anyOf": [closed, {"type": "string", "minLength": 3}, {"type": "null"}]}
    values = [{a: 1}, {a: "x"}, {}, {a: "x", b: 1}, "abc", "ab", None, 3, [], True]
    cases = [(value, either) for value in values]
    cases += [([value, value], {"items": either, "maxItems": 1}) for value in values]
    cases += [({b: value}, {"properties": {b: either}}) for value in values]
    cases += [
        (value, schema) for schema in (True, False, {"anyOf": [False, True]}, {"anyOf": [False]}) for value in (1, {})
    ]
    cases += [({a: 1, b: [2]}, {"properties": {a: False, b: {"items": False}}}), ({a: 1}, {"properties": {a: True}})]
    cases += [(7, {"description": "x", "title": "y", "default": 1, "format": "date", "examples": [1]})]
    for (value, schema), got in zip(cases, validated(learner, [list(case) for case in cases]), strict=True):
        want = oracles.found(value, schema)
        paths = [path for path, _ in got]
        outer = [one.path for one in want]
        more = len(paths) > len(outer) and set(outer) <= set(paths) and "anyOf" in json.dumps(schema)
        expect.equal(
            paths,
            outer,
            what=f"paths of {shown(value, schema)}",
            mistakes={"validate-lists-every-alternative": paths if more else None},
        )


@check(
    task="2.3",
    weight=3,
    lesson="04_structure#validation",
    seconds=0.1,
    needs=["test_objects_and_their_properties", "test_limits_belong_to_their_types"],
    hints=[
        "A repair needs all problems at once: what does a model do that hears of them one by one?",
        "A generator that calls itself for each property and each item, and yields what it finds on the way.",
    ],
)
def test_every_problem_is_found(learner, rng):
    """Nested values with many problems: all of them are found, at the right paths, in the order of the document."""
    cases: list[tuple[Any, Any]] = []
    while len(cases) < 40:
        schema = oracles.drawn_schema(rng, int(rng.integers(1, 4)))
        value = oracles.drawn_value(rng, schema)
        if len(oracles.found(value, schema)) >= 2 or len(cases) < 5:
            cases.append((value, schema))
    slugs = (
        "validate-stops-at-the-first",
        "validate-goes-on-after-a-wrong-type",
        "validate-bool-is-a-number",
        "validate-reports-at-the-object",
    )
    expect_problems(learner, cases, slugs)
    ended = (oracles.container(rng), {"type": "string", "required": ["a"], "enum": ["b"], "properties": {"n": False}})
    expect_problems(learner, [ended], ("validate-goes-on-after-a-wrong-type",))


# --- ask ------------------------------------------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 2},
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
        "unit": {"enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "days"],
    "additionalProperties": False,
}


def question(rng: np.random.Generator) -> list[dict[str, Any]]:
    """The beginning of a conversation."""
    one, two, three = oracles.words(rng, 3)
    return [
        {"role": "user", "content": f"Remember {one}."},
        {"role": "assistant", "content": [{"type": "text", "text": f"Yes, {one}."}]},
        {"role": "user", "content": f"What about {two} {three}?"},
    ]


def right(rng: np.random.Generator) -> dict[str, Any]:
    """A value that fits SCHEMA."""
    return {"city": oracles.word(rng), "days": int(rng.integers(1, 15)), "unit": "celsius"}


def asked(learner, model, messages: list, **options: Any) -> dict[str, Any]:
    """What came of it; the messages are as they were, and every request kept the contract."""
    got = learner.run(probes.ask, url=model.url, model=servers.MODEL, messages=messages, schema=SCHEMA, options=options)
    empty = any("empty" in problem or "non-empty" in problem for problem in model.problems)
    expect.that(
        not model.problems,
        f"A request was refused by the API: {model.problems[:1]}",
        mistake="ask-sends-an-empty-turn" if empty else None,
    )
    expect.that(
        got["same"], "The list of messages that was given has been changed.", mistake="ask-changes-the-messages"
    )
    return got


def text_of(content: Any) -> str:
    """The text of a message's content, a string or blocks."""
    if isinstance(content, str):
        return content
    return "".join(block.get("text", "") for block in content)


def system_of(body: dict[str, Any]) -> str:
    """The system message of a request."""
    return text_of(body.get("system") or "")


@check(
    task="2.3",
    weight=2,
    lesson="04_structure#repair",
    seconds=0.3,
    fresh=True,
    needs=["test_bare_json_is_read", "test_types_are_those_of_json"],
    hints=[
        "Where does the model learn which form the answer must have?",
        "client.messages.create(model=..., max_tokens=..., messages=..., system=instructions(system, schema)); "
        "join the text of the text blocks.",
    ],
)
def test_a_good_answer_is_returned(learner, rng):
    """One request with the given model, messages and limit, the schema in the system message; the value comes back."""
    with servers.scripted(learner) as model:
        for number, system in enumerate(("", f"You are {oracles.word(rng)}.")):
            value, messages, limit = right(rng), question(rng), int(rng.integers(50, 900))
            text = json.dumps(value)
            answers = (
                Reply.of(text),
                Reply.of(f"Sure:\n```json\n{text}\n```", stop_reason="stop_sequence"),
                Reply.of(text[:7], ToolUse("aside", {"a": 1}), text[7:], stop_reason="end_turn"),
            )
            for reply in answers:
                model.play([reply])
                more = {"system": system} if number else {}
                got = asked(learner, model, messages, max_tokens=limit, **more)
                expect.equal(got.get("value"), value, what=f"the value of an answer in {len(reply.parts)} parts")
                expect.equal(len(model.requests), 1, what="requests for one good answer")
                body = model.requests[0]
                expect.equal(body["messages"], messages, what="the messages of the request")
                expect.equal(body["max_tokens"], limit, what="max_tokens of the request")
                sent = system_of(body)
                expect.that(sent.startswith(system), f"The system message must begin with the caller's, {system!r}.")
                expect.that(
                    json.dumps(SCHEMA) in sent,
                    f"The system message must be instructions(system, schema), with the schema; it is {sent[:300]!r}",
                    mistake="ask-hides-the-schema",
                )


@check(
    task="2.3",
    weight=3,
    lesson="04_structure#repair",
    seconds=0.3,
    fresh=True,
    needs=["test_a_good_answer_is_returned", "test_objects_and_their_properties"],
    hints=[
        "What must a model see to mend its answer, and not just to try again?",
        "Append {'role': 'assistant', 'content': text} and a user turn with every problem's path and message to your "
        "own copy of the messages.",
    ],
)
def test_problems_go_back_to_the_model(learner, rng):
    """Each repair shows the model all its answers so far and every problem of the last one."""
    with servers.scripted(learner) as model:
        for count in (1, 2, 3):
            value, messages = right(rng), question(rng)
            wrong: list[tuple[str, Any]] = [
                (json.dumps({"city": "", "days": 99, oracles.word(rng): 1}), None),
                (f"{json.dumps({'unit': 'kelvin', 'days': 'two'})} or so", None),
                (f"I would say {oracles.word(rng)}.", NONE),
            ]
            wrong = [wrong[int(i)] for i in rng.permutation(3)[:count]]
            model.play([*(Reply.of(text) for text, _ in wrong), Reply.of(json.dumps(value))])
            got = asked(learner, model, messages, retries=3)
            expect.equal(len(model.requests), count + 1, what=f"requests with {count} bad answers and a good one")
            expect.equal(got.get("value"), value, what=f"the value after {count} bad answers")
            for number, (body, (text, kind)) in enumerate(zip(model.requests[1:], wrong, strict=False), 1):
                turns = body["messages"]
                what = f"repair {number}"
                said = [text_of(turn["content"]) for turn in turns if turn["role"] == "assistant"]
                expect.that(
                    said and text in said,
                    f"{what}: the model's own answer is not in the conversation.",
                    mistake="ask-forgets-the-answer",
                )
                expect.that(
                    len(turns) == len(messages) + 2 * number,
                    f"{what}: {len(messages) + 2 * number} messages were expected, {len(turns)} were sent.",
                    mistake="ask-forgets-earlier-attempts"
                    if len(turns) == len(messages) + 2 < 2 + len(messages) + 2 * (number - 1)
                    else None,
                )
                expect.equal(turns[: len(messages)], messages, what=f"{what}: the beginning of the conversation")
                roles = [turn["role"] for turn in turns]
                expect.equal(roles, ["user", "assistant"] * (len(roles) // 2) + ["user"], what=f"{what}: the roles")
                expect.equal(said[1:], [one for one, _ in wrong[:number]], what=f"{what}: the model's answers so far")
                last = text_of(turns[-1]["content"])
                if kind is None:
                    held = oracles.found(json.loads(text.removesuffix(" or so")), SCHEMA)
                    for one in held:
                        for token in (one.path, *one.tokens):
                            expect.that(
                                "".join(token.split()) in "".join(last.split()),
                                f"{what}: {token!r} of the problem at {one.path!r} is not in the user turn {last!r}",
                                mistake="ask-hides-the-problems",
                            )
                else:
                    expect.that(
                        "json" in last.lower(), f"{what}: the user turn must say that there is no JSON: {last!r}"
                    )


@check(
    task="2.3",
    weight=2,
    lesson="04_structure#repair",
    seconds=0.3,
    fresh=True,
    needs=["test_a_good_answer_is_returned"],
    hints=[
        "With retries=2, how many times is the model asked at most?",
        "for attempt in range(retries + 1); behind the loop, raise StructuredError with what the last round found.",
    ],
)
def test_repairs_are_bounded(learner, rng):
    """After 1 + retries answers StructuredError tells the last answer, its problems and the number of answers."""
    with servers.scripted(learner) as model:
        for retries in (0, 1, 2, 4, None):
            bad = [json.dumps({"city": oracles.word(rng), "days": 20 + i}) for i in range(8)]
            model.play([Reply.of(text) for text in bad])
            got = asked(learner, model, question(rng), **({} if retries is None else {"retries": retries}))
            most = 1 + (2 if retries is None else retries)
            what = "the default" if retries is None else f"retries={retries}"
            expect.that(
                len(model.requests) == most,
                f"With {what} and bad answers only, {most} requests were expected, {len(model.requests)} came.",
                mistake="ask-miscounts-retries" if abs(len(model.requests) - most) == 1 else None,
            )
            expect.that("problems" in got, f"With {what} and bad answers only, StructuredError was expected.")
            expect.equal([got["text"], got["attempts"]], [bad[most - 1], most], what="text and attempts of the error")
            expect.equal([path for path, _ in got["problems"]], ["/days"], what="paths of the error's problems")
            expect_words(got["problems"], [Found(["days"], ["14"], ())], "StructuredError")


@check(
    task="2.3",
    weight=2,
    lesson="04_structure#repair",
    seconds=0.3,
    fresh=True,
    needs=["test_problems_go_back_to_the_model"],
    hints=[
        "The model wanted to write 1234 and was cut off after 12. Is 12 valid JSON? Is it the answer?",
        "Look at answer.stop_reason before you look at the text; send NO_ANSWER back for a blank one; let the API's "
        "errors through.",
    ],
)
def test_answers_that_did_not_come_to_an_end(learner, rng):
    """Cut off, refused, blank, or an error of the API: each is treated as what it is."""
    with servers.scripted(learner) as model:
        value, limit = right(rng), int(rng.integers(30, 99))
        cut = json.dumps({**value, "days": value["days"] % 14 + 1})
        model.play([Reply.of(cut, stop_reason="max_tokens"), Reply.of(json.dumps(value))])
        got = asked(learner, model, question(rng), max_tokens=limit)
        expect.that(
            len(model.requests) == 2 and got.get("value") != json.loads(cut),
            "An answer with the stop_reason max_tokens was taken for a whole one.",
            mistake="ask-believes-what-was-cut-off",
        )
        expect.equal(got.get("value"), value, what="the value after an answer that was cut off")
        turns = model.requests[1]["messages"]
        expect.equal(text_of(turns[-2]["content"]), cut, what="the answer that was cut off, in the conversation")
        expect.that(str(limit) in text_of(turns[-1]["content"]), f"The repair must name the limit of {limit} tokens.")
        model.play([Reply.of(cut, stop_reason="max_tokens")])
        got = asked(learner, model, question(rng), max_tokens=limit, retries=0)
        problems = got.get("problems") or [["?", "?"]]
        expect.equal([path for path, _ in problems], [""], what="paths of the problems of an answer that was cut off")
        expect.that(
            str(limit) in problems[0][1], f"The problem must name the limit of {limit} tokens: {problems[0][1]!r}"
        )
        for blank in (Reply.of(), Reply.of("  \n")):
            model.play([blank, Reply.of(json.dumps(value))])
            got = asked(learner, model, question(rng))
            expect.equal(got.get("value"), value, what="the value after a blank answer")
            sent = text_of(model.requests[1]["messages"][-2]["content"])
            expect.equal(sent, "(no answer)", what="what is sent back for a blank answer")
        no = f"I will not, {oracles.word(rng)}."
        for text in (no, cut):
            model.play([Reply.of(text, stop_reason="refusal"), Reply.of(json.dumps(value))])
            got = asked(learner, model, question(rng))
            expect.that(
                len(model.requests) == 1 and "problems" in got,
                "A refusal must raise StructuredError at once.",
                mistake="ask-argues-with-a-refusal",
            )
            expect.equal([got["text"], got["attempts"]], [text, 1], what="text and attempts of the error")
            said = [message.lower() for path, message in got["problems"] if path == ""]
            expect.that(
                len(said) == 1 and "refused" in said[0], f"One problem that says 'refused' was expected: {said}"
            )
        for kind, status in (("overloaded_error", 529), ("rate_limit_error", 429)):
            model.play([Fault(kind), Reply.of(json.dumps(value))])
            got = asked(learner, model, question(rng))
            expect.that(
                got.get("status") == status and len(model.requests) == 1,
                f"The API's error {status} must come through as it is.",
                mistake="ask-swallows-api-errors",
            )
