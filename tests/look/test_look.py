"""A video through a model by one command: the page shows what the model did; what is wrong is said in a sentence."""

import json

import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image
from safetensors.torch import save_file

from videoformer_edu.attention.recording import attention_names, record_attention
from videoformer_edu.data.assets import example_clip_path, hand_with_cup_path
from videoformer_edu.data.video.clips import read_clip
from videoformer_edu.look.__main__ import main
from videoformer_edu.look.fit_maps import BUDGET, fit, pool
from videoformer_edu.look.model import choose_model, small_lookers
from videoformer_edu.look.video_page import look_at, query_of
from videoformer_edu.models import timesformer_motion
from videoformer_edu.models.registry import builder
from videoformer_edu.pretrained.small import load_small
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets.maps import ShownMap

CUP = hand_with_cup_path()


def shares(heads, queries, keys, *, seed=0):
    values = torch.randn(heads, queries, *keys, generator=torch.Generator().manual_seed(seed)).mul(2).exp()
    return values / values.sum((2, 3, 4), keepdim=True)


@pytest.mark.parametrize("cls", [0, 1])
def test_pooling_adds_keys_and_averages_queries(cls):
    grid, keys = Grid(3, 4, 6), Grid(2, 6, 4)
    m = ShownMap(shares(2, cls + grid.l, keys), grid, first_head=5)
    small = pool(m, 2)
    assert small.grid == Grid(3, 2, 3) and small.keys == Grid(2, 3, 2) and small.first_head == 5
    for head in range(2):
        for q in range(cls + small.grid.l):
            if q < cls:
                rows = [0]
            else:
                t, h, w = (q - cls) // 6, (q - cls) % 6 // 3, (q - cls) % 3
                rows = [cls + t * 24 + (2 * h + i) * 6 + 2 * w + j for i in range(2) for j in range(2)]
            for t in range(2):
                for h in range(3):
                    for w in range(2):
                        box = m.shares[head, rows, t, 2 * h:2 * h + 2, 2 * w:2 * w + 2]
                        torch.testing.assert_close(small.shares[head, q, t, h, w], box.sum() / len(rows))
    assert pool(m, 3).grid == grid and pool(m, 3).keys == keys, "what 3 does not divide stays as it is"
    torch.testing.assert_close(small.shares.sum((2, 3, 4)), torch.ones(2, cls + small.grid.l))


def test_maps_become_smaller_only_as_far_as_they_must():
    grid = Grid(2, 3, 4)
    few = {"a": ShownMap(shares(3, grid.l, grid), grid)}
    assert fit(few) == (few, "")
    grid = Grid(4, 14, 14)
    many = {"a": ShownMap(torch.full((8, grid.l, *grid), 1 / grid.l), grid)}
    assert many["a"].shares[:1].numel() < BUDGET < many["a"].shares.numel()
    found, said = fit(many)
    assert found["a"].shares.shape == (1, grid.l, *grid) and said == "the mean over the heads"
    found, said = fit({name: many["a"] for name in "abcdefg"})
    assert found["g"].grid == Grid(4, 7, 7) and said.startswith("the mean over the heads, 2 x 2 patches")


@pytest.mark.parametrize("name", ["timesformer_motion_divided", "mvit", "two_pathway"])
def test_what_is_shown_is_what_the_model_did(name):
    looker = choose_model(name)
    seen = look_at(CUP, looker)
    model, pixels = load_small(name), looker.pixels
    clip = read_clip(CUP, pixels=pixels, frames=8, size=32)[None]
    with torch.no_grad(), record_attention(model) as maps:
        expected = model(clip)[0].softmax(-1)
    torch.testing.assert_close(seen.shares, expected)
    assert seen.frames == [4, 12, 20, 28, 36, 44, 52, 60] and seen.total == 64
    assert len(seen.maps) == len(maps) and seen.pixels.shape == (8, 224, 224, 3) and seen.given.shape == (8, 32, 32, 3)
    last = list(maps.values())[-1]
    shown = next(iter(seen.maps.values()))
    torch.testing.assert_close(shown.shares, last.dense()[0][:, :, int(last.cls):].unflatten(-1, tuple(last.key_grid)))


def test_layers_and_heads_are_picked_by_name_and_by_number():
    looker = choose_model("timesformer_motion_divided")
    names = attention_names(looker.model)
    assert [list(look_at(CUP, looker, layers=given).maps) for given in (["0"], ["temporal"], ["3", "blocks.0.sp"])] == [
        ["block 0 · time"], ["block 1 · time", "block 0 · time"], ["block 1 · space", "block 0 · space"]]
    whole = look_at(CUP, looker, layers=["3"]).maps["block 1 · space"]
    one = look_at(CUP, looker, layers=["3"], head=2).maps["block 1 · space"]
    torch.testing.assert_close(one.shares, whole.shares[2:3])
    assert one.first_head == 2
    for layer in (str(len(names)), "blocks.7"):
        with pytest.raises(ValueError, match=rf"--layer {layer}: no attention has this .* 0 blocks.0.temporal_att"):
            look_at(CUP, looker, layers=[layer])
    with pytest.raises(ValueError, match="--head 4: block 1 . space has the heads 0 to 3"):
        look_at(CUP, looker, head=4)


def test_many_tokens_are_recorded_in_the_last_two_attentions_alone(tmp_path):
    torch.manual_seed(0)
    save_file(timesformer_motion(image_size=128, classes=3).state_dict(), tmp_path / "large.safetensors")
    looker = choose_model("timesformer_motion", str(tmp_path / "large.safetensors"), size=96, frames=4, classes=3)
    assert list(look_at(CUP, looker).maps) == ["block 1 · space", "block 1 · time", "block 0 · space", "block 0 · time"]
    looker = choose_model("timesformer_motion", str(tmp_path / "large.safetensors"), size=96, frames=6, classes=3)
    assert list(look_at(CUP, looker).maps) == ["block 1 · space", "block 1 · time"]


def test_queries():
    grid = Grid(4, 3, 2)
    with_cls, without = (ShownMap(shares(1, grid.l + cls, grid), grid) for cls in (1, 0))
    assert query_of(None, with_cls) == query_of("CLS", with_cls) == "cls"
    assert query_of(None, without) == (2, 1, 1) and query_of("3,0,1", without) == (3, 0, 1)
    for words in ("4,0,0", "0,0", "a,b,c", "-1,0,0", ""):
        with pytest.raises(ValueError, match=r"expected cls, or frame,row,column inside the grid \(4, 3, 2\)"):
            query_of(words, with_cls)
    with pytest.raises(ValueError, match="this attention has no CLS; name a patch"):
        query_of("cls", without)


def test_the_labels_come_from_where_the_weights_come_from(tmp_path):
    torch.manual_seed(0)
    state = timesformer_motion(classes=3).state_dict()
    (tmp_path / "own").mkdir()
    save_file(state, tmp_path / "own.safetensors", metadata={"training": json.dumps(
        {"model": "timesformer_motion", "classes": ["jump", "run", "sit"], "data": "films/"})})
    looker = choose_model("timesformer_motion", str(tmp_path / "own.safetensors"))
    assert looker.labels == ("jump", "run", "sit") and looker.trained_on == "films/"
    save_file(state, tmp_path / "own" / "model.safetensors")
    labels = {"id2label": {"10": "c", "0": "a", "2": "b"}}
    (tmp_path / "own" / "config.json").write_text(json.dumps(labels))
    assert choose_model("timesformer_motion", str(tmp_path / "own")).labels == ("a", "b", "c")
    looker = choose_model("vivit_2")
    assert looker.labels[:2] == ("E", "W") and "handwritten digits" in looker.trained_on


def test_every_model_that_comes_along_and_attends_can_look():
    assert set(small_lookers()) >= {"timesformer_display", "vivit_4", "video_swin", "mvit", "sparse", "two_pathway"}
    assert not set(small_lookers()) & {"c3d", "unordered_frames", "vit_digits", "videomae_pretraining"}


def test_the_command_writes_a_page_and_a_moving_picture(tmp_path, capsys):
    out, moving = tmp_path / "page.html", tmp_path / "cup.gif"
    assert main([str(CUP), "--out", str(out), "--gif", str(moving), "--query", "2,5,4"]) == 0
    said = capsys.readouterr().out
    assert "frames 4, 12, 20, 28, 36, 44, 52, 60 of 64" in said and "It was trained on generated clips" in said
    page = BeautifulSoup(out.read_text(encoding="utf-8"), "html.parser")
    root = page.select_one('[data-explorer="attention"]')
    config = json.loads(root["data-config"])
    assert config["start"] == (2 * 8 + 5) * 8 + 4 and [m["label"] for m in config["maps"]][0] == "block 1 · space"
    assert page.title.text == "Where does timesformer_display look in hand_with_cup.mp4?"
    assert "numbers 4, 12, 20" in page.text and "64 x 64 pixels" in page.text
    assert all(img["alt"] and img["src"].startswith("data:") for img in page.select("img"))
    assert not page.select("[src^=http], [href^=http]")
    with Image.open(moving) as picture:
        assert picture.n_frames == 8 and picture.size == (288, 288)


@pytest.mark.parametrize(("options", "said"), [
    (["nowhere.mp4"], "nowhere.mp4 does not exist"),
    ([str(CUP), "--model", "timesformer_base"], "comes without weights, and would look at random: give --pretrained"),
    ([str(CUP), "--model", "timesformr"], "there is no builder 'timesformr'; did you mean"),
    ([str(CUP), "--model", "vit_digits"], "takes single images; choose a model that classifies video"),
    ([str(CUP), "--model", "c3d"], "has no attention of this package"),
    ([str(CUP), "--frames", "65"], "the clip has 64 frames and 65 were asked for"),
    ([str(CUP), "--size", "60"], "height is 60, which the patch size 8 does not divide"),
    ([str(CUP), "--model", "mvit_motion", "--pretrained", "nowhere.safetensors"], "nowhere.safetensors"),
])
def test_what_is_wrong_is_said_in_one_sentence(tmp_path, capsys, options, said):
    assert main([*options, "--out", str(tmp_path / "page.html")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error and error.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


def test_frames_in_the_middle_a_stride_apart():
    seen = look_at(example_clip_path(), choose_model("video_swin"), sampling="central", stride=3)
    assert seen.frames == list(range(19, 19 + 24, 3)) and builder("video_swin_motion").clip[1] == 8
