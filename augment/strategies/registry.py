"""The strategies that ship, by name."""

from augment.strategies import active_reading, paraphrase, questions, study_notes, verbatim
from augment.strategies.base import Strategy

STRATEGIES: dict[str, Strategy] = {
    s.STRATEGY.name: s.STRATEGY for s in (verbatim, paraphrase, study_notes, questions, active_reading)
}
