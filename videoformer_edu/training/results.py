"""What a run leaves, weights, history, an evaluation: tried before the first step, and never lost at the last."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

from torch import nn

from videoformer_edu.training.data import TrainingData
from videoformer_edu.training.distributed import World, whole
from videoformer_edu.training.evaluate import evaluate
from videoformer_edu.training.files import try_file, try_folder, whole_file
from videoformer_edu.training.history import History


def try_destinations(options: argparse.Namespace, model: nn.Module) -> None:
    """Raise ValueError for the first of --out, --history, --checkpoints that could not be written."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    if options.out is not None:
        try_file(options.out, "--out", size)
    if options.history is not None:
        try_file(options.history, "--history")
        if options.out is not None and options.out.absolute() == options.history.absolute():
            raise ValueError(f"--out and --history are both {options.out}; name two files")
    if options.checkpoints is not None:
        try_folder(options.checkpoints, "--checkpoints", 3 * size)  # weights, and the two moments of AdamW


def keep_results(options: argparse.Namespace, model: nn.Module, history: History, about: dict, world: World,
                 say: Callable[[str], None]) -> list[str]:
    """Write what --out and --history ask for; -> what failed, in words. Weights that have no place get one."""
    failures = []
    if options.out is not None:
        try:
            save_weights(model, options.out, about, world)
            say(f"weights -> {options.out}")
        except OSError as error:
            failures.append(f"{options.out} could not be written ({error.strerror or error}); the trained weights are "
                            f"in {rescue_weights(model, about, world)}")
    if options.history is not None:
        try:
            world.together(lambda: history.save(options.history))
            say(f"history -> {options.history}")
        except OSError as error:
            failures.append(f"{options.history} could not be written ({error.strerror or error})")
    return failures


def save_weights(model: nn.Module, path: Path, about: dict, world: World) -> None:
    """The weights as safetensors, and in its header, as JSON, how they came about. Raises OSError in all processes."""
    from safetensors.torch import save

    def write() -> None:
        with whole_file(path) as unfinished:
            unfinished.write_bytes(save(state, metadata={"training": json.dumps(about)}))

    state = {name: tensor.contiguous() for name, tensor in whole(model.state_dict()).items()}
    world.together(write)


def rescue_weights(model: nn.Module, about: dict, world: World) -> str:
    """The weights in a new folder among the temporary files, for when they have no other place; where, in words."""
    if world.size > 1 and not world.first:
        return "the place that process 0 names"
    if world.shard:
        return "no file, being spread over the processes"
    try:
        path = Path(mkdtemp(prefix="videoformer_")) / "weights.safetensors"
        save_weights(model, path, about, World())
    except OSError as error:
        return f"no file, since the temporary files have no room either ({error.strerror or error})"
    return str(path)


def evaluate_together(model: nn.Module, data: TrainingData, world: World, at_once: int = 64) -> dict:
    """Loss, top-1 and top-5 on all that is held out, `at_once` clips at a time; each process evaluates its part.

    Except where the model itself is spread over the processes, which then all have to see the same.
    """
    if world.shard or world.size > data.held_out_clips:
        numbers = evaluate(model, data.held_out(0, 1, at_once))
        return {name: value for name, value in numbers.items() if name != "confusion"}
    parts = world.gather(evaluate(model, data.held_out(world.rank, world.size, at_once)))
    examples = sum(part["examples"] for part in parts)
    names = [name for name in parts[0] if name not in ("examples", "confusion")]
    return {"examples": examples, **{name: sum(part[name] * part["examples"] for part in parts) / examples
                                     for name in names}}


def clips_at_once(batch: int, accumulate: int, processes: int) -> int:
    """What has fitted into memory with its gradients, fits without them."""
    return min(64, math.ceil(math.ceil(batch / processes) / accumulate))
