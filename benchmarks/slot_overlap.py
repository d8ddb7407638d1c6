"""Measures, layer by layer, which slots two phrasings share: of one person, and of two people in one phrasing.

    python benchmarks/slot_overlap.py --layers 2,3,6,10,14,20

A fact is learned for unseen phrasings when they read the slots that its training wrote (same person: high), and it is
kept apart from others when those do not read them (other people: low). Slots are read at two places: the last token
of the name, and the last token of the prompt. Overlap is the share of a prompt's slots that the other one reads too,
there. The last line is one JSON object.
"""

import argparse
import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from invented_people import DATA, check_data, read_background
from people import PersonFact, invent_facts

from train.data import Sample, pad
from train.memory.attach import attach_memories, collect_states, fit_background
from train.memory.layer import Memory
from train.methods.options import MemoryOptions
from train.model import Loaded, load_model

Slots = dict[tuple[str, str], set[int]]  # by person and phrasing


def prompts_of(fact: PersonFact) -> dict[str, str]:
    """The phrasings that come to the answer after the name, without the answer."""
    told = {f"told {i}": text[: text.rindex(fact.answer)].rstrip() for i, text in enumerate(fact.told())}
    return {form: text for form, text in {**told, **fact.asked()}.items() if fact.name in text}


def last_of(name: str, prompt: str, tokenizer: Any) -> int:
    """Position of the name's last token."""
    stop = prompt.index(name) + len(name)
    offsets = tokenizer(prompt, return_offsets_mapping=True).offset_mapping
    return max(i for i, (begin, _) in enumerate(offsets) if begin < stop)


def read_slots(
    loaded: Loaded, memories: dict[int, Memory], facts: list[PersonFact]
) -> Iterator[tuple[int, str, Slots]]:
    """For each layer and place, the slots that each prompt reads there."""
    found: dict[tuple[int, str], Slots] = {(layer, place): {} for layer in memories for place in ("name", "end")}
    for fact in facts:
        for form, prompt in prompts_of(fact).items():
            ids = loaded.tokenizer(prompt).input_ids
            states = collect_states(loaded.network, memories, pad([Sample(ids)]))
            places = {"name": last_of(fact.name, prompt, loaded.tokenizer), "end": len(ids) - 1}
            for layer, memory in memories.items():
                slots = memory.keys(states[layer])[0]
                for place, at in places.items():
                    found[layer, place][fact.name, form] = set(slots[at].tolist())
    for (layer, place), slots_by_prompt in found.items():
        yield layer, place, slots_by_prompt


def overlap(slots: Slots, same_person: bool) -> float:
    """Mean share of slots in common: one person in two phrasings, or two people in one phrasing."""
    same, different = (0, 1) if same_person else (1, 0)
    pairs = [(a, b) for a, b in combinations(slots, 2) if a[same] == b[same] and a[different] != b[different]]
    return mean(len(slots[a] & slots[b]) / len(slots[a]) for a, b in pairs)


def main() -> None:
    """Measure and print a line for each layer and place."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--layers", default="1,2,3,4,6,8,10,12,14,17,20,25")
    parser.add_argument("--num-keys", type=int, default=256)
    args = parser.parse_args()
    check_data(parser, args.data)
    loaded = load_model(args.model)
    general = read_background(args.data, loaded, num_questions=0)
    options = MemoryOptions(layers=[int(layer) for layer in args.layers.split(",")], num_keys=args.num_keys)
    memories = attach_memories(loaded.network, options, seed=0)
    fit_background(loaded.network, memories, general.passages, [])
    rows = []
    with torch.no_grad():
        for layer, place, slots in read_slots(loaded, memories, invent_facts(48)[::2]):
            row = {"layer": layer, "place": place, "one_person": round(overlap(slots, True), 3)}
            rows.append(row | {"two_people": round(overlap(slots, False), 3)})
            print(json.dumps(rows[-1]), flush=True)
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
