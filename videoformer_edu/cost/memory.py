"""What a training step keeps in memory: counted to the byte on a CPU, and on shapes alone for models of any size.

The forward pass keeps what the backward pass will ask for. That, more than the parameters, says which batch fits.
Activation checkpointing (Chen et al. 2016, arXiv:1604.06174) keeps the input of each block alone and computes the
inside again during the backward pass: about a third more multiply-adds, and then the inside of one block at a time.

    python -m videoformer_edu.cost.memory --model timesformer_base vivit_base

prints what one clip costs; it takes seconds and no memory, because no number is computed.
"""

from __future__ import annotations

import argparse
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from videoformer_edu import models
from videoformer_edu.models.blocks import checkpoint_blocks
from videoformer_edu.models.registry import BUILDERS

CLASSIFIERS = [name for name, entry in BUILDERS.items() if entry.task != "pretraining"]
MIB = 2**20
Batch = tuple[Tensor, Tensor]


def saved_tensors(run: Callable[[], object], there: Iterable[Tensor] = ()) -> list[Tensor]:
    """What autograd keeps of the forward pass in `run()`: one tensor for each storage, in the order it was kept.

    `there`: tensors that are in memory anyway, such as parameters, and are left out. Of a checkpointed block only the
    inputs are kept. `run` does one forward pass: a step that accumulates over parts would show all of them at once.
    """
    before = {x.untyped_storage()._cdata for x in there}
    kept: dict[int, Tensor] = {}  # holds the tensors, so that no storage is freed and its number given to another

    def pack(x: Tensor) -> Tensor:
        number = x.untyped_storage()._cdata
        if number not in before:
            kept.setdefault(number, x.detach())
        return x

    with saved_tensors_hooks(pack, lambda x: x):
        run()
    return list(kept.values())


def saved_bytes(model: nn.Module, batch: Batch) -> int:
    """Bytes kept for the backward pass of the cross-entropy of `batch` = (inputs, labels).

    On top of parameters, buffers and the batch itself. The same on every CPU: a sum over tensors, not a measurement.
    A GPU's fused kernels keep the same tensors; autocast there keeps some of them in half the bytes.
    """
    saved = saved_tensors(lambda: loss(model, batch), there=(*model.parameters(), *model.buffers(), *batch))
    return storage_bytes(saved)


def loss(model: nn.Module, batch: Batch) -> Tensor:
    inputs, labels = batch
    return F.cross_entropy(model(inputs), labels)


def storage_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of the storages behind `tensors`, each counted once."""
    storages = {x.untyped_storage()._cdata: x.untyped_storage() for x in tensors}
    return sum(storage.nbytes() for storage in storages.values())


# ------------------------------------------------------------------------------------------------ the highest point


def peak_bytes(run: Callable[[], object], device: torch.device | str = "cpu") -> int:
    """The most bytes alive at once during `run()`, on top of what was there before.

    CUDA: as the allocator counts (`torch.cuda.max_memory_allocated`). CPU: tensors alone, not what a kernel uses
    inside, and eager code alone; there it is the same number every time.
    """
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with LiveStorages() as live:
        run()
    return live.peak


class LiveStorages(TorchDispatchMode):
    """Follows every operation: the bytes of the storages that were made inside and still live, `now` and at `peak`."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self.known = WeakIdKeyDictionary()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        for x in tensors_in((args, kwargs)):
            self.known.setdefault(x.untyped_storage(), True)  # read before it was made here: it was there before
        out = function(*args, **(kwargs or {}))
        for x in tensors_in(out):
            storage = x.untyped_storage()
            if storage not in self.known:  # and not a view of something known
                self.known[storage] = True
                self.add(storage.nbytes())
                weakref.finalize(storage, self.add, -storage.nbytes())
        return out

    def add(self, count: int) -> None:
        self.now += count
        self.peak = max(self.peak, self.now)


def tensors_in(tree: object) -> Iterator[Tensor]:
    return (x for x in tree_leaves(tree) if isinstance(x, Tensor))


# ------------------------------------------------------------------------------------------------- on shapes alone


@contextmanager
def on_shapes(make: Callable[[], nn.Module]) -> Iterator[nn.Module]:
    """The model that `make()` builds, of tensors with shapes and no numbers; inside the context all tensors are so.

    Operations choose the kernels that they would choose on a CPU, and take neither time nor memory.
    """
    with torch.device("meta"):
        model = make()
    with FakeTensorMode(allow_non_fake_inputs=True):  # e.g. a constant that a module made when it was imported
        for module in model.modules():
            for name, p in list(module.named_parameters(recurse=False)):
                module.register_parameter(name, nn.Parameter(torch.empty(p.shape, dtype=p.dtype), p.requires_grad))
            for name, x in list(module.named_buffers(recurse=False)):
                setattr(module, name, torch.empty(x.shape, dtype=x.dtype))
        yield model


class Memory(NamedTuple):
    """Bytes in fp32, on top of parameters, optimiser and clips: `saved` for the backward pass, `peak` of forward and
    backward pass, the parameters' gradients included."""

    saved: int
    peak: int


def memory(name: str, *, batch: int = 1, checkpointing: bool = False, **changes) -> Memory:
    """What a step of the model `name` needs for a batch of clips of its published size; `changes` go to its builder.

    Raises ValueError for a name that is no classifier's.
    """
    if name not in CLASSIFIERS:
        raise ValueError(f"{name!r} is no classifier; choose one of {', '.join(CLASSIFIERS)}")
    with on_shapes(lambda: getattr(models, name)(**changes)) as model:
        model.train()
        if checkpointing:
            checkpoint_blocks(model)
        examples = torch.empty(batch, *BUILDERS[name].clip), torch.zeros(batch, dtype=torch.long)
        saved = saved_bytes(model, examples)
        return Memory(saved, peak_bytes(lambda: loss(model, examples).backward()))


HEADER = ("| model | clips | kept for backward, MiB | with checkpointing | less by | peak of the step, MiB "
          "| with checkpointing | less by |\n|---|---|--:|--:|--:|--:|--:|--:|")


def line(name: str, batch: int) -> str:
    """One row of the table, in Markdown."""
    plain, spared = memory(name, batch=batch), memory(name, batch=batch, checkpointing=True)
    cells = [name, " x ".join(map(str, (batch, *BUILDERS[name].clip[1:])))]
    for before, after in zip(plain, spared, strict=True):
        cells += [f"{before / MIB:,.1f}", f"{after / MIB:,.1f}", f"{before / after:.1f} x"]
    return f"| {' | '.join(cells)} |"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m videoformer_edu.cost.memory", description=(
        "What a training step in fp32 keeps for its backward pass, and the most it holds at once (parameters' "
        "gradients included; parameters and optimiser not), with and without activation checkpointing."))
    parser.add_argument("--model", nargs="+", default=["timesformer_motion", "vivit_motion", "timesformer_base",
                                                       "vivit_base"], metavar="NAME", choices=CLASSIFIERS)
    parser.add_argument("--batch", type=int, default=8, help="clips in a step (default 8)")
    asked = parser.parse_args(argv)
    print(HEADER)
    for name in asked.model:
        print(line(name, asked.batch), flush=True)


if __name__ == "__main__":
    main()
