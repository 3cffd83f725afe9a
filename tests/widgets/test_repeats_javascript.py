"""The run lengths of the explorer against the package's: every clip, every threshold, both rules; its task."""

import html
import json
import re

import torch
import torch.nn.functional as F
from javascript import evaluate

from videoformer_edu.run_length import run_lengths, savings
from videoformer_edu.widgets.repeats_explorer import (
    CLIPS,
    GRID,
    OFF,
    PATCH,
    SAVE,
    THRESHOLDS,
    as_video,
    differences,
    kept,
    real_clip,
    repeats_explorer,
)

FOUND = {}


def found(clip):
    """[rule][threshold] -> what the page works out of one clip, and the clip; made once."""
    if clip not in FOUND:
        pixels = real_clip(*CLIPS[clip])
        sums = differences(pixels)
        FOUND[clip] = pixels, evaluate(
            f"(() => {{ const bytes = new Uint8Array(Uint16Array.from(sums).buffer);"
            f" const made = repeats.table(bytes, 0, {GRID.t}, {GRID.n}, {3 * PATCH**2});"
            " return ['previous', 'kept'].map((rule) => thresholds.map((level) => {"
            "   const shown = repeats.sources(made, level, rule);"
            "   return { shown, kept: repeats.kept(shown), runs: [0, 93, 105].map((k) => repeats.runs(shown, k)),"
            "     worst: repeats.worst(made, shown) }; })); })()",
            sums=sums.flatten().tolist(), thresholds=THRESHOLDS)
    return FOUND[clip]


def replayed(video, shown):
    """Each frame put together of the patches that stand there, and how far each of these is from the truth."""
    source = torch.tensor(shown).unflatten(1, (GRID.h, GRID.w))
    source = source.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)
    made = video[0].gather(1, source[None].expand(3, -1, -1, -1))
    return F.avg_pool2d((made - video[0]).abs().mean(0), PATCH)  # (t, h, w)


def test_kept_patches_and_their_lengths_are_the_packages():
    for clip in CLIPS:
        pixels, answers = found(clip)
        for rule, levels in zip(("previous", "kept"), answers, strict=True):
            for level, answer in zip(THRESHOLDS, levels, strict=True):
                keep = kept(pixels, level, rule)[0].flatten(1)
                assert [[source == i for source in row] for i, row in enumerate(answer["shown"])] == keep.tolist()
                assert answer["kept"] == keep.sum(1).tolist()
                lengths = run_lengths(keep[None, :, None])[0, :, 0]
                for k, runs in zip((0, 93, 105), answer["runs"], strict=True):
                    assert runs == [[i, long] for i, long in enumerate(lengths[:, k].tolist()) if long]


def test_how_far_the_replay_is_off():
    for clip in CLIPS:
        pixels, answers = found(clip)
        for rule, levels in zip(("previous", "kept"), answers, strict=True):
            for level, answer in zip(THRESHOLDS, levels, strict=True):
                off = replayed(as_video(pixels), answer["shown"])
                error, frame, k = answer["worst"]
                assert abs(error - off.max().item()) < 1e-3
                assert abs(error - off.flatten(1)[frame, k].item()) < 1e-3
                assert rule == "previous" or error <= level


def test_the_task_asks_for_the_better_rule():
    pixels, answers = found("a hand with a cup")
    done = [[1 - sum(a["kept"]) / GRID.l >= SAVE and a["worst"][0] <= OFF for a in levels] for levels in answers]
    assert not any(done[0]) and sum(done[1]) >= 1, "no threshold does it with the frame before"


def test_a_moving_camera_saves_less():
    """At 4 grey levels: 62, 65 and 45 % against the frame before."""
    saved = [savings(kept(real_clip(*clip), 4)) for clip in CLIPS.values()]
    assert saved[0] > 0.58 and saved[1] > 0.6 and saved[2] < 0.5


def test_what_travels():
    made = repeats_explorer()
    config = json.loads(html.unescape(re.search(r'data-config="([^"]*)"', made.html)[1]))
    assert config["clips"] == list(CLIPS) and config["thresholds"] == THRESHOLDS
    assert differences(real_clip(*CLIPS["a hand with a cup"])).max() < 65535
    assert len(made.html) < 450_000
