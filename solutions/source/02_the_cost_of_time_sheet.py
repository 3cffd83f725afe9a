# %% [markdown]
# You work out the bill of a clip: its tokens, its pairs, who pays in a block, what has to be in memory. At the end you
# derive four numbers that papers print, and find the longest clip that a budget allows. **You need:** lesson 02, and
# paper and pencil. Everything is whole numbers but one share.
#
# EXERCISES
#
# How it works: write where it says `...`, run the cell, run the check below it. A check answers *not attempted*,
# *crashed*, *wrong* or *right*, and tells you what it saw. Stuck? Take the `#` away from `# ex1.hint()` and run it;
# there are three hints, one at a time. The sheet runs to its end whatever you have solved. A loop that never ends is
# the one thing a check cannot stop: interrupt the kernel (the ■ button).
#
# ### Before you start
#
# Three questions on lesson 02, from memory.
#
# <details><summary>At how many tokens are the pairs half of a block, and how many frames of ViT-B are that?</summary>
#
# At 6d tokens, 4,608: about 24 frames of 196 patches.
# </details>
#
# <details><summary>A paper prints a cost. Which three things must you know before you compare it?</summary>
#
# The unit (multiply-adds or floating-point operations), the number of views, and the clip.
# </details>
#
# <details><summary>Attention is fused. What does training keep, and what of it does dividing save?</summary>
#
# What norms and products were given, about sixteen vectors for each token and block. Dividing saves nothing of it: a
# second attention keeps more.
# </details>

# %%
from videoformer_edu.sheets import progress, sheet

ex1, ex2, ex3, ex4 = sheet("02")

# %% [markdown]
# STATEMENT 02.1
#
# A clip of `frames` x `height` x `width` pixels is cut into boxes of `tubelet` frames and `patch` x `patch` pixels. The
# boxes do not overlap; what does not fill a box is dropped. Three functions:
#
# - `grid_of(...)`: how many boxes there are along time, rows and columns, as `(t, h, w)`;
# - `tokens_of(...)`: how many boxes in all, without CLS;
# - `unseen(...)`: how many pixels of the clip are in no box. Count in one colour.
#
# **Predict.** 9 frames of 32 x 48 pixels, patches of 8, tubelets of 2. Which pixels does nobody see? And with 100 x 100
# pixels and patches of 16: more than a tenth of each frame?
#
# <details><summary>Answer</summary>
#
# Frame 8, all 1,536 pixels of it. With 100 pixels six patches fit, 96; a frame loses 100² − 96² = 784 of 10,000 pixels,
# less than a tenth.
# </details>

# %%
# ANSWER grid_of tokens_of unseen

# %%
ex1.check(grid_of, tokens_of, unseen)

# %%
# ex1.hint()
# ex1.solution()

# %% [markdown]
# **Look at it.** The package's own embeddings cut the same clips. The first card: **1,568**.

# %%
import torch

from videoformer_edu.tokens import PatchEmbed, TubeletEmbed

if ex1.solved:
    with torch.device("meta"):
        for count, embed in ((8, PatchEmbed(patch_size=16, width=768)),
                             (32, TubeletEmbed(tubelet_size=2, patch_size=16, width=768))):
            found = embed(torch.empty(1, 3, count, 224, 224))[1]
            yours = grid_of(count, 224, 224, 16, 1 if count == 8 else 2)
            print(f"{count:>2} frames: yours {tuple(yours)}, the package's {tuple(found)}, {found.l:,} tokens")
else:
    print("Here your grid meets the package's, once 02.1 is right.")

# %% [markdown]
# STATEMENT 02.2
#
# Three functions:
#
# - `pairs(t, h, w)`: the query-key pairs of four patterns on t frames of h x w patches, as `(joint, space, time,
#   axial)`. In *axial* attention a token looks along time, then along its column, then along its row: three attentions,
#   and the pairs of all three count. A token also looks at itself, in every attention anew.
# - `block_macs(tokens, looks, d, ratio)`: the multiply-adds of a block whose attention has `looks` pairs. Four maps of
#   d x d; scores; the weighed mean of the values; an MLP to `ratio * d` numbers and back. No biases, softmax or norms.
# - `share_of_pairs(tokens, d, ratio)`: in a joint block, the multiply-adds of scores and mean, divided by those of the
#   block. A number from 0 to 1.
#
# **Predict.** Twice as wide a model, the same clip. Does the share of the pairs grow, shrink, or stay?
#
# <details><summary>Answer</summary>
#
# It shrinks: the maps grow with d², the pairs with d.
# </details>

# %%
# ANSWER pairs block_macs share_of_pairs

# %%
ex2.check(pairs, block_macs, share_of_pairs)

# %%
# ex2.hint()
# ex2.solution()

# %%
from videoformer_edu.attention.patterns import Axial, Full, Spatial, Temporal
from videoformer_edu.tokens import Grid

if ex2.solved:
    clip = Grid(8, 14, 14)
    axial = sum(Axial(axis).pairs(clip) for axis in "thw")
    theirs = (Full().pairs(clip), Spatial().pairs(clip), Temporal().pairs(clip), axial)
    for name, one, other in zip(("joint", "space", "time", "axial"), pairs(*clip), theirs, strict=True):
        print(f"{name:>5}: yours {one:>9,}, the package's {other:>9,}")
    for frames in (1, 8, 24, 96):
        print(f"ViT-B, frames: {frames:>2}, for pairs: {share_of_pairs(196 * frames + 1, 768, 4):.0%}")
else:
    print("Here your pairs meet the package's, once 02.2 is right.")

# %% [markdown]
# STATEMENT 02.3
#
# A joint block keeps for its backward pass, for each token (attention is fused, statistics are left out):
#
# | what | numbers |
# |---|---|
# | what the first norm was given, and what it gave | 2 · d |
# | queries, keys and values | 3 · d |
# | the mean of the values, before the output map | d |
# | what the second norm was given, and what it gave | 2 · d |
# | the MLP before its GELU, and after it | 2 · hidden |
#
# - `score_bytes(batch, heads, tokens, size)`: what all scores of one block would take if they were stored, with `size`
#   bytes a number;
# - `kept_numbers(tokens, d, hidden)`: how many numbers a block keeps;
# - `training_bytes(depth, tokens, d, hidden, size, checkpointing)`: what `depth` blocks keep, in bytes. With
#   checkpointing they keep their inputs alone, one vector of d for each token, and one block at a time has its whole
#   inside again.
#
# **Predict.** ViT-B on 8 frames, twelve blocks, 4 bytes: 0.93 GB. With checkpointing: about 0.47, 0.13 or 0.06 GB?
#
# <details><summary>Answer</summary>
#
# 0.13 GB: 0.06 for twelve inputs, and 0.08 for the inside of one block.
# </details>

# %%
# ANSWER score_bytes kept_numbers training_bytes

# %%
ex3.check(score_bytes, kept_numbers, training_bytes)

# %%
# ex3.hint()
# ex3.solution()

# %% [markdown]
# **Look at it.** The package counts the bytes that a real model keeps, tensor by tensor. Yours leaves out the norms'
# statistics and the end of the model. How much is that?

# %%
from videoformer_edu.cost.memory import memory

if ex3.solved:
    for spare in (False, True):
        counted = memory("timesformer_base", attention="joint", checkpointing=spare).saved
        mine = training_bytes(12, 1569, 768, 3072, 4, spare)
        inside = kept_numbers(1569, 768, 3072) * 4 if spare else 0  # counted before a block comes back
        print(f"checkpointing {'on ' if spare else 'off'}: yours {(mine - inside) / 1e6:6.1f} MB, "
              f"found {counted / 1e6:6.1f} MB, {abs((mine - inside) / counted - 1):.1%} apart")
else:
    print("Here your bytes meet the package's, once 02.3 is right.")

# %% [markdown]
# Without checkpointing the two agree to a percent. With it, what is missing is the end: the last block's output, which
# the last norm was given, as large as one more input.
#
# STATEMENT 02.4
#
# Four cards, each a number that is printed somewhere: **1,568** (02.1), **0.59 T**, **121.4 M**, **11 frames**. Derive
# the last three, for models with patches of 16 x 16 x 3 pixels, 400 classes and an MLP of 4d. `ends(t, n, d)` is given:
# the multiply-adds of embedding and head.
#
# - `block_of(kind, t, n, d)`: multiply-adds of one block. `"joint"`: all t·n patches and CLS. `"divided"`: temporal
#   attention over the patches (without CLS), one more map of d x d for each patch, spatial attention in each frame
#   *with a copy of CLS*, then the MLP on all patches and the one CLS.
# - `clip_macs(kind, t, n, d, depth, views)`: the whole model, for all views of a clip.
# - `parameters(d, depth)`: of the divided model. Every linear map has a bias, every norm a scale and a shift; a divided
#   block has three norms; one more norm stands before the head. As in the paper, leave out CLS and position tables.
# - `crossing(n, d, depth)`: the first number of frames at which the divided model is cheaper than the joint one.
# - `longest_clip(budget, kind, n, d, depth)`: how many frames one view may have within a budget of multiply-adds.
#
# **Predict.** With a budget of 1 T multiply-adds (ViT-B, 224 pixels): does joint or divided attention get the longer
# clip, and by how much: a tenth, half as much again, twice?
#
# <details><summary>Answer</summary>
#
# Divided: 40 frames against 27, half as much again.
# </details>

# %%
# GIVEN ends

# %%
# ANSWER block_of clip_macs

# %%
# ANSWER parameters

# %%
# ANSWER crossing longest_clip

# %%
ex4.check(block_of, clip_macs, parameters, crossing, longest_clip)

# %%
# ex4.hint()
# ex4.solution()

# %%
from videoformer_edu.cost import timesformer_cost

if ex4.solved:
    whole = timesformer_cost(frames=8)
    print(f"0.59 T: yours {clip_macs('divided', 8, 196, 768, 12, 3) / 1e12:.4f} T in three views, "
          f"the package's {3 * whole.macs / 1e12:.4f} T")
    print(f"121.4 M: yours {parameters(768, 12) / 1e6:.1f} M, the package's {whole.parameters / 1e6:.1f} M "
          "with CLS and tables")
    print(f"11 frames: yours {crossing(196, 768, 12)}")
    for budget in (190 * 10**9, 10**12, 10**13):
        clips = {kind: longest_clip(budget, kind, 196, 768, 12) for kind in ("joint", "divided")}
        print(f"frames for {budget / 1e12:g} T:", clips)
else:
    print("Here your four cards are laid down, once 02.4 is right.")

# %% [markdown]
# With 0.19 T joint gets the longer clip, because that lies below the crossing. With 10 T, divided gets more than three
# times as many frames.
#
# ## Two questions to end with
#
# **Your clip may cost at most 1 T, and 27 joint frames are too few. Name three ways to more frames that change no
# weight's shape, and what each loses.**
#
# <details><summary>Answer</summary>
#
# Smaller pictures (fine detail), every second frame (fast motion), two clips looked at one after the other (everything
# that needs both halves). Tubelets and larger patches would change the embedding; divided attention adds weights.
# </details>
#
# **Somebody reports that a new kernel halves the time of attention. By how much does a joint ViT-B on 8 frames become
# faster, at best?**
#
# <details><summary>Answer</summary>
#
# If it halves the pairs: by an eighth, since they are a quarter of the bill. If it halves maps and pairs of the
# attention, by a quarter.
# </details>
#
# ## How far you are

# %%
progress("02")
