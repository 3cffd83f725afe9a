# /// lesson
# title = "ViViT"
# question = "Where in the network should time be mixed in?"
# minutes = 75
# needs = "PyTorch, lesson 01 (ViT) and lesson 04, or the idea of attention along time and across space."
# objectives = [
#     "**write** a tubelet embedding without a convolution, and say what a tubelet knows before any attention",
#     "**inflate** an image's filter so that a still clip is the picture, and test it",
#     "**compare** ViViT's four models by who hears whom, by cost, by parameters and by what they learn",
#     "**assemble** ViViT 2 from pieces and load trained weights into it",
#     "**use** a model on clips of another length or size, by resized tables or rotary positions, and test it",
# ]
# serves.2 = { exercises = "all" }
# serves.3 = { experiment = "four models, and what a tubelet gives away to all of them", exercises = "all" }
# ///

# %% [markdown]
# One image model and four places to let time in. You compare them, build one, and then ask the trained models which
# place they really use. **The answer stands in no drawing.**

# %%
from videoformer_edu.figures.architecture import Repeat, Stage, show_architecture

start = ("video 3 x 8 x 32 x 32", Stage("embed", "tokens 64 x 64", text="tubelets"))
space, time, joint, mlp = (Stage(kind, residual=True) for kind in ("space", "time", "joint", "mlp"))
vectors = Repeat("spatial encoder", 2, (space, mlp), "vectors 4 x 64")
shared = (Stage("time", text="half the heads: time", residual=True), Stage("space", text="half: space", residual=True))
columns = {"1 · everywhere": (*start, Repeat("block", 2, (joint, mlp))),
           "2 · late": (*start, vectors, Repeat("temporal encoder", 2, (time, mlp))),
           "3 · in each block": (*start, Repeat("block", 2, (space, time, mlp))),
           "4 · in each attention": (*start, Repeat("block", 2, (shared, mlp)))}
show_architecture({name: (*column, Stage("head", "8 logits")) for name, column in columns.items()}, here="tubelets",
                  caption="ViViT's four models (Arnab et al., 2021, figures 3 to 6), in the size of this course.")

# %% [markdown]
# OBJECTIVES
#
# <details><summary><b>Three questions on lesson 04 first.</b> In divided attention, whom does a token look at along
# time, and whom across space?</summary>
# Along time at its own place in all frames (its tube), across space at all places of its own frame.</details>
#
# <details><summary>What happens to CLS in spatial attention?</summary>
# It is copied into every frame, looks at that frame, and the copies' updates are averaged.</details>
#
# <details><summary>Divided attention has fewer pairs than joint attention. When is it cheaper?</summary>
# Only from about 11 frames of 224 pixels on: it pays for a second attention and a gate.</details>

# %%
import torch
from einops import rearrange
from torch import nn

from videoformer_edu.data.motion import motion_batch, motion_test_set
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.figures.show import show
from videoformer_edu.figures.source import show_source
from videoformer_edu.pretrained.small import load_small, small_results
from videoformer_edu.tokens import Grid, PatchEmbed, TubeletEmbed, inflate

torch.manual_seed(0)
_ = torch.set_grad_enabled(False)  # nothing is trained in this lesson

# %% [markdown]
# ## 1 · A tubelet: two frames in one token
#
# TimeSformer cuts each frame into patches. ViViT cuts the *clip* into boxes, **tubelets**: 2 frames deep, 16 rows, 16
# columns. Here is the house of lesson 04 again, for four frames, one pixel for each place. A tubelet takes two frames
# of one place.
#
# > **Predict.** How many tokens does this clip have? And 32 frames of 224 x 224 pixels, with tubelets of 2 x 16 x 16?

# %%
places = ["sky", "roof", "door", "grass"]
pixels = [f"t{t}·{place}" for t in range(4) for place in places]
clip = torch.arange(16.0).reshape(1, 1, 4, 2, 2)  # (b, c, t, h, w): each pixel is its own number
boxes = rearrange(clip, "b c (t s) (h p) (w q) -> b (t h w) (c s p q)", s=2, p=1, q=1)  # (b, l, pixels of a box)
for number, box in enumerate(boxes[0].int().tolist()):
    print(f"token {number}: {' + '.join(pixels[i] for i in box)}")
grid = Grid(t=32 // 2, h=224 // 16, w=224 // 16)
print(f"ViViT-B/16x2: {grid.t} steps of {grid.n} tubelets, {grid.l:,} tokens of {3 * 2 * 16 * 16:,} numbers each")

# %% [markdown]
# <details><summary>Compare</summary>Eight tokens, in the order <code>(t h w)</code>, where <code>t</code> now counts
# <em>steps</em> of two frames. The published name says it all: ViViT-B/16x2 is a base model with patches of 16 pixels
# and tubelets of 2 frames. Its 3,136 tokens are as many as TimeSformer has with 16 frames, for twice as many
# frames.</details>
#
# The embedding is one linear map for all boxes,
#
# $$z_i = W x_i + b, \qquad x_i \in \mathbb{R}^{c\,s\,p\,q},\ z_i \in \mathbb{R}^d,$$
#
# and once more code writes it as a convolution that steps from box to box.
#
# **Your turn.** Do it without the convolution: cut into boxes as above, then one matrix product.

# %% tags=["your_turn"]
from videoformer_edu.grading.your_turn import your_turn


def tubelets(video, weight, bias):
    """video (b, c, t, h, w), weight (d, c, s, p, q), bias (d,) -> tokens (b, l, d)."""
    s, p, q = weight.shape[2:]
    # BEGIN SOLUTION
    boxes = rearrange(video, "b c (t s) (h p) (w q) -> b (t h w) (c s p q)", s=s, p=p, q=q)
    return boxes @ weight.flatten(1).T + bias
    # END SOLUTION


embed = TubeletEmbed(tubelet_size=2, patch_size=8, width=64)
video = torch.randn(2, 3, 8, 32, 48)
your_turn(tubelets(video, embed.proj.weight, embed.proj.bias), embed(video)[0],
          "Each axis is cut into (boxes, place in the box); a filter lies as (c, s, p, q), and so must a box.")

# %% [markdown]
# ## 2 · What does a tubelet know before any attention?
#
# A token of two frames holds two moments of one place. Take a model that has nothing for time: spatial attention in
# each step, and then the mean over the four steps, which knows no order. Two such models were trained on the moving
# digits: one with patches of a single frame, one with tubelets of two frames.
#
# > **Predict.** Guessing gives 12.5 %. What do the two reach?

# %%
test = motion_test_set(256)
clips, direction = normalise(test.clips, MOTION_PIXELS), test.direction  # (b, c, t, h, w), (b,)


def share(model, video, meant=direction):
    """The share of clips that the model calls by the direction that is meant."""
    return (model(video).argmax(1) == meant).float().mean().item()


no_time = {"patches of one frame": load_small("timesformer_motion_space_only"),
           "tubelets of two frames": load_small("tubelet_space_only")}
known = {name: share(model, clips) for name, model in no_time.items()}
for name, accuracy in known.items():
    print(f"no attention along time, {name}: {accuracy:.0%}")
assert known["patches of one frame"] < 0.2 and known["tubelets of two frames"] > 0.97

# %% [markdown]
# <details><summary>Compare</summary>From a guess to nearly everything, without one look along time. The tubelet
# <b>leaks</b> the motion: two frames in order show a displacement, and a linear map can subtract one from the
# other.</details>
#
# If all motion is read *inside* a tubelet, the order of the tubelets cannot matter. Turn round one at a time: the two
# frames within each tubelet, or the four tubelets.
#
# > **Predict.** In which case does the model call the opposite direction?

# %%
INSIDE, STEPS = [1, 0, 3, 2, 5, 4, 7, 6], [6, 7, 4, 5, 2, 3, 0, 1]  # frames exchanged in pairs; pairs in reverse order
leaky = no_time["tubelets of two frames"]
for what, order in (("frames inside the tubelets", INSIDE), ("order of the tubelets", STEPS)):
    same, opposite = (share(leaky, clips[:, :, order], meant) for meant in (direction, direction ^ 1))
    print(f"{what} turned round: {same:.0%} the same direction, {opposite:.0%} the opposite one")
assert share(leaky, clips[:, :, INSIDE], direction ^ 1) > 0.95 and share(leaky, clips[:, :, STEPS]) > 0.95

# %% [markdown]
# Remember these two lists. They will ask the same question of all four models.
#
# **Where this breaks.** "My space-only control reaches 99 %, so the data set needs no time" is wrong twice over: the
# control had two frames in every token. A control without time needs tokens of one frame.
#
# ## 3 · An image's filter becomes a tubelet's
#
# Videos are few and pictures are many, so ViViT starts from a trained ViT. Attention and MLP fit as they are. The
# patch filter does not: it has one frame, a tubelet's has two. The paper (section 3.4) gives two ways:
#
# $$\text{average: } \tfrac1s\,[W, W, \dots, W] \qquad
# \text{central frame: } [0, \dots, W, \dots, 0],\ W\text{ at frame } \lfloor s/2\rfloor .$$
#
# The **still-clip test**: one picture, repeated, must give the image model's tokens.
#
# > **Predict.** Which of the two pass it? And what do they give for a clip that moves?

# %%
patches = PatchEmbed(patch_size=8, width=64)
inflated = {how: TubeletEmbed(tubelet_size=2, patch_size=8, width=64) for how in ("average", "central_frame")}
for how, embedding in inflated.items():
    embedding.proj.weight.copy_(inflate(patches.proj.weight, 2, how))
    embedding.proj.bias.copy_(patches.proj.bias)
still, moving = clips[:, :, :1].expand(-1, -1, 2, -1, -1), clips[:, :, :2]  # (b, c, 2, 32, 32)
seen = {"frame 0": moving[:, :, :1], "frame 1": moving[:, :, 1:], "their mean": moving.mean(2, keepdim=True)}
for how, embedding in inflated.items():
    off = (embedding(still)[0] - patches(still[:, :, :1])[0]).abs().max().item()
    same_as = [name for name, image in seen.items()
               if (embedding(moving)[0] - patches(image)[0]).abs().max() < 1e-5]
    print(f"{how}: a still clip is off by {off:.5f}, rounding allows 0.00001; a moving one looks like {same_as}")
    assert off < 1e-5 and len(same_as) == 1

# %% [markdown]
# <details><summary>Compare</summary>Both pass. Of a moving clip the average sees a blur of two frames, the central
# frame sees the second one sharp and nothing of the first. Neither sees motion: that has to be learned. The published
# models begin with the central frame.</details>
#
# **Your turn.** Inflate by the average, for any number of frames.

# %% tags=["your_turn"]
def inflate_average(weight, s):
    """A patch filter (d, c, p, q) -> a tubelet filter (d, c, s, p, q)."""
    # BEGIN SOLUTION
    frames = weight[:, :, None].repeat(1, 1, s, 1, 1)  # the filter in every frame
    return frames / s
    # END SOLUTION


your_turn(inflate_average(patches.proj.weight, 3), inflate(patches.proj.weight, 3, "average"),
          "On a still clip the s frames' answers add up. They should add up to one image's answer.")

# %% [markdown]
# ### Where this breaks: forgetting the 1/s
#
# Take the course's image model of handwritten digits, put it into ViViT 2 with the mean over steps in place of the
# temporal encoder, keep its head, and let it read digits on *still* clips. It should be as good as the image model.
# Then forget to divide.

# %%
from videoformer_edu.data.motion.images import digit_images
from videoformer_edu.models import vivit_motion
from videoformer_edu.pretrained.inflate import image_to_video

vit, digits = load_small("vit_digits_8x8"), digit_images(512, seed=5, split="test")
image = normalise(digits.images, MOTION_PIXELS)  # (b, c, h, w)
named = {"image model": share(vit, image, digits.digit)}
for how in ("central_frame", "average", "not divided"):
    model = vivit_motion(variant="factorised_encoder", temporal_depth=0, classes=10).eval()
    report = image_to_video(vit, model, tubelets="central_frame" if how == "central_frame" else "average")
    model.head.load_state_dict(vit.head.state_dict())
    if how == "not divided":
        model.tubelet_embed.proj.weight.mul_(2)
    named[how] = share(model, image[:, :, None].expand(-1, -1, 8, -1, -1), digits.digit)
print({how: f"{accuracy:.0%}" for how, accuracy in named.items()})
assert abs(named["central_frame"] - named["image model"]) < 0.01 > abs(named["average"] - named["image model"])
assert named["not divided"] < named["image model"] - 0.04

# %% [markdown]
# The two inflations lose nothing. Without the division the model is worse and still far above a guess (10 %), and
# that is what makes the slip hard to notice: no error, a loss that falls, a few points missing.
#
# ### Can I load image weights into a video model?
#
# Yes, and everybody does ([scenic#224](https://github.com/google-research/scenic/issues/224) and
# [#593](https://github.com/google-research/scenic/issues/593) ask how). `image_to_video(vit, model)` did it above, and
# its report says where each tensor came from:

# %%
print(str(report).replace("; ", "\n"))

# %% [markdown]
# The temporal encoder, where there is one, starts fresh: an image model has nothing for it. In model 3 the temporal
# attention is a copy of the spatial one whose *last* map is zero, a closed gate as in lesson 04. Model 1 cannot start
# exactly: eight copies of each patch stand against one CLS, so the softmax of every token shifts. Lesson 08 measures
# what such a start is worth in training steps.
#
# ## 4 · Four places for time
#
# The blocks are the ones you know. Only *who meets whom* differs. Take the clip of this course: 8 frames are 4 steps of
# 4 x 4 tubelets, 64 tokens. These are the looks of one token in one attention:

# %%
from videoformer_edu.attention.patterns import Full, Spatial, Temporal
from videoformer_edu.figures.cube import show_token_cubes

grid, token = Grid(t=4, h=4, w=4), (1, 1, 2)
patterns = {"everything (model 1)": Full(), "space (models 2, 3, 4)": Spatial(), "time (models 3, 4)": Temporal()}
show_token_cubes(patterns, grid, token, caption="The token at step 1, row 1, column 2, and whom it looks at.")

# %% [markdown]
# - **Model 1, everywhere.** Joint attention in every block: ViT on a longer sequence. CLS is read.
# - **Model 2, late** (factorised encoder). A ViT for each step, with positions and CLS of its own. It leaves *one
#   vector for each step*. A second, small transformer lets these vectors meet, with a second table and a second CLS.
# - **Model 3, in each block** (factorised self-attention). Across space, then along time, then the MLP: TimeSformer's
#   idea, in the other order, without CLS. The mean is read.
# - **Model 4, in each attention** (factorised dot product). Half of the heads look along time, the other half across
#   space. No new parameters at all.
#
# Now the published size: 32 frames of 224 pixels, one view. Accuracy on Kinetics-400, parameters and cost from the
# paper (Arnab et al., 2021, table 2), beside what we count.
#
# > **Predict.** Which model has the most parameters? Which one the most multiply-adds?

# %%
from videoformer_edu.cost import vivit_cost
from videoformer_edu.models.vivit import VARIANTS

paper = {"1 everywhere": (88.9, 455.2, 80.0), "2 late": (115.1, 284.4, 78.8),  # M parameters, G multiply-adds, top-1
         "3 in each block": (117.3, 372.3, 77.4), "4 in each attention": (88.9, 277.1, 76.3)}
print(f"{'':<20}{'parameters, M':>22}{'multiply-adds, G':>22}{'top-1, %':>10}\n{'':<20}{'paper':>13}{'counted':>9}"
      f"{'paper':>13}{'counted':>9}{'paper':>10}")
for (name, (parameters, macs, top1)), variant in zip(paper.items(), VARIANTS, strict=True):
    cost = vivit_cost(variant=variant)
    print(f"{name:<20}{parameters:>13.1f}{cost.parameters / 1e6:>9.1f}{macs:>13.1f}{cost.macs / 1e9:>9.1f}"
          f"{top1:>10.1f}")
    assert abs(cost.parameters / 1e6 - parameters) < 0.11 and abs(cost.macs / 1e9 / macs - 1) < 0.01

# %% [markdown]
# <details><summary>Compare</summary>Model 3 has the most parameters, model 1 the most work. <b>Full attention wins,
# and pays</b>: 1.6 times the work of model 2 for 1.2 points. Where is its bill? The two products with the 3,137²
# pairs alone cost 12 · 2 · 3,137² · 768 = 181 G. <b>Model 2 is nearly an image model</b>: its temporal encoder sees
# 17 vectors, so four more blocks add 25 % to the parameters and hardly anything to the work. <b>Model 4 is the
# cheapest and has nothing to train for time</b>, and it is the least accurate. So the paper's answer to the question
# of this lesson is: everywhere if you can pay, late if you cannot.</details>
#
# Parameters agree to the digit, the work to one per cent (the paper counts softmax and norms, too).
#
# ## 5 · Does it hold here?
#
# The four models were trained on the moving digits, three seeds each, with the same recipe (`docs/experiments.md`).

# %%
results = small_results()


def on_record(name, key="accuracy"):
    """Mean over the seeds, and the lowest and highest seed, in per cent."""
    mean, low, high = results[name]["over_seeds"][key]
    return f"{100 * mean:.1f} ({100 * low:.1f} to {100 * high:.1f})"


for i, name in enumerate(columns, start=1):
    result = results[f"vivit_{i}"]
    print(f"{name:<23}{result['parameters']:>8,} parameters {result['macs'] / 1e6:>4.1f} M multiply-adds, "
          f"accuracy {on_record(f'vivit_{i}')}")
    assert result["over_seeds"]["accuracy"][1] > 0.98

# %% [markdown]
# All four solve it. The differences are smaller than those between seeds. One may be tempted to write "it does not
# matter where time is mixed in". Ask them the question of section 2 first.
#
# > **Predict.** Play the four tubelets in reverse order, each tubelet untouched. In a model that mixes time in with
# > attention, what happens to its answers?

# %%
four = {name: load_small(f"vivit_{i}") for i, name in enumerate(columns, start=1)}
print("of 256 clips            tubelets in reverse order: the same direction | turned round inside: the opposite one")
for name, model in four.items():
    same, opposite = share(model, clips[:, :, STEPS]), share(model, clips[:, :, INSIDE], direction ^ 1)
    print(f"{name:<23}{same:>45.0%} | {opposite:>7.0%}")
    assert same > 0.95 and opposite > 0.95

# %% [markdown]
# <details><summary>Compare</summary><b>None of the four uses the order of its tubelets.</b> Reverse the steps, and
# every model gives the same answer as before, as if nothing had happened. They have temporal encoders, temporal
# attentions, temporal heads, and they read the motion in the tubelet, where it is easiest to find. The table above
# compares nothing about time; it compares four ways to average. So the answer which no architecture drawing shows is:
# <b>time came in at the very first layer</b>.</details>
#
# And a habit to keep: before you compare models on a task, find the least that solves it.
#
# What if a token holds one frame alone? On record:

# %%
for name, words in (("vivit_2_patches", "2 · late, patches of one frame"),
                    ("timesformer_motion_divided", "divided attention (lesson 04), patches of one frame")):
    result = results[name]
    print(f"{words:<52} accuracy {on_record(name)}, axis {on_record(name, 'axis')}, "
          f"{result['recipe']['steps']} steps")
assert results["vivit_2_patches"]["over_seeds"]["accuracy"][2] < 0.3

# %% [markdown]
# Now the place in the network matters. Model 2 asks each frame for *one vector*, and this vector has to hold where the
# digit is before anything along time asks for it; nothing rewards that, and it is not found. Divided attention lets
# each place compare itself in time before anything is pooled. (Model 3 without tubelets was tried, too: every axis
# right and the sign a guess, `docs/trials.md`. It has one table of positions for time and space together, which is hard
# to learn.) Late fusion is cheap because it throws places away, and it is good at what needs no places: which objects
# are there, in which order of scenes.
#
# ## 6 · Where did time come in?
#
# Attention maps say where values are taken from, not what they do (lesson 04, section 7). So intervene: wipe one
# tubelet out of the clip, and see which tokens notice. `stages` collects the tokens after the tubelets, after each
# block of patches, and the vector that the head reads.

# %%
def stages(model, video):
    """Tokens (b, l, d) by stage; the answer is what the head reads, (b, 1, d)."""
    encoder = getattr(model, "encoder", None) or model.spatial_encoder
    parts = {"tubelets": model.tubelet_embed, "block 0": encoder.blocks[0], "block 1": encoder.blocks[1]}
    seen = {}

    def keep(name):
        return lambda module, inputs, out: seen.update({name: out[0] if isinstance(out, tuple) else out})

    hooks = [part.register_forward_hook(keep(name)) for name, part in parts.items()]
    answer = model.features(video)
    for hook in hooks:
        hook.remove()
    tokens = {name: x[..., x.shape[-2] % 16:, :].reshape(len(video), 64, -1) for name, x in seen.items()}  # CLS is off
    return tokens | {"answer": answer[:, None]}

# %%
def changes(model, clip):
    """How much each token changes when each tubelet is wiped: stage -> (token, tubelet)."""
    many = clip.double().repeat(65, 1, 1, 1, 1)  # clip 0 as it is, clip 1 + k without tubelet k
    for k, (t, h, w) in enumerate(torch.cartesian_prod(*map(torch.arange, grid)).tolist()):
        many[1 + k, :, 2 * t:2 * t + 2, 8 * h:8 * h + 8, 8 * w:8 * w + 8] = 0
    return {name: (x[1:] - x[:1]).norm(dim=-1).T for name, x in stages(model.double(), many).items()}

# %% [markdown]
# > **Predict.** The token at step 1, row 1, column 2, after the *first* block: how many of the 64 tubelets has it heard
# > of in model 2? In model 3? In model 4?

# %%
from videoformer_edu.attention.patterns import factorised_dot_product
from videoformer_edu.attention.reach import reach

index = 23
changed = {name: changes(model, clips[index:index + 1]) for name, model in four.items()}
allowed = dict(zip(columns, (Full(), Spatial(), [Spatial(), Temporal()], factorised_dot_product(4)), strict=True))
number = (token[0] * grid.h + token[1]) * grid.w + token[2]
for name, by_stage in changed.items():
    heard = {stage: change > 1e-12 * change.amax(1, keepdim=True) for stage, change in by_stage.items()}  # not rounding
    counts = [int(heard[stage][number].sum()) for stage in ("tubelets", "block 0", "block 1")]
    print(f"{name:<23} tubelets heard of: {counts[0]:>2} after the embedding, {counts[1]:>2} after block 0, "
          f"{counts[2]:>2} after block 1, {int(heard['answer'].sum())} by the answer")
    assert torch.equal(heard["block 0"], reach(allowed[name], grid))  # what was measured is what the patterns allow

# %% [markdown]
# <details><summary>Compare</summary>In model 2 a token hears of the 16 tubelets of its own step, now and for ever:
# time comes in when there are no tokens any more. In model 4 it hears of its step and its tube, $16 + 4 - 1 = 19$,
# and of the rest through others in the next block. Model 3 does both in one block. What was measured on the trained
# models is, to the token, what the patterns of lesson 03 allow.</details>
#
# Now look: amber says *how much* a token changes. Move the stage, compare the models, try a token on the digit.

# %%
from videoformer_edu.widgets import mixing_explorer

frames = rearrange(test.clips[index], "c t h w -> t h w c")  # uint8
mixing_explorer(frames, {f"model {name}": by_stage for name, by_stage in changed.items()}, grid, start=token,
                alt="Eight frames in which a digit 4 moves upwards, and one marked token in frames 2 "
                    "and 3. In model 1, after block 0, it has changed most with the tubelet that shows the digit.")

# %% [markdown]
# ### Where do the trained heads look?
#
# Four by four tubelets are good for counting. For looking there are models 2 and 3 on a finer grid: the same clips at
# 64 x 64 pixels, in 4 steps of 8 x 8 tubelets (`docs/experiments.md`). Nobody told them that there is a digit. First
# the CLS of each step, in model 2. Then one patch at the edge of the 7 in step 1: across space in model 2, along time
# in model 3.

# %%
from videoformer_edu.attention import record_attention
from videoformer_edu.figures.attention import attention_on_frames

large = motion_test_set(256, size=64)
films, frames = normalise(large.clips, MOTION_PIXELS), large.clips[6, :, ::2].permute(1, 2, 3, 0)  # (t, h, w, c)
fine, maps = {i: load_small(f"vivit_{i}_display") for i in (2, 3)}, {}
for i, model in fine.items():
    with record_attention(model) as maps[i]:
        model(films)
looks = 4 * maps[2]["spatial_encoder.blocks.0.attention"].cls_looks()  # (b, head, t, h, w): sums to 1 in each step
show(attention_on_frames(frames, looks[6].mean(0), names=[f"step {t}" for t in range(4)]),
     alt="Four frames in which a white 7 moves down to the left over a flower. Amber lies on the 7 and at its edges.",
     caption="Model 2, block 0: where the CLS of each step looks, mean of the heads. One frame of each step is shown.")

# %%
from videoformer_edu.data.motion.rendering import coverage

patch, ring = (1, 3, 5), [(1, 3, 5), (5, 3, 5)]  # step, row, column; the second row of pictures begins with picture 4
first = [maps[2]["spatial_encoder.blocks.0.attention"], maps[3]["encoder.blocks.0.temporal_attention"]]
rows = torch.cat([one.looks_from(*patch)[6].mean(0) for one in first])  # (2 * 4, h, w)
show(attention_on_frames(frames.repeat(2, 1, 1, 1), rows, query=ring,
                         names=[f"{way}, step {t}" for way in ("2, space", "3, time") for t in range(4)]),
     alt="Two rows of four frames, a patch ringed in step 1. Model 2 across space: only step 1 is lit, on the 7. Model "
         "3 along time: only the place of the patch is lit, mostly in step 2.",
     caption="Block 0, mean of the heads. The ringed patch looks across space (model 2) and along time (model 3).")
covered = coverage(large.position, torch.full((256, 8), 27.0), (8, 8), 64, torus=True)  # (b, frame, h, w)
covered = covered.unflatten(1, (4, 2)).mean(2)  # of a tubelet: (b, t, h, w)
on_digit = (looks * covered[:, None]).sum((2, 3, 4)) / looks.sum((2, 3, 4))  # (b, head)
print(f"CLS on the digit, each head: {[f'{x:.0%}' for x in on_digit.mean(0).tolist()]}; it covers {covered.mean():.0%}")
back = {f"model {i}": share(model, films[:, :, STEPS], large.direction) for i, model in fine.items()}
print("steps in reverse, the same direction:", {name: f"{value:.0%}" for name, value in back.items()})
assert on_digit.mean() > 0.6 and abs(covered.mean() - 0.18) < 0.01 and min(back.values()) > 0.95

# %% [markdown]
# Each step of model 2 has found the digit by itself. The patches see what the drawings promise: their own step in
# model 2, their own place in model 3. And none of it shows what section 5 found, that neither model uses the order of
# its steps: a map tells where from, never what for.
#
# ## 7 · ViViT 2 on one page
#
# The most used of the four is model 2. You have all the pieces: tubelets (section 1), the block of lesson 01, two
# position tables. An *encoder* is CLS, positions, blocks, a last norm, and CLS is read:

# %%
from videoformer_edu.models.vit import TransformerBlock
from videoformer_edu.positions import JointPositions, SpacePositions


class MyEncoder(nn.Module):
    def __init__(self, positions, depth):
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, 64))
        self.positions = positions
        size = dict(width=64, heads=4, mlp_ratio=2.0, gelu="tanh")
        self.blocks = nn.ModuleList(TransformerBlock(**size) for _ in range(depth))
        self.norm = nn.LayerNorm(64, eps=1e-6)

    def forward(self, x):
        """x (g, l, d), g sequences of l tokens -> (g, d)."""
        cls = self.cls.expand(len(x), 1, -1)
        x = torch.cat([cls, x], dim=1) + self.positions.table  # (g, 1 + l, d)
        for block in self.blocks:
            x = block(x, Grid(1, 1, x.shape[1] - 1))
        return self.norm(x)[:, 0]

# %% [markdown]
# The whole model is two of them, and two regroupings. Read the shapes: 256 clips of 64 tokens become 1,024 steps of 16
# tokens, then 1,024 vectors, then 256 sequences of 4 vectors, then 256 vectors.

# %%
class MyViViT2(nn.Module):
    def __init__(self):
        super().__init__()
        self.tubelet_embed = TubeletEmbed(tubelet_size=2, patch_size=8, width=64)
        self.spatial_encoder = MyEncoder(SpacePositions(h=4, w=4, width=64), depth=2)  # one table for all steps
        self.temporal_encoder = MyEncoder(JointPositions(grid=Grid(4, 1, 1), width=64), depth=2)
        self.head = nn.Linear(64, 8)

    def forward(self, video):
        x, grid = self.tubelet_embed(video)  # (b, t*n, d)
        steps = rearrange(x, "b (t n) d -> (b t) n d", t=grid.t)
        vectors = rearrange(self.spatial_encoder(steps), "(b t) d -> b t d", t=grid.t)
        return self.head(self.temporal_encoder(vectors))


mine, theirs = MyViViT2().eval(), load_small("vivit_2")
print(mine.load_state_dict(theirs.state_dict(), strict=True))
difference = (mine(clips) - theirs(clips)).abs().max().item()
print(f"the logits differ by {difference:.5f}, rounding allows 0.00010; accuracy {share(mine, clips):.0%}, above 95 %")
assert difference < 1e-4 and share(mine, clips) > 0.95

# %% [markdown]
# Forty lines, every tensor of the trained model found its place, and the answers are the package's. Two things in these
# lines go wrong in other people's ports: all tokens instead of the CLS vectors go to the second encoder
# ([KSonPham#4](https://github.com/KSonPham/ViVit-a-Pytorch-implementation/issues/4)), and one table of $T N$ positions
# stands before the spatial encoder while the temporal one has none.
#
# ## 8 · Another clip than the one it was trained on
#
# Your model has a defect: it takes 8 frames of 32 x 32 pixels and nothing else, because `positions.table` has as many
# rows as there were places in training. That is the commonest question to the authors of video transformers.
#
# ### Another number of frames?
#
# First ask **what the additional frames show**. Sixteen frames for eight may be *denser*: the same two seconds, cut
# finer. Or *longer*: four seconds, cut as before. A table of eight places in time can be stretched over sixteen frames:

# %%
from videoformer_edu.positions import resize_time

table = torch.arange(4.0)[:, None]  # (t, d): the place in time of each of four steps, as a number
print("4 steps:", table[:, 0].tolist())
print("6 steps:", [round(place, 2) for place in resize_time(table, 6)[:, 0].tolist()])

# %% [markdown]
# Stretching keeps the *clip's* beginning and end, so it is right for denser clips, where frame 15 of 16 is what frame 7
# of 8 was. For longer clips it says that each frame is half a step, which it is not.
#
# Ports do other things: they refuse, they cut the table off, they begin it again, they hold its last row. (Hugging
# Face's ViViT with `interpolate_pos_encoding=True` resizes as if all rows were one square picture, and raises for any
# other clip than its own; [#33815](https://github.com/huggingface/transformers/pull/33815).) Try three of them on the
# divided model of lesson 04, whose tokens are single frames: there, time has to come from attention.
#
# > **Predict.** Sixteen denser frames. Which one costs most: stretching, holding the last row, beginning again?

# %%
from videoformer_edu.models import timesformer_motion

trained = load_small("timesformer_motion_divided")
dense = motion_batch(256, seed=7, split="test", frames=16)
rows, t = trained.time_positions.table, torch.arange(16)
for name, longer in (("stretched", resize_time(rows, 16)), ("last row held", rows[t.clamp(max=7)]),
                     ("begun again", rows[t % 8])):
    model = timesformer_motion(frames=16).eval()
    model.load_state_dict(trained.state_dict() | {"time_positions.table": longer})
    accuracy = share(model, normalise(dense.clips, MOTION_PIXELS), dense.direction)
    print(f"16 denser frames, table {name:<14} {accuracy:.0%}")
    assert accuracy < 0.95 if name == "begun again" else accuracy > 0.95

# %% [markdown]
# <details><summary>Compare</summary>Beginning again tells the model that frame 8 happened when frame 0 did. Nothing
# fails, and about one answer in eight is lost.</details>
#
# ### Another resolution, not square?
#
# The same, on two axes: the table of a frame is a small picture of $h \times w$ places and is resized like one,
# bicubically, rows and columns each by their own factor. Sides that the patch does not divide are refused, with the
# number to use. Resizing positions is not everything, though: in a larger picture the digit is larger, too, and patches
# that show a smaller part of a digit were never trained on.

# %%
for size in (32, 40, 48):
    other = motion_batch(128, seed=7, split="test", size=size)
    accuracy = share(theirs, normalise(other.clips, MOTION_PIXELS), other.direction)
    print(f"{size} x {size} pixels, {size // 8} x {size // 8} tubelets a step, ViViT 2: {accuracy:.0%}")
try:
    theirs(torch.zeros(1, 3, 8, 36, 32))
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## 9 · Rotary positions: no table at all
#
# A table says where a token *is*. Most of what attention needs is how far apart two tokens *are*. Rotary positions
# (RoFormer, [arXiv:2104.09864](https://arxiv.org/abs/2104.09864)) say just that. Take two channels of a query as a
# point in the plane and turn it by an angle that grows with the frame; do the same with the key:
#
# $$\begin{pmatrix} q_0' \\ q_1' \end{pmatrix} =
# \begin{pmatrix} \cos\omega t & -\sin\omega t \\ \sin\omega t & \cos\omega t \end{pmatrix}
# \begin{pmatrix} q_0 \\ q_1 \end{pmatrix}, \qquad q'_t \cdot k'_{t'} = \text{a function of } t - t' .$$
#
# **Your turn.** Turn pairs of numbers by their angles.

# %% tags=["your_turn"]
def turn(pairs, angles):
    """pairs (l, 2), one angle for each (l,) -> the turned pairs (l, 2)."""
    # BEGIN SOLUTION
    first, second = pairs.unbind(1)
    turned = [first * angles.cos() - second * angles.sin(), first * angles.sin() + second * angles.cos()]
    return torch.stack(turned, dim=1)
    # END SOLUTION


your_turn(turn(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([torch.pi / 2, torch.pi])),
          torch.tensor([[0.0, 1.0], [0.0, -2.0]]),
          "A quarter turn takes (1, 0) to (0, 1), half a turn (0, 2) to (0, -2).")

# %% [markdown]
# Several pairs turn at several speeds, as the hands of a clock do. A video has three axes, so the pairs of a head are
# shared out: some turn with the frame, some with the row, some with the column. That is the whole of it:

# %%
from videoformer_edu.positions import rotary_angles, rotate

show_source(rotary_angles, rotate)

# %% [markdown]
# > **Predict.** One query and one key, the same two vectors, at many places. The first pair of places is (frame 0, row
# > 1, column 2) and (frame 3, row 1, column 1). The second is the same, five frames later. Is the score the same?

# %%
torch.manual_seed(0)
box = Grid(t=12, h=4, w=4)
q, k = torch.randn(2, 1, 16).double()  # a head of 16 channels: two pairs for each axis, four channels left over
angles = rotary_angles(box, 16).double()  # (l, 6)
scores = rotate(q.expand(box.l, -1), angles) @ rotate(k.expand(box.l, -1), angles).T  # (l, l)
scores = scores.reshape(12, 4, 4, 12, 4, 4)
here, later, elsewhere = scores[0, 1, 2, 3, 1, 1], scores[5, 1, 2, 8, 1, 1], scores[0, 1, 2, 3, 1, 3]
print(f"now and five frames later: {(here - later).abs():.6f} apart, rounding allows 0.00001")
print(f"the key two columns further: {(here - elsewhere).abs():.2f} apart")
assert (here - later).abs() < 1e-5 < 0.01 < (here - elsewhere).abs()

# %% [markdown]
# <details><summary>Compare</summary>The same, to rounding: the score knows the distance and nothing else.</details>
#
# So there is no row to be missing when a clip is longer. V-JEPA 2 and most video generators since 2024 do it so
# ([arXiv:2506.09985](https://arxiv.org/abs/2506.09985)).
#
# Is it a cure? The divided model of lesson 04 was trained on 8 frames, with its two tables and, by the same recipe,
# with rotary positions in their place; three seeds each. Then both were asked about clips of 12, 16 and 24 frames:
# denser ones, and ones that go on for longer, each frame as fast as before. The tables are stretched.
#
# > **Predict.** Four lines: table or rotary, denser or longer. Which falls first?

# %%
from videoformer_edu.figures.curves import accuracy_against

lines = {}
for name in ("divided_table", "divided_rotary"):
    runs = results[name]["runs"]
    for kind, goes_on in (("denser", False), ("longer", True)):
        points = [(8, [run["accuracy"] for run in runs])]
        for i, (frames, speed, _) in enumerate(runs[0]["elsewhere"]):
            if (speed > 1) == goes_on:
                points.append((frames, [run["elsewhere"][i][2] for run in runs]))
        lines[f"{name.removeprefix('divided_')}, {kind}"] = points
for name, points in lines.items():
    print(f"{name:<16}", " | ".join(f"{frames:>2} frames {100 * sum(shares) / 3:5.1f}" for frames, shares in points))
show(accuracy_against(lines, "frames at the test (trained on 8)", guess=1 / 8),
     alt="Accuracy against frames. The table stays at the top on denser clips and falls at 24 longer ones; rotary "
         "positions fall on both, with a wide band.",
     caption="Trained on 8 frames. Bands go from the lowest to the highest of three seeds.")

# %% [markdown]
# <details><summary>Compare</summary><b>No cure, in this experiment.</b> For denser clips the stretched table loses
# nothing, and rotation a lot: a frame ahead now means half a step, and nothing tells the model so. For longer clips,
# the case that rotation is made for, the table is still better at 12 and 16 frames. Only at 24 is the mean of
# rotation higher, and its three seeds are 65, 90 and 95 per cent, so they overlap with the table's: that is no
# difference one may rely on. It also learnt more slowly, and is two points behind on the 8 frames it was trained
# on.</details>
#
# <details><summary>And why do large models use rotation?</summary>No <em>table</em> is missing at any length, but
# distances beyond those of training have never been seen, and nothing made these models ready for them. Large models
# are trained on many lengths and sizes, or are trained on at the new one; then a position without a table is worth
# having. Here, with one length in training, it is not. The promise of the equation holds to the last digit, and it is
# not the promise that you need.</details>
#
# ## 10 · Five defects: find them
#
# The text from which this course grew had a ViViT of its own. Its factorised encoder, line by line, shortened:
#
# ```python
# def __init__(self, variant="factorized_encoder", depth=12, ...):
#     box = (tubelet_size, 16, 16)
#     self.patch_embed = nn.Conv3d(3, d, kernel_size=box, stride=box)  # a
#     self.pos_embed = nn.Parameter(torch.zeros(1, t * n + 1, d))  # b
#     self.cls_token = nn.Parameter(torch.zeros(1, 1, d))  # c
#     layer = nn.TransformerEncoderLayer(d, heads, 4 * d, batch_first=True)  # d
#     if variant == "factorized_encoder":
#         self.spatial = nn.TransformerEncoder(layer, depth // 2)  # e
#         self.temporal = nn.TransformerEncoder(layer, depth // 2)
#     else:
#         self.transformer = nn.TransformerEncoder(layer, depth)  # f
#     self.head = nn.Linear(d, classes)  # g
#
# def forward(self, x):
#     x = rearrange(self.patch_embed(x), "b d t h w -> b (t h w) d")  # h
#     x = torch.cat([cls_tokens, x], dim=1) + self.pos_embed  # i
#     x = rearrange(x[:, 1:], "b (t n) d -> (b t) n d", t=t)  # j
#     x = rearrange(self.spatial(x).mean(1), "(b t) d -> b t d", t=t)  # k
#     return self.head(self.norm(self.temporal(x).mean(1)))  # l
# ```
#
# **Your turn.** Five of its lines are not the published model 2. Which? One letter for each defect, in the order of the
# alphabet. (A hint: where is a place in time given, what becomes of CLS, how deep are the two encoders, what are the
# defaults of PyTorch's layer, and what does `variant="factorised_encoder"`, spelled as here, build?)

# %% tags=["your_turn"]
from zlib import crc32  # so that the answer does not stand here


def defects():
    """Five letters in a string, such as "aghij"."""
    # BEGIN SOLUTION
    found = "bdefj"
    return found
    # END SOLUTION


said = defects()
your_turn(said if said is None or said is ... else crc32(str(said).encode()) == 1095302856, True,
          "Five letters. The convolution, the head, the token order and the means are right.")

# %% [markdown]
# Each can be measured. Here is the same model in short, to be asked:

# %%
def encoder(depth):
    layer = nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)
    return nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)


class CourseTextViViT(nn.Module):
    def __init__(self, variant="factorized_encoder"):
        super().__init__()
        self.embed, self.head = TubeletEmbed(tubelet_size=2, patch_size=8, width=64), nn.Linear(64, 8)
        self.pos_embed, self.cls_token = nn.Parameter(torch.zeros(1, 65, 64)), nn.Parameter(torch.zeros(1, 1, 64))
        factorised = variant == "factorized_encoder"
        self.encoders = nn.ModuleList(encoder(6) for _ in range(2)) if factorised else nn.ModuleList([encoder(12)])

    def forward(self, video):
        x = torch.cat([self.cls_token.expand(len(video), -1, -1), self.embed(video)[0]], dim=1) + self.pos_embed
        if len(self.encoders) == 1:
            return self.head(self.encoders[0](x)[:, 0])
        x = self.encoders[0](rearrange(x[:, 1:], "b (t n) d -> (b t) n d", t=4)).mean(dim=1)
        return self.head(self.encoders[1](rearrange(x, "(b t) d -> b t d", t=4)).mean(dim=1))

# %%
torch.manual_seed(0)
wrong, layer = CourseTextViViT().eval(), encoder(1).layers[0]
backwards = (wrong(clips[:16]) - wrong(clips[:16, :, STEPS])).abs().max().item()
print(f"b  steps in reverse change a fresh model's logits by {backwards:.6f}; rounding allows 0.00001")
print(f"d  norm first: {layer.norm_first}, eps {layer.norm1.eps:g}, {layer.activation.__name__}, "
      f"dropout {layer.dropout.p}")
print(f"e  blocks: {[len(one.layers) for one in wrong.encoders]}; published [12, 4]")
other = CourseTextViViT("factorised_encoder")
print(f"f  the British spelling builds {len(other.encoders)} encoder of {len(other.encoders[0].layers)} blocks")
with torch.enable_grad():
    wrong(clips[:4]).sum().backward()
silent = max(wrong.cls_token.grad.abs().max().item(), wrong.pos_embed.grad[0, 0].abs().max().item())
print(f"j  largest gradient of CLS and of its row of the table: {silent}")
assert backwards < 1e-5 and silent == 0

# %% [markdown]
# - **b** One table of all $TN + 1$ places goes into the *spatial* encoder. The temporal encoder has none: it sees a set
#   of steps, and a fresh model cannot tell a clip from its steps in reverse.
# - **d** PyTorch's layer norms after the attention, uses ReLU, eps $10^{-5}$ and dropout. ViViT norms before, with the
#   GELU, eps $10^{-6}$. Published weights would load by shape into nothing here, and would be wrong if they did.
# - **e** 6 + 6 blocks. The published model has 12 + 4: its spatial half is a whole ViT, so that a ViT's weights fit.
# - **f** Four variants are promised; every name but one builds joint attention, without a word. Refuse what you do not
#   know.
# - **j** CLS is made, gets a place, and is cut off before any attention: a parameter without a gradient. (The mean of
#   line k is legal; then leave CLS out.)
#
# ## What goes wrong, and when not to use it
#
# - **Tubelets hide whether time is used.** Test with the order of the steps, not with accuracy.
# - **Fast motion.** A tubelet of 2 frames at 2 frames a second holds two different scenes.
# - **Late fusion and places.** Model 2 keeps one vector a step. For *where and when* (tracking, one label for each
#   frame and place) take models 1, 3 or divided attention.
# - **Few clips.** Start from images (section 3), or use a convolutional network: lesson 09.
# - **The order of the frames does not matter to you?** Then average an image model's features; it is the paper's
#   baseline, 75.8 % on Kinetics-400 for 78.8 % of model 2 (table 2), and costs no training in time.
#
# ## Exercises
#
# SHEET
#
# They build tubelets and inflation, model 2, factorised heads, resizing and rotation; in the end *your* ViViT 2 runs on
# *our* weights.
#
# Two questions to keep you busy on the way:
#
# <details><summary>Why does model 2 need a second position table, when the first one is added to every token?</summary>
# The first is the same in all steps, so it says where in the frame a token is and never when. The vectors that leave
# the spatial encoder carry no time.</details>
#
# <details><summary>Rotary positions leave the values alone. Why is that enough to tell earlier from later?</summary>
# The scores depend on the difference with its sign: a head can prefer keys one frame before over keys one frame after,
# and its values then say what was there before.</details>
#
# ## Summary
#
# 1. A tubelet is one linear map on a box of pixels, and it knows motion before any attention: control for it.
# 2. The four models differ in who hears whom and when; late mixing is cheap and forgets places, full mixing pays for
#    all.
# 3. Another length: ask whether it is denser or longer, stretch the table and measure; rotation alone is no cure.
#
# **References.** Arnab et al. (2021), *ViViT: a video vision transformer*,
# [arXiv:2103.15691](https://arxiv.org/abs/2103.15691); code:
# [google-research/scenic](https://github.com/google-research/scenic). Su et al. (2021), RoFormer,
# [arXiv:2104.09864](https://arxiv.org/abs/2104.09864).
