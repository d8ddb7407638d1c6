"""Turns a note into a training example: turns of a chat, an instruction with its output, or plain text."""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import pyarrow as pa

from augment.errors import TemplateError
from augment.records import Chunk, Message
from augment.schema import SCHEMA
from augment.templates import Template

Form = Literal["chat", "instruction", "text"]
TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
FIELDS: dict[Form, dict[str, pa.DataType]] = {
    "chat": {"messages": TURNS},
    "instruction": {name: pa.string() for name in ("instruction", "input", "output")},
    "text": {"text": pa.string()},
}
PROVENANCE = [name for name in SCHEMA.names if name not in ("text", "verdict", "reason")]
PAIR = re.compile(r"\AQuestion: (?P<question>[^\n]+)\nAnswer: (?P<answer>.+)\Z", re.DOTALL)
TEMPLATE = "export_about"
VARIANTS = 12  # of the number that lets the template ask in several ways


@dataclass(frozen=True)
class Examples:
    """Makes examples of one form. A note that is a question with its answer becomes just that; any other one answers
    the request that the template `export_about` makes of its topic, except in the form `text`.
    """

    form: Form
    template: Template
    provenance: bool = False

    @property
    def columns(self) -> list[str]:
        """The columns that are read from the dataset."""
        return list(SCHEMA.names) if self.provenance else ["text", "note_id", "title", "heading", "strategy"]

    @property
    def schema(self) -> pa.Schema:
        """Columns of the examples."""
        extra = [SCHEMA.field(name) for name in PROVENANCE] if self.provenance else []
        return pa.schema([*FIELDS[self.form].items(), *extra])

    def convert(self, notes: pa.Table) -> pa.Table:
        """One example per note, in their order."""
        return pa.Table.from_pylist([self.make_example(note) for note in notes.to_pylist()], schema=self.schema)

    def make_example(self, note: Mapping[str, Any]) -> dict[str, Any]:
        """The example as a row of the schema; columns of provenance are the note's own."""
        return {**note, **self.make_fields(note)}

    def make_fields(self, note: Mapping[str, Any]) -> dict[str, Any]:
        """The columns that trainers read."""
        if self.form == "text":
            return {"text": note["text"]}
        *before, request, answer = self.make_turns(note)
        if self.form == "chat":
            return {"messages": [{"role": t.role, "content": t.content} for t in (*before, request, answer)]}
        if before or request.role != "user":
            todo = "leave one user turn in it, or export with --format chat"
            raise TemplateError(f"template {self.template.name} has more turns than an instruction can hold", todo)
        return {"instruction": request.content, "input": "", "output": answer.content}

    def make_turns(self, note: Mapping[str, Any]) -> Sequence[Message]:
        """The request's turns and the answer."""
        if pair := PAIR.match(note["text"]):
            return [Message("user", pair["question"]), Message("assistant", pair["answer"].strip())]
        variant = zlib.crc32(note["note_id"].encode()) % VARIANTS
        request = render_request(self.template, note["title"], note["heading"], note["strategy"], variant)
        return [*request, Message("assistant", note["text"])]


@lru_cache(maxsize=4096)  # notes of a document stand together and share their request; rendering compiles the template
def render_request(template: Template, title: str, heading: str, strategy: str, variant: int) -> tuple[Message, ...]:
    """The turns that ask for a note about this topic."""
    topic = Chunk("", title, "", 0, 0, "", heading).topic
    turns = template.render(title=title, topic=topic, strategy=strategy, variant=variant)
    if not turns or turns[-1].role != "user" or not turns[-1].content:
        raise TemplateError(f"template {template.name} does not end with a user turn", "make it ask for a note")
    return tuple(turns)
