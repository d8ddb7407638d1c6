"""Turns a comparison into `report.json`: every figure of the report, unrounded, for programs to read."""

import json
from dataclasses import asdict
from typing import Any

from train.report.bootstrap import Difference
from train.report.compare import Change, MethodSummary, RunComparison
from train.report.contents import Contents
from train.report.differences import Pair
from train.report.estimates import estimate, estimate_change, share_interval
from train.report.matched import MatchedLearning
from train.report.matched_pairs import MatchedPair
from train.report.material import count_leaks, list_untold
from train.report.results import PHRASINGS, Fluency, RunResult
from train.report.samples import choose_samples
from train.report.streams import record_stream
from train.report.sums import Read, read_answer_nll, read_f1, read_kept, read_kind, read_kl, read_locality, read_loss
from train.report.wording import write_headline

SCHEMA_VERSION = 3
SPREADS = (
    "known_f1", "lost", "gained", "nll", "nll_change", "perplexity", "perplexity_change",
    "tokens_trained", "train_sec", "trainable_parameters",
)  # fmt: skip


def render_record(contents: Contents) -> str:
    """JSON in ASCII, so that no text in it fails to be written; `report.schema.json` says what stands where."""
    comparison, base = contents.comparison, contents.comparison.base
    record = {
        "schema_version": SCHEMA_VERSION,
        "title": contents.title,
        "headline": write_headline(comparison),
        "model": base.model,
        "model_revision": base.model_revision,
        "base": base.run,
        "notes": asdict(contents.notes) if contents.notes else None,
        "methods": [_record_method(method, base, comparison.localities) for method in comparison.methods],
        "runs": [_record_run(run) for run in comparison.runs],
        "differences": [_record_pair(pair) for pair in contents.pairs],
        "matched_learning": _record_matched(contents.matched) if contents.matched else None,
        "facts": [asdict(fact) for fact in contents.material.facts],
        "facts_in_no_kept_note": [fact.id for fact in list_untold(contents.material)],
        "leakage": count_leaks(comparison, contents.material) | {"questions": sorted(contents.material.leaked)},
        "samples": {
            "learned": _record_samples([change for run in comparison.runs for change in run.learned]),
            "lost": _record_samples([change for run in comparison.runs for change in run.lost]),
        },
    }
    return json.dumps(record, indent=2, allow_nan=False) + "\n"


def _record_method(method: MethodSummary, base: RunResult, localities: dict[str, int]) -> dict[str, Any]:
    recall = {
        phrasing: {
            "em": asdict(method.recall_em[phrasing]),
            "em_interval": share_interval(method, base, read_kind(phrasing)),
            "f1": asdict(method.recall_f1[phrasing]),
            "n": method.num_questions(phrasing),
        }
        for phrasing in PHRASINGS
    }
    return {
        "label": method.label,
        "method": method.runs[0].result.method,
        "runs": [run.result.run for run in method.runs],
        "recall": recall,
        "kept": asdict(method.kept),
        "kept_interval": share_interval(method, base, read_kept),
        "num_known": method.num_known,
        **{name: asdict(getattr(method, name)) for name in SPREADS},
        "kl": asdict(method.kl) if method.kl else None,
        "answer_nll": asdict(method.answer_nll) if method.answer_nll else None,
        "unchanged": {name: _record_unchanged(method, base, name, n) for name, n in localities.items()},
        "intervals": list_intervals(method, base),
    }


def _record_unchanged(method: MethodSummary, base: RunResult, name: str, n: int) -> dict[str, Any]:
    return asdict(method.unchanged[name]) | {"interval": share_interval(method, base, read_locality(name)), "n": n}


def list_intervals(method: MethodSummary, base: RunResult) -> dict[str, tuple[float, float] | None]:
    """Bootstrapped 95 % intervals of means that are no shares of questions; None where nobody recorded the parts."""
    readers: dict[str, Read] = {"known_f1": read_f1("known"), "nll": read_loss, "kl": read_kl}
    readers |= {"answer_nll": read_answer_nll} | {f"{phrasing}_f1": read_f1(phrasing) for phrasing in PHRASINGS}
    found = {name: estimate(method, base, read) for name, read in readers.items()}
    found["nll_difference"] = estimate_change(method, base, read_loss)
    return {name: (value.low, value.high) if value else None for name, value in found.items()}


def _record_run(run: RunComparison) -> dict[str, Any]:
    result = run.result
    return {
        "run": result.run,
        "method": result.method,
        "label": run.label,
        "seed": result.seed,
        "settings": result.settings,
        "tokens_trained": result.tokens_trained,
        "train_sec": result.train_sec,
        "trainable_parameters": result.trainable_parameters,
        "learning": {phrasing: asdict(result.recall(phrasing)) for phrasing in PHRASINGS},
        "retention": asdict(result.retention),
        "general": {name: getattr(result.general, name) for name in ("nll", "perplexity", "kl", "num_tokens")},
        "perplexity_change": run.perplexity_change,
        "nll_change": run.nll_change,
        "num_learned": len(run.learned),
        "num_lost": len(run.lost),
        "num_gained": len(run.gained),
        "known_lost": [change.id for change in run.lost],
        "known_gained": [change.id for change in run.gained],
        "transition_p": run.transition_p,
        "fluency": {kind: _record_fluency(figures) for kind, figures in result.fluency.items()},
        "judge": asdict(result.judged) if result.judged else None,
        "stream": record_stream(result.stream) if result.stream else None,
        "lm_eval": [asdict(score) for score in result.task_scores],
    }


def _record_matched(matched: MatchedLearning) -> dict[str, Any]:
    record = asdict(matched) | {"differences": [_record_matched_pair(pair) for pair in matched.differences]}
    for method in record["methods"]:
        for point in [*method["front"], *(point for path in method["paths"] for point in path)]:
            point.pop("parts", None)
    return record


def _record_matched_pair(pair: MatchedPair) -> dict[str, Any]:
    return {"first": pair.first, "second": pair.second, "kept": [_record_difference(found) for found in pair.kept]}


def _record_difference(found: Difference) -> dict[str, Any]:
    return asdict(found) | {"is_clear": found.is_clear}


def _record_fluency(figures: Fluency) -> dict[str, float]:
    return {"repeated": figures.repeated, "num_words": figures.num_words, "n": figures.n}


def _record_pair(pair: Pair) -> dict[str, Any]:
    figures = {key: _record_difference(d) for key, d in pair.differences.items() if d}
    return {"first": pair.first, "second": pair.second, "figures": figures}


def _record_samples(changes: list[Change]) -> dict[str, Any]:
    return {"total": len(changes), "shown": [asdict(change) for change in choose_samples(changes)]}
