"""Drives vLLM's AsyncLLM in this process tree: continuous batching over all requests in flight."""

import os
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from augment.engines.base import Sampling, VllmEngine
from augment.engines.failures import explain_start, own_log
from augment.errors import DeadEngineError, EngineError, RequestError, StoppedError
from augment.models import ModelFolder
from augment.precision import dtype_name
from augment.records import Message, Reply

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM

MEMORY_SHARE_ON_CPU = 0.4
NUCLEUS = "augment.engines.nucleus:Nucleus"
# glibc gives a large tensor's pages back when it is freed, and each step pays for some 10,000 page faults again. The
# engine's processes read these when they start. A tenth more tokens a second.
KEEP_FREED_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}


class Vllm:
    """One vLLM engine; starts on the first request, inside the event loop that then serves it.

    On a CPU a per-request seed crashes the engine, so the engine is seeded and requests are not.
    """

    def __init__(self, settings: VllmEngine, model: ModelFolder, seed: int) -> None:
        from transformers import AutoTokenizer

        set_environment(settings)
        self.settings, self.model, self.seed = settings, model, seed
        self.tokenizer: Any = AutoTokenizer.from_pretrained(str(model.path))
        self.llm: AsyncLLM | None = None
        self.failed: StoppedError | None = None

    def start(self) -> "AsyncLLM":
        """The running engine, started when it is not. Raises StoppedError, now and ever after, when it does not start:
        no unit is to blame for that.
        """
        if self.failed:
            raise self.failed
        if self.llm is None:
            try:
                self.check_template()
                self.llm = self.make_engine()
            except Exception as error:  # vLLM raises whatever its parts raise
                self.failed = explain_start(error, own_log())
                raise self.failed from error
        return self.llm

    def check_template(self) -> None:
        """Raise StoppedError for a base model, which knows no turns of a conversation."""
        if not self.tokenizer.chat_template:
            todo = "use an instruction-tuned model, or put a chat_template.jinja into its folder"
            raise StoppedError(f"the model {self.model.name} has no chat template", todo)

    def make_engine(self) -> "AsyncLLM":
        """A new engine of vLLM."""
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        # The batch sizes of offline inference: those of a server are an eighth on a big GPU, half on a CPU.
        arguments = AsyncEngineArgs(**self.engine_arguments())
        return AsyncLLM.from_engine_args(arguments, usage_context=UsageContext.LLM_CLASS)

    def engine_arguments(self) -> dict[str, Any]:
        """Arguments of vLLM; the user's `options` come last and win."""
        arguments: dict[str, Any] = {
            "model": str(self.model.path),
            "load_format": "safetensors",
            "dtype": dtype_name(on_gpu=self.settings.gpus_per_actor > 0),
            "max_model_len": self.settings.max_model_len,
            "seed": self.seed,
            "enable_prefix_caching": self.settings.prefix_caching,
            "tensor_parallel_size": self.settings.tensor_parallel,
            "enable_log_requests": False,
            "disable_log_stats": True,
        }
        if self.settings.tensor_parallel > 1:
            # Inside a Ray actor vLLM would ask Ray for GPUs that this actor already holds.
            arguments["distributed_executor_backend"] = "mp"
        if self.settings.gpus_per_actor == 0:
            arguments |= {"enforce_eager": True, "gpu_memory_utilization": MEMORY_SHARE_ON_CPU}
            arguments["logits_processors"] = [NUCLEUS]
        return arguments | self.settings.options

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of the conversation in the model's chat template."""
        turns = [{"role": m.role, "content": m.content} for m in messages]
        template = self.tokenizer.apply_chat_template
        return list(template(turns, add_generation_prompt=True, return_dict=True)["input_ids"])

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        from vllm.sampling_params import RequestOutputKind, SamplingParams
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        llm = self.start()
        ids = self.encode(messages)
        room = self.settings.max_model_len - len(ids)
        # An oversized request would end the engine: it never gets there.
        if room < sampling.max_tokens:
            raise RequestError(
                f"a prompt of {len(ids)} tokens leaves {room} of {self.settings.max_model_len} for the reply",
                "lower augment.chunks.max_tokens or augment.sampling.max_tokens, or raise max_model_len",
            )
        # Only the end is wanted: a reply that wakes this loop at each token takes the engine's cores from it.
        on_cpu = self.settings.gpus_per_actor == 0
        params = SamplingParams(
            temperature=sampling.temperature,
            max_tokens=sampling.max_tokens,
            logprobs=sampling.top_logprobs or None,
            output_kind=RequestOutputKind.FINAL_ONLY,
            **({"extra_args": {"nucleus": sampling.top_p}} if on_cpu else {"top_p": sampling.top_p}),
        )
        final = None
        try:
            async for output in llm.generate({"prompt_token_ids": ids}, params, uuid.uuid4().hex):
                final = output
        except EngineDeadError:
            raise DeadEngineError("the vLLM engine died", "run again with fewer or shorter chunks") from None
        except (EngineGenerateError, ValueError) as error:
            raise EngineError(f"vLLM cannot serve a request ({error})") from None
        assert final is not None
        best = final.outputs[0]
        reply = Reply(best.text.strip(), best.finish_reason or "abort", len(ids), len(best.token_ids))
        return with_logprobs(reply, best, sampling.top_logprobs) if sampling.top_logprobs else reply

    async def close(self) -> None:
        if self.llm is not None:
            self.llm.shutdown()
            self.llm = None


def with_logprobs(reply: Reply, output: Any, count: int) -> Reply:
    """The reply with its token ids and the `count` likeliest at each; vLLM adds the drawn one, which may be another."""
    ranked = [sorted(found.items(), key=lambda item: -item[1].logprob)[:count] for found in output.logprobs]
    return replace(
        reply,
        token_ids=tuple(output.token_ids),
        top_ids=tuple(tuple(token for token, _ in top) for top in ranked),
        top_logprobs=tuple(tuple(found.logprob for _, found in top) for top in ranked),
    )


def set_environment(settings: VllmEngine) -> None:
    """What vLLM reads from the environment, before it is imported; what the user set stays."""
    cores = ",".join(str(core) for core in sorted(os.sched_getaffinity(0)))
    defaults = {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if settings.gpus_per_actor == 0:
        defaults |= {"VLLM_CPU_OMP_THREADS_BIND": cores, "VLLM_CPU_KVCACHE_SPACE": str(settings.kv_cache_gib)}
        defaults |= KEEP_FREED_MEMORY
        os.environ.pop("OMP_NUM_THREADS", None)  # Ray sets it to 1 in its workers
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
