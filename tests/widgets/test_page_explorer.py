"""The page explorer shows the recorded numbers of the right patch, in words too, and needs nothing from outside."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from reading import decode, explorer_of

from videoformer_edu.attention import record_attention
from videoformer_edu.models.timesformer import TimeSformer
from videoformer_edu.models.vit import ViT
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets import attention_explorer, maps_for_explorer
from videoformer_edu.widgets.page_explorer import ShownMap

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
    options = {"title": "Where it looks", "alt": "three frames", **options}
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
    for m, (tensor, grid) in zip(maps.values(), shown.values(), strict=True):
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
    assert config["maps"][0] == {"label": "block 0", "heads": 3, "queries": 10, "grid": [1, 3, 3], "keys": [1, 3, 3]}
    assert len(decode(root, config)["block 1"][2]) == 10


def test_frames_arrive_pixel_by_pixel():
    pixels = frames()
    _, _, config = explorer_of(explore(pixels=pixels).html)
    film = Image.open(io.BytesIO(base64.b64decode(config["frames"].split(",")[1])))
    size = (config["frameWidth"], config["frameHeight"])
    assert size == (W * 8, H * 8) and config["pixelated"]
    for i in range(T):
        frame = film.crop((i * size[0], 0, (i + 1) * size[0], size[1]))
        assert np.array_equal(np.asarray(frame), pixels[i])


def test_large_frames_are_made_smaller():
    _, _, config = explorer_of(explore(pixels=frames(T, 400, 1000)).html)
    assert config["frames"].startswith("data:image/jpeg") and not config["pixelated"]
    assert config["frameWidth"] <= 1.5 * 720 / T
    assert abs(config["frameWidth"] / config["frameHeight"] - 2.5) < 0.02


def test_still_picture_has_words_and_marks_the_patch_that_looks():
    soup, root, _ = explorer_of(explore(start=(1, 1, 3), alt='Looks at "itself"').html)
    figure = root.select_one(".vfe-still figure")
    assert figure.img["alt"] == 'Looks at "itself"'
    assert "run this cell" in figure.figcaption.text
    still = Image.open(io.BytesIO(base64.b64decode(figure.img["src"].split(",")[1]))).convert("RGB")
    red = np.argwhere((np.abs(np.asarray(still, int) - (0xFF, 0x5A, 0x36)) < 12).all(-1))  # the outline's colour
    frame = still.width / T
    centre = red.mean(0)
    expected = ((1 + 0.5) * still.height / H, frame * (1 + 3.5 / W))
    assert np.abs(centre - expected).max() < 6
    assert len(soup.select("img")) == 1


def test_bytes_repeat_and_the_id_comes_from_the_title():
    assert explore().html == explore().html
    _, root, _ = explorer_of(explore(title="Block 1: Where CLS looks?").html)
    assert root["id"] == "attention-block-1-where-cls-looks"
    other = explorer_of(explore({"a": random_maps(seed=9)}).html)[1]
    assert other["id"] == explorer_of(explore().html)[1]["id"]


def test_nothing_is_asked_from_outside():
    page = explore().html
    page = re.sub(r'base64,[\w+/=]+|data-payload="[\w+/=]+"', "", page)  # bytes may spell anything
    assert re.findall(r"https?:|//[a-z]|fetch\(|XMLHttpRequest|\bimport\b|localStorage|\beval\b", page) == []


def test_text_from_outside_is_text():
    page = explore({"<b>&\"'": random_maps()}, title="</script><script>alert(1)</script>").html
    soup, root, config = explorer_of(page)
    assert config["maps"][0]["label"] == "<b>&\"'"
    assert config["title"] == "</script><script>alert(1)</script>"
    assert len(soup.select("script")) == 1 and soup.select("b") == []


def test_controls_are_named_and_keep_their_keys():
    script = explore().html.split("<script>")[1]
    for words in ("attention map", "head", "overlay strength", "let CLS look"):
        assert f'"aria-label": "{words}"' in script or f'"aria-label", "{words}"' in script
    assert 'node.setAttribute("data-lm-suppress-shortcuts", "true")' in script
    for native in ("select", "input", "button"):
        assert f'element("{native}"' not in script, f"a {native} made without control() loses its arrow keys"
    assert '"aria-live": "polite"' in script


def test_display_gives_html_and_a_short_text():
    explorer = explore()
    assert explorer._repr_html_() == explorer.html
    assert repr(explorer) == "<explorer: Where it looks>"


def test_one_megabyte_is_the_most_and_the_error_says_what_to_do():
    maps = {"joint": random_maps(heads=1, grid=(8, 14, 14))}
    with pytest.raises(ValueError, match=r"would add 3\.\d MB.*1 MB is the most.*Average the heads"):
        explore(maps, frames(8, 28, 28))
    largest = {"joint": random_maps(heads=1, grid=(5, 12, 12))}
    assert len(explore(largest, frames(5, 24, 24)).html) < 1_000_000


@pytest.mark.parametrize(("change", "message"), [
    (dict(pixels=frames()[0]), r"frames are uint8 \(t, h, w, 3\).*image\[None\]"),
    (dict(pixels=frames() / 255), "got float64"),
    (dict(pixels=frames(6)), r"6 frames but maps of 3 time steps.*frames\[::2\]"),
    (dict(maps={}), "no map to show"),
    (dict(maps={"a": random_maps()[0]}), r"a map is \(head, q, t, h, w\)"),
    (dict(maps={"a": random_maps()[:, 2:]}), r"with q = t\*h\*w patches"),
    (dict(maps={"a": random_maps(), "b": random_maps(grid=(2, 5, 2))}), "'b' has 2 steps that look at 2, and 3 frames"),
    (dict(maps={"a": ShownMap(random_maps(), Grid(T, H, W + 1))}), r"of the queries' grid \(3, 2, 6\)"),
    (dict(maps={"a": random_maps() * 9}), "each row at most 1 in sum"),
    (dict(maps={"a": random_maps() - 0.1}), "none below 0"),
    (dict(maps={"a": random_maps() * float("nan")}), "holds shares"),
    (dict(start=(0, 2, 0)), r"inside the grid \(3, 2, 5\)"),
    (dict(start=(0, 1)), r"inside the grid"),
    (dict(start="cls", maps={"a": random_maps()}), "no CLS to start from"),
    (dict(alt=" "), "alt is empty"),
    (dict(title=""), "title is empty"),
])
def test_bad_input_gets_an_explanation(change, message):
    with pytest.raises(ValueError, match=message):
        explore(**change)
