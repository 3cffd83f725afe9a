"""The oracles, written in loops, against the package's own modules; and how far apart the two are kept."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange

import videoformer_edu
from videoformer_edu.attention import MultiHeadAttention, SpatialAttention
from videoformer_edu.attention.patterns import Full, Spatial, Temporal
from videoformer_edu.cost import attention_macs
from videoformer_edu.grading.conclude import prepare
from videoformer_edu.grading.returned import to_torch
from videoformer_edu.layers import EPS
from videoformer_edu.models import DividedSpaceTimeBlock
from videoformer_edu.sheets import load
from videoformer_edu.tokens import Grid

TUBES, SPATIAL, BLOCK, COST = load("04").exercises
PACKAGE = Path(videoformer_edu.__file__).parent


def part(weights, prefix, module):
    """What the module needs of the dict, which holds others' entries as well."""
    return {key: weights[prefix + key] for key in module.state_dict()}


def by_package(case):
    inputs = to_torch(case.inputs)
    x, weights, heads = inputs["x"], inputs["weights"], inputs.get("heads")
    width = x.shape[-1]
    if case.function == "multi_head":
        module = MultiHeadAttention(width=width, heads=heads)
        module.load_state_dict(part(weights, f"{inputs['name']}.", module))
        return module(x)
    if case.function == "norm":
        module = torch.nn.LayerNorm(width, eps=EPS)
        module.load_state_dict(part(weights, f"{inputs['name']}.", module))
        return module(x)
    grid = Grid(inputs["t"], 1, (x.shape[1] - 1) // inputs["t"])
    if case.function == "spatial_attention":
        module = SpatialAttention(width=width, heads=heads)
        module.load_state_dict(part(weights, "spatial_attention.", module))
    else:
        module = DividedSpaceTimeBlock(width=width, heads=heads, mlp_ratio=len(weights["mlp.0.bias"]) / width)
        module.load_state_dict(weights)
    return module(x, grid)


@pytest.mark.parametrize("exercise", [SPATIAL, BLOCK], ids=lambda exercise: exercise.id)
def test_attention_and_block_agree_with_the_package(exercise):
    for case, expected in zip(*prepare(exercise, 0), strict=True):
        with torch.no_grad():
            ours = by_package(case).numpy()
        close = {"rtol": 1e-3, "atol": 1e-3} if case.free else {"rtol": 1e-5, "atol": 5e-6}
        np.testing.assert_allclose(ours, expected, err_msg=case.name, **close)


def test_tubes_agree_with_the_patterns_groups():
    for case, expected in zip(*prepare(TUBES, 0), strict=True):
        if case.function == "to_tubes":
            x, t = case.inputs["x"], case.inputs["t"]
            groups = Temporal().groups(Grid(t, 1, x.shape[1] // t)).numpy()  # (n, t)
            np.testing.assert_array_equal(x[:, groups].reshape(expected.shape), expected)
        else:
            tubes, b = case.inputs["tubes"], case.inputs["b"]
            np.testing.assert_array_equal(rearrange(tubes, "(b n) t d -> b (t n) d", b=b), expected)


@pytest.mark.parametrize(("t", "n", "d"), [(3, 10, 12), (8, 196, 768), (5, 7, 24), (1, 2, 3)])
def test_costs_agree_with_the_package(t, n, d):
    from videoformer_edu.sheets.s04_timesformer.cost import oracle_macs, oracle_pairs

    grid = Grid(t, 1, n)
    joint, along, across = (pattern.pairs(grid) for pattern in (Full(), Temporal(), Spatial()))
    if grid.l < 100:
        assert oracle_pairs(t, n) == (joint, along + across)
    divided = attention_macs(grid.l, along, d) + attention_macs(grid.l, across, d) + grid.l * d * d
    assert oracle_macs(t, n, d) == (attention_macs(grid.l, joint, d), divided)


@pytest.mark.parametrize("seed", [0, 1])
def test_cases_can_not_hide_an_exchanged_axis(seed):
    """All sizes of a case differ, each takes several values, and scores stay where a softmax is soft."""
    taken = set()
    for case in (case for case in prepare(BLOCK, seed)[0] if case.function == "divided_block"):
        b, s, d = case.inputs["x"].shape
        t, heads = case.inputs["t"], case.inputs["heads"]
        sizes = {"b": b, "t": t, "n": (s - 1) // t, "heads": heads, "hidden": len(case.inputs["weights"]["mlp.0.bias"])}
        assert len(set(sizes.values())) == 5
        taken |= {*sizes.items(), ("d", d)}
    assert {name: 1 for name in "btn"}.items() <= taken
    assert all(sum(name == other for other, _ in taken) >= 3 for name in ("t", "n", "hidden", "d"))
    case = next(case for case in prepare(SPATIAL, seed)[0] if case.name == "some groups")
    x, weights, name, heads = to_torch(case.inputs).values()
    module = MultiHeadAttention(width=x.shape[-1], heads=heads)
    module.load_state_dict(part(weights, f"{name}.", module))
    q, k, _ = rearrange(module.qkv(x), "g l (three h e) -> three g h l e", three=3, h=heads)
    shares = (q @ k.transpose(-2, -1) / q.shape[-1]**0.5).softmax(-1)
    assert shares.max(-1).values.mean() < 0.7


@pytest.mark.parametrize(("room", "allowed"), [("grading", ("grading",)), ("sheets", ("grading", "sheets"))])
def test_grading_knows_no_sheet_and_neither_imports_a_model_or_a_solution(room, allowed):
    door = PACKAGE / "grading" / "__main__.py"  # of the instructor's grader, which knows the sheets; nobody imports it
    for path in set((PACKAGE / room).rglob("*.py")) - {door}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
            for imported in names:
                assert not imported.startswith("solutions"), path
                assert not imported.startswith("videoformer_edu") or imported.split(".")[1] in allowed, path


@pytest.mark.slow
def test_nothing_of_the_package_but_grading_and_sheets_is_loaded():
    program = ("import sys; from videoformer_edu.sheets import sheet; sheet('04'); "
               "print(*(m for m in sys.modules if m.startswith('videoformer_edu.')))")
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert loaded and all(module.startswith(("videoformer_edu.grading", "videoformer_edu.sheets")) for module in loaded)
