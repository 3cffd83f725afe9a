"""When did it learn the axis, when the sign? One recorded run, its curves, confusion and maps scrubbed together."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

import numpy as np
from einops import rearrange
from PIL import Image

from videoformer_edu.data.motion import DIRECTIONS
from videoformer_edu.figures.attention import for_display
from videoformer_edu.figures.curves import learning_curves
from videoformer_edu.figures.show import figure_html
from videoformer_edu.widgets.page_explorer import PageExplorer, assemble
from videoformer_edu.widgets.still import strip
from videoformer_edu.widgets.task import task_words

TITLE = "When did it learn the axis, when the sign?"
LEVEL, FRAMES = 0.95, 8
SERIES = ("steps", "loss", "accuracy", "axis", "sign", "confusion")


def learning_explorer(run: Mapping) -> PageExplorer:
    """run: `training.runs.recorded_run("checkpoints")`; what is in it says `experiments/recorded_runs.py`.

    The task is to find the first checkpoint at which `LEVEL` of the axes are right, and the first for the signs.
    Raises ValueError where the series have different lengths or never reach it.
    """
    checkpoints = len(run["steps"])
    maps = np.stack([np.frombuffer(base64.b64decode(one), np.uint8) for one in run["maps"]])
    maps = rearrange(maps, "clip (step t n) -> step clip t n", step=checkpoints, t=FRAMES)
    if any(len(run[name]) != checkpoints for name in SERIES):
        raise ValueError(f"{checkpoints} checkpoints, but {[(name, len(run[name])) for name in SERIES]}")
    if any(max(run[name]) < LEVEL for name in ("axis", "sign")):
        raise ValueError(f"the task asks when {LEVEL:.0%} of axes and signs are right; in this run they never are")
    side, clips = int(maps.shape[3] ** 0.5), maps.shape[1]
    film = np.asarray(Image.open(io.BytesIO(base64.b64decode(run["film"]))))
    pixels = for_display(rearrange(film, "h (t w) c -> t h w c", t=FRAMES * clips))
    strip_of_all, (width, _) = strip(pixels, pixels.shape[2])
    config = {
        **{name: run[name] for name in SERIES}, "names": list(DIRECTIONS), "level": LEVEL,
        "clips": [f"moves {DIRECTIONS[i]}" for i in run["directions"]],
        "frames": FRAMES, "grid": [FRAMES * clips, side, side], "film": strip_of_all, "frameWidth": width,
        "task": task_words(f"Mark the first checkpoint at which {LEVEL:.0%} of the axes are right, and the "
        "first at which "
                           f"{LEVEL:.0%} of the signs are.".replace("%", " %"),
                           says="Between the two, the model says the right line and guesses the way along it."),
    }
    lines = {name: [list(zip(run["steps"], run[name], strict=True))] for name in ("axis", "sign", "accuracy")}
    still = figure_html(learning_curves(lines, guess=1 / 8),
                        alt="Curves of a run: the right axes rise first, the right signs and directions much later.",
                        caption=f"{TITLE} (a still picture: run this cell to explore)")
    return assemble("learning", uses=("chart",), title=TITLE, config=config, still=still, payload=maps.tobytes())
