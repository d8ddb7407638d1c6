"""Does units: asks the engine by each unit's strategy, filters the notes, makes them rows of the dataset."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from augment.config import AugmentFile
from augment.engines.base import Engine, name_model
from augment.engines.meter import Meter
from augment.errors import DeadEngineError, IngrainError, RequestError, StoppedError, TemplateError
from augment.filters.boilerplate import strip_opener
from augment.filters.judge import judge_note
from augment.filters.leakage import find_leak
from augment.filters.registry import find_reason
from augment.models import ModelFolder
from augment.records import Note, Reply, Unit, content_id
from augment.schema import Row
from augment.strategies.base import Ask
from augment.strategies.registry import STRATEGIES
from augment.templates import Template

TRIES = 2


@dataclass(frozen=True, slots=True)
class Study:
    """What doing a unit takes besides the unit."""

    settings: AugmentFile
    templates: dict[str, Template]
    model: ModelFolder | None
    engine: Engine

    async def do_all(self, units: Sequence[Unit]) -> list[Row]:
        """Rows of many units, all in flight at once; those of one unit stand together."""
        return [row for rows in await asyncio.gather(*(self.do(unit) for unit in units)) for row in rows]

    async def do(self, unit: Unit) -> list[Row]:
        """Rows of one unit; never none: what failed or said nothing becomes a rejected row.

        All tokens that the unit took are in its rows: those of replies that are no note, such as a plan, a check or the
        judge's verdict, are on the first. Raises StoppedError or DeadEngineError when no unit can be done.
        """
        meter = Meter(self.engine)
        rows = await replace(self, engine=meter).study(unit)
        for name in ("prompt_tokens", "completion_tokens"):
            rows[0][name] += getattr(meter, name) - sum(row[name] for row in rows)
        return rows

    async def study(self, unit: Unit) -> list[Row]:
        """The same, each note with the tokens of its own reply."""
        for tried in range(1, TRIES + 1):
            try:
                notes = await self.collect(unit)
                break
            except (StoppedError, DeadEngineError, TemplateError):  # not this unit's fault alone
                raise
            except IngrainError as error:
                if tried == TRIES or isinstance(error, RequestError):
                    return self.reject(unit, error)
        return await self.judge_rows(unit, notes)

    async def judge_rows(self, unit: Unit, notes: Sequence[Note]) -> list[Row]:
        """Rows of a unit's notes, those that are kept shown to the judge where there is one. What was not generated
        needs none.
        """
        rows, judge = self.make_rows(unit, notes), self.settings.augment.filters.judge
        asked = [(r, n) for r, n in zip(rows, notes, strict=False) if r["verdict"] == "kept" and n.reply.template]
        if judge is None or not asked:
            return rows
        ask = Ask(self.engine, self.settings.augment.sampling, self.templates)
        verdicts = await asyncio.gather(*(judge_note(note, unit.chunk, ask) for _, note in asked))
        for (row, _), verdict in zip(asked, verdicts, strict=True):
            row["judgement"] = verdict
            if verdict in judge.reject:
                row.update(verdict="rejected", reason=f"judged_{verdict.replace(' ', '_')}")
        return rows

    def make_rows(self, unit: Unit, notes: Sequence[Note]) -> list[Row]:
        """Rows of a unit's notes; one that says so when there is none."""
        notes = notes or [Note("", Reply("", "stop", 0, 0), problem="empty")]
        return [self.make_row(unit, i, note, notes[:i]) for i, note in enumerate(notes)]

    def reject(self, unit: Unit, error: IngrainError) -> list[Row]:
        """The rejected row of a unit that failed."""
        return self.make_rows(unit, [Note(str(error), Reply(str(error), "error", 0, 0), problem="failed")])

    async def collect(self, unit: Unit) -> list[Note]:
        """The notes that the unit's strategy yields, openers stripped."""
        strategy = STRATEGIES[unit.strategy]
        options = self.settings.augment.chosen_strategies()[unit.strategy]
        ask = Ask(self.engine, self.settings.augment.sampling, self.templates, unit.round)
        try:
            return [replace(n, text=strip_opener(n.text)) async for n in strategy.study(unit.chunk, ask, options)]
        except Exception as error:  # one bad unit of a plugin must not end the run
            STRATEGIES.blame(unit.strategy, error)

    def make_row(self, unit: Unit, index: int, note: Note, before: Sequence[Note]) -> Row:
        """The note with its provenance and the filters' verdict. Token counts are on the first note of a reply."""
        chunk, reply = unit.chunk, note.reply
        model, revision = name_model(self.settings.augment.engine, self.model)
        if any(other.reply is reply for other in before):
            reply = replace(reply, prompt_tokens=0, completion_tokens=0)
        filters = self.settings.augment.filters
        reason = find_reason(note, chunk, filters, STRATEGIES[unit.strategy].exempt)
        leak = find_leak(note.text, filters.leakage) if filters.leakage else ""
        if filters.leakage and filters.leakage.drop and leak and not reason:
            reason = "leaked"
        return {
            "text": note.text,
            "note_id": content_id(unit.id, f"{index}"),
            "unit_id": unit.id,
            "document_id": chunk.document_id,
            "title": chunk.title,
            "heading": chunk.heading,
            "source": chunk.source,
            "start": chunk.start,
            "end": chunk.end,
            "strategy": unit.strategy,
            "strategy_text": note.strategy_text,
            "round": unit.round,
            "template": reply.template,
            "template_hash": reply.template_hash,
            "engine": self.settings.augment.engine.kind,
            "model": model,
            "model_revision": revision,
            "sampling": json.dumps(self.settings.augment.sampling.model_dump()),
            "finish_reason": reply.finish_reason,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "verdict": "rejected" if reason else "kept",
            "reason": reason,
            "answer_start": note.answer_start,
            "token_ids": list(reply.token_ids) if note.answer_start else [],
            "top_ids": [list(ids) for ids in reply.top_ids] if note.answer_start else [],
            "top_logprobs": [list(values) for values in reply.top_logprobs] if note.answer_start else [],
            "nearest_note": "",
            "similarity": 0.0,
            "leaked_question": leak,
            "judgement": "",
        }
