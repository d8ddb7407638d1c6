"""Evaluated runs made by hand, and a reader of pages, for all tests of the report."""

from html.parser import HTMLParser

from train.report import NoteCounts
from train.report.results import Answer, General, Kind, Recall, Retention, RunResult

HOSTILE = "<script>alert(1)</script> | `x`\n![a](http://evil.test/a.png) \\| $m$ \x1b[31m \u202e\ud800"
NOTES = NoteCounts(
    kept=30,
    rejected_by_reason={"too_short": 4, "near_duplicate": 6},
    kept_by_strategy={"questions": 20, "paraphrase": 10},
    generator="echo",
    tokens=1234,
)
KINDS: dict[str, Kind] = {"c": "cue", "h": "held_out", "r": "reversed", "k": "known"}


def make_answer(name: str, is_right: bool) -> Answer:
    """`h3` is the third held-out question; documents take turns."""
    kind, number = KINDS[name[0]], int(name[1:])
    answer = "yes" if is_right else "no"
    return Answer(name, f"{number % 3}.md", kind, f"Question {name}?", ("yes",), answer, is_right, float(is_right))


def make_run(run: str, method: str, right: str, seed: int = 0, nll: float = 2.0) -> RunResult:
    """Four questions of each kind, of which those named in `right` are answered."""
    answers = tuple(make_answer(f"{kind}{i}", f"{kind}{i}" in right.split()) for kind in KINDS for i in range(4))
    em = {kind: sum(answer.em for answer in answers if answer.kind == kind) / 4 for kind in KINDS.values()}
    kept = sum(name in right.split() for name in ("k0", "k1")) / 2
    return RunResult(
        run=run,
        method=method,
        seed=seed,
        model="tiny",
        model_revision="abc",
        settings={"seed": seed, "lr": 0.1},
        tokens_trained=1000 + seed,
        train_sec=2.5,
        trainable_parameters=7,
        learning={kind: Recall(em[kind], em[kind], 4) for kind in ("cue", "held_out", "reversed")},
        retention=Retention(kept, 2, em["known"], 4),
        general=General(nll, nll**2, 50),
        answers=answers,
    )


BASE = make_run("base", "none", right="k0 k1 c0")
MEMORY = make_run("memory", "memory", right="c0 c1 c2 h0 h1 h2 k0 k1 k2", nll=2.1)
LORA = make_run("lora", "lora", right="c0 c1 c2 c3 h0 h1 h2 h3 r0 k2 k3", nll=2.6)
RUNS = [BASE, MEMORY, LORA]


class Page(HTMLParser):
    """Collects the elements of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]
