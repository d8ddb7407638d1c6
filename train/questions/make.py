"""Turns the documents of a pipeline file into a file of questions about them, as `evaluate.facts` reads it."""

import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from augment.chunks import split_document
from augment.config import AugmentFile
from augment.documents import iterate_documents
from augment.engines.base import check_engine, name_model
from augment.engines.registry import ENGINES, start_engine
from augment.errors import ConfigError, DatasetError
from augment.models import ModelFolder, find_model
from augment.plan import find_tokenizer, token_counter
from augment.records import Chunk, Document
from augment.strategies.base import Ask
from augment.templates import load_template
from train.questions.draft import TEMPLATES, Drafting, Drafts, Fact, draft_all

CONCURRENCY = 64  # chunks at once


def make_questions(
    settings: AugmentFile, base: Path, to: Path, options: Drafting, replace: bool, say: Callable[[str], None]
) -> Path:
    """Write the file whole or not at all, and say what became of the drafts.

    Raises ConfigError when it is there already, DatasetError when no question passed.
    """
    if to.exists() and not replace:
        raise ConfigError(f"{to} is there already", "give another --to, or --replace")
    check_engine(settings.augment.engine)
    model = find_model(settings.model) if ENGINES[settings.augment.engine.kind].needs_model else None
    chunks = read_chunks(settings, base, model)
    say(f"{len(chunks)} chunks of {len({chunk.document_id for chunk in chunks})} documents")
    drafts = asyncio.run(ask_engine(settings, base, model, chunks, options))
    say(describe(drafts))
    if not drafts.facts:
        raise DatasetError("no question passed the checks", "let a bigger model write them (augment.engine)")
    writer, _ = name_model(settings.augment.engine, model)
    write_lines(to, list_records(drafts.facts, writer or settings.augment.engine.kind))
    say(f"{len(drafts.facts)} facts: {to}")
    return to


def read_chunks(settings: AugmentFile, base: Path, model: ModelFolder | None) -> list[Chunk]:
    """The chunks of all documents that can be read. Raises DatasetError when there is none."""
    count = token_counter(find_tokenizer(settings.augment, model))
    documents = [d for d in iterate_documents(settings.augment.documents, base) if isinstance(d, Document)]
    chunks = [chunk for d in documents for chunk in split_document(d, settings.augment.chunks, count)]
    if not chunks:
        raise DatasetError(f"no document in {settings.augment.documents.path}", "see `augment plan` on the file")
    return chunks


async def ask_engine(
    settings: AugmentFile, base: Path, model: ModelFolder | None, chunks: Sequence[Chunk], options: Drafting
) -> Drafts:
    """Start the engine, draft, end it."""
    folder = base / settings.augment.prompts if settings.augment.prompts else None
    templates = {name: load_template(name, folder) for name in TEMPLATES}
    engine = start_engine(settings.augment.engine, model, settings.seed)
    try:
        return await draft_all(chunks, Ask(engine, settings.augment.sampling, templates), options, CONCURRENCY)
    finally:
        await engine.close()


def describe(drafts: Drafts) -> str:
    """How many drafts were kept, and why the others were not."""
    facts = drafts.facts
    reworded, turned = sum(len(fact.reworded) for fact in facts), sum(fact.reversed is not None for fact in facts)
    joined = sum(fact.two_hop is not None for fact in facts)
    kept = f"of {drafts.num_pairs} pairs {len(facts)} kept, with {reworded} rewordings, {turned} turned round"
    reasons = ", ".join(f"{number} {reason}" for reason, number in drafts.rejected.most_common())
    return f"{kept}, {joined} over two hops; rejected: {reasons or 'none'}"


def list_records(facts: Sequence[Fact], writer: str) -> list[dict[str, Any]]:
    """Facts as lines of a question set, numbered within their documents."""
    numbers: Counter[str] = Counter()
    records = []
    for fact in facts:
        document = fact.chunk.document_id
        numbers[document] += 1
        records.append(record_fact(fact, f"{name_document(document)}-{numbers[document]}", writer))
    return records


def name_document(document: str) -> str:
    """A document in a fact's id: its file's name without the ending, its row if it is one."""
    path, _, row = document.partition("#")
    return PurePosixPath(path).stem + (f"-{row}" if row else "")


def record_fact(fact: Fact, name: str, writer: str) -> dict[str, Any]:
    """One line; `source` is the span of the document that tells it, `written_by` the model."""
    return {
        "id": name,
        "document": fact.chunk.document_id,
        "cue": fact.cue,
        "questions": [fact.question, *fact.reworded],
        "answer": fact.answer,
        "aliases": [],
        "reversed": name_pair(fact.reversed),
        "two_hop": name_pair(fact.two_hop),
        "source": {"start": fact.chunk.start, "end": fact.chunk.end},
        "written_by": writer,
    }


def name_pair(pair: tuple[str, str] | None) -> dict[str, str] | None:
    """Question and answer under their names."""
    return {"question": pair[0], "answer": pair[1]} if pair else None


def write_lines(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Write JSON lines whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)
        Path(name).chmod(0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
