"""The strategies by name: those that ship, and those of installed packages (entry points `ingrain.strategies`)."""

from augment.plugins import Registry
from augment.strategies import (
    active_reading,
    atomic_facts,
    entity_graph,
    fixed_seven,
    identifiers,
    implications,
    paraphrase,
    questions,
    reword,
    self_study,
    study_notes,
    summary,
    verbatim,
)
from augment.strategies.base import Strategy

SHIPPED = (
    verbatim,
    paraphrase,
    summary,
    study_notes,
    atomic_facts,
    implications,
    questions,
    reword,
    identifiers,
    entity_graph,
    fixed_seven,
    active_reading,
    self_study,
)
STRATEGIES = Registry("ingrain.strategies", Strategy, {s.STRATEGY.name: s.STRATEGY for s in SHIPPED})
