"""Lets vLLM write an evaluation's answers, for weights that it can load: the base model's, and full finetuning's."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from augment.engines.base import VllmEngine
from augment.errors import ConfigError, EngineError
from augment.precision import dtype_name
from train.evaluate.answers import Written, chat_prompt, first_line
from train.grid import Cell

LOADABLE = ("full", "in_context", "retrieval")
MAX_MODEL_LEN = 2048  # an answered question is 100 tokens; a document before it, some thousand


def check_vllm(cells: Sequence[Cell]) -> None:
    """Raises ConfigError before any work: vLLM is missing, or a method has weights that it cannot load."""
    if find_spec("vllm") is None:
        raise ConfigError("evaluate.vllm is set, and vllm is not installed", "pip install 'ingrain[vllm]', or unset it")
    others = sorted({cell.options.kind for cell in cells} - set(LOADABLE))
    if others:
        what = f"evaluate.vllm: vLLM cannot load what {others[0]} trains"
        raise ConfigError(what, f"unset it, or keep to {', '.join(LOADABLE)}: all are to be asked the same way")


class VllmWriter:
    """vLLM's offline engine, greedy."""

    def __init__(self, engine: Any, tokenizer: Any) -> None:
        self.engine, self.tokenizer = engine, tokenizer

    def answer(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """Each up to a line end."""
        written = self.write(prompts, max_new_tokens, ["\n"])
        return [first_line(answer.text) for answer in written]

    def write_on(self, prompts: Sequence[str], max_new_tokens: int) -> list[Written]:
        """Each up to the end that the model sets."""
        return self.write(prompts, max_new_tokens)

    def ask(self, question: str) -> str:
        """The question as a prompt in the model's own chat form."""
        return chat_prompt(self.tokenizer, question)

    def write(self, prompts: Sequence[str], max_new_tokens: int, stop: Sequence[str] = ()) -> list[Written]:
        """The continuations."""
        from vllm import SamplingParams, TokensPrompt

        params = SamplingParams(temperature=0, max_tokens=max_new_tokens, stop=list(stop))
        tokens = [TokensPrompt(prompt_token_ids=list(self.tokenizer(prompt).input_ids)) for prompt in prompts]
        outputs = self.engine.generate(tokens, params, use_tqdm=False)
        return [Written(output.outputs[0].text, output.outputs[0].finish_reason == "stop") for output in outputs]


@contextmanager
def open_writer(folder: Path, base: Path, tokenizer: Any, on_gpu: bool, seed: int) -> Iterator[VllmWriter]:
    """vLLM with the weights of a folder and the base's tokenizer; it ends with the block.

    Raises EngineError when it does not start.
    """
    from augment.engines.vllm import MEMORY_SHARE_ON_CPU, set_environment

    set_environment(VllmEngine(gpus_per_actor=1 if on_gpu else 0))
    from vllm import LLM

    limits: dict[str, Any] = {"max_model_len": MAX_MODEL_LEN, "seed": seed, "disable_log_stats": True}
    limits["dtype"] = dtype_name(on_gpu)
    if not on_gpu:
        limits |= {"enforce_eager": True, "gpu_memory_utilization": MEMORY_SHARE_ON_CPU}
    try:
        engine = LLM(model=str(folder), tokenizer=str(base), load_format="safetensors", **limits)
    except (RuntimeError, ValueError) as error:
        raise EngineError(
            f"vLLM cannot load {folder} ({str(error).splitlines()[0][:120]})", "unset evaluate.vllm"
        ) from None
    try:
        yield VllmWriter(engine, tokenizer)
    finally:
        engine.llm_engine.engine_core.shutdown()
