"""The sentences of the report: its headline, and how its figures are to be read."""

from train.report.compare import Comparison, MethodSummary, RunComparison
from train.report.tables import write_signed

MAX_HEADLINE_METHODS = 4
READING = (
    (
        "A cue is phrased as in the training text; held-out and reversed questions ask for the same facts "
        "in words that were not trained on. EM is the share of exactly matching answers, F1 the word overlap."
    ),
    (
        "Known kept is the share of the questions the base model answers that the finetuned model still "
        "answers; 1→0 counts those lost, 0→1 those gained (the base model answered them wrongly). Perplexity "
        "is on general text; its change is against the base."
    ),
    (
        "Brackets are Wilson 95 % intervals over the questions of one run. Where a method ran with several "
        "seeds, the figure is their mean and ± half their range. Bold marks the best method of a column."
    ),
)


def write_headline(comparison: Comparison) -> str:
    """One sentence on what each method learned and kept, by falling recall; it names at most four methods."""
    methods = comparison.trained
    if not methods:
        return "Only the base model was evaluated; nothing was trained."
    clauses = [_write_clause(method, i == 0) for i, method in enumerate(methods[:MAX_HEADLINE_METHODS])]
    more = len(methods) - len(clauses)
    return "; ".join(clauses) + (f"; {more} more in the table." if more else ".")


def _write_clause(method: MethodSummary, is_first: bool) -> str:
    learned = f"{100 * method.recall_em['held_out'].mean:.0f} %"
    kept = f"{100 * method.kept.mean:.0f} %" if method.num_known else "an unknown share"
    if is_first:
        learned, kept = f"{learned} of the held-out questions", f"{kept} of what the model knew"
    return f"{method.label} learned {learned} and kept {kept}"


def write_run(run: RunComparison) -> str:
    """The main figures of one run, in one line."""
    result = run.result
    if result.is_base:
        return "the base model, not trained"
    recall, kept = 100 * result.learning["held_out"].em, 100 * result.retention.kept
    change = write_signed(run.nll_change)
    return f"seed {result.seed}: held-out {recall:.0f} %, known kept {kept:.0f} %, general loss {change}"


def write_facts(comparison: Comparison) -> str:
    """What was measured, in one line."""
    base, runs = comparison.base, len(comparison.runs) - 1
    asked = sum(recall.n for recall in base.learning.values())
    return (
        f"{base.model} at revision {base.model_revision}; {runs} trained {'run' if runs == 1 else 'runs'}; "
        f"{asked:,} questions on the documents, {base.retention.n:,} general questions of which the base "
        f"model answers {base.retention.num_known:,}, {base.general.num_tokens:,} tokens of general text."
    )
