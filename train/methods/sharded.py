"""Weights of which each worker holds a part: PyTorch's FSDP2 (`fully_shard`; Zhao et al. 2304.11277)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from train.model import decoder_layers
from train.peers import Peers


def shard(network: nn.Module, peers: Peers) -> None:
    """Split every weight over the workers, in fp32; a block's are put together for its forward and backward.

    Where the network holds layers in bf16, blocks compute in bf16. Gradients are added up, not averaged.
    """
    held_in_bf16 = any(weight.dtype == torch.bfloat16 for weight in network.parameters())
    policy = MixedPrecisionPolicy(torch.bfloat16 if held_in_bf16 else None, torch.float32)
    mesh = init_device_mesh(next(network.parameters()).device.type, (peers.world,))
    network.float()
    for block in [*decoder_layers(network), network]:
        wrapped: Any = fully_shard(block, mesh=mesh, mp_policy=policy)
        wrapped.set_gradient_divide_factor(1.0)
        wrapped.set_force_sum_reduction_for_comms(True)  # gloo has no other


def part_of(weight: Tensor) -> Tensor:
    """This worker's part of a weight that is split; the weight itself where it is not."""
    return weight.to_local() if isinstance(weight, DTensor) else weight


def join_parts(part: Tensor, weight: Tensor) -> Tensor:
    """The whole of which `part` is this worker's, split as `weight` is; all workers call it."""
    if not isinstance(weight, DTensor):
        return part
    whole: Any = DTensor.from_local(
        part, weight.device_mesh, weight.placements, run_check=False, shape=weight.shape, stride=weight.stride()
    )
    joined: Tensor = whole.detach().full_tensor()
    return joined
