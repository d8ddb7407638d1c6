"""How the things a chunk names relate to each other, pair by pair and triple by triple (EntiGraph, 2409.07431)."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Iterator
from itertools import combinations

from pydantic import Field

from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy
from augment.strategies.replies import is_whole, parse_lines, unparsed

REMARK = re.compile(r"\s*[:(;].*|\s+[-–—]\s.*")  # "Ada Lorn: a mason", "Ada Lorn (mason)", "Ada Lorn - a mason"


class EntityGraph(Options):
    """Limits: entities taken from the list, and pairs and triples of them that are written about. Which ones changes
    with the round."""

    max_entities: int = Field(default=8, ge=2)
    max_pairs: int = Field(default=6, ge=1)
    max_triples: int = Field(default=2, ge=0)

    def count_calls(self, chunk: Chunk) -> int:
        return 1 + self.max_pairs + self.max_triples


async def study(chunk: Chunk, ask: Ask, options: EntityGraph) -> AsyncIterator[Note]:
    """First call: the entities, one a line. Then one call for each pair and triple, all at once.

    A reply without a list is a rejected note (`unparsed`); so is a list of fewer than two entities that stand in the
    chunk (`few_entities`).
    """
    reply = await ask("entity_graph_entities", chunk, count=options.max_entities)
    lines = list(parse_lines(reply.text, is_whole(reply)))
    entities = list(find_entities(lines, chunk))[: options.max_entities]
    if len(entities) < 2:
        yield Note(reply.text, reply, problem="few_entities") if lines else unparsed(reply)
        return
    groups = choose_groups(entities, options, f"{chunk.text} {ask.round}")
    calls = [ask("entity_graph_relation", chunk, entities=join_names(group)) for group in groups]
    for group, relation in zip(groups, await asyncio.gather(*calls), strict=True):
        yield Note(relation.text, relation, strategy_text=join_names(group))


def find_entities(lines: list[str], chunk: Chunk) -> Iterator[str]:
    """The listed names that stand in the chunk, each once, without remarks."""
    known, seen = f"{chunk.topic} {chunk.text}".lower(), set[str]()
    for line in lines:
        name = REMARK.sub("", line).strip(" *_.,\"'“”")
        if name and name.lower() in known and name.lower() not in seen:
            seen.add(name.lower())
            yield name


def choose_groups(entities: list[str], options: EntityGraph, seed: str) -> list[tuple[str, ...]]:
    """At most as many pairs, then triples, as the options allow; drawn by the seed when there are more."""
    draw = random.Random(seed)
    groups: list[tuple[str, ...]] = []
    for size, limit in ((2, options.max_pairs), (3, options.max_triples)):
        found = list(combinations(entities, size))
        groups += found if len(found) <= limit else draw.sample(found, limit)
    return groups


def join_names(names: tuple[str, ...]) -> str:
    """ "A and B", "A, B and C"."""
    return f"{', '.join(names[:-1])} and {names[-1]}"


STRATEGY = Strategy("entity_graph", EntityGraph, study, templates=("entity_graph_entities", "entity_graph_relation"))
