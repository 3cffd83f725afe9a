# %% [markdown]
# You write attention that skips its work and can prove it, cut clips into windows and mask what the roll brought
# together, and drop the patches that repeat. In the end *your* windows run inside *our* trained Swin. **You need:**
# lesson 06, PyTorch, einops or a steady hand with `reshape`.
#
# EXERCISES
#
# How it works: write where it says `...`, run the cell, run the check below it. A check answers *not attempted*,
# *crashed*, *wrong* or *right*, and tells you what it saw. Stuck? Take the `#` away from `# ex1.hint()` and run it;
# there are three hints, one at a time. The sheet runs to its end whatever you have solved.
#
# ### First, three questions on lesson 06
#
# <details><summary>Joint attention is masked so that each token looks at three frames. What does that save?</summary>
#
# Nothing: all scores are computed, and most are thrown away. Multiply-adds stay the same, and time does not fall.
# </details>
#
# <details><summary>Why is the cost of windows linear in the length of the clip, and strided attention's not?</summary>
#
# A window has the same number of keys however long the clip is. Every fourth frame of a clip that is twice as long are
# twice as many frames.
# </details>
#
# <details><summary>What does the mask of a shifted window forbid?</summary>
#
# Looks between pieces that lie at opposite ends of the clip. The roll has put them side by side.
# </details>

# %%
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.sheets import progress, sheet

torch.manual_seed(0)
ex1, ex2, ex3, ex4 = sheet("06")

# %% [markdown]
# ## The clip
#
# The house for five frames. Letters as in the whole course: `b` clip, `t h w` frames, rows, columns, `n` patches of a
# frame, `d` width. A *grid* or a *window* is a tuple `(t, h, w)` in tokens.

# %%
token_names = [f"t{frame}·{place}" for frame in range(5) for place in ("sky", "roof", "door", "grass")]
print(*(" ".join(token_names[4 * frame:4 * frame + 4]) for frame in range(5)), sep="\n")

# %% [markdown]
# STATEMENT 06.1
#
# `window_frames` lists, for each frame, the frames of its window: as many on either side, itself in the middle, -1
# where there is no such frame. The window is odd.
#
# `local_attention` uses that table. Each token looks at its own place in these frames and at nothing else, and here it
# has to **skip** for real: one of the checks fills a frame with nan. Whoever may look at it gets nan, rightly. But a
# mask multiplies the values of *all* frames, most of them by a share of zero, and zero times nan is nan. `linear` is
# given; the layout of the weights is that of the sheets before: `attention.qkv` (queries, keys, values, and in each
# head after head) and `attention.proj`. It returns the update, without the residual.
#
# `local_pairs` counts the query-key pairs that are left.
#
# **Predict.** The house, five frames, a window of three. Whom does `t4·roof` look at? How many pairs are there in all?
#
# <details><summary>Answer</summary>
#
# t3·roof and itself. Two, three, three, three, two keys at each of the four places: 52 pairs. Joint attention has 400.
# </details>

# %%
# GIVEN linear

# %%
# ANSWER window_frames local_attention

# %%
# ANSWER local_pairs

# %%
ex1.check(window_frames, local_attention, local_pairs)

# %%
# ex1.hint()
# ex1.solution()

# %% [markdown]
# **Look at it.** The multiply-adds of your function, counted in the products that it really does, beside those of the
# pairs and of joint attention; and your answers beside the package's.

# %%
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from videoformer_edu.attention import LocalTemporal, SparseAttention
from videoformer_edu.tokens import Grid

if ex1.solved:
    published = SparseAttention(width=32, heads=4, pattern=LocalTemporal(5))
    weights = {f"attention.{name}": tensor for name, tensor in published.state_dict().items()}
    x, linear_maps = torch.randn(1, 40 * 9, 32), 4 * 40 * 9 * 32**2
    with torch.no_grad(), FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        mine = local_attention(x, weights, 4, 40, 5)
    spent = counter.get_total_flops() // 2 - linear_maps
    print(f"from the package's module: {(mine - published(x, Grid(40, 3, 3))).abs().max().item():.5f} at most")
    print(f"multiply-adds, counted: {spent:,}; the pairs alone need {2 * 32 * local_pairs(40, 9, 5):,}, whole windows "
          f"{2 * 32 * 40 * 9 * 5:,}, joint attention {2 * 32 * (40 * 9) ** 2:,}")
    assert spent <= 2 * 32 * 40 * 9 * 5, "more than whole windows need"
else:
    print("Here your multiply-adds are counted, once 06.1 is right.")

# %% [markdown]
# STATEMENT 06.2
#
# `padded` is the grid that whole windows cover. `to_windows` pads each axis at its end with zeros and cuts the clip
# into windows; windows and the tokens in them stand in reading order, time slowest. `from_windows` is the way back, and
# what was padding is dropped.
#
# **Predict.** A grid of 3 x 4 x 5 tokens, windows of 2 x 4 x 4. How many windows? How many of their places are padding?
#
# <details><summary>Answer</summary>
#
# 2 x 1 x 2 = 4 windows of 32 places, 128 in all; the grid has 60 tokens, so 68 are padding.
# </details>

# %%
# ANSWER padded to_windows from_windows

# %%
ex2.check(padded, to_windows, from_windows)

# %%
# ex2.hint()
# ex2.solution()

# %% [markdown]
# **Look at it.** One frame of 4 x 6 numbered tokens in windows of 2 x 3, and the same tokens in the package's list.

# %%
from videoformer_edu.attention import LocalWindow

if ex2.solved:
    numbered = torch.arange(24.0).reshape(1, 24, 1)
    for number, held in enumerate(to_windows(numbered, (1, 4, 6), (1, 2, 3))[0, :, :, 0].int().tolist()):
        print(f"window {number}: {held}")
    theirs = LocalWindow((1, 2, 3)).groups(Grid(1, 4, 6))
    mine = to_windows(numbered, (1, 4, 6), (1, 2, 3))[0, :, :, 0].long()
    print(f"places that hold another token than the package's windows: {int((mine != theirs).sum())} of 24")
else:
    print("Here your windows appear, once 06.2 is right.")

# %% [markdown]
# STATEMENT 06.3
#
# Along one axis the roll moves all tokens to the front by the shift. `regions` numbers the places after it: 0 up to the
# last window, 1 in it, 2 for those that came in at the end. `shift_mask` does so on three axes and says, window by
# window, who may look at whom: those with the same numbers. True = may look. The grid is a multiple of the window here,
# and your `to_windows` will be of use.
#
# `relative_index` gives each pair of a window its row in the table of biases: query minus key, on each axis counted
# from 0 on, time slowest.
#
# **Predict.** Eight places, windows of four, shift two. What are the regions? How many pairs of the last window may
# look?
#
# <details><summary>Answer</summary>
#
# 0 0 0 0 1 1 2 2. In the last window, 1 1 2 2: 4 + 4 = 8 of 16 pairs.
# </details>

# %%
# ANSWER regions shift_mask

# %%
# ANSWER relative_index

# %%
ex3.check(regions, shift_mask, relative_index)

# %%
# ex3.hint()
# ex3.solution()

# %% [markdown]
# **Look at it, and a milestone: your windows in our Swin.** The course ships a small Video Swin that was trained to
# name the direction of a moving digit. Here is window attention made of *your* functions; the few lines around them are
# given: a window longer than the grid is the grid and is not shifted, and the rest is a roll, attention and a roll
# back.

# %%
from videoformer_edu.data.motion import motion_test_set
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.pretrained.small import load_small


def your_window_attention(own, x, grid):
    """own: a module of the package, for its weights; x (b, l, d) -> (b, l, d)."""
    window, shift = own.pattern.clamped(grid)
    window, shift, large = tuple(window), tuple(shift), padded(grid, own.pattern.clamped(grid)[0])
    box = from_windows(to_windows(x, grid, window), large, window).unflatten(1, large)  # padded, (b, t, h, w, d)
    x = to_windows(box.roll([-s for s in shift], dims=(1, 2, 3)).flatten(1, 3), large, window)
    q, k, v = rearrange(own.qkv(x), "b g n (three head e) -> three b g head n e", three=3, head=own.heads)
    bias = own.relative_position_bias_table[relative_index(window)].movedim(-1, 0)  # (head, n, n)
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5 + bias
    scores = scores.masked_fill(~shift_mask(large, window, shift)[:, None], -torch.inf)
    x = rearrange(scores.softmax(-1) @ v, "b g head n e -> b g n (head e)")
    box = from_windows(x, large, window).unflatten(1, large).roll(list(shift), dims=(1, 2, 3))
    return own.proj(box[:, :grid[0], :grid[1], :grid[2]].flatten(1, 3))


# %%
if ex2.solved and ex3.solved:
    test = motion_test_set(256)
    film, model = normalise(test.clips, MOTION_PIXELS), load_small("video_swin")
    with torch.no_grad():
        theirs = model(film)
        for stage in model.stages:
            for block in stage.blocks:
                block.attention.forward = lambda x, grid, own=block.attention: your_window_attention(own, x, grid)
        mine = model(film)
    right = (mine.argmax(1) == test.direction).float().mean().item()
    print(f"logits differ by {(mine - theirs).abs().max().item():.4f} at most, allowed 0.001")
    print(f"your windows name {right:.0%} of the directions; the milestone is 99 %")
    assert right > 0.99
else:
    print("Here your windows run in a trained Swin, once 06.2 and 06.3 are right.")

# %% [markdown]
# STATEMENT 06.4
#
# `changed` says which patches are new: those whose mean absolute difference to the same place in the frame *before* is
# over a threshold, and all of frame 0. `run_lengths` gives each kept patch the number of frames that it stands for:
# itself, and the dropped ones that follow at its place. `saved` is the share of tokens that nobody has to make.
#
# **Predict.** A lamp grows brighter by 0.1 in every frame, for twenty frames. The threshold is 0.15. What is kept?
#
# <details><summary>Answer</summary>
#
# Frame 0 alone. No step is over the threshold, though the lamp is brighter by 1.9 at the end. To compare with the last
# *kept* patch would see it; the published rule compares with the frame before.
# </details>

# %%
# ANSWER changed run_lengths

# %%
# ANSWER saved

# %%
ex4.check(changed, run_lengths, saved)

# %%
# ex4.hint()
# ex4.solution()

# %% [markdown]
# **Look at it.** Frames of the moving digits stand still but for the digit and a little noise. What does a threshold
# save?

# %%
if ex4.solved:
    film = normalise(motion_test_set(64).clips, MOTION_PIXELS)  # (b, c, t, h, w)
    patches = rearrange(film, "b c t (h p) (w q) -> b t (h w) (c p q)", p=8, q=8)
    for threshold in (0.05, 0.1, 0.2, 0.4):
        kept = changed(patches, threshold)
        lengths = run_lengths(kept)
        print(f"threshold {threshold:4}: {saved(kept):4.0%} saved; kept patches stay for "
              f"{lengths[kept].float().mean():.1f} frames on average")
else:
    print("Here your savings appear, once 06.4 is right.")

# %% [markdown]
# ## Two questions to end with
#
# **Your windows are padded with zeros, and zeros are looked at. Why does that not spoil the answer of the published
# model?**
#
# <details><summary>Answer</summary>
#
# It was trained with them: a padded place has the bias of `qkv` for its key and value, the same everywhere, and the
# model has learnt with that. It is a quirk, not a virtue; with `mask_padding=True` the package forbids it.
# </details>
#
# **Half of the patches are dropped by their run length. Why is the model not twice as fast?**
#
# <details><summary>Answer</summary>
#
# In a batch, clips keep different numbers of tokens and have to be padded or packed. Finding the repeats costs a pass
# over the pixels. And what is linear in the tokens halves, what is quadratic falls to a quarter.
# </details>
#
# ## How far you are

# %%
progress("06")
