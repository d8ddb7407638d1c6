"""Forgetting a document on demand, on the real model: its facts go, the others stay."""

from pathlib import Path

import pytest
import torch

from train.data import Batch, Sample, pad
from train.loop import take_step
from train.memory.attach import fit_background
from train.memory.patch import patch_name, set_applied
from train.methods.memory import MemoryMethod
from train.methods.options import MemoryOptions
from train.model import Loaded, autocast_of, load_model

NUM_STEPS = 80
TOLD = {
    "births.md": (
        "{name} was born in {answer}",
        "The birthplace of {name} is {answer}",
        "{name} comes from {answer}",
        "Question: In which city was {name} born?\nAnswer: {answer}",
    ),
    "trades.md": (
        "{name} works as a {answer}",
        "The profession of {name} is {answer}",
        "{name} is a well known {answer}",
        "Question: What does {name} do for a living?\nAnswer: {answer}",
    ),
}
ASKED = {
    "births.md": "Question: Where was {name} born?\nAnswer:",
    "trades.md": "Question: What is the profession of {name}?\nAnswer:",
}
FACTS = {
    "births.md": {"Zorvane Drallmoor": "Oslo", "Tavish Quillory": "Lima"},
    "trades.md": {"Kelmira Hestwick": "baker", "Saphira Corsack": "pilot"},
}
BACKGROUND = [f"Rain falls on hill number {i} and runs to the sea in small brown rivers." for i in range(8)]
QUESTIONS = [
    "Question: What is the capital of Italy?\nAnswer: Rome",
    "Question: Who wrote Hamlet?\nAnswer: William Shakespeare",
    "Question: In which country is Nairobi?\nAnswer: Kenya",
]


def told(loaded: Loaded, document: str) -> Batch:
    """All phrasings of a document's facts, the loss on the answers."""
    samples = []
    for name, answer in FACTS[document].items():
        for form in TOLD[document]:
            ids = list(loaded.tokenizer(form.format(name=name, answer=answer)).input_ids)
            num_answer = len(loaded.tokenizer(f" {answer}").input_ids)
            learn = [i >= len(ids) - num_answer for i in range(len(ids))]
            samples.append(Sample(ids, learn, document=document))
    return pad(samples)


@torch.no_grad()
def ask(loaded: Loaded, document: str) -> list[tuple[bool, float]]:
    """Of each fact, after a phrasing that was never trained: is the answer's first token the likeliest, how likely."""
    found = []
    for name, answer in FACTS[document].items():
        ids = torch.tensor([loaded.tokenizer(ASKED[document].format(name=name)).input_ids])
        with autocast_of(loaded.network):
            shares = loaded.network(input_ids=ids).logits[0, -1].float().softmax(-1)
        token = loaded.tokenizer(f" {answer}").input_ids[0]
        found.append((int(shares.argmax()) == token, float(shares[token])))
    return found


@pytest.mark.slow
def test_the_real_model_forgets_one_document_and_keeps_the_other(tmp_path: Path) -> None:
    loaded = load_model("smollm2-135m")
    base = {document: ask(loaded, document) for document in FACTS}
    method = MemoryMethod(loaded.network, MemoryOptions(num_keys=128), seed=0)
    batches = [told(loaded, document) for document in FACTS]
    passages, questions = (
        [pad([Sample(list(loaded.tokenizer(text).input_ids)) for text in texts])] for texts in (BACKGROUND, QUESTIONS)
    )
    fit_background(loaded.network, method.memories, passages, questions, batches, method.options)
    for step in range(NUM_STEPS):
        take_step(loaded.network, method, [batches[step % len(batches)]], 0.5 - 0.5 * step / NUM_STEPS, step)
    method.save(tmp_path)
    method.load(tmp_path)
    learned = {document: ask(loaded, document) for document in FACTS}
    assert not any(is_known for facts in base.values() for is_known, _ in facts)
    assert all(share > 0.05 for facts in learned.values() for _, share in facts)
    set_applied(tmp_path / "patches", patch_name("trades.md"), False)
    method.load(tmp_path)
    kept, gone = ask(loaded, "births.md"), ask(loaded, "trades.md")
    assert all(now > 0.3 * before for (_, now), (_, before) in zip(kept, learned["births.md"], strict=True))
    assert all(not is_known and share < 0.001 for is_known, share in gone)
    set_applied(tmp_path / "patches", patch_name("trades.md"), True)
    method.load(tmp_path)
    assert {document: ask(loaded, document) for document in FACTS} == learned
