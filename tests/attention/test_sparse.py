"""Every efficient module is dense attention under the mask of its pattern, and does only the work of its pairs."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from videoformer_edu.attention import (
    Axial,
    CrossAttention,
    Full,
    GlobalSpatial,
    LocalTemporal,
    LocalWindow,
    Radial,
    SlidingTile,
    SparseAttention,
    SparseSpaceTime,
    Spatial,
    StridedTemporal,
    Temporal,
    WindowAttention,
    record_attention,
)
from videoformer_edu.tokens import Grid

D, HEADS = 12, 3
GRIDS = [Grid(3, 2, 5), Grid(7, 4, 3), Grid(1, 2, 3), Grid(4, 1, 1), Grid(1, 1, 1)]
PATTERNS = [
    Full(), Spatial(), Temporal(), Axial("t"), Axial("h"), Axial("w"),
    LocalTemporal(3), LocalTemporal(9), LocalTemporal(5, dilation=2), StridedTemporal(2), StridedTemporal(5),
    GlobalSpatial(2), GlobalSpatial(9), SparseSpaceTime(3, 2, 1), SparseSpaceTime(5, 3, 2),
    LocalWindow((2, 2, 3)), LocalWindow((4, 3, 2), (2, 1, 1)), LocalWindow((9, 9, 9), (4, 4, 4)),
    SlidingTile((2, 1, 2), (3, 3, 1)), SlidingTile((1, 2, 3), (1, 1, 3)), Radial(),
]


class Case:
    """A module, its input, its output, and what dense attention needs to do the same in the oracle's own words."""

    def __init__(self, module, grid, call=None, context=None, pattern=None):
        self.module, self.grid = module.double(), grid
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.normal_(std=0.5)
        self.x = torch.randn(2, grid.l, D, dtype=torch.double, requires_grad=True)
        self.context, self.pattern = context, pattern or module.pattern
        self.call = call or (lambda: module(self.x, grid))

    def inputs(self):
        given = [self.x] + ([] if self.context is None else [self.context])
        return given + [p for p in self.module.parameters() if p.requires_grad]

    def probabilities(self):
        m = self.module
        qkv = m.qkv(self.x).chunk(3, -1) if self.context is None else (m.q(self.x), *m.kv(self.context).chunk(2, -1))
        q, k, self.v = (x.unflatten(-1, (HEADS, -1)).transpose(1, 2) for x in qkv)
        scores = torch.einsum("bhqe,bhke->bhqk", q, k) / math.sqrt(D // HEADS)
        if isinstance(m, WindowAttention):
            scores = scores + distances_bias(m, self.grid)
        weights = scores.exp() * self.pattern.allowed(self.grid)
        return weights / weights.sum(-1, keepdim=True)

    def dense(self):
        probabilities = self.probabilities()
        return self.module.proj(torch.einsum("bhqk,bhke->bhqe", probabilities, self.v).transpose(1, 2).flatten(2))


def distances_bias(module, grid):
    """`(head, l, l)`: the table's row for each distance between two places of the clip; a far row is never used."""
    t, h, w = module.pattern.window
    table = module.relative_position_bias_table.reshape(2 * t - 1, 2 * h - 1, 2 * w - 1, HEADS)
    place = torch.cartesian_prod(*(torch.arange(size) for size in grid)).reshape(-1, 3)
    apart = place[:, None] - place[None] + torch.tensor([t, h, w]) - 1  # (l, l, 3)
    apart = apart.clamp(torch.zeros(3, dtype=torch.long), 2 * torch.tensor([t, h, w]) - 2)
    return table[apart[..., 0], apart[..., 1], apart[..., 2]].permute(2, 0, 1)


def sparse(pattern):
    return lambda grid: Case(SparseAttention(width=D, heads=HEADS, pattern=pattern), grid)


def windows(window, shift):
    return lambda grid: Case(WindowAttention(width=D, heads=HEADS, window=window, shift=shift, mask_padding=True), grid)


def crossed(frames, at_same_place):
    def build(grid):
        others = Grid(frames, grid.h, grid.w) if at_same_place else Grid(frames, 3, 2)
        context = torch.randn(2, others.l, 5, dtype=torch.double, requires_grad=True)
        module = CrossAttention(width=D, context_width=5, heads=HEADS, same_place=at_same_place)
        case = Case(module, grid, context=context, pattern=module.pattern(others))
        case.call = lambda: module(case.x, grid, context, others)
        return case
    return build


CASES = {str(pattern): sparse(pattern) for pattern in PATTERNS}
CASES |= {f"windows {w} {s}": windows(w, s) for w, s in (
    ((2, 2, 3), (0, 0, 0)), ((2, 2, 3), (1, 1, 1)), ((4, 3, 2), (2, 1, 1)), ((9, 9, 9), (4, 4, 4)))}
CASES |= {f"cross {t} {same}": crossed(t, same) for t, same in ((9, False), (2, True), (6, True))}
cases = pytest.mark.parametrize("build", CASES.values(), ids=CASES)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: "x".join(map(str, grid)))
@cases
def test_equals_dense_attention_under_its_mask(build, grid):
    """Values, gradients of inputs and parameters, and the recorded map, on grids that nothing divides."""
    case = build(grid)
    got, want = case.call(), case.dense()
    torch.testing.assert_close(got, want)
    weigh = torch.randn_like(want)
    for ours, theirs in zip(torch.autograd.grad((got * weigh).sum(), case.inputs()),
                            torch.autograd.grad((want * weigh).sum(), case.inputs()), strict=True):
        torch.testing.assert_close(ours, theirs)
    with record_attention(case.module) as maps:
        torch.testing.assert_close(case.call(), want)
    torch.testing.assert_close(maps["attention"].dense(), case.probabilities().detach())


@pytest.mark.parametrize("build", [sparse(LocalWindow((2, 3, 4), (1, 1, 2))), windows((2, 3, 4), (1, 1, 2)),
                                   sparse(SparseSpaceTime(3, 4, 2)), sparse(LocalTemporal(5, dilation=2))],
                         ids=["sparse windows", "windows", "sparse", "dilated"])
def test_a_single_lit_patch_is_lit_where_it_is(build):
    """All queries like the patch (t=4, h=3, w=1) best: every token that may see it looks there, and nowhere else."""
    case = build(Grid(5, 4, 7))
    with torch.no_grad():
        for name, parameter in case.module.named_parameters():
            parameter.zero_()
            if name == "qkv.weight":
                parameter[:D] = parameter[D:2 * D] = torch.eye(D)
        case.x.fill_(0.1)
        case.x[:, 4 * 28 + 3 * 7 + 1] = 40.0
        case.module.qkv.bias[:D] = 5.0
        with record_attention(case.module) as maps:
            case.call()
    table = case.pattern.allowed(case.grid).unflatten(0, tuple(case.grid)).unflatten(-1, tuple(case.grid))
    seen = 0
    for t, h, w in torch.cartesian_prod(torch.arange(5), torch.arange(4), torch.arange(7)).tolist():
        looks = maps["attention"].looks_from(t, h, w)[1, 2]
        if table[t, h, w, 4, 3, 1]:
            seen += 1
            assert looks[4, 3, 1] > 0.999
        else:
            assert looks[4, 3, 1] == 0
            torch.testing.assert_close(looks, table[t, h, w] / table[t, h, w].sum(dtype=looks.dtype))
    assert 1 < seen < case.grid.l


class Largest(TorchDispatchMode):
    """Watches every operation, the backward pass included, for the largest tensor that any of them returns."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.numel())
        return out


LINEAR = {  # fixed windows: so many keys a query, however long the clip
    LocalTemporal(3): 3, LocalTemporal(5, dilation=2): 5, GlobalSpatial(2): 9, Axial("h"): 6, Spatial(): 36,
    LocalWindow((4, 3, 3)): 36, LocalWindow((4, 3, 3), (2, 1, 1)): 36, SlidingTile((2, 3, 2), (3, 1, 1)): 36,
}


def largest(pattern, grid):
    module = SparseAttention(width=8, heads=2, pattern=pattern)
    x = torch.randn(1, grid.l, 8, requires_grad=True)
    with Largest() as fused:
        module(x, grid).sum().backward()
    with Largest() as opened, record_attention(module):
        module(x, grid)
    return max(fused.numel, opened.numel)


@pytest.mark.parametrize("pattern", [*LINEAR, SparseSpaceTime(3, 4, 1), StridedTemporal(4), Temporal()], ids=str)
def test_no_tensor_has_a_row_of_all_tokens_for_each_token(pattern):
    """Making the arrangement is watched, too: this grid is used by no other test."""
    grid = Grid(44, 6, 6)
    assert largest(pattern, grid) < grid.l**2 / 4


@pytest.mark.parametrize("pattern", LINEAR, ids=str)
def test_memory_grows_linearly_with_the_clip(pattern):
    short, long = largest(pattern, Grid(8, 6, 6)), largest(pattern, Grid(32, 6, 6))
    assert long <= 4.2 * short


def test_memory_of_radial_follows_its_pairs():
    """Four times the frames: 16 times the joint pairs, 6 times the pairs of the pattern, and of its largest tensor."""
    short, long = Grid(32, 2, 3), Grid(128, 2, 3)
    pairs = Radial().pairs(long) / Radial().pairs(short)
    assert pairs < 7 and largest(Radial(), long) / largest(Radial(), short) < 1.2 * pairs


def multiply_adds(module, grid):
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), record_attention(module), counter:
        module(torch.randn(1, grid.l, 8), grid)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("pattern", [*LINEAR, StridedTemporal(4), Temporal(), SparseSpaceTime(3, 4, 1), Radial()],
                         ids=str)
def test_counted_multiply_adds_follow_the_pairs(pattern):
    """Exactly, but for what stands in a group and may not look: see each bound."""
    module, grid = SparseAttention(width=8, heads=2, pattern=pattern), Grid(32, 6, 6)
    counted = (multiply_adds(module, grid) - 4 * grid.l * 8**2) // (2 * 8)  # q k^T and p v, without the projections
    bound = 1.0
    if isinstance(pattern, LocalTemporal):
        bound = pattern.window / (pattern.pairs(grid) / grid.l)  # frames before the first and after the last
    elif isinstance(pattern, SparseSpaceTime):
        bound = 1 + 4 / (36 + 2 + 7)  # a key in two parts is multiplied twice: itself, again itself, few frames
    elif isinstance(pattern, LocalWindow):
        bound = grid.l * 36 / pattern.pairs(grid)  # the cyclic shift joins cut windows of both ends
    elif isinstance(pattern, Radial):
        bound = 1.9  # queries of a stretch share their keys; frames before the first and after the last
    assert pattern.pairs(grid) <= counted <= round(bound * pattern.pairs(grid))
    if pattern in LINEAR:
        assert counted == grid.l * LINEAR[pattern]
        assert multiply_adds(module, Grid(16, 6, 6)) * 2 == multiply_adds(module, grid)


@pytest.mark.parametrize("grid", [Grid(3, 2, 5), Grid(5, 9, 4), Grid(1, 1, 1)], ids=str)
@pytest.mark.parametrize("pattern", [SparseSpaceTime(3, 2, 2), LocalWindow((2, 2, 3), (1, 1, 1)), LocalTemporal(5, 2),
                                     StridedTemporal(2), GlobalSpatial(2), Axial("w"), Full(),
                                     SlidingTile((2, 1, 2), (1, 3, 3)), Radial()], ids=str)
def test_flex_attention_agrees(pattern, grid):
    """PyTorch's own reference of flex_attention, which needs no GPU; it has no gradients there."""
    gather = SparseAttention(width=D, heads=HEADS, pattern=pattern)
    flex = SparseAttention(width=D, heads=HEADS, pattern=pattern, backend="flex")
    flex.load_state_dict(gather.state_dict())
    x = torch.randn(2, grid.l, D)
    with torch.no_grad():
        torch.testing.assert_close(flex(x, grid), gather(x, grid), rtol=1e-5, atol=1e-6)
    with record_attention(flex) as maps:
        flex(x, grid)
    assert maps["attention"].pattern == pattern


def test_what_is_kept_between_calls_serves_inference_and_training():
    """The arrangement is made in inference mode here, then used for gradients; another grid gets its own."""
    for build in (sparse(StridedTemporal(3)), windows((3, 2, 2), (1, 1, 1))):
        case = build(Grid(5, 3, 7))
        with torch.inference_mode():
            case.module(torch.randn(1, 105, D, dtype=torch.double), case.grid)
        case.call().sum().backward()
        assert case.x.grad.abs().sum() > 0
        assert case.module(torch.randn(1, 42, D, dtype=torch.double), Grid(2, 7, 3)).shape == (1, 42, D)


def test_errors():
    module = SparseAttention(width=D, heads=HEADS, pattern=StridedTemporal(2))
    with pytest.raises(ValueError, match="expected 30 patch tokens .* got 31; .* take CLS off"):
        module(torch.randn(1, 31, D), Grid(3, 2, 5))
    with pytest.raises(ValueError, match="t=0"):
        module(torch.randn(1, 30, D), (0, 2, 5))
    with pytest.raises(ValueError, match="gather, flex; got 'dense'"):
        SparseAttention(width=D, heads=HEADS, pattern=Full(), backend="dense")
    cross = CrossAttention(width=D, context_width=5, heads=HEADS)
    with pytest.raises(ValueError, match="context has 7 tokens, but its grid .* has 6"):
        cross(torch.randn(1, 4, D), Grid(1, 2, 2), torch.randn(1, 7, 5), Grid(3, 2, 1))
    with pytest.raises(ValueError, match="5 heads do not divide"):
        CrossAttention(width=D, context_width=5, heads=5)


@pytest.mark.slow
@pytest.mark.parametrize("build", [windows((2, 3, 4), (1, 1, 2)), sparse(SparseSpaceTime(3, 2, 1)),
                                   sparse(StridedTemporal(2))], ids=["windows", "sparse", "strided"])
def test_compiles_to_one_graph_for_each_grid(build):
    """What is kept for a grid is a constant of its graph; the second grid is compiled for itself."""
    torch._dynamo.reset()
    module = build(Grid(5, 4, 6)).module
    compiled = torch.compile(module, backend="eager", fullgraph=True, dynamic=False)
    for grid in (Grid(5, 4, 6), Grid(3, 2, 7)):
        x = torch.randn(2, grid.l, D, dtype=torch.double)
        torch.testing.assert_close(compiled(x, grid), module(x, grid))
