"""Turns documents and settings into the units of a run, with ids that hash everything a note depends on.

Nothing is held: documents, chunks and units pass by one after the other, however many there are.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from augment.chunks import split_document
from augment.config import Augment, AugmentFile
from augment.digests import Digests, pack_ids
from augment.documents import Unreadable, iterate_documents
from augment.engines.base import OpenaiEngine, check_engine, name_model
from augment.engines.registry import ENGINES
from augment.errors import ConfigError, TemplateError
from augment.filters import judge
from augment.filters.registry import check_filters
from augment.models import ModelFolder, find_model
from augment.records import Chunk, Document, Unit, extend_hash
from augment.strategies.registry import STRATEGIES
from augment.templates import Template, check_template, load_template

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

    `unreadable` holds the first few that were left out, `unreadable_ids` the ids of all; `report` gets every one.
    """

    num_documents: int = 0
    num_chunks: int = 0
    units: Counter[str] = field(default_factory=Counter)
    num_unreadable: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)
    unreadable_ids: set[str] = field(default_factory=set)
    report: Callable[[Unreadable], None] | None = None

    def skip(self, row: Unreadable) -> None:
        """Count what could not be read."""
        self.num_unreadable += 1
        self.unreadable_ids.add(row.document_id)
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
    settings = resolve_questions(settings, base)
    options = settings.augment
    chosen = options.chosen_strategies()
    if not chosen:
        raise ConfigError("augment.strategies names no strategy", f"add one of {', '.join(STRATEGIES)}")
    check_engine(options.engine)
    check_filters(options.filters)
    check_budget(options)
    folder = base / options.prompts if options.prompts else None
    if folder and not folder.is_dir():
        raise ConfigError(
            f"augment.prompts: no folder {folder}", "give one of templates, relative to the pipeline file"
        )
    templates = load_templates(chosen, folder)
    if options.filters.judge:
        templates[judge.TEMPLATE] = load_template(judge.TEMPLATE, folder)
    for template in templates.values():
        check_template(template)
    model = find_model(settings.model) if ENGINES[options.engine.kind].needs_model else None
    find_tokenizer(options, model)
    return Plan(settings, base, Path(settings.out), model, templates)


def resolve_questions(settings: AugmentFile, base: Path) -> AugmentFile:
    """The settings with the path of leaked questions as the workers can open it."""
    leakage = settings.augment.filters.leakage
    if leakage is None:
        return settings
    leakage = leakage.model_copy(update={"path": str((base / leakage.path).resolve())})
    filters = settings.augment.filters.model_copy(update={"leakage": leakage})
    return settings.model_copy(update={"augment": settings.augment.model_copy(update={"filters": filters})})


def load_templates(strategies: Iterable[str], folder: Path | None) -> dict[str, Template]:
    """The templates that these strategies ask with, by name; two packages cannot both bring one of the same name."""
    templates: dict[str, Template] = {}
    for strategy in map(STRATEGIES.__getitem__, strategies):
        for name in strategy.templates:
            template = load_template(name, folder, strategy.prompts)
            if templates.setdefault(name, template) != template:
                raise TemplateError(
                    f"the strategy {strategy.name} brings another template {name} than a strategy before it",
                    "use one of the two strategies, or rename the template in its package",
                )
    return templates


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
    count = token_counter(find_tokenizer(plan.settings.augment, plan.model))
    wants_whole = plan.settings.augment.filters.support == "document"
    for document in iterate_documents(plan.settings.augment.documents, plan.base, plan.out):
        if not isinstance(document, Document):
            census.skip(document)
            continue
        census.num_documents += 1
        for chunk in split_document(document, plan.settings.augment.chunks, count):
            census.num_chunks += 1
            census.units.update({recipe.strategy: recipe.num_rounds for recipe in recipes})
            whole = replace(chunk, document_text=document.text) if wants_whole else chunk
            yield plan_chunk(whole, recipes)


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
    shared += [part for part in name_model(settings.augment.engine, model) if part]
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


def find_tokenizer(options: Augment, model: ModelFolder | None) -> Path | None:
    """Where the tokenizer is that counts a chunk's tokens, None to count words."""
    if isinstance(options.engine, OpenaiEngine) and options.engine.tokenizer:
        path = Path(options.engine.tokenizer)
        if not path.is_file() and not (path / "tokenizer.json").is_file():
            todo = "give a tokenizer.json or a folder with one, or leave the setting out to count words"
            raise ConfigError(f"augment.engine.tokenizer: no tokenizer.json in {path}", todo)
        return path
    return model.path if model else None


def token_counter(path: Path | None) -> Callable[[str], int]:
    """Counts the tokens of the tokenizer in a folder or file; words where there is none."""
    if path is None:
        return lambda text: len(text.split())
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    file = path if path.is_file() else path / "tokenizer.json"
    if file.is_file():
        try:
            fast = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises Exception itself
            raise ConfigError(f"{file} is no tokenizer ({error})"[:200], "give the file of a model you know") from None
        return lambda text: len(fast.encode(text, add_special_tokens=False).ids)
    slow = AutoTokenizer.from_pretrained(str(path))
    return lambda text: len(slow.encode(text, add_special_tokens=False))
