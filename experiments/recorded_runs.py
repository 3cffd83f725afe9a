"""Two small files behind lesson 08: five runs with a bug, and the checkpoints of one run without.

    python -m experiments.recorded_runs            # both, about two minutes on one core
    python -m experiments.recorded_runs broken     # or one of them

Each is a real run; the curves and maps in the lesson are these. What is wrong in a run is in its name alone.
"""

from __future__ import annotations

import base64
import copy
import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from einops import rearrange
from PIL import Image
from torch import Tensor, nn

from experiments.catalogue import INFLATION, RECIPES
from experiments.experiment import Experiment
from experiments.material import HELD_OUT, REPORT_SEED, drawn, report_examples, source, validation_examples
from experiments.starting import first_model
from videoformer_edu.attention.recording import record_attention
from videoformer_edu.data.motion import axis, sign
from videoformer_edu.models import c3d_motion
from videoformer_edu.pretrained.small import load_small
from videoformer_edu.training.evaluate import confusion, predict, share
from videoformer_edu.training.loop import fit
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.step import Run

FOLDER = Path(__file__).parents[1] / "videoformer_edu" / "training" / "runs"
EVERY, LOOK = 20, 512
STEPS, SEED, CHECKPOINTS, SHOWN = 600, 1, 20, (0, 3)  # of the run with checkpoints, and the clips whose maps are kept


# --------------------------------------------------------------------------------------------- five runs with a bug


def schedule_too_fast(run: Run) -> None:
    """Four steps of the schedule for each of the optimiser, as where it stands in the inner loop of accumulation."""
    for _ in range(3):
        run.schedule.step()


def in_train_mode(model: nn.Module, video: Tensor, labels: Tensor) -> float:
    """Batch norms take the statistics of a batch, and a folder read class by class makes batches of one class."""
    order = labels.argsort()
    model.train()
    with torch.no_grad():
        said = torch.cat([copy.deepcopy(model)(part).argmax(1) for part in video[order].split(32)])
    return share(said == labels[order])


def broken_runs() -> dict[str, dict]:
    """Name -> {"loss": [[step, mean loss], ...], "accuracy": [[step, validation accuracy], ...]}."""
    plain = RECIPES[0].recipe
    hot = replace(plain, lr=1e-2, clip=0.0, warm_up=1e-4)
    return {
        "nothing": recorded(plain),
        "decay_too_early": recorded(plain, after_step=schedule_too_fast),
        "labels_shuffled": recorded(plain, labels=lambda y, step: y[torch.randperm(
            len(y), generator=torch.Generator().manual_seed(step))]),
        "evaluated_in_train_mode": recorded(plain, model=c3d_motion, look=in_train_mode),
        "no_clipping": recorded(hot),
        "saved_model_is_not_the_trained_one": recorded(plain, keep=copy.deepcopy),
    }


def recorded(recipe: Recipe, *, model: Callable[[], nn.Module] | None = None, look=None, after_step=None,
             labels=None, keep: Callable[[nn.Module], nn.Module] = lambda model: model) -> dict:
    torch.manual_seed(0)
    trained = model() if model else first_model(RECIPES[0], 0, None)[0]
    looked_at, material = keep(trained), RECIPES[0].material
    video, truth = (part[:LOOK] for part in validation_examples(material))
    look = look or (lambda model, video, truth: share(predict(model, video) == truth))
    batches = source(material, recipe, 0)(0)
    if labels is not None:
        batches = ((x, labels(y, step)) for step, (x, y) in enumerate(batches))
    history = fit(trained, batches, recipe, evaluate=lambda _: {"accuracy": look(looked_at, video, truth)},
                  evaluate_every=EVERY, after_step=after_step)
    losses = [[step, round(sum(history.losses[step - 5:step]) / 5, 3)] for step in range(5, recipe.steps + 1, 5)]
    return {"loss": losses, "accuracy": [list(point) for point in zip(*history.column("accuracy"), strict=True)]}


# ------------------------------------------------------------------------------------------- checkpoints of one run


def checkpoints(experiment: Experiment = INFLATION[0], seed: int = SEED) -> dict:
    """What a run knew at each of its checkpoints, on validation clips, and where CLS looked in some report clips.

    "steps", "loss", "accuracy", "axis", "sign": a number each; "confusion": counts, flat, row by row; "maps": for each
    clip `(checkpoints, t, h, w)` bytes in base64, 255 for the largest of all. They are of the last block's CLS. "film":
    the frames of these clips side by side, a PNG in base64.
    """
    model, after_step = first_model(experiment, seed, load_small("vit_digits_8x8").state_dict())
    video, truth = (part[:LOOK // 2] for part in validation_examples(experiment.material))
    clips, directions = (part[list(SHOWN)] for part in report_examples(experiment.material))
    rows, maps = [], []

    def look(model: nn.Module, step: int, loss: float) -> None:
        said = predict(model, video)
        rows.append({"steps": step, "loss": round(loss, 3), "accuracy": share(said == truth),
                     "axis": share(axis(said) == axis(truth)), "sign": share(sign(said) == sign(truth)),
                     "confusion": confusion(truth, said, 8).flatten().tolist()})
        with torch.inference_mode(), record_attention(model.eval()) as found:
            model(clips)
        maps.append(list(found.values())[-1].cls_looks().mean(dim=1))  # (clips, t, h, w)

    def now_and_then(run: Run) -> None:
        for do in after_step:
            do(run)
        if run.done % CHECKPOINTS == 0:
            look(run.model, run.done, sum(run.history.losses[-CHECKPOINTS:]) / CHECKPOINTS)

    look(model, 0, 2.079)  # ln 8
    recipe = replace(experiment.recipe, steps=STEPS, seed=seed)
    fit(model, source(experiment.material, recipe, seed), recipe, after_step=now_and_then)
    together = torch.stack(maps, dim=1)  # (clips, checkpoints, t, h, w)
    together = (255 * together / together.amax()).round().byte()
    return {**{key: [row[key] for row in rows] for key in rows[0]}, "directions": directions.tolist(),
            "film": png(drawn(experiment.material, HELD_OUT, seed=REPORT_SEED, split="test")[0][list(SHOWN)]),
            "maps": [base64.b64encode(one.numpy().tobytes()).decode() for one in together]}


def png(clips: Tensor) -> str:
    """uint8 `(b, c, t, h, w)` -> all frames side by side."""
    file = io.BytesIO()
    Image.fromarray(rearrange(clips, "b c t h w -> h (b t w) c").numpy()).save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def main() -> None:
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    runs = {"broken": broken_runs, "checkpoints": checkpoints}
    for name, make in runs.items():
        if name not in (sys.argv[1:] or runs):
            continue
        (FOLDER / f"{name}.json").write_text(json.dumps(make(), separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
