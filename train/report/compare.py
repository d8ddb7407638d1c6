"""Turns single runs into what the report says: each run against the base, and each method over its seeds."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from augment.errors import DatasetError
from train.report.groups import group_seeds
from train.report.intervals import mcnemar_exact
from train.report.results import PHRASINGS, Answer, Kind, Phrasing, RunResult
from train.report.sums import list_localities, read_answer_nll, read_locality


@dataclass(frozen=True, slots=True)
class Change:
    """One question that the base model and a run answer differently: wrong to right, or right to wrong."""

    label: str
    run: str
    id: str
    document: str
    kind: Kind
    prompt: str
    expected: tuple[str, ...]
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class RunComparison:
    """A run beside the base model; the two changes are relative (0.05 is 5 % more than the base)."""

    label: str
    result: RunResult
    perplexity_change: float
    nll_change: float
    learned: tuple[Change, ...]
    lost: tuple[Change, ...]
    gained: tuple[Change, ...]

    @property
    def transition_p(self) -> float:
        """McNemar's exact p-value that known questions are lost and gained equally often."""
        return mcnemar_exact(len(self.lost), len(self.gained))


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over the seeds of a method."""

    mean: float
    low: float
    high: float
    num_runs: int

    @property
    def half_range(self) -> float:
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class MethodSummary:
    """All figures of one method, or of the base model, over its seeds; shares and changes as in the runs."""

    label: str
    is_base: bool
    runs: tuple[RunComparison, ...]
    recall_em: dict[Phrasing, Spread]
    recall_f1: dict[Phrasing, Spread]
    kept: Spread
    known_f1: Spread
    lost: Spread
    gained: Spread
    nll: Spread
    nll_change: Spread
    perplexity: Spread
    perplexity_change: Spread
    tokens_trained: Spread
    train_sec: Spread
    trainable_parameters: Spread
    kl: Spread | None
    answer_nll: Spread | None  # mean NLL of the right answers, in nats an answer
    fluency: dict[str, tuple[Spread, Spread]]  # by kind of text: repeated share, words
    unchanged: dict[str, Spread]  # by set of prompts that are to stay: share of outputs as the base's

    def num_questions(self, phrasing: Phrasing) -> int:
        return self.runs[0].result.recall(phrasing).n

    @property
    def results(self) -> list[RunResult]:
        return [run.result for run in self.runs]

    @property
    def num_known(self) -> int:
        return self.runs[0].result.retention.num_known


@dataclass(frozen=True, slots=True)
class Comparison:
    """The base model first, then the methods by falling held-out recall."""

    methods: tuple[MethodSummary, ...]

    @property
    def base(self) -> RunResult:
        return self.methods[0].runs[0].result

    @property
    def phrasings(self) -> tuple[Phrasing, ...]:
        """Those that were asked."""
        return tuple(phrasing for phrasing in PHRASINGS if self.base.recall(phrasing).n)

    @property
    def localities(self) -> dict[str, int]:
        """The sets of prompts whose outputs are to stay, and how many each has."""
        return list_localities(self.base)

    @property
    def trained(self) -> tuple[MethodSummary, ...]:
        return self.methods[1:]

    @property
    def runs(self) -> tuple[RunComparison, ...]:
        return tuple(run for method in self.methods for run in method.runs)


def compare_runs(runs: Sequence[RunResult]) -> Comparison:
    """Compare every run with the one of method `none`; DatasetError if they cannot be compared fairly."""
    base = _find_base(runs)
    for run in runs:
        _check_comparable(run, base)
    summaries = [_summarise(label, members, base) for label, members in group_seeds(runs).items()]
    order = sorted(summaries, key=lambda s: (not s.is_base, -s.recall_em["held_out"].mean, s.label))
    return Comparison(tuple(order))


def _find_base(runs: Sequence[RunResult]) -> RunResult:
    repeated = [name for name, count in Counter(run.run for run in runs).items() if count > 1]
    if repeated:
        raise DatasetError(f"several runs are named {min(repeated)!r}", "give each run its own name")
    bases = [run for run in runs if run.is_base]
    if len(bases) != 1:
        raise DatasetError(
            f"a report needs exactly one run of method 'none', the base model, and got {len(bases)}",
            "evaluate the base model on the same questions, and report one model at a time",
        )
    return bases[0]


def _check_comparable(run: RunResult, base: RunResult) -> None:
    """Before and after mean something only for one model on the same questions and the same general text."""
    facts: list[tuple[str, Callable[[RunResult], object]]] = [
        ("model", lambda r: (r.model, r.model_revision)),
        ("number of questions per phrasing", lambda r: [r.recall(phrasing).n for phrasing in PHRASINGS]),
        ("known set", lambda r: (r.retention.num_known, r.retention.n)),
        ("general text", lambda r: r.general.num_tokens),
        ("list of questions", lambda r: {answer.question for answer in r.answers}),
    ]
    for name, read in facts:
        if read(run) != read(base):
            raise DatasetError(f"run {run.run!r} has another {name} than the base run {base.run!r}",
                               "evaluate both with the same model and the same questions")  # fmt: skip


def _summarise(label: str, members: list[RunResult], base: RunResult) -> MethodSummary:
    runs = tuple(_compare_with_base(label, run, base) for run in members)

    def spread(read: Callable[[RunComparison], float]) -> Spread:
        values = [read(run) for run in runs]
        return Spread(sum(values) / len(values), min(values), max(values), len(values))

    return MethodSummary(
        label=label,
        is_base=members[0].is_base,
        runs=runs,
        recall_em={phrasing: spread(_read_em(phrasing)) for phrasing in PHRASINGS},
        recall_f1={phrasing: spread(_read_f1(phrasing)) for phrasing in PHRASINGS},
        kept=spread(lambda r: r.result.retention.kept),
        known_f1=spread(lambda r: r.result.retention.f1),
        lost=spread(lambda r: len(r.lost)),
        gained=spread(lambda r: len(r.gained)),
        nll=spread(lambda r: r.result.general.nll),
        nll_change=spread(lambda r: r.nll_change),
        perplexity=spread(lambda r: r.result.general.perplexity),
        perplexity_change=spread(lambda r: r.perplexity_change),
        tokens_trained=spread(lambda r: r.result.tokens_trained),
        train_sec=spread(lambda r: r.result.train_sec),
        trainable_parameters=spread(lambda r: r.result.trainable_parameters),
        kl=spread(_read_kl) if all(run.result.general.kl is not None for run in runs) else None,
        answer_nll=spread(_read_answer_nll) if all(read_answer_nll(run.result, base) for run in runs) else None,
        fluency={kind: (spread(_read_repeated(kind)), spread(_read_words(kind))) for kind in _common_kinds(runs)},
        unchanged={name: spread(_read_unchanged(name)) for name in list_localities(base)},
    )


def _read_kl(run: RunComparison) -> float:
    return run.result.general.kl or 0.0


def _read_answer_nll(run: RunComparison) -> float:
    sums = read_answer_nll(run.result, run.result).values()
    return sum(nll for nll, _ in sums) / sum(number for _, number in sums)


def _common_kinds(runs: Sequence[RunComparison]) -> list[str]:
    """Kinds of free texts that every run has."""
    return [kind for kind in runs[0].result.fluency if all(kind in run.result.fluency for run in runs)]


def _read_repeated(kind: str) -> Callable[[RunComparison], float]:
    return lambda run: run.result.fluency[kind].repeated


def _read_words(kind: str) -> Callable[[RunComparison], float]:
    return lambda run: run.result.fluency[kind].num_words


def _read_em(phrasing: Phrasing) -> Callable[[RunComparison], float]:
    return lambda run: run.result.recall(phrasing).em


def _read_f1(phrasing: Phrasing) -> Callable[[RunComparison], float]:
    return lambda run: run.result.recall(phrasing).f1


def _read_unchanged(name: str) -> Callable[[RunComparison], float]:
    def read(run: RunComparison) -> float:
        sums = read_locality(name)(run.result, run.result).values()
        return sum(right for right, _ in sums) / len(sums)

    return read


def _compare_with_base(label: str, run: RunResult, base: RunResult) -> RunComparison:
    before = {answer.question: answer for answer in base.answers}
    pairs = [(before[answer.question], answer) for answer in run.answers]
    known = [pair for pair in pairs if pair[1].kind == "known"]
    asked = [pair for pair in pairs if pair[1].kind not in ("known", "locality")]
    return RunComparison(
        label=label,
        result=run,
        perplexity_change=run.general.perplexity / base.general.perplexity - 1,
        nll_change=run.general.nll / base.general.nll - 1,
        learned=tuple(_make_change(label, run, *pair) for pair in asked if _turned_right(*pair)),
        lost=tuple(_make_change(label, run, old, new) for old, new in known if _turned_right(new, old)),
        gained=tuple(_make_change(label, run, *pair) for pair in known if _turned_right(*pair)),
    )


def _turned_right(old: Answer, new: Answer) -> bool:
    return new.em and not old.em


def _make_change(label: str, run: RunResult, old: Answer, new: Answer) -> Change:
    question = (new.id, new.document, new.kind, new.prompt, new.expected)
    return Change(label, run.run, *question, before=old.answer, after=new.answer)
