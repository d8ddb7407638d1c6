"""Each sentence of the chunk taken apart into statements of one fact each (atomic facts, Min et al. 2305.14251).

Unlike `study_notes`, which lists what a whole chunk says, this goes sentence by sentence, with the chunk at hand to
say who "he" is: more calls, fewer facts lost.
"""

import asyncio
from collections.abc import AsyncIterator

from augment.records import Chunk, Note
from augment.strategies.base import Ask, Options, Strategy
from augment.strategies.replies import note_lines
from augment.strategies.sentences import split_sentences


class AtomicFacts(Options):
    """No options of its own."""

    def count_calls(self, chunk: Chunk) -> int:
        return len(split_sentences(chunk.text))


async def study(chunk: Chunk, ask: Ask, options: AtomicFacts) -> AsyncIterator[Note]:
    """One note per fact; the raw reply about a sentence as a rejected note when it holds no list."""
    calls = [ask("atomic_facts", chunk, sentence=sentence) for sentence in split_sentences(chunk.text)]
    for reply in await asyncio.gather(*calls):
        for note in note_lines(reply):
            yield note


STRATEGY = Strategy("atomic_facts", AtomicFacts, study, templates=("atomic_facts",), exempt=frozenset({"truncated"}))
