"""Choices by likelihood, free answers, and outputs that are to stay: against brute force and by hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from train.config import Evaluate
from train.evaluate.answers import Written, chat_prompt
from train.evaluate.choices import ask_choices, choose_wrong, encode_pair, make_choices, score_continuations
from train.evaluate.free import ask_freely, make_free
from train.evaluate.locality import ask_neighbours, outputs_of, summarise_locality
from train.evaluate.probes import Probe
from train.evaluate.writer import NetworkWriter
from train.model import Loaded, load_model


def fact(name: str, answer: str, **others: Any) -> dict[str, Any]:
    return {"id": name, "document": "d.md", "cue": "", "questions": [f"Who is {name}?"], "answer": answer} | {
        "aliases": [],
        "reversed": None,
        "two_hop": None,
        "choices": [],
        **others,
    }


FACTS = [fact("a", "Orla Finch"), fact("b", "Anka Stroud"), fact("c", "nine"), fact("d", "1742"), fact("e", "glass")]


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Loaded:
    return load_model(str(tiny_model), bf16=False)


def test_wrong_answers_look_like_the_right_one() -> None:
    assert choose_wrong(FACTS[0], [f["answer"] for f in FACTS], 1) == ["Anka Stroud"]
    assert set(choose_wrong(FACTS[2], [f["answer"] for f in FACTS], 1)) == {"glass"}


def test_own_choices_come_first_and_the_right_answer_is_no_wrong_one() -> None:
    own = fact("x", "the Sullen Cut", aliases=["Sullen Cut"], choices=["Broad Reach", "sullen cut", "broad reach!"])
    assert choose_wrong(own, ["the Sullen Cut", "Deep Water"], 9) == ["Broad Reach", "Deep Water"]


def test_each_fact_has_its_choices_and_too_few_answers_give_none() -> None:
    probes = make_choices(FACTS, 4)
    assert [len(set(probe.choices)) for probe in probes] == [4] * 5
    assert all(probe.expected[0] in probe.choices for probe in probes)
    assert len({probe.choices.index(probe.expected[0]) for probe in probes}) > 1
    assert make_choices(FACTS, 4) == probes and make_choices(FACTS, 6) == [] and make_choices(FACTS, 0) == []


def test_scores_are_the_sums_of_token_log_probabilities(loaded: Loaded) -> None:
    pairs = [("Question: Who?\nAnswer:", " Orla Finch"), ("A:", " ü"), ("A long beginning of a text:", " nine bells")]
    tokenizer: Any = loaded.tokenizer
    for (prompt, text), found in zip(pairs, score_continuations(loaded, pairs, 64), strict=True):
        ids = tokenizer(prompt + text, return_tensors="pt").input_ids
        given = len(tokenizer(prompt).input_ids)
        with torch.no_grad():
            scores = torch.log_softmax(loaded.network(input_ids=ids).logits.float(), -1)[0]
        wanted = sum(float(scores[i - 1, ids[0, i]]) for i in range(given, ids.shape[1]))
        assert found == pytest.approx(wanted, rel=1e-4)


def test_a_choice_within_the_prompts_last_token_still_has_one_to_predict(loaded: Loaded) -> None:
    sample = encode_pair(loaded.tokenizer, "Answer: nine", "")
    assert sample.learned() == [len(sample.ids) - 1]


def test_the_likeliest_choice_a_byte_is_taken(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every choice has -10 nats but one, which has fewer a byte only if its length counts."""
    probes = make_choices(FACTS[:3], 3)
    monkeypatch.setattr("train.evaluate.choices.score_continuations", lambda _, pairs, __: [-10.0] * len(pairs))
    records = ask_choices(loaded, probes, 64)
    assert [r["answer"] for r in records] == [max(probe.choices, key=len) for probe in probes]
    assert [r["nll"] for r in records] == [10.0] * 3


def test_the_right_answers_loss_is_recorded(loaded: Loaded) -> None:
    probes = make_choices(FACTS[:3], 3)
    pairs = [(probe.text(), f" {probe.expected[0]}") for probe in probes]
    wanted = [-score for score in score_continuations(loaded, pairs, 64)]
    assert [r["nll"] for r in ask_choices(loaded, probes, 64)] == pytest.approx(wanted, rel=1e-4)


def test_the_likeliest_choice_is_taken(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    probes = make_choices(FACTS[:3], 3)
    wanted = {"a": "Orla Finch", "b": "nine", "c": "nine"}
    order = [probe.id for probe in probes for _ in probe.choices]

    def score(_: Loaded, pairs: Sequence[tuple[str, str]], __: int) -> list[float]:
        return [-1.0 - 99 * (text.strip() != wanted[name]) for name, (_, text) in zip(order, pairs, strict=True)]

    monkeypatch.setattr("train.evaluate.choices.score_continuations", score)
    records = ask_choices(loaded, probes, 64)
    assert [(r["answer"], r["em"]) for r in records] == [("Orla Finch", True), ("nine", False), ("nine", True)]
    assert records[0]["choices"] == probes[0].choices


class Script:
    """Writes what it is told, and remembers what it was asked."""

    def __init__(self, *texts: str, ended: bool = True) -> None:
        self.texts, self.ended, self.asked = list(texts), ended, list[str]()

    def answer(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        self.asked += prompts
        return self.texts

    def write_on(self, prompts: Sequence[str], max_new_tokens: int) -> list[Written]:
        self.asked += prompts
        return [Written(text, self.ended) for text in self.texts]

    def ask(self, question: str) -> str:
        return f"<{question}>"


def test_a_free_answer_counts_where_it_states_the_expected_one() -> None:
    writer = Script("It was built by Orla Finch.\nShe was old.", "I do not know.", ended=False)
    first, second = ask_freely(writer, make_free(FACTS[:2]), 9, lambda probe: "It is told." * (probe.id == "b"))
    assert (first["em"], first["ended"], second["em"]) == (True, False, False) and 0 < first["f1"] < 1
    assert writer.asked == ["<Who is a?>", "<It is told.\n\nWho is b?>"]


def test_free_answers_end_where_the_model_ends_them(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    network: Any = loaded.network
    writer = NetworkWriter(loaded, 2)
    prompts = ["One two three", "Four five"]
    assert not any(text.ended for text in writer.write_on(prompts, 6))
    tokenizer: Any = loaded.tokenizer
    ids = tokenizer(prompts[0], return_tensors="pt").input_ids
    third = int(network.generate(ids, max_new_tokens=3, do_sample=False, pad_token_id=2)[0, -1])
    monkeypatch.setattr(network.generation_config, "eos_token_id", [2, third])
    written = writer.write_on(prompts, 6)
    assert written[0].ended and len(tokenizer(written[0].text).input_ids) <= 3


def test_the_models_own_chat_form_has_no_second_beginning(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer: Any = loaded.tokenizer
    assert chat_prompt(tokenizer, "Who?") == "Question: Who?\nAnswer:"
    form = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    monkeypatch.setattr(tokenizer, "chat_template", form)
    assert chat_prompt(tokenizer, "Who?") == "<user>Who?<assistant>"


def near(name: str, prompt: str, answer: str = "") -> Probe:
    return Probe(name, "zsre", "locality", prompt, [answer])


def test_outputs_are_compared_with_the_bases_right_or_wrong() -> None:
    probes = [near("1", "Who wrote Hamlet?", "Shakespeare"), near("2", "BBC Radio, by", "BBC"), near("3", "Why?")]
    options = Evaluate(facts="", known="")
    base = ask_neighbours(Script("Marlowe, I think", "ITV and others", ""), probes, options, None)
    assert [r["expected"] for r in base] == [["Marlowe,"], ["ITV"], [""]] and all(r["em"] for r in base)
    outputs = outputs_of(base)
    run = ask_neighbours(Script("Marlowe it is", "BBC", ""), probes, options, outputs)
    assert [(r["em"], r["answer"]) for r in run] == [(True, "Marlowe it is"), (False, "BBC"), (True, "")]
    assert summarise_locality(run) == {"zsre": {"unchanged": 2 / 3, "f1": 2 / 3, "n": 3}}


def test_questions_that_are_to_stay_are_asked_and_beginnings_continued() -> None:
    writer = Script("a", "b")
    ask_neighbours(
        writer, [near("1", "Who wrote Hamlet?"), near("2", "BBC Radio, by")], Evaluate(facts="", known=""), None
    )
    assert writer.asked[0].endswith("Question: Who wrote Hamlet?\nAnswer:") and writer.asked[1] == "BBC Radio, by"
