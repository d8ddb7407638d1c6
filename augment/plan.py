"""Turns documents and settings into the units of a run, with ids that hash everything a note depends on.

Nothing is held: documents, chunks and units pass by one after the other, however many there are.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from augment.chunks import split_document
from augment.config import Augment, AugmentFile
from augment.digests import Digests, pack_ids
from augment.documents import Unreadable, iterate_documents
from augment.engines.base import EchoEngine
from augment.errors import ConfigError
from augment.models import ModelFolder, find_model
from augment.records import Chunk, Document, Unit, extend_hash
from augment.strategies.registry import STRATEGIES
from augment.templates import Template, load_template

PROMPT_TOKENS = 450  # what the chat format and the longest shipped template take, with room to spare
MAX_SHOWN = 5
CHUNKS_PER_LOOKUP = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do: the settings, the templates it asks with, and the model. `base` is where inputs are."""

    settings: AugmentFile
    base: Path
    out: Path
    model: ModelFolder | None
    templates: dict[str, Template]


@dataclass(slots=True)
class Census:
    """What passed by while a plan was read: numbers of documents, chunks and units by strategy.

    `unreadable` holds the first few that were left out; `report` gets every one.
    """

    num_documents: int = 0
    num_chunks: int = 0
    units: Counter[str] = field(default_factory=Counter)
    num_unreadable: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)
    report: Callable[[Unreadable], None] | None = None

    def skip(self, row: Unreadable) -> None:
        """Count what could not be read."""
        self.num_unreadable += 1
        if len(self.unreadable) < MAX_SHOWN:
            self.unreadable.append(row)
        if self.report:
            self.report(row)

    def describe_unreadable(self) -> list[str]:
        """A line for each of the first, and one for the rest."""
        lines = [f"skipped: {row.error}" for row in self.unreadable]
        more = self.num_unreadable - len(lines)
        return [*lines, f"and {more} more that cannot be read"] if more else lines


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the ids of a strategy's units hash besides their chunk."""

    strategy: str
    num_rounds: int
    parts: tuple[str, ...]


def make_plan(settings: AugmentFile, base: Path) -> Plan:
    """Check the settings, and find templates and model; no document is read and no engine starts.

    Paths of inputs are relative to `base`, the pipeline file's folder; `out` is relative to the current
    folder.
    """
    options = settings.augment
    chosen = options.chosen_strategies()
    if not chosen:
        raise ConfigError("augment.strategies names no strategy", f"add one of {', '.join(STRATEGIES)}")
    check_budget(options)
    folder = base / options.prompts if options.prompts else None
    templates = {t: load_template(t, folder) for name in chosen for t in STRATEGIES[name].templates}
    model = None if isinstance(options.engine, EchoEngine) else find_model(settings.model)
    return Plan(settings, base, Path(settings.out), model, templates)


def check_budget(options: Augment) -> None:
    """A chunk, its prompt and its reply must fit the engine's context."""
    need = options.chunks.max_tokens + options.sampling.max_tokens + PROMPT_TOKENS
    if need > options.engine.max_model_len:
        raise ConfigError(
            f"a chunk of {options.chunks.max_tokens} tokens with prompt and reply needs {need} of context, "
            f"augment.engine.max_model_len is {options.engine.max_model_len}",
            "lower augment.chunks.max_tokens or augment.sampling.max_tokens, or raise max_model_len",
        )


def iterate_units(plan: Plan, census: Census | None = None) -> Iterator[list[Unit]]:
    """The units of one chunk after the other, in document order, counted in `census`.

    Raises DocumentError as `iterate_documents` does, when the document's turn comes.
    """
    census = census or Census()
    recipes = list_recipes(plan)
    count = token_counter(plan.model)
    for document in iterate_documents(plan.settings.augment.documents, plan.base):
        if not isinstance(document, Document):
            census.skip(document)
            continue
        census.num_documents += 1
        for chunk in split_document(document, plan.settings.augment.chunks, count):
            census.num_chunks += 1
            census.units.update({recipe.strategy: recipe.num_rounds for recipe in recipes})
            yield plan_chunk(chunk, recipes)


def match_finished(chunks: Iterator[list[Unit]], finished: Digests, planned: Digests) -> Iterator[list[Unit]]:
    """Of each chunk's units those that are not finished; `planned` learns the ids of those that are.

    Looked up many chunks at a time: a look-up costs nearly the same for twenty ids and for thousands.
    """
    while group := list(islice(chunks, CHUNKS_PER_LOOKUP)):
        ids = pack_ids([unit.id for units in group for unit in units])
        done = finished.contains(ids)
        planned.add(ids[done])
        flags = iter(done.tolist())
        for units in group:
            yield [unit for unit in units if not next(flags)]


def list_recipes(plan: Plan) -> list[Recipe]:
    """One recipe per chosen strategy: its options, templates, and what all strategies share."""
    settings, model = plan.settings, plan.model
    shared = [settings.augment.engine.kind, settings.augment.sampling.model_dump_json(), f"{settings.seed}"]
    shared += [model.name, model.revision] if model else []
    recipes = []
    for name, options in settings.augment.chosen_strategies().items():
        prompts = [plan.templates[t].hash for t in STRATEGIES[name].templates]
        parts = (options.model_dump_json(exclude={"rounds"}), *prompts, *shared)
        recipes.append(Recipe(name, options.rounds, parts))
    return recipes


def plan_chunk(chunk: Chunk, recipes: list[Recipe]) -> list[Unit]:
    """The chunk's units: every strategy, every round. What they share is hashed once."""
    units = []
    said = extend_hash(blake2b(digest_size=16), chunk.document_id, f"{chunk.start}", chunk.topic, chunk.text)
    for recipe in recipes:
        asked = extend_hash(said, recipe.strategy, *recipe.parts)
        ids = (extend_hash(asked, f"{r}").hexdigest() for r in range(recipe.num_rounds))
        units += [Unit(unit_id, chunk, recipe.strategy, r) for r, unit_id in enumerate(ids)]
    return units


def token_counter(model: ModelFolder | None) -> Callable[[str], int]:
    """Counts tokens of the generating model; words where there is no model."""
    if model is None:
        return lambda text: len(text.split())
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    if (model.path / "tokenizer.json").is_file():
        fast = Tokenizer.from_file(str(model.path / "tokenizer.json"))
        return lambda text: len(fast.encode(text, add_special_tokens=False).ids)
    slow = AutoTokenizer.from_pretrained(str(model.path))
    return lambda text: len(slow.encode(text, add_special_tokens=False))
