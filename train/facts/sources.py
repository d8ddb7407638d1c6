"""Reads questions with their answers, and passages with questions, from JSON lines or Hugging Face datasets."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augment.errors import DatasetError
from train.data import read_lines
from train.facts.settings import Source


@dataclass(frozen=True, slots=True)
class Question:
    """A question with all answers that count, the canonical one first where the source has one (`is_canonical`).

    `document` is the passage that it is about, "" for a question that stands alone.
    """

    text: str
    answers: tuple[str, ...]
    is_canonical: bool = False
    document: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A text with its title and its own questions."""

    id: str
    title: str
    text: str
    questions: tuple[Question, ...] = ()


def read_questions(source: Source, base: Path) -> list[Question]:
    """The questions of a source in its order; raises DatasetError for a row without a question or an answer."""
    return [parse_question(row, where) for where, row in read_rows(source, base)]


def read_passages(source: Source, base: Path) -> list[Passage]:
    """The passages of a source in its order; rows that ask about the same text (SQuAD's) are one."""
    texts: dict[str, tuple[str, list[Any]]] = {}
    for where, row in read_rows(source, base):
        text = row.get("text") or row.get("context")
        if not isinstance(text, str) or not text.strip():
            raise DatasetError(f"{where} has no text", "each passage needs a `text` (or `context`)")
        _, asked = texts.setdefault(text.strip(), (str(row.get("title", "")).replace("_", " "), []))
        asked += [(where, q) for q in row.get("questions", [row] if "question" in row else [])]
    passages = []
    for number, (text, (title, rows)) in enumerate(texts.items(), 1):
        name = f"p{number:05}"
        questions = tuple(parse_question(row, where, name) for where, row in rows)
        passages.append(Passage(name, title, text, questions))
    return passages


def read_rows(source: Source, base: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each row of a source with what to call its place in an error."""
    path = base / source.path if source.path else None
    if path is not None and (path.is_file() or source.dataset is None):
        yield from ((f"{path}:{i}", row) for i, row in enumerate(read_lines(path), 1))
        return
    yield from ((f"{source.dataset} row {i}", row) for i, row in enumerate(load_rows(source), 1))


def load_rows(source: Source) -> Iterable[Mapping[str, Any]]:
    """The rows of a Hugging Face dataset. Raises DatasetError when the library or the network is not there."""
    todo = f"download it, or give its questions as JSON lines at the source's path ({source.path or 'unset'})"
    try:
        from datasets import load_dataset
    except ImportError:
        raise DatasetError(f"the dataset {source.dataset} needs the package datasets", todo) from None
    try:
        rows: Iterable[Mapping[str, Any]] = load_dataset(source.dataset, source.config, split=source.split)
    except Exception as error:  # the library raises whatever its own do: connections, values, its own families
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:120]
        raise DatasetError(f"the dataset {source.dataset} cannot be read ({reason})", todo) from None
    return rows


def parse_question(row: Mapping[str, Any], where: str, document: str = "") -> Question:
    """A row's question and answers, in the forms of TriviaQA, NQ-open and SQuAD."""
    text = row.get("question")
    if not isinstance(text, str) or not text.strip():
        raise DatasetError(f"{where} has no question", "each line needs `question` and `answers`")
    found = row.get("answers", row.get("answer"))
    answers = list(dict.fromkeys(a.strip() for a in list_answers(found) if a.strip()))
    if not answers:
        raise DatasetError(f"{where} has no answers", "each line needs `question` and `answers` (a list of texts)")
    return Question(tidy(text), tuple(answers), isinstance(found, Mapping) and "value" in found, document)


def list_answers(found: Any) -> list[str]:
    """All answers: a text, a list, TriviaQA's value with aliases, or SQuAD's spans; what is no text is none."""
    if isinstance(found, Mapping):
        return [*list_answers([found.get("value")]), *list_answers(found.get("aliases", found.get("text")))]
    several = [found] if isinstance(found, str) else found if isinstance(found, list | tuple) else []
    return [answer for answer in several if isinstance(answer, str)]


def tidy(question: str) -> str:
    """One line, without the quotation marks that tables cut out of CSV leave around and inside it."""
    text = " ".join(question.split())
    if text.startswith('"') and text.endswith('"') and text.count('"') > 2:
        text = text[1:-1]
    text = text.replace('""', '"')
    return text if text.count('"') % 2 == 0 else text.replace('"', "")
