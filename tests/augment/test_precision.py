"""The precision follows the machine: bf16 where its CPU has instructions for it."""

import pytest
import torch

from augment import precision
from augment.precision import dtype_name


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False}, "float32"),
        ({"avx2": True, "avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({"neon": True, "fp16_arith": True}, "float32"),
        ({"neon": True, "bf16": True}, "bfloat16"),
    ],
)
def test_a_cpu_without_bf16_instructions_computes_in_fp32(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, bool], expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert dtype_name(on_gpu=False) == expected
    assert dtype_name(on_gpu=True) == "bfloat16"


def test_the_names_are_those_that_pytorch_gives() -> None:
    found = torch.cpu.get_capabilities()
    x86, arm = precision.BF16_INSTRUCTIONS[:2], precision.BF16_INSTRUCTIONS[2:3]
    assert set(x86 if found["architecture"] == "x86_64" else arm) <= set(found)
