"""Checks of task 2.6: the agent loop. What it did is read off the server that it talked to."""

from __future__ import annotations

import copy

from checks.stage2_prompting_tools import oracles_agent as oracles
from checks.stage2_prompting_tools import probes_agent as probes
from checks.stage2_prompting_tools import servers
from roadmap.grading import check, expect
from roadmap.llm.messages.parts import Text, ToolUse
from roadmap.llm.scripted import Fault

NAMES = ["get_weather", "get_stock_price", "find_city"]
TOOLS = [oracles.tool(name) for name in NAMES]


class Desk:
    """Answers the calls from a table, and notes them. A call that was not expected says so to the model."""

    def __init__(self, answers):
        self.answers = answers
        self.ran = []

    def run(self, name, arguments):
        """One call: [content, is_error]."""
        self.ran.append(oracles.key(name, arguments))
        return self.answers.get(self.ran[-1], ["no such call was made", True])


def talk(learner, model, replies, answers, questions, **more):
    """Play `replies` to a learner's agent; what the probe says, and the calls that were run."""
    desk = Desk(answers)
    model.play(list(replies))
    settings = {"questions": questions, "definitions": TOOLS} | more
    return learner.run(probes.converse, url=model.url, run=desk.run, **settings), desk.ran


def outcome_of(result, what, number=0):
    """The outcome of a run that must have ended without an exception."""
    error = result["error"]
    if error:
        expect.fail(f"{what}: expected an Outcome, but {error[0]} was raised: {error[2]}")
    outcome = result["outcomes"][number]
    expect.that("is" not in outcome, f"{what}: expected an Outcome, got {outcome.get('is')}")
    return outcome


def expect_no_problems(model, what, mistakes=()):
    """The API refused nothing. `mistakes` are (words of the refusal, slug)."""
    if model.problems:
        slug = next((slug for words, slug in mistakes if words in model.problems[0]), None)
        expect.fail(f"{what}: the API refused a request: {model.problems[0]}", mistake=slug)


def expect_requests(model, story, what, mistakes=None):
    """The requests carried the conversation of the story. `mistakes` maps slugs to known wrong stories."""
    sent = [oracles.plain(request.get("messages")) for request in model.requests]
    for number, (got, want) in enumerate(zip(sent, story.requests, strict=False), 1):
        wrong = {
            slug: (lambda other=other, number=number: oracles.plain(other.requests[number - 1]))
            for slug, other in (mistakes or {}).items()
            if len(other.requests) >= number
        }
        expect.equal(got, oracles.plain(want), what=f"{what}: the messages of request {number}", mistakes=wrong)
    expect.equal(len(sent), len(story.requests), what=f"{what}: how many requests were sent")


def expect_outcome(got, want, what, fields=("text", "stop", "turns"), mistakes=None):
    """The outcome's fields are the story's. `mistakes` maps slugs to (field, value)."""
    for field in fields:
        value, wanted = got.get(field), want[field]
        if field == "messages":
            value, wanted = oracles.plain(value), oracles.plain(wanted)
        wrong = {slug: pair[1] for slug, pair in (mistakes or {}).items() if pair[0] == field}
        if field == "cost":
            expect.close(value, wanted, what=f"{what}: cost", rtol=1e-6, atol=1e-12, mistakes=wrong)
        else:
            expect.equal(value, wanted, what=f"{what}: {field}", mistakes=wrong)


@check(
    task="2.6",
    weight=1,
    lesson="06_agents#budgets",
    seconds=0.05,
    hints=[
        "Which counts does the API give, which of them can be None, and for how many tokens is a price?",
        "total += (count or 0) for all four; the cost is the sum of count times price, divided by a million.",
    ],
)
def test_usage_adds_up(learner, rng):
    """Usage sums the four counts of every answer, None as 0, and prices are for a million tokens."""
    rows = [[int(n) for n in rng.integers(1, 10_000, 4)] for _ in range(4)]
    for own in (True, False):
        expect.equal(
            learner.run(probes.add_up, rows=rows, own=own),
            oracles.usage_after(rows),
            what=f"the counts after {rows}",
            mistakes={
                "usage-forgets-the-cache": oracles.usage_after(rows, wrong="no cache"),
                "usage-of-the-last-answer": oracles.usage_after(rows, wrong="last"),
            },
        )
    plain = [[*row[:2], *((None, None) if i % 2 else (None, row[3]))] for i, row in enumerate(rows)]
    expect.equal(learner.run(probes.add_up, rows=plain, own=False), oracles.usage_after(plain), what=f"after {plain}")
    for _ in range(3):
        row = [int(n) for n in rng.integers(1, 10_000, 4)]
        prices = [float(f"{p:.3f}") for p in rng.uniform(0.05, 80, 4)]
        want = oracles.price(row, prices)
        expect.close(
            learner.run(probes.cost, row=row, prices=prices),
            want,
            rtol=1e-6,
            atol=1e-12,
            what=f"the cost of {row} at {prices}",
            mistakes={
                "cost-not-for-a-million": want * 1e6,
                "usage-forgets-the-cache": oracles.price(row[:2], prices[:2]),
            },
        )
        expect.close(learner.run(probes.cost, row=row, prices=None), 0.0, what="the cost without prices")


@check(
    task="2.6",
    weight=1,
    lesson="05_tools#four-steps",
    seconds=0.2,
    fresh=True,
    hints=[
        "What belongs into each request besides the messages, and what must be left out when it is empty?",
        "Collect the keyword arguments in a dict; add system and tools only if there are any.",
    ],
)
def test_a_question_without_calls_is_one_request(learner, rng):
    """An answer without calls: one request with everything in it, and its text in the Outcome."""
    with servers.scripted(learner) as model:
        for system, tools in [(oracles.words(rng), TOOLS), ("", []), (oracles.words(rng), TOOLS[:1])]:
            question, limit = oracles.words(rng), int(rng.integers(10, 4000))
            replies = [oracles.reply(rng, *[Text(oracles.words(rng, 2)) for _ in range(3)])]
            settings = {"system": system, "max_tokens": limit}
            result, _ = talk(learner, model, replies, {}, [question], settings=settings, definitions=tools)
            outcome = outcome_of(result, "an answer without calls")
            expect_no_problems(model, "an answer without calls")
            story = oracles.play(question, replies, {})
            expect_requests(model, story, "an answer without calls")
            body = model.requests[0]
            wanted = {"model": "scripted", "max_tokens": limit}
            wanted |= {"system": system} if system else {}
            wanted |= {"tools": tools} if tools else {}
            got = {name: body[name] for name in ("model", "max_tokens", "system", "tools") if name in body}
            expect.equal(got, wanted, what="the rest of the request")
            expect_outcome(outcome, story.outcome, "an answer without calls", ("text", "stop", "turns", "messages"))


@check(
    task="2.6",
    weight=2,
    lesson="05_tools#four-steps",
    seconds=0.2,
    fresh=True,
    needs=["test_a_question_without_calls_is_one_request"],
    hints=[
        "What did the model say in the turn with the call? All of it must come back, not only the call.",
        'Append the whole content as {"role": "assistant", "content": [...]}, then one user message with a tool_result '
        "for the id; is_error is True where the result is one.",
    ],
)
def test_a_call_is_answered(learner, rng):
    """A call is run with its arguments, and its result goes back under its id, marked as an error where it is one."""
    with servers.scripted(learner) as model:
        for attempt in range(3):
            question = oracles.words(rng)
            replies = oracles.turns(rng, NAMES, [1] * (attempt + 1))
            replies[0] = oracles.reply(rng, Text("Let me see."), *oracles.calls(rng, NAMES, 1))
            answers = oracles.table(replies, rng, errors=0.5)
            for number, name in enumerate(answers):
                answers[name][1] = (number + attempt) % 2 == 0
            result, ran = talk(learner, model, replies, answers, [question])
            what = f"{attempt + 1} turns with a call, then the answer"
            story = oracles.play(question, replies, answers)
            wrong = {
                slug: oracles.play(question, replies, answers, wrong=how)
                for slug, how in [
                    ("agent-drops-text-beside-calls", "calls only"),
                    ("agent-drops-the-error-mark", "no error mark"),
                ]
            }
            expect_no_problems(model, what)
            expect_requests(model, story, what, wrong)
            expect.equal(ran, story.ran, what=f"{what}: the calls that were run")
            outcome = outcome_of(result, what)
            expect_outcome(outcome, story.outcome, what, ("text", "stop", "turns", "messages", "steps"))


@check(
    task="2.6",
    weight=3,
    lesson="05_tools#parallel-calls",
    seconds=0.4,
    fresh=True,
    needs=["test_a_call_is_answered"],
    hints=[
        "How many user messages may follow a turn with three calls? In which order do the results stand there?",
        "pool.map keeps the order of the calls whichever is ready first; one message holds the list of all results.",
    ],
)
def test_calls_of_a_turn_are_answered_together(learner, rng):
    """All calls of a turn are run, each once, and answered in one message, in the calls' order."""
    with servers.scripted(learner) as model:
        for counts in ([2], [int(rng.integers(3, 6)), 1, 2]):
            question = oracles.words(rng)
            replies = oracles.turns(rng, NAMES, counts)
            answers = oracles.table(replies, rng)
            order = [part.input["n"] for turn in replies for part in turn.parts if isinstance(part, ToolUse)]
            # The first call of a turn is the last to be ready.
            waits = {str(n): 0.03 * (len(order) - i) for i, n in enumerate(order)}
            result, ran = talk(learner, model, replies, answers, [question], waits=waits)
            what = f"turns with {' and '.join(map(str, counts))} calls"
            story = oracles.play(question, replies, answers)
            expect_no_problems(model, what, [("were found without `tool_result`", "agent-answers-one-call-of-several")])
            sent = [oracles.plain(request.get("messages")) for request in model.requests]
            for got, want in zip(sent, story.requests, strict=False):
                shuffled = [_sorted_results(m) for m in got] == [_sorted_results(m) for m in oracles.plain(want)]
                separate = oracles.play(question, replies, answers, wrong="a message each").requests
                expect.equal(
                    got,
                    oracles.plain(want),
                    what=f"{what}: the messages of a request",
                    mistakes={
                        "agent-results-as-they-come": got if shuffled else None,
                        "agent-a-message-for-each-result": lambda got=got, separate=separate: next(
                            (oracles.plain(m) for m in separate if oracles.plain(m) == got), None
                        ),
                    },
                )
            expect.equal(sorted(ran), sorted(story.ran), what=f"{what}: the calls that were run")
            expect_requests(model, story, what)
            expect_outcome(
                outcome_of(result, what), story.outcome, what, ("text", "stop", "turns", "messages", "steps")
            )


def _sorted_results(message):
    content = message.get("content") if isinstance(message, dict) else None
    return sorted(content, key=repr) if isinstance(content, list) else content


@check(
    task="2.6",
    weight=2,
    lesson="05_tools#parallel-calls",
    seconds=0.3,
    fresh=True,
    needs=["test_a_call_is_answered"],
    hints=[
        "Three services need a second each. How long may the turn take?",
        "Start all calls before you wait for the first: a thread for each, as concurrent.futures has them.",
    ],
)
def test_calls_of_a_turn_run_side_by_side(learner, rng):
    """The calls of a turn are run at the same time, not one after the other."""
    count = int(rng.integers(3, 7))
    replies = oracles.turns(rng, NAMES, [count])
    answers = oracles.table(replies, rng)
    with servers.scripted(learner) as model:
        result, ran = talk(learner, model, replies, answers, [oracles.words(rng)], meet=count)
        outcome_of(result, f"{count} calls")
        expect.equal(len(ran), count, what="how many calls were run")
        most = result["most"]
        expect.that(
            most == count,
            f"Of {count} calls in one turn, {most} were being run at the same time.",
            mistake="agent-runs-calls-in-sequence" if most == 1 else None,
        )


@check(
    task="2.6",
    weight=2,
    lesson="05_tools#errors-as-results",
    seconds=0.3,
    fresh=True,
    needs=["test_a_call_is_answered"],
    hints=[
        "A gate, or a tool, raises. What does the model read, and are the other calls of the turn still answered?",
        "Wrap each call: except Exception as error becomes ToolResult(..., is_error=True) with its type and text. Give "
        "the tool a deep copy of the arguments.",
    ],
)
def test_whatever_happens_to_a_call_it_is_answered(learner, rng):
    """A call that raises is an error result; a tool that changes its arguments changes no history; `run=` is used."""
    with servers.scripted(learner) as model:
        replies = oracles.turns(rng, NAMES, [3])
        answers = oracles.table(replies, rng, errors=0)
        failing = list(answers)[int(rng.integers(3))]
        reason = oracles.words(rng)
        result, _ = talk(learner, model, replies, answers | {failing: ["raise", reason]}, ["Hello?"], gate=True)
        what = "three calls, one of which raises LookupError"
        if result["error"] and result["error"][0] == "LookupError":
            expect.fail(f"{what}: the exception came out of the agent", mistake="agent-falls-with-its-tool")
        expect_no_problems(model, what, [("were found without `tool_result`", "agent-loses-a-failed-call")])
        outcome_of(result, what)
        expect.equal(len(model.requests), 2, what=f"{what}: how many requests were sent")
        blocks = oracles.plain(model.requests[1]["messages"])[-1]["content"]
        expect.equal(len(blocks), 3, what=f"{what}: how many results were sent")
        for block, name in zip(blocks, answers, strict=True):
            expect.equal(block["is_error"], name == failing, what=f"{what}: is_error")
            content = str(block["content"])
            if name == failing:
                said = reason in content and "LookupError" in content
                expect.that(said, f"{what}: expected its type and {reason!r} in the result, got {content!r}")
            else:
                expect.equal(content, answers[name][0], what=f"{what}: the content of another result")

        replies = oracles.turns(rng, NAMES, [1, 2])
        answers = oracles.table(replies, rng)
        result, _ = talk(learner, model, replies, answers, ["Hello?"], spoil=True)
        what = "a tool that empties its arguments"
        outcome = outcome_of(result, what)
        sent = oracles.plain(model.requests[-1]["messages"] if model.requests else [])
        story = oracles.play("Hello?", replies, answers)
        spoiled = (
            "spoiled" in repr(sent) or "spoiled" in repr(outcome["messages"]) or "spoiled" in repr(outcome["steps"])
        )
        expect.that(
            not spoiled,
            f"{what}: the conversation says that the model called with what the tool left there",
            mistake="agent-shares-the-arguments",
        )
        expect_requests(model, story, what)
        expect_outcome(outcome, story.outcome, what, ("messages", "steps"))


@check(
    task="2.6",
    weight=2,
    lesson="06_agents#the-loop",
    seconds=0.4,
    fresh=True,
    needs=["test_a_call_is_answered"],
    hints=[
        "A call stands in an answer that ended by max_tokens. How do you know that 15 was not going to be 1500?",
        'Only answers with stop_reason "tool_use" have calls. In all others drop the tool_use blocks, then append.',
    ],
)
def test_calls_that_may_be_cut_off_are_not_run(learner, rng):
    """A call in an answer that did not end by tool_use is neither run nor kept, and the conversation can go on."""
    reasons = ["max_tokens", "refusal", "end_turn", "model_context_window_exceeded"]
    with servers.scripted(learner) as model:
        for reason in ["max_tokens", str(rng.choice(reasons[1:]))]:
            for before in ([Text(oracles.words(rng))], []):
                cut = oracles.reply(
                    rng, *before, *oracles.calls(rng, NAMES, int(rng.integers(1, 3))), stop_reason=reason
                )
                closing = oracles.reply(rng, Text(oracles.words(rng)))
                replies = [*oracles.turns(rng, NAMES, [1])[:1], cut]
                answers = oracles.table(replies, rng)
                questions = [oracles.words(rng), oracles.words(rng)]
                result, ran = talk(learner, model, [*replies, closing], answers, questions)
                what = f"an answer with calls that ended by {reason}"
                story = oracles.play(questions[0], replies, answers)
                expect.that(
                    len(ran) <= len(story.ran),
                    f"{what}: its calls were run",
                    mistake="agent-runs-cut-off-call",
                )
                expect_no_problems(
                    model,
                    f"{what}, and a question after it",
                    [
                        ("were found without `tool_result`", "agent-keeps-cut-off-call"),
                        ("must be non-empty", "agent-sends-empty-text"),
                        ("must have non-empty content", "agent-sends-empty-text"),
                    ],
                )
                expect.equal(ran, story.ran, what=f"{what}: the calls that were run")
                outcome = outcome_of(result, what)
                fields = ("stop", "text", "turns", "messages", "steps")
                kept = oracles.play(questions[0], replies, answers, wrong="keeps cut calls").outcome["messages"]
                wrong = {"agent-keeps-cut-off-call": ("messages", oracles.plain(kept))}
                expect_outcome(outcome, story.outcome, what, fields, wrong)
                outcome_of(result, f"{what}, and a question after it", 1)


@check(
    task="2.6",
    weight=3,
    lesson="06_agents#budgets",
    seconds=0.5,
    fresh=True,
    needs=["test_a_call_is_answered"],
    hints=[
        "The last turn that is allowed asks for a tool. Who will read its result? And what does the API want to see?",
        "Check the limit after each answer, before you run its calls: then answer each with NOT_RUN, as an error.",
    ],
)
def test_turns_are_limited(learner, rng):
    """After max_turns answers nothing more is asked or run; every call is answered, and the conversation goes on."""
    with servers.scripted(learner) as model:
        for limit in (1, int(rng.integers(2, 5))):
            replies = oracles.turns(rng, NAMES, [1] * (limit - 1) + [2] + [1] * 3)
            answers = oracles.table(replies, rng)
            closing = oracles.reply(rng, Text(oracles.words(rng)))
            questions = [oracles.words(rng), oracles.words(rng)]
            played = [*replies[:limit], closing]
            what = f"max_turns={limit} and a model that calls on and on"
            settings = {"max_turns": limit}
            result, ran = talk(learner, model, replies, answers, questions[:1], settings=settings)
            asked = len(model.exchanges)
            story = oracles.play(questions[0], replies, answers, max_turns=limit)
            expect.that(
                asked == limit,
                f"{what}: expected {limit} requests, got {asked}",
                mistake="agent-one-turn-too-many" if asked == limit + 1 else None,
            )
            unread = len(ran) > len(story.ran)
            expect.that(
                not unread,
                f"{what}: the calls of the last turn were run, although nobody reads their results",
                mistake="agent-runs-calls-nobody-reads",
            )
            outcome = outcome_of(result, what)
            open_end = oracles.play(questions[0], replies, answers, max_turns=limit, wrong="unanswered").outcome
            expect_outcome(
                outcome,
                story.outcome,
                what,
                ("stop", "turns", "messages", "text", "steps"),
                {"agent-leaves-calls-unanswered": ("messages", oracles.plain(open_end["messages"]))},
            )
            result, _ = talk(learner, model, played, answers, questions, settings=settings)
            what = f"{what}, and a question after it"
            expect_no_problems(model, what, [("were found without `tool_result`", "agent-leaves-calls-unanswered")])
            outcome = outcome_of(result, what, 1)
            expect.equal(outcome["stop"], "end_turn", what=f"{what}: stop")
        # A run that needs exactly as many turns as it has is no run that was stopped.
        replies = oracles.turns(rng, NAMES, [1, 1])
        answers = oracles.table(replies, rng)
        result, _ = talk(learner, model, replies, answers, ["Hello?"], settings={"max_turns": 3})
        expect.equal(outcome_of(result, "max_turns=3")["stop"], "end_turn", what="stop after 3 of 3 turns")


@check(
    task="2.6",
    weight=2,
    lesson="06_agents#budgets",
    seconds=0.4,
    fresh=True,
    needs=["test_usage_adds_up", "test_a_call_is_answered"],
    hints=[
        "Each request sends the whole conversation again. Whose tokens does the run pay for?",
        "Add the usage of every answer; compare the cost with max_cost after each, before its calls are run.",
    ],
)
def test_tokens_and_cost_are_accounted_and_limited(learner, rng):
    """Tokens and cost are those of all turns; from max_cost on nothing more is asked, and calls are answered."""
    with servers.scripted(learner) as model:
        replies = oracles.turns(rng, NAMES, [1, 2, 1])
        answers = oracles.table(replies, rng)
        prices = [float(f"{p:.2f}") for p in rng.uniform(0.5, 60, 4)]
        story = oracles.play("Hello?", replies, answers, prices=prices)
        result, _ = talk(learner, model, replies, answers, ["Hello?"], prices=prices)
        outcome = outcome_of(result, "four turns")
        last = oracles.play("Hello?", replies, answers, prices=prices, wrong="last usage").outcome
        expect_outcome(
            outcome,
            story.outcome,
            "four turns",
            ("usage", "cost", "steps"),
            {"agent-counts-the-last-turn": ("usage", last["usage"])},
        )
        for stop_at in (1, 2, 3):
            spent = [
                oracles.play("Hello?", replies, answers, max_turns=turns, prices=prices).outcome["cost"]
                for turns in range(1, 4)
            ]
            limit = spent[stop_at - 1] - 0.25 * (spent[stop_at - 1] - (spent[stop_at - 2] if stop_at > 1 else 0))
            what = f"max_cost={limit:.6f}, reached with turn {stop_at}"
            story = oracles.play("Hello?", replies, answers, prices=prices, max_cost=limit)
            result, ran = talk(
                learner, model, replies, answers, ["Hello?"], prices=prices, settings={"max_cost": limit}
            )
            asked = len(model.exchanges)
            late = "agent-checks-cost-late" if asked > len(story.requests) else None
            expect.that(
                asked == len(story.requests),
                f"{what}: expected {len(story.requests)} requests, got {asked}",
                mistake=late,
            )
            expect.that(
                len(ran) <= len(story.ran),
                f"{what}: the calls of the last turn were run, although nobody reads their results",
                mistake="agent-runs-calls-nobody-reads",
            )
            outcome = outcome_of(result, what)
            expect_outcome(outcome, story.outcome, what, ("stop", "turns", "messages", "usage", "cost", "steps"))
        spent = oracles.play("Hello?", replies, answers, max_turns=1, prices=[1e6, 1e6, 1e6, 1e6]).outcome["cost"]
        what = f"max_cost={spent}, which is just what the first turn costs"
        result, _ = talk(learner, model, replies, answers, ["Hello?"], prices=[1e6] * 4, settings={"max_cost": spent})
        outcome = outcome_of(result, what)
        expect.equal([outcome["stop"], outcome["turns"]], ["max_cost", 1], what=f"{what}: stop and turns")
        # An answer without calls is an answer, whatever it has cost.
        only = [oracles.reply(rng, Text(oracles.words(rng)))]
        result, _ = talk(learner, model, only, {}, ["Hello?"], prices=prices, settings={"max_cost": 1e-9})
        expect.equal(outcome_of(result, "a dear answer")["stop"], "end_turn", what="stop of an answer without calls")
        both = {"max_cost": 1e-9, "max_turns": 1}
        result, _ = talk(learner, model, replies, answers, ["Hello?"], prices=prices, settings=both)
        expect.equal(outcome_of(result, "both limits")["stop"], "max_turns", what="stop where both limits are reached")


@check(
    task="2.6",
    weight=2,
    lesson="06_agents#the-loop",
    seconds=0.5,
    fresh=True,
    needs=["test_a_call_is_answered"],
    hints=[
        "List the stop reasons of the API. For which does the run go on, and what must a loop do about new ones?",
        "tool_use with calls and pause_turn go on; everything else ends. After pause_turn add nothing and ask again.",
    ],
)
def test_every_stop_reason_is_handled(learner, rng):
    """pause_turn asks again with nothing added, every other reason ends the run, and empty text is not sent back."""
    ends = ["end_turn", "stop_sequence", "max_tokens", "refusal", "model_context_window_exceeded", "tool_use"]
    new = "".join(str(letter) for letter in rng.choice(list("bcdfgh"), 6)) + "_turn"
    with servers.scripted(learner) as model:
        for reason in [*ends, new]:
            what = f"an answer that ended by {reason}"
            parts = [] if reason == "refusal" else [Text(oracles.words(rng))]
            replies = [oracles.reply(rng, *parts, stop_reason=reason), oracles.reply(rng, Text("Why do you ask?"))]
            story = oracles.play("Hello?", replies, {})
            result, _ = talk(learner, model, replies, {}, ["Hello?"])
            outcome = outcome_of(result, what)
            expect.equal(len(model.exchanges), 1, what=f"{what}: how many requests were sent")
            expect_outcome(outcome, story.outcome, what, ("stop", "text", "turns", "messages"))

        middle = oracles.calls(rng, NAMES, 1)
        replies = [
            oracles.reply(rng, Text(oracles.words(rng)), stop_reason="pause_turn"),
            oracles.reply(rng, Text(oracles.words(rng)), stop_reason="pause_turn"),
            oracles.reply(rng, Text(oracles.words(rng)), *middle),
            oracles.reply(rng, Text(oracles.words(rng)), stop_reason="pause_turn"),
            oracles.reply(rng, Text(oracles.words(rng))),
        ]
        answers = oracles.table(replies, rng)
        story = oracles.play("Hello?", replies, answers)
        forgetful = oracles.play("Hello?", replies, answers, wrong="forgets the pause").outcome
        what = "pauses before and after a call"
        result, _ = talk(learner, model, replies, answers, ["Hello?"])
        expect_no_problems(model, what)
        stopped = len(model.exchanges) == 1
        expect.that(not stopped, f"{what}: the run ended at the first", mistake="agent-stops-at-a-pause")
        added = [_user_messages(request) for request in model.requests[:2]]
        expect.that(
            len(added) < 2 or added[0] == added[1],
            f"{what}: a user message was added after pause_turn",
            mistake="agent-speaks-into-a-pause",
        )
        expect_requests(model, story, what)
        outcome = outcome_of(result, what)
        wrong = {"agent-forgets-before-a-pause": ("text", forgetful["text"])}
        expect_outcome(outcome, story.outcome, what, ("text", "stop", "turns", "messages", "steps"), wrong)

        result, _ = talk(learner, model, replies, answers, ["Hello?"], settings={"max_turns": 2})
        story = oracles.play("Hello?", replies, answers, max_turns=2)
        expect_outcome(outcome_of(result, "two pauses"), story.outcome, "max_turns=2 and two pauses")

        for nothing in ("", " \n"):
            replies = [
                oracles.reply(rng, Text(nothing), *oracles.calls(rng, NAMES, 1)),
                oracles.reply(rng, Text(nothing), stop_reason="end_turn"),
                oracles.reply(rng, Text(oracles.words(rng))),
            ]
            answers = oracles.table(replies, rng)
            what = f"answers with the text {nothing!r}, and a question after them"
            result, _ = talk(learner, model, replies, answers, ["Hello?", "And now?"])
            refusals = ("must be non-empty", "must have non-empty content", "must contain non-whitespace")
            expect_no_problems(model, what, [(words, "agent-sends-empty-text") for words in refusals])
            outcome_of(result, what, 1)


def _user_messages(request):
    return sum(message.get("role") == "user" for message in request.get("messages", []))


@check(
    task="2.6",
    weight=2,
    lesson="06_agents#state",
    seconds=0.3,
    fresh=True,
    needs=["test_a_call_is_answered"],
    hints=[
        "Who else may hold the list that you were given, and the dicts inside it?",
        "messages = copy.deepcopy(list(history)), and nothing of a run in self.",
    ],
)
def test_history_is_kept_apart(learner, rng):
    """A run continues its history and changes nothing in it; an agent remembers nothing by itself."""
    with servers.scripted(learner) as model:
        first = oracles.turns(rng, NAMES, [2])
        second = oracles.turns(rng, NAMES, [1])
        answers = oracles.table([*first, *second], rng)
        questions = [oracles.words(rng), oracles.words(rng)]
        before = oracles.play(oracles.words(rng), oracles.turns(rng, NAMES, [1]), {}).outcome["messages"]
        given = copy.deepcopy(before)
        story = oracles.play(questions[0], first, answers, history=before)
        onward = oracles.play(questions[1], second, answers, history=story.outcome["messages"])
        story.requests += onward.requests
        result, _ = talk(learner, model, [*first, *second], answers, questions, history=before)
        what = "a question on a conversation, and another on what came of it"
        expect_no_problems(model, what)
        twice = [request for request in model.requests if repr(request["messages"]).count(questions[0]) > 1]
        expect.that(
            not twice or twice[0] in model.requests[:2],
            f"{what}: the second run sent the first one's question twice, once of its own memory",
            mistake="agent-remembers-between-runs",
        )
        expect_requests(model, story, what)
        expect_outcome(outcome_of(result, what, 1), onward.outcome, what, ("text", "turns", "usage", "messages"))
        expect.that(
            oracles.plain(result["history"]) == oracles.plain(given),
            f"{what}: the history that was given had {len(given)} messages, and now differs",
            mistake="agent-changes-its-history",
        )

        story = oracles.play(questions[0], first, answers, history=before)
        apart = oracles.play(questions[1], second, answers, history=before)
        story.requests += apart.requests
        what = "two questions on the same history, with one agent"
        result, _ = talk(
            learner, model, [*first, *second], answers, questions, history=before, chain=False, spoil_outcomes=True
        )
        sent = model.requests[-1]["messages"] if model.requests else []
        expect.that(
            "spoiled" not in repr(sent) and "spoiled" not in repr(result["history"]),
            "A change to Outcome.messages reached the history that the run was given.",
            mistake="agent-changes-its-history",
        )
        recalls = len(model.requests) > 2 and questions[0] in repr(model.requests[2]["messages"])
        expect.that(
            not recalls and not model.problems,  # what the judge did to the first Outcome would be refused
            f"{what}: the second run sent what the first one had sent",
            mistake="agent-remembers-between-runs",
        )
        expect_requests(model, story, what)
        expect_outcome(outcome_of(result, what, 1), apart.outcome, what, ("turns", "usage", "steps"))


@check(
    task="2.6",
    weight=3,
    lesson="06_agents#streaming",
    seconds=0.5,
    limit=12,
    fresh=True,
    needs=["test_a_call_is_answered"],
    hints=[
        "When does a reader see the first word, and when may the model write the second?",
        "Iterate over the SDK's text_stream and yield each piece at once; yield from keeps the loop in one place.",
    ],
)
def test_a_stream_hands_on_what_comes(learner, rng):
    """Text is handed on piece by piece while the answer is being made, then the calls, their results, the Outcome."""
    with servers.scripted(learner) as model:
        for counts in ([1], [3, 2]):
            replies = oracles.turns(rng, NAMES, counts)
            answers = oracles.table(replies, rng)
            story = oracles.play("Hello?", replies, answers)
            result, ran = talk(learner, model, replies, answers, ["Hello?"], streamed=True)
            what = f"a stream with {' and '.join(map(str, counts))} calls"
            outcome = outcome_of(result, what)
            expect_no_problems(model, what)
            expect_requests(model, story, what)
            expect.equal(sorted(ran), sorted(story.ran), what=f"{what}: the calls that were run")
            fields = ("text", "stop", "turns", "usage", "messages", "steps")
            expect_outcome(outcome, story.outcome, what, fields)
            expect.equal(_joined(result["events"][0]), oracles.events_of(story, replies), what=f"{what}: its events")

        parts, reply = servers.held(*[f"{oracles.words(rng, 2)} " for _ in range(4)])
        model.play([reply])
        asked = []

        def seen(kind, text):
            if kind == "begin":
                asked.append(len(model.exchanges))
            if kind == "text":
                parts.seen(text)

        answers_nothing = Desk({}).run
        given = {"url": model.url, "definitions": TOOLS, "run": answers_nothing, "question": "Hello?"}
        learner.run(probes.watch, seen=seen, **given)
        expect.that(
            not parts.late,
            "The model held back its second piece of text until the first had been handed on, and waited in vain.",
            mistake="agent-streams-at-the-end",
        )
        expect.equal(asked, [0], what="how many requests had been sent before the first event was wanted")

        replies = oracles.turns(rng, NAMES, [1, 1])
        replies[0] = oracles.reply(rng, Text("One moment."), *oracles.calls(rng, NAMES, 1))
        desk = Desk({})
        model.play(replies)
        given = {"url": model.url, "definitions": TOOLS, "run": desk.run, "question": "Hello?"}
        learner.run(probes.watch, seen=lambda kind, text: None, stop_after=1, **given)
        expect.equal(
            [len(model.exchanges), len(desk.ran)],
            [1, 0],
            what="requests and calls after a reader left at the first word",
        )


def _joined(events):
    joined = []
    for event in events:
        if event[0] == "text" and joined and joined[-1][0] == "text":
            joined[-1] = ["text", f"{joined[-1][1]}{event[1]}"]
        else:
            joined.append(list(event))
    return joined


@check(
    task="2.6",
    weight=3,
    lesson="05_tools#time-outs",
    seconds=0.8,
    limit=12,
    fresh=True,
    needs=["test_a_call_is_answered"],
    hints=[
        "The SDK repeats what is worth repeating. Which failure is none of its exceptions, and when does it happen?",
        "Around the reading of the stream: httpx2.TransportError becomes anthropic.APIConnectionError, ValueError "
        "anthropic.APIResponseValidationError. Catch nothing else.",
    ],
)
def test_errors_of_the_api_come_through(learner, rng):
    """The SDK's errors pass as they are, without further tries; a broken stream is an APIConnectionError."""
    with servers.scripted(learner) as model:
        answer = oracles.reply(rng, Text(oracles.words(rng)))
        busy = Fault(str(rng.choice(["overloaded_error", "rate_limit_error"])), retry_after=0.01)
        result, _ = talk(learner, model, [busy, answer], {}, ["Hello?"], retries=2)
        outcome = outcome_of(result, "a service that is busy once")
        expect.equal(outcome["turns"], 1, what="turns, after a try that failed and one that did not")

        calling = oracles.turns(rng, NAMES, [1])[0]
        cases = [
            ([busy] * 9, 1, ("OverloadedError", "RateLimitError", "APIStatusError"), 2, "a service that stays busy"),
            ([Fault("invalid_request_error")] * 9, 2, ("BadRequestError",), 1, "a request that is refused"),
            ([calling, *[Fault("authentication_error")] * 9], 0, ("AuthenticationError",), 2, "a key that expires"),
        ]
        for replies, retries, kinds, tries, what in cases:
            answers = oracles.table([calling], rng)
            result, _ = talk(learner, model, replies, answers, ["Hello?"], retries=retries)
            expect_raised(result, kinds, what)
            asked = len(model.exchanges)
            expect.that(
                asked == tries,
                f"{what}: expected {tries} requests (the client has max_retries={retries}), got {asked}",
                mistake="agent-retries-by-itself" if asked > tries else None,
            )

        for streamed in (True, False):
            cut = oracles.reply(rng, *[Text(oracles.words(rng)) for _ in range(3)], cut_after=int(rng.integers(1, 3)))
            what = f"a connection that breaks in the middle of an answer ({'stream' if streamed else 'run'})"
            result, _ = talk(learner, model, [cut] * 9, {}, ["Hello?"], streamed=streamed)
            name = result["error"][0] if result["error"] else ""
            expect_raised(
                result,
                ("APIConnectionError",),
                what,
                "agent-lets-the-transport-through" if "Protocol" in name or "Transport" in name else None,
            )
        broken = ToolUse(NAMES[0], {}, raw='{"n": }')
        result, ran = talk(learner, model, [oracles.reply(rng, broken)] * 9, {}, ["Hello?"], streamed=True)
        what = "a tool's input that is no JSON"
        name = result["error"][0] if result["error"] else ""
        mistake = "agent-lets-the-transport-through" if name == "ValueError" else None
        expect_raised(result, ("APIError",), what, mistake)
        expect.equal(ran, [], what=f"{what}: the calls that were run")


def expect_raised(result, kinds, what, mistake=None):
    """An exception of one of these kinds, or derived from one, came out of the agent."""
    error = result["error"]
    if not error:
        expect.fail(
            f"{what}: expected {kinds[0]}, but there was an Outcome: {expect.show(result['outcomes'][:1])}",
            mistake="agent-swallows-errors",
        )
    expect.that(
        any(kind in error[1] for kind in kinds),
        f"{what}: expected {' or '.join(kinds)}, got {error[0]}: {error[2][:200]}",
        mistake=mistake,
    )
