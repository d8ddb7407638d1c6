"""Reads question sets: our own JSON lines, the forms of SQuAD, NQ-open, TriviaQA, zsRE and CounterFact, a dataset.

Every row becomes one of our own: a fact (`id, document, cue, questions, answer, aliases, reversed, two_hop, choices`),
a general question (`id, question, answers`), or a prompt whose continuation is to stay (`id, set, prompt, answer`).
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from augment.errors import DatasetError, DocumentError
from augment.records import content_id
from train.config import QuestionSet
from train.data import read_lines

ASK = "nq question: "  # how MEND's zsRE file marks the questions that are to stay
FORMS = "a question and its answers, see docs/evaluation.md"


def read_set(source: str | QuestionSet, base: Path) -> list[dict[str, Any]]:
    """The rows of a set as they stand, at most `limit`. Raises DatasetError when there is none."""
    chosen = QuestionSet(path=source) if isinstance(source, str) else source
    rows = list(open_set(chosen, base))[: chosen.limit]
    if not rows:
        raise DatasetError(f"{chosen.path} holds no question", f"each row needs {FORMS}")
    return rows


def open_set(chosen: QuestionSet, base: Path) -> Iterator[dict[str, Any]]:
    """Rows of a dataset, of SQuAD's JSON file, or of JSON lines; passages with questions one by one."""
    if chosen.dataset is not None:
        yield from read_dataset(chosen, base)
    elif chosen.path.endswith(".json"):
        yield from read_squad_file(base / chosen.path)
    else:
        for row in read_lines(base / chosen.path):
            yield from split_passage(row)


def read_dataset(chosen: QuestionSet, base: Path) -> Iterator[dict[str, Any]]:
    """Rows of a Hugging Face dataset: a folder or a name on the Hub. The one place where `train` opens one."""
    try:
        from datasets.exceptions import DatasetsError

        from augment.documents.hub import open_dataset
    except ImportError:
        todo = "pip install datasets, or give a .jsonl file"
        raise DatasetError(f"{chosen.path} is a dataset, and `datasets` is not installed", todo) from None
    assert chosen.dataset is not None
    try:
        for number, row in enumerate(open_dataset(chosen.path, chosen.dataset, base)):
            if number == chosen.limit:
                return
            yield row
    except (OSError, ValueError, DatasetsError, DocumentError) as error:
        text = error.what if isinstance(error, DocumentError) else str(error)
        reason = next(iter(text.splitlines()), type(error).__name__)[:200]
        raise DatasetError(
            f"dataset {chosen.path} cannot be read ({reason})", "check its name, its `dataset.split` and the network"
        ) from None


def read_squad_file(path: Path) -> Iterator[dict[str, Any]]:
    """Questions of a file in SQuAD's own nesting; those without an answer (SQuAD 2.0) are left out."""
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        for article in articles:
            for paragraph in article["paragraphs"]:
                yield from ({**row, "title": article.get("title", "")} for row in paragraph["qas"] if row["answers"])
    except OSError:
        raise DatasetError(f"no file {path}", "paths are relative to the pipeline file") from None
    except (ValueError, KeyError, TypeError) as error:
        todo = "give SQuAD's nesting (data > paragraphs > qas), or JSON lines in a .jsonl file"
        raise DatasetError(f"{path} is not in SQuAD's form ({error})", todo) from None


def split_passage(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A passage's questions, each as a row of its own; any other row as it is."""
    questions = row.get("questions")
    if isinstance(questions, list) and questions and isinstance(questions[0], dict):
        yield from ({"title": row.get("title", ""), **question} for question in questions)
    else:
        yield row


def read_facts(source: str | QuestionSet, base: Path, documents: Sequence[str]) -> list[dict[str, Any]]:
    """Facts about these documents; one that names no document is about any of them."""
    facts = make_facts(source, base)
    places = {name: find_document(name, documents) for name in {fact["document"] for fact in facts}}
    found = [fact | {"document": place} for fact in facts if (place := places[fact["document"]]) is not None]
    if not found:
        raise DatasetError(f"{name_of(source, base)} asks nothing about the trained documents", "check `document`")
    return found


def make_facts(source: str | QuestionSet, base: Path) -> list[dict[str, Any]]:
    """All rows of a set as facts; a row that stands in it twice is asked once."""
    facts = [make_fact(row, name_of(source, base)) for row in read_set(source, base)]
    return list({(fact["id"], *fact["questions"]): fact for fact in facts}.values())


def make_fact(row: dict[str, Any], name: str) -> dict[str, Any]:
    """A row as a fact. Raises DatasetError when it asks nothing or has no answer."""
    questions = row.get("questions") or [row.get("question")]
    answers = answers_of(row)
    if not answers or not all(isinstance(question, str) and question.strip() for question in questions):
        raise DatasetError(f"{name}: {json.dumps(row, default=str)[:80]} is no question", f"each row needs {FORMS}")
    document = row.get("document", row.get("title") or "")
    fact = {"document": document, "cue": "", "reversed": None, "two_hop": None, "choices": []}
    fact |= {key: row[key] for key in fact if row.get(key) is not None}
    return fact | {"id": id_of(row, questions[0]), "questions": questions, "answer": answers[0], "aliases": answers[1:]}


def id_of(row: dict[str, Any], question: str) -> str:
    """The row's own id, or one made of the question and its answers: the same row has the same in any order."""
    given = next((row[key] for key in ("id", "question_id", "case_id") if row.get(key) not in (None, "")), None)
    return str(given) if given is not None else content_id(question, *answers_of(row))[:12]


def answers_of(row: dict[str, Any]) -> list[str]:
    """All answers that count, the main one first, each once: `answer` with `aliases`, a list, or a mapping of them."""
    found: list[str] = []
    for key in ("answer", "answers", "aliases"):
        found += flatten(row.get(key))
    return list(dict.fromkeys(text for text in found if text.strip()))


def flatten(value: Any) -> list[str]:
    """Texts of an answer in any of the usual forms: text, list, SQuAD's `text`, TriviaQA's `value` and `aliases`."""
    if isinstance(value, dict):
        return [text for key in ("value", "text", "aliases") for text in flatten(value.get(key))]
    if isinstance(value, list | tuple):
        return [text for item in value for text in flatten(item)]
    return [str(value)] if isinstance(value, str | int | float) and not isinstance(value, bool) else []


def find_document(name: str, documents: Sequence[str]) -> str | None:
    """The document of that id, or the only one whose file name is that title; "" for a fact about no certain one."""
    if name == "" or name in documents:
        return name
    same = [document for document in documents if plain(PurePosixPath(document).stem) == plain(name)]
    return same[0] if len(same) == 1 else None


def plain(title: str) -> str:
    """A title as it may stand in a file name."""
    return " ".join(title.replace("_", " ").replace("-", " ").casefold().split())


def read_known(source: str | QuestionSet, base: Path) -> list[dict[str, Any]]:
    """General questions."""
    facts = make_facts(source, base)
    return [{"id": f["id"], "question": f["questions"][0], "answers": [f["answer"], *f["aliases"]]} for f in facts]


def read_neighbours(source: str | QuestionSet, base: Path) -> list[dict[str, Any]]:
    """Prompts near the facts, or far from them, whose answers no training should change, under their file's name."""
    name = PurePosixPath(name_of(source, base)).stem
    rows = [make_neighbour(row, name) for row in read_set(source, base)]
    return list({row["id"]: row for row in rows}.values())


def make_neighbour(row: dict[str, Any], name: str) -> dict[str, Any]:
    """zsRE's `loc`, CounterFact's `locality_prompt`, or a `prompt` or `question` with its answer, if it has one."""
    if "loc" in row:
        prompt, answers = row["loc"].removeprefix(ASK).strip().rstrip("?") + "?", flatten(row.get("loc_ans"))
    elif "locality_prompt" in row:
        prompt, answers = row["locality_prompt"], flatten(row.get("locality_ground_truth"))
    else:
        prompt, answers = row.get("prompt") or row.get("question"), answers_of(row)
    if not isinstance(prompt, str) or not prompt.strip():
        todo = "each row needs a prompt (zsRE: loc, CounterFact: locality_prompt)"
        raise DatasetError(f"{name}: {json.dumps(row, default=str)[:80]} has no prompt", todo)
    answer = answers[0] if answers else ""
    return {"id": content_id(prompt)[:12], "set": name, "prompt": prompt.strip(), "answer": answer}


def name_of(source: str | QuestionSet, base: Path) -> str:
    """What messages call a set."""
    path = source if isinstance(source, str) else source.path
    return str(base / path) if (base / path).exists() else path
