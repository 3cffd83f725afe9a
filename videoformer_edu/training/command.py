"""The options of `python -m videoformer_edu.training`: every field of a recipe, and what surrounds it."""

from __future__ import annotations

import argparse
import ast
import os
import re
from dataclasses import MISSING, Field, fields
from difflib import get_close_matches
from pathlib import Path

from videoformer_edu.data.motion import TASKS
from videoformer_edu.models.registry import BUILDERS
from videoformer_edu.training.data import EPOCH, SUBSET
from videoformer_edu.training.recipe import PRECISIONS, SCHEDULES, Recipe

# What takes a clip and answers with classes; pictures and pretraining do not.
MODELS = sorted(name for name, entry in BUILDERS.items() if entry.task == "video")
AREA = 0.35  # the least share of a frame in a random crop

HELP = {
    "batch": "clips of one step, over all processes and parts",
    "lr": "highest learning rate of AdamW",
    "betas": "its two averaging rates",
    "weight_decay": "its pull towards zero; norms, biases, positions and tokens are spared",
    "clip": "largest norm of the gradient, 0 for any",
    "schedule": "cosine; or stable: up, level, and down from the share --decay of the steps on",
    "warm_up": "share of the steps in which the rate rises",
    "decay": "share of the steps at which the stable schedule begins to fall",
    "label_smoothing": "share of each target that is spread over all classes",
    "mixup": "alpha of MixUp, 0 is off",
    "cutmix": "alpha of CutMix, 0 is off",
    "layer_decay": "learning rate of a layer as a share of that of the next, 1 is off",
    "ema": "decay of the moving average of the weights, which is then the result; 0 is off",
    "precision": "numbers of the forward pass; fp16 scales the loss",
    "accumulate": "parts that a process computes its share of a batch in: less memory, same step",
    "compile": "torch.compile: slow to start, then faster on a GPU",
    "checkpointing": "keep no activations inside the blocks: less memory, about a third more time",
    "seed": "of weights, batches and dropout",
}


def parser() -> argparse.ArgumentParser:
    """Everything that can be said on the command line, in groups."""
    top = argparse.ArgumentParser(
        prog="python -m videoformer_edu.training", usage="%(prog)s [options]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train a video model from a seed: on one processor, on a GPU, or on many through torchrun.",
        epilog="""examples:
  the small TimeSformer on generated clips, about two minutes on one processor
    python -m videoformer_edu.training --model timesformer_motion --data motion --epochs 4 --evaluate
  your own videos, one folder per class, on a GPU; run the same line again after a crash
    python -m videoformer_edu.training --model timesformer_base --data my_videos --epochs 20 --batch 32 \\
        --precision bf16 --workers 8 --checkpoints runs/mine --evaluate --out mine.safetensors
  the same on four GPUs of one machine, restarted up to three times
    torchrun --nproc-per-node 4 --max-restarts 3 -m videoformer_edu.training (the same options)

docs/training.md has more: several machines, what a checkpoint holds, what to do when memory runs out.""")
    model = top.add_argument_group("model")
    model.add_argument("--model", default="timesformer_motion", metavar="NAME",
                       help=f"default %(default)s; one of {', '.join(MODELS)}")
    model.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", dest="settings",
                       help="options of the model, such as depth=3 attention=joint drop_path=0.1")
    model.add_argument("--pretrained", metavar="WHERE",
                       help="start from weights: a file, a folder, or a name on the Hugging Face hub")
    model.add_argument("--keep-head", action="store_true", help="with their classifier, for the same classes")

    data = top.add_argument_group("data")
    data.add_argument("--data", default="motion", metavar="NAME",
                      help=f"generated clips: {', '.join(TASKS)}; real ones: {SUBSET}, a folder of class folders, or "
                           "a list (.csv, .txt) of paths and labels; default %(default)s")
    data.add_argument("--held-out", metavar="PATH", help="folder or list to evaluate on; default: the folder's own "
                                                         "val/ or test/, or a fifth of the clips")
    data.add_argument("--frames", type=int, metavar="N", help="frames of a clip; default: what the model was made for")
    data.add_argument("--size", type=int, metavar="N", help="its height and width in pixels; default likewise")
    data.add_argument("--least-area", type=float, metavar="SHARE",
                      help=f"of a video's frame in a random crop; 1 takes the middle square (default {AREA})")
    data.add_argument("--flip", type=float, metavar="P",
                      help="probability of mirroring a video; classes named left and right change places (default 0)")
    data.add_argument("--skip-broken", nargs="?", type=float, const=0.05, metavar="SHARE",
                      help="go on without videos that cannot be read, up to this share of all (0.05 if none is given)")
    data.add_argument("--workers", type=int, default=0, metavar="N",
                      help="processes that prepare batches ahead, for each training process (default 0)")

    length = top.add_argument_group("length").add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, metavar="N", help=f"default {Recipe.steps}")
    length.add_argument("--epochs", type=float, metavar="N",
                        help=f"passes over the videos; of generated clips {EPOCH} count as one, and none comes twice")

    recipe = top.add_argument_group("recipe")
    for field in fields(Recipe):
        if field.name in HELP:
            _add_field(recipe, field)

    machine = top.add_argument_group("machine")
    machine.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU where there is one")
    machine.add_argument("--threads", type=int, metavar="N", help=(
        "threads that compute on a CPU; default: one for a small model, else what OMP_NUM_THREADS or PyTorch says"))
    machine.add_argument("--shard", action="store_true",
                         help="under torchrun: spread the model over the processes (FSDP2) instead of copying it")

    keep = top.add_argument_group("checkpoints and results")
    keep.add_argument("--checkpoints", type=Path, metavar="FOLDER",
                      help="write checkpoints there; if it holds some of this run, go on from the newest")
    keep.add_argument("--every", type=int, default=200, metavar="STEPS", help="how often (default %(default)s)")
    keep.add_argument("--resume", type=Path, metavar="FILE", help="go on from this checkpoint instead of the newest")
    keep.add_argument("--evaluate", action="store_true", help="in the end, top-1 and top-5 on the clips held out")
    keep.add_argument("--history", type=Path, metavar="FILE", help="write loss and learning rate of each step as CSV")
    keep.add_argument("--out", type=Path, metavar="FILE", help="write the trained weights as safetensors")
    return top


def _add_field(group, field: Field) -> None:
    """A field of `Recipe` as an option: its name, type and default are those of the dataclass."""
    name, default = "--" + field.name.replace("_", "-"), field.default
    assert default is not MISSING
    choices = {"schedule": SCHEDULES, "precision": PRECISIONS}.get(field.name)
    if isinstance(default, bool):
        group.add_argument(name, action="store_true", help=HELP[field.name])
    elif isinstance(default, tuple):
        group.add_argument(name, nargs=len(default), type=type(default[0]), default=default, metavar="X",
                           help=f"{HELP[field.name]} (default {' '.join(map(str, default))})")
    else:
        group.add_argument(name, type=type(default), default=default, choices=choices,
                           metavar=None if choices else {int: "N", float: "X"}[type(default)],
                           help=f"{HELP[field.name]} (default %(default)s)")


def check_options(top: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """What argparse itself does not see; leaves through `top.error`."""
    if options.model not in MODELS:
        close = get_close_matches(options.model, MODELS, n=3) or MODELS
        top.error(f"--model: there is no model {options.model!r} that takes clips and answers with classes; did you "
                  f"mean {', '.join(close)}?")
    for name, least in (("steps", 1), ("frames", 1), ("size", 1), ("workers", 0), ("every", 1), ("threads", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            top.error(f"--{name} is {value}; expected at least {least}")
    if options.epochs is not None and not 0 < options.epochs < float("inf"):
        top.error(f"--epochs is {options.epochs:g}; expected a number above 0")
    if options.least_area is not None and not 0 < options.least_area <= 1:
        top.error(f"--least-area is {options.least_area:g}; expected a share above 0 up to 1")
    if options.flip is not None and not 0 <= options.flip <= 1:
        top.error(f"--flip is {options.flip:g}; expected a probability from 0 to 1")
    if options.resume is not None and options.checkpoints is None:
        top.error("--resume needs --checkpoints, the folder in which the run goes on")
    if options.keep_head and options.pretrained is None:
        top.error("--keep-head needs --pretrained")
    of_videos = {"--held-out": options.held_out, "--least-area": options.least_area, "--flip": options.flip,
                 "--skip-broken": options.skip_broken}
    if options.data in TASKS and (given := [name for name, value in of_videos.items() if value is not None]):
        top.error(f"{', '.join(given)}: for real videos; {options.data} is generated, with clips held out of its own")
    if options.held_out is not None and os.path.realpath(options.held_out) == os.path.realpath(options.data):
        top.error(f"--held-out is --data, {options.data}; leave it out, and a part of the videos is held out")
    options.least_area = AREA if options.least_area is None else options.least_area
    options.flip = 0.0 if options.flip is None else options.flip
    options.settings = dict(_setting(top, text) for text in options.settings)


def in_options(message: str) -> str:
    """A message for somebody who writes Python as one line for somebody at the command line.

    "accumulate=4, checkpointing=True" -> "--accumulate 4, --checkpointing"
    """
    names = {name: name for name in (*HELP, "steps", "frames", "size", "workers")} | {"image_size": "size"}

    def option(match: re.Match) -> str:
        value = "" if match[2] == "True" else " " + match[2].strip('"')
        return f"--{names[match[1]].replace('_', '-')}{value}"

    return re.sub(rf'\b({"|".join(names)})=("\w+"|[\w.+-]*\w)', option, " ".join(message.split()))


def _setting(top: argparse.ArgumentParser, text: str) -> tuple[str, object]:
    """"depth=3" -> ("depth", 3); what is no number, tuple, True, False or None is a word."""
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        top.error(f"--set: {text!r} is not of the form NAME=VALUE, such as depth=3")
    if name == "classes":
        top.error("--set: the number of classes is that of the data")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
