"""Checks of task 2.2: a docstring read, an annotation turned into a schema, a function into a tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from checks.stage2_prompting_tools import oracles_schemas as oracles
from checks.stage2_prompting_tools import probes_schemas as probes
from checks.stage2_prompting_tools.oracles_schemas import Doc, Drawn, Entry
from roadmap.grading import check, expect

FUTURE = "from __future__ import annotations\n"


def read(learner, doc: Any, what: str) -> list:
    """What parse_docstring makes of a docstring: a pair."""
    got = learner.call("schemas.parse_docstring", doc)
    expect.that(
        isinstance(got, list | tuple) and len(got) == 2,
        f"{what}: parse_docstring returns a pair, the description and a dict; got {expect.show(got)}",
    )
    expect.type(got[0], str, what=f"{what}: the description")
    expect.type(got[1], dict, what=f"{what}: the parameters")
    return list(got)


def expect_schemas(
    learner,
    drawn: list[Drawn],
    wrong: Mapping[str, Callable[[dict], Any]] | None = None,
    *,
    header: str = oracles.HEADER,
) -> None:
    """Each annotation has its schema; `wrong` maps mistakes to what they make of every schema inside."""
    source = header + "\n".join(one.needs for one in drawn)
    got = learner.run(probes.annotations, source=source, expressions=[one.source for one in drawn])
    for one, schema in zip(drawn, got, strict=True):
        shown = one.source if not one.needs else f"{one.source}, where\n{one.needs.strip()}\n"
        expect_schema(schema, one.schema, f"the schema of {shown}", wrong)


def expect_schema(got, want: dict, what: str, wrong: Mapping[str, Callable[[dict], Any]] | None = None) -> None:
    """The schema is right; a known wrong one is named."""
    want = settled(want)
    mistaken = {slug: settled(oracles.changed(want, change)) for slug, change in (wrong or {}).items()}
    named = {slug: schema for slug, schema in mistaken.items() if not expect.same(schema, want)}
    expect.equal(settled(got), want, what=what, mistakes=named)


def settled(schema: Any) -> Any:
    """The schema with every `required` in alphabetical order, which says the same."""
    return oracles.changed(schema, oracles.required_sorted)


def refused(learner, expression: str, needs: str = "", *, what: str = "", header: str = oracles.HEADER) -> Any:
    """annotation_schema of this raises SchemaError."""
    info = learner.run_error(probes.annotations, source=header + needs, expressions=[expression])
    if info is not None and "RecursionError" in info.bases:
        expect.fail(
            f"annotation_schema({what or expression}) never comes to an end.", mistake="schema-recurses-forever"
        )
    expect.error(info, "SchemaError", what=f"annotation_schema({what or expression})")
    return info


# --- parse_docstring ------------------------------------------------------------------------------------------------


@check(
    task="2.2",
    weight=1,
    lesson="05_tools#schema-from-signature",
    seconds=0.02,
    hints=[
        "Where does the description of a function end: at the first line break, at the first blank line, or later?",
        "inspect.cleandoc, then all lines before the first one in SECTIONS; join the lines of each paragraph.",
    ],
)
def test_the_description_of_a_docstring(learner, rng):
    """The description is every paragraph before the first section, with line breaks only between paragraphs."""
    for count in (1, 2, 4):
        doc = Doc([*oracles.paragraphs(rng, count - 1), [oracles.phrase(rng), oracles.phrase(rng)]])
        if count == 2:
            doc.others = [("Returns:", [Entry("what", [oracles.phrase(rng)])])]
        margin = int(rng.integers(2, 9))
        got = read(learner, doc.text(margin), f"a docstring of {count} paragraphs")
        lines = [line for lines in doc.paragraphs for line in lines]
        pieces = (lines[0], oracles.joined(doc.paragraphs[0]))
        expect.equal(
            got,
            doc.answer(),
            what=f"a docstring of {count} paragraphs",
            mistakes={
                "docstring-first-line-only": [got[0], {}] if got[0] in pieces and got[0] != doc.description else None,
                "docstring-reads-other-sections": got if "what" in got[1] else None,
                "docstring-keeps-line-breaks": [
                    "\n\n".join("\n".join(lines) for lines in doc.paragraphs),
                    {},
                ],
            },
        )
    one = oracles.phrase(rng)
    loose = f"\n\n      {one}   {one}\n\n\n      \n      {one}\n      Note: {one}\n    "
    want = [f"{one} {one}\n\n{one} Note: {one}", {}]
    expect.equal(read(learner, loose, "a loose docstring"), want, what="a docstring with blank lines around")
    for doc, name in ((None, "None"), ("", "an empty docstring"), ("  \n ", "a blank docstring")):
        expect.equal(read(learner, doc, name), ["", {}], what=name)


@check(
    task="2.2",
    weight=2,
    lesson="05_tools#schema-from-signature",
    seconds=0.03,
    needs=["test_the_description_of_a_docstring"],
    hints=[
        "How can a reader tell the second line of an entry from the next entry?",
        "By its indentation: what stands deeper than the first entry continues. Split at the first colon only.",
    ],
)
def test_the_parameters_of_a_docstring(learner, rng):
    """Entries of Args with their continuation lines, colons, and types in parentheses."""
    wrong = {
        "docstring-loses-continuation": oracles.first_line_only,
        "docstring-cuts-at-colon": oracles.cut_at_colon,
        "docstring-reads-continuation-as-entry": oracles.continuation_as_entry,
        "docstring-keeps-the-type": oracles.with_type,
    }
    for turn in range(8):
        names = oracles.words(rng, 5)
        kinds = ["", "int", "list[str], optional", "str | None", ""] if turn in (3, 6, 7) else [""] * 5
        entries = []
        for name, kind in zip(names, kinds, strict=True):
            lines = [oracles.phrase(rng)]
            if turn in (1, 6, 7):
                lines += [oracles.phrase(rng) for _ in range(int(rng.integers(0, 3)))]
            if turn in (2, 6, 7):
                lines[0] += f": {oracles.phrase(rng)}"
            if turn in (4, 7):
                lines += [f"{oracles.word(rng)}: {oracles.phrase(rng)}", oracles.phrase(rng)]
            if turn == 5:
                lines = ["", *lines]
            entries.append(Entry(name, lines, kind))
        header = ("Args:", "Arguments:", "Parameters:")[int(rng.integers(3))]
        doc = Doc(oracles.paragraphs(rng, 1 + turn % 2), entries, header)
        text = doc.text(int(rng.integers(2, 9)), int(rng.integers(2, 5)))
        want = doc.answer()
        named = {slug: doc.answer(said) for slug, said in wrong.items()}
        expect.equal(
            read(learner, text, header),
            want,
            what=f"the docstring\n{text}\n",
            mistakes={slug: answer for slug, answer in named.items() if not expect.same(answer, want)},
        )


@check(
    task="2.2",
    weight=1,
    lesson="05_tools#schema-from-signature",
    seconds=0.03,
    needs=["test_the_parameters_of_a_docstring"],
    hints=[
        "'Raises:' is followed by 'ValueError: if ...'. Is ValueError a parameter?",
        "A line without indentation ends the section; only PARAMETERS open one whose entries count.",
    ],
)
def test_other_sections_are_no_parameters(learner, rng):
    """What stands under Returns, Raises and the like is left out, before and after Args; so is text behind it."""
    others = ("Returns:", "Raises:", "Yields:", "Example:", "Note:", "Attributes:", "See Also:")
    for turn in range(6):
        names = oracles.words(rng, 7)
        entries = [Entry(name, [oracles.phrase(rng), oracles.phrase(rng)]) for name in names[:2]]
        picked = [others[int(i)] for i in rng.permutation(len(others))[:2]]
        more = [(title, [Entry(name, [oracles.phrase(rng)])]) for title, name in zip(picked, names[2:], strict=False)]
        doc = Doc(oracles.paragraphs(rng, 1), entries, "Args:", more, others_first=bool(turn % 2))
        text = doc.text(4)
        got = read(learner, text, "sections")
        strangers = {entry.name for _, inner in more for entry in inner}
        expect.equal(
            got,
            doc.answer(),
            what=f"the docstring\n{text}\n",
            mistakes={"docstring-reads-other-sections": got if strangers & set(got[1]) else None},
        )
    one, two = oracles.words(rng, 2)
    text = f"Says.\n\nArgs:  \n\n  {one}: a\n\n    b\n  {two} (int) : c\n  and d\n\nMore: text.\n\n  {two}: e\n"
    expect.equal(
        read(learner, text, "text behind the section"),
        ["Says.", {one: "a b", two: "c and d"}],
        what=f"the docstring\n{text}",
    )
    text = f"Says.\n\nArgs:\n    All of them in metres\n    {one}: a\n      {two}: b\n    {two}: c\n"
    expect.equal(
        read(learner, text, "a section that begins with a remark"),
        ["Says.", {one: f"a {two}: b", two: "c"}],
        what=f"the docstring\n{text}",
    )
    text = f"\n    Args:\n      {one}: a\n    "
    expect.equal(read(learner, text, "Args alone"), ["", {one: "a"}], what=f"the docstring\n{text}")


# --- annotation_schema ----------------------------------------------------------------------------------------------


@check(
    task="2.2",
    weight=2,
    lesson="04_structure#json-schema",
    seconds=0.02,
    hints=[
        "issubclass(bool, int) is True. What does that do to a chain of issubclass tests?",
        "Look the annotation up in NAMES; for Literal, collect the names of the values' types and see how many there "
        "are.",
    ],
)
def test_plain_types_and_choices(learner, rng):
    """str, int, float, bool, None; Literal and Enum with their values and, where there is one, their type."""
    drawn = [Drawn(name, {"type": kind}) for name, kind in (*oracles.SIMPLE.items(), ("None", "null"))]
    drawn.append(Drawn("type(None)", {"type": "null"}))
    wrong = {
        "schema-bool-is-integer": oracles.bool_as_integer,
        "choices-called-strings": oracles.choices_are_strings,
        "choices-without-type": oracles.choices_without_type,
    }
    expect_schemas(learner, drawn, wrong)
    kinds = ("string", "integer", "boolean", "mixed")
    expect_schemas(learner, [oracles.literal(rng, kind) for kind in kinds for _ in range(2)], wrong)
    expect_schemas(learner, [Drawn("Literal[None]", {"type": "null", "enum": [None]})])
    for kind in ("Enum", "StrEnum", "IntEnum", "float"):
        one = oracles.enumeration(rng, kind)
        names = [line.split(" = ")[0].strip() for line in one.needs.splitlines()[1:]]
        got = learner.run(probes.annotations, source=oracles.HEADER + one.needs, expressions=[one.source])[0]
        listed = got.get("enum") if isinstance(got, dict) else None
        what = f"the schema of {one.source}, where\n{one.needs}\n"
        by_name = expect.same(listed, names[:-1]) or expect.same(listed, names)
        expect.that(not by_name, f"{what}: the names of the members are listed.", mistake="enum-lists-names")
        expect_schema(got, one.schema, what, wrong)


@check(
    task="2.2",
    weight=2,
    lesson="04_structure#json-schema",
    seconds=0.03,
    needs=["test_plain_types_and_choices"],
    hints=[
        "typing.get_origin and typing.get_args take any annotation apart. What are they for Optional[int]?",
        "A union is {'anyOf': [...]} with a schema for each argument, NoneType included; `A | B` has the origin "
        "types.UnionType, Union[A, B] has typing.Union.",
    ],
)
def test_containers_and_unions(learner, rng):
    """Lists, tuples, dicts, Optional and unions, nested in one another."""
    wrong = {
        "schema-optional-loses-null": oracles.without_null,
        "schema-array-without-items": oracles.without_items,
        "schema-bool-is-integer": oracles.bool_as_integer,
    }
    drawn = [oracles.container(rng, kind, oracles.leaf(rng)) for kind in ("list", "tuple", "fixed", "dict")]
    drawn += [oracles.union(rng, [oracles.leaf(rng)], null=True) for _ in range(4)]
    drawn += [oracles.tree(rng, depth) for depth in (1, 1, 1, 2, 2, 2, 3, 3, 3)]
    drawn.append(oracles.container(rng, "fixed", oracles.simple(rng), 1))
    expect_schemas(learner, drawn, wrong)


@check(
    task="2.2",
    weight=1,
    lesson="05_tools#schema-from-signature",
    seconds=0.02,
    needs=["test_containers_and_unions"],
    hints=[
        "What does typing.get_args give for Annotated[int, 'how many', 7]?",
        "Take the schema of the first argument and add the last string among the others as 'description'.",
    ],
)
def test_annotated_types_carry_a_description(learner, rng):
    """The last string in Annotated is the description; what is no string counts for nothing; at every depth."""
    drawn, bare = [], []
    for depth in (0, 1, 2):
        inner = oracles.bracketed(rng, depth)
        one, two = oracles.phrase(rng), oracles.phrase(rng)
        told = Drawn(f"Annotated[{inner.source}, 7, {one!r}]", {**inner.schema, "description": one}, inner.needs)
        drawn += [
            told,
            Drawn(f"Annotated[{told.source}, {two!r}, None]", {**inner.schema, "description": two}, inner.needs),
            oracles.container(rng, "list", told),
            oracles.union(rng, [told], null=True),
        ]
        bare.append(Drawn(f"Annotated[{inner.source}, 7, None]", inner.schema, inner.needs))
    expect_schemas(
        learner,
        drawn,
        {"annotated-description-lost": lambda s: {key: value for key, value in s.items() if key != "description"}},
    )
    expect_schemas(learner, bare)


def fields_of(rng, drawn: list[Drawn]) -> tuple[list[str], list[str], dict[str, Any], list[str]]:
    """Names, the lines of a dataclass, its properties, and what is required: defaults of every kind."""
    names = oracles.words(rng, len(drawn) + 9)
    lines, properties, required = [], {}, []
    for name, one in zip(names, drawn, strict=False):
        lines.append(f"    {name}: {one.source}")
        properties[name] = one.schema
        required.append(name)
    number, text = int(rng.integers(1, 1000)), oracles.word(rng)
    defaults: list[tuple[str, dict[str, Any], str, Any]] = [
        ("int", {"type": "integer"}, str(number), number),
        ("int", {"type": "integer"}, "0", 0),
        ("str", {"type": "string"}, repr(text), text),
        ("str", {"type": "string"}, "''", ""),
        ("bool", {"type": "boolean"}, "False", False),
        ("str | None", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "None", None),
        ("tuple[int, ...]", {"type": "array", "items": {"type": "integer"}}, f"({number}, 0)", [number, 0]),
    ]
    for name, (source, schema, code, value) in zip(names[len(drawn) :], defaults, strict=False):
        lines.append(f"    {name}: {source} = {code}")
        properties[name] = {**schema, "default": value}
    lines.append(f"    {names[-1]}: list[int] = field(default_factory=list)")
    properties[names[-1]] = {"type": "array", "items": {"type": "integer"}}
    lines.append(f"    {names[-2]}: int = field(default=3, init=False)")
    return names, lines, properties, required


@check(
    task="2.2",
    weight=2,
    lesson="04_structure#json-schema",
    seconds=0.03,
    needs=["test_containers_and_unions"],
    hints=[
        "Which fields must the caller give? Which marks does dataclasses.fields set on those that need not be given?",
        "Required: no default and no default_factory. Resolve the annotations with typing.get_type_hints(cls, "
        "include_extras=True).",
    ],
)
def test_dataclasses_become_objects(learner, rng):
    """A dataclass is an object: its fields in order, required ones, defaults, nothing else allowed; nested in place."""
    wrong = {
        "schema-allows-extra-properties": oracles.extra_allowed,
        "schema-requires-what-has-a-default": oracles.all_required,
        "schema-nullable-is-optional": oracles.nullable_is_optional,
        "schema-loses-falsy-defaults": oracles.without_defaults(lambda value: not value),
    }
    for header in (oracles.HEADER, FUTURE + oracles.HEADER):
        drawn = [oracles.leaf(rng), oracles.union(rng, [oracles.leaf(rng)], null=True), oracles.tree(rng, 2)]
        needs = "\n".join(one.needs for one in drawn)
        title = f"D{oracles.word(rng)}"
        _, lines, properties, required = fields_of(rng, drawn)
        schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        made = Drawn(title, schema, "\n".join([needs, "@dataclass", f"class {title}:", *lines]))
        expect_schemas(learner, [made], wrong, header=header)
        outer = f"D{oracles.word(rng)}"
        first, second, third = oracles.words(rng, 3)
        both = {
            "type": "object",
            "properties": {
                first: schema,
                second: {"type": "array", "items": schema},
                third: {"anyOf": [schema, {"type": "null"}], "default": None},
            },
            "required": [first, second],
            "additionalProperties": False,
        }
        text = f"{made.needs}\n@dataclass\nclass {outer}:\n    {first}: {title}\n    {second}: list[{title}]\n"
        nested = Drawn(outer, both, f"{text}    {third}: {title} | None = None\n")
        expect_schemas(learner, [nested, oracles.container(rng, "list", Drawn(title, schema))], wrong, header=header)
    empty = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    expect_schemas(learner, [Drawn("Nothing", empty, "@dataclass\nclass Nothing:\n    pass")])


@check(
    task="2.2",
    weight=1,
    lesson="04_structure#json-schema",
    seconds=0.03,
    needs=["test_dataclasses_become_objects"],
    hints=[
        "What is left of `NotRequired[int]` in __required_keys__ when the annotation is a string?",
        "get_type_hints(..., include_extras=True) keeps Required and NotRequired: take them off, and let them overrule "
        "__required_keys__.",
    ],
)
def test_typed_dicts_become_objects(learner, rng):
    """A TypedDict is an object; total, Required and NotRequired decide what is required, in every form of writing."""
    for header in (oracles.HEADER, FUTURE + oracles.HEADER):
        a, b, c, d = oracles.words(rng, 4)
        one, two, three = oracles.leaf(rng), oracles.tree(rng, 1), oracles.leaf(rng)
        needs = "\n".join(part.needs for part in (one, two, three))
        text = (
            f"class B(TypedDict):\n    {a}: {one.source}\n    {b}: NotRequired[{two.source}]\n"
            f"class L(B, total=False):\n    {c}: {three.source}\n    {d}: Required[Annotated[str, 'told']]\n"
        )
        first = {a: one.schema, b: two.schema}
        both = {**first, c: three.schema, d: {"type": "string", "description": "told"}}
        shape = {"type": "object", "additionalProperties": False}
        base = {**shape, "properties": first, "required": [a]}
        loose = {**shape, "properties": both, "required": [a, d]}
        more = {**shape, "additionalProperties": loose}
        source = header + needs + "\n" + text
        got = learner.run(probes.annotations, source=source, expressions=["B", "L", "dict[str, L]"])
        # What comes of a reader that trusts __required_keys__, or __total__, or neither, or takes no mark off.
        claims = [([a, b], base), ([a, b], loose), ([a, b, c, d], loose), ([], loose), ([d], loose), ([a], loose)]
        for name, schema, want in zip(("B", "L", "dict[str, L]"), got, (base, loose, more), strict=True):
            forgetful = [{**schema_, "required": keys} for keys, schema_ in claims if schema_ is want]
            expect_schema(
                schema,
                want,
                f"the schema of {name}, where {'annotations are strings and ' * (header != oracles.HEADER)}\n{text}",
                {"typed-dict-forgets-qualifiers": lambda s, f=forgetful, g=schema: next(
                    (one for one in f if settled(one) == settled(g)), s)},
            )  # fmt: skip


@check(
    task="2.2",
    weight=2,
    lesson="05_tools#schema-from-signature",
    seconds=0.03,
    needs=["test_containers_and_unions"],
    hints=[
        "A schema of {} takes anything. What does a model make of a parameter that takes anything?",
        "End the function with `raise SchemaError(...)`, and hand the classes that you are inside of down.",
    ],
)
def test_what_has_no_schema_is_refused(learner, rng):
    """Unknown annotations, bare containers and types that contain themselves raise SchemaError."""
    for expression in (
        "list", "dict", "tuple", "set[int]", "bytes", "complex", "object", "Any", "list[Any]", "dict[int, str]",
        "tuple[int, str]", "int | bytes", "Optional[object]", "'int'", "list['nowhere']", "Literal[b'x']", "3",
        "Annotated[bytes, 'x']", "dict[str, set[str]]", "typing.Callable[[int], int]",
    ):  # fmt: skip
        refused(learner, expression)
    refused(learner, "Plain", "class Plain:\n    size: int\n", what="an ordinary class")
    refused(learner, "No", "class No(Enum):\n    pass\n", what="an Enum without members")
    refused(learner, "Pair", "class Pair(Enum):\n    A = (1, 2)\n", what="an Enum of tuples")
    refused(learner, "Lost", "@dataclass\nclass Lost:\n    x: 'nowhere'\n", what="a dataclass with an unknown name")
    name = f"N{oracles.word(rng)}"
    for line in ("list['{}']", "'{} | None' = None", "dict[str, tuple['{}', ...]]"):
        node = f"@dataclass\nclass {name}:\n    x: int\n    next: {line.format(name)}\n"
        refused(learner, name, node.replace("x: int\n", "x: int\n"), what=f"a dataclass with next: {line.format(name)}")
    refused(learner, name, f"class {name}(TypedDict):\n    next: 'list[{name}]'\n", what="a TypedDict of itself")
    ring = "@dataclass\nclass A:\n    b: 'B'\n@dataclass\nclass B:\n    a: list[A]\n"
    refused(learner, "list[A]", ring, what="two dataclasses that contain one another")
    shared = learner.run(
        probes.twice,
        source=oracles.HEADER + "@dataclass\nclass P:\n    x: Literal['a', 'b']\n    y: tuple[int, ...] = (1, 2)\n",
        expression="dict[str, P]",
    )
    properties = {
        "x": {"type": "string", "enum": ["a", "b"]},
        "y": {"type": "array", "items": {"type": "integer"}, "default": [1, 2]},
    }
    point = {"type": "object", "properties": properties, "required": ["x"], "additionalProperties": False}
    expect.equal(
        shared,
        {"type": "object", "additionalProperties": point},
        what="the schema of dict[str, P], after the one of an earlier call was emptied",
    )


# --- tool_schema ----------------------------------------------------------------------------------------------------


def tool(name: str, description: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """A tool's definition."""
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"name": name, "description": description, "input_schema": schema}


def expect_tool(learner, source: str, expression: str, want: dict, wrong: Mapping[str, Callable] | None = None) -> None:
    """The definition is right."""
    got = learner.run(probes.tools, source=source, expressions=[expression])[0]
    shown = source.removeprefix(FUTURE).removeprefix(oracles.HEADER).strip()
    expect_schema(got, want, f"tool_schema of\n{shown}\n", wrong)


@check(
    task="2.2",
    weight=3,
    lesson="05_tools#schema-from-signature",
    seconds=0.04,
    needs=["test_plain_types_and_choices", "test_the_parameters_of_a_docstring"],
    hints=[
        "Three things make up a tool for the API. Which of them can inspect.signature give you, and which not?",
        "For each parameter: annotation_schema(hint), then 'description' from the docstring, then 'default'. "
        "Required are those without a default.",
    ],
)
def test_a_function_becomes_a_tool(learner, rng):
    """Name, description, and a closed object with a property for each parameter, described and with its default."""
    wrong = {
        "tool-loses-descriptions": oracles.without_descriptions,
        "schema-allows-extra-properties": oracles.extra_allowed,
        "schema-requires-what-has-a-default": oracles.all_required,
        "schema-nullable-is-optional": oracles.nullable_is_optional,
        "schema-loses-falsy-defaults": oracles.without_defaults(lambda value: not value),
    }
    for turn in range(4):
        name, *names = oracles.words(rng, 10)
        drawn = [oracles.leaf(rng), oracles.union(rng, [oracles.simple(rng)], null=True), oracles.tree(rng, 2)]
        entries = [Entry(one, [oracles.phrase(rng), oracles.phrase(rng)]) for one in names[:6]]
        doc = Doc(oracles.paragraphs(rng, 2), entries, others=[("Returns:", [Entry("x", ["y"])])])
        number = int(rng.integers(1, 1000))
        parameters, properties, required = [], {}, []
        for key, one in zip(names, drawn, strict=False):
            parameters.append(f"{key}: {one.source}")
            properties[key] = dict(one.schema)
            required.append(key)
        defaults = [
            ("int", {"type": "integer"}, number),
            ("int", {"type": "integer"}, 0),
            ("str", {"type": "string"}, ""),
            ("bool", {"type": "boolean"}, bool(turn % 2)),
            ("int | None", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, None),
        ]
        if turn:
            parameters += ["*"] * (turn == 2)
            for key, (source, schema, value) in zip(names[3:], defaults, strict=False):
                parameters.append(f"{key}: {source} = {value!r}")
                properties[key] = {**schema, "default": value}
        else:
            doc.entries = entries[:3]
        for entry in doc.entries:
            properties[entry.name] = {**properties[entry.name], "description": oracles.joined(entry.lines)}
        lines = [f"def {name}({', '.join(parameters)}) -> str:", f'    """{doc.text()}"""']
        source = "\n".join([oracles.HEADER, *(one.needs for one in drawn), *lines])
        expect_tool(learner, source, name, tool(name, doc.description, properties, required), wrong)
        order = learner.run(probes.orders, source=source, expression=name)
        expect.equal(order, list(properties), what="the order of the properties")
    source = oracles.HEADER + "def now():\n    'What time it is.'\n"
    expect_tool(learner, source, "now", tool("now", "What time it is.", {}, []), wrong)


@check(
    task="2.2",
    weight=2,
    lesson="05_tools#schema-from-signature",
    seconds=0.03,
    needs=["test_a_function_becomes_a_tool", "test_annotated_types_carry_a_description"],
    hints=[
        "A default may be an Enum's member, a tuple, or an open file. Which of them can JSON hold?",
        "Annotated speaks first, the docstring second (setdefault); turn members into values, tuples into lists; "
        "leave out what is left.",
    ],
)
def test_descriptions_and_defaults_of_every_kind(learner, rng):
    """Annotated's description wins over the docstring's; defaults stand as JSON, or not at all."""
    one, two, three = (oracles.phrase(rng) for _ in range(3))
    kind = oracles.enumeration(rng)
    member = kind.needs.splitlines()[2].split(" = ")[0].strip()
    value = kind.schema["enum"][1]
    a, b, c, d, e, f, g, name = oracles.words(rng, 8)
    lines = [
        f"def {name}(",
        f"    {a}: Annotated[int, {one!r}],",
        f"    {b}: Annotated[str, 5] = 'x',",
        f"    {c}: {kind.source} = {kind.source}.{member},",
        f"    {d}: tuple[int, int] = (1, 2),",
        f"    {e}: list[str] = frozenset(),",
        f"    {f}: dict[str, float] = {{'k': [0.5, {kind.source}.{member}]}},",
        f"    {g}: dict[str, int] | None = {{1: 2}},",
        "):",
        f'    """Does.\n\n    Args:\n        {a}: {two}\n        {b}: {three}\n        {g}:\n    """',
    ]
    properties = {
        a: {"type": "integer", "description": one},
        b: {"type": "string", "description": three, "default": "x"},
        c: {**kind.schema, "default": value},
        d: {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2, "default": [1, 2]},
        e: {"type": "array", "items": {"type": "string"}},
        f: {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "default": {"k": [0.5, value]},
        },
        g: {"anyOf": [{"type": "object", "additionalProperties": {"type": "integer"}}, {"type": "null"}]},
    }
    want = tool(name, "Does.", properties, [a])
    got = learner.run(probes.tools, source="\n".join([oracles.HEADER, kind.needs, *lines]), expressions=[name])[0]
    overruled = {**properties, a: {**properties[a], "description": two}}
    expect.equal(
        got,
        want,
        what="tool_schema of\n" + "\n".join([kind.needs, *lines]) + "\n",
        mistakes={"docstring-overrules-annotated": tool(name, "Does.", overruled, [a])},
    )


@check(
    task="2.2",
    weight=2,
    lesson="05_tools#schema-from-signature",
    seconds=0.03,
    needs=["test_a_function_becomes_a_tool"],
    hints=[
        "With `from __future__ import annotations`, what is function.__annotations__['city']? In which module's names?",
        "typing.get_type_hints with the function's __globals__, on annotations without 'return'; inspect.unwrap "
        "for what functools.wraps has wrapped.",
    ],
)
def test_annotations_that_are_strings(learner, rng):
    """Strings are resolved in the function's module, methods lose self, wrapped functions are seen through."""
    a, b, name = oracles.words(rng, 3)
    inner = oracles.enumeration(rng)
    point = f"{inner.needs}\n@dataclass\nclass P:\n    x: {inner.source}\n"
    shape = {
        "type": "object",
        "properties": {"x": inner.schema},
        "required": ["x"],
        "additionalProperties": False,
    }
    properties = {
        a: {"type": "array", "items": shape},
        b: {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
    }
    want = tool(name, "Does.", properties, [a])
    body = f'    """Does."""\n    return {a}\n'
    forms = {
        "future": FUTURE + oracles.HEADER + f"{point}\ndef {name}({a}: list[P], {b}: int | None = None):\n{body}",
        "quoted": oracles.HEADER + f"{point}\ndef {name}({a}: 'list[P]', {b}: 'int | None' = None):\n{body}",
        "inside": oracles.HEADER + f"{point}\ndef {name}({a}: list['P'], {b}: Optional['int'] = None):\n{body}",
    }
    for form, source in forms.items():
        info = learner.run_error(probes.tools, source=source, expressions=[name])
        expect.that(
            info is None or "SchemaError" not in info.bases,
            f"The annotations of this function are strings, and were refused: {info and info.message[:200]}\n"
            f"def {name}({source.partition(f'def {name}(')[2].partition(chr(10))[0]}",
            mistake="tool-leaves-strings-unresolved",
        )
        expect_tool(learner, source, name, want)
        del form
    lost = FUTURE + oracles.HEADER + f"{point}\ndef {name}({a}: list[P], {b}: int | None = None) -> Nowhere:\n{body}"
    expect_tool(learner, lost, name, want)
    log = "def log(f):\n    @functools.wraps(f)\n    def inner(*args, **kwargs):\n        return f(*args, **kwargs)\n"
    wrapped = forms["future"].replace(f"def {name}(", f"{log}    return inner\n\n@log\ndef {name}(")
    expect_tool(learner, wrapped, name, want)
    expect_tool(learner, forms["future"].replace(f"def {name}(", f"@functools.cache\ndef {name}("), name, want)
    method = (
        FUTURE
        + oracles.HEADER
        + (f"{point}\nclass Desk:\n    def {name}(self, {a}: list[P], {b}: int | None = None):\n        'Does.'\n")
    )
    expect_tool(learner, method, f"Desk().{name}", want)


@check(
    task="2.2",
    weight=2,
    lesson="05_tools#schema-from-signature",
    seconds=0.03,
    needs=["test_a_function_becomes_a_tool"],
    hints=[
        "A call of a model brings arguments by name. Which kinds of parameters can it not fill?",
        "parameter.kind tells *args, **kwargs and positional-only ones; parameter.annotation is parameter.empty where "
        "there is none. Name function and parameter in the error.",
    ],
)
def test_functions_that_no_model_could_call(learner, rng):
    """*args, **kwargs, positional-only or bare parameters, a wrong docstring, none: SchemaError that says where."""
    name, good, bad = oracles.words(rng, 3)
    said = f"Does.\n\n    Args:\n        {good}: x"
    cases = {
        f"({good}: int, *{bad}: int)": "tool-skips-star-parameters",
        f"({good}: int, **{bad}: int)": "tool-skips-star-parameters",
        f"({bad}: int, /, {good}: int)": None,
        f"({good}: int, {bad})": "tool-guesses-missing-annotations",
        f"({good}: int, {bad}=3)": "tool-guesses-missing-annotations",
        f"({good}: int, {bad}: bytes)": None,
        f"({good}: int, {bad}: 'Nowhere')": None,
    }
    for signature, mistake in cases.items():
        source = oracles.HEADER + f'def {name}{signature}:\n    """{said}\n    """\n'
        info = learner.run_error(probes.tools, source=source, expressions=[name])
        expect.that(
            info is not None, f"tool_schema of {name}{signature} must raise SchemaError, and raised nothing.",
            mistake=mistake,
        )  # fmt: skip
        expect.error(info, "SchemaError", what=f"tool_schema of {name}{signature}", mentions=name)
        expect.error(info, "SchemaError", what=f"tool_schema of {name}{signature}", mentions=bad)
    stale = oracles.HEADER + f'def {name}({good}: int):\n    """{said}\n        {bad}: y\n    """\n'
    info = learner.run_error(probes.tools, source=stale, expressions=[name])
    expect.error(
        info, "SchemaError", what=f"tool_schema of {name}({good}), whose docstring describes {bad}", mentions=bad
    )
    for doc in ("", '""" """', f'"""Args:\n        {good}: x\n    """'):
        source = oracles.HEADER + f"def {name}({good}: int):\n    {doc}\n    return {good}\n"
        info = learner.run_error(probes.tools, source=source, expressions=[name])
        expect.error(info, "SchemaError", what=f"tool_schema of a function with the docstring {doc!r}", mentions=name)
