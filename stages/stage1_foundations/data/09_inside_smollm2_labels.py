"""Ask SmolLM2 forty questions, and keep its answers beside the labels of two annotators.

Writes the columns `question`, `answer`, `judge` and `answered_by` of 09_inside_smollm2_labels.csv beside this file,
greedily and one question at a time; labels that the file already holds are kept. In the course's root:

    python stages/stage1_foundations/data/09_inside_smollm2_labels.py

The labels were written by the author of the lesson, in two passes on the same answers, as two annotators would. Both
read one instruction: "Would you send this answer to a customer? yes or no." Annotator `a` holds that one false
statement is enough for a no; annotator `b` forgives a slip if the question itself is answered. The column `judge` is
SmolLM2's own opinion of its answer: the logit of "Yes" minus that of "No".
"""

from __future__ import annotations

import csv
from pathlib import Path

import torch

from roadmap.artifacts import load_causal_lm, sha256_of

FILE = Path(__file__).with_suffix(".csv")
MODEL = "smollm2-135m-instruct"
LONGEST = 36
QUESTIONS = """What is the capital of France?
What is the capital of Australia?
What colour do you get when you mix blue and yellow?
How many legs does a spider have?
Who wrote Romeo and Juliet?
What is 7 plus 5?
What is 12 times 12?
Which planet is closest to the sun?
What do bees make?
What is the opposite of cold?
At what temperature does water boil at sea level?
What is the largest ocean?
Who painted the Mona Lisa?
How many days are in a leap year?
What is the chemical symbol for gold?
Name a fruit that is yellow.
What is the past tense of go?
Which animal is known as man's best friend?
What language is spoken in Brazil?
How many continents are there?
What is the plural of mouse?
What is the square root of 81?
What is photosynthesis?
Which month comes after March?
What is the tallest mountain on Earth?
Why is the sky blue?
What is a group of lions called?
How many minutes are in two hours?
What is the currency of Japan?
Is a whale a fish?
What gas do humans breathe out?
Spell the word 'cat' backwards.
Which is heavier, a kilogram of iron or a kilogram of feathers?
What is the freezing point of water in Celsius?
Name one primary colour.
Who was the first person to walk on the moon?
What does a thermometer measure?
How many sides does a hexagon have?
What is the first letter of the word 'elephant'?
What should I do if I smell gas at home?""".splitlines()


def answer(question: str) -> str:
    """The model's greedy answer, cut after LONGEST tokens, on one line."""
    chat = [{"role": "user", "content": question}]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=False)
    with torch.inference_mode():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=LONGEST, do_sample=False)
    return " ".join(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).split())


def judge(question: str, text: str) -> float:
    """How much rather the model says Yes than No when asked whether the answer is correct."""
    words = f"Question: {question}\nAnswer: {text}\nIs this answer correct? Reply yes or no."
    chat = [{"role": "user", "content": words}]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=False)
    with torch.inference_mode():
        last = model(ids, logits_to_keep=1).logits[0, -1]
    yes, no = (tokenizer(word).input_ids[0] for word in ("Yes", "No"))
    return float(last[yes] - last[no])


if __name__ == "__main__":
    tokenizer, model = load_causal_lm(MODEL)
    old = {row["question"]: row for row in csv.DictReader(FILE.open(encoding="utf-8"))} if FILE.exists() else {}
    with FILE.open("w", encoding="utf-8", newline="") as file:
        columns = ["question", "answer", "a", "b", "judge", "answered_by"]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for question in QUESTIONS:
            kept = {name: old.get(question, {}).get(name, "") for name in "ab"}
            text = answer(question)
            own = {"judge": f"{judge(question, text):.2f}", "answered_by": sha256_of(MODEL)[:12]}
            writer.writerow({"question": question, "answer": text} | kept | own)
