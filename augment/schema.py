"""The columns of a note, and how `datasets` spells their types."""

from typing import Any

import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("note_id", pa.string()),
        ("unit_id", pa.string()),
        ("document_id", pa.string()),
        ("title", pa.string()),
        ("heading", pa.string()),
        ("source", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("strategy", pa.string()),
        ("strategy_text", pa.string()),
        ("round", pa.int64()),
        ("template", pa.string()),
        ("template_hash", pa.string()),
        ("engine", pa.string()),
        ("model", pa.string()),
        ("model_revision", pa.string()),
        ("sampling", pa.string()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        # For distillation: `text[answer_start:]` in tokens, and the teacher's k likeliest at each. Else 0 and empty.
        ("answer_start", pa.int64()),
        ("token_ids", pa.list_(pa.int32())),
        ("top_ids", pa.list_(pa.list_(pa.int32()))),
        ("top_logprobs", pa.list_(pa.list_(pa.float32()))),
        ("nearest_note", pa.string()),  # the note that a duplicate repeats,
        ("similarity", pa.float32()),  # and how near it is, 0 to 1
        ("leaked_question", pa.string()),  # the evaluation's question that stands in the text
        ("judgement", pa.string()),  # what the judge said, where there is one
    ]
)
Row = dict[str, Any]


def feature_of(kind: pa.DataType) -> dict[str, Any]:
    """An Arrow type as `datasets` spells it in dataset_info.json."""
    if pa.types.is_list(kind):
        return {"feature": feature_of(kind.value_type), "_type": "List"}
    return {"dtype": "float32" if kind == pa.float32() else str(kind), "_type": "Value"}
