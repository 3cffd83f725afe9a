"""The attention explorer shows the recorded numbers of the right patch, and refuses what it cannot show."""

import numpy as np
import pytest
import torch
from reading import decode, explorer_of

from videoformer_edu.attention import record_attention
from videoformer_edu.models.timesformer import TimeSformer
from videoformer_edu.models.vit import ViT
from videoformer_edu.models.vivit import ViViT
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets import ShownMap, attention_explorer, maps_for_explorer

T, H, W, HEADS = 3, 2, 5, 4  # all different


def random_maps(heads=HEADS, cls=0, grid=(T, H, W), seed=0):
    generator = torch.Generator().manual_seed(seed)
    l = grid[0] * grid[1] * grid[2]  # noqa: E741
    logits = 3 * torch.randn(heads, l + cls, l + cls, generator=generator)
    return logits.softmax(-1)[:, :, cls:].unflatten(-1, grid)


def frames(t=T, height=H * 8, width=W * 8):
    return np.random.default_rng(0).integers(0, 255, (t, height, width, 3), np.uint8)


def explore(maps=None, pixels=None, **options):
    maps = {"block 1": random_maps(cls=1), "block 2": random_maps(heads=2, seed=1)} if maps is None else maps
    options = {"title": "Where does it look?", "alt": "three frames", **options}
    return attention_explorer(frames() if pixels is None else pixels, maps, **options)


def recorded(model, *shape):
    torch.manual_seed(1)
    with torch.no_grad(), record_attention(model.eval()) as maps:
        model(torch.randn(*shape))
    return maps


def timesformer(attention="divided"):
    torch.manual_seed(0)
    return TimeSformer(frames=T, image_size=8, patch_size=4, width=12, depth=2, heads=3, classes=7,
                       attention=attention, init="from_scratch")


def test_payload_holds_every_share_within_quantisation():
    maps = {"a": random_maps(cls=1), "b": random_maps(heads=2, seed=1)}
    _, root, config = explorer_of(explore(maps).html)
    read = decode(root, config)
    assert list(read) == ["a", "b"]
    checked = 0
    for name, tensor in maps.items():
        for head, rows in enumerate(tensor.flatten(2).tolist()):
            for query, row in enumerate(rows):
                shares, cls = read[name][head][query]
                bound = max(row) / 510 + 2e-5
                assert all(abs(x - y) <= bound for x, y in zip(shares, row, strict=True))
                assert abs(cls - (1 - sum(row))) < 2e-5
                checked += 1
    assert checked == HEADS * (T * H * W + 1) + 2 * T * H * W


def test_thin_rows_keep_their_digits():
    """Attention spread over many patches is small everywhere; its own scale keeps it readable."""
    maps = random_maps(heads=1, grid=(2, 9, 11)) * 1e-3 + 1 / 198 * (1 - 1e-3)
    _, root, config = explorer_of(explore({"a": maps}, frames(2, 36, 44)).html)
    shares, _ = decode(root, config)["a"][0][17]
    assert np.abs(np.array(shares) / maps[0, 17].flatten().numpy() - 1).max() < 0.005


def test_single_lit_token_lights_the_right_patch_of_the_right_frame():
    for query, key in (((2, 1, 3), (0, 1, 4)), ((0, 0, 1), (1, 0, 2))):
        maps = torch.zeros(1, T * H * W, T, H, W)
        maps[0, (query[0] * H + query[1]) * W + query[2]][key] = 1
        _, root, config = explorer_of(explore({"a": maps}).html)
        lit = [(q, k) for q, (shares, _) in enumerate(decode(root, config)["a"][0])
               for k, share in enumerate(shares) if share > 0]
        assert lit == [((query[0] * H + query[1]) * W + query[2], (key[0] * H + key[1]) * W + key[2])]


@pytest.mark.parametrize("attention", ["divided", "joint", "space_only"])
def test_recorded_attention_arrives_as_each_patch_looks(attention):
    maps = recorded(timesformer(attention), 2, 3, T, 8, 8)
    shown = maps_for_explorer(maps, b=1)
    kinds = {"divided": ["time", "space"], "joint": ["joint"], "space_only": ["space"]}[attention]
    assert list(shown) == [f"block {i} · {kind}" for i in (0, 1) for kind in kinds]
    for m, (tensor, grid, _) in zip(maps.values(), shown.values(), strict=True):
        cls = int(m.cls)
        assert tuple(grid) == (T, 2, 2)
        assert tensor.shape == (3, T * 4 + cls, T, 2, 2)
        for t in range(T):
            for h in range(2):
                for w in range(2):
                    torch.testing.assert_close(tensor[:, cls + t * 4 + h * 2 + w], m.looks_from(t, h, w)[1])
        if cls:
            torch.testing.assert_close(tensor[:, 0], m.cls_looks()[1])


def test_recorded_maps_and_their_list_give_the_same_page():
    maps = recorded(timesformer(), 1, 3, T, 8, 8)
    pixels = frames(T, 8, 8)
    assert explore(maps, pixels).html == explore(list(maps.values()), pixels).html
    assert explore(maps, pixels).html == explore(maps_for_explorer(maps), pixels).html


def test_a_step_may_stand_for_several_frames():
    """Of tubelets: the maps count steps, the page frames."""
    _, _, config = explorer_of(explore(pixels=frames(2 * T)).html)
    assert (config["t"], config["maps"][0]["grid"]) == (2 * T, [T, H, W])


def test_heads_that_are_shared_out_keep_their_numbers():
    """ViViT's fourth model: heads 0 and 1 look along time, 2 and 3 across space."""
    torch.manual_seed(2)
    model = ViViT(variant="factorised_dot_product", frames=2 * T, image_size=8, patch_size=4, width=12, depth=1,
                  heads=4, classes=3, init="from_scratch")
    shown = maps_for_explorer(recorded(model, 1, 3, 2 * T, 8, 8))
    assert {label: (one.first_head, len(one.shares)) for label, one in shown.items()} == {
        "block 0 · time": (0, 2), "block 0 · space": (2, 2)}
    assert {one.first_head for one in maps_for_explorer(recorded(timesformer(), 1, 3, T, 8, 8)).values()} == {0}


def test_clip_is_chosen_by_its_number():
    maps = recorded(timesformer(), 2, 3, T, 8, 8)
    pixels = frames(T, 8, 8)
    second = explore(maps, pixels, b=1).html
    assert second == explore(maps_for_explorer(maps, b=1), pixels).html
    assert second != explore(maps, pixels, b=0).html


def test_a_picture_is_a_clip_of_one_frame():
    model = ViT(image_size=12, patch_size=4, width=12, depth=2, heads=3, classes=5, init="from_scratch")
    maps = recorded(model, 1, 3, 12, 12)
    _, root, config = explorer_of(explore(maps, frames(1, 12, 12), start="cls").html)
    assert [m["label"] for m in config["maps"]] == ["block 0", "block 1"]
    assert (config["t"], config["start"]) == (1, -1)
    assert config["maps"][0] == {"label": "block 0", "heads": 3, "firstHead": 0, "queries": 10, "grid": [1, 3, 3],
                                 "keys": [1, 3, 3]}
    assert len(decode(root, config)["block 1"][2]) == 10


def test_one_megabyte_is_the_most_and_the_error_says_what_to_do():
    even = torch.rand(1, 8 * 14 * 14, 8 * 14 * 14, generator=torch.Generator().manual_seed(0))
    maps = {"joint": (even / even.sum(-1, keepdim=True)).unflatten(-1, (8, 14, 14))}
    with pytest.raises(ValueError, match=r"would add 3\.\d MB.*1 MB is the most.*Average the heads"):
        explore(maps, frames(8, 28, 28))


def test_what_is_not_looked_at_costs_no_room():
    """Windows and divided attention are mostly zeros: the maps of a whole clip at the published grid fit."""
    maps = torch.zeros(1, 8 * 14 * 14, 8, 14 * 14)
    for step, rows in enumerate(maps.split(14 * 14, dim=1)):
        rows[:, :, step] = torch.rand(14 * 14, 14 * 14, generator=torch.Generator().manual_seed(step)) / 14**2
    page = explore({"space": maps.unflatten(-1, (14, 14))}, frames(8, 28, 28)).html
    assert len(page) < maps.numel() / 4


@pytest.mark.parametrize(("change", "message"), [
    (dict(pixels=frames()[0]), r"frames are uint8 \(t, h, w, 3\).*image\[None\]"),
    (dict(pixels=frames() / 255), "got float64"),
    (dict(pixels=frames(7)), "'block 1' has 3 time steps that look, and 7 frames cannot be shared out.* 3 or 6"),
    (dict(maps={}), "no map to show"),
    (dict(maps={"a": random_maps()[0]}), r"a map is \(head, q, t, h, w\)"),
    (dict(maps={"a": random_maps()[:, 2:]}), r"with q = t\*h\*w patches"),
    (dict(maps={"a": random_maps(), "b": random_maps(grid=(2, 5, 2))}), "'b' has 2 time steps that look, and 3 frames"),
    (dict(maps={"a": ShownMap(random_maps(grid=(2, H, W))[:, :15], Grid(3, 1, 5))}), "2 time steps that are looked at"),
    (dict(maps={"a": ShownMap(random_maps(), Grid(T, H, W + 1))}), r"of the queries' grid \(3, 2, 6\)"),
    (dict(maps={"a": random_maps() * 9}), "each row at most 1 in sum"),
    (dict(maps={"a": random_maps() - 0.1}), "none below 0"),
    (dict(maps={"a": random_maps() * float("nan")}), "holds shares"),
    (dict(start=(0, 2, 0)), r"inside the grid \(3, 2, 5\)"),
    (dict(start=(0, 1)), r"inside the grid"),
    (dict(start="cls", maps={"a": random_maps()}), "no CLS to start from"),
    (dict(alt=" "), "alt is empty"),
    (dict(title="Where it looks"), "title of an explorer is the question"),
])
def test_bad_input_gets_an_explanation(change, message):
    with pytest.raises(ValueError, match=message):
        explore(**change)
