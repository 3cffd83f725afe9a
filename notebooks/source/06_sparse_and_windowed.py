# /// lesson
# title = "Sparse and windowed"
# question = "How do we skip work for real?"
# minutes = 100
# needs = "lesson 03, or the idea of an attention pattern as a predicate, of its pairs and of its reach."
# objectives = [
#     "**write** local, strided, global and windowed attention, and say in one number what each saves",
#     "**measure** that a mask saves neither time nor memory, and that gathering saves both",
#     "**explain** windows, shift, mask and relative positions in fifteen lines that equal the published model",
#     "**derive** the true cost of windows, and correct a table that has it wrong",
#     "**drop** or **merge** tokens that repeat, and measure what that costs in accuracy",
#     "**doubt** an accuracy: find out whether a sparse model uses time at all",
# ]
# serves.3 = { experiment = "sparse attention and windows on the moving digits, and what they really read" }
# serves.4 = { experiment = "time, memory and counted work over the length of the clip", exercises = "all" }
# ///

# %% [markdown]
# One minute of film at 16 frames a second is 188,160 tokens, and 35 thousand million pairs for every head. Nobody
# computes them. You will cut a picture into windows, roll it, look, and roll it back: fifteen lines, and one pair in
# 480 is left.

# %%
import numpy as np

from videoformer_edu.data.motion.photographs import read_photograph
from videoformer_edu.figures.show import show_image
from videoformer_edu.widgets.shift_explorer import panels

picture = np.ascontiguousarray(read_photograph("skimage", "data/astronaut.png").permute(1, 2, 0).numpy())  # (h, w, 3)
show_image(panels(picture), width=720,
           alt="A photograph three times: as it is; rolled up and to the left and cut into four windows, so that the "
               "upper edge has come in below; rolled back, with four tokens in amber that look at one another.",
           caption="As it is; rolled and cut into windows; rolled back. What the four windows hold, and who looks at "
                   "whom in them, is the middle of this lesson. Photograph: NASA, public domain.")

# %% [markdown]
# OBJECTIVES
#
# **Before you go on**, three questions on lesson 05. Answer each aloud, then open it.
#
# <details><summary>A model without any attention along time names the direction of nearly every moving digit. How can
# that be?</summary> Its tokens are tubelets of two frames: two frames in order show a displacement, before any
# attention.</details>
#
# <details><summary>How did you find out?</summary>
# By turning round the frames <em>inside</em> the tubelets, then the order <em>of</em> the tubelets. Only the first
# changed the answer.</details>
#
# <details><summary>Factorised heads halve the heads between time and space. What do they cost in reach?</summary>
# One block of them hears the own tube and the own frame, nothing else; two blocks hear everything.</details>

# %%
import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from videoformer_edu.figures.architecture import Repeat, Stage, show_architecture

torch.manual_seed(0)
torch.set_num_threads(1)  # what is measured below belongs to one core
def column(tokens, *blocks):
    return ("video 3 × 8 × 32²", Stage("embed", tokens), *blocks, Stage("mean", "64"), Stage("head", "8 logits"))


layer = (Stage("local", residual=True), Stage("mlp", residual=True))
merge = Stage("regroup", "tokens 64 × 64", text="merge 2 × 2 patches")
show_architecture({
    "sparse": column("tokens 64 × 64", Stage("positions"), Repeat("block", 2, layer)),
    "Video Swin": column("tokens 256 × 32", Repeat("stage", 2, layer), merge, Repeat("at half size", 2, layer))},
    here="local attention", caption="The two models of this lesson, in the size of the course. Each local attention is "
                                    "joint attention with most of its pairs left out.")

# %% [markdown]
# ## 1 · A few keys for everyone
#
# The bird flies past the house again, for eight frames. Who does the door at `t4` look at? There are three old ideas,
# and each is one line on the places of query and key:
#
# $$\text{local: } |t_q - t_k| \le \tfrac{w}{2} \qquad \text{strided: } (t_q - t_k) \bmod s = 0 \qquad
#   \text{global in space: } t_q = t_k$$
#
# The first two hold for the own place alone, $(h_q, w_q) = (h_k, w_k)$.
#
# > **Predict.** Frames 0 to 7, a window of 3 frames, a stride of 4. Whom does `t4·door` look at, in each?

# %%
from videoformer_edu.attention import GlobalSpatial, LocalTemporal, StridedTemporal
from videoformer_edu.attention.patterns import Place, places
from videoformer_edu.tokens import Grid

grid, names = Grid(8, 2, 2), [f"t{t}·{place}" for t in range(8) for place in ("sky", "roof", "door", "grass")]
for title, pattern in (("local, window 3", LocalTemporal(3)), ("strided by 4", StridedTemporal(4)),
                       ("global in space", GlobalSpatial(1))):
    row = pattern.allowed(grid)[names.index("t4·door")]  # (l,) bool
    print(f"{title:16}", *[name for name, yes in zip(names, row.tolist(), strict=True) if yes])

# %% [markdown]
# **Your turn.** Write the predicate of *dilated* attention: own place, frames at distance 0, 2 or 4 and no others. `q`
# and `k` have `.t`, `.h` and `.w`.

# %% tags=["your_turn"]
from videoformer_edu.grading.your_turn import your_turn


def dilated(q, k):
    """bool, broadcast over the two places."""
    # BEGIN SOLUTION
    apart = (q.t - k.t).abs()
    return (apart <= 4) & (apart % 2 == 0) & (q.h == k.h) & (q.w == k.w)
    # END SOLUTION


mine = dilated(Place(*map(torch.tensor, (4, 1, 0))), places(Grid(12, 2, 2)))
your_turn(mine if mine is None or mine is ... else sorted({i // 4 for i in mine.nonzero().flatten().tolist()}),
          [0, 2, 4, 6, 8], "The distance, not more than 4 and even; and the same row and column.")

# %% [markdown]
# Put the three together, under *one* softmax, and you have the sparse transformer's idea (Child et al., 2019) for a
# clip: near frames, the own frame, and every $s$-th frame for what is far.

# %%
from videoformer_edu.attention import LocalWindow, SparseSpaceTime
from videoformer_edu.figures.cube import show_token_cubes

clip, query = Grid(8, 4, 4), (4, 1, 2)
show_token_cubes({"local": LocalTemporal(3), "strided": StridedTemporal(4), "global in space": GlobalSpatial(1),
                  "every second row and column": GlobalSpatial(2), "all three: sparse": SparseSpaceTime(3, 4),
                  "window, shifted": LocalWindow((4, 2, 2), (2, 1, 1))}, clip, query,
                 caption="One query. The clip has 128 tokens, and so joint attention 128 keys for each.")

# %% [markdown]
# What is it worth? Count keys per token as the clip grows. Constant keys make the pairs *linear* in the length.
#
# > **Predict.** From 8 to 64 frames joint attention's pairs grow 64-fold. How many-fold do those of the other rows
# > grow? One of them is no better than 64 in the long run. Which?

# %%
from videoformer_edu.attention import Full, Spatial

kinds = {"joint": Full(), "local": LocalTemporal(3), "strided by 4": StridedTemporal(4), "own frame": Spatial(),
         "all three": SparseSpaceTime(3, 4), "window 8 x 7 x 7": LocalWindow((8, 7, 7))}
growth = {}
for name, pattern in kinds.items():
    short, long = (pattern.pairs(Grid(t, 14, 14)) for t in (8, 64))
    growth[name] = long / short
    print(f"{name:17} {long / Grid(64, 14, 14).l:9,.1f} keys a token at 64 frames; pairs grow {growth[name]:5.1f}-fold")
assert growth["window 8 x 7 x 7"] == growth["own frame"] == 8 and growth["strided by 4"] == 64

# %% [markdown]
# <details><summary>Compare</summary><b>Strided</b> attention is still quadratic: a quarter of the frames of a clip that
# is twice as long are twice as many. It has a better constant, not a better law. Among all three it does not show yet,
# because the own frame is most of the bill. Own frame, local and windows have as many keys as they had:
# linear.</details>
#
# ## 2 · A mask is not sparse: the course text's module, line by line
#
# The text from which this course grew has a `SparseVideoAttention`. In short, with its own defaults:
#
# ```python
# class SparseVideoAttention(nn.Module):
#     """Local temporal; global spatial; strided temporal: attend to every k-th frame."""
#     def forward(self, x, T, N):
#         xt = rearrange(x, 'b (t n) d -> (b n) t d', t=T)
#         mask = self._create_local_mask(T, self.temporal_window)     # T x T, True = blocked
#         xt, _ = self.local_temporal(xt, xt, xt, attn_mask=mask)     # nn.MultiheadAttention
#         xs = rearrange(xt, '(b n) t d -> (b t) n d', b=B)
#         keys = xs[:, ::self.spatial_stride]                         # every second ...
#         xs, _ = self.global_spatial(xs, keys, keys)
#         return rearrange(xs, '(b t) n d -> b (t n) d', b=B)
# ```
#
# Four things are wrong. Try to find them; each is measured below.
#
# > **Predict.** How many multiply-adds does the mask save? And which patches of a frame of 4 x 4 are `[:, ::2]`? Of a
# > frame of 5 x 5?

# %%
from torch.utils.flop_counter import FlopCounterMode


def macs(function, *inputs):
    """Multiply-adds of one call, counted in the products that it really does; fused kernels are opened."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        function(*inputs)
    return counter.get_total_flops() // 2


text = nn.MultiheadAttention(64, 4, batch_first=True)  # the text's attention
tubes, far = torch.randn(36, 32, 64), torch.ones(32, 32, dtype=torch.bool)  # (b*n, t, d)
blocked = far.triu(2) | far.tril(-2)  # True = may not look: the opposite of the package's masks
work = [macs(lambda mask=mask: text(tubes, tubes, tubes, attn_mask=mask)) for mask in (None, blocked)]
print(f"multiply-adds without mask: {work[0]:,}, with it: {work[1]:,}; {int((~blocked).sum())} of 1,024 kept")
for side in (4, 5):
    marks = ["#" if i % 2 == 0 else "." for i in range(side * side)]
    print(f"[:, ::2] of {side} x {side}:", *("".join(marks[r * side:(r + 1) * side]) for r in range(side)))
assert work[0] == work[1]

# %% [markdown]
# <details><summary>Compare</summary>The mask saves <b>nothing</b>: all scores are computed, ten of eleven are thrown
# away. And a stride on the flattened patches is every second <em>column</em> where the width is even, a chess board
# where it is odd. Whoever changes the size of the picture changes the pattern.</details>
#
# The third defect: **strided temporal attention is promised, and there is none.** The fourth: no residual and no norm.
# What the last one does needs only a stack of six such layers with fresh weights.

# %%
@torch.no_grad()
def alike(residual, depth=6, tokens=64):
    """Mean cosine between the tokens of a clip after some layers: 1 means that all say the same."""
    torch.manual_seed(0)
    x = torch.randn(1, tokens, 64)
    for _ in range(depth):
        attention = nn.MultiheadAttention(64, 4, batch_first=True).eval()
        inner = F.layer_norm(x, (64,)) if residual else x
        out, _ = attention(inner, inner, inner)
        x = x + out if residual else out
    x = F.normalize(x[0], dim=-1)
    return ((x @ x.T).sum() - tokens).item() / (tokens * (tokens - 1))


print(f"tokens of different places, mean cosine: {alike(residual=False):.2f} as in the text, "
      f"{alike(residual=True):.2f} with norm and residual")
assert alike(residual=False) > 0.95 > 0.5 > alike(residual=True)

# %% [markdown]
# Attention is an average. Six averages in a row leave one colour; the residual is what keeps a token itself.
#
# **Where this breaks.** Dropping *keys* has a price that pairs do not show. Lesson 03's reach does:
#
# > **Predict.** Local temporal attention, then the own frame with the keys of every second row and column, block after
# > block. After how many blocks has everybody heard of everybody?

# %%
from videoformer_edu.attention.reach import hops

for title, block in (("every patch a key", [LocalTemporal(3), GlobalSpatial(1)]),
                     ("every second row and column", [LocalTemporal(3), GlobalSpatial(2)])):
    after = hops([block], clip)  # (l, l): after how many blocks the row has heard the column, -1 never
    unheard = int(((after >= 0).sum(0) <= clip.t).sum())
    print(f"{title:27} never heard outside their own tube: {unheard:2} of {clip.l} tokens; "
          f"the others: after {int(after.max())} blocks")
assert unheard == 96

# %% [markdown]
# <details><summary>Compare</summary>Never. Three patches in four are keys to nobody but their own tube, so whatever
# they see stays there, at any depth. Fixed strides over <em>keys</em> throw places away; lesson 07 pools them
# instead. (Strides over <em>frames</em> do not have this defect together with local attention: everyone is a key to
# the frames around.)</details>
#
# ## 3 · Time and memory, measured on your machine
#
# How does one skip work, then? **Gather**: bring the few keys of each query together, and multiply only these. In the
# package `SparseAttention` does it for any pattern. Each query's keys are read off the pattern once, as a list of token
# numbers; then it is one `index_select`, and ordinary attention in small groups:

# %%
from videoformer_edu.attention import SparseAttention
from videoformer_edu.figures.source import show_source

show_source(SparseAttention._groups)
keys = LocalTemporal(3).keys(Grid(3, 1, 2), Grid(3, 1, 2))  # (queries, 3): 3 frames of 2 patches; -1: no such frame
print("keys of tokens 0, 1, ...:", keys.tolist())

# %% [markdown]
# Four ways to compute attention over $T$ frames of 6 x 6 patches, width 64. *Joint*; the sparse pattern of section 1 as
# a mask, with the scores stored as `nn.MultiheadAttention` does; the same mask in PyTorch's fused kernel; *gathered*.
# The last three give the same numbers.
#
# > **Predict.** At 64 frames the pattern keeps 2.3 % of the pairs. Order the four by time. Which one needs most memory?

# %%
import time

from videoformer_edu.attention import MultiHeadAttention
from videoformer_edu.cost.memory import peak_bytes

pattern, frames = SparseSpaceTime(3, 4), (8, 16, 32, 64)
module = SparseAttention(width=64, heads=4, pattern=pattern)
masks = {t: pattern.allowed(Grid(t, 6, 6)) for t in frames}  # made beforehand, as the lists of the gathered way are


def masked(x, grid):
    """All l x l scores, stored; then the mask."""
    q, k, v = rearrange(module.qkv(x), "b l (three head e) -> three b head l e", three=3, head=4)
    scores = (q @ k.transpose(-2, -1) / 4).masked_fill(~masks[grid.t], -torch.inf)  # sqrt(e) = 4
    return module.proj(rearrange(scores.softmax(-1) @ v, "b head l e -> b l (head e)"))


ways = {"joint": lambda x, grid: MultiHeadAttention.forward(module, x), "mask, scores stored": masked,
        "mask, fused kernel": lambda x, grid: MultiHeadAttention.forward(module, x, mask=masks[grid.t]),
        "gathered": module}

# %%
@torch.no_grad()
def measure(way, frames):
    """Milliseconds (the fastest of some runs) and the peak of memory in MB, one clip."""
    grid = Grid(frames, 6, 6)
    x, runs = torch.randn(1, grid.l, 64), []
    for _ in range(4 if frames == 64 else 12):  # the first call makes lists that are kept
        start = time.perf_counter()
        way(x, grid)
        runs.append(time.perf_counter() - start)
    return 1e3 * min(runs[1:]), peak_bytes(lambda: way(x, grid)) / 1e6


measured = {name: [measure(way, t) for t in frames] for name, way in ways.items()}
for name, points in measured.items():
    print(f"{name:20} peak at 64 frames, MB, here: {points[-1][1]:.0f}; ms at 64 frames, here: {points[-1][0]:.0f}")
least, most = (measured[name][-1] for name in ("gathered", "mask, scores stored"))
print(f"the mask needs {most[1] / least[1]:.0f} times the memory; bound: more than 10 times")
assert most[1] > 10 * least[1] and most[0] > 3 * least[0]

# %%
from videoformer_edu.attention import record_attention
from videoformer_edu.figures import show
from videoformer_edu.figures.cost import ways_over_frames

titles = ("milliseconds, on one core here", "peak memory, MB")
show(ways_over_frames(frames, {title: {name: [point[i] for point in points] for name, points in measured.items()}
                               for i, title in enumerate(titles)}),
     alt="Time and memory over 8 to 64 frames, four ways each, both axes logarithmic.",
     caption="What matters is the slope: two steps up for one along is quadratic, one up for one along is linear.")
grid = Grid(64, 6, 6)
x, linear_maps = torch.randn(1, grid.l, 64), 4 * grid.l * 64**2
with record_attention(module):  # recorded: plain products, which the counter sees
    spent, dense = macs(module, x, grid) - linear_maps, macs(masked, x, grid) - linear_maps
with torch.no_grad():
    apart = max((ways[name](x, grid) - module(x, grid)).abs().max().item() for name in list(ways)[1:])
kept = pattern.pairs(grid)
print(f"pairs at 64 frames: joint {grid.l**2:,}, pattern {kept:,}, {kept / grid.l**2:.1%}")
print(f"multiply-adds on pairs: mask {dense:,}; gathered {spent:,}, {spent / (2 * 64 * kept):.2f} of need, bound 1.15")
print(f"the answers differ by {apart:.6f}, bound 0.00001")
assert apart < 1e-5 and spent < 1.15 * 2 * 64 * kept

# %% [markdown]
# <details><summary>Compare</summary>The mask with stored scores takes most of both, more than joint attention. A fused
# kernel spares the memory of the scores, and no time: it computes what the mask throws away. Only gathering follows the
# pairs. At 8 frames all this is worth little: lists and small groups have a price of their own. And be fair to joint
# attention: its fused kernel stores no scores, and needs less memory than the gathered copies of the keys. Since such
# kernels exist, time is the better argument for sparse attention.</details>
#
# Counted multiply-adds say the same without a clock. The few per cent above 1 are keys that are gathered and then
# masked: a frame before the first, a key that two of the three patterns share.
#
# ## 4 · Why it learnt on tubelets, and not on patches
#
# A model with this attention (two blocks, every token looks at 17 to 19) was trained on the moving digits twice: on
# tubelets of two frames, and on patches of one frame. Three seeds each, the recipe of all models of this course.
#
# > **Predict.** A guess is right for 12.5 %. What do the two reach?

# %%
from videoformer_edu.data.motion import motion_test_set
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.pretrained.small import load_small, small_results

runs = {name: small_results()[name]["runs"] for name in ("sparse", "sparse_patches")}
for name, what in (("sparse", "tubelets of two frames"), ("sparse_patches", "patches of one frame")):
    print(f"{what}:", *(f"{run['accuracy']:.0%}" for run in runs[name]))
assert min(run["accuracy"] for run in runs["sparse"]) > 0.95
assert max(run["accuracy"] for run in runs["sparse_patches"]) < 0.2

# %% [markdown]
# <details><summary>Compare</summary>100 % and a guess. It is tempting to say: sparse attention needs tubelets. But
# lesson 05 has taught you what to ask first.</details>
#
# Does the model on tubelets use its attention along time *at all*? Turn the frames round inside the tubelets; then turn
# round the order of the tubelets, and leave their inside alone. Ask three trained models.
#
# > **Predict.** For each model and each turn: the same direction, or the opposite one?

# %%
test = motion_test_set(256)
clips, direction = normalise(test.clips, MOTION_PIXELS), test.direction  # (b, c, t, h, w), (b,)
INSIDE, STEPS = [1, 0, 3, 2, 5, 4, 7, 6], [6, 7, 4, 5, 2, 3, 0, 1]  # frames in pairs exchanged; pairs in reverse


@torch.no_grad()
def share(model, video, meant=direction):
    """The share of clips that the model calls by the direction that is meant."""
    return (model(video).argmax(1) == meant).float().mean().item()


models = {name: load_small(name) for name in ("tubelet_space_only", "sparse", "video_swin")}
for name, model in models.items():
    inside, steps = share(model, clips[:, :, INSIDE], direction ^ 1), share(model, clips[:, :, STEPS])
    print(f"{name:18} frames turned inside tubelets: opposite {inside:.0%}; tubelets in reverse: same {steps:.0%}")
    assert inside > 0.95 and steps > 0.95

# %% [markdown]
# <details><summary>Compare</summary>All three read the motion <em>inside</em> a tubelet, and none cares in which order
# the tubelets come. So 100 % says nothing about sparse attention along time, and nothing about Swin's windows along
# time: a model without either has the same 100 %. On patches of one frame, where attention has to do the work, this
# attention fails.</details>
#
# Why does it fail there? Each query has 18 or 19 keys under one softmax, 16 of its own frame and 2 or 3 of other
# frames. To read motion, a token has to find these among the patches of its frame, by content and position alone,
# before anything rewards it: that is joint attention's difficulty (lesson 03, section 5), in small.
#
# If that is right, two attentions, *near frames first* and *the own frame after*, should do better with as few keys.
# Two trials with this recipe: after the same 1,000 steps 66 and 44 %, still rising, where one softmax over both is at
# 13 % (`docs/trials.md`). Better, and not yet divided attention's 99 %, whose tubes see the whole clip at once.
#
# What is left of it as a rule: **pairs say what a pattern costs, reach says what is possible, and neither says what
# will be learnt.** Test with the order of the frames.
#
# ## 5 · Windows, in fifteen lines
#
# Video Swin (Liu et al., 2022) takes the plainest sparse pattern, and makes it fast without any list: **windows**. Cut
# the clip into boxes, attend inside each box. Tokens of one box lie in one piece of memory, so nothing is gathered.
#
# Two houses stand side by side, so a frame has 2 x 4 places: `sky roof sky' roof'` above `door grass door' grass'`.
# Windows of 2 x 2 are the two houses, tokens 0 1 4 5 and 2 3 6 7. Shifted by one column, a window holds `roof`, `sky'`,
# `grass` and `door'`: neighbours who never met over the fence.
#
# **Your turn.** Write the partition, for any clip: `(b, t, h, w, d)` to `(b, windows, tokens of a window, d)`, windows
# and tokens in them in reading order. One `rearrange`.

# %% tags=["your_turn"]
def partition(x, window):
    """x (b, t, h, w, d), window (t, h, w) -> (b, windows, n, d)."""
    t, h, w = window
    # BEGIN SOLUTION
    pattern = "b (i t) (j h) (k w) d -> b (i j k) (t h w) d"
    return rearrange(x, pattern, t=t, h=h, w=w)
    # END SOLUTION


street = torch.arange(16).reshape(1, 1, 4, 4, 1)  # (b, t, h, w, d): 4 x 4 tokens
cut = partition(street, (1, 2, 2))
your_turn(cut if cut is None or cut is ... else cut[0, :, :, 0].tolist(),
          [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]],
          "Take each axis apart into (windows, place inside), as tubelets were cut in lesson 05.")

# %% [markdown]
# ### What windows without a shift never learn
#
# Windows that never move are separate clips: reach stops at their borders, however deep the model. Is that a fact of
# predicates only? Train it. Sixteen tokens in a row, each with one of four colours. Windows of four. The task: *name
# the colour of your right neighbour*. Two attentions, once with plain windows, once plain and then shifted by two.
#
# > **Predict.** Accuracy inside windows, and across their borders, for the two models. A guess is right for 25 %.

# %%
from videoformer_edu.attention import WindowAttention

line = Grid(16, 1, 1)


class Chain(nn.Module):
    """Colours (b, 16) -> a guess for each right neighbour (b, 16, 4). No positions but those of the windows' bias."""

    def __init__(self, shifts, width=32):
        super().__init__()
        self.embed, self.head = nn.Embedding(4, width), nn.Linear(width, 4)
        self.attentions = nn.ModuleList(
            WindowAttention(width=width, heads=4, window=(4, 1, 1), shift=(s, 0, 0)) for s in shifts)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in shifts)

    def forward(self, colours):
        x = self.embed(colours)
        for norm, attention in zip(self.norms, self.attentions, strict=True):
            x = x + attention(norm(x), line)
        return self.head(x)

# %%
def learn(shifts, steps=150):
    """Accuracy for neighbours inside a window, and across a border, after training."""
    torch.manual_seed(0)
    model = Chain(shifts)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(steps + 1):
        colours = torch.randint(0, 4, (512 if step == steps else 64, 16))
        logits, target = model(colours)[:, :-1], colours[:, 1:]
        if step < steps:
            optimiser.zero_grad()
            F.cross_entropy(logits.flatten(0, 1), target.flatten()).backward()
            optimiser.step()
    right, border = (logits.argmax(-1) == target).float().mean(0), torch.arange(15) % 4 == 3
    return right[~border].mean().item(), right[border].mean().item()


learnt = {"plain, plain": learn((0, 0)), "plain, shifted": learn((0, 2))}
for name, (inside, across) in learnt.items():
    print(f"{name:15} inside windows above 95 %, here: {100 * inside:.0f}; across borders, here: {100 * across:.0f}")
assert learnt["plain, plain"][1] < 0.35 and learnt["plain, shifted"][1] > 0.9 and learnt["plain, plain"][0] > 0.95

# %% [markdown]
# <details><summary>Compare</summary>Without the shift every fourth neighbour stays a guess for ever. With it, the
# second attention's windows straddle the first one's borders.</details>
#
# ### The cyclic shift
#
# Shifted borders leave odd pieces at the edges: 2, 4, 2 rows instead of 4, 4. Nine small windows of five sizes is bad
# for hardware. Swin's trick: **roll** the clip by the shift, so that what leaves at the top comes in at the bottom; cut
# it into whole windows as before; **mask** what the roll has put side by side; roll back. Try it on the picture.
#
# > **Try.** Windows of 4 x 4, shift 2. How many tokens does one in the corner of the frame look at? Drag the step, and
# > take the mask away: who looks at whom then? And which shift would leave a token quite alone?

# %%
from videoformer_edu.widgets import shift_explorer

shift_explorer()

# %% [markdown]
# ### The fifteen lines
#
# This is the whole of it, as the paper's figure 3 has it, for any clip:

# %%
from videoformer_edu.attention.windows import region_numbers, window_attention_in_steps

show_source(window_attention_in_steps, region_numbers)

# %% [markdown]
# `region_numbers` gives every token the number of the piece that it belongs to *after* the roll: 0, 1 or 2 along each
# axis. Tokens of a window look at each other where the numbers agree.
#
# Are these lines the published attention? The package carries a small Video Swin that **torchvision** wrote, with
# random weights, and torchvision's own answer to a clip that fills neither patches nor windows. Put the fifteen lines
# into every block of our model and load it.

# %%
from safetensors.torch import load_file

from videoformer_edu.models import VideoSwin
from videoformer_edu.pretrained import load_pretrained, reference_checkpoint

folder = reference_checkpoint("video_swin")
published = load_file(folder / "answer.safetensors")
swin = VideoSwin(width=12, depths=(2, 2), heads=(2, 3), window=(2, 4, 3), classes=5).eval()
print(load_pretrained(swin, folder))
with torch.no_grad():
    fast = swin(published["video"])
    for stage in swin.stages:
        for block in stage.blocks:
            block.attention.forward = lambda x, grid, own=block.attention: window_attention_in_steps(own, x, grid)
    slow = swin(published["video"])
for name, logits in (("the package's module", fast), ("the fifteen lines", slow)):
    off = (logits - published["logits"]).abs().max().item()
    print(f"{name}: {off:.5f} from torchvision's logits, rounding allows 0.0001; largest: {logits.abs().max():.1f}")
    assert off < 1e-4 < 0.1 < published["logits"].std()

# %% [markdown]
# The module that models use makes the same numbers from one list of token numbers, which pads, rolls and cuts at once,
# and it spares the windows that need no mask the masked table of biases.
#
# ### Distances instead of positions, and where they break
#
# Queries and keys have no positions. What a pair gets is a learned number for its **distance**, a row of a table. A
# window of 3 x 3 has distances from -2 to 2 on two axes: 25 rows for 81 pairs. Where the grid is smaller than the
# window, the window shrinks, nothing is shifted, and the same table is used. Which rows? The published code cuts its
# index, `index[:n, :n]`.
#
# > **Predict.** A window of 2 x 2 of its own has how many distances? And with the table of a 3 x 3 window, does the cut
# > index find the right ones?

# %%
from videoformer_edu.attention.windows import relative_position_index


def rows(table, window, cut=False):
    """(n, n): the row of each pair; `table` is the window that the table was made for."""
    index = relative_position_index(table, window, cut, torch.device("cpu"))
    return index.reshape(2 * [int(np.prod(window))])


own, small, cut_off = rows((1, 2, 2), (1, 2, 2)), rows((1, 3, 3), (1, 2, 2)), rows((1, 3, 3), (1, 2, 2), cut=True)
for name, index in (("own table", own), ("of 3 x 3", small), ("of 3 x 3, cut", cut_off)):
    print(f"{name:13}", *(f"{row!s:16}" for row in index.tolist()), f"{index.unique().numel()} distances")
wrong = int((small != cut_off).sum())
in_time = int((rows((4, 3, 3), (2, 3, 3)) != rows((4, 3, 3), (2, 3, 3), cut=True)).sum())
print(f"{wrong} of 16 pairs get the bias of another distance; in a window cut in time alone: {in_time}")
print(f"published windows of 8 x 7 x 7: {15 * 13 * 13:,} rows for {392 * 392:,} pairs")
assert own.unique().numel() == 9 and wrong == 10 and in_time == 0

# %% [markdown]
# <details><summary>Compare</summary>Nine: rows and columns differ by -1, 0 or 1. Query <code>sky</code>, key
# <code>roof</code> share a row with query <code>door</code>, key <code>grass</code>: one column to the right. The row
# of a pair is <code>((dt + t - 1)(2h - 1) + dh + h - 1)(2w - 1) + dw + w - 1</code>. And the cut is wrong: the first
# four tokens of a 3 x 3 window are a row and one more, not a square, so ten of sixteen pairs get another distance. In
# time alone the cut is right, because time is the slowest axis. At 224 pixels nobody notices; below, published models
# get worse without a word. The package looks up the right rows; <code>reference_quirks=True</code> repeats the slip for
# those who want the published logits there.</details>
#
# ## 6 · What windows really cost
#
# The course text's table says *Video Swin: $O(T N W^2)$*. Derive it. A window holds $P$ frames of $W \times W$ tokens,
# so each of the $TN$ queries has $P W^2$ keys, and a pair costs $2C$ multiply-adds at width $C$:
#
# $$\underbrace{4\,T N\, C^2}_{\text{q, k, v, output}} + \underbrace{2\,T N \cdot P W^2 \cdot C}_{\text{pairs}}
#   \qquad O(T N\, P W^2\, C)$$
#
# | model | the text | what it is |
# |---|---|---|
# | TimeSformer | $O(T N^2 + N T^2)$ | $O((T N^2 + N T^2)\,C + T N C^2)$: the last term is most of it at 8 frames |
# | Video Swin | $O(T N W^2)$ | $O(T N\, P W^2\, C + T N C^2)$: true as printed only for windows of one frame |
#
# > **Predict.** Swin-T's first stage: windows of 8 x 7 x 7, width 96. Which is more, pairs or projections? And by how
# > much does the whole grow when the clip has twice the frames, or the window twice the side?

# %%
def window_macs(grid, window, width=96):
    attention = WindowAttention(width=width, heads=3, window=window)
    with record_attention(attention):
        return macs(attention, torch.randn(1, grid.l, width), grid)


base = Grid(8, 14, 14)
print(f"{'':26}{'counted':>14}{'by the formula':>17}{'pairs / projections':>22}")
for name, grid, window in (("8 frames, 8 x 7 x 7", base, (8, 7, 7)), ("16 frames", Grid(16, 14, 14), (8, 7, 7)),
                           ("windows of 4 frames", base, (4, 7, 7)), ("windows of 8 x 14 x 14", base, (8, 14, 14))):
    keys = window[0] * window[1] * window[2]
    formula = 4 * grid.l * 96**2 + 2 * grid.l * keys * 96
    print(f"{name:26}{window_macs(grid, window):14,}{formula:17,}{2 * keys / (4 * 96):22.2f}")
    assert window_macs(grid, window) == formula

# %% [markdown]
# <details><summary>Compare</summary>For each token, in units of <i>C</i>: pairs 2 · 392 = 784, projections 4 · 96 =
# 384, and the MLP 8 · 96 = 768. Twice the frames, twice the bill: linear. Twice the side, four times the pairs. The
# factor <i>P</i> that the text forgot is 8 here. Later stages are four times wider and have the same windows, so there
# the projections win.</details>
#
# (A whole Swin-T, counted on 32 frames: 87.8 G, the paper's table has 88.)
#
# ## 7 · 2025: the same ideas make films
#
# A video generator attends over 115,200 tokens for five seconds of 720p, some forty times over. Two ideas of 2025 are
# patterns that you can read now.
#
# **Sliding tiles** (Zhang et al., 2025). A window around every token is the natural sparse pattern, and GPUs hate it:
# they work in blocks of queries with blocks of keys, and most blocks are half allowed: computed, and then masked. So
# let windows slide by whole *tiles*: all tokens of a tile share their keys.
#
# **Radial attention** (Li et al., 2025). What is twice as far in time gets half the window in space.
#
# > **Predict.** 8 frames of 8 x 8, in tiles of 2 x 4 x 4. A window of 3 tiles in time slides by tiles, or by single
# > frames. Of the 256 blocks of a tile with a tile, how many are *dense* (all pairs), *mixed* and *empty* in each?

# %%
from videoformer_edu.attention import Radial, SlidingTile
from videoformer_edu.attention.patterns import place_of

tiles, film = SlidingTile(tile=(2, 4, 4), window=(3, 1, 1)), Grid(8, 8, 8)
show_token_cubes({"sliding tiles": SlidingTile(tile=(2, 2, 2), window=(3, 1, 1)), "radial": Radial()}, Grid(16, 4, 4),
                 (6, 1, 2), caption="Tiles of 2 x 2 x 2, three in time. Radial: the own frame and the next ones whole, "
                                    "then half a frame, a quarter, ...; places are counted along the flattened frame.")
order = tiles.groups(film).flatten()  # tile after tile
at = place_of(order, film)
by_token = (at.t[:, None] - at.t).abs() <= 2  # five frames around each token ...
by_token &= (at.h[:, None] // 4 == at.h // 4) & (at.w[:, None] // 4 == at.w // 4)  # ... of its own 4 x 4 places
for name, allowed in (("by tiles", tiles.allowed(film)[order][:, order]), ("by frames", by_token)):
    share_allowed = allowed.reshape(16, 32, 16, 32).float().mean((1, 3))  # (blocks of queries, blocks of keys)
    dense, empty = int((share_allowed == 1).sum()), int((share_allowed == 0).sum())
    mixed = 256 - dense - empty
    print(f"slides {name:9}: {int(allowed.sum()):6,} pairs; blocks: {dense} dense, {mixed} mixed, {empty} empty")

# %% [markdown]
# <details><summary>Compare</summary>By tiles nothing is mixed: what is computed is used. By frames three in five of the
# blocks that have to be computed are mixed, and a mixed block costs as much as a dense one. On HunyuanVideo sliding
# tiles took 945 seconds down to 501 without training, to 268 after it (arXiv:2502.04507, version 3).</details>
#
# > **Predict.** From 16 to 64 frames joint attention's pairs grow 16-fold. Radial's? And is the same predicate, handed
# > to PyTorch's `flex_attention`, the same attention?

# %%
for name, kind in (("joint", Full()), ("radial", Radial()), ("sliding tiles", SlidingTile((6, 8, 8), (3, 3, 3)))):
    short, long = (kind.pairs(Grid(t, 48, 80)) for t in (16, 64))  # 48 x 80 tokens a frame, as HunyuanVideo at 720p
    print(f"{name:14} {short / 1e9:6.2f} G pairs at 16 steps, {long / 1e9:6.2f} G at 64: {long / short:5.1f}-fold")
x, film = torch.randn(1, 8 * 16, 64), Grid(8, 4, 4)
for kind in (Radial(), SlidingTile((2, 2, 2), (3, 1, 1)), LocalWindow((4, 2, 2), (2, 1, 1))):
    gathered, flex = (SparseAttention(width=64, heads=4, pattern=kind, backend=way) for way in ("gather", "flex"))
    flex.load_state_dict(gathered.state_dict())
    with torch.no_grad():
        apart = (gathered(x, film) - flex(x, film)).abs().max().item()
    print(f"{type(kind).__name__:12} gathered and flex_attention differ by {apart:.6f}, rounding allows 0.00001")
    assert apart < 1e-5

# %% [markdown]
# <details><summary>Compare</summary>About 7-fold: nearly <i>l</i> log <i>l</i>. Every octave of distance costs about
# the same.</details>
#
# `flex_attention` is the GPU's way to all of this section: it reads the predicate, finds out which blocks of 128 x 128
# are empty, and compiles a kernel that skips them. (On a CPU it is a slow reference, as here.)
#
# ### Are heads spatial or temporal?
#
# Sparse VideoGen (Xi et al., 2025) asks it of every head: would its output change less if it looked at its own frame
# alone, or at its own place alone? In HunyuanVideo they find both kinds, 29.2 and 66.7 % of the heads. Ask our two
# joint models: the one that learnt the task with a penalty on other tubes, annealed to zero, and the one that did not.
#
# > **Predict.** Which of the two has temporal heads?

# %%
from videoformer_edu.attention.head_kinds import head_kinds, record_values

few = clips[:64]
for name in ("timesformer_motion_joint_time_first", "timesformer_motion_joint"):
    model = load_small(name)
    with torch.no_grad(), record_attention(model) as maps, record_values(model) as values:
        model(few)
    print(f"{name}, per cent right, here: {100 * share(model, clips):.0f}")
    for head, found in enumerate(head_kinds(maps["blocks.0.attention"], values["blocks.0.attention"])):
        own_frame, own_place = (found.share[kind] for kind in ("spatial", "temporal"))
        print(f"  block 0, head {head}: {found.kind:8} (error {found.error[found.kind]:.2f}); looks at its own frame "
              f"{own_frame:.0%}, its own place {own_place:.0%}")
print(f"by chance: own frame {found.chance['spatial']:.1%}, own place {found.chance['temporal']:.1%}")

# %% [markdown]
# <details><summary>Compare</summary>The model that solves the task has three heads that look along time, far above
# chance: half of a divided block, found in the wild. <b>Where this breaks:</b> the rule always names a kind. In the
# other model all shares are at chance, and it says "spatial" of every head; a small error then only means that a head
# looks everywhere alike. Read the shares beside the verdict.</details>
#
# ## 8 · Fewer tokens instead of fewer pairs
#
# All this leaves out pairs. But 384 of a token's 1,168 multiply-adds in section 6 were projections, and the MLP comes
# on top. A token that is not there costs nothing at all.
#
# **Run-length tokenisation** (Choudhury et al., 2024) drops a patch that repeats: its mean difference to the frame
# before is under a threshold. What is kept remembers for how long it stands. Three films: a hand with a cup and a hand
# with a box, before a resting camera, and a rabbit, filmed by a camera that moves.
#
# > **Predict.** What share of the patches is dropped in each?

# %%
from importlib.util import find_spec

from videoformer_edu.data.assets import example_clip_path, hand_with_box_path, hand_with_cup_path
from videoformer_edu.data.pixels import Pixels
from videoformer_edu.data.video.clips import read_frames
from videoformer_edu.run_length import kept_tokens, run_lengths, savings

IMAGENET = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
films = {"cup": hand_with_cup_path(), "box": hand_with_box_path(), "rabbit": example_clip_path()}
for name, path in films.items() if find_spec("av") else ():  # PyAV reads films; without it: pip install av
    frames_of = normalise(read_frames(path, frames=16, size=112).permute(3, 0, 1, 2), IMAGENET)[None]  # (b, c, t, h, w)
    kept = {threshold: kept_tokens(frames_of, patch_size=16, threshold=threshold) for threshold in (0.05, 0.1, 0.2)}
    print(f"{name:7}", *(f"threshold {threshold}: {savings(keep):.0%} dropped  " for threshold, keep in kept.items()))
    lengths = run_lengths(kept[0.1])
    assert torch.equal(lengths.sum(1), torch.full_like(lengths[:, 0], 16))  # every tube adds up to its 16 frames

# %% [markdown]
# <details><summary>Compare</summary>More than half where the camera rests, about a third where it moves (at the paper's
# threshold of 0.1). The films are compressed, and a part of this stillness is the encoder's.</details>
#
# ### Which patches repeat?
#
# Choose a film and a threshold. The replay shows what a model would be left with: each kept patch stands until the next
# one. Something goes wrong with the published rule, and the task is to find the rule that mends it.

# %%
from videoformer_edu.widgets import repeats_explorer

repeats_explorer()

# %% [markdown]
# A slow change never passes a threshold between neighbours. Comparing with the patch that was *kept* last sees it.
#
# **Token merging** (Bolya et al., 2023) drops nothing by its pixels. After every attention, the `r` most similar pairs
# of tokens become one each, by their keys; a token that stands for three weighs as three. It needs no training. Joint
# attention takes it as it is; divided attention needs a patch at every place in every frame, so either whole tubes
# merge, or each frame merges for itself.
#
# > **Predict.** 128 patches, two blocks, `r` merged in each. Where does accuracy fall first: joint, or divided? Does
# > time fall with the tokens?

# %%
from videoformer_edu.models.fewer_tokens import merged_logits

trained = {"joint": "timesformer_motion_joint_time_first", "divided": "timesformer_motion_divided"}
merged = {}
for name in ("joint", "divided, whole tubes", "divided, frame by frame"):
    seconds, model = [], load_small(trained[name.split(",")[0]])
    for r in (0, 32, 48, 64):
        start = time.perf_counter()
        with torch.no_grad():
            answers = merged_logits(model, clips, r=r, whole_tubes="frame by" not in name).argmax(1)
        seconds.append(time.perf_counter() - start)
        merged[name, r] = (answers == direction).float().mean().item()
        print(f"{name:25} r = {r:2}   per cent right, here: {100 * merged[name, r]:.1f}   "
              f"times as fast as without, here: {seconds[0] / seconds[-1]:.1f}")
assert merged["joint", 48] > 0.97 and merged["divided, frame by frame", 64] < merged["joint", 0] - 0.02

# %% [markdown]
# <details><summary>Compare</summary>A third of the tokens may go, and joint attention notices nothing. Divided
# attention loses a little <em>where each frame merges for itself</em>: its tubes no longer hold one place. That is the
# harm which has been reported for factorised models (arXiv:2506.03885); where whole tubes merge, we do not find it. And
# the clock gains less than the count of tokens: finding pairs costs time, too.</details>
#
# ### How do I handle a video of minutes? <a id="minutes"></a>
#
# People ask ([jepa#44](https://github.com/facebookresearch/jepa/issues/44),
# [mmaction2#2464](https://github.com/open-mmlab/mmaction2/issues/2464)). First the numbers: three minutes, sampled at 4
# frames a second, 224 pixels, tubelets of 2 x 16 x 16.

# %%
from videoformer_edu.attention import Temporal

minutes = Grid(3 * 60 * 4 // 2, 14, 14)
print(f"{minutes.l:,} tokens; at width 768 the linear maps of a block take {12 * minutes.l * 768**2 / 1e9:,.0f} G")
for name, patterns in (("joint", [Full()]), ("divided", [Temporal(), Spatial()]),
                       ("local, then own frame", [LocalTemporal(5), Spatial()]),
                       ("sparse, every 16th frame", [SparseSpaceTime(3, 16)]),
                       ("windows of 8 x 7 x 7", [LocalWindow((8, 7, 7))])):
    pairs = sum(pattern.pairs(minutes) for pattern in patterns)
    print(f"{name:25} {pairs / minutes.l:9,.0f} keys a token; pairs of a block {2 * 768 * pairs / 1e9:9,.0f} G")

# %% [markdown]
# In this order: **(1) Fewer frames.** Most questions about minutes are answered by 32 or 64 frames, well chosen (lesson
# 02), or by several clips whose answers are averaged (lesson 08). **(2) Features once.** A clip model on each few
# seconds, one vector each, and a small transformer over the vectors: ViViT 2 at another scale; the clips do not hear
# each other until then. **(3) Fewer tokens**, where the camera rests (below the linear maps go down as well). **(4)
# Windows or own frame plus near frames**, if every token counts: linear, and news travels a window a block. **(5) As it
# comes**: keep the past as a cache, look only back (lesson 10). What does not help is a mask.
#
# ### Can I take other windows, widths and depths? <a id="sizes"></a>
#
# Yes; [Video-Swin#99](https://github.com/SwinTransformer/Video-Swin-Transformer/issues/99) asks. Widths and depths are
# arguments: heads must divide the width of their stage, and shifts alternate, so that depths are even. Trained weights
# then no longer fit, but for one case: **another window**. Only the table of distances changes, and it is a small
# picture that can be stretched. Try it on the trained model:

# %%
from videoformer_edu.models import video_swin_motion


def with_window(model, window):
    """The trained small Swin with other windows: its tables of distances stretched, all else as it was."""
    state, old = model.state_dict(), model.stages[0].blocks[0].attention.pattern.window
    for name in [name for name in state if name.endswith("bias_table")]:
        table = state[name].T.unflatten(1, tuple(2 * n - 1 for n in old))[None]  # (1, head, 2t-1, 2h-1, 2w-1)
        size = tuple(2 * n - 1 for n in window)
        state[name] = F.interpolate(table, size, mode="trilinear", align_corners=True)[0].flatten(1).T
    other = video_swin_motion(window=window)
    other.load_state_dict(state)
    return other.eval()


for window in ((2, 4, 4), (4, 4, 4), (2, 8, 8), (2, 2, 2)):
    changed = with_window(models["video_swin"], window)
    pairs = LocalWindow(window).pairs(Grid(4, 8, 8))
    print(f"windows of {window}: {pairs:6,} pairs in the first stage; per cent right, here: "
          f"{100 * share(changed, clips):.0f}")

# %% [markdown]
# Larger windows cost pairs and lose nothing; windows of 2 x 2 x 2 see too little of a digit and are wrong every other
# time. Train on after a change as large as that. (And remember section 4: on this task the windows along time are not
# what is tested.)
#
# ## What goes wrong, and when not to use it
#
# - **A mask taken for a saving.** If the scores are `l x l`, nothing was saved. Count them, or look at the memory.
# - **Short clips.** Below some thousand tokens the linear maps are the bill, and gathering costs more than it saves.
# - **A stride on flattened patches.** Columns for one width, a chess board for another. Stride rows and columns.
# - **Keys that nobody else has.** Tokens that are nobody's key are lost to the others, at any depth.
# - **A roll without a mask, a mask without the roll back, a shift where the window is the whole axis.** All run without
#   an error. Test with a grid that the window does not divide.
# - **Mask polarity.** True is *may look* here and in `scaled_dot_product_attention`, *may not* in
#   `nn.MultiheadAttention`.
# - **100 % on tubelets.** Turn the order of the steps round before you praise attention along time.
#
# ## Exercises
#
# SHEET
#
# You write attention that is graded on its answers *and* on the multiply-adds that it spends, and in the end *your*
# windows run inside *our* trained Swin.
#
# Two questions to keep you busy on the way:
#
# <details><summary>Swin shifts by half a window. Why not by a random amount in each layer?</summary> It would reach as
# well. But weights are trained for fixed neighbourhoods at the borders, the mask would have to be made anew each time,
# and any shift other than half leaves a thin strip whose tokens see little: the explorer's corner.</details>
#
# <details><summary>A window of the whole frame and one step, and one of a single place and all steps. What are they
# called?</summary> Spatial and temporal attention. Divided attention is window attention with two shapes of window in
# turn.</details>
#
# ## Summary
#
# 1. A mask computes everything and forgets most of it; only gathering or regrouping makes time and memory follow the
#    pairs.
# 2. Windows are the sparse pattern that hardware likes: cut, look, and shift, or the borders are never crossed;
#    $O(T N P W^2 C)$.
# 3. What a pattern costs, what it can reach and what a model learns with it are three questions with three tests.
#
# **References.** Child et al. (2019), *Generating long sequences with sparse transformers*,
# [arXiv:1904.10509](https://arxiv.org/abs/1904.10509). Liu et al. (2022), *Video Swin Transformer*,
# [arXiv:2106.13230](https://arxiv.org/abs/2106.13230). Dao et al. (2022), *FlashAttention*,
# [arXiv:2205.14135](https://arxiv.org/abs/2205.14135). Zhang et al. (2025), *Sliding tile attention*,
# [arXiv:2502.04507](https://arxiv.org/abs/2502.04507). Li et al. (2025), *Radial attention*,
# [arXiv:2506.19852](https://arxiv.org/abs/2506.19852). Xi et al. (2025), *Sparse VideoGen*,
# [arXiv:2502.01776](https://arxiv.org/abs/2502.01776). Choudhury et al. (2024), *Don't look twice* (run lengths),
# [arXiv:2411.05222](https://arxiv.org/abs/2411.05222). Bolya et al. (2023), *Token merging*,
# [arXiv:2210.09461](https://arxiv.org/abs/2210.09461).
