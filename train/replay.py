"""Reads the general text that is replayed: background passages or questions, files, or a dataset by name."""

from pathlib import Path

from augment.documents import iterate_documents
from augment.errors import DatasetError, DocumentError
from augment.records import Document
from train.config import Data
from train.data import read_lines

MAX_TEXTS = 1000  # of a source that says no limit: a dataset by name may be all of Wikipedia


def replay_texts(options: Data, base: Path) -> list[str]:
    """The texts to replay, in the source's order. Raises DatasetError when there are none."""
    if options.replay_from == "questions":
        return named_questions(options, base)
    if options.replay_from is None:
        return [row["text"] for row in read_lines(base / options.passages, "text")[: options.num_background]]
    source = options.replay_from.model_copy(update={"limit": options.replay_from.limit or MAX_TEXTS})
    try:
        found = [item for item in iterate_documents(source, base) if isinstance(item, Document)]
    except DocumentError as error:
        todo = error.todo.replace("augment.documents", "train.data.replay_from")
        raise DatasetError(f"nothing to replay: {error.what}", todo) from None
    return [document.text for document in found]


def named_questions(options: Data, base: Path) -> list[str]:
    """The background questions, as asked for. Raises DatasetError when there are none."""
    texts = question_texts(options, base)
    if not texts:
        raise DatasetError(f"nothing to replay: {base / options.questions} is empty", "see train.data.replay_from")
    return texts


def question_texts(options: Data, base: Path) -> list[str]:
    """The background questions, each with its answer, in the form in which questions are asked."""
    rows = read_lines(base / options.questions, "question", "answer")
    return [f"Question: {row['question']}\nAnswer: {row['answer']}" for row in rows]
