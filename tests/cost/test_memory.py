"""Memory of a training step: counted by hand, on real tensors and on shapes alone; what checkpointing saves."""

import pathlib

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from videoformer_edu import models
from videoformer_edu.cost import timesformer_cost, vivit_cost
from videoformer_edu.cost.memory import (
    line,
    loss,
    main,
    memory,
    on_shapes,
    peak_bytes,
    saved_bytes,
    saved_tensors,
    storage_bytes,
)
from videoformer_edu.models import timesformer_motion, vivit_motion
from videoformer_edu.models.blocks import checkpoint_blocks
from videoformer_edu.models.registry import BUILDERS
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.step import Run

FLOAT = 4
ROOT = pathlib.Path(__file__).parents[2]


def examples(batch, name="timesformer_motion"):
    return torch.randn(batch, *BUILDERS[name].clip), torch.arange(batch) % 8


def test_an_mlp_keeps_what_its_backward_pass_needs():
    model = nn.Sequential(nn.Linear(7, 11), nn.GELU(), nn.Linear(11, 5))
    batch = torch.randn(3, 7), torch.tensor([0, 4, 2])
    # In front of GELU and behind it, logarithms of the probabilities, and one number: the labels' total weight.
    assert saved_bytes(model, batch) == FLOAT * (3 * 11 + 3 * 11 + 3 * 5 + 1)
    kept = saved_tensors(lambda: loss(model, batch), there=model.parameters())
    assert {tuple(x.shape) for x in kept} == {(3, 7), (3, 11), (3, 5), (3,), ()}  # the batch itself was not there


def test_a_storage_counts_once_and_whole():
    x = torch.zeros(6, 10)
    assert storage_bytes([x, x[2:4], x.t()]) == 6 * 10 * FLOAT
    assert storage_bytes([x[:1].clone(), x]) == 7 * 10 * FLOAT
    w = torch.ones(6, 10, requires_grad=True)
    half = torch.zeros(12, 10)[:6]  # what is kept is the whole storage
    assert storage_bytes(saved_tensors(lambda: (w * half).sum(), there=[w])) == 12 * 10 * FLOAT
    assert storage_bytes(saved_tensors(lambda: (w * half).sum(), there=[w, half])) == 0


def test_peak_is_the_most_that_lives_at_once():
    there = torch.zeros(1000)  # 4000 bytes, and not counted

    def run():
        a = there.view(10, 100) + 1  # 4000
        b = torch.cat([a, a])  # 12000
        del a  # 8000
        return b.t()[0] * 2, there * 3  # 8000 + 80, then 12080

    assert peak_bytes(run) == 12080
    assert peak_bytes(lambda: there.view(-1)[5:]) == 0  # views of what was there


def test_bytes_grow_in_step_with_the_batch():
    model = timesformer_motion(frames=4, depth=3)
    two, three, six = (saved_bytes(model, examples(count)) for count in (2, 3, 6))
    assert six - three == 3 * (three - two)
    assert two - 2 * (three - two) == FLOAT  # beside the clips: one number, the total weight of the labels


@pytest.mark.parametrize("name", ["timesformer_motion", "vivit_motion", "video_swin_motion", "mvit_motion",
                                  "two_pathway_motion", "r2plus1d_motion"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_shapes_alone_tell_the_same_as_numbers(name, checkpointing):
    model = getattr(models, name)().train()
    if checkpointing:
        checkpoint_blocks(model)
    batch = examples(2, name)
    found = memory(name, batch=2, checkpointing=checkpointing)
    assert found.saved == saved_bytes(model, batch)  # the shapes came first: nothing that they kept is in the way
    assert found.peak == peak_bytes(lambda: loss(model, batch).backward())


def test_what_is_counted_is_what_a_step_of_training_keeps():
    model, batch = timesformer_motion(), examples(3)
    run = Run(model, Recipe(batch=3))
    kept = saved_tensors(lambda: run.step(batch), there=(*model.parameters(), *model.buffers(), *batch))
    assert storage_bytes(kept) == saved_bytes(model, batch)


def attention_maps(model, batch, tokens):
    """The kept tensors that are queries by keys, with that many tokens in a group."""
    with sdpa_kernel(SDPBackend.MATH):  # in the open: the fused kernel keeps none
        kept = saved_tensors(lambda: loss(model, batch))
    return [x for x in kept if x.shape[-2:] in {(count, count) for count in tokens}]


CASES = {
    "divided": (timesformer_motion, timesformer_cost, dict(attention="divided"), (3, 26)),
    "joint": (timesformer_motion, timesformer_cost, dict(attention="joint"), (76,)),
    "space_only": (timesformer_motion, timesformer_cost, dict(attention="space_only"), (26,)),
    "model 1": (vivit_motion, vivit_cost, dict(variant="spatio_temporal", tubelet_size=1), (76,)),
    "model 3": (vivit_motion, vivit_cost, dict(variant="factorised_self_attention", tubelet_size=1), (3, 25)),
}


@pytest.mark.parametrize("case", CASES)
def test_attention_in_the_open_keeps_the_bytes_of_the_closed_form(case):
    """3 frames of 5 x 5 patches, 4 blocks, a batch of 2."""
    build, cost, changes, tokens = CASES[case]
    size = dict(frames=3, image_size=40, patch_size=8, width=32, depth=4, heads=2, mlp_ratio=2.0, **changes)
    model, batch = build(**size), (torch.randn(2, 3, 3, 40, 40), torch.tensor([1, 0]))
    maps = attention_maps(model, batch, tokens)
    assert storage_bytes(maps) == 2 * 4 * cost(**size, classes=8).attention_bytes
    fused = saved_tensors(lambda: loss(model, batch))
    assert not [x for x in fused if x.shape[-2:] in {(count, count) for count in tokens}]


@pytest.mark.parametrize(("name", "least"), [("timesformer_motion", 7), ("vivit_motion", 4)])
def test_checkpointing_keeps_a_fraction_and_pays_one_block_back(name, least):
    plain, spared = memory(name, batch=8), memory(name, batch=8, checkpointing=True)
    assert plain.saved > least * spared.saved
    blocks = 2 if name == "timesformer_motion" else 4
    assert spared.saved + plain.saved / blocks / 2 < spared.peak < plain.peak * 0.75


def test_checkpointed_blocks_keep_their_inputs_alone():
    model, batch = timesformer_motion(depth=5), examples(3)
    deeper = timesformer_motion(depth=7)
    checkpoint_blocks(model)
    checkpoint_blocks(deeper)
    sequence = 3 * (8 * 16 + 1) * 64 * FLOAT
    assert saved_bytes(deeper, batch) - saved_bytes(model, batch) == 2 * sequence


@pytest.mark.slow
def test_the_documentation_holds_what_the_command_prints(capsys):
    """TimeSformer-B and ViViT-B at their published sizes are among it: a model that begins to keep more is noticed."""
    main([])
    printed = capsys.readouterr().out
    assert printed in (ROOT / "docs/training.md").read_text(encoding="utf-8")
    assert "| timesformer_base | 8 x 8 x 224 x 224 |" in printed and "| vivit_base | 8 x 32 x 224 x 224 |" in printed


def test_on_shapes_nothing_has_a_number():
    with on_shapes(timesformer_motion) as model:
        assert sum(p.numel() for p in model.parameters()) == 123_464
        with pytest.raises(Exception, match="_local_scalar_dense"):
            model(torch.zeros(1, *BUILDERS["timesformer_motion"].clip)).sum().item()


def test_the_command_prints_one_row_for_each_model(capsys):
    main(["--model", "vivit_motion", "timesformer_motion", "--batch", "3"])
    header, rule, *rows = capsys.readouterr().out.splitlines()
    assert rows == [line("vivit_motion", 3), line("timesformer_motion", 3)]
    assert "| vivit_motion | 3 x 8 x 32 x 32 |" in rows[0] and len({row.count("|") for row in (header, *rows)}) == 1
    with pytest.raises(ValueError, match="'resnet' is no classifier; choose one of .*timesformer_base"):
        memory("resnet")
