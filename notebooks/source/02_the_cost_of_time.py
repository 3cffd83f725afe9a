# /// lesson
# title = "The cost of time"
# question = "What does the time axis cost, and who pays?"
# minutes = 70
# needs = "lesson 01, or the idea of tokens, of attention and of a transformer block."
# objectives = [
#     "**count** the tokens of any clip, with patches or tubelets, and say what a remainder loses",
#     "**choose** frames from a longer film, and say what each way of choosing cannot see",
#     "**say** which part of a bill the query-key pairs are, at any length",
#     "**read** a published cost: multiply-adds or FLOP, one view or three, parameters or work",
#     "**predict** the time and the memory of a clip, and measure both on your own machine",
# ]
# serves.1 = { experiment = "time and memory predicted, then measured", exercises = "all" }
# ///

# %% [markdown]
# Eight frames have sixty-four times the pairs of one picture. Do they cost sixty-four times as much? You will predict
# the bill of a clip, line by line, and then let your own machine say whether you were right.

# %%
from videoformer_edu.figures import show
from videoformer_edu.figures.cost import pairs_to_scale

show(pairs_to_scale({"one picture": 196, "8 frames": 1568, "32 frames": 6272}),
     alt="Three squares over one corner, to scale. 32 frames: a large square of 39 million pairs. 8 frames: a square a "
         "quarter as wide. One picture: a square so small that 1,024 of it fill the large one.",
     caption="To scale: a side is the number of tokens, an area is the number of query-key pairs.")

# %% [markdown]
# OBJECTIVES
#
# ### Before you start
#
# Three questions on lesson 01, from memory.
#
# <details><summary>A picture has twice the side, the patches stay. How do tokens and pairs grow?</summary>
# Four times the tokens, sixteen times the pairs (a little less, because CLS does not grow).</details>
#
# <details><summary>Which parts of a block look at one token at a time, and which at two?</summary>
# The maps for queries, keys, values and output, the MLP and the norms take each token alone. Only the scores and the
# mean of the values bring two tokens together: the pairs.</details>
#
# <details><summary>What does a model without positions not notice?</summary>
# Any reordering of its tokens. A clip played backwards has the same tokens in another order.</details>

# %%
import time

import torch
from torch import nn

from videoformer_edu.attention.patterns import Full, Spatial, Temporal
from videoformer_edu.cost import activations, attention_macs, clip_cost, count_macs, timesformer_cost, vit_cost
from videoformer_edu.figures.architecture import Repeat, Stage, show_architecture
from videoformer_edu.figures.cube import show_token_cubes
from videoformer_edu.tokens import Grid, PatchEmbed, TubeletEmbed

torch.manual_seed(0)
torch.set_num_threads(1)  # one thread: what is measured below belongs to one core
block = Repeat("block", 12, (Stage("joint", residual=True), Stage("mlp", residual=True)), "(1 + l) × 768")
column = ("3 × 8 × 224 × 224", Stage("embed", "l × 768"), Stage("cls", "(1 + l) × 768"), Stage("positions"), block,
          Stage("head", "400 logits"))
show_architecture({"a video transformer": column}, here="block", caption=(
    "The plainest video transformer: a ViT whose l tokens come from eight frames. Sections 1 and 2 are about what goes "
    "in at the top, sections 3 to 7 about what the twelve blocks cost."))

# %% [markdown]
# ## 1 · How many tokens is a clip?
#
# The bird flies past the house again: four frames now, of 2 x 2 patches called *sky*, *roof*, *door* and *grass*. Cut
# every frame into patches, as in lesson 01, and each token has a moment and a place. Or cut the clip into **tubelets**
# (Arnab et al., 2021): boxes that are two frames deep. One linear map takes a whole box to a token.

# %%
places = ["sky", "roof", "door", "grass"]
patches = [f"t{t}·{place}" for t in range(4) for place in places]
tubelets = [f"t{t}-t{t + 1}·{place}" for t in (0, 2) for place in places]
print(len(patches), "patches: ", *patches[:5], "...", patches[-1])
print(len(tubelets), "tubelets:", *tubelets[:5], "...", tubelets[-1])
show_token_cubes({"patches: 4 steps in time": Full()}, Grid(4, 2, 2), (2, 0, 1))
show_token_cubes({"tubelets of two frames: 2 steps": Full()}, Grid(2, 2, 2), (1, 0, 1),
                 caption="Blue: the roof at t2. Amber: all that it may look at when every token looks at every token.")

# %% [markdown]
# With $T$ frames of $H \times W$ pixels, patches of side $P$ and tubelets of $\tau$ frames (a patch is a tubelet with
# $\tau = 1$):
#
# $$l = \left\lfloor \frac{T}{\tau} \right\rfloor \cdot
#   \left\lfloor \frac{H}{P} \right\rfloor \cdot \left\lfloor \frac{W}{P} \right\rfloor$$
#
# > **Predict.** Frames of 224 x 224 pixels, patches of 16 x 16. How many tokens are 1, 8 and 32 frames? And 32 frames
# > in tubelets of two?

# %%
with torch.device("meta"):  # shapes alone, no numbers
    for frames, embed in ((1, PatchEmbed(patch_size=16, width=768)), (8, PatchEmbed(patch_size=16, width=768)),
                          (32, PatchEmbed(patch_size=16, width=768)),
                          (32, TubeletEmbed(tubelet_size=2, patch_size=16, width=768))):
        tokens, grid = embed(torch.empty(1, 3, frames, 224, 224))  # (b, c, t, h, w) -> (b, l, d)
        print(f"{frames:>2} frames, {type(embed).__name__:>12}: "
              f"{grid.t} x {grid.h} x {grid.w} = {tokens.shape[1]:,} tokens")

# %% [markdown]
# <details><summary>Compare</summary>196, then 1,568, then 6,272: tokens grow with the frames, no faster. Tubelets of
# two give half of them, 3,136. What they give up is that two moments share one token; what they win, besides the
# cost, is that a token now holds a <em>change</em> (lesson 05 measures how much that gives away).</details>
#
# **Your turn.** Write the formula for square frames.

# %% tags=["your_turn"]
from videoformer_edu.grading.your_turn import your_turn


def tokens_of(frames, side, patch, tubelet):
    """Tokens of a clip, without CLS."""
    # BEGIN SOLUTION
    rows = side // patch
    return frames // tubelet * rows * rows
    # END SOLUTION


your_turn(tokens_of(30, 100, 8, 4), 1008, "Divide first and round down, along each axis; then multiply.")

# %% [markdown]
# **Where this breaks.** Thirty frames are seven tubelets of four, and two frames are left over. Most code cuts with a
# convolution that steps from box to box.
#
# > **Predict.** Nine frames, tubelets of two. Somebody replaces frame 8 by black. How many of the tokens change?

# %%
clip = torch.randn(1, 3, 9, 32, 32)  # (b, c, t, h, w)
black = clip.clone()
black[:, :, 8] = 0
convolution = nn.Conv3d(3, 64, kernel_size=(2, 8, 8), stride=(2, 8, 8))
before, after = convolution(clip), convolution(black)  # (b, d, t, h, w)
changed = (before != after).any(dim=1)
print(f"{before.shape[2]} steps in time; {int(changed.sum())} of {changed.numel()} tokens change")
try:
    TubeletEmbed(tubelet_size=2, patch_size=8, width=64)(clip)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# <details><summary>Compare</summary>None. A convolution drops what does not fill a box, without error or warning: the
# last frame is never seen, and with 100 pixels and patches of 8 it is the right and the lower edge. The package
# refuses instead, and names the numbers that fit.</details>
#
# ## 2 · Which frames?
#
# Ten seconds of film have 250 frames, and a model takes 8. Three ways are common: **dense**, eight neighbours; a
# window with a **stride**, every fourth frame; **segments**, one frame from each eighth of the film.

# %%
from videoformer_edu.data.video.clips import sample_indices

ways = {"dense": sample_indices(64, 8, sampling="central"),
        "stride 4": sample_indices(64, 8, sampling="central", stride=4),
        "segments": sample_indices(64, 8, sampling="uniform")}
for name, chosen in ways.items():
    line = "".join("█" if t in chosen else "·" for t in range(64))
    print(f"{name:>8} {line}")

# %% [markdown]
# What does each of them lose? Take films whose answer is known: a digit moves in one of eight directions (lesson 00).
# The model was trained on 8 frames in which the digit covers half of the picture. Now the same way takes 64 frames.
#
# > **Predict.** Which of the three lets the model name the direction, and how far does the worst fall? A guess is
# > right in 12.5 % of the films.

# %%
from videoformer_edu.data.motion import motion_batch
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.pretrained.small import load_small

model = load_small("timesformer_motion_divided")
slow = motion_batch(128, seed=77, split="test", frames=64)


def answers(clips):
    with torch.no_grad():
        return model(normalise(clips, MOTION_PIXELS)).argmax(dim=1)


share = {name: (answers(slow.clips[:, :, chosen]) == slow.direction).float().mean().item()
         for name, chosen in ways.items()}
print({name: f"{value:.0%}" for name, value in share.items()})

# %% [markdown]
# <details><summary>Compare</summary><b>Dense</b> sees an eighth of the way. The digit moves two pixels in it, and
# what happens before and after is not in the clip: dense windows lose everything <em>outside</em>. <b>Segments</b>
# see all of it. So are segments always better? They lose what happens <em>between</em> two frames.</details>
#
# Here is the opposite film. The digit jumps two pixels to its side in every frame, and the picture is 32 pixels wide
# with its edges joined. We take every 15th frame.

# %%
from videoformer_edu.data.motion.rendering import render
from videoformer_edu.data.motion.trajectories import STEPS

assert share["segments"] > 0.95 > 0.5 > share["dense"]
generator = torch.Generator().manual_seed(0)
direction = torch.arange(8).repeat(8)  # (b,)
start = 32 * torch.rand(64, 1, 2, generator=generator)
way = start + 2 * STEPS[direction][:, None] * torch.arange(121)[:, None]  # (b, t, 2) in pixels
film, _ = render(way.remainder(32), torch.full((64, 121), 14.0), split="test", size=32, torus=True,
                 generator=generator)
print("film", tuple(film.shape))

# %% [markdown]
# > **Predict.** With every frame the model is always right. With every 15th, is it *(a)* still right, *(b)* at chance,
# > *(c)* wrong every time? And with every 16th?

# %%
fast = {}
for stride in (1, 2, 4, 15, 16):
    said = answers(film[:, :, :8 * stride:stride])
    fast[stride] = [(said == meant).float().mean().item() for meant in (direction, direction ^ 1)]
    print(f"stride {stride:>2}, {2 * stride:>2} pixels a step: right {fast[stride][0]:4.0%}, "
          f"the opposite direction {fast[stride][1]:4.0%}")

# %%
from einops import rearrange

from videoformer_edu.figures.clips import filmstrips

assert fast[1][0] == 1 and fast[15][1] > 0.9 and max(fast[16]) < 0.4
east = rearrange(film[8], "c t h w -> t h w c")  # it moves to the right, two pixels a frame
show(filmstrips({"every\nframe": east[:8], "every\n15th": east[:120:15]}),
     alt="Two strips of eight frames of one film. Above, every frame: the digit moves to the right. Below, every 15th: "
         "it moves to the left.",
     caption="One film, two choices of frames. Nothing was played backwards.")

# %% [markdown]
# <details><summary>Compare</summary>Wrong every time, and sure of it. Thirty pixels to the right on a ring of 32
# <em>are</em> two pixels to the left: these eight frames are exactly the frames of the other film. Wheels in old
# westerns turn backwards for this reason. At every 16th frame, 32 pixels a step, the digit stands still.</details>
#
# No model can repair what the choice of frames has thrown away.
#
# ### Which frames should I take?
#
# Ask how long the thing lasts that you want to see, and how fast it is. Something that fills the clip (cooking, a
# dive): segments. Something that is short or fast (a nod, a wheel): a dense window, several of them, and their answers
# averaged; these are the *views* of section 5. A frame rate belongs to a model like its pixels: what was trained on 8
# frames 32 apart has never seen neighbours.
#
# ### May I give a model another number of frames?
#
# Yes, if the positions in time fit. A learned table has a row for each trained frame; for another number it must be
# resized, and the package does that by linear interpolation.
#
# > **Predict.** The 8-frame model gets the same scenes in 4, 6, 12, 16 and 32 frames. Then it gets only the first 4 of
# > the 8 frames. What costs more: a resized table, or half of the scene?

# %%
from videoformer_edu.data.motion import motion_test_set

right = {}
for frames in (4, 6, 8, 12, 16, 32):
    test = motion_test_set(128, frames=frames)
    right[frames] = (answers(test.clips) == test.direction).float().mean().item()
eight = motion_test_set(128)
right["first 4 of 8"] = (answers(eight.clips[:, :, :4]) == eight.direction).float().mean().item()
print({name: f"{value:.0%}" for name, value in right.items()})

# %% [markdown]
# <details><summary>Compare</summary>Four times the frames of the <em>same</em> scene cost this model nothing: rows
# between two rows mean a time between two times. Half of the scene costs much more: there the digit moves half as
# far, and the table, stretched over it, tells a wrong speed. So keep the <em>duration</em> when you change the number
# of frames. What other models do, and a position code without any table, is lesson 05. What never changes for free is
# the bill.</details>
#
# ## 3 · What does one block pay for?
#
# Two frames of the house, 8 tokens, each a vector of $d = 4$ numbers. A **multiply-add** is one number times another,
# added to a third. Follow `t0·sky` through a block:
#
# | it pays for | multiply-adds |
# |---|---|
# | its query, key, value and its output, each $d \times d$ | $4 \cdot 16 = 64$ |
# | the MLP, to $4d$ numbers and back | $2 \cdot 4 \cdot 16 = 128$ |
# | 8 scores, each a product of $d$ numbers | $8 \cdot 4 = 32$ |
# | the mean of 8 values of $d$ numbers | $8 \cdot 4 = 32$ |
#
# The last two are the pairs: 64 of 256, a quarter. Now for all $l$ tokens:
#
# $$\text{block} = \underbrace{4\,l\,d^2}_{\text{q, k, v, output}} + \underbrace{8\,l\,d^2}_{\text{MLP}} +
#   \underbrace{2\,l^2 d}_{\text{pairs}} \qquad \text{share of the pairs} = \frac{l}{l + 6d}$$
#
# > **Predict.** ViT-B is 768 wide; 8 frames are 1,569 tokens with CLS. Which share of a block are the pairs: about
# > 98 %, 64 % or 25 %? And what do 8 frames cost, in pictures: 8, 10 or 64?

# %%
assert right[32] > 0.95 and right["first 4 of 8"] < right[4] - 0.05  # of section 2
d, l = 768, 8 * 196 + 1
parts = {"q, k, v, output": 4 * l * d**2, "MLP": 8 * l * d**2, "pairs": 2 * l**2 * d}
for name, macs in parts.items():
    print(f"{name:>16}: {macs / 1e9:5.2f} G multiply-adds, {macs / sum(parts.values()):.0%}")
picture, eight_frames = vit_cost(classes=400).macs, timesformer_cost(frames=8, attention="joint").macs
print(f"the whole model: {picture / 1e9:.1f} G for a picture, {eight_frames / 1e9:.1f} G for 8 frames, "
      f"{eight_frames / picture:.1f} times as much")

# %% [markdown]
# <details><summary>Compare</summary>A quarter, as in the toy, because 1,569 and 6 · 768 stand almost as 8 and 24. And
# ten pictures, not sixty-four. The text from which this course grew calls attention between all tokens of a video
# "prohibitively expensive!", and its example has 8 frames. At 8 frames the dear part is the same as in a picture: the
# maps that take each token alone.</details>
#
# A formula is a claim. Count the products in the real module:

# %%
from videoformer_edu.models import TimeSformer

with torch.device("meta"):
    joint = TimeSformer(frames=8, attention="joint")
counted = count_macs(joint, 1, 3, 8, 224, 224)
print(f"formula {eight_frames:,}\ncounted {counted:,} multiply-adds")
assert counted == eight_frames
assert parts["pairs"] / sum(parts.values()) < 0.3 and 10 < eight_frames / picture < 11

# %% [markdown]
# **Your turn.** At how many frames are the pairs *half* of a block? (Set the share to one half, solve for the tokens,
# and divide by the patches of a frame. Forget CLS.)

# %% tags=["your_turn"]
def half_at(width, patches):
    """The number of frames (not a whole one, perhaps) at which pairs are half of a joint block."""
    # BEGIN SOLUTION
    tokens = 6 * width
    return tokens / patches
    # END SOLUTION


your_turn(half_at(768, 196), 4608 / 196, "One half = l / (l + 6d) gives l = 6d.")

# %%
from videoformer_edu.figures.cost import shares_of_the_bill

axis = [1, 2, 4, 8, 16, 24, 32, 64, 96, 128, 256, 512, 1024, 1500]
tokens = [196 * t + 1 for t in axis]
bill = {"MLP": [8 * l * d**2 for l in tokens], "q, k, v, output": [4 * l * d**2 for l in tokens],
        "pairs": [2 * l**2 * d for l in tokens]}
show(shares_of_the_bill(axis, bill, half=6 * d / 196, marks=[1, 8, 32, 96, 256, 1500]),
     alt="Shares of a block's multiply-adds over the number of frames, 1 to 1,500. The pairs, in amber, are 4 per cent "
         "at one frame, 25 at eight, half at 23.5, and almost everything at 1,500.",
     caption="Who pays, in a joint block of ViT-B at 224 pixels. At l = 6d tokens the pairs take over.")

# %% [markdown]
# One rule to keep: **pairs are half of a block at $l = 6d$ tokens.** For ViT-B that is 24 frames, or one picture of
# 1,086 pixels; for a wider model it comes later. Below it, fewer pairs save little.
#
# ## 4 · Is it cheaper to look less?
#
# Here are three patterns on one grid. **Joint**: every token looks at every token. **Time**: at its own place in all
# frames. **Space**: at its own frame. TimeSformer's *divided* block does time, then space, each with an attention of
# its own (lessons 03 and 04 take it apart); *space-only* leaves time out.

# %%
show_token_cubes({"joint": Full(), "time": Temporal(), "space": Spatial()}, Grid(8, 4, 4), (3, 1, 2),
                 caption="One query, in blue, and the tokens that it looks at.")

# %% [markdown]
# With $N$ patches in a frame, joint has $(TN)^2$ pairs and divided $TN\,(T + N)$. At 8 frames that is 2.46 million
# against 0.32 million, almost eight times fewer.
#
# > **Predict.** How much cheaper is the whole divided model at 8 frames: eight times, twice, a little, or not at all?

# %%
print("frames    joint   divided   space-only     G multiply-adds")
for t in (8, 16, 32, 96):
    macs = [timesformer_cost(frames=t, attention=kind).macs / 1e9 for kind in ("joint", "divided", "space_only")]
    print(f"{t:>6} {macs[0]:8.1f} {macs[1]:9.1f} {macs[2]:12.1f}")
millions = {kind: timesformer_cost(attention=kind).parameters / 1e6 for kind in ("joint", "divided", "space_only")}
print({kind: f"{count:.1f} M parameters" for kind, count in millions.items()})

# %% [markdown]
# <details><summary>Compare</summary>Not at all: it costs 9 % <em>more</em>. Divided saves most of the pairs, a
# quarter of the bill, and pays for a second set of maps (a second attention and one map behind it), $5\,l\,d^2$ in
# every block. From 11 frames on it wins; at 96 it costs less than a third. You derive the 11 in the sheet.</details>
#
# ## 5 · Four numbers for one model
#
# The TimeSformer paper prints **0.59** TFLOPs for the model that we just counted at 195.8 G.
#
# > **Predict.** Where does the factor of three come from? And what does PyTorch's own counter print for this model:
# > 0.20, 0.39, 0.59 or 1.17 T?

# %%
at_8, at_96 = ({kind: timesformer_cost(frames=t, attention=kind).macs for kind in millions} for t in (8, 96))
assert at_8["divided"] > 1.05 * at_8["joint"] and at_96["divided"] < 0.33 * at_96["joint"]  # section 4

with torch.device("meta"):
    divided = TimeSformer(frames=8)
one_view = count_macs(divided, 1, 3, 8, 224, 224)
for views in (1, 3):
    print(f"{views} view{'s' if views > 1 else ' '}: {views * one_view / 1e12:.3f} T multiply-adds = "
          f"{views * 2 * one_view / 1e12:.3f} T floating-point operations")

# %% [markdown]
# <details><summary>Compare</summary>The paper tests each clip in <b>three views</b> (three crops, answers averaged)
# and counts a multiply-add as one: $3 \times 195.8 = 587.5$. PyTorch counts a multiplication and an addition as two:
# 0.392 T for one view. The <em>same</em> model honestly has four costs that differ by a factor of six. So a cost
# needs three words beside it: of what, for how many views, at which clip.</details>
#
# **Where this breaks.** PyTorch's counter sees matrix products. The fused attention kernel on a CPU is none to it.

# %%
from torch.utils.flop_counter import FlopCounterMode

small = TimeSformer(frames=8, image_size=64, patch_size=8, width=96, depth=2, heads=3, classes=5, attention="joint")
with FlopCounterMode(display=False) as counter, torch.no_grad():
    small(torch.randn(1, 3, 8, 64, 64))
printed, all_of_it = counter.get_total_flops() // 2, count_macs(small, 1, 3, 8, 64, 64)
print(f"the counter alone: {printed:,} multiply-adds\nattention in the open: {all_of_it:,}")
print(f"it missed {all_of_it - printed:,} = 2 blocks x 2 x 513² pairs x 96")
assert all_of_it - printed == 2 * 2 * 513**2 * 96

# %% [markdown]
# It missed all pairs. The longer the clip, the more a carelessly counted model looks cheap. `count_macs` opens the
# attention while it counts.
#
# ### Parameters are not work
#
# A weight is used once for every token. So the work of the maps is *parameters times tokens*, and the pairs, which
# have no parameters at all, come on top.

# %%
weights = 12 * 12 * d**2  # twelve joint blocks, matrices alone
pairs = 12 * 2 * l**2 * d
print(f"{weights / 1e6:.1f} M weights x {l:,} tokens = {weights * l / 1e9:.1f} G, and the pairs {pairs / 1e9:.1f} G")
print(f"together {(weights * l + pairs) / 1e9:.1f} of {eight_frames / 1e9:.1f} G; the rest embeds the pixels")
for t in (8, 96):
    cost = timesformer_cost(frames=t, attention="divided")
    print(f"divided, {t:>2} frames: {cost.parameters / 1e6:.1f} M parameters, {cost.macs / 1e9:7.1f} G")
assert abs((weights * l + pairs) / eight_frames - 1) < 0.01

# %% [markdown]
# TimeSformer and TimeSformer-L have the same 121.6 M parameters (but for rows of the time table), and one costs twelve
# times as much. "How many parameters?" is a question about the disk.
#
# ## 6 · What has to be in memory?
#
# Each head makes a table of scores, $l \times l$ numbers of 4 bytes.
#
# **Your turn.** How many bytes are the scores of one joint block: 12 heads, 8 frames of 196 patches, and CLS?

# %% tags=["your_turn"]
def score_bytes(heads, tokens):
    """Bytes of all scores of one block in fp32."""
    # BEGIN SOLUTION
    pairs = tokens * tokens
    return 4 * heads * pairs
    # END SOLUTION


your_turn(score_bytes(12, 1569), timesformer_cost(attention="joint").attention_bytes, "Heads times pairs times 4.")

# %% [markdown]
# 118 MB for one block, and 1.9 GB at 32 frames. But a score is needed for a moment only. A **fused** kernel
# (FlashAttention, Dao et al., 2022; PyTorch's `scaled_dot_product_attention`) takes a few rows at a time and never
# stores the table. The multiply-adds stay; the memory goes.
#
# Training is another matter. The backward pass asks for what the forward pass had in its hands: what each norm and each
# product was given. All of that is **kept**, in every block.
#
# > **Predict.** No scores are stored. Which keeps more for a training step at 8 frames, joint or divided, which has
# > eight times fewer pairs?

# %%
from videoformer_edu.cost.memory import MIB, memory

kept = {}
for kind in ("joint", "divided"):
    kept[kind] = [memory("timesformer_base", attention=kind, checkpointing=spare).saved for spare in (False, True)]
    print(f"{kind:>7}: {kept[kind][0] / MIB:7.1f} MiB kept for one clip, "
          f"{kept[kind][1] / MIB:5.1f} with checkpointing; for each token and block "
          f"{kept[kind][0] / 4 / 12 / 1569 / 768:.1f} d numbers")

closed = activations(attention="divided")
print(f"kept, formula and counted: {closed.kept:,} {kept['divided'][0]:,} bytes")
print(f"checkpointed:              {closed.checkpointed:,} {kept['divided'][1]:,} bytes")
work = {purpose: clip_cost(attention="divided", purpose=purpose).macs / one_view
        for purpose in ("inference", "training", "checkpointed")}
print("in forward passes:", ", ".join(f"{purpose} {passes:.0f}" for purpose, passes in work.items()))

# %% [markdown]
# <details><summary>Compare</summary>Divided keeps <em>more</em>. A joint block keeps sixteen vectors for each token:
# what the two norms were given and what they gave, three for q, k and v, one for the mean of the values, and eight in
# the MLP, before and after its GELU. A divided block has another attention with its own norm and map, and keeps about
# 23. Once no scores are stored, <b>memory in training follows the tokens, not the pairs</b>.</details>
#
# **Checkpointing** (Chen et al., 2016) keeps the input of each block, one vector in place of sixteen, and computes the
# inside again when the backward pass arrives. The package's closed form and what it counts agree to the byte.
#
# A backward pass costs two forward passes; computing the blocks again costs one more. So checkpointing asks a third
# more work for a twentieth of the activations. (The whole step shrinks less: weights, gradients and AdamW's two
# moments are 16 bytes a parameter, 1.8 GiB here, and the inside of one block comes back at a time.)
#
# ### Out of memory: what now?
#
# In this order, for each step costs more than the one before it:
#
# 1. **Is attention fused?** In the open, 32 joint frames keep 12 blocks x 1.9 GB of probabilities. Nothing is lost.
# 2. **Half precision** on a GPU (bf16): half of the activations, and faster.
# 3. **Smaller batches, gradients added up**: the same step in parts, a little slower.
# 4. **Checkpointing**: a third more work.
# 5. **Fewer tokens**: fewer frames, larger tubelets, smaller pictures. This is another model, with less to see.
#
# Dividing the attention is not on this list: once attention is fused, it saves time on long clips and no memory. The
# commands stand in [docs/training.md](../docs/training.md).
#
# ## 7 · Ask your machine
#
# Enough formulas. Two numbers describe a machine well enough for a first guess: how many multiply-adds it does in a
# second, and how many bytes it has. Here is the first, from one matrix product of the shape that a block is made of.

# %%
assert (closed.kept, closed.checkpointed) == tuple(kept["divided"]) and kept["divided"][0] > 1.3 * kept["joint"][0]
assert closed.kept > 15 * closed.checkpointed


def seconds(run, times=5):
    """Processor time of `run()`: the best of some, after one that warms up."""
    run()
    taken = []
    for _ in range(times):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return max(min(taken), 1e-6)


left, middle = torch.randn(1568, 192), torch.randn(192, 768)
speed = 1568 * 192 * 768 / seconds(lambda: left @ middle, times=20)
print(f"this machine, one thread, here: {speed / 1e9:.0f} G multiply-adds a second")

# %% [markdown]
# Now one block, 192 wide with 3 heads, on clips of 7 x 7 patches and 1 to 64 frames. The prediction is multiply-adds
# divided by that speed; for memory, the widest moment of the block: input and norm and twice the MLP's hidden $4d$,
# that is $10\,l\,d$ numbers; or, where the scores are stored, two tables (scores and probabilities) and $5\,l\,d$.
#
# > **Predict.** From 8 to 64 frames, how many times longer does the joint block take: 8, 22 or 64 times? And will the
# > measured times lie on the predicted line, below it, or above?

# %%
import videoformer_edu.attention.core as core
from videoformer_edu.cost.memory import peak_bytes
from videoformer_edu.models import DividedSpaceTimeBlock
from videoformer_edu.models.vit import TransformerBlock

blocks = {"joint": TransformerBlock(width=192, heads=3).eval(), "divided": DividedSpaceTimeBlock(width=192, heads=3)}


def predicted_macs(kind, t, n=49, d=192):
    """Multiply-adds of one block on t frames of n patches."""
    tokens, framed = t * n + 1, t * (n + 1)  # framed: each frame with its copy of CLS
    mlp = 8 * tokens * d**2
    if kind == "joint":
        return attention_macs(tokens, tokens**2, d) + mlp
    time_part = attention_macs(t * n, n * t**2, d) + t * n * d**2
    return time_part + attention_macs(framed, t * (n + 1) ** 2, d) + mlp

# %%
frames_axis, measured, peaks = [1, 2, 4, 8, 16, 32, 64], {"joint": [], "divided": []}, {"joint": [], "divided": []}
stored = []
with torch.inference_mode():
    for t in frames_axis:
        grid, x = Grid(t, 7, 7), torch.randn(1, 1 + 49 * t, 192)
        for kind, block in blocks.items():
            measured[kind].append(seconds(lambda block=block, x=x, grid=grid: block(x, grid)))
            peaks[kind].append(peak_bytes(lambda block=block, x=x, grid=grid: block(x, grid)))
        fused, core.is_faster = core.is_faster, lambda q, bias: False  # attention in the open
        stored.append(peak_bytes(lambda x=x, grid=grid: blocks["joint"](x, grid)))
        core.is_faster = fused
predicted = {kind: [predicted_macs(kind, t) / speed for t in frames_axis] for kind in blocks}
for kind in blocks:
    ratios = [got / said for got, said in zip(measured[kind], predicted[kind], strict=True)]
    print(f"{kind}: measured / predicted, here: {min(ratios):.1f} to here: {max(ratios):.1f}")
growth = measured["joint"][-1] / measured["joint"][3]
told = predicted["joint"][-1] / predicted["joint"][3]
print(f"joint, 64 frames against 8, here: {growth:.0f} times; predicted {told:.0f}")

# %%
from videoformer_edu.figures.cost import dots_on_lines

said_stored = [4 * max(10 * l * 192, 2 * 3 * l * l + 5 * l * 192) for l in (1 + 49 * t for t in frames_axis)]
said_joint = [4 * 10 * (1 + 49 * t) * 192 for t in frames_axis]
ms = {kind: ([1e3 * s for s in predicted[kind]], [1e3 * s for s in measured[kind]]) for kind in blocks}
mb = {"joint": ([v / 1e6 for v in said_joint], [v / 1e6 for v in peaks["joint"]]),
      "joint, stored": ([v / 1e6 for v in said_stored], [v / 1e6 for v in stored])}
show(dots_on_lines(frames_axis, {"milliseconds, one thread": ms, "peak memory, MB": mb}),
     alt="Two charts over frames, all axes logarithmic. Left: milliseconds of the joint and the divided block, dots "
         "beside predicted lines. Right: peak memory of the joint block, with and without stored scores.",
     caption="Lines: predicted from the formulas. Dots: measured on the machine that ran this page.")
apart = [abs(a / b - 1) for a, b in zip(said_joint + said_stored, peaks["joint"] + stored, strict=True)]
print(f"peak memory: formula and found differ by {max(apart):.1%} at most, asked: below 1.0%")

# %% [markdown]
# <details><summary>Compare</summary><b>The slope is the formula's</b>, about 22 times. The joint line bends upwards
# where the pairs take over, l = 6d: 1,152 tokens, 24 frames here too. The lines cross near 11 frames, and so do the
# dots, if your machine was quiet. <b>The dots lie above the line.</b> Norms, softmax and GELU multiply nothing of
# weight, but they walk through memory; very short clips pay for calls. On the machine that made this page it was 20
# to 40 % from 8 frames on. <b>Memory lies on the line</b>, because it is counted: <code>peak_bytes</code> follows
# every tensor that is made and freed. It does not see what a kernel needs inside. At 64 frames the stored tables take
# ten times the rest.</details>
#
# ## 8 · A minute, and five seconds that do not exist yet
#
# > **Predict.** One minute of film, 25 frames a second, each of 196 patches, through a joint ViT-B. How many tokens?
# > Which share are the pairs? And would your machine need seconds, minutes, or hours?

# %%
assert told > 20 and growth > 8  # section 7: more than the frames
assert max(apart) < 0.01 and stored[-1] > 8 * peaks["joint"][-1]

minute = timesformer_cost(frames=60 * 25, attention="joint")
share_of_pairs = 12 * 2 * minute.pairs * 768 / minute.macs
print(f"{minute.tokens:,} tokens, {minute.macs / 1e12:,.0f} T multiply-adds, {share_of_pairs:.0%} of them for pairs")
print(f"scores of one block, if stored: {minute.attention_bytes / 1e12:.1f} TB")
print(f"this machine, one thread, here: {minute.macs / speed / 3600:.1f} hours")
print(f"8 of its frames instead, here: {eight_frames / speed:.1f} seconds")

# %% [markdown]
# <details><summary>Compare</summary>Now the word is right: <em>prohibitive</em>. But nobody looks at every frame of a
# minute. Neighbouring frames are nearly the same picture, and section 2 is where the money is.</details>
#
# Models that *make* video cannot skip frames. HunyuanVideo writes five seconds at 720p: 117 frames of 768 x 1280
# pixels. A learned compression makes 30 steps of 96 x 160 out of them, patches of 2 x 2 leave 30 x 48 x 80 tokens. Its
# blocks are 3,072 wide, and every token looks at every token.
#
# > **Predict.** With the formula of section 3: which share of this model's work are the pairs?

# %%
generated, width = 30 * 48 * 80, 3072
pair_share = generated / (generated + 6 * width)
print(f"{generated:,} tokens; pairs by the formula: {pair_share:.0%} of the multiply-adds")
print(f"attention, as measured on a GPU by Zhang et al. (2025): 800 of 945 seconds = {800 / 945:.0%}")

# %% [markdown]
# <details><summary>Compare</summary>A formula of one line, and a stopwatch on another machine, agree to two points.
# (Partly by luck: a kernel may do pairs faster or slower than maps.) In such models attention is the whole story;
# lesson 06 is about not doing all of it.</details>
#
# ## 9 · What does my clip cost?
#
# Now it is your turn to play. Type a guess first, then press *See*: a line for each way of attending, a dot on each for
# your clip. The dotted line is what your machine does in a minute at the speed of section 7, or, where you look at
# memory, what a T4 has, the card that free notebooks lend.

# %%
from videoformer_edu.widgets import clip_cost_explorer

assert generated == 115_200 and abs(pair_share - 800 / 945) < 0.05
clip_cost_explorer(speed=speed)

# %% [markdown]
# ## 10 · When will an image model and a mean do?
#
# The cheapest way to read a clip: an image model on each frame, and the mean of its answers. It costs $T$ pictures, no
# more; frames can be computed once and kept; any number of them fits. What can it not do?
#
# Take the image model of lesson 01, which names digits, and the moving digits. First the question *which digit?*,
# with more and more frames. Then we play the clips backwards.
#
# > **Predict.** One frame is right in about five of six clips. What do eight frames give: less, the same, or more? And
# > how much do the mean logits change when the clip is reversed?

# %%
clips = motion_test_set(256)
reader = load_small("vit_digits")
frames = rearrange(clips.clips, "b c t h w -> (b t) c h w")
with torch.no_grad():
    logits = rearrange(reader(normalise(frames, MOTION_PIXELS)), "(b t) k -> b t k", t=8)
named = {count: (logits[:, :count].mean(1).argmax(-1) == clips.digit).float().mean().item() for count in (1, 2, 4, 8)}
print({f"{count} frame{'s' if count > 1 else ''}": f"{value:.0%}" for count, value in named.items()})
turned = (logits.mean(1) - logits.flip(1).mean(1)).abs().max().item()
print(f"backwards, the mean changes by {turned:.6f}")

# %% [markdown]
# <details><summary>Compare</summary>More: each frame shows the digit at another place, on another piece of the
# photograph, and mistakes average out. That is a gain of video that needs no attention in time. And backwards changes
# nothing, to rounding: <b>a mean has no order.</b> For <em>which direction?</em> the same construction is worthless.
# Trained for it, space-only attention stays at 12 %, a guess (<a
# href="../docs/experiments.md">docs/experiments.md</a>).</details>
#
# So ask of your classes what we asked of digits and directions. On Kinetics-400, where a swimming pool says
# "swimming", space-only reaches 76.9 % and divided 78.0 %. On Something-Something v2, where one must tell *pushing
# left* from *pushing right*, it is 36.6 % against 59.5 % (Bertasius et al., 2021, table 1).

# %%
assert named[8] > named[1] + 0.05 and turned < 1e-4

# %% [markdown]
# ## What goes wrong, and when not to use it
#
# - **"Attention is quadratic, so it is the bill."** Below $l = 6d$ it is the smaller part. Compute the share first.
# - **Costs that cannot be compared.** FLOP beside multiply-adds, three views beside one, a counter that misses fused
#   kernels. Ask for the clip, the views and the unit.
# - **Remainders.** A convolution drops frames and pixels that fill no box.
# - **The wrong frames.** More tokens do not bring back what the sampling has lost.
# - **When not to add a time axis at all.** If one frame names the class, use an image model and a mean; if two frames
#   in order do, take two.
#
# ## Exercises
#
# SHEET
#
# You derive the numbers of this lesson yourself, 1,568, 0.59 T, 121.4 M and 11 frames among them, and the check knows
# the usual slips.
#
# <details><summary>A model is twice as wide. At how many frames do its pairs become half of the bill?</summary>
# At twice as many: the rule is l = 6d. Wide models are less quadratic than narrow ones.</details>
#
# <details><summary>You replace patches by tubelets of two frames, all else the same. What happens to tokens, pairs,
# maps and parameters?</summary>
# Half the tokens, a quarter of the pairs, half of the maps' work. The parameters hardly change: the embedding takes
# twice the pixels, the time table half the rows.</details>
#
# ## Summary
#
# 1. Tokens are frames (or tubelet steps) times patches: 196, 1,568, 6,272. The sampling decides what they can show.
# 2. A block costs $12\,l\,d^2 + 2\,l^2 d$: pairs are half of it at $l = 6d$, 24 frames of ViT-B, and nearly all of it
#    in a minute of film.
# 3. Fused attention stores no scores; training keeps about sixteen vectors a token and block, checkpointing one.
#
# **References.** Arnab et al. 2021, *ViViT*, [arXiv:2103.15691](https://arxiv.org/abs/2103.15691). Bertasius, Wang and
# Torresani 2021, *Is space-time attention all you need for video understanding?*,
# [arXiv:2102.05095](https://arxiv.org/abs/2102.05095). Chen et al. 2016, *Training deep nets with sublinear memory
# cost*, [arXiv:1604.06174](https://arxiv.org/abs/1604.06174). Dao et al. 2022, *FlashAttention*,
# [arXiv:2205.14135](https://arxiv.org/abs/2205.14135). Kong et al. 2024, *HunyuanVideo*,
# [arXiv:2412.03603](https://arxiv.org/abs/2412.03603). Wang et al. 2016, *Temporal segment networks*,
# [arXiv:1608.00859](https://arxiv.org/abs/1608.00859). Zhang et al. 2025, *Fast video generation with sliding tile
# attention*, [arXiv:2502.04507](https://arxiv.org/abs/2502.04507).
