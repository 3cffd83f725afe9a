"""The explorer of the frames' order holds what the model answers to each clip in each order, and says it in words."""

import base64
import json
import zlib

import pytest
import torch
from bs4 import BeautifulSoup
from javascript import evaluate

from videoformer_edu.data.motion import DIRECTIONS, motion_batch
from videoformer_edu.widgets.order_explorer import order_explorer, orders_of

T = 5
BATCH = motion_batch(3, seed=2, frames=T, size=24)


def answer(clips):
    """Shares that depend on the clip and on the order of its frames."""
    light = clips.float().mean((1, 3, 4))  # (b, t)
    steps = torch.randn(T, len(DIRECTIONS), generator=torch.Generator().manual_seed(0))
    return ((light - light.mean(1, keepdim=True)) @ steps).softmax(-1)


def explore(**changed):
    given = {"answer": answer, "title": "Which way?", "alt": "Five frames"} | changed
    return order_explorer(BATCH, DIRECTIONS, **given)


def read(explorer):
    root = BeautifulSoup(explorer.html, "html.parser").select_one('[data-explorer="order"]')
    return json.loads(root["data-config"]), zlib.decompress(base64.b64decode(root["data-payload"]))


@pytest.mark.parametrize("t", [5, 8])
def test_orders_are_permutations_that_differ_and_one_frame_standing_still(t):
    kinds = orders_of(t)
    filmed = list(range(t))
    assert list(kinds) == ["as filmed", "backwards", "shuffled", "one frame"]
    assert kinds["as filmed"] == [filmed] and kinds["backwards"] == [filmed[::-1]]
    assert kinds["one frame"] == [[t // 2] * t]
    assert all(sorted(order) == filmed for order in kinds["shuffled"])
    every = [tuple(order) for kind in kinds.values() for order in kind]
    assert len(every) == len(set(every)) == 15 and orders_of(t) == kinds


def test_the_page_reads_what_the_model_answers_to_every_clip_in_every_order():
    config, payload = read(explore())
    orders = [order for kind in config["kinds"] for order in kind["orders"]]
    found = evaluate("[0, 1, 2].map((clip) => Array.from({length: orders}, (_, i) => "
                     "order.readShares(Uint8Array.from(bytes), orders, 8)(clip, i)))", orders=len(orders),
                     bytes=list(payload))
    expected = torch.stack([answer(BATCH.clips[:, :, order]) for order in orders], dim=1)  # (b, order, class)
    assert expected.std(dim=(0, 1)).min() > 0.01, "the answers differ"
    torch.testing.assert_close(torch.tensor(found), expected, rtol=0, atol=0.5 / 255 + 1e-6)
    assert [clip["truth"] for clip in config["clips"]] == BATCH.direction.tolist()
    names = [f"clip {i}: a {digit}" for i, digit in enumerate(BATCH.digit.tolist())]
    assert [clip["name"] for clip in config["clips"]] == names


def test_it_says_what_is_seen_and_knows_the_opposite():
    words = "order.say(kind, frames, 2, ['E', 'W', 'S', 'N'], shares)"
    asked = {"shares": [0, 0.1, 0.2, 0.7]}
    assert evaluate(words, kind="backwards", frames=[1, 0], **asked) == (
        "The digit was filmed moving S. Backwards, the model says N: 70 %.")
    assert evaluate(words, kind="shuffled", frames=[1, 2, 0], **asked).endswith(
        "In the order 1 2 0, the model says N: 70 %.")
    assert evaluate(words, kind="one frame", frames=[4, 4], **asked).endswith(
        "With frame 4 standing still, the model says N: 70 %.")
    opposites = [evaluate("order.opposite(truth, shares)", truth=truth, **asked) for truth in range(4)]
    assert opposites == [False, False, True, False]


def test_what_it_cannot_show_is_refused():
    with pytest.raises(ValueError, match=r"answer gives shares.*3 x 8 here; got \(3, 8\): is a softmax"):
        explore(answer=lambda clips: 9 * answer(clips))
    with pytest.raises(ValueError, match="alt is empty"):
        explore(alt=" ")
    with pytest.raises(ValueError, match="title of an explorer is the question"):
        explore(title="The order")
