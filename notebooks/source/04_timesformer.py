# /// lesson
# title = "TimeSformer"
# question = "How does one block divide space and time?"
# minutes = 70
# needs = "lessons 01 and 03, or the idea of queries, keys, values, heads, CLS, and of spatial and temporal attention."
# objectives = [
#     "**implement** divided space-time attention as two regroupings around one ordinary attention",
#     "**explain** what CLS and the time positions do in it, and recognise a model that is blind to its video",
#     "**compare** divided, joint and space-only attention on a task where only the order of frames matters",
#     "**read** attention maps in space and time, check where they are drawn, and say what they leave out",
#     "**compute** at which clip length divided becomes cheaper than joint",
# ]
# serves.1 = { experiment = "where divided is cheaper", exercises = [4] }
# serves.2.experiment = "a model that sees nothing, and why; weights of the reference library, the same logits"
# serves.2.exercises = [1, 2, 3]
# serves.3 = { experiment = "divided, joint and space-only on clips where only order tells" }
# serves.4 = { exercises = [4] }
# ///

# %% [markdown]
# A model was asked one thing about each clip: *in which direction?* Nobody told it that there is a digit, let alone
# where. Amber is where it looks.

# %%
import torch

from videoformer_edu.attention import record_attention
from videoformer_edu.data.motion import DIRECTIONS, motion_test_set
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.figures import show
from videoformer_edu.figures.attention import attention_on_frames
from videoformer_edu.pretrained.small import load_small

large, display = motion_test_set(256, size=64), load_small("timesformer_display")
films = normalise(large.clips, MOTION_PIXELS)  # (b, c, t, h, w)
with torch.no_grad(), record_attention(display) as seen:
    says = display(films[18:19]).argmax().item()
frames = large.clips[18].permute(1, 2, 3, 0)  # (t, h, w, c), uint8
looks = seen["blocks.1.spatial_attention"].cls_looks()[0].mean(0)  # mean over the heads: (t, h, w)
show(attention_on_frames(frames[::2], looks[::2], names=[f"t = {t}" for t in (0, 2, 4, 6)]),
     alt="A white 3 moves to the right and upwards over a photograph. Amber squares lie on it in every frame.",
     caption=f"The model says {DIRECTIONS[says]}. Its CLS token looks at the digit, frame by frame.")

# %% [markdown]
# This is a small TimeSformer (Bertasius et al., 2021), trained on generated clips. You take it apart, break it in
# three ways that raise no error, find out what it cannot know without *when*, and learn which of these amber squares
# you may believe.
#
# OBJECTIVES

# %% [markdown]
# **Before you start**, three questions on lesson 03. Answer each aloud, then open it.
#
# <details><summary>Divided attention: temporal, then spatial. After one block, who can have heard of whom?</summary>
# Everybody of everybody. A token hears its own frame, and each token there has just heard its own tube.</details>
#
# <details><summary>You forbid all pairs outside the own tube by a mask. How many multiply-adds are saved?</summary>
# None. A mask says who may look; all scores are computed all the same. Regrouping saves them.</details>
#
# <details><summary>The head of a person is in another place in the next frame. How does a divided block carry what was
# known about it there?</summary> Through one patch: the place where the head was, at the time when it is needed. That
# patch shows background.</details>
#
# A good place for a break is the end of section 4.

# %%
import copy

import torch.nn.functional as F
from einops import rearrange
from torch import nn

from videoformer_edu.attention import SpatialAttention, TemporalAttention
from videoformer_edu.attention.patterns import Spatial, Temporal
from videoformer_edu.data.motion import motion_batch
from videoformer_edu.figures.source import show_source
from videoformer_edu.models import DividedSpaceTimeBlock, TimeSformer, ViT, timesformer_motion
from videoformer_edu.tokens import Grid

torch.manual_seed(0)
print("ready")

# %% [markdown]
# ## 1 · Where in the model are you?
#
# TimeSformer is the ViT of lesson 01 with three additions: a table of **times** beside the table of places, a second
# **attention** in each block, and a rule for **CLS**. Everything else you have seen.

# %%
from videoformer_edu.figures.architecture import Repeat, Stage, show_architecture

block = Repeat("block", 2, (Stage("time", residual=True), Stage("space", residual=True), Stage("mlp", residual=True)),
               "tokens (1 + 128) × 64")
show_architecture(
    {"TimeSformer": ("video 3 × 8 × 32 × 32", Stage("embed", "tokens 128 × 64"),
                     Stage("positions", text="+ places, times"), Stage("cls", "tokens (1 + 128) × 64"), block,
                     Stage("norm", "CLS 64"), Stage("head", "logits 8"))},
    here="block",
    caption="The small model of this lesson: 8 frames of 4 × 4 patches, so 128 tokens of width 64, and CLS. In a block "
            "every patch looks along its own tube, then across its own frame. CLS takes part in the second alone, and "
            "at the end the head reads CLS and nothing else. Sections 2 and 3 are about the two attentions, section 4 "
            "about the block, section 5 about times.")

# %% [markdown]
# Two cubes say who looks at whom. The blue patch looks, the amber ones are looked at.

# %%
from videoformer_edu.figures.cube import show_token_cubes

show_token_cubes({"first, in time: the tube": Temporal(), "then, in space: the frame": Spatial()}, Grid(8, 4, 4),
                 (3, 1, 2), caption="8 frames of 4 × 4 patches. A tube is one place in all frames.")

# %% [markdown]
# ## 2 · Regroup, then attend as always
#
# No new attention is needed. Attention mixes whatever stands on the sequence axis and treats the axes before it as
# independent. So put the frames of one tube on the sequence axis, and attend:
#
# $$z'_{(p,t)} = \sum_{t'=1}^{T} \operatorname{softmax}_{t'}\!\left(\frac{q_{(p,t)} \cdot
# k_{(p,t')}}{\sqrt{e}}\right) v_{(p,t')}$$
#
# Here $p$ is the place, $t$ the frame, $e$ the width of one head. Only $t'$ runs. The place never changes.
#
# Take the house of lesson 03, with *sky*, *roof*, *door* and *grass*, at the times *t0* and *t1*. Its tokens stand in
# one row, in the order `(t h w)`: all of frame 0, then all of frame 1.
#
# > **Predict.** Which number in the row is `t1·door`, counting from 0? And how far apart in the row are the tokens of
# > one tube?

# %%
grid = Grid(t=2, h=2, w=2)
places = ["sky", "roof", "door", "grass"]
names = [f"t{t}·{place}" for t in range(grid.t) for place in places]
tokens = torch.arange(grid.l).reshape(1, grid.l, 1)  # (b=1, l=8, d=1): each token is its own number
tubes = rearrange(tokens, "b (t n) d -> b n t d", t=grid.t)  # (1, 4, 2, 1)
for place, tube in zip(places, tubes[0, :, :, 0].tolist(), strict=True):
    print(f"tube of {place:>5}: {tube} = {[names[number] for number in tube]}")
print("t1·door is number", names.index("t1·door"), "and lies", tubes[0, 2, :, 0].diff().item(), "behind t0·door")
show_source(TemporalAttention.forward)

# %% [markdown]
# <details><summary>Compare</summary>
#
# `t * n + place = 1 * 4 + 2 = 6`. From one frame to the next it is `n`, the number of patches in a frame.
#
# </details>
#
# The attention of the package, whose source the cell shows below the tubes, is this `rearrange`, one ordinary
# attention, and the way back.
#
# **Your turn.** Spatial attention wants the other grouping: the patches of a frame on the sequence axis, and the
# frames before it. Nothing is graded, and the lesson goes on without it.

# %% tags=["your_turn"]
from videoformer_edu.grading.your_turn import your_turn


def to_frames(tokens, t):
    """tokens (b, t*n, d), time slowest -> the groups of spatial attention (b, t, n, d)."""
    # BEGIN SOLUTION
    frames = rearrange(tokens, "b (t n) d -> b t n d", t=t)
    return frames
    # END SOLUTION


your_turn(to_frames(tokens, grid.t), torch.arange(8).reshape(1, 2, 4, 1),
          "Frame 0 holds the tokens 0 to 3, frame 1 the tokens 4 to 7, and d stays the last axis.")

# %% [markdown]
# **Where this breaks.** Regrouping is easy to get wrong without an error. `reshape` alone never moves a number; it
# cuts the row of tokens at other places. So this gives 4 "tubes" that are no tubes:

# %%
wrong = tokens.reshape(1, grid.n, grid.t, 1)  # looks right: (b, n, t, d)
for place, tube in zip(places, wrong[0, :, :, 0].tolist(), strict=True):
    print(f"{place:>5}: {[names[number] for number in tube]}")

# %% [markdown]
# The shape is right and the content is wrong: "sky" now holds the sky and the roof of frame 0. If the clip had
# $T = N$, even a wrong `rearrange` would keep its shape. Test regroupings on grids whose sizes are all different,
# with tokens that carry their own number.
#
# ## 3 · CLS, a token without a frame
#
# The logits are read from one extra token, CLS. It has no place in space or time, so what does it do when the patches
# are regrouped into tubes and frames?
#
# A tempting answer: set CLS aside, do both attentions with the patches, put CLS back for the MLP.

# %%
class PatchesAlone(nn.Module):
    """CLS waits outside both attentions."""

    def __init__(self, block: DividedSpaceTimeBlock):
        super().__init__()
        self.block = block

    def forward(self, x, grid):
        cls, patches, block = x[:, :1], x[:, 1:], self.block
        tubes = block.temporal_attention(block.temporal_norm(patches), grid)
        patches = patches + block.temporal_projection(tubes)
        patches = patches + block.spatial_attention(block.spatial_norm(patches), grid)
        x = torch.cat([cls, patches], dim=1)  # (b, 1 + l, d)
        return x + block.mlp(block.mlp_norm(x))

# %% [markdown]
# > **Predict.** Two different videos go through a model made of such blocks. How different are the logits? And will the
# > loss fall when it is trained?

# %%
torch.manual_seed(0)
blind = timesformer_motion()
blind.blocks = nn.ModuleList(PatchesAlone(block) for block in blind.blocks)
one, two = torch.randn(2, 1, 3, 8, 32, 32)  # two videos of noise
print("largest difference between the logits:", (blind(one) - blind(two)).abs().max().item())
video = one.clone().requires_grad_()
blind(video).sum().backward()
silent = [name for name, p in blind.named_parameters() if p.grad is None or not p.grad.any()]
print(f"gradient on the video: {video.grad.abs().max().item()}; "
      f"{len(silent)} of {len(list(blind.parameters()))} parameter tensors without a gradient")

# %%
def memorise(model, steps=40):
    """The loss after fitting one batch of 16 clips again and again, and what the class frequencies alone would give."""
    batch = motion_batch(16, seed=3)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(steps):
        loss = F.cross_entropy(model(normalise(batch.clips, MOTION_PIXELS)), batch.direction)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return loss.item(), torch.special.entr(batch.direction.bincount(minlength=8) / 16).sum().item()


torch.manual_seed(0)
loss_real, prior = memorise(timesformer_motion())
loss_blind, _ = memorise(blind)
print(f"class frequencies alone: {prior:.2f}, blind model: {loss_blind:.2f}")
print(f"real model, here: {loss_real:.2f}, below 0.5")

# %% [markdown]
# <details><summary>When you have run it: why?</summary>
#
# The logits are identical. The MLP works on each token alone, so nothing carries a patch's knowledge to CLS. There is
# no error message, and the loss behaves at first as losses do: it falls until it says how often each class occurs.
# There it stays.
#
# </details>
#
# **Before you train for an hour, ask a new model to memorise one batch.** It takes seconds and finds this.
#
# ### CLS in divided attention: what the paper says, what the code does
#
# In *time*, CLS stays out. In *space*, every frame gets its own **copy** of CLS. The copy looks at its frame's
# patches, and they at it. Then the copies' updates are **averaged** into the one CLS.

# %%
from videoformer_edu.figures.cls_copies import show_cls_copies

assert abs(loss_blind - prior) < 0.05 and loss_real < 0.5  # what you have just seen, with a margin
show_cls_copies(["t0", "t1"], places, caption="CLS in the spatial attention of one block.")
show_source(SpatialAttention.forward)

# %% [markdown]
# Find the three lines: `copies`, `cat`, `mean`. In the paper's equation for *temporal* attention CLS is among the keys;
# in the published code it is not, and people have asked why
# ([TimeSformer#74](https://github.com/facebookresearch/TimeSformer/issues/74),
# [#125](https://github.com/facebookresearch/TimeSformer/issues/125)). The published weights were trained with the code,
# so this course follows the code.
#
# > **Predict.** Make `t1·door` the only token that says anything, and let everybody look evenly at everybody in the
# > frame. How much of the door reaches the copy of CLS in frame 0, the copy in frame 1, and CLS itself?

# %%
torch.manual_seed(0)
spatial = SpatialAttention(width=12, heads=1).eval()
with torch.no_grad():  # values = the token itself, every token looks evenly at all
    spatial.attention.qkv.weight.copy_(torch.cat([torch.zeros(24, 12), torch.eye(12)]))
    spatial.attention.qkv.bias.zero_()
    spatial.attention.proj.weight.copy_(torch.eye(12))
    spatial.attention.proj.bias.zero_()
x = torch.zeros(1, 1 + grid.l, 12)
x[0, 1 + names.index("t1·door"), 0] = 1.0
update = spatial(x, grid)[0, :, 0]  # (1 + l,): CLS first
print({name: round(value, 2) for name, value in zip(names, update[1:].tolist(), strict=True)})
print("CLS itself:", round(update[0].item(), 3))

# %% [markdown]
# <details><summary>When you have run it: why?</summary>
#
# The copy in frame 1 looks at 5 tokens, itself and 4 patches, and takes a fifth of the door. The copy in frame 0 takes
# nothing: space does not cross frames. CLS gets the mean of the two.
#
# </details>
#
# ## 4 · The block, whole
#
# Three parts, three norms, three residuals. Between the temporal attention and its residual stands one more linear
# map, `temporal_projection`.

# %%
show_source(DividedSpaceTimeBlock)

# %% [markdown]
# Why that extra map? As published it starts at **zero**: a gate, meant to let TimeSformer begin its training as the
# image model whose weights it took over.
#
# > **Predict.** A still clip (one picture, eight times) goes through a fresh TimeSformer whose spatial weights are a
# > ViT's. How close are its features to the ViT's features of that picture? And can a gate that is zero learn at all?

# %%
size = dict(image_size=32, patch_size=8, width=64, depth=2, heads=4, classes=8)
torch.manual_seed(0)
vit, timesformer = ViT(**size), TimeSformer(frames=8, **size)  # init="published": the gate is closed
state = timesformer.state_dict()
for name, value in vit.state_dict().items():
    name = name.replace(".attention_norm.", ".spatial_norm.")
    state[name.replace(".attention.", ".spatial_attention.attention.")] = value
timesformer.load_state_dict(state)
picture = torch.randn(2, 3, 32, 32)
still = picture[:, :, None].expand(-1, -1, 8, -1, -1)  # (b, c, t, h, w)
difference = (vit.features(picture) - timesformer.features(still)).abs().max()
print(f"largest difference {difference:.5f}; rounding alone makes up to 0.00001")


# %%
def gate_gradient(zero_everything: bool) -> float:
    torch.manual_seed(0)
    model = TimeSformer(frames=8, **size)
    if zero_everything:
        for p in model.blocks[0].temporal_attention.parameters():
            nn.init.zeros_(p)
    model(torch.randn(2, 3, 8, 32, 32)).square().sum().backward()
    return model.blocks[0].temporal_projection.weight.grad.abs().max().item()


opens, stays = gate_gradient(zero_everything=False), gate_gradient(zero_everything=True)
print(f"gradient of the gate, last map zero: {opens:.4f}; all maps of the branch zero: {stays:.4f}")

# %% [markdown]
# <details><summary>When you have run it: why?</summary>
#
# A gate of zero adds nothing, so each frame passes through the blocks as if it were a picture, and a still clip is
# one. Training then opens the gate. For a zero map gets a gradient, because its *input* is not zero. **Where this
# breaks:** zero everything in the temporal branch, to be thorough, and it can never start. The gradient of the last
# map is zero because its input is, and the gradient of the others because the last map is.
#
# </details>
#
# ## 5 · When is a patch?
#
# Lesson 01 promised trouble. Attention takes its tokens as a *set*, and the tokens of a tube are a set of moments. So
# each token is told two things: its **place** $p$, as in ViT, and its **time** $t$, from a second table with one row a
# frame.
#
# $$z_{(p,t)} = W x_{(p,t)} + b + e^{\text{place}}_p + e^{\text{time}}_t$$
#
# All patches of a frame get the same time, all patches of a tube the same place. CLS has a place of its own, and no
# time.
#
# **Your turn.** Add both tables to the patches. Mind which of them has to be repeated along which axis.

# %% tags=["your_turn"]
assert difference < 1e-5 and opens > 1e-4 and stays == 0  # section 4, with a margin


def add_positions(patches, space, time):
    """patches (b, t*n, d), time slowest; space (n, d), time (t, d) -> (b, t*n, d)."""
    # BEGIN SOLUTION
    patches = rearrange(patches, "b (t n) d -> b t n d", t=len(time))
    patches = patches + space + time[:, None]  # (b, t, n, d) + (n, d) + (t, 1, d)
    return rearrange(patches, "b t n d -> b (t n) d")
    # END SOLUTION


in_ones, in_tens = torch.arange(4.0)[:, None], 10 * torch.arange(2.0)[:, None]  # place as ones, time as tens
your_turn(add_positions(torch.zeros(1, 8, 1), in_ones, in_tens),
          torch.tensor([0.0, 1, 2, 3, 10, 11, 12, 13]).reshape(1, 8, 1), "t1·roof, token 5, is 10 + 1.")

# %% [markdown]
# Now you have all parts. Here is the model on one page, from pixels to logits:

# %%
def timesformer_on_one_page(model, video):
    """video (b, c, t, h, w) -> logits (b, classes)."""
    patches, grid = model.patch_embed(video)  # (b, t*n, d): one linear map, the same for every patch
    space, time = model.space_positions(grid.h, grid.w), model.time_positions(grid.t)  # (1 + n, d), CLS first; (t, d)
    patches = rearrange(patches, "b (t n) d -> b t n d", t=grid.t) + space[1:] + time[:, None]
    cls = (model.cls + space[:1]).expand(len(video), -1, -1)  # (b, 1, d): a place of its own, no time
    x = torch.cat([cls, rearrange(patches, "b t n d -> b (t n) d")], dim=1)  # (b, 1 + t*n, d)
    for block in model.blocks:
        x = block(x, grid)  # along time, across space, MLP
    return model.head(model.norm(x[:, 0]))  # CLS alone is read


model, test = load_small("timesformer_motion_divided"), motion_test_set()
direction, clips = test.direction[:512], normalise(test.clips[:512], MOTION_PIXELS)  # (b,), (b, c, t, h, w)
with torch.no_grad():
    difference = (timesformer_on_one_page(model, clips[:8]) - model(clips[:8])).abs().max().item()
print(f"the page and the package differ by {difference:.5f}, rounding allows 0.0001")
assert difference < 1e-4

# %% [markdown]
# The small model was trained on clips whose label is the direction of a moving digit, one of eight.
#
# > **Predict.** Set its table of times to zero and play each clip forwards and backwards. How different are the logits:
# > not at all, a little, a lot? And its accuracy, which was 99 %: 99 %, 50 % or 12.5 %?

# %%
timeless = copy.deepcopy(model)
timeless.time_positions.table.data.zero_()
right = {}
for name, net in (("with times", model), ("without times", timeless)):
    with torch.no_grad():
        forwards, backwards = net(clips), net(clips.flip(2))
    answer = forwards.argmax(1)
    right[name] = [(answer == direction).float().mean().item(), (answer // 2 == direction // 2).float().mean().item()]
    print(f"{name:13} logits forwards and backwards differ by {(forwards - backwards).abs().max().item():.3f}; "
          f"right: direction {right[name][0]:.0%}, axis {right[name][1]:.0%}")

# %% [markdown]
# <details><summary>When you have run it: why?</summary>
#
# Without times a clip and its reverse are one and the same to it, up to rounding. The *axis* it still knows, because a
# set of frames shows a line. Which way along the line is a coin toss, and half right is all that a model without order
# can be.
#
# </details>
#
# **Where this breaks:** `time.repeat(n, 1)` instead of `time.repeat_interleave(n, dim=0)`
# has the same shape and gives a patch the time of another frame. No error; light one token, as in your turn, and see.
#
# For another number of frames the table is stretched, linearly. Whether the model understands the result is another
# question: lesson 05.
#
# ## 6 · Divided, joint, space-only: what do their mistakes look like?
#
# In lesson 03 you saw the accuracies: on this task divided attention has 99 %, joint 46 %, space-only 12 %. No single
# frame tells the direction (1/8 = 12.5 %); a *set* of frames tells the axis and never the way along it (50 %).
#
# > **Predict.** Draw three tables with a pencil: rows are the true directions E W S N SE NW SW NE, columns the answers.
# > Where are the dark cells for each of the three?

# %%
from videoformer_edu.figures.confusion import confusion_matrices
from videoformer_edu.pretrained.small import small_results
from videoformer_edu.training.evaluate import confusion

assert right["with times"][0] > 0.95 and 0.4 < right["without times"][0] < 0.6 and right["without times"][1] > 0.85
kinds = ("space_only", "joint", "divided")
models = {kind: load_small(f"timesformer_motion_{kind}") for kind in kinds}
with torch.no_grad():
    answers = {kind: model(clips).argmax(1) for kind, model in models.items()}
accuracy = {kind: (answer == direction).float().mean().item() for kind, answer in answers.items()}
axis = {kind: (answer // 2 == direction // 2).float().mean().item() for kind, answer in answers.items()}
words = [f"{kind}: gives {len(answers[kind].unique())} of the names, axis {axis[kind]:.0%}, "
         f"direction {accuracy[kind]:.0%}" for kind in kinds]
show(confusion_matrices({kind.replace("_", " "): confusion(direction, answer, 8) for kind, answer in answers.items()},
                        list(DIRECTIONS)), alt="Three 8 by 8 tables. " + "; ".join(words),
     caption="Rows: how the digit moves. Columns: what the model says. In per cent of the row.")
for kind, line in zip(kinds, words, strict=True):
    runs = small_results()[f"timesformer_motion_{kind}"]["runs"]
    print(f"{line}; seeds on record:", *(f"{run['accuracy']:.1%}" for run in runs))

# %% [markdown]
# <details><summary>When you have run it: what one sees</summary>
#
# **Space-only** gives every clip the same name. It sees a set of frames, and a set would allow 50 %; a CNN that keeps
# mean, spread and maximum over the frames reaches that (`unordered_frames` in `docs/experiments.md`: 48.5 %). The mean
# alone, of frames that never met, carried nothing. **Joint** makes blocks of 2 x 2: it reads the axis and tosses a coin
# for the way along it, like the model without times of section 5. **Divided** has a clean diagonal.
#
# </details>
#
# Joint attention has a table of times, it sees all that divided sees, and it was trained four times as long. So can it
# *not do* it, or did it not *find* it?
#
# > **Predict.** The same joint model, trained anew with a **penalty**: in the first block a number is subtracted from
# > each score outside a patch's own tube. Over a third of the training that number is annealed to zero. Afterwards
# > every look is free again. Does it keep what it has learnt? And how many parameters has it, beside divided?

# %%
models["joint, penalty"] = taught = load_small("timesformer_motion_joint_time_first")  # at two thirds it was zero
assert type(taught) is type(models["joint"]) and taught.attention == models["joint"].attention == "joint"
with torch.no_grad():
    accuracy["joint, penalty"] = (taught(clips).argmax(1) == direction).float().mean().item()
for kind, net in models.items():
    print(f"{kind:<14} {accuracy[kind]:4.0%} right, {sum(p.numel() for p in net.parameters()):7,} parameters")

# %% [markdown]
# <details><summary>When you have run it: what it says, and what not</summary>
#
# Joint attention **can** do it: the same class, the same 81,608 parameters, nothing left of the penalty. What it did
# not find alone is what the penalty gave it, a look at its own place first. *Why* it does not find that alone, no cell
# here says; what was tried in vain is in `docs/trials.md`.
#
# So "divided attention is a joint attention that may not look everywhere" is half of the truth. In its *pairs* it is
# that. In its *weights* it is more: two attentions and a gate in each block, 123,464 parameters against 81,608. Since
# the smaller model can reach the same accuracy, the task does not need the extra weights.
#
# </details>
#
# When a model does not learn, ask which of the two it is: the model, or its training. Lesson 08 is about the second.
#
# ## 7 · My map shows bars, dots, or avoids the object: bug or truth?
#
# The most frequent question to the authors' repository is how to see what the model attends to, and a frequent answer
# shows horizontal **bars** ([TimeSformer#76](https://github.com/facebookresearch/TimeSformer/issues/76)). They are a
# bug of the drawing. The published code keeps tokens in the order `(h w t)`, time fastest. Read such a row as `(t h
# w)` and every patch lands elsewhere. The test takes three lines: light **one** patch, send it round, and see where
# it lights up.
#
# > **Predict.** 3 frames of 4 x 6 patches. One patch is lit: frame 2, row 1, column 2. In which frame, row and column
# > does the misreading put it?

# %%
from videoformer_edu.figures.cube import show_lit_cubes

box = Grid(t=3, h=4, w=6)
lit, tube = torch.zeros(box), torch.zeros(box)
lit[2, 1, 2] = 1.0  # frame 2, row 1, column 2
tube[:, 1, 2] = 1.0  # the same place in all frames


def misread(values):
    """Stored as (h w t), read as (t h w)."""
    return rearrange(values, "t h w -> (h w t)").reshape(box)


drawn = {"one patch": lit, "one patch, misread": misread(lit), "a tube": tube, "a tube, misread": misread(tube)}
show_lit_cubes(drawn, box, (2, 1, 2), {name: f"lit: {cells.nonzero().tolist()}" for name, cells in drawn.items()},
               caption="Blue: the patch. Amber: what is lit, at [frame, row, column]; blue covers it.")

# %% [markdown]
# A tube, the very thing that time attention draws, becomes a bar. In this course every map carries its grid, and one
# test does what you did here, for every attention. The other two symptoms are no bugs of the drawing:
#
# - **Dots**: single background patches that everybody looks at. Large models keep notes for themselves in patches that
#   nobody needs; extra tokens, *registers*, take the dots away (Darcet et al., 2024,
#   [arXiv:2309.16588](https://arxiv.org/abs/2309.16588)). Lesson 10.
# - **It avoids the object**: perhaps truly. A map says where values are taken from, not what decides. Section
#   8 tests it.
#
# ## 8 · How do I see what it attends to, in space and in time?
#
# `record_attention` collects the shares of the forward pass itself (lesson 01 showed that maps times values are what
# the module passes on). **In space**, CLS has one map for each frame, by its copies: the picture on top of this page.
# One clip proves nothing, so count on 256. The generator knows the square in which the digit lies.
#
# > **Predict.** That square covers 18 % of a frame. How much of the attention of CLS falls into it, in each of the four
# > heads of the last block?

# %%
from videoformer_edu.data.motion.rendering import coverage

assert accuracy["space_only"] < 0.2 and 0.3 < accuracy["joint"] < 0.6 and axis["joint"] > 0.75  # section 6
assert accuracy["divided"] > 0.95 and accuracy["joint, penalty"] > 0.9
with torch.no_grad(), record_attention(display) as maps:
    correct = display(films).argmax(1) == large.direction
covered = coverage(large.position, torch.full((256, 8), 27.0), (8, 8), 64, torus=True)  # (b, t, h, w), mean width
looks = maps["blocks.1.spatial_attention"].cls_looks()  # (b, head, t, h, w)
on_digit = (looks * covered[:, None]).sum((-3, -2, -1)) / looks.sum((-3, -2, -1))  # (b, head)
print(f"right in {correct.float().mean().item():.0%} of the clips; the digit covers {covered.mean().item():.0%}")
print("share of the attention on it, each head:", [f"{share:.0%}" for share in on_digit.mean(0).tolist()])

# %% [markdown]
# **In time**, every patch has a map of its own: its tube. Look for yourself. Click a patch (or choose CLS), change
# block and head, move with the arrow keys, and turn the question round with *who looks here?*
#
# The map *time, then space* is a product. A patch hears its own frame, whose patches have just heard their tubes; heads
# are averaged. It shows by which routes something of *all* frames can come to a patch through one block. How much
# comes, it does not say: that is the question after the explorer.

# %%
from videoformer_edu.widgets import Task, attention_explorer, maps_for_explorer

assert on_digit.mean() > 0.6 and abs(covered.mean() - 0.18) < 0.01  # what you have just seen, with a margin
along_time = seen["blocks.0.temporal_attention"].dense()[0].mean(0)  # (l, l)
in_space = seen["blocks.0.spatial_attention"].dense()[0].mean(0)  # (1 + l, 1 + l)
both = in_space[:, 1:] @ along_time  # (1 + l, l): from CLS and every patch to every patch
both = both.unflatten(1, (8, 8, 8))[None]  # (head=1, 1 + l, t, h, w)
digit = covered[18] > 0.5  # (t, h, w)
attention_explorer(
    frames, {**maps_for_explorer(seen), "block 0 · time, then space": both},
    title="Where does a patch look, and who looks at it?", start=(3, 1, 1),
    task=Task("Find a patch that looks most at the digit in another frame.", digit, other_frame=True,
              says="Along time a patch meets the digit only if the digit passes through its tube."),
    alt="The eight frames of the clip. One patch of frame 3 is marked, and only the patch at the same place in each "
        "frame is lit: along time it looks nowhere else.")

# %% [markdown]
# ### How much reaches a patch?
#
# The product of the maps leaves out three things: the **residual** (a patch keeps what it has), the **gate** and the
# other linear maps (what passes may be made large or small), and the norms. The derivative counts all of them, for
# small changes: how much does the patch's vector after the block change when another one before it does?
#
# > **Predict.** A patch on the digit in frame 3. By the product of the maps nearly nothing comes from itself. By the
# > derivative: nearly nothing, a tenth, or almost half?

# %%
x, of = display.embed(films[18:19])
query = (3, 4, 2)  # frame 3, row 4, column 2
number = of.n * query[0] + of.w * query[1] + query[2]
slope = torch.autograd.functional.jacobian(lambda x: display.blocks[0](x, of)[0, 1 + number], x)  # (d, 1, 1 + l, d)
felt = slope[:, 0, 1:].square().sum((0, 2)).sqrt().detach()  # (l,): how strongly each patch is felt
same_frame, same_tube = Spatial().allowed(of)[number], Temporal().allowed(of)[number]
shares = {}
for name, amount in (("maps", both[0, 1 + number].flatten()), ("derivative", felt)):
    share = amount / amount.sum()
    own, tube, frame = share[number].item(), share[same_tube].sum().item(), share[same_frame].sum().item()
    shares[name] = own
    print(f"{name:<10} itself {own:.0%}, rest of its tube {tube - own:.0%}, rest of its frame {frame - own:.0%}, "
          f"others {1 + own - tube - frame:.0%}")

# %% [markdown]
# <details><summary>When you have run it: what it says</summary>
#
# By the maps nearly all comes from elsewhere. In truth the patch is still itself to a large part, and its tube, small
# in the product, is felt strongly. Routes are not amounts.
#
# </details>
#
# **And what for?** In block 0, one head gives most of its attention along time to one single frame, whatever the clip
# shows. Is that frame so important?
#
# > **Predict.** Overwrite one frame with its neighbour and ask again. How much accuracy is lost if it is the favourite,
# > and how much if it is another?

# %%
assert shares["maps"] < 0.1 and shares["derivative"] > 0.25  # the routes and the amounts
mass = maps["blocks.0.temporal_attention"].probabilities.mean(dim=(0, 1, 3))  # (head, t)
head, favourite = divmod(mass.argmax().item(), 8)
few, lost = slice(0, 96), []
with torch.no_grad():
    for t in range(8):
        changed = films[few].clone()
        changed[:, :, t] = films[few, :, t - 1 if t else 1]
        still_right = (display(changed).argmax(1) == large.direction[few]).float().mean()
        lost.append((correct[few].float().mean() - still_right).item())
print(f"head {head} gives {mass.max().item():.0%} of its attention to frame {favourite}")
print("points lost by overwriting frame 0 to 7:", [round(100 * points) for points in lost])

# %% [markdown]
# Maps raise questions; interventions such as this one answer them. And the picture depends on the seed: another run
# of the same training may favour another frame. Do not expect the diagonal band that drawings of temporal attention
# like to show.
#
# ### Can it give one label a frame?
#
# People ask for it ([TimeSformer#135](https://github.com/facebookresearch/TimeSformer/issues/135)). The head reads one
# CLS for the whole clip. But CLS was in every frame: take its **copies before they are averaged**, and put a linear map
# on them. Here it is fitted to say in which quarter of its frame the digit is (a guess: 25 %).

# %%
assert max(lost) < 0.05 and mass.max() > 0.5  # no frame is needed, the favourite neither


def copies_of_cls(clips):
    """What the copy of CLS in each frame has taken up in block 0, before the mean: (b, t, d)."""
    got, attention = {}, model.blocks[0].spatial_attention.attention
    hook = attention.register_forward_hook(lambda module, inputs, out: got.update(frames=out))  # (b, t, 1 + n, d)
    with torch.no_grad():
        model(clips)
    hook.remove()
    return got["frames"][:, :, 0]


all_clips = normalise(test.clips, MOTION_PIXELS)  # 1024 clips
copies = F.pad(copies_of_cls(all_clips), (0, 1), value=1.0)  # (b, t, d + 1): with a one for the bias
quarter = (test.position >= 16).long() @ torch.tensor([1, 2])  # (b, t): 0 to 3
fit = torch.linalg.lstsq(copies[:512].flatten(0, 1), F.one_hot(quarter[:512], 4).float().flatten(0, 1)).solution
named = ((copies[512:] @ fit).argmax(-1) == quarter[512:]).float().mean().item()
print(f"right in 4,096 new frames, per cent, here: {100 * named:.0f}; more than 45, a guess is 25")

# %%
changed = all_clips[:64].clone()
changed[:, :, 7] = 0  # a grey frame 7
moved = (copies_of_cls(changed)[:, 3] - copies[:64, 3, :-1]).abs().max().item()
print(f"another frame 7 changes the vector of frame 3 by up to {moved:.1f}, more than 0.1")
assert named > 0.45 and moved > 0.1

# %% [markdown]
# A frame does have a vector of its own. It was never trained to be read, so this is a beginning; train head and model
# with a label for each frame, if you have them. And mind the second line: frame 3 already knows frame 7. For a live
# stream that is cheating, and lesson 10 masks the future.
#
# ## 9 · What does it cost?
#
# Count one block, as in lesson 02. Write $D$ for the width. An attention over $l$ tokens in $P$ pairs costs $4\,l\,D^2$
# multiply-adds for its four projections and $2\,P\,D$ for scores and mixing. The MLP costs $8\,l\,D^2$. Without CLS:
#
# $$\text{joint: } 12\,TN\,D^2 + 2\,(TN)^2 D \qquad
#   \text{divided: } 17\,TN\,D^2 + 2\,TN\,(T + N)\,D .$$
#
# Divided saves pairs and pays for a second attention and its gate: $5\,TN\,D^2$ more. Do not drop the factor $TN$ in
# its pairs: "$T^2 + N^2$" is a common slip, and it counts one tube and one frame only.
#
# > **Predict.** TimeSformer-B has $D = 768$, and 8 frames of 224 pixels have $N = 196$. Which is cheaper, divided or
# > joint? From how many frames on is it the other way round?

# %%
from videoformer_edu.cost import count_macs, crossing, timesformer_cost

for t in (8, 16, 96):
    joint, divided = (timesformer_cost(frames=t, attention=kind) for kind in ("joint", "divided"))
    print(f"{t:>2} frames: joint {joint.macs / 1e9:7.1f} G, divided {divided.macs / 1e9:7.1f} G multiply-adds")
    print(f"   scores of a block: {joint.attention_bytes / 1e6:.0f} and {divided.attention_bytes / 1e6:.0f} MB")
parameters = {kind: timesformer_cost(attention=kind).parameters for kind in ("joint", "divided")}
print(f"parameters: {parameters['divided'] / parameters['joint'] - 1:.0%} more for divided")
for pixels in (112, 224, 448):
    print(f"at {pixels} pixels divided is cheaper from {crossing(image_size=pixels)} frames on")
with torch.device("meta"):  # shapes only: the 121.6 M parameters are never allocated
    real = TimeSformer(frames=8)
assert count_macs(real, 1, 3, 8, 224, 224) == timesformer_cost(frames=8).macs

# %%
from videoformer_edu.cost import PUBLISHED_TIMESFORMER
from videoformer_edu.figures.cost import cost_curves

frames_axis = sorted({1, 2, 4, 8, 16, 32, 64, 96, 128, crossing()})
curves = {kind: [timesformer_cost(frames=t, attention=kind).macs for t in frames_axis]
          for kind in ("joint", "divided", "space_only")}
assert crossing() == 11
marks = {row.name: (row.frames, 1e9 * row.gmacs)
         for row in PUBLISHED_TIMESFORMER if row.image_size == 224}
show(cost_curves(frames_axis, curves, crossing=crossing(), marks=marks),
     alt="Multiply-adds per clip against frames, both on logarithmic scales. Space only and divided rise in "
     "straight lines; joint starts between them and bends upwards, and crosses divided. "
     "TimeSformer at 8 frames and TimeSformer-L at 96 frames lie on the divided line.",
     caption="TimeSformer-B at 224 pixels. The published models sit on our closed form.")

# %% [markdown]
# "Full attention is prohibitively expensive" is true of some clips and false of others; you know now of which. The
# memory for the scores, where an implementation stores them, follows the pairs alone; there divided wins from the
# start. Set the two costs equal, and $2TN - 2N - 2T \approx 5D$ gives the crossing by hand.
#
# The dots are the paper's own numbers; the lines are ours. Which resolution makes divided pay at 8 frames? Which patch
# size? Guess, and ask the explorer of [lesson 02](02_the_cost_of_time.ipynb).
#
# ## 10 · Your model is the published model
#
# A readable model is worth more if it *is* the real one. The folder below was written by the reference library itself
# (Hugging Face transformers, a small TimeSformer with random weights), together with its answer to one clip. Its key
# names are not ours, its tables have another shape. `load_pretrained` translates, and refuses to load half.

# %%
from safetensors.torch import load_file

from videoformer_edu.pretrained import CheckpointError, load_pretrained, reference_checkpoint

folder = reference_checkpoint("timesformer")
answer = load_file(folder / "answer.safetensors")
small = dict(frames=4, image_size=32, patch_size=8, width=32, depth=2, heads=4, classes=5)
mine = TimeSformer(**small).eval()
print(load_pretrained(mine, folder))
with torch.no_grad():
    difference = (mine(answer["video"]) - answer["logits"]).abs().max()
difference = difference / answer["logits"].abs().max()
print(f"the logits differ by {difference:.5f} of the largest, rounding allows 0.00001")
assert difference < 1e-5
try:  # and the wrong model?
    load_pretrained(TimeSformer(**small, attention="joint"), folder)
except CheckpointError as error:
    print("\nCheckpointError: " + str(error).replace("; ", ";\n  "))

# %% [markdown]
# Joint attention has no temporal weights, so a divided checkpoint cannot be meant for it, and nothing was loaded. With
# a network, the published weights load by their name, and you have the model of the paper:
#
# ```python
# from videoformer_edu.models import timesformer_base
#
# model = timesformer_base(classes=400)
# load_pretrained(model, "facebook/timesformer-base-finetuned-k400")
# ```
#
# ## 11 · Take it apart while it runs
#
# The next cell needs no kernel once it is there: the three small models run inside the page, with the weights that you
# have loaded above. Change the clip, its order, the model; bars and maps follow. Draw a path of your own.
#
# > **Predict.** One frame, repeated eight times: what will divided say, and how sure will it be? Whose bars do not move
# > at all when you reorder the frames? And if you silence all attention in time, does divided become space-only?

# %%
from videoformer_edu.widgets import live_explorer

small_models = {"divided": "divided", "joint": "joint_time_first", "space-only": "space_only"}
live_explorer({name: load_small(f"timesformer_motion_{file}") for name, file in small_models.items()},
              motion_batch(4, seed=3, split="test"), title="What does the model say when you change the clip?",
              alt="Eight frames in which an eight moves down. Amber: a patch of frame 1 looks along its tube.")

# %% [markdown]
# Silencing is no training: a model without its time attention answers as one that never learned without it.
#
# ## What goes wrong, and when not to use it
#
# - **Short clips.** Below about 11 frames at 224 pixels, joint attention is cheaper and has fewer parameters.
# - **CLS outside, or no times.** A model that sees nothing, or no order. Memorise one batch; play it backwards.
# - **Motion across places.** What moves is at another place at another time, and a divided block carries it
#   there through a patch of background (lesson 03). Where the question is *the same thing elsewhere*, joint
#   attention learns faster.
# - **Another clip length.** Resize the time table, and pass the clip's own length to the regrouping. One popular port
#   regroups with the length in its configuration; where the sizes happen to divide there is no error, only other
#   logits ([transformers#38027](https://github.com/huggingface/transformers/issues/38027)).
# - **Little data.** A convolution knows from the start that neighbours belong together. Lesson 09 measures who needs
#   how many clips.
#
# ## Exercises
#
# SHEET
#
# They build this block: the regrouping, spatial attention with CLS, the block with its gate, and the cost formula. The
# `check` tells you which mistake you made.
#
# Two questions to keep you busy on the way:
#
# <details><summary>Why does averaging the copies of CLS not blur the clip into one frame?</summary>
# Each copy's update is computed before the average, from patches that have already looked along time. What CLS
# averages are summaries of frames that know about each other, not the frames.</details>
#
# <details><summary>If CLS took part in temporal attention, as the paper's equation has it, what would change?</summary>
# Each tube would have T + 1 tokens, CLS would be a key for every patch, and the weights would have to be trained that
# way. Loading the published weights into such a model gives other logits.</details>
#
# ## Summary
#
# 1. Divided attention is two regroupings around ordinary attention: along the tube, then across the frame.
# 2. CLS is copied into every frame and its updates are averaged; a table of times says when: without either, no video.
# 3. Divided beats joint in cost only from about 11 frames at 224 pixels; the pairs say it, not the slogan.
#
# **References.** Bertasius, Wang, Torresani (2021), *Is space-time attention all you need for video understanding?*
# [arXiv:2102.05095](https://arxiv.org/abs/2102.05095). Dosovitskiy et al. (2021), ViT,
# [arXiv:2010.11929](https://arxiv.org/abs/2010.11929). Darcet et al. (2024), *Vision transformers need registers*,
# [arXiv:2309.16588](https://arxiv.org/abs/2309.16588). Published code:
# [facebookresearch/TimeSformer](https://github.com/facebookresearch/TimeSformer).
