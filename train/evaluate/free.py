"""Asks one question of each fact as a user would: no examples before it, and the model ends its answer itself."""

from collections.abc import Sequence
from typing import Any

from train.evaluate.probes import FindContext, Probe, no_context
from train.evaluate.score import states, token_f1
from train.evaluate.writer import Writer


def make_free(facts: Sequence[dict[str, Any]]) -> list[Probe]:
    """The first held-out question of each fact."""
    return [
        Probe(fact["id"], fact["document"], "free", fact["questions"][0], [fact["answer"], *fact["aliases"]])
        for fact in facts
    ]


def ask_freely(
    writer: Writer, probes: Sequence[Probe], max_new_tokens: int, find_context: FindContext = no_context
) -> list[dict[str, Any]]:
    """Each probe with the whole answer; right when it states the expected one. `ended`: the model came to its end."""
    asked = ["\n\n".join(filter(None, (find_context(probe), probe.prompt))) for probe in probes]
    written = writer.write_on([writer.ask(text) for text in asked], max_new_tokens) if probes else []
    return [
        probe.as_json()
        | {"answer": answer.text.strip(), "ended": answer.ended}
        | {"em": states(answer.text, probe.expected), "f1": token_f1(answer.text, probe.expected)}
        for probe, answer in zip(probes, written, strict=True)
    ]
