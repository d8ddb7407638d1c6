"""Teaches invented people to a model by each method and measures what it learned and what it forgot.

    python benchmarks/invented_people.py --seeds 0,1,2
    python benchmarks/invented_people.py --method memory --facts 480 --epochs 4

Recall is the share of facts whose answer is the likeliest of its 12 candidates (chance 0.083), by next-token
probability after two phrasings that were never trained. The known set is the TriviaQA questions that the base model
answers exactly (3-shot, greedy); general NLL is that of SQuAD passages. Background texts are disjoint from both.
The whole table goes to docs/results/, the last line printed is one JSON object.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from facts import Fact
from people import invent_facts
from pydantic import ValidationError
from squad import read_facts

from train.config import Data, Train
from train.data import Batch, Corpus, Sample, encode_windows, group_by_tokens, pad
from train.evaluate.answers import complete, question_prompt
from train.evaluate.likelihood import measure_likelihood
from train.evaluate.score import exact_match
from train.loop import Trained, train_method
from train.memory.attach import fit_background
from train.methods.base import Method
from train.methods.memory import MemoryMethod
from train.methods.options import OPTIONS, Methods
from train.methods.registry import start_method
from train.model import Loaded, autocast_of, load_model
from train.recurring import mark_recurring

Show = Callable[[int, int, float, float], None]
DATA = Path(__file__).parents[2] / "shared" / "data"
RESULTS = Path(__file__).parent.parent / "docs" / "results"
NUM_QUESTIONS, NUM_BACKGROUND_QUESTIONS = 1200, 1600
NUM_BACKGROUND_PASSAGES, NUM_HELD_OUT_PASSAGES = 200, 32
HELD_OUT_FROM, FACTS_FROM = 1000, 500
TOKENS_PER_BATCH = 320


@dataclass(frozen=True, slots=True)
class General:
    """What the model must keep: questions it answers, and text; and the background that stands for both."""

    known: list[dict[str, Any]]
    held_out: list[Batch]
    passages: list[Batch]
    questions: list[Batch]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_general(args: argparse.Namespace, loaded: Loaded) -> General:
    """Questions, passages and background in the split that all methods and seeds share."""
    background = read_background(args.data, loaded, args.background_questions, args.background_passages)
    asked = read_lines(args.data / "triviaqa_test_dev.jsonl")[:NUM_QUESTIONS]
    return replace(background, known=still_known(loaded, still_known(loaded, asked)))


def still_known(loaded: Loaded, asked: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The questions that the model answers exactly. A batch's other questions can decide one of a hundred by bf16
    rounding, so the known set is asked once more by itself: in the very batches in which all methods are asked it."""
    return [q for q, right in zip(asked, answered(loaded, asked), strict=True) if right]


def read_background(
    data: Path,
    loaded: Loaded,
    num_questions: int = NUM_BACKGROUND_QUESTIONS,
    num_passages: int = NUM_BACKGROUND_PASSAGES,
) -> General:
    """All but the known set, which takes a model's answers to find."""
    trivia = read_lines(data / "triviaqa_test_dev.jsonl")
    passages = [row["text"] for row in shuffled_passages(data)]
    others = trivia[NUM_QUESTIONS : NUM_QUESTIONS + num_questions]
    pairs = [f"Question: {q['question']}\nAnswer: {q['answers'][0]}" for q in others]
    return General(
        known=[],
        held_out=batches(loaded, passages[HELD_OUT_FROM : HELD_OUT_FROM + NUM_HELD_OUT_PASSAGES]),
        passages=batches(loaded, passages[:num_passages]),
        questions=batches(loaded, pairs),
    )


def batches(loaded: Loaded, texts: list[str]) -> list[Batch]:
    """Texts as batches of a training batch's size."""
    return [pad(group) for group in group_by_tokens(encode_windows(texts, loaded.tokenizer, 256), TOKENS_PER_BATCH)]


def answered(loaded: Loaded, questions: Sequence[dict[str, Any]]) -> list[bool]:
    """Which questions the model answers exactly."""
    texts = complete(loaded, [question_prompt(q["question"]) for q in questions], max_new_tokens=10, batch_size=64)
    return [bool(exact_match(text, q["answers"])) for text, q in zip(texts, questions, strict=True)]


@torch.no_grad()
def measure_recall(loaded: Loaded, facts: Sequence[Fact]) -> dict[str, float]:
    """Share of the facts whose answer is the likeliest candidate, for each held-out phrasing."""
    right = dict.fromkeys(facts[0].asked(), 0)
    for form in right:
        logits = next_token_logits(loaded, [fact.asked()[form] for fact in facts])
        for row, fact in zip(logits, facts, strict=True):
            tokens = [first_token(loaded, candidate) for candidate in fact.candidates]
            right[form] += fact.candidates[int(row[tokens].argmax())] == fact.answer
    return {form: count / len(facts) for form, count in right.items()}


def first_token(loaded: Loaded, answer: str) -> int:
    """The token with which an answer goes on after a prompt."""
    return int(loaded.tokenizer(f" {answer}", add_special_tokens=False).input_ids[0])


def next_token_logits(loaded: Loaded, prompts: Sequence[str], batch_size: int = 48) -> torch.Tensor:
    """Logits (B, V) after each prompt."""
    rows = []
    for at in range(0, len(prompts), batch_size):
        batch = pad([Sample(loaded.tokenizer(prompt).input_ids) for prompt in prompts[at : at + batch_size]])
        with autocast_of(loaded.network):
            logits = loaded.network(
                input_ids=batch.ids.to(loaded.device), attention_mask=batch.mask.long().to(loaded.device)
            ).logits
        rows.append(logits[torch.arange(len(batch.ids)), batch.mask.sum(1) - 1].float().cpu())
    return torch.cat(rows)


def make_corpus(loaded: Loaded, facts: Sequence[Fact], answers_only: bool) -> Corpus:
    """All training phrasings. With `answers_only` the loss is on the answer's tokens alone.

    What comes after the answer is then cut off, and phrasings that give it before the subject are left out: there it
    cannot be told.
    """
    samples = []
    for fact, text in [(each, text) for each in facts for text in each.told()]:
        begin = text.rindex(fact.answer)
        if answers_only and begin > text.index(fact.subject):
            stop = begin + len(fact.answer)
            encoded = loaded.tokenizer(text[:stop], return_offsets_mapping=True)
            learn = [end > begin for _, end in encoded.offset_mapping]
            samples.append(Sample(list(encoded.input_ids), learn, document=fact.thing))
        elif not answers_only:
            samples.append(Sample(list(loaded.tokenizer(text).input_ids), document=fact.thing))
    return Corpus(notes=mark_recurring(samples), replay=[], documents=[])


def train_people(
    loaded: Loaded, method: Method, facts: Sequence[Fact], epochs: int, answers_only: bool, seed: int, show: Show
) -> Trained:
    """Train the facts' phrasings; `show` follows along."""
    corpus = make_corpus(loaded, facts, answers_only)
    data = Data(passages="", questions="", replay_share=0, tokens_per_batch=TOKENS_PER_BATCH, packing="shuffled")
    settings = Train(methods=Methods(), data=data, epochs=epochs)
    return train_method(loaded.network, method, corpus, settings, seed, Path("/dev/null"), show)


def run_once(
    loaded: Loaded, options: Any, facts: Sequence[Fact], general: General, args: Any, seed: int
) -> dict[str, Any]:
    """Train one method with one seed and measure it."""
    started = time.monotonic()
    method = start_method(loaded.network, options, seed)
    if isinstance(method, MemoryMethod):
        prepare(loaded, method, facts, general, args.answers_only)
    prepared = time.monotonic() - started
    trained = train_people(loaded, method, facts, args.epochs, args.answers_only, seed, lambda *_: None)
    return measure(loaded, facts, general) | {
        "seed": seed,
        "loss": round(trained.loss, 4),
        "train_sec": round(trained.seconds, 1),
        "prepare_sec": round(prepared, 1),
    }


def prepare(
    loaded: Loaded, method: MemoryMethod, facts: Sequence[Fact], general: General, answers_only: bool = True
) -> None:
    """Fit a memory to the background and to what is told."""
    notes = make_corpus(loaded, facts, answers_only).notes if method.options.keys == "notes" else []
    batches = [pad(group) for group in group_by_tokens(notes, TOKENS_PER_BATCH)]
    fit_background(loaded.network, method.memories, general.passages, general.questions, batches, method.options)


def measure(loaded: Loaded, facts: Sequence[Fact], general: General) -> dict[str, float]:
    """Recall, share of the known set, general NLL."""
    recall = {f"recall_{form}": round(share, 3) for form, share in measure_recall(loaded, facts).items()}
    kept = answered(loaded, general.known)
    return recall | {
        "known_kept": round(sum(kept) / len(kept), 4),
        "nll": round(measure_likelihood(loaded, general.held_out).nll, 4),
    }


def read_options(name: str, overrides: Sequence[str]) -> Any:
    """The method's options with `method.key=value` overrides."""
    kind: Any = OPTIONS[name]
    changed = dict(part.removeprefix(f"{name}.").split("=", 1) for part in overrides if part.startswith(f"{name}."))
    try:
        return kind.model_validate({key: json.loads(value) for key, value in changed.items()})
    except ValidationError as error:
        fault = error.errors()[0]
        where = f"{name}.{fault['loc'][0]}"
        raise SystemExit(f"error: --set {where}: {fault['msg']}; see train/methods/options.py") from None


def choose_facts(args: argparse.Namespace, loaded: Loaded) -> Sequence[Fact]:
    """What is taught: invented people, or SQuAD passages that are neither background nor held out."""
    if args.about == "people":
        return invent_facts(args.facts)
    return read_facts(shuffled_passages(args.data)[FACTS_FROM:], args.facts, lambda answer: first_token(loaded, answer))


def shuffled_passages(data: Path) -> list[dict[str, Any]]:
    """All passages in the order in which they are given out."""
    passages = read_lines(data / "squad_passages.jsonl")
    random.Random(5).shuffle(passages)
    return passages


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", action="append", choices=[*OPTIONS], help="repeatable; all unless given")
    parser.add_argument("--about", default="people", choices=["people", "squad"], help="what the facts are about")
    parser.add_argument("--name", default="invented_people", help="of the file in docs/results")
    parser.add_argument("--facts", type=int, default=48)
    parser.add_argument("--seeds", default="0", help="comma separated")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--answers-only", action=argparse.BooleanOptionalAction, default=True, help="where the loss is")
    parser.add_argument("--background-questions", type=int, default=NUM_BACKGROUND_QUESTIONS)
    parser.add_argument("--background-passages", type=int, default=NUM_BACKGROUND_PASSAGES)
    parser.add_argument("--set", action="append", default=[], metavar="METHOD.KEY=VALUE")
    args = parser.parse_args()
    check_data(parser, args.data)
    return args


def check_data(parser: argparse.ArgumentParser, folder: Path) -> None:
    """End with one line when the questions and passages are not there."""
    for name in ("triviaqa_test_dev.jsonl", "squad_passages.jsonl"):
        if not (folder / name).is_file():
            parser.error(f"no file {folder / name}; give its folder with --data")


def main() -> None:
    """Measure the base, then each method with each seed."""
    args = parse_arguments()
    loaded = load_model(args.model)
    try:
        facts = choose_facts(args, loaded)
    except ValueError as error:
        raise SystemExit(f"error: {error}; give fewer --facts") from None
    general = read_general(args, loaded)
    base = measure(loaded, facts, general)
    print(f"base {json.dumps(base | {'num_known': len(general.known)})}", flush=True)
    rows = []
    for name in args.method or OPTIONS:
        options = read_options(name, args.set)
        for seed in map(int, args.seeds.split(",")):
            row = run_once(load_model(args.model), options, facts, general, args, seed)
            rows.append({"method": name} | row | {"nll_ratio": round(row["nll"] / base["nll"], 5)})
            print(json.dumps(rows[-1]), flush=True)
    write_results(args, base | {"num_known": len(general.known)}, rows)


def write_results(args: argparse.Namespace, base: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """The whole table to a file, the means by method to the last line."""
    recalls = [figure for figure in base if figure.startswith("recall_")]
    figures = (*recalls, "known_kept", "nll_ratio", "train_sec")
    methods = {
        name: {f: round(statistics.mean(r[f] for r in rows if r["method"] == name), 4) for f in figures}
        for name in dict.fromkeys(r["method"] for r in rows)
    }
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items() if k != "data"}
    summary = {"num_facts": args.facts, "seeds": args.seeds, "base": base, "methods": methods}
    RESULTS.mkdir(parents=True, exist_ok=True)
    whole = json.dumps(summary | {"settings": settings, "rows": rows}, indent=2)
    (RESULTS / f"{args.name}.json").write_text(f"{whole}\n", encoding="utf-8")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
