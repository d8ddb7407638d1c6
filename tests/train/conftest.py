"""What the tests of training share."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a base model answered in one test is no other's."""
    folder = tmp_path_factory.mktemp("cache") / "models"
    monkeypatch.setattr("train.evaluate.cache.cache_folder", lambda: folder)
    return folder.parent / "evaluations"


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model answers nothing; here every general question counts as known."""
    monkeypatch.setattr("train.evaluate.measure.known_ids", lambda answers: {"k0", "k1", "k2"})
    monkeypatch.setattr("train.evaluate.base.known_ids", lambda answers: {"k0", "k1", "k2"})
