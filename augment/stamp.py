"""Marks a dataset's card with the state of its shards, so that `datasets` never serves what it cached before.

`load_dataset(FOLDER)` keeps its copy under the folder's name and a hash of the card's `configs`; with patterns for
data files that hash sees neither the files nor the folder (datasets 5.2). Without a mark, the second dataset called
`notes` on a machine would be read as the first one, and a grown dataset as it was.
"""

import re
import uuid
from collections.abc import Sequence
from pathlib import Path

from augment.whole import replace_file

CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: train/*.arrow
  - split: rejected
    path: rejected/*.arrow
  description: state none
---
# Notes about documents

Written by ingrain. `train` holds the notes that passed every filter, `rejected` those that did not, with the
`reason`. Each row names its document, the characters `start` to `end` it came from, strategy, template hash,
model and sampling.
"""
STAMP = re.compile(r"^(  description: )state \w+$", re.MULTILINE)


def fingerprint_of(names: Sequence[str]) -> str:
    """A hash of the list of shards. Their names are random, so no two states of datasets share it."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(names)).hex[:16]


def stamp_text(card: str, fingerprint: str) -> str:
    """The card with this state of the shards in its front matter."""
    return STAMP.sub(rf"\g<1>state {fingerprint}", card, count=1)


def stamp_card(folder: Path, fingerprint: str) -> None:
    """Bring the card of the dataset in `folder` up to the state of its shards; nothing is written when it is so."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.exists() else CARD
    stamped = stamp_text(text, fingerprint)
    if stamped != text or not card.exists():
        with replace_file(card) as path:
            path.write_text(stamped, encoding="utf-8")
