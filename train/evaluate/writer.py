"""What writes the answers of an evaluation: the network itself in batches, or vLLM where it can load the weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from train.evaluate.answers import Written, chat_prompt, complete, continue_prompts
from train.model import Loaded


class Writer(Protocol):
    """Greedy continuations in the order of the prompts."""

    def answer(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """Each up to a line end."""
        ...

    def write_on(self, prompts: Sequence[str], max_new_tokens: int) -> list[Written]:
        """Each up to the end that the model sets."""
        ...

    def ask(self, question: str) -> str:
        """The question as a prompt in the model's own chat form."""
        ...


@dataclass(frozen=True, slots=True)
class NetworkWriter:
    """A loaded network, `batch_size` prompts at a time."""

    loaded: Loaded
    batch_size: int

    def answer(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """Each up to a line end."""
        return complete(self.loaded, prompts, max_new_tokens, self.batch_size)

    def write_on(self, prompts: Sequence[str], max_new_tokens: int) -> list[Written]:
        """Each up to the end that the model sets."""
        return continue_prompts(self.loaded, prompts, max_new_tokens, self.batch_size, one_line=False)

    def ask(self, question: str) -> str:
        """The question as a prompt in the model's own chat form."""
        return chat_prompt(self.loaded.tokenizer, question)
