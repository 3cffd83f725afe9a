# %% [markdown]
# You write what a training run is made of: what happens to its clips, how fast it learns, what its optimiser may
# shrink, one step in the right order, and the number that it reports. **You need:** lesson 08 and PyTorch.
#
# EXERCISES
#
# How it works: write where it says `...`, run the cell, run the check below it. A check answers *not attempted*,
# *crashed*, *wrong* or *right*, and tells you what it saw. Stuck? Take the `#` away from `# ex1.hint()` and run it;
# there are three hints, one at a time. The sheet runs to its end whatever you have solved.
#
# **Before you begin**, three questions on lesson 08. Answer each aloud, then open it.
#
# <details><summary>Why does a crop have to be the same in all frames of a clip?</summary>
#
# A crop that jumps from frame to frame moves everything in the picture. The model would have to learn what is the
# camera's doing and what yours.
# </details>
#
# <details><summary>Your loss stays at ln(classes). What do you look at first?</summary>
#
# At a batch: the clips as the model gets them, each with its label. Then try to overfit eight of them.
# </details>
#
# <details><summary>What may come between backward and the update?</summary>
#
# Dividing by the scale of mixed precision, then clipping. Never `zero_grad`.
# </details>

# %%
import torch
import torch.nn.functional as F
from torch import nn

from videoformer_edu.sheets import progress, sheet

torch.manual_seed(0)
ex1, ex2, ex3, ex4, ex5 = sheet("08")

# %% [markdown]
# STATEMENT 08.1
#
# Three transforms of a batch of clips. What is random has been drawn already: one number for each clip. `crop_clips`
# cuts one box out of all frames of a clip; `brighten` multiplies a clip by its factor, and no pixel goes above 1;
# `flip_clips` mirrors some clips, left for right, and says what their labels are now.
#
# **Predict.** A clip of class 2, north, is mirrored. What is its label? And south-east, 4?
#
# <details><summary>Answer</summary>
#
# North stays north. South-east becomes south-west, 6. The table of the course's eight directions is (1, 0, 2, 3, 6, 7,
# 4, 5).
# </details>

# %%
# ANSWER crop_clips

# %%
# ANSWER brighten flip_clips

# %%
ex1.check(crop_clips, brighten, flip_clips)

# %%
# ex1.hint()
# ex1.solution()

# %% [markdown]
# **Look at it.** Your functions on two clips of moving digits. Then a still clip, the proof that nothing flickers.

# %%
from videoformer_edu.data.mirroring import mirrored_directions
from videoformer_edu.data.motion import DIRECTIONS, motion_batch
from videoformer_edu.figures.clips import filmstrips
from videoformer_edu.figures.show import show

if ex1.solved:
    batch = motion_batch(2, seed=43, split="test")
    video = brighten(batch.clips.float() / 255, torch.tensor([1.6, 0.8]))
    seen, labels = flip_clips(video, batch.direction, torch.tensor([True, False]),
                              torch.tensor(mirrored_directions("motion")))
    before, after = ([DIRECTIONS[i] for i in part.tolist()] for part in (batch.direction, labels))
    print(f"clip 0 was filmed {before[0]} and is now {after[0]}; clip 1 stays {after[1]}")
    still = video[:, :, :1].expand(-1, -1, 8, -1, -1)
    moved = crop_clips(still, torch.tensor([2, 5]), torch.tensor([4, 1]), 24).diff(dim=2).abs().max().item()
    print(f"a still clip, cropped: from frame to frame it changes by {moved:.1f}, allowed 0")
    strips = [(255 * clip).byte().permute(1, 2, 3, 0) for clip in (video[0], seen[0])]  # (t, h, w, c)
    show(filmstrips({before[0]: strips[0], after[0]: strips[1]}),
         alt="A strip of frames and the same frames mirrored.", caption="Mirrored: the digit goes the other way.")
else:
    print("Here your clips appear, once 08.1 is right.")

# %% [markdown]
# STATEMENT 08.2
#
# `rates` gives the learning rate of every step of a run: a linear rise over the first `warm_up` steps, then half a
# cosine down to `least`. `step_of` says how many steps came before a batch; a schedule that counts steps has to know.
#
# **Predict.** 10 steps, 4 of warm-up, peak 1. Which rate has the first step, and which step has the peak?
#
# <details><summary>Answer</summary>
#
# The first step, 0, has 1/4. Step 3, the last of the warm-up, has 1. Step 4 is the first on the cosine.
# </details>

# %%
import math

# %%
# ANSWER rates

# %%
# ANSWER step_of

# %%
ex2.check(rates, step_of)

# %%
# ex2.hint()
# ex2.solution()

# %%
if ex2.solved:
    mine = rates(20, 4, 1.0, 0.0)
    for step in range(0, 20, 2):
        print(f"step {step:2d}  {'█' * round(40 * mine[step].item()):<40}  {mine[step].item():.2f}")
    print(f"43 clips, batch 8: epoch 3 begins with step {step_of(3, 0, 43, 8)}, not with step {3 * (43 // 8)}")
else:
    print("Here your schedule appears, once 08.2 is right.")

# %% [markdown]
# STATEMENT 08.3
#
# Weight decay pulls a parameter towards zero. For a weight of a linear map zero means *no effect*. For the scale of a
# norm, a bias, CLS or a place it means nothing of the kind. `decay_of` sorts the parameters of a model; a position
# table has two axes like any matrix, so shapes alone will not do.
#
# `rate_of` gives each layer its own learning rate, for a model that was pretrained: close to the pixels it should
# change least.
#
# **Predict.** Two blocks, layer decay 0.5, rate 8. Which rate has the patch embedding?
#
# <details><summary>Answer</summary>
#
# 1. The head has 8, block 1 has 4, block 0 has 2, and the embedding comes before it.
# </details>

# %%
# ANSWER decay_of

# %%
# ANSWER rate_of

# %%
ex3.check(decay_of, rate_of)

# %%
# ex3.hint()
# ex3.solution()

# %% [markdown]
# **Look at it.** Your rules meet the package's, on the course's TimeSformer.

# %%
from videoformer_edu.models import timesformer_motion
from videoformer_edu.training.recipe import Recipe, decayed, parameter_groups

if ex3.solved:
    model = timesformer_motion()
    parameters = dict(model.named_parameters())
    mine, theirs = decay_of(parameters, 0.05), decayed(model)
    apart = [name for name in parameters if (mine[name] > 0) != theirs[name]]
    print(f"{sum(value > 0 for value in mine.values())} of {len(mine)} tensors decay; you and the package differ in "
          f"{len(apart)}")
    print("spared though they have several axes:",
          *(name for name, value in mine.items() if not value and parameters[name].ndim > 1))
    groups = parameter_groups(model, Recipe(lr=2e-3, layer_decay=0.75))
    rates_of_groups = sorted({f"{group['lr']:.6f}" for group in groups})
    print("rates:", *sorted({f"{value:.6f}" for value in rate_of(parameters, 2, 2e-3, 0.75).values()}))
    print("and the package's:", *rates_of_groups)
else:
    print("Here your groups meet the package's, once 08.3 is right.")

# %% [markdown]
# STATEMENT 08.4
#
# `train` does some steps. `made` gives you a model, an optimiser and a schedule; what is left is the order of the
# calls. The batch goes through the model in parts, as one does when it does not fit, and the result must be that of
# the whole batch: `x.tensor_split(parts)` may give parts of different sizes.
#
# **Predict.** Seven rows in three parts of 3, 2 and 2. With which factor does the loss of the first part count?
#
# <details><summary>Answer</summary>
#
# 3/7. One third would be right for equal parts alone.
# </details>

# %%
# GIVEN made

# %%
# ANSWER train

# %%
ex4.check(train)

# %%
# ex4.hint()
# ex4.solution()

# %% [markdown]
# **Look at it.** Your loop trains a linear map on 8 frames of 8 x 8 grey pixels. Its task is the *leaky* one of
# lesson 00 and 04, where a place in the frame gives much of the motion away, so that a linear map has something to
# find. In one part and in five, it has to become the same model.

# %%
if ex4.solved:
    film = motion_batch(800, seed=3, split="train", task="motion8")
    x = F.avg_pool3d(film.clips.float().mean(1, keepdim=True) / 255, (1, 4, 4)).flatten(1)  # (b, 8*8*8)
    x, y = x.reshape(20, 40, -1) - x.mean(), film.direction.reshape(20, 40)
    start = torch.zeros(8, x.shape[2]), torch.zeros(8)
    one, five = (train(*start, x, y, parts, 1.0, torch.full((20,), 0.2)) for parts in (1, 5))
    print(f"one part and five: {(one[0] - five[0]).abs().max().item():.5f} apart, rounding allows 0.00001")
    before, after = (F.cross_entropy(x.flatten(0, 1) @ w.T + b, y.flatten()).item() for w, b in (start, five))
    print(f"loss before {before:.2f}, after 20 steps {after:.2f}")
    assert after < before
else:
    print("Here your loop trains, once 08.4 is right.")

# %% [markdown]
# STATEMENT 08.5
#
# `cut_views` cuts the views of an evaluation: some windows in time, and of each the left, the middle and the right
# square. `vote` makes one answer of them. `accuracies` reports both numbers that go by the name of accuracy: each view
# counted by itself, and one answer for each clip.
#
# **Predict.** A clip of 20 frames, windows of 4 frames, 3 apart. In which frame does the last window begin?
#
# <details><summary>Answer</summary>
#
# In frame 10: its four frames are 10, 13, 16, 19. A window spans (4 - 1) · 3 + 1 = 10 frames.
# </details>

# %%
# ANSWER cut_views

# %%
# ANSWER vote accuracies

# %%
ex5.check(cut_views, vote, accuracies)

# %%
# ex5.hint()
# ex5.solution()

# %% [markdown]
# **Milestone: why people are below the paper.** A trained ViViT 2 of the course, on clips whose digit goes on for 24
# frames, in wide frames of which it sees a square. Your three functions, its logits: views one by one, and together.

# %%
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.pretrained.small import load_small

if ex5.solved:
    film = motion_batch(96, seed=21, split="test", frames=24, speed=3)
    noise = 0.35 * torch.randn(film.clips.shape, generator=torch.Generator().manual_seed(0))
    clips = normalise((film.clips / 255 + noise).clamp(0, 1), MOTION_PIXELS)
    clips = torch.cat([clips, clips[..., :8]], dim=-1)  # wider than high; the scene goes on, as on a torus
    views = cut_views(clips, 8, 1, 5)  # (b, 15, 3, 8, 32, 32)
    with torch.no_grad():
        logits = load_small("vivit_2")(views.flatten(0, 1)).unflatten(0, views.shape[:2])
    alone, together = accuracies(logits, film.direction)
    print(f"noisy clips: single views {alone:.0%}, fifteen views together {together:.0%}")
    assert together > alone + 0.02
else:
    print("Here a model is asked many times, once 08.5 is right.")

# %% [markdown]
# The same model and the same clips. Whoever compares the first number with a paper's second one looks for a bug that is
# not there.
#
# ## Two questions to end with
#
# **You halve the batch because of memory, and accumulate two parts. What else has to change?**
#
# <details><summary>Answer</summary>
#
# Nothing: the gradient is the same, as 08.4 has shown. Rates, clipping and schedule count steps, not parts. (Batch norm
# is the exception: it sees the parts.)
# </details>
#
# **A model trained on mirrored clips with exchanged labels is shown left-handed and right-handed signs, which must be
# told apart. Was the flip right?**
#
# <details><summary>Answer</summary>
#
# Only if the table says so: mirrored left-handed signs *are* right-handed ones, and their labels must change places.
# Where no class is the mirror image of another and yet left matters, do not flip at all.
# </details>
#
# ## How far you are

# %%
progress("08")
