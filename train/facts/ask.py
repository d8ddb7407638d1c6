"""Asks the base model questions once: its answers are kept in a file, and a rerun asks only what is new."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from augment.precision import dtype_name
from train.evaluate.answers import complete, question_prompt
from train.evaluate.score import exact_match
from train.facts.settings import Facts
from train.facts.sources import Question
from train.model import Loaded

Load = Callable[[], Loaded]


class Examinee:
    """The base model with the file of what it said; it is loaded at the first question that is new."""

    def __init__(self, load: Load, revision: str, path: Path, options: Facts) -> None:
        self.load, self.path, self.options = load, path, options
        self.key = f"{revision} {dtype_name(torch.cuda.is_available())} {options.max_new_tokens}"
        self.said = self.read()
        self.loaded: Loaded | None = None

    def read(self) -> dict[str, str]:
        """The answers of this model in this precision. A last line that a kill cut off goes, and is asked again."""
        if not self.path.is_file():
            return {}
        whole, _, cut = self.path.read_text(encoding="utf-8").rpartition("\n")
        if cut:
            self.path.write_text(f"{whole}\n" if whole else "", encoding="utf-8")
        rows = map(json.loads, whole.splitlines())
        return {row["question"]: row["answer"] for row in rows if row["model"] == self.key}

    def knows(self, questions: Sequence[Question]) -> list[bool]:
        """Whether the model answers each question exactly."""
        self.ask(list(dict.fromkeys(q.text for q in questions if q.text not in self.said)))
        return [exact_match(self.said[q.text], q.answers) for q in questions]

    def ask(self, texts: Sequence[str]) -> None:
        """Ask what was not asked before, and write the answers down."""
        if not texts:
            return
        self.loaded = self.loaded or self.load()
        prompts = [question_prompt(text) for text in texts]
        answers = complete(self.loaded, prompts, self.options.max_new_tokens, self.options.batch_size)
        self.said |= dict(zip(texts, answers, strict=True))
        with self.path.open("a", encoding="utf-8") as stream:
            for text, answer in zip(texts, answers, strict=True):
                stream.write(f"{json.dumps({'model': self.key, 'question': text, 'answer': answer})}\n")
