"""Asks base and finetuned model one question: short answers, free answers, and what the memory read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from train.checkpoint import load_run, read_run
from train.evaluate.answers import SHOTS, question_prompt
from train.evaluate.writer import NetworkWriter
from train.memory.patch import Patch
from train.model import Loaded, load_model
from train.serve.reads import Reads, read_patches, trace_reads

SHORT_TOKENS, FREE_TOKENS = 24, 64


@dataclass(frozen=True, slots=True)
class Answers:
    """What one model says: a short answer after answered examples, and a free one that it ends itself."""

    short: str
    free: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What both models say to a question, and what the finetuned one's memory read."""

    question: str
    base: Answers
    tuned: Answers
    reads: Reads


@dataclass(frozen=True, slots=True)
class Pair:
    """Base and finetuned model of a run; one question at a time."""

    name: str
    model: str
    base: Loaded
    tuned: Loaded
    patches: list[Patch]
    lock: Lock

    def ask(self, question: str) -> Reply:
        """Ask both."""
        with self.lock:
            reads = trace_reads(self.tuned, self.patches, SHOTS, f"Question: {question}\nAnswer:")
            return Reply(question, answer(self.base, question), answer(self.tuned, question), reads)


def load_pair(folder: Path, say: Callable[[str], None]) -> Pair:
    """Both models of a run. Raises DatasetError when it holds no finished run."""
    run = read_run(folder)
    say(f"loading {run.model} and {run.name}")
    tuned, _ = load_run(folder)
    return Pair(run.name, run.model, load_model(run.model), tuned, read_patches(folder), Lock())


def answer(loaded: Loaded, question: str) -> Answers:
    """Both answers of one model."""
    writer = NetworkWriter(loaded, batch_size=1)
    (short,) = writer.answer([question_prompt(question)], SHORT_TOKENS)
    (free,) = writer.write_on([writer.ask(question)], FREE_TOKENS)
    return Answers(short, free.text.strip() + ("" if free.ended else " …"))
