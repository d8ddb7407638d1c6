"""Which numbers a machine is fast with: bf16 on a GPU and on a CPU with instructions for it, fp32 on any other.

Without them PyTorch works bf16 out by way of fp32: on a CPU that ends at AVX2 a linear layer of 512 x 576 x 1,536 took
eight times as long as in fp32, and its backward pass fifty times.
"""

BF16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")  # x86's, then Arm's


def dtype_name(on_gpu: bool) -> str:
    """The dtype to compute in on this machine, by PyTorch's name."""
    return "bfloat16" if on_gpu or cpu_has_bf16() else "float32"


def cpu_has_bf16() -> bool:
    """Whether this machine's CPU has instructions for products of bf16."""
    import torch

    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in BF16_INSTRUCTIONS)
