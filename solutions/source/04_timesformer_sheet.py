# %% [markdown]
# You write the block of TimeSformer in four steps and then give it the weights of a trained model: it should name the
# same directions of motion as the package's own. **You need:** lesson 04, PyTorch, and either einops or a steady hand
# with `reshape`.
#
# EXERCISES
#
# How it works: write where it says `...`, run the cell, run the check below it. A check answers *not attempted*,
# *crashed*, *wrong* or *right*, and tells you what it saw. Stuck? Take the `#` away from `# ex1.hint()` and run it;
# there are three hints, one at a time. The sheet runs to its end whatever you have solved. A loop that never ends is
# the one thing a check cannot stop: interrupt the kernel (the ■ button).
#
# Before you begin, three questions on lesson 04. Answer each aloud, then open it.
#
# <details><summary>A model gives the same logits for every video. What did its blocks do with CLS?</summary>
#
# They kept it outside of both attentions. CLS is what the head reads, and the MLP alone brings it nothing.
# </details>
#
# <details><summary>A model gives the same logits for a clip and for its reverse. What is missing?</summary>
#
# Positions in time. Without them the frames are a set, and a set has no order.
# </details>
#
# <details><summary>Three frames. One copy of CLS takes up 0.6 of a patch, the others nothing. And CLS?</summary>
#
# 0.2, the mean over the three copies.
# </details>

# %%
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.sheets import progress, sheet

torch.manual_seed(0)
ex1, ex2, ex3, ex4 = sheet("04")

# %% [markdown]
# ## The clip
#
# Two frames of 2 x 2 patches. A token has a name instead of features, so you can see where it goes. Letters as in the
# whole course: `b` clip, `t` frames, `n` patches of a frame, `d` width. Time is the slow axis of a sequence.

# %%
places = ["sky", "roof", "door", "grass"]
names = [f"t{frame}·{place}" for frame in range(2) for place in places]
clip = torch.arange(8.0).reshape(1, 8, 1)  # (b, t*n, d): each token holds its own number


def read(tokens):
    """The names of the numbers in a group of tokens (l, 1)."""
    return [names[int(number)] for number in tokens.flatten()]


print(read(clip[0]))

# %% [markdown]
# STATEMENT 04.1
#
# A *tube* is one place through all frames. Temporal attention works tube by tube, so the batch it wants is
# `(b*n, t, d)`: first the tubes of clip 0, place after place, then those of clip 1.
#
# **Predict.** How many tubes does our clip have, and which tokens are in the first one? And what would
# `clip.reshape(4, 2, 1)` put there?
#
# <details><summary>What you should see when it is right</summary>
#
# | tube | tokens |
# |---|---|
# | 0 | t0·sky, t1·sky |
# | 1 | t0·roof, t1·roof |
# | 2 | t0·door, t1·door |
# | 3 | t0·grass, t1·grass |
#
# The reshape would put `t0·sky, t0·roof` into tube 0: two neighbours in space.
# </details>

# %%
# ANSWER to_tubes from_tubes

# %%
ex1.check(to_tubes, from_tubes)

# %%
# ex1.hint()
# ex1.solution()

# %%
if ex1.solved:
    for count, tube in enumerate(to_tubes(clip, 2)):
        print("tube", count, read(tube))
    print("and back:", read(from_tubes(to_tubes(clip, 2), 1)[0]))
else:
    print("Here your tubes appear by name, once 04.1 is right.")

# %% [markdown]
# **Why no shape check could find the mistake:** `reshape` and your function give the same shape, and with one clip
# some wrong orders even give the same numbers. That is why every check here uses two clips and sizes that all differ.
#
# STATEMENT 04.2
#
# Two functions. `multi_head` is ordinary attention within each of `g` groups. Its four tensors are in a dict, under
# the names that a model's `state_dict()` gives them: `name.qkv.weight` `(3*d, d)`, `name.qkv.bias`,
# `name.proj.weight` `(d, d)`, `name.proj.bias`. The first `d` outputs of `qkv` are queries, then keys, then values;
# each head owns a run of `e = d / heads` channels.
#
# `spatial_attention` gets CLS and all patches, `(b, 1 + t*n, d)`. Each frame gets a copy of CLS, attends, and hands
# its copy back; the copies are averaged. It returns the *update* (no residual yet), in the same shape. The name of
# its tensors is `"spatial_attention.attention"`. `linear` is given.
#
# **Predict.** With `b = 2` clips of `t = 3` frames the groups stand in the order clip 0 frame 0, clip 0 frame 1, clip
# 0 frame 2, clip 1 frame 0, ... Which CLS belongs in front of group 1: `cls.repeat(3, 1, 1)[1]` or
# `cls.repeat_interleave(3, dim=0)[1]`?
#
# <details><summary>Answer</summary>
#
# `repeat` gives the clips 0, 1, 0, 1, 0, 1, so group 1 would get clip 1's CLS. `repeat_interleave` gives 0, 0, 0, 1,
# 1, 1. With one clip, or with one frame, the two agree, and the mistake stays hidden.
# </details>

# %%
# GIVEN linear


# ANSWER multi_head

# %%
# ANSWER spatial_attention

# %%
ex2.check(multi_head, spatial_attention)

# %%
# ex2.hint()
# ex2.solution()

# %% [markdown]
# **Look at it.** The package's own `SpatialAttention` lends you its weights. Then one patch of frame 2 changes.
# Before you run the cell: which tokens of the output will change, of 1 CLS, 4 patches in each of 3 frames?

# %%
from videoformer_edu.attention import SpatialAttention
from videoformer_edu.tokens import Grid

small = Grid(t=3, h=2, w=2)
package_attention = SpatialAttention(width=12, heads=4)
lent = {f"spatial_attention.{key}": tensor for key, tensor in package_attention.state_dict().items()}
before = torch.randn(2, 1 + small.l, 12)
after = before.clone()
after[:, 1 + 2 * small.n] += 1  # the first patch of frame 2
if ex2.solved:
    mine, changed = (spatial_attention(tokens, lent, small.t, 4) for tokens in (before, after))
    apart = (mine - package_attention(before, small)).abs().max().item()
    print(f"from the package's module: {apart:.5f} at most, allowed 0.00001")
    moved = (mine - changed).abs().amax(dim=(0, 2)) > 1e-6  # (1 + t*n,)
    print("changed: CLS", int(moved[0]), "of 1, patches by frame", moved[1:].reshape(3, 4).sum(1).tolist(), "of 4")
else:
    print("Here your attention meets the package's, once 04.2 is right.")

# %% [markdown]
# <details><summary>Compare</summary>
#
# CLS and the four patches of frame 2, and nothing else. That CLS changes is what makes a model of these blocks see
# anything at all.
# </details>
#
# STATEMENT 04.3
#
# | step | norm | update | on |
# |---|---|---|---|
# | time | `temporal_norm` | `temporal_attention.attention` along tubes, then `temporal_projection` | patches |
# | space | `spatial_norm` | `spatial_attention` | CLS and patches |
# | MLP | `mlp_norm` | linear `mlp.0`, exact GELU, linear `mlp.2` | CLS and patches |
#
# Each step starts from the result of the one before, and its update is *added* to what it started from. The norms
# have the published `eps = 1e-6`. `temporal_projection` is the gate: a new TimeSformer starts with it at zero.
#
# **Predict.** The gate is all zeros and somebody replaces frame 1. Which frames' patches change? And CLS?
#
# <details><summary>Answer</summary>
#
# Only the patches of frame 1, and CLS, which sees all frames in space. Along time nothing passes: until training
# opens the gate, the block treats a clip as a stack of images.
# </details>

# %%
# ANSWER norm divided_block

# %%
ex3.check(norm, divided_block)

# %%
# ex3.hint()
# ex3.solution()

# %% [markdown]
# **Your block is the real block.** The course ships a small TimeSformer that was trained to tell in which of eight
# directions a handwritten digit moves; no single frame gives that away. Its first block is a `DividedSpaceTimeBlock`.
# It was trained from scratch, without an image model, so its gate was open from the start. Your function takes its
# `state_dict()` as it is:

# %%
from videoformer_edu.data.motion import motion_test_set
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.pretrained.small import load_small

motion = motion_test_set(64)
trained = load_small("timesformer_motion_divided")
with torch.no_grad():
    embedded, clip_grid = trained.embed(normalise(motion.clips, MOTION_PIXELS))  # (64, 1 + t*n, d)
    first = trained.blocks[0](embedded, clip_grid)
gate = trained.blocks[0].temporal_projection.weight.abs().max().item()
print(f"the largest weight of its gate is {gate:.1f}; a closed gate has 0")
if ex3.solved:
    block_weights = trained.blocks[0].state_dict()
    distance = (divided_block(embedded, block_weights, clip_grid.t, 4) - first).abs().max().item()
    print(f"from the trained block: {distance:.4f} at most, allowed 0.0010; its numbers reach {first.abs().max():.0f}")
else:
    print("Here your block meets a trained one, once 04.3 is right.")

# %% [markdown]
# Now the whole model, with both its blocks replaced by yours.

# %%
if ex3.solved:
    with torch.no_grad():
        through = embedded
        for layer in trained.blocks:
            through = divided_block(through, layer.state_dict(), clip_grid.t, 4)
        answers = trained.head(trained.norm(through[:, 0])).argmax(dim=1)
        same = (answers == trained(normalise(motion.clips, MOTION_PIXELS)).argmax(dim=1)).sum().item()
    right = (answers == motion.direction).float().mean().item()
    print(f"your blocks and the model's name the same direction for {same} of {len(answers)} clips")
    print(f"right: {right:.0%} of the clips, by chance 12.5 %")
else:
    print("Here your block runs a trained model, once 04.3 is right.")

# %% [markdown]
# STATEMENT 04.4
#
# Three functions, exact whole numbers, patches only (leave CLS out):
#
# - `pairs(t, n)`: how many query-key pairs one block has, as `(joint, divided)`. Divided is time *and* space; a token
#   also looks at itself.
# - `macs(t, n, d)`: multiply-adds of the attention part of one block, as `(joint, divided)`. A product of
#   `(rows, inner)` with `(inner, columns)` costs `rows * inner * columns`. Count the maps for q, k, v and proj, the
#   scores, the weighing of the values, and in the divided block the temporal projection. Leave out biases, softmax
#   and the MLP (joint and divided have the same).
# - `crossing(n, d)`: the smallest number of frames at which divided costs fewer multiply-adds than joint.
#
# For the named clip above, `pairs(2, 4)` is `(64, 48)`.
#
# **Predict.** TimeSformer: 8 frames, 196 patches a frame, width 768. Divided has far fewer pairs. Does it have fewer
# multiply-adds?

# %%
# ANSWER pairs macs crossing

# %%
ex4.check(pairs, macs, crossing)

# %%
# ex4.hint()
# ex4.solution()

# %%
from videoformer_edu.cost import crossing as crossing_of_the_model
from videoformer_edu.figures import show
from videoformer_edu.figures.cost import cost_curves

if ex4.solved:
    lengths = [1, 2, 4, 8, 11, 16, 32, 64, 96]
    curves = {kind: [macs(frames, 196, 768)[i] for frames in lengths] for i, kind in enumerate(("joint", "divided"))}
    show(cost_curves(lengths, curves, crossing=crossing(196, 768)),
         alt="Multiply-adds of the attention in one block against frames, both on logarithmic "
         "scales. Divided rises in a straight line; joint starts below it and crosses it.",
         caption="Your numbers, for frames of 196 patches and width 768.")
    for frames in (8, 11, 96):
        joint, divided = macs(frames, 196, 768)
        print(f"{frames:>2} frames: divided costs {divided / joint:.2f} of joint")
    print("the whole model, CLS included, crosses at", crossing_of_the_model(), "frames")
else:
    print("Here your curves appear, once 04.4 is right.")

# %% [markdown]
# <details><summary>Compare</summary>
#
# At 8 frames joint is cheaper: a second attention's maps and the gate cost more than the saved pairs. “Divided
# attention is cheaper” is a sentence about long clips, or about large frames.
# </details>
#
# ## Two questions to end with
#
# **What does an image model lose when it becomes this block with a closed gate?**
#
# <details><summary>Answer</summary>
#
# Nothing: each frame goes through as before, and CLS collects the mean of what its copies see. That is why training
# can start from image weights and open time step by step.
# </details>
#
# **A patch in frame 0 wants to know about another place in frame 5. How many steps does it need here, and how many in
# joint attention?**
#
# <details><summary>Answer</summary>
#
# Two steps, and one block has both. Along time the patch at the other place *in frame 0* gathers from its own tube,
# frame 5 included; across space our patch then looks at that one. Joint attention needs one step, because it looks
# there directly. Something that moves (another place *and* another frame, nothing of it in between) is what divided
# attention has to see in two hops.
# </details>
#
# ## How far you are

# %%
progress("04")
