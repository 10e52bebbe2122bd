"""float32 rows and a stable argsort; the number of pieces to drop is found by bisection, which `count` allows."""

import bisect
import itertools


def system_prompt(role, rules, *, context="", today=None):
    if isinstance(rules, str):
        raise TypeError("rules is a string")
    kept = list(filter(None, (re.sub(r"\s+", " ", rule).strip() for rule in rules)))
    numbered = [f"{n}. {rule}" for n, rule in zip(itertools.count(1), kept)]
    inside = re.sub(r"<(/context>)", r"&lt;\1", context, flags=re.I).strip()
    parts = (
        role.strip(),
        "\n".join(["Rules:", *numbered]) if numbered else None,
        "\n".join(["<context>", inside, "</context>"]) if inside else None,
        f"Today is {WEEKDAYS[today.isoweekday() - 1]}, {today:%Y-%m-%d}." if today else None,
    )
    return "\n\n".join(part for part in parts if part)


def choose_examples(question, examples, k, embed):
    if k < 0:
        raise ValueError(k)
    if min(k, len(examples)) == 0:
        return []
    texts = [question] + [example.user for example in examples]
    rows = np.array(embed(texts), dtype=np.float32)
    size = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    size[size == 0] = 1
    rows = rows / size[:, None]
    scores = np.einsum("ij,j->i", rows[1:], rows[0])
    return [examples[i] for i in np.argsort(-scores, kind="stable")[:k][::-1]]


def assemble(system, examples, history, question, *, budget, count):
    if len(history) % 2 or any(m["role"] != ("user", "assistant")[i % 2] for i, m in enumerate(history)):
        raise ValueError("The history is not made of whole exchanges.")

    def opens(message):
        blocks = message["content"] if isinstance(message["content"], list) else []
        return message["role"] == "user" and all(block["type"] != "tool_result" for block in blocks)

    if history and not opens(history[0]):
        raise ValueError("The history begins in the middle of an exchange.")
    flat = []
    starts = []
    for example in examples:
        starts.append(len(flat))
        flat += [{"role": "user", "content": example.user}, {"role": "assistant", "content": example.assistant}]
    for message in history:
        if opens(message):
            starts.append(len(flat))
        flat.append(message)
    starts.append(len(flat))
    flat.append({"role": "user", "content": question})
    known = {}

    def fits(number):
        if number not in known:
            known[number] = count(system, flat[starts[number] :])
        return known[number] <= budget

    number = bisect.bisect_left(range(len(starts)), True, key=fits)
    if number == len(starts):
        raise PromptTooLong(f"{known[number - 1]} tokens are more than {budget}.")
    return Prompt(system, flat[starts[number] :])
