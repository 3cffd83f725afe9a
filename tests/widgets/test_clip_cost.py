"""The explorer of a clip's cost: its closed forms are the package's, its words say them, its task is recognised."""

import base64
import json
import zlib

import pytest
from bs4 import BeautifulSoup
from javascript import evaluate

from videoformer_edu.cost import clip_cost
from videoformer_edu.widgets import clip_cost_explorer
from videoformer_edu.widgets.clip_cost_explorer import DEPTHS, FRAMES, KINDS, PATCHES, SIZES, T4, TUBELETS, WIDTHS

PURPOSES = ("inference", "training", "checkpointed")


def settings():
    """Every value of every control, in many combinations; the places run at different speeds."""
    lists = (FRAMES, SIZES, PATCHES, TUBELETS, WIDTHS, DEPTHS, KINDS, range(3), (False, True))
    for i in range(1080):
        # Without a common factor of the lengths two lists would always meet in the same way.
        chosen = [values[(i // step) % len(values)] for values, step in
                  zip(lists, (1, 7, 2, 5, 3, 11, 1, 13, 17), strict=True)]
        if chosen[0] % chosen[3] == 0:
            yield chosen


def test_every_number_is_the_packages():
    given, expected = [], []
    for frames, size, patch, tubelet, (width, heads), depth, kind, purpose, stored in settings():
        given.append(dict(frames=frames, size=size, patch=patch, tubelet=tubelet, width=width, heads=heads, depth=depth,
                          kind=kind, purpose=purpose, stored=stored))
        cost = clip_cost(frames=frames, image_size=size, patch_size=patch, tubelet_size=tubelet, width=width,
                         depth=depth, heads=heads, attention=kind, purpose=PURPOSES[purpose], stored=stored)
        expected.append([cost.tokens, cost.macs, cost.parameters, cost.memory])
    assert len(given) > 900
    for name, values in (("kind", KINDS), ("purpose", range(3)), ("tubelet", TUBELETS), ("patch", PATCHES)):
        assert {one[name] for one in given} == set(values)
    found = evaluate("given.map(clip_cost.cost).map((one) => [one.tokens, one.macs, one.parameters, one.memory])",
                     given=given)
    for one, right in zip(found, expected, strict=True):
        assert one == [pytest.approx(value, rel=1e-12) for value in right]


def test_numbers_in_words():
    words = evaluate("[clip_cost.work(179562805248), clip_cost.work(1.618e15), clip_cost.work(17.58e9),"
                     "clip_cost.bytes(4.02e8), clip_cost.bytes(1.61e10), clip_cost.bytes(4.1e13),"
                     "clip_cost.time(0.41), clip_cost.time(90), clip_cost.time(31700), clip_cost.time(1e6),"
                     "clip_cost.time(1e9)]")
    assert words == ["180 G", "1,618 T", "17.6 G", "0.402 GB", "16.1 GB", "41 TB", "0.41 s", "1.5 min", "8.81 h",
                     "11.6 days", "31.7 years"]


@pytest.mark.parametrize(("guess", "truth", "says"), [
    (1e12, 180e9, "You guessed 1,000 G: 5.56 times too much."), (20e9, 180e9, "You guessed 20 G: 9 times too little."),
    (175e9, 180e9, "You guessed 175 G: right."), (360e9, 180e9, "You guessed 360 G: 2 times too much."),
])
def test_a_guess_is_measured(guess, truth, says):
    assert evaluate("clip_cost.verdict(guess, truth, clip_cost.work)", guess=guess, truth=truth) == says


def configured(**arguments):
    soup = BeautifulSoup(clip_cost_explorer(**arguments).html, "html.parser")
    root = soup.select_one('[data-explorer="clip_cost"]')
    return root, json.loads(root["data-config"]), json.loads(zlib.decompress(base64.b64decode(root["data-payload"])))


def test_published_models_cost_what_was_published():
    _, config, _ = configured()
    assert len(config["published"]) == 8
    for model in config["published"]:
        one = model["setting"]
        width, heads = WIDTHS[one["width"]]
        cost = clip_cost(frames=FRAMES[one["frames"]], image_size=SIZES[one["size"]], patch_size=PATCHES[one["patch"]],
                         tubelet_size=TUBELETS[one["tubelet"]], width=width, depth=DEPTHS[one["depth"]], heads=heads,
                         attention=KINDS[one["kind"]])
        assert 0.985 < model["macs"] / cost.macs < 1.015, model["name"]


TASK = dict(size=224, patch=16, depth=12, width=768, heads=12, frames=256)


@pytest.mark.parametrize(("setting", "done"), [
    (dict(kind="joint", purpose=2, tubelet=1), True), (dict(kind="joint", purpose=1, tubelet=4), True),
    (dict(kind="divided", purpose=1, tubelet=1), False), (dict(kind="space_only", purpose=1, tubelet=1), False),
    (dict(kind="joint", purpose=1, tubelet=1), False), (dict(kind="joint", purpose=0, tubelet=1), False),
    (dict(kind="joint", purpose=2, tubelet=1, stored=True), False), (dict(kind="joint", purpose=2, frames=128), False),
    (dict(kind="joint", purpose=2, width=384, heads=6), False), (dict(kind="divided", purpose=2, tubelet=1), True),
])
def test_the_task_is_done_by_what_it_teaches(setting, done):
    _, config, _ = configured()
    assert config["task"]["bytes"] == T4 == 16106127360
    one = {**TASK, "tubelet": 1, "stored": False, **setting}
    assert evaluate("clip_cost.solves(one, clip_cost.cost(one).memory, task)", one=one, task=config["task"]) is done


def test_the_speed_travels_with_the_data_and_not_in_what_is_compared():
    root, config, data = configured(speed=5.2e10)
    assert data == {"speed": 5.2e10} and configured()[2] == {"speed": None}
    same = clip_cost_explorer(speed=5.2e10).html.replace(root["data-payload"], "")
    assert same == clip_cost_explorer().html.replace(configured()[0]["data-payload"], "")
    assert len(same) < 100_000


def test_the_still_picture_says_the_numbers_of_the_start():
    root, _, _ = configured()
    alt = root.select_one(".vfe-still img")["alt"]
    assert "1,569 tokens" in alt and f"{clip_cost(frames=8).macs / 1e9:.0f} G" in alt


@pytest.mark.parametrize("speed", [0, -1.0, float("nan"), float("inf")])
def test_a_speed_is_a_positive_number(speed):
    with pytest.raises(ValueError, match="multiply-adds a second, more than 0"):
        clip_cost_explorer(speed=speed)
