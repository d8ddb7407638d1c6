"""The page about sources shows settings that load and names every kind of file and every bound."""

import re
from pathlib import Path

import pytest
import yaml

from augment.chunks import Chunks
from augment.documents import READERS, Documents

PAGE = (Path(__file__).parents[3] / "docs" / "sources.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL))
def test_settings_on_the_page_load(block: str) -> None:
    for key, value in yaml.safe_load(block).items():
        {"documents": Documents, "chunks": Chunks}[key].model_validate(value)


def test_the_page_names_every_kind_and_every_setting() -> None:
    for word in [*READERS, *Documents.model_fields, *Chunks.model_fields]:
        assert f"`{word}" in PAGE or f" {word}:" in PAGE, word
    defaults = Documents(path=".")
    assert f"`max_file_mb` ({defaults.max_file_mb})" in PAGE
    assert f"`max_convert_sec` ({defaults.max_convert_sec:g})" in PAGE
