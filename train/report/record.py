"""Turns a comparison into `report.json`: every figure of the report, unrounded, for programs to read."""

import json
from dataclasses import asdict
from typing import Any

from train.report.compare import Change, Comparison, MethodSummary, RunComparison
from train.report.intervals import wilson_interval
from train.report.results import PHRASINGS, NoteCounts
from train.report.samples import choose_samples
from train.report.wording import write_headline

SCHEMA_VERSION = 1
SPREADS = (
    "known_f1", "lost", "gained", "nll", "nll_change", "perplexity", "perplexity_change",
    "tokens_trained", "train_sec", "trainable_parameters",
)  # fmt: skip


def render_record(comparison: Comparison, title: str, notes: NoteCounts) -> str:
    """JSON in ASCII, so that no text in it fails to be written; `schema_version` grows when a key changes."""
    base = comparison.base
    record = {
        "schema_version": SCHEMA_VERSION,
        "title": title,
        "headline": write_headline(comparison),
        "model": base.model,
        "model_revision": base.model_revision,
        "base": base.run,
        "notes": asdict(notes),
        "methods": [_record_method(method) for method in comparison.methods],
        "runs": [_record_run(run) for run in comparison.runs],
        "samples": {
            "learned": _record_samples([change for run in comparison.runs for change in run.learned]),
            "lost": _record_samples([change for run in comparison.runs for change in run.lost]),
        },
    }
    return json.dumps(record, indent=2, allow_nan=False) + "\n"


def _record_method(method: MethodSummary) -> dict[str, Any]:
    recall = {
        phrasing: {
            "em": asdict(method.recall_em[phrasing]),
            "em_interval": wilson_interval(method.recall_em[phrasing].mean, method.num_questions(phrasing)),
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
        "kept_interval": wilson_interval(method.kept.mean, method.num_known),
        "num_known": method.num_known,
        **{name: asdict(getattr(method, name)) for name in SPREADS},
    }


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
        "learning": {phrasing: asdict(recall) for phrasing, recall in result.learning.items()},
        "retention": asdict(result.retention),
        "general": asdict(result.general),
        "perplexity_change": run.perplexity_change,
        "nll_change": run.nll_change,
        "num_learned": len(run.learned),
        "num_lost": len(run.lost),
        "num_gained": len(run.gained),
    }


def _record_samples(changes: list[Change]) -> dict[str, Any]:
    return {"total": len(changes), "shown": [asdict(change) for change in choose_samples(changes)]}
