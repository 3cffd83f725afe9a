"""Several processes that train one model: `torchrun --nproc-per-node 2 -m videoformer_edu.training ...`.

Every process takes every `size`-th row of the global batch; gradients are summed over the processes, so that they make
the step that one process would make with the whole batch. What stays inside a process, and nothing else, makes a
difference: batch normalisation (see `World.wrap`), which units drop out, and which clips are mixed where the source
yields `Rows`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from videoformer_edu.models.blocks import blocks_of


class Rows(NamedTuple):
    """The local rows of one process, `World.rows` of a global batch of `total`, where the source loads no others."""

    inputs: Tensor
    targets: Tensor
    total: int


@dataclass(frozen=True)
class World:
    """The processes that train together, seen from one of them: it is `rank` of `size`, and computes on `device`.

    shard: weights, gradients and optimiser state are spread over the processes (FSDP2) instead of copied (DDP).
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")
    shard: bool = False

    @classmethod
    @contextmanager
    def joined(cls, device: str | torch.device | None = None, *, shard: bool = False) -> Iterator[World]:
        """The world that torchrun's environment describes, left at the end of the block; without torchrun, one process.

        device: None takes a GPU where there is one. Under torchrun each process of a machine takes its own GPU (NCCL)
        or the CPU (gloo). Raises ValueError if a machine has no GPU, or fewer of them than processes, and if `shard`
        has no torchrun.
        """
        kind = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if kind.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"torch {torch.__version__} sees no GPU here; use the CPU, or a build for CUDA")
        if not dist.is_torchelastic_launched():
            if shard:
                raise ValueError("there is one process and nothing to spread a model over: start it with torchrun")
            yield cls(device=kind)
            return
        if kind.type == "cuda":
            kind = torch.device("cuda", _own_gpu(int(os.environ["LOCAL_RANK"])))
            torch.cuda.set_device(kind)
        # gloo beside NCCL carries what lives on the CPU: random states, the name of the checkpoint to go on from
        store, rank, size = next(dist.rendezvous("env://"))
        if int(os.environ["LOCAL_WORLD_SIZE"]) == size:
            # torchrun keeps its store when it restarts workers, and in it the addresses of those that died. On
            # several machines restarts are not counted alike: set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 there.
            store = dist.PrefixStore(f"restart {os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
        backend = "cpu:gloo,cuda:nccl" if kind.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size)
        yield cls(rank, size, kind, shard)
        dist.destroy_process_group()  # after an error not even that: it would wait for processes that wait for this one

    def __str__(self) -> str:
        if self.size == 1:
            return f"one process on {self.device.type}"
        how = "spread over them (FSDP2)" if self.shard else "copied to each (DDP)"
        return f"{self.size} processes on {self.device.type}, the model {how}"

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    def rows(self, batch: Tensor) -> Tensor:
        """The rows of the global `batch` `(b, ...)` that are this process's: rank, rank + size, ..."""
        return batch[self.rank :: self.size]

    def check_batch(self, batch: int, accumulate: int = 1) -> None:
        """Raise ValueError unless every process has a row for each of its `accumulate` micro-batches.

        The batch need not be a multiple: each row weighs the same, wherever it is computed.
        """
        if batch < self.size * accumulate:
            raise ValueError(f"batch is {batch} clips, for {self.size} processes with {accumulate} micro-batches each; "
                             f"expected at least {self.size * accumulate}, or fewer processes or micro-batches")

    def wrap(self, model: nn.Module) -> nn.Module:
        """`model` for training by all processes: what this returns is to be called, `model` to be kept and optimised.

        Make the optimiser afterwards: `shard` changes the parameters of `model` itself. One process changes nothing.

        Batch normalisation sees the rows of one process. On GPUs it is replaced by its synchronised form, which sees
        all of them; that exists for GPUs only, so on CPUs the curve of a 3-D CNN depends on the number of processes.
        """
        if self.size > 1 and self.device.type == "cuda":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        if self.shard:
            return self.spread(model)
        if self.size == 1:
            return model
        gpu = [self.device.index] if self.device.type == "cuda" else None
        # Of an axis of length one, as a CLS token has, the stride means nothing, and DDP warns of it nevertheless.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        return DistributedDataParallel(model, device_ids=gpu, gradient_as_bucket_view=True)

    def spread(self, model: nn.Module) -> nn.Module:
        """With `shard`, `model` with its parameters spread over the processes, block by block, in place.

        Raises ValueError for a model without blocks, RuntimeError where torch is too old.
        """
        if not self.shard:
            return model
        blocks = blocks_of(model).values()
        try:
            from torch.distributed.fsdp import fully_shard
        except ImportError as error:
            raise RuntimeError(f"FSDP2 needs torch 2.6 or newer, this is {torch.__version__}; do without") from error
        from torch.distributed.device_mesh import init_device_mesh

        mesh = init_device_mesh(self.device.type, (self.size,))
        for block in blocks:
            fully_shard(block, mesh=mesh)
        return fully_shard(model, mesh=mesh) or model

    def total(self, value: Tensor) -> Tensor:
        """The sum of `value` over the processes, in each of them. NaN anywhere is NaN everywhere: none waits alone."""
        if self.size > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value

    def gather(self, value) -> list:
        """`value` of every process, in the order of the ranks, in each of them. Plain values and CPU tensors."""
        if self.size == 1:
            return [value]
        values = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def from_first(self, value):
        """What the first process passes, in each of them. Plain values and CPU tensors."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, device=torch.device("cpu"))
        return box[0]

    def together(self, work: Callable[[], object]) -> object:
        """`work` done by the first process alone; its value, or its error, in each of them."""
        value = error = None
        if self.first:
            try:
                value = work()
            except Exception as caught:
                error = caught
        value, error = self.from_first((value, error))
        if error is not None:
            raise error
        return value


@contextmanager
def gradients_summed(model: nn.Module, summed: bool) -> Iterator[None]:
    """A backward pass in this block sums gradients over the processes only if `summed`: the last micro-batch's does."""
    if isinstance(model, DistributedDataParallel) and not summed:
        with model.no_sync():
            yield
        return
    if hasattr(model, "set_requires_gradient_sync"):  # FSDP2
        model.set_requires_gradient_sync(summed)
    yield


def whole(state):
    """`state`, nested dicts, lists and tuples, with every tensor whole and on the CPU: what a checkpoint keeps.

    Parts that FSDP2 spread over the processes are brought together, so all of them have to call this.
    """
    if isinstance(state, dict):
        return {key: whole(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(whole(value) for value in state)
    return whole_tensor(state).detach().cpu() if isinstance(state, Tensor) else state


def whole_tensor(tensor: Tensor) -> Tensor:
    """All of a tensor of which each process has a part; all of them have to call this."""
    return tensor.full_tensor() if _is_spread(tensor) else tensor


def spread_like(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, laid out over the processes as `like` is; unchanged where `like` is whole or of another shape."""
    if not _is_spread(like) or value.shape != like.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)


def _is_spread(tensor: Tensor) -> bool:
    return hasattr(tensor, "full_tensor")  # a DTensor; asking so keeps its import away from a run on one processor


def _own_gpu(local_rank: int) -> int:
    gpus = torch.cuda.device_count()
    if local_rank >= gpus:
        raise ValueError(f"process {local_rank} of this machine has no GPU of its own: there are {gpus}; "
                         f"pass --nproc-per-node {gpus}, or --device cpu")
    return local_rank
