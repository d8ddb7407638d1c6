"""Finds notes of one document that say exactly the same, whatever their case, spaces and punctuation."""

import re

from augment.records import content_id


def duplicate_key(document_id: str, text: str) -> str:
    """Two notes of a document with the same key are exact duplicates."""
    return content_id(document_id, " ".join(re.findall(r"\w+", text.lower())))
