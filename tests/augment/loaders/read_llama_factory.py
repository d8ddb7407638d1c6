"""Reads FOLDER/FORM with LLaMA-Factory's own data pipeline: FOLDER MODEL; the last line is JSON.

Its releases pin older versions of what is installed here and import torchaudio, for sound, which breaks transformers
where it comes built for CUDA: the check of versions is off, and an empty module stands in for torchaudio.
"""

import json
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

os.environ["DISABLE_VERSION_CHECK"] = "1"
import transformers  # noqa: F401  before torchaudio seems to be there

sound = ModuleType("torchaudio")
sound.__spec__ = ModuleSpec("torchaudio", None)
sys.modules["torchaudio"] = sound

from llamafactory.data import get_dataset, get_template_and_fix_tokenizer  # noqa: E402
from llamafactory.hparams import DataArguments, ModelArguments  # noqa: E402
from transformers import AutoTokenizer, Seq2SeqTrainingArguments  # noqa: E402


def read_folder(folder: str, model: str, stage: str) -> dict[str, list[dict[str, str]]]:
    """What is read and what is learned of each row, by split."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    data = DataArguments(dataset_dir=folder, dataset="notes", eval_dataset="notes_validation", template="chatml")
    template = get_template_and_fix_tokenizer(tokenizer, data)
    training = Seq2SeqTrainingArguments(output_dir=f"{folder}/unused", report_to="none", use_cpu=True)
    splits = get_dataset(template, ModelArguments(model), data, training, stage=stage, tokenizer=tokenizer)
    return {
        name: [
            {
                "text": tokenizer.decode(row["input_ids"]),
                "learned": tokenizer.decode([label for label in row.get("labels", []) if label >= 0]),
            }
            for row in split
        ]
        for name, split in splits.items()
    }


stages = {"chat": "sft", "instruction": "sft", "text": "pt"}
print(json.dumps({form: read_folder(f"{sys.argv[1]}/{form}", sys.argv[2], stage) for form, stage in stages.items()}))
