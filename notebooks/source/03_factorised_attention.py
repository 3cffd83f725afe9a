# /// lesson
# title = "Factorised attention"
# question = "Who really needs to look at whom?"
# minutes = 70
# needs = "lessons 01 and 02, or the idea of attention, of tokens in a clip and of query-key pairs."
# objectives = [
#     "**write** full, spatial, temporal, divided, axial, windowed and per-head attention as predicates, and draw them",
#     "**show** what a mask and a regrouping of the tokens compute, and what each of them saves",
#     "**compute** after how many blocks a token can have heard any other, and check it with gradients",
#     "**weigh** pairs against reach, and say what neither of them tells you",
#     "**design** a pattern of your own, and test an argument from the literature instead of believing it",
# ]
# serves.1 = { experiment = "gradients of the real modules are zero exactly where the predicates say so" }
# serves.2 = { exercises = [3] }
# serves.3 = { experiment = "two tasks that want opposite wirings" }
# serves.4 = { experiment = "pairs against reach in one picture", exercises = [1, 2, 4] }
# ///

# %% [markdown]
# A ball is kicked in the first frame and lands, seven frames later, at the other end of the picture. Which tokens have
# to look at which, so that a model can know it is the same ball? Everybody at everybody, is one answer. Below is a
# cheaper one at work: each token looks at a small window only, and still the news spreads.

# %%
import torch

from videoformer_edu.attention import LocalWindow
from videoformer_edu.attention.reach import hops
from videoformer_edu.figures.cube import show_lit_cubes
from videoformer_edu.tokens import Grid

clip, ball = Grid(t=8, h=4, w=4), (0, 3, 0)  # 8 frames of 4 x 4 patches; the ball: frame 0, row 3, column 0
windows = [LocalWindow((2, 2, 2)), LocalWindow((2, 2, 2), (1, 1, 1))]  # plain and shifted, in turn
number = (ball[0] * clip.h + ball[1]) * clip.w + ball[2]
after = hops(windows, clip)[:, number].reshape(tuple(clip))  # when each token can have heard of the ball
show_lit_cubes({f"blocks: {k}": after <= k for k in (1, 3, 5, 7)}, clip, ball,
               {f"blocks: {k}": f"{int((after <= k).sum())} of {clip.l} tokens can know" for k in (1, 3, 5, 7)},
               caption="Blue: the ball in frame 0. Amber: the tokens that can have heard of it after so many blocks of "
                       "windows.")

# %% [markdown]
# OBJECTIVES
#
# **Before you go on**, three questions on lesson 02. Answer each aloud, then open it.
#
# <details><summary>How many tokens has a clip of 8 frames of 224 x 224 pixels, with patches of 16 x 16?</summary>
# 14 x 14 = 196 in a frame, 8 x 196 = 1,568 in the clip.</details>
#
# <details><summary>How does the number of query-key pairs grow when the clip becomes twice as long?</summary>
# Four-fold, if every token looks at every token: pairs are tokens squared.</details>
#
# <details><summary>Are the pairs the larger part of the bill at 1,568 tokens and width 768?</summary>
# No. Projections and MLP cost 12 l d², the pairs 2 l² d: at l = 1,568 that is about three parts in four for the linear
# maps. The pairs take over when l is more than 6 d, here 4,608 tokens.</details>
#
# ## 1 · One predicate, one cube, one matrix
#
# Start with a clip small enough to name everybody: 2 frames of 2 x 2 patches. A bird flies in front of a house. The
# places are *sky*, *roof*, *door* and *grass*, the frames *t0* and *t1*.
#
# A **pattern** is a question that has the answer yes or no: *may the token at $q$ look at the token at $k$?* A token is
# at frame $t$, row $h$, column $w$. So a pattern is a predicate on two places:
#
# $$\text{spatial: } t_q = t_k \qquad\quad \text{temporal: } (h_q, w_q) = (h_k, w_k)$$
#
# > **Predict.** `t1·roof` asks. Which tokens answer in spatial attention, and which in temporal attention?

# %%
from videoformer_edu.attention import Axial, Full, LocalTemporal, Spatial, Temporal

grid = Grid(t=2, h=2, w=2)
places = ["sky", "roof", "door", "grass"]
names = [f"t{t}·{place}" for t in range(grid.t) for place in places]  # tokens run (t h w), time slowest
for title, pattern in (("spatial", Spatial()), ("temporal", Temporal())):
    row = pattern.allowed(grid)[names.index("t1·roof")]  # (l,) bool
    print(f"{title}: t1·roof looks at", [name for name, yes in zip(names, row.tolist(), strict=True) if yes])

# %% [markdown]
# In the package a pattern is a small frozen object, and the predicate is the one line that matters. Here are three:

# %%
from videoformer_edu.figures.source import show_source

show_source(Spatial.looks)
show_source(Temporal.looks)
show_source(LocalWindow.looks)

# %% [markdown]
# Windows tile the clip: two tokens may look at each other when the same tile holds both, so their places, divided by
# the window and rounded down, agree. A shift moves all borders.
#
# Now the cubes. The clip has 8 frames of 4 x 4 patches; the blue token asks, the amber ones answer.

# %%
from videoformer_edu.figures.cube import show_token_cubes

query = (3, 1, 2)  # frame 3, row 1, column 2
show_token_cubes({
    "joint": Full(), "spatial": Spatial(), "temporal": Temporal(),
    "axial, along h": Axial("h"), "window": windows[0], "shifted window": windows[1],
}, clip, query, caption="One query, six patterns. Everything else follows from these pictures.")

# %% [markdown]
# The same predicates as **pair matrices**: row = who looks, column = who is looked at. Take 4 frames of 2 x 2, so that
# 16 tokens fit. Black lines stand between frames.
#
# > **Predict.** Windows of 2 x 2 x 2 tokens (two frames, and the whole picture here). What will their matrix look like,
# > and what does the shift by one frame do to it?

# %%
from videoformer_edu.figures import show
from videoformer_edu.figures.patterns import pattern_matrices

small = Grid(4, 2, 2)
tables = {"joint": Full(), "spatial": Spatial(), "temporal": Temporal(), "axial w": Axial("w")}
show(pattern_matrices({name: p.allowed(small) for name, p in tables.items()}, frame=small.n),
     alt="Four 16 by 16 tables. Joint is full. Spatial: four blocks of 4 by 4 on the diagonal. Temporal: seven thin "
         "diagonals, a frame apart. Axial along w: eight blocks of 2 by 2 on the diagonal.",
     caption="Rows look, columns are looked at.")
shifted = {"window": LocalWindow((2, 2, 2)), "shifted": LocalWindow((2, 2, 2), (1, 0, 0))}
show(pattern_matrices({name: p.allowed(small) for name, p in shifted.items()}, frame=small.n),
     alt="Two 16 by 16 tables. Window: two blocks of 8 by 8, frames 0 and 1, frames 2 and 3. Shifted: a block of "
         "4 by 4 for frame 0, one of 8 by 8 for frames 1 and 2, one of 4 by 4 for frame 3.",
     caption="A window over two frames, and the same shifted: frames 1 and 2 meet now, 0 and 3 stay alone.")
print({name: p.pairs(small) for name, p in (tables | shifted).items()})

# %% [markdown]
# **Divided** attention is two of these, one after the other: temporal, then spatial. **Axial** attention is three:
# along t, along h, along w. **Factorised heads** (ViViT's model 4) are two *at the same time*: half of the heads look
# along time, the other half across space.
#
# Where are you in the model? Every pattern is another filling of the same box:

# %%
from videoformer_edu.figures.architecture import Repeat, Stage, show_architecture

embed, head = Stage("embed", "tokens 1568 × 768"), Stage("head", "logits 400")
mlp, wired = Stage("mlp", residual=True), {
    "joint": [Stage("joint", residual=True)],
    "divided": [Stage("time", residual=True), Stage("space", residual=True)],
    "factorised heads": [(Stage("time", text="half the heads in time", residual=True),
                          Stage("space", text="half in space", residual=True))],
}
show_architecture({name: ("video 3 × 8 × 224²", embed, Repeat("block", 12, (*parts, mlp)), head)
                   for name, parts in wired.items()}, here="block",
                  caption="Three wirings of a block. Norms, positions and CLS are left out.")

# %% [markdown]
# **Your turn.** Write the predicate of a *tube with neighbours*: a token may look at its own column `w`, at rows at
# most one away, in all frames. `q` and `k` have `.t`, `.h`, `.w`. Nothing is graded, and the lesson goes on without
# it.

# %% tags=["your_turn"]
from videoformer_edu.attention.patterns import Place
from videoformer_edu.attention.patterns import places as all_places
from videoformer_edu.grading.your_turn import your_turn


def wide_tube(q, k):
    """bool, broadcast over the two places: same column, rows at most one apart, any frame."""
    # BEGIN SOLUTION
    near = (q.h - k.h).abs() <= 1
    return near & (q.w == k.w)
    # END SOLUTION


mine = wide_tube(Place(*map(torch.tensor, query)), all_places(clip))
your_turn(mine if mine is None or mine is ... else int(mine.sum()), 24,
          "Row 1 has the neighbours 0 and 2: three rows of one column, in 8 frames.")

# %% [markdown]
# ## 2 · A mask says who may look. What does it save?
#
# There are two ways to compute a pattern. **Mask**: compute all $l \times l$ scores and set the forbidden ones to
# $-\infty$ before the softmax. **Regroup**: put the tokens that may look at each other into groups, and let ordinary
# attention run inside each group.
#
# $$\operatorname{softmax}\!\left(\frac{QK^\top}{\sqrt e} + M\right)V, \quad M_{qk} = \begin{cases} 0 & \text{may look}
# \\ -\infty & \text{may not}\end{cases}$$
#
# The regrouping is one line, whatever the pattern. Axial attention along h, for instance, wants columns:

# %%
from einops import rearrange

numbers = torch.arange(Grid(2, 3, 2).l).reshape(1, -1, 1)  # (b=1, l=12, d=1): each token is its own number
columns = rearrange(numbers, "b (t h w) d -> b (t w) h d", t=2, h=3)  # (1, 4, 3, 1): h is the sequence axis now
print("the columns of frame 0:", columns[0, :2, :, 0].tolist(), "  of frame 1:", columns[0, 2:, :, 0].tolist())

# %%
from torch import nn

from videoformer_edu.attention import MultiHeadAttention, SpatialAttention, TemporalAttention, Where


class AxialAttention(nn.Module):
    """Attention along one axis: (b, t*h*w, d) -> the same shape."""

    def __init__(self, axis, **size):
        super().__init__()
        self.attention, self.pattern = MultiHeadAttention(**size), Axial(axis)

    def forward(self, x, grid):
        lines = {"t": "(h w) t", "h": "(t w) h", "w": "(t h) w"}[self.pattern.axis]
        x = rearrange(x, f"b (t h w) d -> b {lines} d", **grid._asdict())
        x = self.attention(x, where=Where(self.pattern, grid))  # where: for those who record the map
        return rearrange(x, f"b {lines} d -> b (t h w) d", **grid._asdict())

# %% [markdown]
# > **Predict.** Same weights, same tokens. How far apart are the masked and the regrouped result, for each pattern? And
# > how many multiply-adds does the mask save?

# %%
from torch.utils.flop_counter import FlopCounterMode

from videoformer_edu.attention import FactorisedDotProductAttention, WindowAttention, attend, record_attention


def by_mask(x, attention, masks):
    """Dense attention with a mask for each head: all l x l scores."""
    q, k, v = rearrange(attention.qkv(x), "b l (three head e) -> three b head l e", three=3, head=attention.heads)
    out = attend(q, k, v, masks, record=lambda shares: None)  # recorded: the plain products, which can be counted
    return attention.proj(rearrange(out, "b head l e -> b l (head e)"))


def macs(function, *inputs):
    """Multiply-adds of one call, counted in the products that it really does."""
    with FlopCounterMode(display=False) as counter:
        function(*inputs)
    return counter.get_total_flops() // 2

# %%
torch.manual_seed(0)
size, middle = dict(width=48, heads=4), Grid(6, 8, 8)
modules = {"temporal": TemporalAttention(**size), "spatial": SpatialAttention(**size),
           "axial w": AxialAttention("w", **size), "heads": FactorisedDotProductAttention(**size),
           "window": WindowAttention(window=(3, 4, 4), **size)}
nn.init.zeros_(modules["window"].relative_position_bias_table)  # a learned bias, set aside for the comparison
x = torch.randn(1, middle.l, 48)
print(f"{'':10}{'difference':>11}{'masked':>9}{'regrouped':>11}   million multiply-adds")
for name, module in modules.items():
    inner = getattr(module, "attention", module)
    heads = inner.patterns if name == "heads" else (module.pattern,) * 4
    masks = torch.stack([pattern.allowed(middle) for pattern in heads])  # (head, l, l)
    with torch.no_grad(), record_attention(module):
        difference = (module(x, middle) - by_mask(x, inner, masks)).abs().max().item()
        masked, regrouped = macs(by_mask, x, inner, masks), macs(module, x, middle)
    print(f"{name:10}{difference:11.6f}{masked / 1e6:9.1f}{regrouped / 1e6:11.1f}")
    assert difference < 1e-5 and masked == 4 * middle.l * 48**2 + 2 * middle.l**2 * 48 and regrouped < 0.5 * masked

# %% [markdown]
# <details><summary>Compare</summary>The same numbers, up to rounding. The mask saved <b>nothing</b>: it multiplies as
# much as joint attention does, and then throws most of it away. So every efficient module of this course is a
# regrouping, and its pattern, used as a mask, is the <em>test</em> of it.</details>
#
# And in seconds? Measure it here, on 8 frames of 14 x 14 patches, on your machine:

# %%
import time


def milliseconds(function, *inputs, times=7):
    """The fastest of several runs: whatever else the machine does only adds."""
    with torch.no_grad():
        runs = []
        for _ in range(times):
            start = time.perf_counter()
            function(*inputs)
            runs.append(time.perf_counter() - start)
    return 1e3 * min(runs)


large = Grid(8, 14, 14)
x, spatial = torch.randn(1, large.l, 48), modules["spatial"]
mask = Spatial().allowed(large)
print("joint, no mask,       ms, here:", round(milliseconds(lambda: spatial.attention(x)), 1))
print("spatial by a mask,    ms, here:", round(milliseconds(lambda: spatial.attention(x, mask=mask)), 1))
print("spatial by regrouping, ms, here:", round(milliseconds(lambda: spatial(x, large)), 1))

# %% [markdown]
# A mask costs *more* than none. (On a GPU, PyTorch's `flex_attention` reads a predicate and skips
# blocks of 128 x 128 pairs that are all forbidden. That is regrouping done by the kernel; lesson 06 returns to it.)
#
# **Where this breaks.** A mask can forbid a token *everything*. "Look only at other frames" sounds harmless:

# %%
others = ~Spatial().allowed(Grid(1, 2, 2))  # ... and then somebody sends a picture, a clip of one frame
x = torch.randn(1, 4, 48)
honest = by_mask(x, spatial.attention, others)
print("keys that each token may look at:", others.sum(1).tolist())
print(f"the plain softmax gives {int(honest.isnan().sum())} of {honest.numel()} numbers that are not a number (nan)")
assert honest.isnan().all()

# %% [markdown]
# The softmax of a row of $-\infty$ is $0/0$. Some fused kernels return zeros there, others nan; either way nobody tells
# you. **Let every token look at itself**, and this cannot happen. (And mind the convention: here and in
# `scaled_dot_product_attention` True means *may* look, in `nn.MultiheadAttention` it means *may not*.)
#
# ## 3 · Reach: who can have heard whom?
#
# Attention moves what tokens know. If I look at you, and you have looked at her before, then something of her is in
# me. The residual keeps what a token has. So with $A$ for the pair matrix and $H$ for *who has heard whom*, each
# attention does
#
# $$H \leftarrow (A \lor I)\,H$$
#
# with *and* for times, *or* for plus, and $H = I$ at the start. No weights, no training, no rounding: it says what the
# wiring *allows*.
#
# > **Predict.** Divided attention: temporal, then spatial. Has `t1·door` heard of `t0·sky` after the first? After the
# > second? Through whom?

# %%
from videoformer_edu.attention.reach import reach

door, sky = names.index("t1·door"), names.index("t0·sky")
for title, block in (("temporal", [Temporal()]), ("then spatial", [Temporal(), Spatial()])):
    heard = reach(block, grid)[door]  # (l,) bool
    print(f"{title:12}: t1·door has heard", [name for name, yes in zip(names, heard.tolist(), strict=True) if yes])
after_time, in_space = reach(Temporal(), grid), Spatial().allowed(grid)
through = [names[r] for r in range(grid.l) if in_space[door, r] and after_time[r, sky]]
print("t0·sky came through", through)

# %% [markdown]
# <details><summary>Compare</summary>Through exactly one token: <code>t1·sky</code>, the place where the news
# <em>was</em>, at the time when it is needed. Keep that in mind for section 6.</details>
#
# **Your turn.** One step of reach, in two lines: tables `looks` and `heard`, both `(l, l)` bool; the residual included.

# %% tags=["your_turn"]
def one_step(looks, heard):
    """Who has heard whom after one more attention: (l, l) bool."""
    # BEGIN SOLUTION
    looks = looks | torch.eye(len(looks), dtype=torch.bool)
    return (looks.float() @ heard.float()) > 0
    # END SOLUTION


your_turn(one_step(Spatial().allowed(grid), reach(Temporal(), grid)), reach([Temporal(), Spatial()], grid),
          "A matrix product of zeros and ones counts routes; more than none is enough.")

# %% [markdown]
# After how many *blocks* can everyone have heard everyone? A block is what a model repeats: one attention in a joint or
# a windowed model, two in a divided one, three in an axial one.
#
# > **Predict.** 8 frames of 4 x 4. Order these by the number of blocks: joint, divided, axial, factorised heads,
# > windows of 2 x 2 x 2 (plain and shifted in turn), *near frames* (one frame back, one ahead, then the own frame),
# > space alone.

# %%
from videoformer_edu.attention.patterns import factorised_dot_product
from videoformer_edu.attention.reach import blocks_until_all, pairs_of

near = [LocalTemporal(3), Spatial()]
stacks = {"joint": [Full()], "divided": [[Temporal(), Spatial()]], "axial": [[Axial("t"), Axial("h"), Axial("w")]],
          "factorised heads": [factorised_dot_product(4)], "windows": windows, "near frames": [near],
          "space alone": [Spatial()], "windows, no shift": windows[:1]}
blocks = {name: blocks_until_all(stack, clip) for name, stack in stacks.items()}
for name, stack in stacks.items():
    keys = float(pairs_of(stack[0], clip)) / clip.l
    print(f"{name:18} blocks: {'never' if blocks[name] is None else blocks[name]!s:>5}   "
          f"keys a token in the first: {keys:5.1f}")
assert blocks["divided"] == 1 and blocks["factorised heads"] == 2 and blocks["space alone"] is None
show_source(reach)

# %%
block = {name: stacks[name][0] for name in ("divided", "axial", "factorised heads", "near frames")}
row = (query[0] * clip.h + query[1]) * clip.w + query[2]
show_lit_cubes({name: reach(one, clip)[row].reshape(tuple(clip)) for name, one in block.items()}, clip, query,
               {name: f"{int(reach(one, clip)[row].sum())} of {clip.l} tokens" for name, one in block.items()},
               caption="Whom the blue token can have heard after one block.")
show(pattern_matrices({name: reach(one, small) for name, one in list(block.items())[1:]}, frame=small.n),
     alt="Three 16 by 16 tables of who can have heard whom after one block. Axial is full. Factorised heads: blocks on "
         "the diagonal and thin diagonals between them. Near frames: blocks on and beside the diagonal.",
     caption="The same after one block as matrices, on 4 frames of 2 x 2: the row has heard the column.")

# %% [markdown]
# <details><summary>Compare</summary>Three things to take away. <b>Divided and axial need one block, factorised heads
# need two</b>: heads of one attention look at the same time, so nobody can pass on what another head has just heard.
# <b>Windows that never shift never get out.</b> And <em>near frames</em> pass the news one frame a block, like a
# rumour: 8 frames, 7 blocks.</details>
#
# ### Does the gradient agree?
#
# Reach is about predicates. A real module has weights. If token $q$ can have heard token $k$, the gradient of $q$'s
# output by $k$'s input may be anything; if not, it must be **exactly zero**. Take the real modules with random weights,
# stack them with residuals, and look.

# %%
def felt_by(modules, grid, query, width=48):
    """How strongly the query's output depends on each token of the input: (t, h, w), float64."""
    torch.manual_seed(1)
    x = torch.randn(1, grid.l, width, dtype=torch.float64, requires_grad=True)
    out = x
    for module in modules:
        out = out + module.double()(out, grid)  # residual
    number = (query[0] * grid.h + query[1]) * grid.w + query[2]
    return torch.autograd.grad(out[0, number].sum(), x)[0][0].norm(dim=-1).reshape(tuple(grid))

# %%
torch.manual_seed(0)
stack = [WindowAttention(window=(2, 2, 2), shift=(s, s, s), **size) for s in (0, 1, 0, 1)]
felt = {k: felt_by(stack[:k], clip, query) for k in (1, 2, 3, 4)}
for k, strength in felt.items():
    can = (hops(windows, clip)[row] >= 0) & (hops(windows, clip)[row] <= k)
    did = strength.flatten() > 0
    print(f"blocks: {k}   tokens that can have been heard: {int(can.sum()):3}   with a gradient: {int(did.sum()):3}")
    assert torch.equal(can, did)

# %% [markdown]
# To the token. Now look at *how much* of a gradient there is:

# %%
def strength(felt):
    """Logarithmic opacity: the strongest is 1, a thousandth of it is 0.1."""
    relative = felt / felt.max()
    return torch.where(relative > 0, (1 + 0.3 * relative.clamp_min(1e-12).log10()).clamp_min(0.1), 0).round(decimals=1)


show_lit_cubes({f"can have heard, {k} blocks": felt[k] > 0 for k in (2, 4)}
               | {f"gradient, {k} blocks": strength(felt[k]) for k in (2, 4)}, clip, query,
               {f"can have heard, {k} blocks": f"{int((felt[k] > 0).sum())} tokens" for k in (2, 4)}
               | {f"gradient, {k} blocks": "the strongest fully amber, logarithmic" for k in (2, 4)},
               caption="Above: what the wiring allows. Below: what an untrained stack of windows makes of it.")
inside = windows[0].allowed(clip)[row]  # its window in the first block: 8 tokens
share = felt[4].flatten() / felt[4].sum()
print(f"4 blocks: {share[row]:.0%} of the gradient is on the token itself, "
      f"{100 * share[~inside].mean():.1f} % on each of the {int((~inside).sum())} outside of its first window")
assert share[row] > 0.3 and share[~inside].mean() < 0.01

# %% [markdown]
# *Can have heard* is not *has listened*. Each far token arrives in a whisper, because every attention on the way
# averages, while the residual carries the token itself past all of them. Training may turn a whisper up, and cannot
# turn up what is zero. So read reach one way only: **what is not reached is impossible; what is reached is merely
# possible.**
#
# ## 4 · Pairs against reach: the whole trade-off in one picture
#
# With one attention of $k_1$ keys a token hears $k_1$ tokens. With a second of $k_2$ keys it hears at most $k_1 k_2$.
# To hear all $l$ in $s$ attentions, $k_1 k_2 \cdots k_s \ge l$, and then the sum, which is what you pay, is at least
#
# $$k_1 + \dots + k_s \;\ge\; s\, l^{1/s}.$$
#
# > **Predict.** The real clip: 8 frames of 14 x 14, 1,568 tokens. What is the least number of keys with two
# > attentions in a row? Divided attention has 8 + 196. Which pattern comes closest to its bound?

# %%
from videoformer_edu.figures.tradeoff import looks_against_waiting

rows = {"joint": [Full()], "divided": [Temporal(), Spatial()],
        "planes and rows": [LocalWindow((8, 14, 1)), LocalWindow((1, 1, 14))],
        "heads, then time": [factorised_dot_product(4), Temporal()],
        "axial": [Axial("t"), Axial("h"), Axial("w")],
        "windows 8 x 7 x 7": [LocalWindow((8, 7, 7)), LocalWindow((8, 7, 7), (4, 3, 3))],
        "windows 2 x 7 x 7": [LocalWindow((2, 7, 7)), LocalWindow((2, 7, 7), (1, 3, 3))]}
points = {}
for name, stack in rows.items():
    waiting = blocks_until_all(stack, large)  # here every attention counts as a block of its own
    points[name] = waiting, float(sum(pairs_of(stack[i % len(stack)], large) for i in range(waiting)) / large.l)
    print(f"{name:18} attentions: {waiting}   keys a token: {points[name][1]:5.0f}   "
          f"the least: {waiting * large.l ** (1 / waiting):5.0f}")
show(looks_against_waiting(points, large.l),
     alt="Keys that a token looks at, logarithmic, against attentions in a row until everyone can have heard everyone. "
         "Joint: 1 attention, 1,568 keys. Divided: 2, 204. Planes and rows: 2, 126. Heads, then time: 2, 110. Axial: "
         "3, 36, on the dotted line of the least possible. Windows lie far above it: 3 with 1,008 and 7 with 539.",
     caption="8 frames of 14 x 14 patches. Low and left is good. Dotted: the least, if all look at equally many.")
assert points["axial"][1] < 1.05 * 3 * large.l ** (1 / 3) and points["planes and rows"][1] == 126

# %% [markdown]
# <details><summary>Compare</summary>Axial attention lies on the bound: 36 keys where 35 is the least. Even with two
# attentions divided is not the cheapest. Cut the clip into <em>planes</em> (all frames, all rows, one column) and
# <em>rows</em>, and 126 keys do what 204 did. <em>Factorised heads, then time</em> need 110: half of the heads pay
# for 8 keys, half for 196, then everyone for 8.</details>
#
# The line holds where all tokens and heads look at equally many. Below it there are *hubs*: one token looks at all,
# then all look at it. That is 4 keys a token on average, the own one included, and everything has to fit into one
# vector. CLS is such a hub.
#
# So why is divided the famous one? Reach is not what it was made for. Its second attention is, weight for weight, the
# attention of an image model, which comes trained. And windows lie far above the line because they were made for the
# opposite wish: their keys are *near*, and near is mostly what matters. The published comparison (TimeSformer, table
# 1):
#
# | attention | parameters | Kinetics-400 | Something-Something v2 |
# |---|--:|--:|--:|
# | space alone | 85.9 M | 76.9 | 36.6 |
# | joint | 85.9 M | 77.4 | 58.5 |
# | divided | 121.4 M | **78.0** | **59.5** |
# | sparse local, global | 121.4 M | 75.9 | 56.3 |
# | axial | 156.8 M | 73.5 | 56.2 |
#
# Axial, the cheapest in keys, is last but one in the right column and last in the left, with the most parameters:
# each attention brings its four maps. **Pairs and reach do not rank models.** They tell you what is impossible, and
# the cost.
#
# ## 5 · What the small trained models of each kind can do
#
# The course trained one of each on the same task: a digit moves over a photograph, in which of eight directions? A
# guess is right for 12.5 %. No single frame tells; a *set* of frames without order tells the axis, so 50 % at most.
#
# > **Predict.** Put these in order: space alone (never reaches another frame), joint (reaches all at once), divided,
# > and *sparse* (own frame, near frames, every fourth frame; reaches all in two blocks).

# %%
from videoformer_edu.pretrained.small import small_results

results = small_results()
kinds = {"space alone": "timesformer_motion_space_only", "joint": "timesformer_motion_joint",
         "joint, taught by a penalty": "timesformer_motion_joint_time_first", "divided": "timesformer_motion_divided",
         "sparse": "sparse_patches", "sparse, tubelets": "sparse", "factorised heads, tubelets": "vivit_4",
         "windows, tubelets": "video_swin", "space alone, tubelets": "tubelet_space_only"}
accuracy = {}
for kind, name in kinds.items():
    runs = [100 * run["accuracy"] for run in results[name]["runs"]]
    accuracy[kind] = sum(runs) / len(runs)
    print(f"{kind:27} {accuracy[kind]:5.1f} %  ({min(runs):.1f} to {max(runs):.1f}, {len(runs)} seeds)")
assert accuracy["space alone"] < 20 < 40 < accuracy["joint"] < 60 < 95 < accuracy["divided"]
assert accuracy["sparse"] < 20 and accuracy["sparse, tubelets"] > 95

# %% [markdown]
# <details><summary>Compare, with reach in mind</summary><b>Space alone</b> fails, as it must: no token ever hears
# another frame. <b>Joint and sparse reach everything, and fail all the same.</b> Not for want of wiring: the very
# same joint model solves the task when a penalty on looks outside the own tube, slowly annealed to zero, shows it the
# way. What it lacks is a reason to <em>find</em> its own place among 128 keys. Divided attention has no choice but to
# look there. <b>Tubelets change the question.</b> A tubelet holds two frames, so even <em>space alone</em> solves the
# task: what had to be heard along time is in the token before any attention. Test a wiring with patches of single
# frames. So reach is necessary, not sufficient. A pattern also says where to look <em>first</em>, and that can be
# worth more than freedom.</details>
#
# The recipes are in `docs/experiments.md`, what did not help joint attention in `docs/trials.md`.
#
# ### Space-only or joint: where is the difference in the code?
#
# Users of the published TimeSformer ask this
# ([TimeSformer#93](https://github.com/facebookresearch/TimeSformer/issues/93)), because both run through *the same
# lines* of the block. The difference is one axis. Joint attention gets `b (t n) d`: one group with all tokens.
# Space-only gets `(b t) n d`: frames stand on the batch axis, attention never crosses the batch, and the frames'
# answers are averaged at the end. No mask, no other module. (And space-only has no positions in time: with frames
# apart they could do nothing for attention.)

# %%
torch.manual_seed(0)
attention = MultiHeadAttention(**size)
x = torch.randn(2, small.l, 48)  # (b, t*n, d)
joint = attention(x)
space_only = attention(rearrange(x, "b (t n) d -> (b t) n d", t=small.t))
space_only = rearrange(space_only, "(b t) n d -> b (t n) d", t=small.t)
for title, out, pattern in (("joint", joint, Full()), ("space-only", space_only, Spatial())):
    difference = (out - attention(x, mask=pattern.allowed(small))).abs().max().item()
    print(f"{title}: differs from the mask of {type(pattern).__name__}() by {difference:.6f}, rounding allows 0.000001")
    assert difference < 1e-6

# %% [markdown]
# ## 6 · "Information passes through the background": an argument, tested
#
# Video generators have left divided attention. CogVideoX (Yang et al., 2024) says why, under its figure 5: "the head of
# the person in frame i + 1 cannot directly attend to the head in frame i. Instead, visual information can only be
# implicitly transmitted through other background patches." The text adds that this makes learning harder.
#
# Three claims: **no direct look**, **only through the background**, **harder to learn**. You have the tools for all
# three. First the wiring: the head is at one place in frame 0, at another in frame 1. Count the routes from there to
# here; a product of zeros and ones counts them.

# %%
pair = Grid(2, 4, 4)  # two frames
was, now = 0 * 16 + 2 * 4 + 0, 1 * 16 + 0 * 4 + 3  # frame 0, row 2, column 0 -> frame 1, row 0, column 3
time_table, space_table = (p.allowed(pair).double() for p in (Temporal(), Spatial()))
block = space_table @ time_table  # routes through one divided block, residual set aside
print(f"direct: {int(time_table[now, was] + space_table[now, was])}; routes through one block: {int(block[now, was])}, "
      f"through two: {int((block @ block)[now, was])}")
(relay,) = [r for r in range(pair.l) if space_table[now, r] and time_table[r, was]]
print(f"the one token in between: frame {relay // 16}, row {relay % 16 // 4}, column {relay % 4}")
assert block[now, was] == 1 and relay == 16 + was

# %% [markdown]
# The first two claims hold, for one block: there is a single route, through the patch of frame 1 where the head *was*.
# The head has left, so the patch shows background. (Space first, then time? Then it is the patch of frame 0 where the
# head *will be*.) Two blocks have many routes, and all of them pass through other patches.
#
# Now the third claim. A task that needs exactly this: **carry a colour**. In frame 0 two objects show their shape and
# their colour. In frame 1 both stand at new places and show their shape alone. Say each one's colour. One of four: a
# guess is right for 25 %.

# %%
def scenes(b, generator, objects, n=16):
    """Tokens (b, 2*n, 8) of shape and colour; the colours; where in frame 1 objects are, were, and neither."""
    place = torch.stack([torch.randperm(n, generator=generator) for _ in range(b)])
    was, now, free = place.split(objects, dim=1)[:3]  # no place twice: where the objects were, nothing is now
    shape = torch.rand(b, 4, generator=generator).argsort(1)[:, :objects]
    colour = torch.randint(0, 4, (b, objects), generator=generator)
    x, clip = torch.zeros(b, 2, n, 8), torch.arange(b)[:, None]
    x[clip, 0, was, shape] = 1
    x[clip, 0, was, 4 + colour] = 1
    x[clip, 1, now, shape] = 1
    return x.flatten(1, 2), colour, (n + now, n + was, n + free)

# %%
class Carrier(nn.Module):
    """Tokens, positions, attentions with residuals, a head for every token; `erase` wipes tokens after the first."""

    def __init__(self, *attentions, width=32):
        super().__init__()
        self.embed, self.places = nn.Linear(8, width), nn.Parameter(torch.randn(pair.l, width) / 2)
        self.attentions = nn.ModuleList(make(width=width, heads=4) for make in attentions)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in attentions)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 64), nn.GELU(), nn.Linear(64, 4))

    def forward(self, x, erase=None):
        x = self.embed(x) + self.places
        for i, (norm, attention) in enumerate(zip(self.norms, self.attentions, strict=True)):
            x = x if i == 0 or erase is None else x.scatter(1, erase[..., None].expand(-1, -1, x.shape[2]), 0.0)
            x = x + attention(norm(x), pair)
        return self.head(x)

# %% [markdown]
# > **Predict.** Three models, as small as they come: joint (one attention), divided (temporal, then spatial),
# > factorised heads (one attention, half and half). Which of them can learn it at all? Which learns it in fewest
# > steps?

# %%
from torch.nn import functional as F


def learn(attentions, objects, seed=0, limit=1000):
    """The model, and after how many steps it named over 95 % of the colours in new scenes; or the limit."""
    torch.manual_seed(seed)
    model, generator = Carrier(*attentions), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(1, limit + 1):
        x, colour, (now, _, _) = scenes(64, generator, objects)
        logits = model(x).take_along_dim(now[..., None], 1)  # (b, objects, 4): the answers of the objects' tokens
        loss = F.cross_entropy(logits.flatten(0, 1), colour.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 25 == 0 and share_right(model, objects) > 0.95:
            break
    return model, step

# %%
@torch.no_grad()
def share_right(model, objects, erase=None):
    """In 512 new scenes; erase: 1 wipes, between the attentions, where the objects were; 2 other background."""
    x, colour, places = scenes(512, torch.Generator().manual_seed(99), objects)
    logits = model(x, None if erase is None else places[erase]).take_along_dim(places[0][..., None], 1)
    return (logits.argmax(-1) == colour).float().mean().item()

# %%
class JointAttention(MultiHeadAttention):
    def forward(self, x, grid):
        return super().forward(x)  # every token of the clip in one group


wirings = {"joint": [JointAttention], "divided": [TemporalAttention, SpatialAttention]}
threads = torch.get_num_threads()
torch.set_num_threads(1)  # tensors as small as these are faster with one
trained = {kind: [learn(made, 2, seed) for seed in (0, 1, 2)] for kind, made in wirings.items()}
heads, _ = learn([FactorisedDotProductAttention], 2, limit=200)
torch.set_num_threads(threads)
steps = {kind: [count for _, count in runs] for kind, runs in trained.items()}
for kind, counts in steps.items():
    print(f"{kind}: mean of three seeds, steps, here: {sum(counts) // 3}")
print(f"factorised heads, after 200 steps: between 15 and 35 % right, a guess, here: {100 * share_right(heads, 2):.0f}")
assert max(steps["divided"] + steps["joint"]) < 1000 and 0.15 < share_right(heads, 2) < 0.35
assert sum(steps["divided"]) > 1.5 * sum(steps["joint"])

# %% [markdown]
# <details><summary>Compare</summary><b>Factorised heads</b> cannot: one block of them reaches tube and frame and
# nothing else, as the predicates said before anybody trained. Divided <b>can</b>, and it needs more steps than joint,
# here about three times as many on average (725, 375 and 200 against about 125, when this page was written). So the
# third claim holds, too: the background patch has to store, for whoever may ask, which shape with which colour passed
# through it.</details>
#
# > **Predict.** Now cut the wire. Between temporal and spatial attention, wipe the patches of frame 1 where the objects
# > *were*. What remains of the accuracy? And if you wipe as many other background patches?

# %%
divided = trained["divided"][0][0]
whole, cut, elsewhere = (share_right(divided, 2, erase) for erase in (None, 1, 2))
print(f"whole: above 95 %, here: {100 * whole:.0f}")
print(f"other background wiped: above 75 %, here: {100 * elsewhere:.0f}")
print(f"where the objects were wiped: below 40 %, here: {100 * cut:.0f}; a guess is right for 25")
assert whole > 0.95 and elsewhere > 0.75 and cut < 0.4

# %% [markdown]
# <details><summary>Compare</summary>A guess. Everything the model knew about colour went through empty background.
# CogVideoX is right about the wiring, and on this task about the learning.</details>
#
# And yet in section 5 *divided* learnt what joint did not find. There is no contradiction. Which way did the digit
# move? asks what happened **at one place over time**: that is a tube. Which colour had this thing? asks for **the
# same thing at another place**: that is a look at content, anywhere. *Each wiring makes one of them easy.* When
# somebody says that divided attention is better, or worse, ask: for which question?
#
# What this does not show: nothing of size. Two blocks and more have many routes, CogVideoX compares 3-D attention with
# separated attention on video generation, and our test has 32 tokens. It shows that the argument *can* be true.

# %% [markdown]
# ## 7 · Design your own
#
# A design is a list of predicates, one for each attention of a block. Here is axial attention, and a judge that counts.
#
# > **Try.** Everyone has to hear everyone in *one* block of as many attentions as you like. Axial pays 8 + 4 + 4 = 16
# > keys a token. Can you pay less?

# %%
from videoformer_edu.attention.patterns import Pattern
from videoformer_edu.cost import attention_macs


class Mine(Pattern):
    """Any predicate as a pattern; drawn and counted, not computed efficiently."""

    def __init__(self, predicate):
        self.predicate = predicate

    def looks(self, query, key, grid):
        return self.predicate(query, key)

    def pairs(self, grid):
        return int(self.allowed(grid).sum())

    def groups(self, grid):
        raise NotImplementedError("a predicate alone does not say how to regroup")

# %%
design = [lambda q, k: (q.h == k.h) & (q.w == k.w),  # along t
          lambda q, k: (q.t == k.t) & (q.w == k.w),  # along h
          lambda q, k: (q.t == k.t) & (q.h == k.h)]  # along w


def judge(design, width=64):
    block = [Mine(predicate) for predicate in design]
    counts = [pattern.pairs(clip) for pattern in block]
    work = sum(attention_macs(clip.l, count, width) for count in counts)
    heard = reach(block, clip).float().mean().item()
    print(f"{len(block)} attentions, {sum(counts) / clip.l:.1f} keys a token, {sum(counts):,} pairs, "
          f"{work / 1e6:.1f} M multiply-adds at width {width}: everyone hears {heard:.0%}")
    return sum(counts) / clip.l, heard


joint = [lambda q, k: (q.t >= 0) & (k.t >= 0)]
assert judge(design)[1] == judge(joint)[1] == 1.0
print(f"the least for three attentions: {3 * clip.l ** (1 / 3):.1f} keys")

# %% [markdown]
# <details><summary>A design with fewer keys</summary>
#
# Split the longest axis once more. Along t: first the frames with the same remainder, `q.t % 2 == k.t % 2` (4 keys),
# then the frames of a pair, `q.t // 2 == k.t // 2` (2 keys), each with the same h and w. That is 4 + 2 + 4 + 4 = 14.
# Go on halving and you get seven attentions of 2 keys, also 14: the wiring of the fast Fourier transform.</details>
#
# But look at the multiply-adds. Every further attention brings its four projections, $4\,l\,d^2$, and at 128 tokens
# those are nearly all of the bill: here *joint* is cheapest. Count what you pay for, not what is easy to count.
#
# ### Who can have heard whom?
#
# Now in the page. Choose the blocks, two kinds in turn, and how many there are; choose a token, by click or with the
# keys. Amber: whom it can have heard, the news of the last block fully lit. Below stands what these blocks cost, all
# of their attentions. *Paint your own* makes a block of one attention, a pattern of distances: what you paint for one
# token holds for every token.

# %%
from videoformer_edu.widgets import reach_explorer

reach_explorer()

# %% [markdown]
# ## What goes wrong, and when not to use it
#
# - **A mask taken for a saving.** Time it, or count. If the scores are `l x l`, nothing was saved.
# - **A row without a key.** nan, or silent zeros. Let every token look at itself.
# - **Windows without shift**, or anything whose groups never change: reach stops growing, and depth does not help.
# - **One block too few.** Factorised heads, windows and near frames need depth before distant tokens can meet. Count
#   blocks for *your* clip length: 16 frames of near frames need 15.
# - **Reach mistaken for ability.** Joint attention reaches everything, and did not find the motion.
# - **Short clips.** At a few thousand tokens the projections are the bill. Use joint attention and fewer worries.
# - **Things that move far between frames.** Tubes hold their place, not the thing. Windows in space and time, joint
#   attention or more blocks follow it.
#
# ## Exercises
#
# SHEET
#
# You write the predicates, the reach, two regroupings, and a wiring under a budget of pairs.
#
# Two questions to keep you busy on the way:
#
# <details><summary>Axial attention in the order t, h, w: would w, h, t reach the same?</summary>
# After all three, yes: everyone has heard everyone. On the way, no: after the first attention one has heard its tube,
# the other its row. And trained weights of one order are of no use in the other.</details>
#
# <details><summary>CLS looks at every patch, and every patch looks at CLS. What does that do to reach?</summary>
# It makes a shortcut: any patch to CLS in one attention, CLS to any patch in the next. Two attentions are then enough
# in any pattern, through one vector that everybody shares. That is narrow, and in TimeSformer it opens across frames
# only because the copies of CLS are averaged (lesson 04).</details>
#
# ## Summary
#
# 1. A pattern is a predicate; a mask computes it, a regrouping computes it *cheaply*, and both give the same numbers.
# 2. Reach is a boolean product: what it leaves out is impossible, what it contains is merely possible.
# 3. Divided attention makes "same place, other time" easy and sends everything else through the background.
#
# **References.** Bertasius et al. (2021), TimeSformer, [arXiv:2102.05095](https://arxiv.org/abs/2102.05095), table 1.
# Arnab et al. (2021), ViViT, [arXiv:2103.15691](https://arxiv.org/abs/2103.15691), section 3.3. Ho et al. (2019),
# *Axial attention in multidimensional transformers*, [arXiv:1912.12180](https://arxiv.org/abs/1912.12180). Liu et al.
# (2022), *Video Swin Transformer*, [arXiv:2106.13230](https://arxiv.org/abs/2106.13230). Yang et al. (2024),
# *CogVideoX*, [arXiv:2408.06072](https://arxiv.org/abs/2408.06072), figure 5 and *3D Full Attention*.
