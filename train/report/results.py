"""All that the report knows about a run, as typed, frozen records."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Phrasing = Literal["cue", "held_out", "reversed", "two_hop", "choice", "free"]
Kind = Literal["cue", "held_out", "reversed", "two_hop", "choice", "free", "known", "locality"]
PHRASINGS: tuple[Phrasing, ...] = get_args(Phrasing)
KINDS: tuple[Kind, ...] = get_args(Kind)
BASE_METHOD = "none"


@dataclass(frozen=True, slots=True)
class Recall:
    """Exact match and token F1, as shares between 0 and 1, over n questions of one phrasing."""

    em: float
    f1: float
    n: int


@dataclass(frozen=True, slots=True)
class Retention:
    """`kept` is the share of the `num_known` questions that the base model answers; `f1` is over all n."""

    kept: float
    num_known: int
    f1: float
    n: int


@dataclass(frozen=True, slots=True)
class Text:
    """One general text: sums of its NLL and KL in nats over its `num_tokens` predicted tokens; `kl` if measured."""

    nll: float
    num_tokens: int
    kl: float | None = None


@dataclass(frozen=True, slots=True)
class General:
    """Next-token loss and KL(base || run) in nats a token on general text that no method trained on.

    `kl` is None where nobody measured it; `texts` are empty in evaluations of before they were recorded.
    """

    nll: float
    perplexity: float
    num_tokens: int
    kl: float | None = None
    texts: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class Fluency:
    """Free continuations: mean share of repeated 4-word sequences, mean length in words, over n texts.

    `texts` are the same two figures of each; none in evaluations of before they were read.
    """

    repeated: float
    num_words: float
    n: int
    texts: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a point's figures are made of, in the order of asking: answers to held-out and to general questions (1
    right, 0 wrong), and the sum of NLL of each general text.
    """

    held_out: tuple[int, ...]
    known: tuple[int, ...]
    texts: tuple[float, ...]

    @property
    def sizes(self) -> list[int]:
        """How many of each."""
        return [len(self.held_out), len(self.known), len(self.texts)]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What was measured at one step of a training: recall of held-out questions, known share kept, general NLL.

    `parts` is None in curves of before they were written.
    """

    step: int
    recall: float
    kept: float
    nll: float
    parts: Parts | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Stream:
    """Groups of documents trained one after another. `before` and each of `after` hold, by group, the answers to its
    held-out questions (1 right, 0 wrong); a group may have none. None: nothing was asked after that group.
    """

    groups: tuple[tuple[str, ...], ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[tuple[int, ...], ...] | None, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """Verdicts of a judge on n answers, by name, and how far they agree with exact match."""

    model: str
    verdicts: dict[str, int]
    agreement: float
    kappa: float | None
    n: int


@dataclass(frozen=True, slots=True)
class TaskScore:
    """One metric of one task of lm-evaluation-harness, with its standard error if it has one."""

    task: str
    metric: str
    value: float
    stderr: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What one run answered to one question. The text is model output: never trust it, always escape it.

    `nll` is the right answer's in nats, of multiple choice alone; None in evaluations of before it was recorded.
    """

    id: str
    document: str
    kind: Kind
    prompt: str
    expected: tuple[str, ...]
    answer: str
    em: bool
    f1: float
    nll: float | None = None

    @property
    def question(self) -> tuple[Kind, str, str]:
        """Identifies the question across runs: one fact may be asked in several phrasings under one id."""
        return self.kind, self.id, self.prompt


@dataclass(frozen=True, slots=True)
class RunResult:
    """One evaluated run; the base model is the run whose method is `none`."""

    run: str
    method: str
    seed: int
    model: str
    model_revision: str
    settings: dict[str, Any]
    tokens_trained: int
    train_sec: float
    trainable_parameters: int
    learning: dict[Phrasing, Recall]
    retention: Retention
    general: General
    answers: tuple[Answer, ...]
    fluency: dict[str, Fluency] = field(default_factory=dict)
    curve: tuple[CurvePoint, ...] = ()
    task_scores: tuple[TaskScore, ...] = ()
    stream: Stream | None = None
    judged: Judged | None = None

    def recall(self, phrasing: Phrasing) -> Recall:
        """Recall in a phrasing; of nothing where it was not asked."""
        return self.learning.get(phrasing, Recall(0.0, 0.0, 0))

    @property
    def is_base(self) -> bool:
        return self.method == BASE_METHOD


@dataclass(frozen=True, slots=True)
class NoteCounts:
    """The dataset trained on: notes by verdict and strategy, who wrote them, and the tokens of those kept."""

    kept: int
    rejected_by_reason: dict[str, int]
    kept_by_strategy: dict[str, int]
    generator: str
    tokens: int


@dataclass(frozen=True, slots=True)
class FactPlaces:
    """Where the answer of one fact stands: in how many studied chunks, kept and rejected notes of its document.

    `num_chunks` is None where the document could not be read.
    """

    id: str
    document: str
    question: str
    answer: str
    num_chunks: int | None
    num_kept: int
    num_rejected: int


@dataclass(frozen=True, slots=True)
class Material:
    """What the dataset holds of what is asked: the facts, and the questions that stand in a kept note (`leaked`)."""

    facts: tuple[FactPlaces, ...] = ()
    leaked: frozenset[str] = frozenset()
