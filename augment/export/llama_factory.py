"""Describes exported files to LLaMA-Factory: the dataset_info.json that it wants beside them."""

from collections.abc import Iterable
from typing import Any

from augment.export.forms import Form

DESCRIPTIONS: dict[Form, dict[str, Any]] = {
    "chat": {
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    },
    "instruction": {"columns": {"prompt": "instruction", "query": "input", "response": "output"}},
    "text": {"columns": {"prompt": "text"}},
}


def describe_files(form: Form, files: Iterable[str]) -> dict[str, Any]:
    """`train.jsonl` is the dataset `notes`, any other split `notes_SPLIT`."""
    names = {file: file.partition(".")[0] for file in files}
    return {
        "notes" if split == "train" else f"notes_{split}": {"file_name": file, **DESCRIPTIONS[form]}
        for file, split in names.items()
    }
