# /// lesson
# title = "TimeSformer"
# question = "How does one block divide space and time?"
# minutes = 80
# needs = "PyTorch, and lesson 01 or the idea of queries, keys, values, heads and CLS."
# objectives = [
#     "**implement** divided space-time attention as two regroupings around one ordinary attention",
#     "**explain** what CLS does in it, and recognise the bug that makes a model blind to its video",
#     "**compare** divided, joint and space-only attention on a task where only the order of frames matters",
#     "**read** attention maps in space and time, and check that a map is drawn in the right place",
#     "**compute** tokens, pairs and multiply-adds, and say at which clip length divided becomes cheaper than joint",
# ]
# serves.1 = { experiment = "where divided is cheaper", exercises = [4] }
# serves.2.experiment = "a model that sees nothing, and why; weights of the reference library, the same logits"
# serves.2.exercises = [1, 2, 3]
# serves.3 = { experiment = "divided, joint and space-only on clips where only order tells" }
# serves.4 = { exercises = [4] }
# ///

# %% [markdown]
# A clip of 8 frames has 1,568 patches. TimeSformer (Bertasius et al., 2021) lets each of them look along time, then
# across its own frame, instead of at everything at once. You take that block apart, break it the way a popular
# tutorial text breaks it, train your eye on what it looks at, and work out when it is cheaper and when it is not.
#
# OBJECTIVES

# %%
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from videoformer_edu.attention import SpatialAttention, TemporalAttention, dense_attention, record_attention
from videoformer_edu.attention.patterns import Full, Spatial, Temporal
from videoformer_edu.data.motion import DIRECTIONS, motion_batch, motion_test_set
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.figures import show
from videoformer_edu.figures.source import show_source
from videoformer_edu.models import DividedSpaceTimeBlock, TimeSformer, ViT, timesformer_motion
from videoformer_edu.tokens import Grid

torch.manual_seed(0)
print("ready")

# %% [markdown]
# ## 1 · Eight tokens with names
#
# Take the smallest clip worth thinking about: 2 frames, each cut into 2 x 2 patches. A bird flies in front of a
# house. The places are called *sky*, *roof*, *door* and *grass*, the frames *t0* and *t1*.
#
# Tokens stand in one sequence, in the order `(t h w)`: all of frame 0, then all of frame 1.
#
# > **Predict.** `t1·roof` is which number in the sequence, counting from 0? And along time, which token is its only
# > companion?

# %%
grid = Grid(t=2, h=2, w=2)
places = ["sky", "roof", "door", "grass"]
names = [f"t{t}·{place}" for t in range(grid.t) for place in places]
print(*enumerate(names))
for title, pattern in (("tubes", Temporal()), ("frames", Spatial())):
    groups = [[names[number] for number in group] for group in pattern.groups(grid)]
    print(title, *groups, sep="\n  ")

# %% [markdown]
# `t1·roof` is number 5: `t * n + place = 1 * 4 + 1`, where `n = h * w` is the number of patches in a frame. Its
# companion is `t0·roof`: the same place at the other time.
#
# A *pattern* says who may look at whom. Three of them matter in this lesson:
#
# - **joint**: every token looks at every token;
# - **spatial**: every token looks at the tokens of its own frame;
# - **temporal**: every token looks at its own place, in all frames. That row of patches is its *tube*.
#
# > **Predict.** How many query-key pairs does each pattern have here? Joint has 8 x 8. And the other two?

# %%
from videoformer_edu.figures.patterns import pattern_matrices

patterns = {"joint": Full(), "spatial": Spatial(), "temporal": Temporal()}
figure = pattern_matrices({k: p.allowed(grid) for k, p in patterns.items()}, names, frame=grid.n)
show(figure, alt="Three 8 by 8 tables of who may look at whom. Joint is full, 64 pairs. Spatial has two "
     "4 by 4 blocks, 32 pairs. Temporal has three diagonals, 16 pairs.",
     caption="Rows look, columns are looked at. The black lines stand between the two frames.")
print({name: pattern.pairs(grid) for name, pattern in patterns.items()})

# %% [markdown]
# Spatial: 2 frames of 4 x 4. Temporal: 4 tubes of 2 x 2. In general, with $T$ frames and $N$ patches in each,
#
# $$\text{joint: } (TN)^2 \qquad \text{spatial: } T\,N^2 \qquad \text{temporal: } N\,T^2 .$$
#
# Divided attention does the temporal one, then the spatial one: $TN\,(T + N)$ pairs. Each token looks $T + N$ times
# instead of $TN$ times. Do not drop the factor $TN$: "$T^2 + N^2$" is a common slip, and it counts one tube and one
# frame only.

# %%
clip = Grid(t=8, h=14, w=14)  # 8 frames of 224 x 224 pixels, patches of 16 x 16
divided = Temporal().pairs(clip) + Spatial().pairs(clip)
print(f"tokens {clip.l}, joint {Full().pairs(clip):,} pairs, divided {divided:,} pairs")
print(f"joint has {Full().pairs(clip) / divided:.1f} times as many")
assert divided == clip.l * (clip.t + clip.n)

# %% [markdown]
# ## 2 · Regroup, then attend as always
#
# No new attention is needed. Attention mixes whatever stands on the sequence axis and treats the axes before it as
# independent. So put the frames of one tube on the sequence axis, and attend.
#
# $$z'_{(p,t)} = \sum_{t'=1}^{T} \operatorname{softmax}_{t'}\!\left(\frac{q_{(p,t)} \cdot
# k_{(p,t')}}{\sqrt{e}}\right) v_{(p,t')}$$
#
# Here $p$ is the place, $t$ the frame, $e$ the width of one head. Only $t'$ runs. The place never changes.

# %%
tokens = torch.arange(grid.l).reshape(1, grid.l, 1)  # (b=1, l=8, d=1): each token is its own number
tubes = rearrange(tokens, "b (t n) d -> b n t d", t=grid.t)  # (1, 4, 2, 1)
for place, tube in zip(places, tubes[0, :, :, 0].tolist(), strict=True):
    print(f"{place:>5}: {[names[number] for number in tube]}")
show_source(TemporalAttention.forward)

# %% [markdown]
# That is all there is to `TemporalAttention`: one `rearrange` there, one attention, one `rearrange` back.
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
# > **Predict.** Take ordinary attention over all 8 tokens and forbid every pair that is not in the temporal pattern.
# > The same weights. Is the result the same, nearly the same, or different?

# %%
torch.manual_seed(0)
temporal = TemporalAttention(width=12, heads=3)
x = torch.randn(2, grid.l, 12)  # (b, l, d)
regrouped = temporal(x, grid)
masked = dense_attention(temporal.attention, x, Temporal(), grid)  # all l x l scores, then a mask
difference = (regrouped - masked).abs().max().item()
print(f"largest difference {difference:.6f}, rounding allows 0.000001")
assert difference < 1e-6

# %% [markdown]
# The same numbers. But the masked one computed 64 scores and threw 48 away, and the regrouped one computed 16. A mask
# says who may look. It saves nothing.
#
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

# %% [markdown]
# ## 3 · CLS, or how to build a model that sees nothing
#
# The logits are read from one extra token, CLS. It has no place in space or time, so what does it do when the patches
# are regrouped into tubes and frames?
#
# Here is a tempting answer. It stands in teaching texts: set CLS aside, do both attentions with the patches, put CLS
# back for the MLP.

# %%
class BlindBlock(nn.Module):
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
# > **Predict.** Two different videos go through a model made of such blocks. How different are the logits?

# %%
torch.manual_seed(0)
blind = timesformer_motion()
blind.blocks = nn.ModuleList(BlindBlock(block) for block in blind.blocks)
one, two = torch.randn(2, 1, 3, 8, 32, 32)  # two videos of noise
print("largest difference between the logits:", (blind(one) - blind(two)).abs().max().item())
video = one.clone().requires_grad_()
blind(video).sum().backward()
silent = [name for name, p in blind.named_parameters() if p.grad is None or not p.grad.any()]
print(f"gradient on the video: {video.grad.abs().max().item()}; "
      f"{len(silent)} of {len(list(blind.parameters()))} parameter tensors without a gradient")

# %% [markdown]
# Identical. The MLP works on each token alone, so nothing ever carries a patch's knowledge to CLS. There is no error
# message, and the loss even falls. Let the blind model and the real one memorise 16 clips:

# %%
def memorise(model, steps=40):
    """The loss after fitting one batch of 16 clips again and again."""
    batch = motion_batch(16, seed=3)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(steps):
        loss = F.cross_entropy(model(normalise(batch.clips, MOTION_PIXELS)), batch.direction)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    shares = batch.direction.bincount(minlength=8) / 16
    return loss.item(), torch.special.entr(shares).sum().item()

torch.manual_seed(0)
loss_real, prior = memorise(timesformer_motion())
loss_blind, _ = memorise(blind)
print(f"class frequencies alone: {prior:.2f}, blind model: {loss_blind:.2f}, "
      f"real model, here: {loss_real:.2f}, below 0.5")
assert abs(loss_blind - prior) < 0.05 and loss_real < 0.5

# %% [markdown]
# The blind model learnt how often each class occurs, to two digits, and nothing else. **Before you train for an hour,
# ask a new model to memorise one batch.** It takes seconds and finds this.
#
# ### What the published code does
#
# In *time*, CLS stays out. In *space*, every frame gets its own **copy** of CLS. The copy looks at its frame's
# patches, and they at it. Then the copies' updates are **averaged** into the one CLS. Look for the three lines:

# %%
show_source(SpatialAttention.forward)

# %% [markdown]
# By hand, with names: make `t1·door` the only token that says anything, and let CLS look. In which frame's copy does
# the door arrive, and how much of it is left after averaging over the two frames?

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
print("CLS gets", round(update[0].item(), 3), "= 1 of 5 tokens in one of 2 frames")
print({name: round(value, 2) for name, value in zip(names, update[1:].tolist(), strict=True)})

# %% [markdown]
# The copy in frame 1 looks at 5 tokens (itself and 4 patches), so it takes 0.2 of the door. The copy in frame 0 takes
# nothing. Their mean is 0.1. All patches of frame 1 received 0.2, those of frame 0 nothing: space does not cross
# frames.
#
# > **The paper says, the code does.** In the paper's equation for temporal attention, CLS is among the keys. In the
# > published code it is not. The published weights were trained with the code, so this course follows the code.
#
# ## 4 · The block, whole
#
# Three parts, three norms, three residuals. Between the temporal attention and its residual stands one more linear
# map, `temporal_projection`.

# %%
show_source(DividedSpaceTimeBlock)

# %% [markdown]
# Why that extra map? It starts at **zero**. TimeSformer begins its training as an image model: at step 0 the temporal
# branch adds nothing, and each frame passes through the blocks of a pretrained ViT as if it were a picture. Training
# then opens the gate.
#
# > **Predict.** A still clip (one picture, eight times) goes through a fresh TimeSformer whose spatial weights are a
# > ViT's. How close are its features to the ViT's features of that picture?

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
print(f"largest difference {difference:.5f}, rounding allows 0.00001")
assert difference < 1e-5

# %% [markdown]
# The same features. And the gate can open: a zero map still gets a gradient, because its *input* is not zero.
#
# **Where this breaks.** Zero everything in the temporal branch, to be thorough, and it can never start: the gradient
# of the last map is zero because its input is, and the gradient of the others because the last map is.

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
print(f"last map zero: largest gradient {opens:.4f}; all maps zero: {stays:.4f}")
assert opens > 1e-4 and stays == 0

# %% [markdown]
# ## 5 · Is the picture drawn in the right place?
#
# The most frequent question to the authors' repository is how to see what the model attends to, and the most frequent
# answer shows horizontal bars. The bars are a bug of the drawing. The published code keeps tokens in the order
# `(h w t)`, time fastest. Read such a row as `(t h w)` and every patch lands elsewhere.
#
# The test takes three lines. Light **one** patch, send it round, and see where it lights up.

# %%
from videoformer_edu.figures.patterns import grids_in_frames

box = Grid(t=4, h=3, w=8)
lit, tube = torch.zeros(box), torch.zeros(box)
lit[2, 1, 3] = 1.0  # frame 2, row 1, column 3
tube[:, 1, 3] = 1.0  # the same place in all frames

def misread(values):
    """Stored as (h w t), read as (t h w)."""
    return rearrange(values, "t h w -> (h w t)").reshape(box)

show(grids_in_frames({"one patch": lit, "one patch, misread": misread(lit), "a tube": tube,
                      "a tube, misread": misread(tube)}, mark=(2, 1, 3)),
     alt="Four rows of four frames. The lit patch is in frame 2, row 1, column 3; misread, in frame 1, row 2, "
     "column 6. The tube is lit in all frames; misread, it is a bar of four patches in frame 1.",
     caption="A lit patch and a lit tube, read in the right and in the wrong order. Orange: the patch's place.")
print("patch:", lit.nonzero().tolist(), "misread:", misread(lit).nonzero().tolist())
print("the misread tube lights up in frames", misread(tube).nonzero()[:, 0].unique().tolist())

# %% [markdown]
# The patch lands in another frame, and a tube, the very thing that time attention draws, becomes a bar. In this
# course every map carries its grid, and one test does what you did here, for every attention.
#
# ## 6 · Which way does the digit move?
#
# Time to see whether any of this matters. The task: a handwritten digit moves over a photograph and wraps at the
# edges. The label is its direction, one of eight. The start is uniform, so **no single frame** says anything (1/8 =
# 12.5 %). A clip played backwards has the same frames and the opposite label, so a model that sees frames **as a
# set** can know the axis of the motion but never the way along it: 50 % is its exact ceiling.
#
# Small models were trained on it. The recipes and all numbers are in `docs/experiments.md`.
#
# > **Predict.** Space-only averages its frames' features. What is the best it can reach: 12.5 %, 50 % or 100 %? And
# > joint attention, in which every patch sees every patch of every frame: can it do worse than divided?

# %%
from videoformer_edu.figures.confusion import confusion_matrices
from videoformer_edu.pretrained.small import load_small, small_results
from videoformer_edu.training.evaluate import confusion

test = motion_test_set()
direction, clips = test.direction[:512], normalise(test.clips[:512], MOTION_PIXELS)  # (b,), (b, c, t, h, w)
models = {kind: load_small(f"timesformer_motion_{kind}") for kind in ("space_only", "joint", "divided")}
with torch.no_grad():
    answers = {kind: model(clips).argmax(1) for kind, model in models.items()}
tables = {kind: confusion(direction, answer, 8) for kind, answer in answers.items()}
accuracy = {kind: (answer == direction).float().mean().item() for kind, answer in answers.items()}
print({kind: f"{100 * share:.0f} %" for kind, share in accuracy.items()})
for name, result in small_results().items():
    if "motion" in name:
        steps, runs = result["recipe"]["steps"], [f"{run['accuracy']:.1%}" for run in result["runs"]]
        print(f"on record: {name.removeprefix('timesformer_motion_'):<17}{steps} steps, seeds", *runs)

# %%
shown = {kind.replace("_", " "): table for kind, table in tables.items()}
show(confusion_matrices(shown, list(DIRECTIONS)),
     alt="Three 8 by 8 tables. Space only: one column, the same answer to every clip. Joint: mostly 2 by 2 blocks "
     "on the diagonal, the axis is read and the way along it is guessed. Divided: a clean diagonal.",
     caption="Rows: how the digit moves. Columns: what the model says. In per cent of the row.")
axis = (answers["joint"] // 2 == direction // 2).float().mean().item()
print(f"joint knows the axis of {axis:.0%} of the clips, more than 3 in 4")
assert accuracy["space_only"] < 0.55 and 0.3 < accuracy["joint"] < 0.6 and accuracy["divided"] > 0.95
with torch.no_grad():  # and played backwards?
    backwards = models["divided"](clips.flip(2)).argmax(1)
opposite = (backwards == direction ^ 1).float().mean().item()
print(f"{opposite:.0%} of the clips played backwards get the opposite label")
assert opposite > 0.95

# %% [markdown]
# Divided attention solves the task, and turns round when the clip does. **Space-only** gives every clip the same
# name. Its ceiling is 50 %, and it stays at chance, because each frame votes alone and the votes are averaged: the
# axis shows in how the places of *two* frames relate, and no vote knows two frames.
#
# **Joint** is the surprise. It sees all that divided sees, and it had four times the steps. It reads the axis of most
# clips and never the sign: the 2 x 2 blocks are guesses between a direction and its opposite, which is what a *set*
# of frames allows. Is it that joint attention *cannot* do it, or that it did not *find* it?
#
# > **Predict.** Divided attention is a joint attention that may not look everywhere. Suppose that a penalty were
# > subtracted from each score outside a patch's own tube while joint attention learns, and then annealed to zero.
# > Would it keep what it had learnt, once every look is free?

# %%
taught = load_small("timesformer_motion_joint_time_first")  # trained so; two thirds on, the penalty was zero
plain = models["joint"]
assert type(taught) is type(plain) and taught.attention == plain.attention == "joint"
assert [p.shape for p in taught.parameters()] == [p.shape for p in plain.parameters()]
with torch.no_grad():
    answer = taught(clips).argmax(1)
print(f"joint, time first: {(answer == direction).float().mean().item():.0%}")
assert (answer == direction).float().mean() > 0.9

# %% [markdown]
# The same class, the same number of parameters, no mask and no penalty left: joint attention **can** do it. From
# scratch it does not find the way, because the axis is easy to read and the sign needs two things at once: to single
# out one's own place among 128 keys, and to tell earlier from later. Divided attention is given the first. So when a
# model does not learn, ask which of the two it is: the model, or its training. Lesson 08 is about the second.
#
# ## 7 · What it looks at
#
# `record_attention` collects the probabilities from the forward pass itself. While it is open, each attention uses
# the very tensor that it hands out, so a map cannot differ from what the model did. You can check that on this page:
# weights times values must give what the module passed on.

# %%
model, index = models["divided"], 23
caught = {}
attention = model.blocks[0].temporal_attention.attention
hooks = [attention.qkv.register_forward_hook(lambda m, i, out: caught.update(qkv=out)),
         attention.proj.register_forward_pre_hook(lambda m, i: caught.update(mixed=i[0]))]
with torch.no_grad(), record_attention(model) as maps:
    model(clips[index:index + 1])
for hook in hooks:
    hook.remove()
v = rearrange(caught["qkv"][..., 128:], "b n t (head e) -> b n head t e", head=4)
mixed = maps["blocks.0.temporal_attention"].probabilities @ v
mixed = rearrange(mixed, "b n head t e -> b n t (head e)")
difference = (mixed - caught["mixed"]).abs().max().item()
print(f"maps x values and what it passed on differ by {difference:.6f}, rounding allows 0.000001")
print(list(maps))

# %% [markdown]
# First the question that everybody asks: where does CLS look? CLS has one copy per frame, so it has one map per
# frame.

# %%
from videoformer_edu.figures.attention import attention_on_frames

frames = rearrange(test.clips[index], "c t h w -> t h w c")  # uint8
looks = maps["blocks.0.spatial_attention"].cls_looks()[0].mean(0)  # mean over heads: (t, h, w)
show(attention_on_frames(frames, looks), alt="Eight frames of a clip in which a digit 2 moves upwards. In most "
     "frames the patches on the digit are the brightest of the 16, and the bright place moves up with it.",
     caption="Where CLS looks in block 0, mean over the heads. A grid of 4 x 4 patches makes coarse maps.")

# %% [markdown]
# One clip proves nothing, so measure it on 512. In each frame, take the two patches that differ most from the clip's
# still background. How often is the patch that CLS looks at most one of them? By chance: 2 of 16.

# %%
with torch.no_grad(), record_attention(model) as many:
    model(clips)
background = test.clips[:512].float().median(dim=2, keepdim=True).values  # (b, c, 1, h, w)
motion = (test.clips[:512].float() - background).abs().mean(1)  # (b, t, 32, 32)
motion = rearrange(motion, "b t (h p) (w q) -> b t (h w) (p q)", p=8, q=8).mean(-1)  # (b, t, n)
moving = motion.topk(2).indices  # (b, t, 2)
looks = many["blocks.0.spatial_attention"].cls_looks().mean(1).flatten(2)  # mean over heads: (b, t, n)
hits = (looks.argmax(-1, keepdim=True) == moving).any(-1).float().mean().item()
print(f"CLS looks most at a moving patch in {hits:.0%} of the frames; by chance {2 / 16:.1%}")
assert hits > 0.7

# %% [markdown]
# Now look for yourself. One more map is worth having: a patch hears its own frame, whose patches have just heard
# their tubes. The product of the two maps (heads averaged) says how much of each patch of *all* frames reaches it
# through one block.
#
# Click a patch. Choose *space* and the map stays in its frame, *time* and it stays in its tube, *time, then space*
# and it spreads over the clip. Arrow keys move the patch.

# %%
from videoformer_edu.widgets import Task, attention_explorer, maps_for_explorer

along_time = maps["blocks.0.temporal_attention"].dense()[0].mean(0)  # (l, l)
in_space = maps["blocks.0.spatial_attention"].dense()[0].mean(0)  # (1 + l, 1 + l)
both = in_space[:, 1:] @ along_time  # (1 + l, l): from CLS and every patch to every patch
both = both.unflatten(1, (8, 4, 4))[None]  # (head=1, 1 + l, t, h, w)
digit = torch.zeros(8, 16, dtype=torch.bool).scatter(1, moving[index], True).unflatten(1, (4, 4))  # (t, h, w)
attention_explorer(
    frames, {**maps_for_explorer(maps), "block 0 · time, then space": both},
    title="Where does a patch look, and who looks at it?", start=(3, 2, 2),
    task=Task("Find a patch that looks most at the digit in another frame.", digit, other_frame=True,
              says="Along time a patch meets the digit only if the digit passes through its tube."),
    alt="The eight frames of the clip. One patch of frame 3 is marked, and only the patch at the same place in each "
        "frame is lit: along time it looks nowhere else.")

# %% [markdown]
# **Read maps with care.** In block 0, head 0 gives more than half of its temporal attention to two of the eight
# frames, whatever the clip shows. Are those two so important?
#
# > **Predict.** Overwrite one frame with its neighbour and ask the model again. How much accuracy is lost if it is
# > one of the favourites, and how much if it is another?

# %%
mass = many["blocks.0.temporal_attention"].probabilities[:, :, 0].mean(dim=(0, 1, 2))  # head 0: (t,)
favourites = sorted(mass.topk(2).indices.tolist())
lost = []
with torch.no_grad():
    for t in range(8):
        changed = clips.clone()
        changed[:, :, t] = clips[:, :, t - 1 if t else 1]
        lost.append(accuracy["divided"] - (model(changed).argmax(1) == direction).float().mean().item())
share = mass[favourites].sum().item()
print(f"head 0 looks most at frames {favourites}, with {share:.0%} of its attention")
print(f"overwriting a frame costs at most {100 * max(lost):.1f} points, less than 3")
assert max(lost) < 0.03 and share > 0.5

# %% [markdown]
# Next to nothing, for any frame. A map says where values are *taken from*. It does not say what they are used for,
# nor what would happen without them: other heads and other frames know the same. Maps raise questions; interventions
# such as this one answer them. And the picture depends on the seed: another run of the same training may favour other
# frames. Do not expect the diagonal band that drawings of temporal attention like to show.
#
# ## 8 · What does it cost?
#
# Count one block. Write $D$ for the width. An attention over $l$ tokens in $P$ pairs costs $4\,l\,D^2$ multiply-adds
# for its four projections and $2\,P\,D$ for scores and mixing. The MLP costs $8\,l\,D^2$. Without CLS:
#
# $$\text{joint: } 12\,TN\,D^2 + 2\,(TN)^2 D \qquad
#   \text{divided: } 17\,TN\,D^2 + 2\,TN\,(T + N)\,D .$$
#
# Divided saves pairs and pays for a second attention and its gate: $5\,TN\,D^2$ more.
#
# > **Predict.** TimeSformer-B has $D = 768$, and 8 frames of 224 pixels have $N = 196$. Which is cheaper, divided or
# > joint?

# %%
from videoformer_edu.cost import count_macs, crossing, timesformer_cost

for t in (8, 16, 96):
    joint, divided = (timesformer_cost(frames=t, attention=kind) for kind in ("joint", "divided"))
    print(f"{t:>2} frames: joint {joint.macs / 1e9:7.1f} G, divided {divided.macs / 1e9:7.1f} G multiply-adds")
    print(f"   scores of a block: {joint.attention_bytes / 1e6:.0f} and {divided.attention_bytes / 1e6:.0f} MB")

# %% [markdown]
# At 8 frames divided costs **more**, and it has 41 % more parameters. "Full attention is prohibitively expensive" is
# true of long clips and false of this one. The memory for the scores, where an implementation stores them, follows
# the pairs alone: there divided wins from the start. Set the two costs equal: $2TN - 2N - 2T \approx 5D$ gives $T$
# near 11.

# %%
parameters = {kind: timesformer_cost(attention=kind).parameters for kind in ("joint", "divided")}
print(f"parameters: {parameters['divided'] / parameters['joint'] - 1:.0%} more for divided")
for pixels in (112, 224, 448):
    print(f"at {pixels} pixels divided is cheaper from {crossing(image_size=pixels)} frames on")
with torch.device("meta"):  # shapes only: the 121.6 M parameters are never allocated
    real = TimeSformer(frames=8)
assert count_macs(real, 1, 3, 8, 224, 224) == timesformer_cost(frames=8).macs
assert crossing() == 11

# %%
from videoformer_edu.cost import PUBLISHED_TIMESFORMER
from videoformer_edu.figures.cost import cost_curves

frames_axis = [1, 2, 4, 8, 11, 16, 32, 64, 96, 128]
curves = {kind: [timesformer_cost(frames=t, attention=kind).macs for t in frames_axis]
          for kind in ("joint", "divided", "space_only")}
marks = {row.name: (row.frames, 1e9 * row.gmacs)
         for row in PUBLISHED_TIMESFORMER if row.image_size == 224}
show(cost_curves(frames_axis, curves, crossing=crossing(), marks=marks),
     alt="Multiply-adds per clip against frames, both on logarithmic scales. Space only and divided rise in "
     "straight lines; joint starts between them and bends upwards, crossing divided at 11 frames. "
     "TimeSformer at 8 frames and TimeSformer-L at 96 frames lie on the divided line.",
     caption="TimeSformer-B at 224 pixels. The published models sit on our closed form.")

# %% [markdown]
# The dots are the paper's own numbers; the lines are ours. Now try it: which resolution makes divided pay at 8
# frames? Which patch size? The picture needs a running kernel; the sentence under it says the same in numbers.

# %%
from videoformer_edu.widgets.cost_explorer import cost_explorer

cost_explorer()

# %% [markdown]
# ## 9 · Your model is the published model
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
# Joint attention has no temporal weights, so a divided checkpoint cannot be meant for it, and nothing was loaded.
#
# With a network, the published weights load by their name, and you have the model of the paper:
#
# ```python
# from videoformer_edu.models import timesformer_base
#
# model = timesformer_base(classes=400)
# load_pretrained(model, "facebook/timesformer-base-finetuned-k400")
# ```

# %% [markdown]
# ## What goes wrong, and when not to use it
#
# - **Short clips.** Below about 11 frames at 224 pixels, joint attention is cheaper and has fewer parameters.
# - **CLS outside.** Logits that do not depend on the video. Test the gradient on the video, or memorise one batch.
# - **Motion across places.** One divided block lets a patch see its tube and its frame. Something that moves reaches
#   another place at another time in two steps at least, so depth matters more than in joint attention.
# - **Another clip length.** Resize the time table, and pass the clip's own length to the regrouping. One popular port
#   regroups with the length in its configuration; where the sizes happen to divide there is no error, only other
#   logits ([transformers#38027](https://github.com/huggingface/transformers/issues/38027)).
# - **Maps in the wrong order.** Bars. Light one patch first.
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
# 2. CLS is copied into every frame and its updates are averaged; leave it out and the model sees nothing.
# 3. Divided beats joint in cost only from about 11 frames at 224 pixels; the pairs say it, not the slogan.
#
# **References.** Bertasius, Wang, Torresani (2021), *Is space-time attention all you need for video understanding?*
# [arXiv:2102.05095](https://arxiv.org/abs/2102.05095). Dosovitskiy et al. (2021), ViT,
# [arXiv:2010.11929](https://arxiv.org/abs/2010.11929). Published code:
# [facebookresearch/TimeSformer](https://github.com/facebookresearch/TimeSformer).
