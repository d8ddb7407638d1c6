"""Turns passages into a table of what each strategy's prompts yield: replies that parse, notes that filters keep.

    .venv/bin/python benchmarks/prompt_yield.py --data passages.jsonl [--chunks 12] [--strategies summary,questions]

Each line of the file is {"title", "text"}. Results go to docs/results/prompt_yield.json, where those of other
strategies stay; the last line printed is one JSON object.
"""

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from augment.chunks import Chunks, split_document
from augment.engines.base import EchoEngine, Engine, EngineSettings, Sampling, VllmEngine
from augment.engines.registry import start_engine
from augment.filters.base import Filters
from augment.filters.boilerplate import strip_opener
from augment.filters.duplicate import duplicate_key
from augment.filters.registry import find_reason
from augment.json_file import write_json
from augment.models import EMBEDDED, ModelFolder, find_model
from augment.plan import load_templates, token_counter
from augment.records import Chunk, Document, Note, Reply
from augment.strategies.base import Ask, Options, Strategy
from augment.strategies.registry import STRATEGIES

CHUNK_TOKENS = 64
SAMPLING = Sampling(temperature=0.3, max_tokens=160)
# As a small model needs them: little at a time.
OPTIONS: dict[str, dict[str, Any]] = {
    "questions": {"per_call": 2, "per_sentence": True},
    "active_reading": {"max_strategies": 2},
    "entity_graph": {"max_pairs": 3, "max_triples": 1},
    "identifiers": {"max_identifiers": 4},
}
UNREAD = {"unparsed", "few_entities"}
WHOLE = {"verbatim", "paraphrase", "summary", "fixed_seven", "identifiers"}  # their replies are notes as they are


@dataclass(slots=True)
class Yield:
    """What one strategy made of the chunks. `asked` counts calls of the first template, whose reply is parsed."""

    strategy: str
    calls: int = 0
    asked: int = 0
    unread: int = 0
    chunks: int = 0
    notes: int = 0
    kept: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CountingAsk(Ask):
    """Counts what it asks, by template."""

    asked: Counter[str] = field(default_factory=Counter)

    async def __call__(
        self, template: str, chunk: Chunk, greedy: bool = False, top_logprobs: int = 0, **variables: str | int
    ) -> Reply:
        self.asked[template] += 1
        return await Ask.__call__(self, template, chunk, greedy, top_logprobs, **variables)


def read_chunks(data: Path, num_chunks: int, model: ModelFolder | None) -> list[Chunk]:
    """The first chunk of passages spread over the whole file."""
    lines = data.read_text(encoding="utf-8").splitlines()
    chosen = [json.loads(line) for line in lines[:: max(1, len(lines) // num_chunks)]][:num_chunks]
    count, options = token_counter(model.path if model else None), Chunks(max_tokens=CHUNK_TOKENS)
    return [
        next(split_document(Document(f"{i}", passage["title"].replace("_", " "), "", passage["text"]), options, count))
        for i, passage in enumerate(chosen)
    ]


async def measure(strategy: Strategy, options: Options, chunks: Sequence[Chunk], engine: Engine) -> Yield:
    """The yield of one round over all chunks, asked at once."""
    ask = CountingAsk(engine, SAMPLING, load_templates([strategy.name], None))

    async def collect(chunk: Chunk) -> list[tuple[Chunk, Note]]:
        return [(chunk, note) async for note in strategy.study(chunk, ask, options)]

    pairs = [pair for found in await asyncio.gather(*map(collect, chunks)) for pair in found]
    result = Yield(strategy.name, sum(ask.asked.values()), ask.asked[next(iter(ask.asked), "")], chunks=len(chunks))
    count_notes(result, pairs, strategy)
    return result


def count_notes(result: Yield, pairs: Sequence[tuple[Chunk, Note]], strategy: Strategy) -> None:
    """Add the filters' verdicts to the yield; the second of two equal notes is a duplicate."""
    seen: set[str] = set()
    for chunk, note in pairs:
        text = strip_opener(note.text)
        reason = find_reason(note, chunk, Filters(), strategy.exempt)
        key = duplicate_key(chunk.document_id, text)
        reason = reason or ("duplicate" if key in seen else "")
        seen.add(key)
        result.notes += 1
        result.unread += reason in UNREAD
        result.kept += not reason
        result.reasons[reason or "kept"] = result.reasons.get(reason or "kept", 0) + 1
        result.samples.append(f"[{reason or 'kept'}] {text}")


def table(results: Sequence[Yield]) -> Iterator[str]:
    """The results in Markdown."""
    yield "| strategy | calls | replies that parse | notes | kept | rejected, most frequent reasons |"
    yield "|---|--:|--:|--:|--:|---|"
    for r in results:
        parsed = f"{1 - r.unread / r.asked:.0%}" if r.strategy not in WHOLE else "–"
        reasons = ", ".join(
            f"{n} {name}" for name, n in sorted(r.reasons.items(), key=lambda item: -item[1]) if name != "kept"
        )
        yield f"| `{r.strategy}` | {r.calls} | {parsed} | {r.notes} | {r.kept / max(r.notes, 1):.0%} | {reasons} |"


async def run(names: Sequence[str], chunks: Sequence[Chunk], engine: Engine, out: Path, show: int) -> None:
    """Four strategies at a time; what is done is printed and written at once. `active_reading:task` is its variant."""
    gate = asyncio.Semaphore(4)

    async def run_one(name: str) -> None:
        base, _, variant = name.partition(":")
        chosen = OPTIONS.get(base, {}) | ({"variant": variant} if variant else {})
        async with gate:
            result = await measure(STRATEGIES[base], STRATEGIES[base].options(**chosen), chunks, engine)
        result.strategy = name
        print(f"\n{name}", *result.samples[:show], sep="\n  ", flush=True)
        write_result(result, out)

    await asyncio.gather(*map(run_one, names))
    await engine.close()


def read_results(out: Path) -> dict[str, Yield]:
    """What the file holds, by strategy."""
    rows = json.loads(out.read_text(encoding="utf-8")) if out.exists() else []
    return {row["strategy"]: Yield(**row) for row in rows}


def write_result(result: Yield, out: Path) -> None:
    """Put one strategy's result in the file, in the place of an earlier one."""
    rows = [asdict(row) for row in (read_results(out) | {result.strategy: result}).values()]
    for row in rows:
        row.pop("samples", None)
    write_json(rows, out)


def main() -> None:
    """Measure, print the table, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--chunks", type=int, default=12)
    about_text = [name for name in STRATEGIES.shipped if name != "reword"]  # that one is about pairs
    parser.add_argument("--strategies", default=",".join([*about_text, "active_reading:task"]))
    parser.add_argument("--engine", choices=["vllm", "echo"], default="vllm")
    parser.add_argument("--show", type=int, default=0, help="notes of each strategy to print")
    parser.add_argument("--out", type=Path, default=Path("docs/results/prompt_yield.json"))
    options = parser.parse_args()
    settings: EngineSettings = EchoEngine() if options.engine == "echo" else VllmEngine()
    model = None if options.engine == "echo" else find_model(EMBEDDED)
    chunks = read_chunks(options.data, options.chunks, model)
    names = options.strategies.split(",")
    asyncio.run(run(names, chunks, start_engine(settings, model, 0), options.out, options.show))
    results = list(read_results(options.out).values())
    print("\n".join(table(results)))
    print(json.dumps({"kept": {r.strategy: round(r.kept / max(r.notes, 1), 3) for r in results}}))


if __name__ == "__main__":
    main()
