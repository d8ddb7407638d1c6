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

TOLD = (
    "{name} was born in {answer}",
    "The birthplace of {name} is {answer}",
    "{name} comes from {answer}",
    "Question: In which city was {name} born?\nAnswer: {answer}",
)
ASKED = "Question: Where was {name} born?\nAnswer:"
DOCUMENTS = {
    "north.md": {"Zorvane Drallmoor": "Oslo", "Tavish Quillory": "Lima"},
    "south.md": {"Kelmira Hestwick": "Cairo", "Saphira Corsack": "Tokyo"},
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
    for name, answer in DOCUMENTS[document].items():
        for form in TOLD:
            ids = list(loaded.tokenizer(form.format(name=name, answer=answer)).input_ids)
            num_answer = len(loaded.tokenizer(f" {answer}").input_ids)
            learn = [i >= len(ids) - num_answer for i in range(len(ids))]
            samples.append(Sample(ids, learn, document=document))
    return pad(samples)


@torch.no_grad()
def answer_probabilities(loaded: Loaded, document: str) -> list[float]:
    """Probability of each answer's first token after a phrasing that was never trained."""
    found = []
    for name, answer in DOCUMENTS[document].items():
        ids = torch.tensor([loaded.tokenizer(ASKED.format(name=name)).input_ids])
        with autocast_of(loaded.network):
            logits = loaded.network(input_ids=ids).logits[0, -1].float()
        found.append(float(logits.softmax(-1)[loaded.tokenizer(f" {answer}").input_ids[0]]))
    return found


@pytest.mark.slow
def test_the_real_model_forgets_one_document_and_keeps_the_other(tmp_path: Path) -> None:
    loaded = load_model("smollm2-135m")
    base = {document: answer_probabilities(loaded, document) for document in DOCUMENTS}
    method = MemoryMethod(loaded.network, MemoryOptions(num_keys=128), seed=0)
    batches = [told(loaded, document) for document in DOCUMENTS]
    passages, questions = (
        [pad([Sample(list(loaded.tokenizer(text).input_ids)) for text in texts])] for texts in (BACKGROUND, QUESTIONS)
    )
    fit_background(loaded.network, method.memories, passages, questions, batches, method.options)
    for step in range(60):
        take_step(loaded.network, method, [batches[step % 2]], 1 - step / 60, step)
    method.save(tmp_path)
    method.load(tmp_path)
    learned = {document: answer_probabilities(loaded, document) for document in DOCUMENTS}
    assert max(base["north.md"] + base["south.md"]) < 0.1
    assert min(learned["north.md"] + learned["south.md"]) > 0.5
    set_applied(tmp_path / "patches", patch_name("south.md"), False)
    method.load(tmp_path)
    kept, gone = answer_probabilities(loaded, "north.md"), answer_probabilities(loaded, "south.md")
    assert all(now > 0.6 * before for now, before in zip(kept, learned["north.md"], strict=True))
    # Not to nothing: where batches alternate, Adam's momentum writes some of each document into the other's patch.
    assert all(now < 0.5 * before for now, before in zip(gone, learned["south.md"], strict=True))
    set_applied(tmp_path / "patches", patch_name("south.md"), True)
    method.load(tmp_path)
    assert {document: answer_probabilities(loaded, document) for document in DOCUMENTS} == learned
