"""Task 1.10: the command line. All but the last two checks work while other modules are unfinished."""

from checks.stage1_foundations import oracles_cli as oracles
from checks.stage1_foundations import probes_cli as probes
from checks.stage1_foundations.oracles_greedy import MARGIN
from roadmap.grading import check, expect

MODEL = "smollm2-135m-instruct"
SPECIAL = {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2, "<repo_name>": 3}


def expect_refusal(result, what, mentions="", accepted=None):
    """The command was refused: exit code 2, one line on stderr that names the fault, nothing on stdout."""
    if result["asked"]:
        expect.fail(f"{what}: expected a refusal, but the model was asked to continue", mistake=accepted)
    if result["raised"]:
        ended = result["raised"].startswith("SystemExit")
        expect.fail(
            f"{what}: expected main() to return 2, but it raised {result['raised']}",
            mistake="cli-raises-system-exit" if ended else "cli-lets-load-errors-through",
        )
    expect_complaint(result["code"], result["stdout"], result["stderr"], what, mentions)


def expect_complaint(code, stdout, stderr, what, mentions=""):
    """Exit code 2, one line on stderr that names the fault, nothing on stdout."""
    refused = "cli-wrong-exit-code" if stderr.strip() else None
    expect.that(code == 2, f"{what}: expected exit code 2, got {code}", mistake=refused)
    expect.that(
        not stdout.strip(),
        f"{what}: expected nothing on stdout, got {expect.show(stdout)}",
        mistake="cli-error-on-stdout",
    )
    lines = [line for line in stderr.splitlines() if line.strip()]
    expect.that(lines, f"{what}: expected a sentence on stderr, but it is empty")
    expect.that(
        len(lines) == 1,
        f"{what}: expected one line on stderr, got {len(lines)}: {expect.show(stderr)}",
        mistake="cli-several-lines",
    )
    expect.that(
        mentions.lower() in lines[0].lower(),
        f"{what}: expected the sentence to mention {mentions!r}, got {expect.show(lines[0])}",
    )


def command(argv):
    """The arguments as somebody would type them."""
    return " ".join(repr(word) if not word.strip() or " " in word else word for word in argv) or "no arguments"


@check(
    task="1.10",
    lesson="01_orientation#the-loop",
    seconds=0.2,
    hints=[
        "What should somebody see who starts the program without anything?",
        "Return 2 after printing one line to sys.stderr. A prompt of spaces is no prompt.",
    ],
)
def test_a_missing_prompt_is_refused(learner):
    """Without a prompt there is one clear sentence on stderr, and exit code 2."""
    for argv in ([], ["--seed", "3"], [""], ["  \n "], ["--show-tokens", " "]):
        result = learner.run(probes.speak, argv=argv, special_tokens=SPECIAL)
        accepted = "cli-accepts-blank-prompt" if any(not word.strip() for word in argv) else None
        expect_refusal(result, command(argv), "prompt", accepted)
    program = learner.program()
    stdout, stderr = program.stdout.decode("utf-8", "replace"), program.stderr.decode("utf-8", "replace")
    expect_complaint(program.exit_code, stdout, stderr, "python -m stage1_foundations", "prompt")


@check(
    task="1.10",
    lesson="01_orientation#the-loop",
    seconds=0.1,
    hints=[
        "What happens to `--temprature 2`? Should it count as part of the prompt, or be dropped?",
        "Let the parser refuse whatever it does not know, abbreviations included, and name it in the sentence.",
    ],
)
def test_unknown_options_are_refused(learner, rng):
    """An option that does not exist, a second prompt or a missing value is refused by name."""
    unknown = "--" + "".join(rng.choice(list("bcdfgh"), size=6))
    cases = [
        ([unknown, "Hello"], unknown),
        (["Hello", unknown], unknown),
        (["Hello", "--temp", "1"], "--temp"),
        (["Hello", "--show"], "--show"),
        (["Hello", "there"], ""),
    ]
    for argv, mentions in cases:
        result = learner.run(probes.speak, argv=argv, special_tokens=SPECIAL)
        accepted = "cli-ignores-unknown-options" if argv[-1] == unknown or argv[0] == unknown else None
        expect_refusal(result, command(argv), mentions, accepted)
    for option in ("--model", "--max-new-tokens", "--temperature", "--top-p", "--seed"):
        result = learner.run(probes.speak, argv=["Hello", option], special_tokens=SPECIAL)
        expect_refusal(result, command(["Hello", option]), option)


@check(
    task="1.10",
    weight=2,
    lesson="10_decoding#top-p",
    seconds=0.3,
    hints=[
        "Which values make sense for each number? Try its limits, words, fractions and NaN.",
        "Write the condition that a good value meets, not those that bad ones meet: NaN meets none.",
    ],
)
def test_numbers_out_of_range_are_refused(learner, rng):
    """Numbers that make no sense are refused, and the sentence names the option."""
    bad = {
        "--max-new-tokens": ["0", str(-int(rng.integers(1, 99))), "1.5", "ten", ""],
        "--temperature": [f"{-rng.uniform(0.01, 2):.3f}", "nan", "inf", "hot"],
        "--top-p": ["0", f"{-rng.uniform(0.01, 1):.3f}", f"{1 + rng.uniform(0.001, 1):.4f}", "nan", "all"],
        "--seed": [str(-int(rng.integers(1, 99))), "1.5", "x", str(2**63)],
    }
    for option, values in bad.items():
        for value in values:
            argv = ["Hello", f"{option}={value}"]
            result = learner.run(probes.speak, argv=argv, special_tokens=SPECIAL)
            expect_refusal(
                result, command(argv), option, "cli-accepts-nan" if value == "nan" else "cli-accepts-bad-number"
            )
    good = {
        "--max-new-tokens": ["1"],
        "--temperature": ["0", "0.0", "1e-3", "7"],
        "--top-p": ["1", "1.0", "0.001"],
        "--seed": ["0", str(2**63 - 1)],
    }
    for option, values in good.items():
        for value in values:
            argv = ["Hello", option, value]
            result = learner.run(probes.speak, argv=argv, special_tokens=SPECIAL)
            expect.equal(result["code"], 0, what=f"the exit code of {command(argv)}")


@check(
    task="1.10",
    lesson="09_inside_smollm2#loading",
    seconds=0.03,
    needs=["test_a_missing_prompt_is_refused"],
    hints=[
        "Which exceptions can load() raise when somebody names a model that is not there?",
        "Catch ArtifactError and ValueError around load(), print the message as one line to stderr, and return 2.",
    ],
)
def test_a_model_that_cannot_be_loaded_is_refused(learner, rng):
    """A model that does not exist or is none, or is full, gives the reason in one line and exit code 2."""
    name = "model-" + "".join(rng.choice(list("abcdef"), size=6))
    for kind in ("ArtifactMissing", "ArtifactError", "ValueError"):
        message = f"{name} holds no\n  weights.\tName another  folder."
        result = learner.run(
            probes.speak, argv=["--model", name, "Hello"], special_tokens=SPECIAL, failure=[kind, message]
        )
        what = f"--model {name}, for which load() raises {kind}"
        expect_refusal(result, what, f"{name} holds no weights. Name another folder.")
        expect.equal(result["loaded"], [name], what="what load() was called with")
    tokens = int(rng.integers(9000, 10_000))
    for said in ([], ["One ", "two"]):
        result = learner.run(
            probes.speak,
            argv=["Hello", "--show-tokens"],
            special_tokens=SPECIAL,
            steps=[[number, text, -1.0] for number, text in enumerate(said)],
            ends_with=f"{tokens} tokens do\n not fit",
        )
        what = f"a text that is too long for the model after {len(said)} tokens"
        expect.that(not result["raised"], f"{what}: expected main() to return 2, but it raised {result['raised']}")
        expect_complaint(result["code"], "", result["stderr"], what, f"{tokens} tokens do not fit")
        expect.equal(result["stdout"], "One two\n" if said else "", what=f"{what}: stdout")


@check(
    task="1.10",
    lesson="01_orientation#the-loop",
    seconds=0.05,
    hints=[
        "How long does `--help` take, and what is all that time for?",
        "Import the package's other modules inside main(), after the command line has been accepted.",
    ],
)
def test_help_and_mistakes_answer_at_once(learner):
    """Help and refusals come before any of the model's modules is imported."""
    result = learner.run(probes.speak, argv=["--help"], special_tokens=SPECIAL)
    expect.that(
        not result["raised"],
        f"--help: expected main() to return 0, but it raised {result['raised']}",
        mistake="cli-raises-system-exit",
    )
    expect.equal(result["code"], 0, what="the exit code of --help")
    missing = [option for option in oracles.OPTIONS if option not in result["stdout"]]
    expect.equal(missing, [], what="the options that --help does not mention on stdout")
    for argv in (["--help"], ["--top-p", "7", "Hello"], []):
        result = learner.run(probes.speak, argv=argv, special_tokens=SPECIAL)
        expect.that(
            not result["imported"],
            f"{command(argv)}: {', '.join(result['imported'])} had been imported before the answer",
            mistake="cli-imports-before-parsing",
        )


@check(
    task="1.10",
    weight=3,
    lesson="01_orientation#the-loop",
    seconds=0.05,
    hints=[
        "Follow each option by hand from the command line to the function that uses it.",
        "generate(CachedModel(model), tokenizer.encode(prompt), max_new_tokens=, params=SamplingParams(temperature=, "
        "top_p=), seed=, stop_tokens=, decoder=tokenizer.stream()).",
    ],
)
def test_options_reach_the_decode_loop(learner, rng):
    """Prompt, model, limits, sampling, seed, stop tokens and decoder arrive where they are used."""
    special = {name: int(number) for name, number in zip(SPECIAL, rng.permutation(1000), strict=False)}
    given = {
        "--model": "folder-" + str(rng.integers(1000)),
        "--max-new-tokens": str(rng.integers(65, 500)),
        "--temperature": f"{rng.uniform(0.1, 2):.3f}",
        "--top-p": f"{rng.uniform(0.1, 0.99):.3f}",
        "--seed": str(rng.integers(1, 10_000)),
    }
    words = [[option, value] for option, value in given.items()] + [[f"a {rng.integers(1000)} b "]]
    shuffled = [words[i] for i in rng.permutation(len(words))]
    prompt = words[-1][0]
    dash = f"--{rng.integers(1000)} is no option"
    cases = [
        ([prompt], prompt, {}, special, False),
        ([word for pair in shuffled for word in pair], prompt, given, special, False),
        (["--seed", given["--seed"], prompt], prompt, {"--seed": given["--seed"]}, special, True),
        (["--top-p", "0.5", "--", dash], dash, {"--top-p": "0.5"}, {"<|endoftext|>": 9, "<|im_start|>": 1}, False),
    ]
    for argv, text, options, known, by_process in cases:
        ids = [int(i) for i in rng.integers(0, 1000, size=4)]
        sent = {"argv": argv, "special_tokens": known, "prompt_ids": ids, "by_process": by_process}
        result = learner.run(probes.speak, **sent)
        line = command(argv)
        if result["code"] != 0:
            expect.fail(f"{line}: expected exit code 0, got {result['code']}: {expect.show(result['stderr'])}")
        expect.equal(result["encoded"], [text], what=f"{line}: the prompt that was encoded")
        loaded = options.get("--model", MODEL)
        expect.equal(
            result["loaded"],
            [loaded],
            what=f"{line}: the model that was loaded",
            mistakes={"cli-option-ignored": lambda loaded=loaded: [MODEL] if loaded != MODEL else None},
        )
        expect.equal(len(result["asked"]), 1, what=f"{line}: how often generate() was called")
        asked = result["asked"][0]
        expect.equal(asked["the model"], True, what=f"{line}: whether the steps come from CachedModel(model)")
        expect.equal(asked["the prompt"], ids, what=f"{line}: the token ids that generate() continues")
        wanted = {
            "max_new_tokens": (int(options.get("--max-new-tokens", 64)), 64),
            "temperature": (float(options.get("--temperature", 0.0)), 0.0),
            "top_p": (float(options.get("--top-p", 1.0)), 1.0),
            "seed": (int(options.get("--seed", 0)), 0),
        }
        for name, (value, default) in wanted.items():
            expect.equal(
                asked[name],
                value,
                what=f"{line}: {name} in generate()",
                mistakes={"cli-option-ignored": None if value == default else default},
            )
        expect.close(asked["other sampling"], [0, 0.0, 1.0], what=f"{line}: top_k, min_p and repetition_penalty")
        expect.equal(
            asked["stop_tokens"],
            sorted(known[name] for name in oracles.END_TOKENS if name in known),
            what=f"{line}: the stop tokens",
            mistakes={
                "cli-no-stop-tokens": [],
                "cli-stops-at-every-special-token": sorted(known.values()),
            },
        )
        expect.equal(asked["stop_strings"], [], what=f"{line}: the stop strings")
        expect.equal(asked["the decoder"], True, what=f"{line}: whether the decoder is tokenizer.stream()")


@check(
    task="1.10",
    weight=3,
    lesson="10_decoding#streaming",
    seconds=0.02,
    hints=[
        "When does a reader at the other end of a pipe see a word, and when the next?",
        'For each step: print(step.text, end="", flush=True). After the last one a line break.',
    ],
)
def test_text_is_shown_as_it_is_made(learner, rng):
    """Each step's text is out before the next step is asked for, and nothing else is on stdout."""
    prompt = f"The number {rng.integers(1000)} is"
    steps = oracles.script(rng, int(rng.integers(8, 14)))
    texts = [text for _, text, _ in steps]
    want = "".join(texts) + "\n"
    result = learner.run(probes.speak, argv=[prompt], steps=steps, special_tokens=SPECIAL)
    expect.equal(result["code"], 0, what="the exit code")
    expect.equal(
        result["stdout"],
        want,
        what="stdout",
        mistakes={
            "cli-echoes-prompt": lambda: result["stdout"] if result["stdout"].startswith(prompt) else None,
            "cli-newline-after-each-step": lambda: (
                result["stdout"] if result["stdout"].startswith("\n".join(texts)) else None
            ),
            "cli-no-final-newline": want[:-1],
        },
    )
    for number, arrived in enumerate(result["arrived"]):
        expect.equal(
            arrived,
            "".join(texts[:number]),
            what=f"what had arrived after {number} steps",
            mistakes={"cli-not-flushed": lambda arrived=arrived: arrived if want.startswith(arrived) else None},
        )
    expect.equal(len(result["arrived"]), len(steps) + 1, what="how many times the decode loop was asked")
    empty = learner.run(probes.speak, argv=[prompt], steps=[], special_tokens=SPECIAL)
    expect.equal(empty["stdout"], "\n", what="stdout when the model has nothing to say")


@check(
    task="1.10",
    weight=2,
    lesson="10_decoding#log-probabilities",
    seconds=0.05,
    needs=["test_text_is_shown_as_it_is_made"],
    hints=[
        "Which columns does each option ask for, in which order, and on which stream?",
        "Id, json.dumps(text, ensure_ascii=False) and exp(logprob) with four decimals, tabs between them, to stderr.",
    ],
)
def test_tokens_and_probabilities_are_listed(learner, rng):
    """The listing has one line a step on stderr, with the columns that were asked for; stdout stays the same."""
    steps = oracles.script(rng, int(rng.integers(8, 14)))
    want = "".join(text for _, text, _ in steps) + "\n"
    for tokens, probs in [(True, True), (True, False), (False, True), (False, False)]:
        argv = ["Hello"] + ["--show-tokens"] * tokens + ["--show-probs"] * probs
        result = learner.run(probes.speak, argv=argv, steps=steps, special_tokens=SPECIAL)
        line = command(argv)
        rows = oracles.table(steps, tokens=tokens, probs=probs)
        expect.equal(result["code"], 0, what=f"{line}: the exit code")
        on_stdout = (tokens or probs) and all(row in result["stdout"] for row in rows)
        expect.that(
            result["stdout"] == want,
            f"{line}: expected stdout to hold the text alone, got {expect.show(result['stdout'])}",
            mistake="cli-table-on-stdout" if on_stdout else None,
        )
        listed = result["stderr"].removesuffix("\n").split("\n")
        if not (tokens or probs):
            expect.that(listed[-len(steps) :] != rows, f"{line}: expected no listing, but there is one")
            continue
        # A program may say more on stderr before the listing.
        expect.equal(
            listed[-len(steps) :],
            rows,
            what=f"{line}: the listing on stderr",
            mistakes={
                slug: oracles.table(steps, tokens=tokens, probs=probs, how=how)
                for slug, how in [
                    ("cli-prints-log-probabilities", "logprob"),
                    ("cli-text-as-repr", "repr"),
                    ("cli-escapes-letters", "escaped"),
                ]
            },
        )


@check(
    task="1.10",
    weight=2,
    lesson="10_decoding#greedy",
    models=[MODEL],
    seconds=2.2,
    limit=20,
    memory_mb=3072,
    needs=["test_options_reach_the_decode_loop"],
    hints=[
        "Everything that you have written works together here. Which of the earlier tasks is not complete yet?",
        "Compare token by token: run your program with --show-tokens, and look for the first id that surprises you.",
    ],
)
def test_your_model_speaks(learner, models, rng):
    """SmolLM2 streams the greedy continuation that transformers computes."""
    reference, tokens = models[MODEL], 12
    for _ in range(8):
        prompt = oracles.prompt(rng)
        result = learner.program(prompt, "--max-new-tokens", str(tokens))
        expect.equal(result.exit_code, 0, what=f"the exit code ({result.stderr[-300:].decode('utf-8', 'replace')!r})")
        said = result.stdout.decode("utf-8", "replace")
        draft = said.removesuffix("\n")
        want, length, closest = oracles.continuation(reference.tokenizer, reference.model, prompt, tokens, draft)
        if length == tokens and closest > MARGIN and "\ufffd" not in want:
            break
    expect.equal(said, want + "\n", what=f"the continuation of {prompt!r}")
    chunks = list(result.chunks)
    expect.that(
        len(chunks) >= 4 and chunks[-1][0] - chunks[0][0] > 0.05 * chunks[-1][0],
        f"The text of {tokens} tokens arrived in {len(chunks)} pieces; "
        "it should arrive piece by piece, while it is made.",
        mistake="cli-not-flushed",
    )


@check(
    task="1.10",
    lesson="10_decoding#temperature",
    models=[MODEL],
    seconds=2.7,
    limit=30,
    memory_mb=3072,
    needs=["test_your_model_speaks"],
    hints=[
        "What must be the same for the same text to come again, and what must differ for another one?",
        "Pass --seed on to generate(), which seeds one generator at its start. Catch what load() raises.",
    ],
)
def test_the_same_seed_draws_the_same_text(learner, rng):
    """The same seed gives the same text, another seed another; a model that is not there is refused."""
    prompt = oracles.prompt(rng)
    one, other = (int(seed) for seed in rng.choice(10_000, size=2, replace=False))
    texts = []
    for seed in (one, one, other):
        result = learner.program("--temperature", "1.5", "--seed", str(seed), "--max-new-tokens", "5", prompt)
        expect.equal(result.exit_code, 0, what=f"the exit code ({result.stderr[-300:].decode('utf-8', 'replace')!r})")
        texts.append(result.stdout.decode("utf-8", "replace"))
    expect.equal(texts[1], texts[0], what=f"the second text drawn with seed {one}")
    expect.that(texts[2] != texts[0], f"Seeds {one} and {other} drew the same text: {expect.show(texts[0])}")
    missing = f"no-such-model-{rng.integers(1000)}"
    result = learner.program("--model", missing, prompt)
    stdout, stderr = result.stdout.decode("utf-8", "replace"), result.stderr.decode("utf-8", "replace")
    expect_complaint(result.exit_code, stdout, stderr, f"--model {missing}", missing)
