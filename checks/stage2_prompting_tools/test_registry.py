"""Checks of task 2.4: registering, describing and running tools, where every failure becomes a truthful result.

Schemas and validation are stood in for: what is graded here works while tasks 2.2 and 2.3 are unfinished.
"""

from __future__ import annotations

from checks.stage2_prompting_tools import oracles_registry as oracles
from checks.stage2_prompting_tools import probes_registry as probes
from roadmap.grading import check, expect


def result_of(got, what: str) -> dict:
    """A result that `run` returned, with a content and an is_error of the right types."""
    expect.type(got, dict, what=what)
    if "error" in got:
        expect.fail(f"{what}: `run` must never raise, but it raised {got['error']}", mistake="run-raises")
    expect.that(got["kind"] == "ToolResult", f"{what}: expected a ToolResult, got an object of type {got['kind']}")
    expect.that(got["content"] is not None, f"{what}: the content is not a str")
    expect.that(got["is_error"] is not None, f"{what}: is_error is not a bool")
    return got


def good(got, what: str, mistake: str | None = None) -> str:
    """The content of a result that is no error."""
    result_of(got, what)
    expect.that(not got["is_error"], f"{what}: this is no error, but is_error is True: {expect.show(got['content'])}",
                mistake=mistake)  # fmt: skip
    return got["content"]


def bad(got, what: str, mistake: str | None = "failure-called-success") -> str:
    """The content of a result that is an error."""
    result_of(got, what)
    expect.that(got["is_error"], f"{what}: is_error must be True, the content is {expect.show(got['content'])}",
                mistake=mistake)  # fmt: skip
    return got["content"]


def holds(content: str, part: str, what: str, mistake: str | None = None) -> None:
    """The content tells this."""
    expect.that(part in content, f"{what}: the content must hold {part!r}, it is {expect.show(content)}",
                mistake=mistake)  # fmt: skip


@check(
    task="2.4",
    weight=2,
    lesson="05_tools#dispatch",
    seconds=0.05,
    hints=[
        "What does `register` get in the two cases, and which of its arguments concern only one of them?",
        "For a function: Tool(**tool_schema(function), function=function, read_only=read_only, timeout=timeout). "
        "A Tool goes in as it is.",
    ],
)
def test_tools_are_registered(learner, rng):
    """Functions become Tools with what they were registered with; a Tool is kept as it is; `register` returns it."""
    one, two, three, four = oracles.words(rng, 4)
    described = {
        name: {"name": name, "description": oracles.token(rng), "input_schema": oracles.schema(rng)}
        for name in (one, two, three)
    }
    timeouts = [float(n) for n in rng.uniform(1, 60, size=2).round(1)]
    tool = {"name": four, "description": "x", "input_schema": {}, "read_only": False, "timeout": timeouts[1]}
    steps = [
        {"function": one},
        {"tool": tool},
        {"function": two, "options": {"read_only": False, "timeout": timeouts[0]}},
        {"function": three, "options": {"timeout": 3}},
    ]
    got = learner.run(probes.registered, steps=steps, described=described)
    wanted = [
        described[one] | {"read_only": True, "timeout": 10.0},
        tool,
        described[two] | {"read_only": False, "timeout": timeouts[0]},
        described[three] | {"read_only": True, "timeout": 3},
    ]
    for outcome, want, step in zip(got["outcomes"], wanted, steps, strict=True):
        what = f"the Tool {want['name']}"
        expect.that("error" not in outcome, f"{what}: register raised {outcome.get('error')}")
        made = {key: outcome[key] for key in want}
        for key in ("read_only", "timeout"):
            slug = "register-forgets-options" if "function" in step else "register-changes-tools"
            expect.that(
                expect.same(made[key], want[key]) or (key == "timeout" and made[key] == want[key]),
                f"{what}: {key} must be {want[key]}, it is {expect.show(made[key])}",
                mistake=slug,
            )
            made.pop(key)
        expect.equal(made, {key: want[key] for key in made}, what=what)
        expect.that(outcome["its own"], f"{what}: its function is not the one that was registered.")
        expect.that(outcome["kept"], f"{what}: the registry must keep, under its name, the Tool that it returns.")
    expect.equal(got["tools"], [want["name"] for want in wanted], what="the names in the registry, in order")


@check(
    task="2.4",
    weight=2,
    lesson="05_tools#dispatch",
    seconds=0.05,
    needs=["test_tools_are_registered"],
    hints=[
        "Which call would be wrong with a second tool of the same name, or a name that the API refuses?",
        "NAME.fullmatch, not match; test what must hold (0 < timeout < math.inf), since NaN fails every comparison; "
        "put the tool in only after all tests.",
    ],
)
def test_bad_registrations_are_refused(learner, rng):
    """A name that is taken or no name, and a time-out that limits nothing, raise ValueError and change nothing."""
    one, two = oracles.words(rng, 2)
    described = {name: {"name": name, "description": "x", "input_schema": {}} for name in (one, two)}
    tool = {"name": one, "description": "first", "input_schema": {}}
    first = [{"tool": tool}]
    repeats = [{"tool": tool | {"description": "second"}}, {"function": one}]
    names = ["", "two words", "a.b", "naïve", f"{two}\n", f"{two}!", "x" * 65]
    timeouts = [0, -2.5, float("nan"), float("inf")]
    steps = [
        *first,
        *repeats,
        *({"tool": {"name": name, "description": "x", "input_schema": {}}} for name in names),
        *({"tool": {"name": two, "description": "x", "input_schema": {}, "timeout": timeout}} for timeout in timeouts),
        *({"function": two, "options": {"timeout": timeout}} for timeout in timeouts),
    ]
    got = learner.run(probes.registered, steps=steps, described=described)
    slugs = (
        [None]
        + ["register-takes-a-name-twice"] * 2
        + ["register-takes-any-name"] * len(names)
        + ["register-takes-any-time-out"] * 2 * len(timeouts)
    )
    for outcome, step, slug in zip(got["outcomes"][1:], steps[1:], slugs[1:], strict=True):
        shown = step.get("tool") or {"name": step["function"]} | step.get("options", {})
        what = f"registering {shown['name']!r}" + (" again" if slug == slugs[1] else "")
        if "timeout" in shown:
            what += f" with a time-out of {shown['timeout']}"
        expect.that("error" in outcome, f"{what}: expected a ValueError, but it was accepted", mistake=slug)
        expect.that("ValueError" in outcome["bases"], f"{what}: expected a ValueError, got {outcome['error']}")
    expect.that(
        got["tools"] == [one], f"After the refusals the registry must hold {[one]}, it holds {got['tools']}",
        mistake="register-keeps-what-it-refuses",
    )  # fmt: skip
    expect.equal(
        got["definitions"], [tool | {"input_schema": {}}], what="the definitions after a second tool was refused",
        mistakes={"register-keeps-what-it-refuses": [tool | {"description": "second"}]},
    )  # fmt: skip
    longest = [{"tool": {"name": "A-z_0" + "x" * 59, "description": "x", "input_schema": {}, "timeout": 0.001}}]
    got = learner.run(probes.registered, steps=longest, described={})
    expect.that("error" not in got["outcomes"][0], "A name of 64 letters, digits, '_' and '-' must be accepted.")


@check(
    task="2.4",
    lesson="05_tools#dispatch",
    seconds=0.05,
    needs=["test_tools_are_registered"],
    hints=[
        "What does the API accept in an entry of `tools=`? And who else holds the schema that you hand out?",
        "Build a new dict of the three keys for each tool, in the order of registration, with copy.deepcopy(schema).",
    ],
)
def test_definitions_are_what_the_api_takes(learner, rng):
    """Definitions hold name, description and schema, in the order of registration, and are nobody else's."""
    names = oracles.words(rng, 5)
    if names == sorted(names):
        names.reverse()
    tools = [
        {"name": name, "description": oracles.token(rng), "input_schema": oracles.schema(rng), "read_only": False}
        for name in names
    ]
    got = learner.run(probes.registered, steps=[{"tool": tool} for tool in tools], described={})["definitions"]
    want = [{key: tool[key] for key in ("name", "description", "input_schema")} for tool in tools]
    expect.type(got, list, what="the definitions")
    more = [entry for entry in got if isinstance(entry, dict) and len(entry) > 3]
    expect.that(
        not more,
        f"The API refuses what it does not know; a definition has the keys {sorted(more[0]) if more else ''}",
        mistake="definitions-show-too-much",
    )
    expect.equal(
        got, want, what="the definitions",
        mistakes={"definitions-in-another-order": sorted(want, key=lambda entry: entry["name"])},
    )  # fmt: skip
    schema = oracles.schema(rng)
    changed = learner.run(probes.changed_definitions, schema=schema)
    want = [{"name": "first", "description": "The first.", "input_schema": schema}]
    expect.that(
        expect.same(changed["again"], want) and expect.same(changed["schema"], schema),
        "Somebody changed the definitions that came first, and the registry's own changed with them.",
        mistake="definitions-share-the-schema",
    )


@check(
    task="2.4",
    weight=2,
    lesson="05_tools#dispatch",
    seconds=0.05,
    needs=["test_tools_are_registered"],
    hints=[
        "A model reads JSON and prose. Which of the two is Python's str() of a dict?",
        "A str as it is; None and blank strings NO_OUTPUT; all else json.dumps(value, ensure_ascii=False). "
        "0, False, [] and {} are answers.",
    ],
)
def test_results_are_text_that_a_model_can_read(learner, rng):
    """Strings stay as they are, other values become JSON, nothing becomes NO_OUTPUT."""
    text = f"{oracles.token(rng)} \N{DEGREE SIGN}C\n{{'not': json}} "
    blank = [None, "", " \n\t"]
    values = [
        {"city": "Kraków", "high": float(rng.integers(-30, 40)) / 2, "rain": None, "list": [True, "a\nb"]},
        [int(n) for n in rng.integers(0, 99, size=3)],
        int(rng.integers(2, 9999)),
        True,
        0,
        False,
        0.0,
        [],
        {},
        [None],
    ]
    cases = [("plain", value) for value in (text, *blank, *values)]
    got = learner.run(probes.returned, cases=cases)
    content = good(got[0], "a tool that returns a string")
    encoded = content if expect.same(oracles.json_value(content), text) else None
    expect.equal(content, text, what="the content of a string", mistakes={"strings-become-json": encoded})
    for value, outcome in zip(blank, got[1:4], strict=True):
        what = f"a tool that returns {value!r}"
        content = good(outcome, what, "nothing-called-a-failure")
        expect.equal(content, oracles.NO_OUTPUT, what=what, mistakes={
            "nothing-left-blank": value if isinstance(value, str) else "",
            "none-becomes-null": "null" if value is None else "",
        })  # fmt: skip
    for value, outcome in zip(values, got[4:], strict=True):
        what = f"a tool that returns {value!r}"
        content = good(outcome, what)
        slug = None
        if content == oracles.NO_OUTPUT:
            slug = "zero-taken-for-nothing"
        elif content == str(value) and oracles.json_value(content) is ...:
            slug = "results-in-python"
        expect.that(
            expect.same(oracles.json_value(content), value),
            f"{what}: expected JSON of that value, got {expect.show(content)}",
            mistake=slug,
        )
        expect.that("\\u" not in content, f"{what}: 'ó' must stay as it is, got {expect.show(content)}",
                    mistake="results-escape-letters")  # fmt: skip


@check(
    task="2.4",
    lesson="05_tools#errors-as-results",
    seconds=0.05,
    needs=["test_results_are_text_that_a_model_can_read"],
    hints=[
        "What does json.dumps do with a dataclass, a date, NaN? Which of its arguments decide that?",
        "allow_nan=False, and a `default=` that knows dataclass instances and dates and raises TypeError for all else; "
        "catch what json.dumps raises.",
    ],
)
def test_values_beyond_json_are_told_apart(learner, rng):
    """Dataclasses and dates are written out; what JSON cannot hold is an error; a ToolResult is passed on."""
    date = [int(rng.integers(1990, 2030)), int(rng.integers(1, 13)), int(rng.integers(1, 29))]
    iso = f"{date[0]:04d}-{date[1]:02d}-{date[2]:02d}"
    word = oracles.token(rng)
    cases = [
        ("dataclass", date),
        ("dates", date),
        ("tool result", [word, False]),
        ("tool result", [word, True]),
    ]
    wrong = ["nan", "infinity", "object", "set", "bytes", "circle", "class"]
    got = learner.run(probes.returned, cases=cases + [(kind, None) for kind in wrong], name=word)
    want = [
        {"name": "Rome", "seen": iso, "tags": [1, None]},
        {
            "date": iso,
            "time": f"{iso}T07:05:00",
            "hour": "23:59:01",
            "place": [{"name": "Łódź", "seen": iso, "tags": ["a"]}],
        },
    ]
    for value, outcome, what in zip(want, got, ("a dataclass instance", "dates inside a dict"), strict=False):
        content = good(outcome, f"a tool that returns {what}")
        read = oracles.json_value(content)
        expect.equal(None if read is ... else read, value, what=f"{what}, as JSON")
    for outcome, is_error in zip(got[2:4], (False, True), strict=True):
        what = f"a tool that returns ToolResult({word!r}, is_error={is_error})"
        result_of(outcome, what)
        expect.equal([outcome["content"], outcome["is_error"]], [word, is_error], what=what)
    for kind, outcome in zip(wrong, got[4:], strict=True):
        what = f"a tool that returns {'a' if kind not in ('infinity', 'object') else 'an'} {kind}"
        slug = "nan-in-json" if kind in ("nan", "infinity") else "objects-guessed"
        content = bad(outcome, what, slug)
        holds(content, word, f"{what}: the tool's name")


@check(
    task="2.4",
    lesson="05_tools#errors-as-results",
    seconds=0.05,
    needs=["test_tools_are_registered"],
    hints=[
        "The model wrote `get_wether`. What must it read to get it right the next time?",
        "difflib.get_close_matches(name, self.tools); where it finds none, name all. A name may be no str at all.",
    ],
)
def test_an_unknown_tool_is_answered_with_names(learner, rng):
    """A call of a tool that does not exist is an error that names the near ones, or all."""
    names = [
        f"{word}_{other}" for word, other in zip(oracles.words(rng, 4), ("price", "rain", "time", "map"), strict=True)
    ]
    slip = names[2][:-1] + "k"
    far = "".join(rng.choice(list("0123456789"), size=12))
    calls = [(slip, {}), (far, {}), ("", {}), (None, {}), ([far], {})]
    got = learner.run(probes.called, names=names, calls=calls)
    expect.that(not got["seen"], f"No tool has any of these names, and {expect.show(got['seen'])} ran.")
    content = bad(got["outcomes"][0], f"a call of {slip!r}")
    holds(content, slip, f"a call of {slip!r}: the name itself")
    holds(content, names[2], f"a call of {slip!r}: the near name", "unknown-tool-without-names")
    for name, outcome in zip((far, "", None, [far]), got["outcomes"][1:], strict=True):
        content = bad(outcome, f"a call of {name!r}")
        for known in names:
            holds(content, known, f"a call of {name!r}, near to no name", "unknown-tool-without-names")
    holds(got["outcomes"][1]["content"], far, f"a call of {far!r}: the name itself")
    empty = learner.run(probes.called, names=[], calls=[(far, {})])
    holds(bad(empty["outcomes"][0], "a call without any tool"), far, "a call without any tool: the name itself")


@check(
    task="2.4",
    weight=2,
    lesson="05_tools#errors-as-results",
    seconds=0.05,
    needs=["test_tools_are_registered"],
    hints=[
        "A model that is told one problem at a time needs as many turns as there are problems.",
        "Not a dict: say so. Else join path and message of every Problem that `validate` returns, and return before "
        "the function is called.",
    ],
)
def test_wrong_arguments_never_reach_the_tool(learner, rng):
    """Arguments that break the schema are answered with every problem, and the tool does not run."""
    names = oracles.words(rng, 2)
    found = [[f"/{oracles.token(rng, 4)}/{i}", f"expected {oracles.token(rng)}"] for i in range(4)]
    asked = []

    def problems(value, schema):
        asked.append([value, schema])
        return found if value != {"fine": 1} else []

    wrong = {"days": [int(n) for n in rng.integers(0, 9, size=3)]}
    calls = [(names[0], wrong), (names[1], {"fine": 1})]
    got = learner.run(probes.called, names=names, calls=calls, problems=problems)
    expect.that(
        [name for name, _ in got["seen"]] == [names[1]],
        f"Only the call with right arguments may run a tool; {len(got['seen'])} ran.",
        mistake="wrong-arguments-run",
    )
    content = bad(got["outcomes"][0], "wrong arguments")
    told = [path in content and message in content for path, message in found]
    if not all(told):
        slug = "first-problem-only" if told == [True, False, False, False] else None
        expect.fail(
            f"Every problem must be told, path and message, {len(found)} in all; "
            f"the content tells {sum(told)}: {expect.show(content)}",
            mistake=slug or ("problems-without-paths" if all(m in content for _, m in found) else None),
        )
    expect.equal(asked, [[wrong, {"title": names[0]}], [{"fine": 1}, {"title": names[1]}]], what="what was validated")
    good(got["outcomes"][1], "right arguments")
    odd = [None, "city=Rome", 3, ["Rome"], True]
    got = learner.run(probes.called, names=names, calls=[(names[0], value) for value in odd], problems=lambda *_: [])
    expect.that(not got["seen"], "Arguments that are no object reached the tool.", mistake="wrong-arguments-run")
    for value, outcome in zip(odd, got["outcomes"], strict=True):
        bad(outcome, f"arguments that are no object: {value!r}")


@check(
    task="2.4",
    lesson="05_tools#idempotence",
    seconds=0.05,
    needs=["test_results_are_text_that_a_model_can_read"],
    hints=[
        "Who else holds the dict of arguments? The conversation, which is sent again with the next request.",
        "function(**copy.deepcopy(arguments)): a shallow copy still shares what is inside.",
    ],
)
def test_a_tool_gets_its_own_arguments(learner, rng):
    """The tool gets the arguments by name, as a deep copy: the conversation stays as it is."""
    name = oracles.words(rng, 1)[0]
    arguments = {"city": oracles.token(rng), "place": {"list": [1, 2]}, "days": [3]}
    got = learner.run(probes.called, names=[name], calls=[(name, arguments)])
    good(got["outcomes"][0], "a call")
    expect.equal(got["seen"], [[name, arguments]], what="the calls that the tool got")
    got = learner.run(probes.greedy, arguments=arguments)
    good(got["outcome"], "a tool that changes its arguments")
    expect.that(
        expect.same(got["arguments"], arguments),
        f"The tool changed its arguments, and the caller's changed with them: {expect.show(got['arguments'])}",
        mistake="arguments-shared-with-the-tool",
    )


@check(
    task="2.4",
    weight=2,
    lesson="05_tools#errors-as-results",
    seconds=0.05,
    needs=["test_tools_are_registered"],
    hints=[
        "Which of these exceptions did the tool's author foresee, and whose words does the model get then?",
        "`except ToolError` first: str(error). Then `except BaseException`: the tool's name, type(error).__name__ and "
        "its text, never the traceback.",
    ],
)
def test_exceptions_become_truthful_errors(learner, rng):
    """Whatever ends a tool becomes an error: ToolError in its own words, all else by tool, type and text."""
    name, said = oracles.words(rng, 1)[0], oracles.token(rng)
    foreseen = f"No station near {said}. Ask for a larger city."
    others = ["ValueError", "KeyError", "TimeoutError", "SystemExit", "RecursionError", "StopIteration", "Weird"]
    cases = [("ToolError", foreseen), ("ToolError", " "), *((kind, said) for kind in others), ("Mute", said)]
    got = learner.run(probes.raised, cases=cases, name=name)
    content = bad(got[0], f"ToolError({foreseen!r})")
    expect.that(
        content == foreseen,
        f"A ToolError's text is the whole content: expected {foreseen!r}, got {expect.show(content)}",
        mistake="tool-errors-dressed-up" if foreseen in content else None,
    )
    expect.equal(bad(got[1], "a ToolError without words"), oracles.NO_OUTPUT, what="a ToolError without words")
    for kind, outcome in zip([*others, "Mute"], got[2:], strict=True):
        what = f"{kind}({said!r})" if kind != "Mute" else "an exception whose text cannot be read"
        content = bad(outcome, what)
        expect.that(
            "Traceback" not in content and 'File "' not in content,
            f"{what}: the content is a traceback, with paths of this machine",
            mistake="failure-with-traceback",
        )
        slug = "own-time-out-misread" if kind == "TimeoutError" and said not in content else None
        if kind != "Mute":
            holds(content, said, f"{what}: the text", slug)
        holds(content, kind, f"{what}: the type", "failure-without-type")
        holds(content, name, f"{what}: the tool's name")


@check(
    task="2.4",
    weight=3,
    lesson="05_tools#time-outs",
    seconds=0.5,
    limit=40,
    needs=["test_results_are_text_that_a_model_can_read"],
    hints=[
        "What has to end before `run` may return: the tool, or the wait for it?",
        "A daemon thread and thread.join(timeout). Leaving a `with ThreadPoolExecutor()` waits for the tool.",
    ],
)
def test_a_tool_that_hangs_is_left_behind(learner, rng):
    """`run` returns at the limit, says so, and says for a writing tool that the outcome is unknown."""
    limits = [float(n) for n in rng.integers(11, 19, size=2) / 100]
    got = learner.run(probes.hangs, tools=[[limits[0], True], [limits[1], False]])
    for outcome, limit, read_only in zip(got, limits, (True, False), strict=True):
        what = f"a {'read-only' if read_only else 'writing'} tool that hangs, with a limit of {limit:g} s"
        result_of(outcome, what)
        expect.that(
            outcome["hung"], f"{what}: `run` came back only when the tool had ended", mistake="run-waits-for-the-tool"
        )
        content = bad(outcome, what)
        holds(content, f"{limit:g} seconds", what)
        unknown = oracles.UNKNOWN_OUTCOME in content
        if read_only:
            expect.that(
                not unknown,
                f"{what}: there is nothing that may have been carried out",
                mistake="every-time-out-a-write",
            )
        else:
            expect.that(
                unknown, f"{what}: the content must hold UNKNOWN_OUTCOME, it is {expect.show(content)}",
                mistake="write-called-failed",
            )  # fmt: skip
    outcome = learner.run(probes.in_time, seconds=0.2, timeout=30.0)
    expect.equal(good(outcome, "a tool that takes 0.2 of 30 seconds"), "in time", what="a tool that ends in time")


@check(
    task="2.4",
    weight=2,
    lesson="05_tools#time-outs",
    seconds=1.0,
    limit=60,
    needs=["test_a_tool_that_hangs_is_left_behind"],
    hints=[
        "Forty calls hang. How many workers has a pool? And what does Python do at its end with running threads?",
        "A thread of its own for every call, with daemon=True: nobody waits for it, not even the interpreter.",
    ],
)
def test_what_is_left_behind_is_in_nobodys_way(learner, rng):
    """After many calls that hang, others still run, and the program could end."""
    got = learner.run(probes.left_behind, count=40, timeout=0.01)
    for outcome in got["lost"]:
        bad(outcome, "a call that hangs")
    content = good(got["quick"], "a quick tool after 40 that hang", "hanging-tools-block-others")
    expect.that(
        content == "here" and got["hung"], "A quick tool had to wait for the tools that hang.",
        mistake="hanging-tools-block-others",
    )  # fmt: skip
    expect.that(
        got["holding"] == 0,
        f"{got['holding']} threads that are no daemons hang: the program could not end",
        mistake="hanging-tools-hold-the-program",
    )


@check(
    task="2.4",
    lesson="05_tools#parallel-calls",
    seconds=0.1,
    limit=30,
    needs=["test_results_are_text_that_a_model_can_read"],
    hints=[
        "What do two calls of `run` share?",
        "Nothing has to be locked: each call has its own thread and its own place for the outcome.",
    ],
)
def test_calls_run_side_by_side(learner, rng):
    """Calls from several threads run at the same time, and each gets its own result."""
    count = int(rng.integers(3, 6))
    got = learner.run(probes.side_by_side, count=count)
    for place, outcome in enumerate(got):
        content = good(outcome, f"one of {count} calls at the same time", "calls-in-a-queue")
        expect.equal(content, str(place), what=f"the result of call {place}", mistakes={})
    # 1e300 is a finite number of seconds, and more than a thread or a queue can wait.
    what = "a tool that takes 0.01 of 1e300 seconds"
    expect.equal(good(learner.run(probes.in_time, seconds=0.01, timeout=1e300), what), "in time", what=what)


@check(
    task="2.4",
    lesson="05_tools#errors-as-results",
    seconds=0.05,
    needs=["test_exceptions_become_truthful_errors"],
    hints=[
        "How long may an exception's text be? And can every Python string be sent?",
        "One place at the end for all results: encode with 'replace' and decode again, then cut and add CUT.",
    ],
)
def test_long_and_broken_text_is_tamed(learner, rng):
    """Contents are cut to max_chars with a note, those of errors too, and can always be encoded."""
    most = int(rng.integers(50, 90))
    text = oracles.token(rng, most + 40)
    cases = [("plain", text[: most + extra]) for extra in (-1, 0, 1, 40)]
    cases += [("surrogates", [ord("a"), 0xD83D, ord("b"), 0xDC00]), ("plain", [text])]
    got = learner.run(probes.returned, cases=cases, max_chars=most)
    for (_, value), outcome in zip(cases[:4], got, strict=False):
        content = good(outcome, f"a result of {len(value)} characters, {most} allowed")
        expect.equal(
            content, oracles.cut(value, most), what=f"a result of {len(value)} characters, {most} allowed",
            mistakes={"cut-without-a-note": value[:most], "results-of-any-length": value},
        )  # fmt: skip
    broken = result_of(got[4], "a result with lone surrogates")
    expect.that(
        broken["utf8"], "A result with lone surrogates went through: the request cannot be sent",
        mistake="surrogates-go-through",
    )  # fmt: skip
    expect.equal(good(broken, "a result with lone surrogates"), "a?b?", what="a result with lone surrogates")
    good(got[5], "a long list")
    listed = "".join(got[5]["content"].split())  # however it is indented
    expect.that(
        len(got[5]["content"]) > most and listed.startswith(f'["{text[: most - 9]}'),
        "A long list is cut as JSON, like any other content.",
    )
    raised = learner.run(probes.raised, cases=[("ToolError", text), ("ValueError", text * 9)], max_chars=most)
    content = bad(raised[0], "a long ToolError")
    expect.equal(content, oracles.cut(text, most), what="a long ToolError", mistakes={"long-errors-uncut": text})
    content = bad(raised[1], "a long ValueError")
    expect.that(
        len(content) < most + 90, f"An error of {len(content)} characters, {most} allowed", mistake="long-errors-uncut"
    )
