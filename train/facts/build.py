"""Turns question sets into the files of an experiment under `OUT/facts`: documents, questions, known set, background.

documents.jsonl    one document a fact (or a passage): id, title, text
questions.jsonl    for `evaluate.facts`: id, document, questions, answer, aliases
known.jsonl        for `evaluate.known`: id, question, answer, aliases
background.jsonl   for `train.data.questions`: question, answer
passages.jsonl     for `train.data.passages`: id, title, text
answers.jsonl      what the base model said, so that a rerun asks nothing twice
facts.json         all counts; it is written last, so that its existence says that the others are whole
"""

import json
import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from augment.errors import DatasetError
from augment.json_file import write_json
from augment.models import find_model
from train.facts.apart import count_leaks
from train.facts.ask import Examinee
from train.facts.choose import Chosen, choose_sets, shuffled
from train.facts.settings import Facts, FactsFile, Source
from train.facts.sources import Passage, Question, read_passages, read_questions
from train.model import load_model
from train.stage import Say

FOLDER, SUMMARY, ANSWERS = "facts", "facts.json", "answers.jsonl"
VERSION = 1  # of what is made of the same settings


def build_facts(settings: FactsFile, base: Path, say: Say) -> Path:
    """Write the files unless they are there, made of the same settings, model and sources. The folder comes back."""
    folder = Path(settings.out) / FOLDER
    revision = find_model(settings.model).revision
    inputs = inputs_of(settings, base, revision)
    if read_inputs(folder / SUMMARY) == inputs:
        say(f"facts: {folder} is finished")
        return folder
    options = settings.facts
    passages = shuffled(read_passages(options.passages, base), settings.seed, "passages")
    documents, general = split_passages(passages, options)
    learn = read_learn(options, base, documents, settings.seed)
    keep = shuffled(read_questions(options.keep, base), settings.seed, "keep")
    folder.mkdir(parents=True, exist_ok=True)
    examinee = Examinee(lambda: load_model(settings.model), revision, folder / ANSWERS, options)
    chosen = choose_sets(learn, keep, options, examinee, say, more=options.learn is not None)
    files = make_files(chosen, documents, general, options)
    (folder / SUMMARY).unlink(missing_ok=True)
    for name, rows in files.items():
        write_lines(rows, folder / f"{name}.jsonl")
    summary = {"inputs": inputs, **summarise(chosen), "files": {name: len(rows) for name, rows in files.items()}}
    write_json(summary, folder / SUMMARY)
    for line in describe(summary):
        say(line)
    return folder


def read_learn(options: Facts, base: Path, documents: list[Passage], seed: int) -> list[Question]:
    """The questions to learn: those of a source in drawn order, or so many of each passage's own."""
    if options.learn is not None:
        return shuffled(read_questions(options.learn, base), seed, "learn")
    assert options.documents is not None
    return [q for passage in documents for q in passage.questions[: options.documents.num_questions]]


def split_passages(passages: list[Passage], options: Facts) -> tuple[list[Passage], list[Passage]]:
    """Passages to learn, where that is asked for, and general ones of other titles."""
    number = options.documents.number if options.documents else 0
    documents = [p for p in passages if p.questions][:number]
    if len(documents) < number:
        raise DatasetError(f"{len(documents)} passages have questions, not {number}", "lower facts.documents.number")
    taken = {p.text for p in documents}
    general = [p for p in passages if p.text not in taken][: options.num_passages]
    if len(general) < options.num_passages:
        raise DatasetError(f"{len(general)} general passages are left", "lower facts.num_passages")
    return documents, general


def make_files(chosen: Chosen, documents: list[Passage], general: list[Passage], options: Facts) -> dict[str, Any]:
    """The rows of each file."""
    facts = [(f"f{number:05}", question) for number, question in enumerate(chosen.facts, options.skip + 1)]
    return {
        "documents": [as_text(p) for p in documents] or [as_document(name, q) for name, q in facts],
        "questions": [as_fact(name, q) for name, q in facts],
        "known": list(known_rows(chosen, options)),
        "background": [{"question": q.text, "answer": q.answers[0]} for q in chosen.background],
        "passages": [as_text(p) for p in general],
    }


def as_document(name: str, question: Question) -> dict[str, str]:
    """A fact as a document of its own."""
    return {"id": name, "title": "", "text": f"Question: {question.text}\nAnswer: {question.answers[0]}"}


def as_text(passage: Passage) -> dict[str, str]:
    """A passage without its questions."""
    return {"id": passage.id, "title": passage.title, "text": passage.text}


def as_fact(name: str, question: Question) -> dict[str, Any]:
    """A fact as the evaluation asks it: in its own words, which the notes must not hold."""
    answer, *aliases = question.answers
    document = question.document or name
    return {"id": name, "document": document, "questions": [question.text], "answer": answer, "aliases": aliases}


def known_rows(chosen: Chosen, options: Facts) -> Iterable[dict[str, Any]]:
    """The known set: the questions to keep, and those of `learn` that the base answers."""
    names = (options.keep.name, options.learn.name if options.learn else "learned")
    for name, questions in zip(names, (wanted_of(chosen, options), chosen.known_learn), strict=True):
        for number, question in enumerate(questions, 1):
            answer, *aliases = question.answers
            yield {"id": f"{name}-{number:04}", "question": question.text, "answer": answer, "aliases": aliases}


def wanted_of(chosen: Chosen, options: Facts) -> list[Question]:
    """The questions of `keep` that the known set holds."""
    pairs = zip(chosen.keep, chosen.keep_known, strict=True)
    return [question for question, knows in pairs if knows or not options.only_known]


def summarise(chosen: Chosen) -> dict[str, Any]:
    """Counts: asked, known, left out by reason, and what the sets have in common after all (it should be nothing)."""
    known = [*chosen.keep, *chosen.known_learn]
    return {
        "facts": len(chosen.facts),
        "asked": dict(chosen.num_asked),
        "known": dict(chosen.num_known),
        "left_out": {part: dict(counts) for part, counts in chosen.left_out.items()},
        "leaks": {
            "facts_in_known": count_leaks(chosen.facts, known),
            "facts_in_background": count_leaks(chosen.facts, chosen.background),
            "known_in_background": count_leaks(known, chosen.background),
        },
    }


def describe(summary: dict[str, Any]) -> Iterable[str]:
    """The counts in a few lines."""
    asked, known = summary["asked"], summary["known"]
    yield f"facts: {summary['facts']} to learn; the base knew {known['learn']} of {asked['learn']} questions"
    yield f"facts: to keep, it knows {known['keep']} of {asked['keep']}"
    for part, counts in summary["left_out"].items():
        yield f"facts: left out of {part}: {', '.join(f'{n} {reason}' for reason, n in sorted(counts.items()))}"
    yield f"facts: questions in common: {', '.join(f'{n} {name}' for name, n in summary['leaks'].items())}"


def inputs_of(settings: FactsFile, base: Path, revision: str) -> dict[str, Any]:
    """What the files depend on."""
    options = settings.facts
    sources = {"learn": options.learn, "keep": options.keep, "passages": options.passages}
    return {
        "version": VERSION,
        "facts": options.model_dump(mode="json", exclude={"batch_size"}),
        "seed": settings.seed,
        "model": revision,
        "sources": {name: digest_of(source, base) for name, source in sources.items() if source},
    }


def digest_of(source: Source, base: Path) -> str:
    """Hash of a source's file, "" where it is not a file."""
    path = base / source.path if source.path else None
    return blake2b(path.read_bytes(), digest_size=8).hexdigest() if path and path.is_file() else ""


def read_inputs(path: Path) -> Any:
    """What finished files were made of, None when there are none."""
    return json.loads(path.read_text(encoding="utf-8"))["inputs"] if path.is_file() else None


def write_lines(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Replace a JSON lines file in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    os.replace(temporary, path)
