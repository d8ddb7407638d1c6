"""Lets a model grade recorded answers as SimpleQA does, and says how far its verdicts agree with exact match.

Three verdicts (Wei et al. 2411.04368): CORRECT, the answer holds the expected one and contradicts none of it;
INCORRECT, it says something else; NOT_ATTEMPTED, it says neither. A verdict is the word that a reply begins with, and
nothing else is one. What is judged is the record of an evaluation, so that another judge needs no new answers.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from augment.engines.base import Engine, Sampling, check_engine, name_model
from augment.engines.registry import ENGINES, start_engine
from augment.errors import ConfigError, DeadEngineError, EngineError, StoppedError
from augment.escape import clean_line
from augment.json_file import write_json
from augment.models import ModelFolder, find_model
from augment.records import content_id
from augment.templates import Template, load_template
from train.config import Judge
from train.evaluate.base import RECORD
from train.grid import BASE
from train.stage import Say, Stage

TEMPLATE, JUDGED = "judge_answer", "judge.json"
VERDICTS = ("correct", "incorrect", "not_attempted")
UNPARSED = "unparsed"
VERDICT = re.compile(r"\A[\s*\"'`(]*(correct|incorrect|not[_ ]attempted)\b", re.IGNORECASE)
MAX_ANSWER_CHARS = 1000

Key = tuple[str, str, str]  # question, expected, answer


def judge_runs(stage: Stage, say: Say) -> None:
    """Grade the answers of base and runs that were not graded by this judge; `judge.json` stands beside each record.

    Raises EngineError when the judge says nothing that can be read.
    """
    judge = stage.settings.evaluate.judge
    if judge is None:
        return
    template = load_template(TEMPLATE)
    folders = [stage.runs / BASE, *(stage.folder(cell) for cell in stage.cells)]
    todo = {folder: read_answers(folder, judge) for folder in folders}
    todo = {folder: asked for folder, asked in todo.items() if stale_verdicts(folder, asked, template, judge)}
    if not todo:
        return
    keys = list(dict.fromkeys(key_of(answer) for asked in todo.values() for answer in asked))
    say(f"judge: {len(keys)} answers of {len(todo)} runs")
    verdicts = dict(zip(keys, asyncio.run(grade_all(keys, judge, template, stage.settings.seed)), strict=True))
    for folder, asked in todo.items():
        write_verdicts(folder, asked, [verdicts[key_of(answer)] for answer in asked], template, judge)


def read_answers(folder: Path, judge: Judge) -> list[dict[str, Any]]:
    """The answers of a run that are to be graded."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return [answer for answer in record["answers"] if answer["kind"] in judge.kinds]


def key_of(answer: dict[str, Any]) -> Key:
    """What a verdict depends on; no line end in it, so that an answer cannot write a prompt of its own."""
    texts = answer["prompt"], " / ".join(answer["expected"]), answer["answer"]
    question, expected, given = (clean_line(text)[:MAX_ANSWER_CHARS] for text in texts)
    return question, expected, given


def stale_verdicts(folder: Path, asked: Sequence[dict[str, Any]], template: Template, judge: Judge) -> bool:
    """Whether these answers were not graded yet, or by another judge."""
    path = folder / JUDGED
    if not path.is_file():
        return True
    return bool(json.loads(path.read_text(encoding="utf-8")).get("inputs") != fingerprint(asked, template, judge))


def fingerprint(asked: Sequence[dict[str, Any]], template: Template, judge: Judge) -> str:
    """Hash of answers, prompt and judge."""
    return content_id(template.hash, judge.model_dump_json(), json.dumps([key_of(answer) for answer in asked]))


async def grade_all(keys: Sequence[Key], judge: Judge, template: Template, seed: int) -> list[str]:
    """The verdict on each answer; an empty one was not attempted, nobody needs to be asked."""
    check_engine(judge.engine)
    asked = [key for key in keys if key[2]]
    if not asked:
        return ["not_attempted"] * len(keys)
    engine = start_engine(judge.engine, find_judge(judge), seed)
    room = asyncio.Semaphore(judge.concurrency)

    async def grade(key: Key) -> str:
        async with room:
            return await grade_answer(engine, template, judge.max_tokens, key)

    try:
        found = dict(zip(asked, await asyncio.gather(*map(grade, asked)), strict=True))
    finally:
        await engine.close()
    if set(found.values()) == {UNPARSED}:
        raise EngineError("the judge gave no verdict that could be read", "take a bigger model for evaluate.judge")
    return [found.get(key, "not_attempted") for key in keys]


def find_judge(judge: Judge) -> ModelFolder | None:
    """The judge's model where its engine needs one. Raises ConfigError when the file names none."""
    if not ENGINES[judge.engine.kind].needs_model:
        return None
    if judge.model is None:
        raise ConfigError("evaluate.judge has an engine that needs a model", "set evaluate.judge.model")
    return find_model(judge.model)


async def grade_answer(engine: Engine, template: Template, max_tokens: int, key: Key) -> str:
    """One verdict, greedy."""
    question, expected, answer = key
    messages = template.render(question=question, expected=expected, answer=answer)
    try:
        reply = await engine.generate(messages, Sampling(temperature=0, max_tokens=max_tokens))
    except (StoppedError, DeadEngineError):
        raise
    except EngineError:
        return UNPARSED
    return read_verdict(reply.text)


def read_verdict(text: str) -> str:
    """The verdict with which a reply begins; a word in the middle of other talk is none."""
    match = VERDICT.match(text)
    return match[1].lower().replace(" ", "_") if match else UNPARSED


def write_verdicts(
    folder: Path, asked: Sequence[dict[str, Any]], verdicts: Sequence[str], template: Template, judge: Judge
) -> None:
    """Write `judge.json`: counts, agreement with exact match, and each verdict."""
    right = [bool(answer["em"]) for answer in asked]
    model, _ = name_model(judge.engine, find_judge(judge))
    record = {
        "model": model or judge.engine.kind,
        "inputs": fingerprint(asked, template, judge),
        **summarise_verdicts(verdicts, right),
        "answers": [
            {key: answer[key] for key in ("kind", "id", "prompt")} | {"verdict": verdict}
            for answer, verdict in zip(asked, verdicts, strict=True)
        ],
    }
    write_json(record, folder / JUDGED)


def summarise_verdicts(verdicts: Sequence[str], right: Sequence[bool]) -> dict[str, Any]:
    """Counts by verdict, and over those that could be read: how often `correct` is exact match, and Cohen's kappa."""
    counts = Counter(verdicts)
    pairs = [(v == "correct", em) for v, em in zip(verdicts, right, strict=True) if v != UNPARSED]
    agreement = sum(said == em for said, em in pairs) / len(pairs) if pairs else 0.0
    names = (*VERDICTS, UNPARSED)
    return {
        "n": len(verdicts),
        "verdicts": {name: counts[name] for name in names},
        "agreement": agreement,
        "kappa": measure_kappa(pairs),
    }


def measure_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Agreement beyond chance (J. Cohen 1960), 1 for full; None where chance alone agrees always, or of nothing."""
    if not pairs:
        return None
    said, is_right = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    observed = sum(a == b for a, b in pairs) / len(pairs)
    expected = said * is_right + (1 - said) * (1 - is_right)
    return None if expected == 1 else (observed - expected) / (1 - expected)
