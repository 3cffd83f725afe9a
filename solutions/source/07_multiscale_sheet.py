# %% [markdown]
# You write the attention of MViT and put it into the course's trained model, work out what any pyramid costs, and let
# two frame rates meet where they belong. **You need:** lesson 07, PyTorch, einops or a steady hand with `reshape`, and
# `F.conv3d`.
#
# EXERCISES
#
# How it works: write where it says `...`, run the cell, run the check below it. A check answers *not attempted*,
# *crashed*, *wrong* or *right*, and tells you what it saw. Stuck? Take the `#` away from `# ex1.hint()` and run it;
# there are three hints, one at a time. The sheet runs to its end whatever you have solved.
#
# ### First, three questions on lesson 07
#
# <details><summary>Keys and values are pooled by 8 x 8. What gets cheaper, and what does not?</summary>
#
# The scores and their products with values, by 64. The projections and the MLP work on each token as before: the
# sequence is no shorter. For that, queries have to be pooled.
# </details>
#
# <details><summary>From stage to stage a quarter of the tokens, twice as wide. What becomes of the work of an
# MLP?</summary>
#
# It stays the same: a quarter of the tokens, four times the work for each.
# </details>
#
# <details><summary>A two-pathway model gives the same logits when the halves of a clip are exchanged. What is
# missing?</summary>
#
# Positions. Attention and a mean treat tokens as a set; without a place in time there is no order.
# </details>

# %%
import math

import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.sheets import progress, sheet

torch.manual_seed(0)
ex1, ex2, ex3 = sheet("07")

# %% [markdown]
# Letters as in the whole course: `b` clip, `t h w` steps, rows, columns, `l` all of them, `d` width, `e` width of a
# head. A grid is `(t, h, w)`, and so is a stride.
#
# STATEMENT 07.1
#
# `pool` makes fewer tokens on their grid. CLS is set aside; the patches of each head are filtered by
# `name.conv.weight` `(e, 1, 3, 3, 3)`, one filter for each channel and the same for all heads, with padding 1 and the
# given stride; CLS comes back in front, and `name.norm` is over all of them.
#
# `pooling_attention` is the attention of MViT version 2: `name.qkv` (all queries, all keys, all values, in each third
# head after head), three poolings `name.pool_q`, `name.pool_k`, `name.pool_v`, softmax over keys of the scaled scores
# plus what `distance_scores` gives (its tables are `name.relative`), residual pooling for all but CLS, `name.proj`.
# `linear`, `norm` and `distance_scores` are given.
#
# **Predict.** 2 steps of 4 x 6 places and CLS go in, queries pooled by (1, 2, 2), keys by (1, 4, 4). How many tokens
# come out, and how many keys has each query?
#
# <details><summary>Answer</summary>
#
# 1 + 2 · 2 · 3 = 13 tokens. Keys: 6 columns by 4 make 2 (rounded up), 4 rows make 1, so 2 · 1 · 2 = 4, and CLS.
# </details>

# %%
# GIVEN linear norm

# %%
# GIVEN distance_scores

# %%
# ANSWER pool

# %%
# ANSWER pooling_attention

# %%
ex1.check(pool, pooling_attention)

# %%
# ex1.hint()
# ex1.solution()

# %% [markdown]
# **Milestone: your attention in our MViT.** The course ships a small MViT (version 2) that was trained to tell in which
# of eight directions a digit moves. Here each of its four attentions is taken out and yours is put in, on the same
# weights. It should reach 99 % on the motion test, and name what the package's model names.

# %%
from videoformer_edu.attention.pooling import pooled_grid as grid_after
from videoformer_edu.data.motion import motion_test_set
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.pretrained.small import load_small


class YourAttention(torch.nn.Module):
    def __init__(self, ours):
        super().__init__()
        self.tensors = {f"attention.{name}": tensor for name, tensor in ours.state_dict().items()}
        self.heads, self.q_stride, self.kv_stride = ours.heads, ours.pattern.q_stride, ours.pattern.kv_stride

    def forward(self, x, grid):
        update = pooling_attention(x, self.tensors, "attention", self.heads, tuple(grid), self.q_stride, self.kv_stride)
        return update, grid_after(grid, self.q_stride)

# %%
if ex1.solved:
    test, theirs, yours = motion_test_set(512), load_small("mvit"), load_small("mvit")
    for block in yours.blocks:
        block.attention = YourAttention(block.attention)
    film = normalise(test.clips, MOTION_PIXELS)
    with torch.no_grad():
        answers, same = yours(film).argmax(dim=1), theirs(film).argmax(dim=1)
    right = (answers == test.direction).float().mean().item()
    print(f"yours and the package's name the same direction for {(answers == same).sum().item()} of {len(film)} clips")
    print(f"right: {right:.0%} of the clips, by chance 12.5 %; the milestone is 99 %")
    assert right > 0.985
else:
    print("Here your attention runs inside a trained MViT, once 07.1 is right.")

# %% [markdown]
# STATEMENT 07.2
#
# `pooled_grid` says which grid a padded filter of 3 x 3 x 3 with some stride leaves: sizes are divided and rounded
# *up*.
#
# `blocks_of` lists, for every block of a pyramid, the grid of its queries, the grid of its keys, the width after its
# attention and its heads. `grid` is what the embedding leaves. The first block of each stage but the first pools its
# queries by (1, 2, 2); from that block on, keys are pooled by so much less, `max(1, kv // q)` along each axis. Keys are
# pooled from the tokens that come in, as queries are. Width and heads double from stage to stage.
#
# `block_macs` counts one block of version 2: q, k, v and output projection, the two products with the pairs, the MLP of
# four times the width. `grid` came in at `width_in`; `queries` and `keys` are the grids that meet, `width` is the width
# after the attention. CLS is one token more on every side. Leave out the filters, the distances and the skip.
#
# **Predict.** MViT-B: 8 x 56 x 56 tokens, keys pooled by (1, 8, 8). What are the grids of queries and keys in block 1,
# where stage 1 begins, and in block 2?
#
# <details><summary>Answer</summary>
#
# Block 1: queries 8 x 28 x 28, keys 8 x 14 x 14 (56 by 4). Block 2: queries 8 x 28 x 28, keys 8 x 7 x 7 (28 by 4).
# </details>

# %%
# ANSWER pooled_grid

# %%
# ANSWER blocks_of

# %%
# ANSWER block_macs

# %%
ex2.check(pooled_grid, blocks_of, block_macs)

# %%
# ex2.hint()
# ex2.solution()

# %%
from itertools import groupby

from videoformer_edu.cost.multiscale import mvit_bill

if ex2.solved:
    grid, width, total = (8, 56, 56), 96, 0
    for number, (queries, keys, wide, heads) in enumerate(blocks_of(grid, width, 1, (1, 2, 11, 2), (1, 8, 8))):
        total += block_macs(grid, queries, keys, width, wide)
        if number < 4:
            print(f"block {number}: queries {queries}, keys {keys}, {wide} channels, {heads} heads")
        grid, width = queries, wide
    whole = sum(block.macs for block in mvit_bill(version=2))
    print(f"MViTv2-S: {total / 1e9:.1f} G by your count, {whole / 1e9:.1f} G with filters, distances and skips")
    assert 0.95 < total / whole < 1
else:
    print("Here your pyramid stands with its bill, once 07.2 is right.")

# %% [markdown]
# STATEMENT 07.3
#
# `slow_frames` chooses the frames of the slow pathway: `frames // alpha` of them, spread from the first frame to the
# last as SlowFast does it, rounded down.
#
# `meets` says which steps of two pathways share a moment. Step `i` of `steps` stands for the part
# $[i/\text{steps}, (i+1)/\text{steps})$ of the clip.
#
# `fuse` lets slow tokens look at fast tokens of their moment: `name.slow_norm` and `name.fast_norm`, queries from the
# slow ones by `name.attention.q`, keys and values from the fast ones by `name.attention.kv` (all keys, all values),
# softmax over those fast tokens alone whose step meets, `name.attention.proj`, and the residual.
#
# **Predict.** 3 slow steps, 4 fast ones. Whom does slow step 1 meet?
#
# <details><summary>Answer</summary>
#
# It stands for 1/3 to 2/3. Fast step 1 ends at 1/2 and fast step 2 begins there, so it meets both. Fast steps 0 and 3
# end and begin outside.
# </details>

# %%
# ANSWER slow_frames meets

# %%
# ANSWER fuse

# %%
ex3.check(slow_frames, meets, fuse)

# %%
# ex3.hint()
# ex3.solution()

# %% [markdown]
# **Look at it.** Your fusion on the weights of the course's two-pathway model, beside the package's module.

# %%
from videoformer_edu.tokens import Grid

if ex3.solved:
    model = load_small("two_pathway")
    slow_tokens, fast_tokens = torch.randn(2, 2 * 16, 64), torch.randn(2, 4 * 16, 32)
    fused = fuse(slow_tokens, fast_tokens, model.state_dict(), "fusions.0", 4, 2, 4)
    with torch.no_grad():
        difference = fused - model.fusions[0](slow_tokens, Grid(2, 4, 4), fast_tokens, Grid(4, 4, 4))
    print(f"from the package's module: {difference.abs().max().item():.4f} at most, allowed 0.0001")
    print("slow frames of 32, one in 4:", slow_frames(32, 4).tolist())
    for step, row in enumerate(meets(3, 4)):
        print(f"slow step {step} of 3 meets fast steps {row.nonzero().flatten().tolist()} of 4")
    assert difference.abs().max() < 1e-4
else:
    print("Here your fusion meets the package's, once 07.3 is right.")

# %% [markdown]
# ## Two questions to end with
#
# **Your `pool` lays the heads into the batch. What would change if each head had filters of its own?**
#
# <details><summary>Answer</summary>
#
# The number of filters: head · e in place of e. The work stays, since every channel is filtered once either way.
# </details>
#
# **Slow step 1 of 3 meets two fast steps of 4, slow step 0 of 2 meets two of 4 as well. Which of the four fast steps
# are heard twice?**
#
# <details><summary>Answer</summary>
#
# With 3 slow steps, fast steps 1 and 2: they lie across the borders at 1/3 and 2/3. With 2 slow steps none: 2 divides
# 4, and every border is a border of both.
# </details>
#
# ## How far you are

# %%
progress("07")
