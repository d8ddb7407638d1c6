"""Answers with `generate` of transformers, in this process: for machines where vLLM does not install."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from augment.engines.base import Sampling, TransformersEngine
from augment.errors import RequestError, StoppedError
from augment.models import ModelFolder
from augment.precision import dtype_name
from augment.records import Message, Reply

GATHER_SEC = 0.02  # requests that come within this time are answered together


@dataclass(slots=True, eq=False)
class Request:
    """A prompt's ids, how its reply is drawn, and who waits for it."""

    ids: list[int]
    sampling: Sampling
    reply: asyncio.Future[Reply]


class Transformers:
    """Requests that wait are answered in batches of one sampling and of like length, the shortest first.

    The model is loaded for the first of them. Draws are seeded once, so that replies depend on the batches too.
    """

    def __init__(self, settings: TransformersEngine, model: ModelFolder, seed: int) -> None:
        from transformers import AutoTokenizer

        self.settings, self.model, self.seed = settings, model, seed
        self.tokenizer: Any = AutoTokenizer.from_pretrained(str(model.path))
        if not self.tokenizer.chat_template:
            todo = "use an instruction-tuned model, or put a chat_template.jinja into its folder"
            raise StoppedError(f"the model {model.name} has no chat template", todo)
        self.network: Any = None
        self.waiting: list[Request] = []
        self.worker: asyncio.Task[None] | None = None

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        request = Request(self.encode(messages), sampling, asyncio.get_running_loop().create_future())
        room = self.settings.max_model_len - len(request.ids)
        if room < sampling.max_tokens:
            raise RequestError(
                f"a prompt of {len(request.ids)} tokens leaves {room} of {self.settings.max_model_len} for the reply",
                "lower augment.chunks.max_tokens or augment.sampling.max_tokens, or raise max_model_len",
            )
        self.waiting.append(request)
        if self.worker is None or self.worker.done():
            self.worker = asyncio.create_task(self.work())
        return await request.reply

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of the conversation in the model's chat template."""
        turns = [{"role": m.role, "content": m.content} for m in messages]
        return list(
            self.tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
        )

    async def work(self) -> None:
        """Answer until nobody waits; what goes wrong is told to those whom it concerns."""
        await asyncio.sleep(GATHER_SEC)
        while batch := self.take_batch():
            try:
                replies = await asyncio.to_thread(self.answer, [r.ids for r in batch], batch[0].sampling)
            except Exception as error:
                for request in batch:
                    if not request.reply.done():  # its unit may have been given up
                        request.reply.set_exception(explain(error, len(batch)))
                continue
            for request, reply in zip(batch, replies, strict=True):
                if not request.reply.done():
                    request.reply.set_result(reply)

    def take_batch(self) -> list[Request]:
        """The next requests to answer together, taken from those that wait."""
        alike = [r for r in self.waiting if r.sampling == self.waiting[0].sampling]
        batch = sorted(alike, key=lambda r: len(r.ids))[: self.settings.max_batch]
        taken = {id(request) for request in batch}
        self.waiting = [r for r in self.waiting if id(r) not in taken]
        return batch

    @torch.inference_mode()
    def answer(self, prompts: Sequence[list[int]], sampling: Sampling) -> list[Reply]:
        """Replies to prompts, whose ids are padded on the left."""
        network, pad = self.start(), self.tokenizer.eos_token_id
        length = max(map(len, prompts))
        ids = torch.tensor([[pad] * (length - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (length - len(p)) + [1] * len(p) for p in prompts])
        out = network.generate(
            input_ids=ids.to(network.device), attention_mask=mask.to(network.device), **self.draws(sampling)
        )
        new = out.sequences[:, length:].cpu()
        likeliest = rank_tokens(out.logits, sampling.top_logprobs) if sampling.top_logprobs else None
        return [self.read_reply(i, len(p), new[i], likeliest) for i, p in enumerate(prompts)]

    def start(self) -> Any:
        """The model, loaded when it is not yet: on a GPU where there is one."""
        if self.network is None:
            from transformers import AutoModelForCausalLM
            from transformers.utils import logging

            logging.disable_progress_bar()
            device = "cuda" if torch.cuda.is_available() else "cpu"
            self.network = AutoModelForCausalLM.from_pretrained(
                str(self.model.path), dtype=getattr(torch, dtype_name(device == "cuda")), use_safetensors=True
            )
            self.network.to(device).eval()
            torch.manual_seed(self.seed)
        return self.network

    def draws(self, sampling: Sampling) -> dict[str, Any]:
        """Arguments of `generate`; what the model's own files say of sampling is not used."""
        from transformers import GenerationConfig

        heat = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        config = GenerationConfig(
            max_new_tokens=sampling.max_tokens,
            eos_token_id=self.ends(),
            pad_token_id=self.tokenizer.eos_token_id,
            return_dict_in_generate=True,
            output_logits=sampling.top_logprobs > 0,
            **(heat if sampling.temperature else {"do_sample": False}),
        )
        return {"generation_config": config}

    def ends(self) -> list[int]:
        """Tokens that end a reply: the tokenizer's, and those that the model names."""
        named = self.network.generation_config.eos_token_id
        return list(dict.fromkeys([self.tokenizer.eos_token_id, *([named] if isinstance(named, int) else named or [])]))

    def read_reply(self, row: int, num_prompt: int, new: Tensor, likeliest: tuple[Tensor, Tensor] | None) -> Reply:
        """The reply in a row's new tokens (L,), which may go on as padding after their end."""
        ended = torch.isin(new, torch.tensor(self.ends())).nonzero().flatten().tolist()
        count = ended[0] + 1 if ended else len(new)
        text = self.tokenizer.decode(new[:count], skip_special_tokens=True).strip()
        reason = "stop" if ended else "length"
        reply = Reply(text, reason, num_prompt, count)
        if likeliest is None:
            return reply
        top_ids, top_logprobs = (tuple(map(tuple, part[row, :count].tolist())) for part in likeliest)
        return replace(reply, token_ids=tuple(new[:count].tolist()), top_ids=top_ids, top_logprobs=top_logprobs)

    async def close(self) -> None:
        if self.worker is not None and not self.worker.done():
            self.worker.cancel()
        self.network = None


def rank_tokens(logits: Sequence[Tensor], count: int) -> tuple[Tensor, Tensor]:
    """Ids and log-probabilities (B, L, count) of the likeliest tokens; `logits` is (B, V) for each of L steps."""
    best = [step.float().log_softmax(-1).topk(count) for step in logits]
    return torch.stack([b.indices for b in best], 1).cpu(), torch.stack([b.values for b in best], 1).cpu()


def explain(error: Exception, number: int) -> StoppedError:
    """The error that ends a run whose model cannot answer."""
    if isinstance(error, torch.OutOfMemoryError) or "alloc" in str(error):
        return StoppedError(f"no memory for {number} replies at once", "lower augment.engine.max_batch")
    what = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return StoppedError(f"transformers cannot answer ({what})", "try another model, or augment.engine.kind=vllm")
