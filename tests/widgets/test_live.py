"""The transformer that runs in the page is the package's: logits, maps and every intervention against PyTorch."""

import base64
import json
import zlib

import pytest
import torch
from bs4 import BeautifulSoup
from javascript import evaluate

from videoformer_edu.attention.recording import record_attention
from videoformer_edu.data.motion import motion_batch
from videoformer_edu.data.motion.digits import digit_sprites
from videoformer_edu.data.motion.rendering import draw_opacity
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.figures.attention import COLOUR, MIDDLE, for_display
from videoformer_edu.models import TimeSformer
from videoformer_edu.pretrained.small import load_small
from videoformer_edu.widgets.live_explorer import live_explorer, weight_bytes

NAMES = {"divided": "timesformer_motion_divided", "joint": "timesformer_motion_joint_time_first",
         "space_only": "timesformer_motion_space_only"}
BATCH = motion_batch(2, seed=3, split="test")
ORDER = [3, 0, 0, 7, 5, 6, 1, 2]
HIDDEN = [5, 16, 70, 127]

IN_THE_PAGE = """(() => {
  const model = { ...about, weights: timesformer.unpack(shapes, Uint8Array.from(bytes), 0)[0] };
  const pixels = live.pixelsOf(Uint8Array.from(clip), order, hidden, settings);
  const { logits, maps } = timesformer.forward(model, pixels, order.length, new Set(off));
  return { logits, maps: maps.map(({ shares, groups }) => ({ shares: shares.map((one) => Array.from(one)), groups })),
           looks: asked.map(([map, k, head]) => { const x = live.looks(maps[map], k, head, order.length * 16);
                                                  return [...x.patches, x.cls]; }) };
})()"""


def in_the_page(model, clip, *, order=tuple(range(8)), hidden=(), off=(), asked=()):
    about = {"attention": model.attention, "d": 64, "heads": 4, "depth": len(model.blocks), "patch": 8, "side": 32}
    return evaluate(IN_THE_PAGE, about=about, shapes=[[k, v.numel()] for k, v in model.state_dict().items()],
                    bytes=list(weight_bytes(model)), clip=clip.transpose(0, 1).flatten().tolist(), order=list(order),
                    hidden=list(hidden), off=list(off), asked=list(asked),
                    settings={"size": 32, "patch": 8, "mean": MOTION_PIXELS.mean[0], "std": MOTION_PIXELS.std[0]})


def pixels_of(clip, order, hidden):
    pixels = normalise(clip[None, :, list(order)], MOTION_PIXELS)
    for k in hidden:
        t, h, w = k // 16, k % 16 // 4, k % 4
        pixels[0, :, t, 8 * h:8 * h + 8, 8 * w:8 * w + 8] = 0
    return pixels


def silence(model, off):
    """The same interventions with PyTorch's own means: a head's columns of `proj` are zero, a block is the identity."""
    for name in off:
        words = name.split()
        if name == "time":
            for block in model.blocks:
                block.temporal_projection.weight.data.zero_()
                block.temporal_projection.bias.data.zero_()
            continue
        block = model.blocks[int(words[1])]
        if "head" in words:
            attention = {"time": "temporal_attention", "space": "spatial_attention"}.get(words[2], "")
            attention = getattr(block, attention).attention if model.attention == "divided" else block.attention
            attention.proj.weight.data[:, 16 * int(words[4]):16 * int(words[4]) + 16] = 0
        else:
            block.register_forward_hook(lambda module, given, out: given[0])
    return model


CASES = [
    ("divided", [], [], range(8)), ("divided", ["time"], HIDDEN, ORDER),
    ("divided", ["block 0 time head 2", "block 1 space head 0"], [], ORDER), ("divided", ["block 1"], HIDDEN, range(8)),
    ("joint", [], [], range(8)), ("joint", ["block 1 joint head 3", "block 0 joint head 1"], HIDDEN, ORDER),
    ("joint", ["block 0"], [], ORDER), ("space_only", [], [], range(8)),
    ("space_only", ["block 0 space head 1"], HIDDEN, ORDER), ("space_only", ["block 0", "block 1"], [], ORDER),
]


@pytest.mark.parametrize(("kind", "off", "hidden", "order"), CASES)
def test_logits_are_those_of_pytorch(kind, off, hidden, order):
    clip, model = BATCH.clips[1], load_small(NAMES[kind])
    found = in_the_page(model, clip, order=order, hidden=hidden, off=off)["logits"]
    with torch.no_grad():
        expected = silence(model, off)(pixels_of(clip, order, hidden))[0]
    assert len(found) == len(model.blocks)
    torch.testing.assert_close(torch.tensor(found[-1]), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", NAMES)
def test_maps_and_the_reading_after_each_block_are_those_of_pytorch(kind):
    clip, model = BATCH.clips[0], load_small(NAMES[kind])
    pixels = pixels_of(clip, ORDER, HIDDEN)
    asked = [[0, 0, 1], [0, 37, -1], [1, 127, 3], [1, 64, -1]]
    found = in_the_page(model, clip, order=ORDER, hidden=HIDDEN, asked=asked)
    with torch.no_grad(), record_attention(model) as maps:
        model(pixels)
    recorded = list(maps.values())
    assert len(recorded) == len(found["maps"])
    for ours, theirs in zip(found["maps"], recorded, strict=True):
        expected = theirs.probabilities[0].flatten(1) if theirs.probabilities.ndim == 5 else theirs.probabilities[0]
        shares = torch.tensor(ours["shares"])
        torch.testing.assert_close(shares.flatten(), expected.flatten(), rtol=0, atol=1e-4)
    for (index, k, head), row in zip(asked, found["looks"], strict=True):
        dense = recorded[index].dense()[0, :, int(recorded[index].cls):]  # (head, l, [1 +] l)
        expected = dense[head, k] if head >= 0 else dense[:, k].mean(0)
        patches = expected[int(recorded[index].cls):] if recorded[index].cls else expected
        torch.testing.assert_close(torch.tensor(row[:-1]), patches, rtol=0, atol=1e-4)
        assert sum(row) == pytest.approx(1, abs=1e-4)
    shorter = load_small(NAMES[kind])
    shorter.blocks = shorter.blocks[:1]  # the head reads what block 0 has made
    with torch.no_grad():
        torch.testing.assert_close(torch.tensor(found["logits"][0]), shorter(pixels)[0], rtol=0, atol=1e-4)


def test_half_floats_and_the_error_function():
    bits = torch.arange(0, 65536, 37, dtype=torch.int32)
    values = bits.to(torch.uint16).view(torch.float16).double()
    bits, values = bits[values.isfinite()], values[values.isfinite()]
    assert evaluate("bits.map(timesformer.half)", bits=bits.tolist()) == values.tolist()
    x = torch.linspace(-6, 6, 1001, dtype=torch.float64)
    torch.testing.assert_close(torch.tensor(evaluate("x.map(timesformer.erf)", x=x.tolist()), dtype=torch.float64),
                               torch.erf(x), rtol=0, atol=2e-7)


@pytest.mark.parametrize(("places", "width", "size"), [([[3.2, 30.9], [16, 16.5]], 13.5, 32), ([[0, 1.5]], 7.7, 20)])
def test_a_digit_is_drawn_as_the_package_draws_it(places, width, size):
    mask = digit_sprites("test").mask[3]
    background = torch.rand(3, size, size, generator=torch.Generator().manual_seed(1))
    found = evaluate("Array.from(moving.clip({mask, m: 28, background, colour, width, size}, places))",
                     mask=mask.flatten().tolist(), background=background.flatten().tolist(), colour=[0.9, 0.8, 0.7],
                     width=width, size=size, places=places)
    opacity = draw_opacity(mask[None], torch.tensor([places], dtype=torch.float32),
                           torch.full((1, len(places)), width), size, torus=True)[0]  # (t, size, size)
    expected = background + opacity[:, None] * (torch.tensor([0.9, 0.8, 0.7]).view(3, 1, 1) - background)
    found = torch.tensor(found).view(expected.shape)
    assert opacity.amax() > 0.9 and (found - (255 * expected).floor()).abs().max() <= 1


def test_paths():
    line = [[0, 0], [4, 0], [4, 0], [4, 3], [4, 12]]
    assert evaluate("moving.along(line, 5)", line=line) == [[0, 0], [4, 0], [4, 4], [4, 8], [4, 12]]
    assert evaluate("moving.along([[2, 3], [2, 3]], 2)") == [[2, 3], [2, 3]]
    ways = evaluate("[0, 1, 2, 3, 4, 5, 6, 7].map((turn) => moving.straight(turn, 2, 3, 32))")
    steps = [[last[0] - first[0], last[1] - first[1]] for first, _, last in ways]
    assert steps == [[4, 0], [4, 4], [0, 4], [-4, 4], [-4, 0], [-4, -4], [0, -4], [4, -4]]  # y downwards
    assert all(middle == [16, 16] for _, middle, _ in ways)


@pytest.mark.parametrize("light", [1.0, 2.5])
def test_frames_are_brightened_as_in_the_figures(light):
    clip = (BATCH.clips[0].float() * light).clamp(max=255).byte()  # (3, t, h, w)
    found = evaluate("Array.from(moving.brighten(Uint8Array.from(bytes), 32, light))",
                     bytes=clip.transpose(0, 1).flatten().tolist(), light={"middle": MIDDLE, "colour": COLOUR})
    expected = torch.from_numpy(for_display(clip.permute(1, 2, 3, 0).numpy())).permute(0, 3, 1, 2)
    assert (torch.tensor(found).view(expected.shape) - expected.int()).abs().max() <= 1


def test_what_was_changed_in_words_and_what_counts_as_done():
    said = "live.changes(order, hidden, off)"
    assert evaluate(said, order=[0, 1, 2], hidden=[], off=[]) == ""
    assert evaluate(said, order=[2, 1, 0], hidden=[4], off=["time"]) == "frames backwards, 1 patch hidden, time off"
    assert evaluate(said, order=[1, 1, 1], hidden=[4, 5], off=[]) == "frame 1 in all 3 places, 2 patches hidden"
    assert evaluate("live.carried([0, 1, 2, 3], 0, 2)") == [1, 2, 0, 3]
    before = [0.1, 0.9, 0, 0]
    opposite = "live.opposite(before, after, hidden, off)"
    assert evaluate(opposite, before=before, after=[0.9, 0.1, 0, 0], hidden=[], off=[])
    for case in ({"after": before}, {"after": [0, 0, 1, 0]}, {"hidden": [1]}, {"off": ["time"]}):
        assert not evaluate(opposite, **{"before": before, "after": [0.9, 0.1, 0, 0], "hidden": [], "off": []} | case)
    idle = "live.idle(before, after, order, hidden, off, 0.01)"
    given = {"before": before, "after": [0.105, 0.895, 0, 0], "order": [0, 1], "hidden": [],
             "off": ["block 0 time head 1"]}
    assert evaluate(idle, **given)
    for case in ({"after": [0.12, 0.88, 0, 0]}, {"order": [1, 0]}, {"hidden": [3]}, {"off": []},
                 {"off": ["block 0"]},
                 {"off": ["block 0 time head 1", "block 0 time head 2"]}):
        assert not evaluate(idle, **given | case)


def explore(models=None, **changed):
    models = {"divided": load_small(NAMES["divided"])} if models is None else models
    return live_explorer(models, **{"batch": BATCH, "title": "What does it say?", "alt": "Eight frames"} | changed)


def test_the_page_holds_the_weights_the_clips_and_a_digit_of_ones_own():
    models = {kind: load_small(name) for kind, name in NAMES.items()}
    explorer = explore(models)
    root = BeautifulSoup(explorer.html, "html.parser").select_one('[data-explorer="live"]')
    config, payload = json.loads(root["data-config"]), zlib.decompress(base64.b64decode(root["data-payload"]))
    weights = b"".join(map(weight_bytes, models.values()))
    clips = BATCH.clips.transpose(1, 2).contiguous().numpy().tobytes()
    assert payload.startswith(weights + clips) and len(payload) == len(weights + clips) + 28 * 28 + 3 * 32 * 32
    assert [one["attention"] for one in config["models"]] == list(NAMES)
    assert [one["truth"] for one in config["clips"]] == BATCH.direction.tolist()
    assert len(explorer.html) < 1_000_000


def test_what_it_cannot_compute_is_refused():
    small = dict(width=8, depth=1, heads=2, classes=8, patch_size=8, image_size=32)
    with pytest.raises(ValueError, match=r"'other' is a Linear; the page computes TimeSformer"):
        explore({"other": torch.nn.Linear(2, 2)})
    with pytest.raises(ValueError, match="positions for 4 frames of 32 x 32 pixels, the clips have 8 of 32 x 32"):
        explore({"short": TimeSformer(frames=4, **small)})
    with pytest.raises(ValueError, match="positions for 8 frames of 64 x 64"):
        explore({"large": TimeSformer(**small | {"image_size": 64})})
    with pytest.raises(ValueError, match="title of an explorer is the question"):
        explore(title="Live")
