"""The sentences of the report: its headline, and how its figures are to be read."""

from train.report.cells import write_signed
from train.report.compare import Comparison, MethodSummary, RunComparison

MAX_HEADLINE_METHODS = 4
READING = (
    (
        "A cue is phrased as in the training text; held-out and reversed questions ask for the same facts "
        "in words that were not trained on, two-hop questions for what follows from two of them. EM is the share of "
        "exactly matching answers, F1 the word overlap. Of several answers the likeliest is chosen (multiple choice: "
        "guessing has a part right); a free answer has no examples before it, ends where the model ends it and counts "
        "where it states the expected words."
    ),
    (
        "Known kept is the share of the questions the base model answers that the finetuned model still "
        "answers; 1→0 counts those lost, 0→1 those gained (the base model answered them wrongly). Perplexity "
        "is on general text; its change is against the base. Unchanged are outputs to prompts that the training is "
        "not about, right or wrong, compared with the base's."
    ),
    (
        "Brackets are 95 % intervals: Wilson's over the questions of one run for shares, the bootstrap's over "
        "questions or texts and runs for means. Where a method ran with several seeds, the figure is their mean and ± "
        "half their range. Bold marks the best method of a column."
    ),
)
CERTAINTY = (
    (
        "Differences are the first method's figure less the second's, with a 95 % interval of the paired bootstrap: "
        "facts (with all their phrasings) and texts are drawn anew 2,000 times, and the runs of each method where it "
        "has several seeds. Faint figures (in Markdown italic) are smaller than their interval: they may be chance. "
        "With one seed, the interval says nothing of how another seed would differ."
    ),
    (
        "p is McNemar's exact test of 1→0 against 0→1 over the general questions; faint from .05 on. "
        "report.json names each of them."
    ),
)
MATCHED = (
    (
        "Who learns less forgets less. Here all methods are read where held-out recall first reaches the same level, "
        "between the points that train.watch wrote; the highest level is the one that every run has reached. The area "
        "is that under the front of what was kept at best at a recall or above it: 1 would be all learned and nothing "
        "lost, and a recall that was never reached counts as nothing kept."
    ),
)
STREAMS = (
    (
        "Groups of documents were trained one after another, and all questions asked after each. Accuracy is what is "
        "recalled at the end, over all groups; backward transfer how much that changed since a group was trained "
        "(below 0: it was forgotten); forward transfer how much more was recalled of a group just before its turn than "
        "before any training; forgetting how far recall of a group fell from its best. Brackets are 95 % intervals "
        "over the questions; faint figures may be chance."
    ),
)
JUDGE = (
    (
        "A model read question, expected answers and answer, and said correct, incorrect or not attempted (SimpleQA, "
        "2411.04368); unparsed replies are counted, not guessed. κ is Cohen's, of correct against exact match."
    ),
)
FLUENCY = (
    (
        "Free continuations begin with a cue about a document, or with the first words of a held-out general text, "
        "and run on without an example before them."
    ),
)
CAUSE = (
    (
        "A fact counts as told where its answer stands, word by word, in a kept note of its document: a fact that no "
        "note tells cannot be learned. `train explain RUN FACT` shows what became of one."
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
    recall, kept = 100 * result.recall("held_out").em, 100 * result.retention.kept
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
