# /// lesson
# title = "Multiscale transformers"
# question = "Why look at every scale at full price?"
# minutes = 80
# needs = "PyTorch, lesson 01 (attention, CLS, positions) and lesson 05, or the idea of tubelets."
# objectives = [
#     "**compute** pooling attention by hand, and say what pooling keys saves and what pooling queries saves",
#     "**draw** the pyramid of MViT with its bill, and count the published number",
#     "**read** versions 1 and 2 in code, and say which of their extras are needed",
#     "**take** features of any stage out of a model, in the right order",
#     "**mend** a two-pathway transformer that is blind to time, and measure what its fast pathway is worth",
#     "**assemble** a small MViT on one page, and load trained weights into it",
# ]
# serves.2 = { exercises = "all" }
# serves.3 = { experiment = "MViT with less of what makes it MViT; two pathways, removed and slowed" }
# serves.4 = { experiment = "queries pooled, or keys and values alone", exercises = [1, 2] }
# ///

# %% [markdown]
# One model, one clip, three scales. Amber is where CLS looks, **and each amber box is as large as what it stands
# for**: a quarter of the picture's side at first, then an eighth, then a quarter again.

# %%
import torch

from videoformer_edu.attention import record_attention
from videoformer_edu.data.motion import DIRECTIONS, motion_test_set
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.figures import show
from videoformer_edu.figures.scales import looks_at_scales
from videoformer_edu.pretrained.small import load_small

large, display = motion_test_set(256, size=64), load_small("mvit_display")
films, index = normalise(large.clips, MOTION_PIXELS), 18  # (b, c, t, h, w)
with torch.no_grad(), record_attention(display) as seen:
    says = display(films[index:index + 1]).argmax().item()
film = large.clips[index].permute(1, 2, 3, 0)  # (t, h, w, c), uint8
opening = {f"block {i}": m.cls_looks()[0].mean(0) for i, m in enumerate(seen.values())}
show(looks_at_scales(film, {name: opening[name] for name in ("block 0", "block 1", "block 3")}, steps=(0, 1, 2, 3)),
     alt="A white 3 moves over a photograph. In block 0 large amber boxes lie on it, in block 1 small ones; in block 3 "
         "a faint amber lies over everything but the digit.",
     caption=f"A small MViT says {DIRECTIONS[says]}. Its CLS token looks at the digit early, and elsewhere at the end.")

# %% [markdown]
# That is MViT (Fan et al., 2021): it begins with many small tokens and ends with few wide ones, as convolutional
# networks always have. What makes this affordable is one idea, *pooling attention*. You compute it by hand, count what
# it saves, build the model on one page, and then mend a model that mixes scales *in time* and does not know the order
# of its frames.
#
# OBJECTIVES
#
# <details><summary><b>Three questions on lesson 06 first.</b> A mask forbids nine of ten pairs. Which of its
# multiply-adds does an attention save by it?</summary>
# None: all scores are computed, then most are thrown away. Work is saved by not making them.</details>
#
# <details><summary>Windows without a shift, eight blocks deep. Which tokens has a token heard of at the end?</summary>
# Those of its own window, as after the first block. Nothing ever crosses a border.</details>
#
# <details><summary>Fewer pairs or fewer tokens: which of the two makes the MLP cheaper?</summary>
# Fewer tokens. The MLP works on each token by itself and knows nothing of pairs.</details>

# %%
import math
from itertools import groupby

import torch.nn.functional as F
from einops import rearrange
from torch import nn

from videoformer_edu.attention.patterns import Full
from videoformer_edu.attention.pooling import HeadPool, Pooled, PoolingAttention
from videoformer_edu.figures.cube import show_token_cubes
from videoformer_edu.figures.source import show_source
from videoformer_edu.grading.your_turn import your_turn
from videoformer_edu.models import mvit_v1_b, mvit_v2_s
from videoformer_edu.pretrained.small import small_results
from videoformer_edu.tokens import Grid

torch.manual_seed(0)
_ = torch.set_grad_enabled(False)  # nothing is trained in this lesson

# %% [markdown]
# ## 1 · Pool the keys
#
# The house again, wider: two frames of 2 x 4 places, and in frame 1 somebody has opened the door. Each token says how
# *blue* it is and how *wooden*. To keep the numbers small, a token is its own query, key and value.
#
# Neighbours say much the same. So let four of them, 2 rows and 2 columns, share **one** key and one value: their mean.
#
# > **Predict.** The door of frame 0 looks around. How many keys are there, and where does most of its attention go?

# %%
places = ["sky", "roof", "chimney", "cloud", "tree", "wall", "door", "path"]
blue_wood = {"sky": (3, 0), "roof": (0, 2), "chimney": (0, 1), "cloud": (2, 0),
             "tree": (0, 3), "wall": (0, 2), "door": (0, 3), "path": (0, 0)}
grid = Grid(t=2, h=2, w=4)
x = torch.tensor([blue_wood[place] for place in places] * 2).float()  # (l, 2)
x[8 + places.index("door")] = 0  # open
boxes = rearrange(torch.arange(16), "(t h p w q) -> (t h w) (p q)", t=2, h=1, p=2, w=2, q=2)  # (l', 4) tokens of a box
keys = x[boxes].mean(dim=1)  # (l', 2)
door = x[places.index("door")]
shares = (keys @ door / math.sqrt(2)).softmax(dim=0)
for members, key, share in zip(boxes.tolist(), keys.tolist(), shares.tolist(), strict=True):
    print(f"{share:4.0%}  t{members[0] // 8}: " + " + ".join(places[i % 8] for i in members), f" key {key}")

# %% [markdown]
# <details><summary>Compare</summary>Four keys for sixteen tokens, two boxes a frame. The two left boxes hold most
# wood, so each gets 45 %. The door does not find itself any more: its own box is half path and cloud, and gets 9 %.
# That is the price of pooling keys, and this is a very small house.</details>
#
# What softmax sees is easy to say. The dot product is linear, so the score with a mean is **the mean of the four
# scores**:
#
# $$q \cdot \tfrac14 (k_0 + k_1 + k_2 + k_3) = \tfrac14 (q \cdot k_0 + q \cdot k_1 + q \cdot k_2 + q \cdot k_3).$$
#
# **Your turn.** Pool the tokens of any grid by the mean over `p x q` places of a frame.

# %% tags=["your_turn"]
def pool(x, grid, p, q):
    """x (t*h*w, d), time slowest -> (t * h/p * w/q, d)."""
    # BEGIN SOLUTION
    boxes = rearrange(x, "(t h p w q) d -> (t h w) (p q) d", t=grid.t, h=grid.h // p, p=p, q=q)
    return boxes.mean(dim=1)
    # END SOLUTION


many = torch.randn(3 * 4 * 6, 5)
expected = F.avg_pool3d(many.T.reshape(1, 5, 3, 4, 6), (1, 2, 3)).flatten(2)[0].T
your_turn(pool(many, Grid(3, 4, 6), 2, 3), expected,
          "Cut h into (h p) and w into (w q), keep the order (t h w) of what is left, and average over p and q.")

# %% [markdown]
# The cube says it without numbers: one token looks at everything; then the keys of every frame are pooled by 2 x 2,
# then by 4 x 4. The query keeps its size.
#
# MViT does not take the mean. It *learns* how to pool: a convolution of 3 x 3 x 3 that moves on by the stride, one
# filter for each channel of a head (depthwise), the same for all heads, and then a norm. Its code stands below the
# cubes.

# %%
show_token_cubes({"every key": Full(), "one key for 2 x 2": Pooled((1, 2, 2)), "one key for 4 x 4": Pooled((1, 4, 4))},
                 Grid(t=4, h=8, w=8), (1, 2, 5),
                 caption="Everybody is still heard, but in fewer and larger pieces. In time nothing is pooled.")
show_source(HeadPool.forward)

# %% [markdown]
# A mean over 2 x 2 is one of the filters that it could learn, and CLS is set aside: it goes round the convolution. Test
# both.
#
# ### Where this breaks: CLS among the patches
#
# And forget to set CLS aside: the first `t*h*w` tokens of the sequence are reshaped into the grid. The shapes fit. No
# error.
#
# > **Predict.** Which tokens are in box 0 then?

# %%
learned = HeadPool(stride=(1, 2, 2), channels=2)
learned.conv.weight.zero_()
learned.conv.weight[:, :, 1, 1:, 1:] = 1 / 4  # this frame, this row and the next, this column and the next
learned.norm = nn.Identity()  # to see what was pooled
cls = torch.tensor([[7.0, 7.0]])
pooled, its_grid = learned(torch.cat([cls, x])[None, :, None], grid)  # (b, head, 1 + l', e)
print(f"{tuple(its_grid)}; CLS is {pooled[0, 0, 0].tolist()}, the boxes are off from the means by "
      f"{(pooled[0, 0, 1:] - keys).abs().max().item():.6f} at most, rounding allows 0.00001")
assert (pooled[0, 0, 1:] - keys).abs().max() < 1e-5 and torch.equal(pooled[0, 0, :1], cls)
sequence = ["CLS"] + [f"t{i // 8} {place}" for i, place in enumerate(places * 2)]
for box, members in enumerate(boxes.tolist()):
    print(f"box {box}: " + " + ".join(sequence[i] for i in members))
print("in no box:", sequence[16])

# %% [markdown]
# <details><summary>Compare</summary>CLS, sky, cloud and tree. CLS has become a patch, every token sits one place too
# far to the right, the end of each row is the beginning of the next, and a patch of frame 0 has slipped into frame
# 1.</details>
#
# ## 2 · Keys and values alone, or the queries, too?
#
# MViT-B takes 16 frames of 224 x 224 pixels and begins with tokens of 4 x 4 pixels: 25,088 of them, 96 channels each.
# Three ways to do the first attention and its MLP:
#
# > **Predict.** Nothing pooled makes 629 million pairs. Pool keys and values by 8 x 8: how many are left? Then pool the
# > queries by 2 x 2 as well: what gets cheaper now that did not before? And by how much does the *time* of an attention
# > fall, measured here on a quarter of the tokens?

# %%
first, d = Grid(t=8, h=56, w=56), 96
print(f"{'':<28}{'pairs, M':>10}{'scores, G':>11}{'projections, G':>16}{'MLP, G':>8}{'tokens out':>12}")
for name, pattern in (("nothing pooled", Full()), ("keys and values by 8 x 8", Pooled((1, 8, 8))),
                      ("queries by 2 x 2, too", Pooled((1, 8, 8), (1, 2, 2)))):
    pairs, out = pattern.pairs(first), pattern.groups(first).numel()
    scores, projections, mlp = 2 * pairs * d, 3 * first.l * d**2 + out * d**2, 8 * out * d**2
    print(f"{name:<28}{pairs / 1e6:>10.1f}{scores / 1e9:>11.2f}{projections / 1e9:>16.2f}{mlp / 1e9:>8.2f}{out:>12,}")
from time import process_time

quarter = Grid(t=8, h=28, w=28)
tokens, seconds = torch.randn(1, quarter.l, d), {}
for kv in (1, 4, 8):
    attention = PoolingAttention(width=d, heads=1, kv_stride=(1, kv, kv))
    attention(tokens, quarter)  # once to warm up
    start = process_time()
    attention(tokens, quarter)
    seconds[kv] = process_time() - start
    print(f"one key for {kv} x {kv}: {Pooled((1, kv, kv)).pairs(quarter) / 1e6:5.1f} M pairs, "
          f"ms, here: {1000 * seconds[kv]:.0f}")
assert seconds[8] < seconds[1] / 2

# %% [markdown]
# <details><summary>Compare</summary>64 times fewer pairs. Pooling <b>keys and values</b> makes the attention cheap and
# leaves the sequence as long as it was: the MLP still pays for 25,088 tokens. Pooling <b>queries</b> makes the sequence
# itself shorter, for this MLP and for every block after it. That is why keys are pooled everywhere, and queries only
# where a new stage begins.</details>
#
# The measured time falls, though by less than the pairs do: projections and convolutions stay.
#
# ## 3 · The pyramid and its bill
#
# Four stages. From one to the next, rows and columns halve, and channels and heads double, so a head is 96 channels
# wide throughout. Keys are pooled by 8, 4, 2 and 1.
#
# > **Predict.** 25,088 tokens in the first stage, 392 in the last. Which of the four stages costs most?

# %%
from videoformer_edu.cost.multiscale import mvit_bill, outside
from videoformer_edu.figures.pyramid import StageBill, show_pyramid


def by_stage(bill):
    """Blocks -> stages: the grids and width of the last block, the cost of all."""
    stages = [list(blocks) for _, blocks in groupby(bill, key=lambda block: block.stage)]
    return [StageBill(blocks[-1].queries, blocks[-1].keys, blocks[-1].width, len(blocks),
                      sum(block.macs for block in blocks)) for blocks in stages]


mvit_b = by_stage(mvit_bill(version=1))
show_pyramid(mvit_b, caption="MViT-B: as high as the grid, as deep as the channels; the amber bar is the share of the "
                             "blocks' multiply-adds (G: billions).")
assert mvit_b[2].macs > sum(one.macs for i, one in enumerate(mvit_b) if i != 2)

# %% [markdown]
# <details><summary>Compare</summary>The third, with 59 %. Not because a block there is dear (each costs 3.7 G, the
# first block 6.1), but because there are eleven of them. Four times fewer tokens with twice the channels: a
# projection costs <i>the same</i> in every stage, as 1/4 · 2² = 1. So depth can be put where it is useful, and the
# paper puts it where tokens are as large as ViT's patches, 16 x 16 pixels.</details>
#
# Is the sum the published number? And what would the pyramid cost without its pooled keys?

# %%
from videoformer_edu.cost import count_macs

for name, make, version, paper in (("MViT-B 16x4", mvit_v1_b, 1, 70.5), ("MViTv2-S 16x4", mvit_v2_s, 2, 64.5)):
    with torch.device("meta"):
        counted = count_macs(make(), 1, 3, 16, 224, 224)
    total = sum(block.macs for block in mvit_bill(version=version)) + outside()
    print(f"{name:<14} closed form {total / 1e9:.2f} G, counted in the module {counted / 1e9:.2f} G, paper {paper} G")
    assert total == counted and abs(total / 1e9 / paper - 1) < 0.01
whole = sum(block.macs for block in mvit_bill(version=1, kv_stride=(1, 1, 1)))
times = whole / sum(s.macs for s in mvit_b)
print(f"MViT-B with one key for each token: {whole / 1e9:.0f} G, {times:.1f} times as much; at least 3 times")
assert times > 3

# %% [markdown]
# ## 4 · Version 1 and version 2
#
# MViTv2 (Li et al., 2022) has the same pyramid and changes what is around it.
#
# | | version 1 | version 2 |
# |---|---|---|
# | where is a token? | tables of space, time and CLS, added once | distances along t, h and w, in each attention |
# | queries pass a convolution | where a stage begins | in every block (stride 1 within a stage) |
# | channels double in | the MLP of a stage's last block | the attention of a stage's first block |
# | after the attention | – | the pooled queries are added |
#
# The picture is one block of each, where a stage begins; below it the whole of it, both versions, as the package has
# it. Find the lines that belong to version 2 alone.

# %%
from videoformer_edu.figures.architecture import Stage, show_architecture

v1 = ("tokens 25,088 x 192", Stage("norm"), Stage("joint", "tokens 6,272 x 192", text="pooling attention"),
      Stage("pool", text="+ max-pooled input"), Stage("norm"), Stage("mlp", "tokens 6,272 x 192", residual=True))
v2 = ("tokens 25,088 x 96", Stage("norm"), Stage("joint", "tokens 6,272 x 192", text="pooling attention"),
      Stage("pool", text="+ input, widened and max-pooled"), Stage("norm"),
      Stage("mlp", "tokens 6,272 x 192", residual=True))
show_architecture({"version 1": v1, "version 2": v2}, here="pooling attention",
                  caption="The first block of stage 1. In version 1 the tokens came in with 192 channels: the MLP of "
                          "the block before had doubled them. In version 2 this attention doubles them. What is added "
                          "is pooled as the queries are, so that both lie on one grid.")
from videoformer_edu.models.mvit import MultiscaleBlock

show_source(PoolingAttention.forward, MultiscaleBlock.forward)

# %% [markdown]
# <details><summary>Compare</summary>In the attention the line with <code>self.relative</code>, and the two with
# <code>self.residual</code>. In the block, <code>attention_skip</code> is there in version 2 only,
# <code>mlp_skip</code> in version 1 only. Note what both skips widen: the <em>normed</em> input. That is no slip of
# ours; the published weights need it.</details>
#
# ### Residual pooling
#
# $$Z = \text{softmax}\!\left(\tfrac{QK^\top}{\sqrt e}\right) V + Q$$
#
# > **Predict.** An attention that has learnt nothing yet spreads evenly over all keys. How different are the tokens
# > that leave it, without $+\,Q$ and with it?

# %%
for residual in (False, True):
    torch.manual_seed(1)
    attention = PoolingAttention(width=16, heads=2, kv_stride=(1, 2, 2), q_stride=(1, 2, 2), residual=residual)
    attention.pool_k.norm.weight.zero_()  # all keys alike: every query gives every key the same share
    out, its_grid = attention(torch.randn(1, 4 * 8 * 8, 16), Grid(4, 8, 8))
    spread = out[0].std(dim=0).mean().item()
    print(f"+ Q {residual!s:<5}: {its_grid.l} tokens leave, they differ by {spread:.3f}, "
          f"bound: {'at least 0.1' if residual else 'at most 0.00001'}")
    assert spread > 0.1 if residual else spread < 1e-5

# %% [markdown]
# <details><summary>Compare</summary>Without it, all tokens are one and the same mean. With it, each keeps what it was.
# (The block's own residual keeps it, too, but max-pooled, and not through this attention's projection.)</details>
#
# ### Decomposed relative positions
#
# Version 2 adds to each score how much the query likes the *distance* to the key. A vector for every distance in three
# axes at once would be many; so there is one table for each axis, and their rows are added:
#
# $$\text{score}_{ij} = \frac{q_i \cdot k_j}{\sqrt e}
# + q_i \cdot (R^t_{t_i - t_j} + R^h_{h_i - h_j} + R^w_{w_i - w_j}).$$
#
# The query here is the *pooled* one, and it is not divided by $\sqrt e$.
#
# **Your turn.** The added part for one query, on a grid where queries and keys are equally fine. Row `size - 1` of a
# table stands for distance 0.

# %% tags=["your_turn"]
from videoformer_edu.attention.distances import RelativePositions

small = Grid(t=3, h=4, w=5)
relative = RelativePositions(sizes=small, width=6, std=1.0)
tables = [part.table for part in (relative.t, relative.h, relative.w)]  # (2 * size - 1, e) each


def liked(q, place, other):
    """q (e,), the query at place (t, h, w), a key at other (t, h, w) -> a number."""
    # BEGIN SOLUTION
    rows = [size - 1 + i - j for size, i, j in zip(small, place, other, strict=True)]
    return q @ sum(table[row] for table, row in zip(tables, rows, strict=True))
    # END SOLUTION


q = torch.randn(1, 1, small.l, 6)
bias = relative(q, small, small).reshape(*small, *small)
your_turn(liked(q[0, 0, 33], (1, 2, 3), (2, 0, 4)), bias[1, 2, 3, 2, 0, 4],
          "Along each axis the row is size - 1 + (query - key); add the three rows, then take the dot product with q.")

# %%
rows, joint = sum(2 * size - 1 for size in (8, 14, 14)), math.prod(2 * size - 1 for size in (8, 14, 14))
print(f"8 x 14 x 14 places: {rows} rows in three tables, {joint:,} in one joint table")
fine, coarse = torch.arange(8)[:, None], torch.arange(4)
print("rows for queries twice as fine as the keys:")
print((fine + (3 - coarse) * 8 // 4).tolist()[:2], "...")
from videoformer_edu.models.mvit import pyramid

for version in (1, 2):
    rows = pyramid(version=version, stages=(1, 2, 11, 2), grid=first, width=96, heads=1, q_stride=(1, 2, 2),
                   kv_stride=(1, 8, 8))
    print(f"version {version}, channels in -> after the attention -> after the MLP:",
          *(f"block {i}: {rows[i].width} -> {rows[i].attention} -> {rows[i].out}" for i in (0, 1, 2, 3)), sep="\n  ")

# %% [markdown]
# 69 rows instead of 10,935. Where keys are pooled harder than queries, neighbouring keys are two rows apart: distances
# are counted on the finer of the two grids. And because a distance knows no beginning and no end, version 2 has no
# table of places at all.
#
# ## 5 · Is it the published model?
#
# Two small MViTs were made with torchvision, version 1 and 2, with random weights in every tensor; their files and
# their answers lie in the package. Ours loads them. The last line asks the trained MViT of the course about shuffled
# frames.

# %%
from safetensors.torch import load_file

from videoformer_edu.models import MViT
from videoformer_edu.pretrained import load_pretrained, reference_checkpoint

for version in (1, 2):
    folder = reference_checkpoint(f"mvit_v{version}")
    ours = MViT(version=version, frames=6, image_size=32, width=8, stages=(1, 2), kv_stride=(1, 4, 4), classes=5).eval()
    loaded, theirs = load_pretrained(ours, folder).loaded, load_file(folder / "answer.safetensors")
    off = (ours(theirs["video"]) - theirs["logits"]).abs().max().item()
    print(f"version {version}: {loaded} of {len(ours.state_dict())} tensors loaded, logits off by {off:.4f}, "
          "rounding allows 0.0001")
    assert off < 1e-4 and loaded == len(ours.state_dict())
mvit_row = small_results()["mvit"]
accuracy, shuffled = mvit_row["over_seeds"]["accuracy"][0], mvit_row["probes"]["shuffled_accuracy"]
print(f"the course's MViT: {accuracy:.1%} of the directions, {shuffled:.0%} with its frames shuffled")
assert accuracy > 0.98 and shuffled < 0.7

# %% [markdown]
# Published weights load in the same way: `build("mvit_v2_s", pretrained=...)` takes torchvision's, SlowFast's and
# PyTorchVideo's files. On Kinetics-400, MViT-B 16x4 is at 78.4 % for 70.5 G a view and MViTv2-S 16x4 at 81.0 % for
# 64.5 G ([model zoo](https://github.com/facebookresearch/SlowFast)); ViViT-B in lesson 05 paid
# 284 to 455 G for 78.8 to 80.0.
#
# One more number from the paper answers a question of this course. Shuffle the frames at the test: ViT-B goes from 68.5
# to 68.4 %, MViT-B from 77.2 to 70.1 (Fan et al., 2021, table 9). The flat model had not used the order of its frames
# at all. Ours was trained on clips where only order tells, and loses half of its answers.

# %% [markdown]
# ## 6 · Which scale saw it?
#
# `record_attention` keeps, with each map, the grid of its queries *and* the grid of its keys. In MViT they differ.
#
# > **Predict.** The small display model: 8 frames of 64 x 64 pixels, three stages, keys pooled by 4 x 4 at first. How
# > many queries and how many keys has a frame in each of its four blocks? And a map of 4 x 4 boxes, enlarged smoothly
# > as most tools do it: how much of the attention moves into the wrong boxes?

# %%
with record_attention(display) as seen:
    display(films[index:index + 1])
for name, m in seen.items():
    patch, box = 64 // m.grid.h, 64 // m.key_grid.h
    print(f"{name:<20} {m.probabilities.shape[2]} heads, {m.grid.h:>2} x {m.grid.w:<2} queries of {patch:>2} pixels, "
          f"{m.key_grid.h} x {m.key_grid.w} keys of {box:>2} pixels")
look = seen["blocks.0.attention"].cls_looks()[0].mean(0)  # (t, h', w'): 4 x 4 keys a frame
true = look.repeat_interleave(16, 1).repeat_interleave(16, 2) / 256  # (t, 64, 64): each share spread over its own box
smooth = F.interpolate(look[None], scale_factor=16, mode="bilinear")[0]
smooth = smooth * true.sum() / smooth.sum()
moved = (smooth - true).clamp(min=0).sum() / true.sum()
best = look.flatten().argmax().item()
kept = smooth.reshape(4, 4, 16, 4, 16).sum((2, 4)).flatten()[best] / look.flatten()[best]
print(f"enlarged smoothly, {moved:.0%} of the attention is on other pixels; the strongest box keeps {kept:.0%}")
assert moved > 0.05 and kept < 0.95

# %% [markdown]
# <details><summary>Compare</summary>16, 8, 4, 4 queries a side, and 4, 8, 8, 4 keys. A stage's first block pools its
# queries, but its keys come from the tokens that came in, which are still finer: so there, and only there, a query sees
# keys as small as itself or smaller. MViT-B has 14 x 14 keys in those blocks and 7 x 7 in all others.</details>
#
# So the map of block 0 is **4 x 4 boxes of 16 pixels**, and is drawn as that here, with hard edges: the smooth picture
# looks better and shows shares that no key was given. Below you choose a block and a head and click a patch: it is
# marked at its size, and what it looks at is drawn at theirs.

# %%
from videoformer_edu.data.motion.rendering import coverage
from videoformer_edu.widgets import scales_explorer

side = torch.full((1, 8), 27.0)  # pixels of the digit's square, on average
digit = coverage(large.position[index:index + 1], side, (16, 16), 64, torus=True)[0] > 0.5  # (t, h, w) on a fine grid
scales_explorer(film, seen, digit=digit, start=(0, 2, 13),
                alt="Eight frames in which a digit moves over a photograph. A marked patch of 4 pixels in the first "
                    "frames looks at boxes of 16 pixels.")

# %% [markdown]
# What is coarse in block 0 is *whom a token hears*, not what it says: its own 4 x 4 pixels stay with it by the
# residual. In block 3 it is the other way round: 16 tokens a frame, each heard exactly.
#
# ### Where this breaks: a map with the wrong grid
#
# 64 keys, 256 queries: a map unfolded with the queries' grid fails loudly. In version 1 or with other strides the two
# may have equally many tokens in another order, and then nothing fails. Ask for `m.key_grid`, not for a number.
#
# ## 7 · Features instead of classes
#
# ### How do I get features instead of classes, and in which order do their tokens come?
#
# That is what users of multiscale models ask most ([hiera#4](https://github.com/facebookresearch/hiera/issues/4),
# [#31](https://github.com/facebookresearch/hiera/issues/31),
# [SlowFast#200](https://github.com/facebookresearch/SlowFast/issues/200)). `model.features(video)` gives one vector for
# a clip: here the normed CLS. For a *map* of features, run the blocks and unfold what leaves them by the grid that
# leaves with it. The order is `(t h w)`, time slowest, after CLS:

# %%
def feature_maps(model, video):
    """-> block -> (b, t, h, w, d); version 2 (version 1 adds its tables of positions first)."""
    x, grid = model.embed(video)
    x = torch.cat([model.cls.expand(len(x), -1, -1), x], dim=1)  # (b, 1 + l, d)
    maps = {}
    for i, block in enumerate(model.blocks):
        x, grid = block(x, grid)
        maps[f"block {i}"] = rearrange(x[:, 1:], "b (t h w) d -> b t h w d", t=grid.t, h=grid.h, w=grid.w)
    return maps


for name, map_of in feature_maps(display, films[:2]).items():
    print(name, tuple(map_of.shape))

# %% [markdown]
# Is that order right, or does it merely fit? Shapes cannot tell: test it with a lit token. Wipe one small square out of
# the clip and see which token changes most.

# %%
dark = films[index:index + 1].clone()
dark[:, :, 4:6, 8:16, 40:48] = 0  # step 2; rows 8 to 15, columns 40 to 47
before, after = feature_maps(display, films[index:index + 1]), feature_maps(display, dark)
for name in before:
    change = (after[name] - before[name])[0].norm(dim=-1)  # (t, h, w)
    t, h, w = change.shape
    step, row, column = (int(i) for i in torch.unravel_index(change.argmax(), change.shape))
    wrong = rearrange(change, "t h w -> (t h w)").reshape(h, w, t).permute(2, 0, 1)  # read as (h w t)
    off = tuple(int(i) for i in torch.unravel_index(wrong.argmax(), wrong.shape))
    print(f"{name}: step {step}, pixel rows from {64 // h * row}, columns from {64 // w * column}; "
          f"read as (h w t): step {off[0]}, rows from {64 // h * off[1]}, columns from {64 // w * off[2]}")
    if name == "block 0":
        assert step == 2 and 64 // h * row in range(4, 17) and 64 // w * column in range(36, 49)

# %% [markdown]
# The right order finds the square in every stage, to within a token (the filters reach over borders). The wrong one
# finds it nowhere, without a complaint. (Hiera's pretraining model
# keeps its tokens in another order, unit by unit; its authors' advice in #31 is to ask for `return_intermediates=True`,
# which puts them back.)
#
# **Which stage to take?** Measure it. The mean over the places of a stage is one vector a clip. Take 256 clips, the
# mean vector of each class, and call new clips by the nearest: no training at all.
#
# > **Predict.** At which block is the direction known (a guess: 12 %)? And which digit it is (a guess: 10 %)?

# %%
from videoformer_edu.data.motion import motion_batch


def vectors(batch):
    """Block -> (b, d), the mean over all places of its map."""
    maps = feature_maps(display, normalise(batch.clips, MOTION_PIXELS))
    return {name: map_of.mean(dim=(1, 2, 3)) for name, map_of in maps.items()}


known, asked, right = motion_batch(256, seed=3, size=64), motion_test_set(128, size=64), {}
train, test = vectors(known), vectors(asked)
for name in train:
    mean, std = train[name].mean(0), train[name].std(0)  # each channel is standardised
    for what in ("direction", "digit"):
        classes = getattr(known, what)
        centres = torch.stack([((train[name] - mean) / std)[classes == c].mean(0) for c in classes.unique()])
        nearest = classes.unique()[torch.cdist((test[name] - mean) / std, centres).argmin(1)]
        right[name, what] = (nearest == getattr(asked, what)).float().mean().item()
    print(f"{name}: direction {right[name, 'direction']:4.0%}, digit {right[name, 'digit']:4.0%}")
assert right["block 3", "direction"] > 0.9 and right["block 3", "digit"] < 0.3

# %% [markdown]
# <details><summary>Compare</summary>The direction is there after block 1. Which digit it is was never asked for, and no
# block has it. Features are as good as what they were trained for: take the <b>last</b> map for the task of
# the training, an earlier and finer one for where things are, and measure.</details>
#
# ### Other widths, windows and depths than the named ones?
#
# The constructor takes `width`, `heads`, `stages`, `q_stride`, `kv_stride`, `frames` and `image_size`; `mvit_bill` says
# what they cost before you train. Weights load where shapes agree, and tables of positions are resized
# ([Video-Swin#99](https://github.com/SwinTransformer/Video-Swin-Transformer/issues/99) asks for the like).
#
# ## 8 · Which of the extras are needed at all?
#
# Hiera (Ryali et al., 2023) asked that of MViTv2-L, taking one thing after the other away, but with a strong
# pretraining (a masked autoencoder, lesson 10) in place of training with labels. Kinetics-400 accuracy and clips a
# second on an A100 (table 1):
#
# | | accuracy, % | clips / s |
# |---|--:|--:|
# | MViTv2-L, trained with labels alone | 80.5 | 20.5 |
# | pretrained; absolute in place of relative positions | 85.3 | 20.7 |
# | max-pooling in place of convolutions | 84.1 | 10.4 |
# | no pooling of stride 1 | 84.3 | 26.2 |
# | pooling that does not overlap | 85.5 | 29.4 |
# | no residual pooling ($+\,Q$) | 85.5 | 29.8 |
# | windows in place of pooled keys and values | 85.5 | 40.8 |
#
# What is left is a plain transformer whose **queries are pooled** where a stage begins. The extras had taught the model
# what neighbourhood is; pretraining teaches it better. The pyramid stays.
#
# Ours are trained with labels alone, on a task of one digit, three seeds each (`docs/experiments.md`). The last line is
# the bill of the same model without its pyramid.

# %%
results = small_results()


def on_record(name, key="accuracy"):
    """Mean over the seeds, and the lowest and highest, in per cent."""
    mean, low, high = results[name]["over_seeds"][key]
    return f"{100 * mean:5.1f} ({100 * low:.1f} to {100 * high:.1f})"


for name, words in (("mvit", "version 2"), ("mvit_version_1", "version 1, none of its extras")):
    row = results[name]
    print(f"{words:<34}{row['macs'] / 1e6:5.1f} M multiply-adds, accuracy {on_record(name)}")
    assert row["over_seeds"]["accuracy"][1] > 0.97
course = dict(version=2, frames=8, image_size=32, width=32, stages=(1, 1, 2), kv_stride=(1, 4, 4), mlp_ratio=2.0)
flat = sum(block.macs for block in mvit_bill(q_stride=(1, 1, 1), **course))
print(f"{'version 2, queries never pooled':<34}{flat / 1e6:5.1f} M multiply-adds, not trained")

# %% [markdown]
# Version 1 has no relative positions and no residual pooling, and it solves the task as well; the difference is smaller
# than that between seeds. What cannot be left out is the pooling of queries: without it the same model would cost more
# than four times as much.
#
# ## 9 · The whole model on one page
#
# You have all the pieces. Four cells, and the weights of the course's MViT load into them: **the pooling**, with CLS
# set aside; **the attention** of version 2, three poolings, softmax with the distances added, and $+\,Q$; **the
# block**, in which what is added is max-pooled onto the queries' grid, and widened from the normed input where channels
# double; and **the model**, an embedding whose boxes overlap, CLS, the blocks of the pyramid, a norm and a head. No
# positions: the distances are in the attentions.

# %%
class MyPool(nn.Module):
    def __init__(self, channels, stride):
        super().__init__()
        self.conv = nn.Conv3d(channels, channels, 3, stride, padding=1, groups=channels, bias=False)
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x, grid):
        """x (b, head, 1 + l, e) -> (b, head, 1 + l', e) and the grid that is left."""
        b, heads = x.shape[:2]
        cls, patches = x[:, :, :1], x[:, :, 1:]
        patches = rearrange(patches, "b n (t h w) e -> (b n) e t h w", t=grid.t, h=grid.h, w=grid.w)
        patches = self.conv(patches)  # the heads lie in the batch: one filter for all of them
        patches, left = rearrange(patches, "(b n) e t h w -> b n (t h w) e", n=heads), Grid(*patches.shape[2:])
        return self.norm(torch.cat([cls, patches], dim=2)), left

# %%
class MyAttention(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        wide, self.heads = sizes.attention, sizes.heads
        e = wide // self.heads
        self.qkv, self.proj = nn.Linear(sizes.width, 3 * wide), nn.Linear(wide, wide)
        self.pool_q, self.pool_k, self.pool_v = (MyPool(e, stride) for stride in (
            sizes.q_stride, sizes.kv_stride, sizes.kv_stride))
        self.relative = RelativePositions(sizes=sizes.grid, width=e, std=0.02)

    def forward(self, x, grid):
        q, k, v = rearrange(self.qkv(x), "b l (three n e) -> three b n l e", three=3, n=self.heads)
        (q, queries), (k, keys), (v, _) = self.pool_q(q, grid), self.pool_k(k, grid), self.pool_v(v, grid)
        scores = q @ k.mT / math.sqrt(q.shape[-1]) + self.relative(q, queries, keys)
        out = scores.softmax(dim=-1) @ v
        out[:, :, 1:] += q[:, :, 1:]  # residual pooling, CLS left out
        return self.proj(rearrange(out, "b n l e -> b l (n e)")), queries

# %%
class MyBlock(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        wide, self.stride = sizes.attention, sizes.q_stride
        self.attention_norm, self.mlp_norm = (nn.LayerNorm(d, eps=1e-6) for d in (sizes.width, wide))
        self.attention = MyAttention(sizes)
        self.attention_skip = nn.Linear(sizes.width, wide) if sizes.width != wide else None
        self.mlp = nn.Sequential(nn.Linear(wide, 2 * wide), nn.GELU(), nn.Linear(2 * wide, wide))

    def forward(self, x, grid):
        normed = self.attention_norm(x)
        update, left = self.attention(normed, grid)
        skip = self.attention_skip(normed) if self.attention_skip else x
        if self.stride != (1, 1, 1):
            patches = rearrange(skip[:, 1:], "b (t h w) d -> b d t h w", t=grid.t, h=grid.h, w=grid.w)
            patches = F.max_pool3d(patches, (1, 3, 3), self.stride, padding=(0, 1, 1)).flatten(2).mT
            skip = torch.cat([skip[:, :1], patches], dim=1)
        x = skip + update
        return x + self.mlp(self.mlp_norm(x)), left

# %%
class MyMViT(nn.Module):
    def __init__(self):
        super().__init__()
        table = pyramid(version=2, stages=(1, 1, 2), grid=Grid(4, 8, 8), width=32, heads=1, q_stride=(1, 2, 2),
                        kv_stride=(1, 4, 4))
        self.embed = nn.ModuleDict({"proj": nn.Conv3d(3, 32, (3, 7, 7), (2, 4, 4), padding=(1, 3, 3))})
        self.cls = nn.Parameter(torch.zeros(1, 1, 32))
        self.blocks = nn.ModuleList(MyBlock(sizes) for sizes in table)
        self.norm, self.head = nn.LayerNorm(128, eps=1e-6), nn.Linear(128, 8)

    def forward(self, video):
        x = self.embed["proj"](video)  # (b, d, t, h, w)
        grid = Grid(*x.shape[2:])
        x = torch.cat([self.cls.expand(len(x), -1, -1), x.flatten(2).mT], dim=1)
        for block in self.blocks:
            x, grid = block(x, grid)
        return self.head(self.norm(x[:, 0]))

# %%
mine, theirs = MyMViT().eval(), load_small("mvit")
print(mine.load_state_dict(theirs.state_dict(), strict=True))
test = motion_test_set(256)
clips, direction = normalise(test.clips, MOTION_PIXELS), test.direction
difference = (mine(clips) - theirs(clips)).abs().max().item()
right = (mine(clips).argmax(1) == direction).float().mean().item()
print(f"the logits differ by {difference:.3f}, rounding allows 0.001; accuracy {right:.0%}, above 95 %")
assert difference < 1e-3 and right > 0.95

# %% [markdown]
# Ninety lines, and every tensor of the trained model found its place.
#
# ## 10 · Two pathways: a model that mixes scales in time
#
# There is another way to look at several scales: twice at the same clip, at two *frame rates*. SlowFast (Feichtenhofer
# et al., 2019) reads a few frames with many channels (what is there) and all frames with few (how it moves). The course
# text from which this course grew has a transformer in that manner; it calls it `MultiScaleViT`, but it is no MViT.
# Here it is in the size of this course:

# %%
from videoformer_edu.models.vit import TransformerBlock


class CourseTextTwoPathway(nn.Module):
    def __init__(self):
        super().__init__()
        self.slow_embed, self.fast_embed = (nn.Conv3d(3, d, (t, 8, 8), (t, 8, 8)) for d, t in ((64, 4), (32, 1)))
        self.slow, self.fast = (nn.ModuleList(TransformerBlock(width=d, heads=heads, mlp_ratio=2.0) for _ in range(2))
                                for d, heads in ((64, 4), (32, 2)))
        self.fusion = nn.MultiheadAttention(64, 4, kdim=32, vdim=32, batch_first=True)
        self.head = nn.Linear(64 + 32, 8)

    def forward(self, x):
        slow = self.slow_embed(x[:, :, ::4]).flatten(2).mT  # every fourth frame, tubelets of four
        fast = self.fast_embed(x).flatten(2).mT
        for slow_block, fast_block in zip(self.slow, self.fast, strict=True):
            slow = slow_block(slow, Grid(1, 1, slow.shape[1]))
            fast = fast_block(fast, Grid(1, 1, fast.shape[1]))
            slow = self.fusion(slow, fast, fast)[0]
        return self.head(torch.cat([slow.mean(dim=1), fast.mean(dim=1)], dim=-1))

# %% [markdown]
# It runs, and it would train. Ask it four questions, with fresh weights.
#
# > **Predict.** (1) Which clips can it take: 8, 16, 32 frames? (2) Shuffle those of 16 frames that the slow pathway
# > does not see: do the logits change? (3) Play the second half of 32 frames before the first: do they change? (4) Give
# > the fusion two different slow pathways and a fast one that says the same everywhere: do its results differ?

# %%
torch.manual_seed(0)
naive = CourseTextTwoPathway().eval()
for frames in (8, 16, 32):
    try:
        naive(torch.randn(1, 3, frames, 32, 32))
        print(f"{frames} frames: {(frames + 3) // 4 // 4} slow steps")
    except RuntimeError as error:
        print(f"{frames} frames: RuntimeError: {str(error).split('.')[0]}")
film16, film32 = torch.randn(1, 3, 16, 32, 32), torch.randn(1, 3, 32, 32, 32)
shuffled = [0, 3, 7, 9, 4, 15, 1, 11, 8, 2, 14, 5, 12, 6, 13, 10]  # 0, 4, 8 and 12 stay
halves = [*range(16, 32), *range(16)]
changes = {"12 of 16 frames shuffled": naive(film16) - naive(film16[:, :, shuffled]),
           "halves of 32 exchanged": naive(film32) - naive(film32[:, :, halves])}
fast, slows = torch.randn(1, 1, 32).expand(1, 64, 32), torch.randn(2, 1, 16, 64)  # 64 fast tokens that say the same
changes["another slow pathway, after the fusion"] = naive.fusion(slows[0], fast, fast)[0] - naive.fusion(
    slows[1], fast, fast)[0]
for what, change in changes.items():
    print(f"{what}: {change.abs().max().item():.6f} apart, rounding allows 0.00001")
    assert change.abs().max() < 1e-5

# %% [markdown]
# <details><summary>Compare</summary><b>It cannot take a short clip</b>: of 8 frames the slow pathway takes two, and its
# tubelet needs four. Of 16 frames it has a single step. <b>And it is blind to order</b>: there is no position anywhere,
# attention treats its tokens as a set, and so does the mean. A story told backwards by halves is the same
# story.</details>
#
# And (4): the fusion has **no residual**. What leaves it is made of fast values alone, so everything the wide slow
# pathway knew is used to choose, and then dropped. One defect more is quieter: `[::4]` never shows the last frames.

# %% [markdown]
# ## 11 · Mended
#
# **Which frames?** SlowFast spreads them from the first to the last, `linspace` and rounded down.
#
# **Your turn.** The slow frames of a clip, one in `alpha`.

# %% tags=["your_turn"]
def spread(frames, alpha):
    """-> (frames // alpha,) whole numbers, from 0 to frames - 1."""
    # BEGIN SOLUTION
    places = torch.linspace(0, frames - 1, frames // alpha)
    return places.long()
    # END SOLUTION


your_turn(spread(32, 4), torch.tensor([0, 4, 8, 13, 17, 22, 26, 31]),
          "torch.linspace takes the first place, the last one and how many; .long() rounds down.")

# %% [markdown]
# **Who meets whom?** Slow step 1 of 2 and fast frame 1 of 8 have nothing to do with each other, though both are called
# 1. What makes them meet is real time: step $i$ of $t$ stands for the part $[i/t, (i+1)/t)$ of the clip, and looks at
# the fast frames whose part overlaps.

# %%
from videoformer_edu.models.slowfast import slow_frames

for frames in (8, 16, 32):
    every, even = list(range(frames))[::4], slow_frames(frames, 4).tolist()
    print(f"{frames:>2} frames: [::4] ends at {every[-1]:>2}, {frames - 1 - every[-1]} are never reached; "
          f"linspace ends at {even[-1]}: {even}")
from videoformer_edu.attention.cross import AlignedTime
from videoformer_edu.figures.cube import keys_of, show_lit_cubes

slow_grid, fast_grid, asks = Grid(2, 4, 4), Grid(8, 4, 4), (1, 2, 1)
meets = {name: keys_of(pattern, slow_grid, asks) for name, pattern in (
    ("by number", AlignedTime(Grid(2, 4, 4))), ("by time", AlignedTime(fast_grid)))}
by_number = torch.zeros(8, 4, 4, dtype=torch.bool)
by_number[1] = True
show_lit_cubes({"by number": by_number, "by time": meets["by time"]}, slow_grid, asks,
               {"by number": "fast frame 1, at the beginning of the clip",
                "by time": f"fast frames {meets['by time'].flatten(1).any(1).nonzero().flatten().tolist()}"},
               caption="Slow step 1 of 2 (blue) and the fast frames that it should look at.")

# %% [markdown]
# **Positions in both**, as functions of real time, so that the same moment has the same sines in either pathway. **A
# residual** around the fusion, and norms of its own. Nothing flows from slow to fast, as in SlowFast. The slow pathway
# is sparse by its *choice of frames*, so its tubelets hold one frame.

# %%
from videoformer_edu.models.two_pathway import Fusion, TwoPathwayTransformer, two_pathway_motion

show_source(Fusion.forward, TwoPathwayTransformer.features)
torch.manual_seed(0)
mended = two_pathway_motion(frames=16, fast_tubelet=1).eval()
print("8 frames:", tuple(mended(torch.randn(1, 3, 8, 32, 32)).shape), "logits; before: an error")
unseen = [0, 3, 7, 9, 4, 5, 1, 11, 8, 2, 10, 6, 12, 14, 13, 15]  # 0, 5, 10 and 15, the slow frames, stay
changes = {"frames shuffled": mended(film16) - mended(film16[:, :, unseen]),
           "halves of 32 exchanged": mended(film32) - mended(film32[:, :, halves])}
fused = [mended.fusions[0](slow, Grid(1, 4, 4), fast, Grid(4, 4, 4)) for slow in slows]
changes["another slow pathway, after the fusion"] = fused[0] - fused[1]
for what, change in changes.items():
    print(f"{what}: {change.abs().max().item():.3f} apart, at least 0.001")
    assert change.abs().max() > 1e-3

# %% [markdown]
# ## 12 · What is the fast pathway worth?
#
# In SlowFast itself: the slow pathway alone reaches 72.6 % on Kinetics-400, the fast one alone 51.7, both without
# connections 73.5, both with them 75.6 (R50, 4 x 16; Feichtenhofer et al., 2019, table 5a). The fast pathway is a fifth
# of the work.
#
# Here: train the mended model on the moving digits, then remove its fast pathway, slow it down, or leave it alone.
# Three seeds each.
#
# > **Predict.** The slow pathway sees frames 0 and 7, the fast one all eight, in tubelets of two. Which of these reach
# > 95 %: both; fast slowed to 4 frames; fast slowed to the slow one's 2; fast with tubelets of 1; slow alone; fast
# > alone?

# %%
rows = (("two_pathway", "both, all 8 frames"), ("two_pathway_fast_4_frames", "fast slowed to 4 frames"),
        ("two_pathway_fast_2_frames", "fast slowed to 2 frames"),
        ("two_pathway_single_frames", "all 8 frames, tubelets of 1"), ("two_pathway_slow_alone", "slow alone"),
        ("two_pathway_fast_alone", "fast alone"))
for name, words in rows:
    row = results[name]
    print(f"{words:<28}{row['parameters']:>8,} parameters {row['macs'] / 1e6:>4.1f} M multiply-adds, "
          f"accuracy {on_record(name)}, axis {on_record(name, 'axis')}")
from videoformer_edu.figures.curves import learning_curves

show(learning_curves({words: [[point[::2] for point in run["curve"]] for run in results[name]["runs"]]
                      for name, words in rows if name != "two_pathway_single_frames"}, guess=1 / 8),
     alt="Validation accuracy against steps. Both together, four frames and the fast pathway alone rise to the top; "
         "two frames and the slow pathway alone stay at a guess.",
     caption="Lowest to highest of three seeds.")

# %% [markdown]
# <details><summary>Compare</summary><b>Here the fast pathway is everything.</b> Alone, narrow as it is, it is as good
# as both together; the slow one alone is at a guess. Slowed to four frames it loses about a point. Slowed to two it is
# at a guess as well: between frames 0 and 7 the digit has moved by 10 to 17 pixels, further than a patch. And with all
# eight frames but one in each token it is at a guess again. So it is not the frame rate that counts, but that two
# frames <em>close in time</em> lie in one token.</details>
#
# That is the opposite of SlowFast's numbers, and no contradiction: Kinetics can mostly be told from what is there, and
# this task was made so that it cannot. What a pathway is worth depends on the question.
#
# And is the *order* of the steps used now, which the mended model can see? The question of lesson 05, section 5: turn
# round the order of the fast tubelets, each untouched.

# %%
STEPS, INSIDE = [6, 7, 4, 5, 2, 3, 0, 1], [1, 0, 3, 2, 5, 4, 7, 6]
model = load_small("two_pathway")
steps = (model(clips[:, :, STEPS]).argmax(1) == direction).float().mean().item()
inside = (model(clips[:, :, INSIDE]).argmax(1) == direction ^ 1).float().mean().item()
print(f"tubelets in reverse order: {steps:.0%} say the same direction; turned round inside: {inside:.0%} the opposite")

# %% [markdown]
# **No.** As in lesson 05, the motion is read inside the tubelets. The mended model *can* see the order of its steps and
# does not need to. Mending makes a thing possible; only a measurement says whether it is used.
#
# ## What goes wrong, and when not to use it
#
# - **CLS among the patches**, when tokens are pooled, unfolded or max-pooled. Set it aside every time.
# - **Two grids.** Queries and keys have grids of their own; maps, distances and skips must each use the right one.
# - **Convolutions cost more than they count.** Depthwise ones are a per cent of the multiply-adds and a good part of
#   the time: our MViT needs more time for 17.5 M multiply-adds than divided attention for 16.4 (`docs/experiments.md`).
#   Hiera is faster because they are gone.
# - **Masked pretraining** wants to leave tokens out; convolutions on a grid want them all. That is the other reason for
#   Hiera.
# - **Small objects, dense answers** (tracking, segmentation): the last stage has 32-pixel tokens. Take maps of earlier
#   stages, too.
# - **Short clips of small pictures**: with 64 tokens there is nothing to save. A plain ViViT is simpler.
# - **Two pathways** where nothing moves fast: then the fast one is a second, worse image model.
#
# ## Exercises
#
# SHEET
#
# They build pooling attention with CLS set aside, the bill of any pyramid, and a fusion that is aligned in time; in the
# end *your* pooling attention runs inside the course's MViT, on its weights.
#
# Two questions to keep you busy on the way:
#
# <details><summary>Keys and values are pooled by 8 x 8 in the first stage and not at all in the last. How many keys
# does a query of MViT-B see, in the first stage and in the last?</summary>
# 8 · 7 · 7 = 392 in both. The pyramid makes queries and keys meet at 7 x 7.</details>
#
# <details><summary>A stage halves rows and columns and doubles channels. What happens to the work of an MLP, and to the
# memory of its activations?</summary>
# The work stays (1/4 of the tokens, 4 times the work a token), the activations halve (1/4 of the tokens, twice as
# wide).</details>
#
# ## Summary
#
# 1. Pool keys and values and attention gets cheap; pool queries and the whole rest of the model does.
# 2. The pyramid is what matters; the extras around it stand in for what pretraining would teach.
# 3. Two frame rates meet in real time, with positions in both, or they do not know that there is time.
#
# **References.** Fan et al. (2021), *Multiscale vision transformers*,
# [arXiv:2104.11227](https://arxiv.org/abs/2104.11227). Li et al. (2022), *MViTv2*,
# [arXiv:2112.01526](https://arxiv.org/abs/2112.01526). Ryali et al. (2023), *Hiera*,
# [arXiv:2306.00989](https://arxiv.org/abs/2306.00989). Feichtenhofer et al. (2019), *SlowFast networks*,
# [arXiv:1812.03982](https://arxiv.org/abs/1812.03982).
