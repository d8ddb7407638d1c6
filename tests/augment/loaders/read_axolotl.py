"""Reads FOLDER/FORM.jsonl with axolotl's own strategies `chat_template`, `alpaca` and `completion`: FOLDER MODEL.

The last line is JSON. `alpaca` is put together as axolotl's wrapper of that type does, whose module needs more
packages than its strategies.
"""

import json
import os
import sys

os.environ["AXOLOTL_DO_NOT_TRACK"] = "1"
from axolotl.prompt_strategies import load
from axolotl.prompt_tokenizers import AlpacaPromptTokenizingStrategy
from axolotl.prompters import AlpacaPrompter
from axolotl.utils.dict import DictDefault
from datasets import load_dataset
from transformers import AutoTokenizer

folder, model = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(model)
settings = DictDefault({"sequence_len": 512, "train_on_inputs": False})
strategies = {
    "chat": load("chat_template", tokenizer, settings, DictDefault({"type": "chat_template"})),
    "instruction": AlpacaPromptTokenizingStrategy(AlpacaPrompter(), tokenizer, False, 512),
    "text": load("completion", tokenizer, settings, DictDefault({"type": "completion"})),
}
read = {}
for form, strategy in strategies.items():
    rows = load_dataset("json", data_files=f"{folder}/{form}.jsonl", split="train", cache_dir=f"{folder}/cache")
    batched = strategy.supports_batched
    tokens = [strategy.tokenize_prompt(rows[i : i + 1] if batched else rows[i]) for i in range(len(rows))]
    parts = [{name: value[0] for name, value in part.items()} if batched else part for part in tokens]
    read[form] = [
        {
            "text": tokenizer.decode(part["input_ids"]),
            "learned": tokenizer.decode([label for label in part["labels"] if label >= 0]),
        }
        for part in parts
    ]
print(json.dumps(read))
