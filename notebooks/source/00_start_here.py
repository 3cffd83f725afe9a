# /// lesson
# title = "Start here"
# question = "What will I be able to do, and is my machine ready?"
# minutes = 50
# needs = "some PyTorch: tensors, shapes, indexing."
# objectives = [
#     "**find** your way through the course, and check that your machine can run it",
#     "**name** the axes of a clip and turn a film into what a model takes",
#     "**say** what a token of a video is, and count tokens and pairs",
#     "**show** by experiment what one frame says about a direction of motion, and what two frames in order say",
#     "**recognise** a data set in which the first frame gives the answer away",
# ]
# serves.1 = { experiment = "one frame against two" }
# ///

# %% [markdown]
# A digit moves over a photograph, and a small video transformer says where to. Play a clip, then give the model the
# same eight frames in another order.

# %%
from videoformer_edu.data.motion import DIRECTIONS, MotionBatch, motion_test_set
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.pretrained.small import load_small
from videoformer_edu.widgets import order_explorer

model = load_small("timesformer_motion_divided").requires_grad_(False)  # you build it in lesson 04
some = motion_test_set(64)
six = MotionBatch(*(part[[36, 42, 12, 10, 26, 25]] for part in some))
order_explorer(six, DIRECTIONS, lambda clips: model(normalise(clips, MOTION_PIXELS)).softmax(-1),
               title="How does a model know which way it goes?",
               alt="Eight frames in a row: a bright 8 moves up and to the right over a photograph of trees.")

# %% [markdown]
# You need not understand that code yet. It loads a trained model and asks it about six clips; all clips of this
# course are generated, and no training has seen these.
#
# Six clips prove nothing. There are 1024 of them, in eight directions, so a guess is right in 12.5 %.
#
# > **Predict.** The frames of every clip are shuffled, another order for each. How often is the model right? *(a)* 12
# > %, *(b)* 50 %, *(c)* 99 %. And how often does it still know the *axis*, such as E-W?

# %%
import torch


def accuracy(videos, counts=lambda direction: direction):
    """videos: floats (b, c, t, h, w) -> how often the model is right about what `counts` of the direction."""
    return (counts(model(videos).argmax(-1)) == counts(test.direction)).double().mean().item()


torch.manual_seed(1)
test = motion_test_set()  # 1024 clips
videos = normalise(test.clips, MOTION_PIXELS)
shuffled = torch.stack([one[:, torch.randperm(8)] for one in videos])
in_order, without_order = accuracy(videos), accuracy(shuffled)
axis_alone = accuracy(shuffled, counts=lambda direction: direction // 2)  # opposite directions have one axis
print(f"in order {in_order:.0%}, shuffled {without_order:.0%}, and the axis in {axis_alone:.0%}")

# %% [markdown]
# <details><summary>Compare</summary>About half. The axis is hardly hurt, and which <em>way</em> along it is a coin
# toss. The pixels are all still there; what is gone is their order. No model could do better, section 7 says
# why.</details>
#
# That is the question of this course: **what does the order of the frames tell, and what does it cost to look at
# it?** A picture alone never answers it. A model has to let moments look at each other, and there are many ways to do
# that, cheap and dear. You will build the well-known ones, block by block.
#
# OBJECTIVES

# %% [markdown]
# ## 1 · The course on one page
#
# Eleven lessons, each with one question. What is printed bold is there; the rest is marked *not yet*. The minutes are
# estimates for a first reading with all its experiments. Section 9 has what you will be able to do at the very end.
#
# COURSE MAP
#
# Each lesson works the same way. You meet a question, you **predict** an answer, you run the next cell and compare.
# <kbd>Shift</kbd>+<kbd>Enter</kbd> runs a cell and goes to the next one. Then you **change** something: wherever it
# says *Try*, edit the cell and run it again. You cannot break anything: *Kernel › Restart* brings it all back.
#
# ## 2 · Is this machine ready?
#
# The next cell looks at this machine and this kernel. It installs nothing and sends nothing.

# %%
from videoformer_edu.environment import show_environment

show_environment()

# %% [markdown]
# Until you run the cell, the column *found* speaks of the machine on which this page was made. Where the verdict is
# **do this**, the last column says what; run the cell again afterwards. A missing video decoder is no reason to stop:
# a generated clip then takes the place of the film below.
#
# ## 3 · A film is a block of numbers
#
# What does a program see when it looks at a film? The course brings one along: 2.4 seconds of *Big Buck Bunny*. ©
# 2008 Blender Foundation, [peach.blender.org](https://peach.blender.org), licence [CC BY
# 3.0](https://creativecommons.org/licenses/by/3.0/); an excerpt, cut and scaled down.

# %%
from einops import rearrange

from videoformer_edu.data.assets import example_clip_path
from videoformer_edu.data.motion import motion_batch
from videoformer_edu.data.video.clips import ClipError, read_frames
from videoformer_edu.figures.moving import show_moving

try:
    film = read_frames(example_clip_path(), frames=60)
    shown = "a large white rabbit crawls out of his burrow under a tree and stands up"
except ClipError as problem:
    print(f"A generated clip stands in for the film, because {problem}.")
    film = rearrange(motion_batch(1, seed=3, frames=60, size=192).clips[0], "c t h w -> t h w c")
    shown = "a handwritten digit moves over a photograph"
show_moving(film[::5], fps=5, width=240, alt=f"A short moving picture: {shown}.",
            caption="The film, every fifth frame. It plays twice; run the cell to see it again.")

# %% [markdown]
# > **Predict.** This little film is 320 pixels wide, 180 high, in colour, and has 60 frames. How many numbers is it?
# > About *(a)* 60 thousand, *(b)* 600 thousand, *(c)* 10 million.

# %%
t, h, w, c = film.shape
print(f"film: {film.dtype}, shape (t, h, w, c) = {tuple(film.shape)}")
print(f"{t} frames x {h} rows x {w} columns x {c} colours = {film.numel():,} numbers")
print("the pixel in the middle of the first frame:", film[0, h // 2, w // 2].tolist(), "(red, green, blue)")
assert film.numel() == t * h * w * c

# %% [markdown]
# <details><summary>Compare</summary>About 10 million, for 2.4 seconds of a small film.</details>
#
# Each number is one byte, from 0 (dark) to 255 (bright). The four axes keep their letters in the whole course: `t`
# counts frames, `h` rows from the top, `w` columns from the left, `c` colours. This order, time first and colour
# last, is how a decoder hands a film over.
#
# A tensor with named axes can be rearranged by name. Read the next pattern aloud: *keep the rows; lay the frames side
# by side.*

# %%
from videoformer_edu.data.video.clips import sample_indices
from videoformer_edu.figures import show_image

times = sample_indices(len(film), 6)
few = film[times][:, ::4, ::4]                        # (t, h, w, c), every fourth pixel
strip = rearrange(few, "t h w c -> h (t w) c")        # one picture

show_image(strip, alt=f"Six frames side by side: {shown}.",
           caption=f"Six frames of {len(film)}, t = {', '.join(map(str, times))}.")
print("few", tuple(few.shape), "-> strip", tuple(strip.shape))

# %% [markdown]
# **Try**: `"t h w c -> (t h) w c"` stacks the frames. What does `"t h w c -> h (w t) c"` do, and why does it look so
# strange?
#
# **Your turn.** Lay the six frames out as a page: two rows of three, in reading order. One `rearrange`. Nothing is
# graded, and the lesson goes on without it.

# %% tags=["your_turn"]
from videoformer_edu.grading.your_turn import your_turn


def page_of(frames):
    """frames (6, h, w, c) -> one picture (2*h, 3*w, c), three frames in a row."""
    # BEGIN SOLUTION
    page = rearrange(frames, "(a b) h w c -> (a h) (b w) c", a=2)
    return page
    # END SOLUTION


your_turn(page_of(few), rearrange(few, "(a b) h w c -> (a h) (b w) c", a=2),
          "Split t into (a b), a = 2 rows of b = 3; the picture's rows are then (a h), its columns (b w).")

# %% [markdown]
# ### Cutting the block along time
#
# Picture the frames as a pile of cards. So far we looked at whole cards. Now we cut through the pile: we take **one
# column of pixels from every frame** and lay these columns side by side.
#
# > **Predict.** Where nothing moves, what will the cut look like? *(a)* straight horizontal lines, *(b)* slanted
# > lines, *(c)* a single colour.

# %%
from videoformer_edu.figures import show
from videoformer_edu.figures.clips import cut_through_time

show(cut_through_time(film, column=w // 2, frame=45),
     alt="Left: one frame with an orange line down its middle column. Right: that column in all frames, time running "
         "to the right. The text below says what it looks like.",
     caption="One frame, and the column under the orange line at every time.")

# %% [markdown]
# <details><summary>Compare</summary>Straight horizontal lines: a place that keeps its colour draws the same dot at
# every <code>t</code>. The rabbit draws curves, and their slope is his speed.</details>
#
# Motion is a *shape* in this picture, and no single card of the pile contains it. **Try** other columns, or
# `film.flip(0)`: the film played backwards.
#
# ### Looking before training
#
# How much changes from one frame to the next? For real data this is always worth a look.

# %%
from videoformer_edu.figures.clips import change_bars, changes

change = changes(film)                                # (t - 1,)
quiet = sorted(int(i) + 1 for i in change.argsort()[:3])
show(change_bars(change, marked=quiet),
     alt=f"Bars of the mean change from each frame to the next; the lowest three are at t = {quiet}.",
     caption="Mean change of a pixel from the frame before, in grey levels of 255.")
print("the three smallest changes:", {f"t={time}": round(float(change[time - 1]), 1) for time in quiet})
print(f"the median of all changes: {sorted(change)[t // 2]:.1f}")

# %% [markdown]
# At `t` = 7, 32 and 57 next to nothing changes, and they lie exactly 25 frames apart. These frames are repeats. The
# film was made with 24 pictures a second and this file plays 25, so one picture in each second comes twice. A model
# that reads speed from neighbouring frames is told here, three times, that the world stands still. Fifty-nine numbers
# were enough to find it.
#
# ## 4 · What a model takes, and what a token is
#
# A model wants fewer frames, a square, floating-point numbers around zero, and another order of axes: `(c, t, h, w)`.
# Four steps, each one line.

# %%
from videoformer_edu.data.pixels import Pixels
from videoformer_edu.data.video.clips import resize_crop, to_model_input

pixels = Pixels(mean=(0.45,) * 3, std=(0.225,) * 3)   # of red, green and blue, as TimeSformer was trained
clip = film[sample_indices(len(film), 8)]             # (t, h, w, c) uint8: 8 frames, evenly spaced
square = resize_crop(clip, 224)                       # (t, 224, 224, c) uint8: the middle, scaled
video = (square / 255 - 0.45) / 0.225                 # floats around zero
video = rearrange(video, "t h w c -> c t h w")        # colour first, then time

assert torch.allclose(video, to_model_input(square, pixels), atol=1e-6)
print(f"{tuple(clip.shape)} {clip.dtype}  ->  {tuple(video.shape)} {video.dtype}")
print(f"from {video.min():.1f} to {video.max():.1f}, {video.numel():,} numbers")

# %% [markdown]
# With a batch axis in front, `(b, c, t, h, w)`, this is what every model of the course takes. `read_clip` does all
# four steps at once.
#
# ### Preprocessing: which layout, which mean and std, which crop?
#
# Users of published models ask this again and again, for example
# [here](https://github.com/facebookresearch/TimeSformer/issues/71) and
# [here](https://github.com/facebookresearch/TimeSformer/issues/122). The answer is always: **what the weights were
# trained with**, and that differs from model to model.
#
# - **Layout.** Here `(b, c, t, h, w)`. A decoder gives `(t, h, w, c)`, and the models in Hugging Face's library take
#   `(b, t, c, h, w)`.
# - **Mean and std** of the pixels in 0 ... 1. The package knows them for each model that it can build:

# %%
from videoformer_edu.models.registry import builder

for name in ("timesformer_base", "vivit_base", "videomae_base", "c3d"):
    known = builder(name)
    print(f"{name:17} clip (c, t, h, w) = {known.clip}, mean {[round(x, 3) for x in known.pixels.mean]}, "
          f"std {[round(x, 3) for x in known.pixels.std]}")

# %% [markdown]
# - **Crop.** The shorter side is scaled to the model's size and the middle square is taken, as above. Published
#   numbers often average several crops and clips of each video, so one crop gives a little less (lesson 08).
#
# How much does a slip cost? Ask the model from the top of the page.
#
# > **Predict.** Order these by harm: pixels divided by 255 but not normalised; bytes as they are; red and blue
# > exchanged; rows and columns exchanged.

# %%
slips = {
    "as trained": videos,
    "divided by 255 only": test.clips / 255,
    "bytes as they are": test.clips.float(),
    "red and blue exchanged": videos.flip(1),
    "rows and columns exchanged": videos.transpose(3, 4),
}
found = {name: accuracy(video) for name, video in slips.items()}
for name, share in found.items():
    print(f"{name:27} {share:.0%} right")

# %% [markdown]
# <details><summary>Compare</summary>Bytes as they are leave a guess (12 %). Exchanged rows and columns leave 22 %:
# the two directions that such a mirror leaves alone, SE and NW. Pixels that are not normalised cost only a tenth, so
# this slip lives longest. Exchanged colours cost nothing here, because our digits are pale; for a model of the real
# world they do.</details>
#
# **Where this breaks.** None of these raised an error. Nor does the next one: `reshape` reaches the same *shape* and
# moves no axis. PyTorch raises no error. Only the picture tells: here is what the model would get as its first frame,
# either way.

# %%
wrong = square.reshape(3, 8, 224, 224)                # same shape, the axes are not moved
right = rearrange(square, "t h w c -> c t h w")
both = torch.stack([right[:, 0], wrong[:, 0]])        # (2, c, h, w)
show_image(rearrange(both[..., 60:160, :100], "k c h w -> h (k w) c"), width=400,
           alt="Left: a part of the first frame as it is. Right: the same part after reshape, coloured dots.",
           caption="A part of the first frame. Left: rearrange. Right: reshape. Both have the shape (3, 8, 224, 224).")
same = (right == wrong).double().mean().item()
print(f"shapes {tuple(right.shape)} and {tuple(wrong.shape)}; the same number in {same:.0%} of the places")
assert same < 0.2

# %% [markdown]
# A transformer does not read pixels one by one. It cuts each frame into **patches** of 16 × 16 pixels, and each patch
# becomes one **token**, a vector. A token of a video therefore has an address: frame, row, column. In the model of
# the first page this is the first box:

# %%
from videoformer_edu.figures.architecture import Repeat, Stage, show_architecture

block = Repeat("block", 2, (Stage("time", residual=True), Stage("space", residual=True), Stage("mlp", residual=True)))
timesformer = ("video 3 × 8 × 32 × 32", Stage("embed", "128 tokens × 64"), Stage("cls"),
               Stage("positions", "129 tokens × 64"), block, Stage("norm"), Stage("head", "8 directions"))
show_architecture({"TimeSformer": timesformer}, here="patch embedding",
                  caption="The whole model of the first page. Its frames have 4 × 4 patches of 8 × 8 pixels. Tokens "
                          "are made once, at the top. Then two blocks let them look at each other, along time and "
                          "across space; lesson 04 opens them. One more token, CLS, collects what the head reads.")

# %% [markdown]
# > **Predict.** 8 frames of 224 × 224 pixels, patches of 16 × 16: how many tokens? *(a)* 196, *(b)* 1568, *(c)*
# > 401,408.

# %%
from videoformer_edu.figures.clips import patches_in_time

patches = rearrange(video, "c t (h p) (w q) -> t h w (p q c)", p=16, q=16)
t, h, w, numbers = patches.shape
print(f"patches (t, h, w, numbers) = {tuple(patches.shape)}")
print(f"{t} x {h} x {w} = {t * h * w} tokens, each made of {numbers} numbers")
assert t * h * w * numbers == video.numel()           # every number is in one token

tokens = {"A": (0, 6, 6), "B": (3, 6, 6), "C": (7, 10, 9)}          # name: (t, row, column)
show(patches_in_time(square[[0, 3, 7]], 16, tokens, times=[0, 3, 7]),
     alt="Three frames under their grid of patches. Tokens A and B lie at the same place at t=0 and t=3, "
         "token C elsewhere at t=7.",
     caption="Three of the eight frames in patches. A and B: one place at two times. C: another place.")

# %% [markdown]
# <details><summary>Compare</summary>1568: eight frames of 14 rows and 14 columns.</details>
#
# In the film, A is moss, and B, the same place about a second later, is the rabbit's forehead. In attention, tokens
# look at each other, and the work grows with the number of *pairs*. If each token looks only within its own frame, A
# never meets B. If every token looks at every token, A sees B and C. Here are both, for the small model: what one
# token (blue) may look at (amber).

# %%
from videoformer_edu.attention.patterns import Full, Spatial
from videoformer_edu.figures.cube import show_token_cubes
from videoformer_edu.tokens import Grid

small = Grid(t=8, h=4, w=4)
show_token_cubes({"within its frame": Spatial(), "everywhere": Full()}, small, (3, 1, 2),
                 caption="Each sheet is a frame of the clip, each cell a token.")
print(f"everywhere has {Full().pairs(small) // Spatial().pairs(small)} times as many pairs as within the frames")

# %% [markdown]
# Eight frames, eight times the pairs. **Your turn**: how many pairs, if the clip is `frames` long and a frame has `n`
# tokens? Two numbers; nothing is graded.

# %% tags=["your_turn"]
def pairs_of(frames, n):
    """-> (pairs within the frames, pairs everywhere)"""
    # BEGIN SOLUTION
    within = frames * n ** 2
    everywhere = (frames * n) ** 2
    return within, everywhere
    # END SOLUTION


your_turn(pairs_of(64, 196), (2_458_624, 157_351_936), "A frame has n times n pairs; the whole clip has frames * n "
          "tokens, and as many pairs as that number times itself.")

# %% [markdown]
# 64 frames, 64 times as many. Most of this course is about paying less for time without losing it. Which raises a
# question: **is time worth paying for?**
#
# ## 5 · A clip whose answer is known
#
# To find out what order is worth we need clips in which *only* the order tells. Nobody has filmed them, so we make
# them: a handwritten digit slides over a photograph, and the label is the direction in which it moves. There are
# eight: E, W, S, N and the diagonals.

# %%
from videoformer_edu.figures.clips import filmstrips

print("clips", tuple(test.clips.shape), test.clips.dtype, " directions", DIRECTIONS)
east = int((test.direction == DIRECTIONS.index("E")).nonzero()[14])
one = rearrange(test.clips[east], "c t h w -> t h w c")      # (t, h, w, c), to look at
print(f"clip {east}: the digit {test.digit[east]} moves {DIRECTIONS[test.direction[east]]}")
show(filmstrips({"the clip": one, "played\nbackwards": one.flip(0)}),
     alt="Two strips of eight frames. Above, a bright digit moves to the right; below, the same frames in "
         "reverse order, so that it moves to the left.",
     caption="A clip with the label E, and the same clip played backwards: a clip with the label W.")

# %% [markdown]
# Two rules make these clips honest.
#
# 1. The digit starts *anywhere*, with equal chance, and the edges of the frame are joined: what leaves on the right
#    enters on the left. So at each moment it may be anywhere, whichever way it moves.
# 2. Each clip played backwards is a perfectly ordinary clip of the opposite label.
#
# ## 6 · What can be known from one frame?
#
# Take the smallest example first: a world of four pixels and three moments, with one dot in it.

# %%
rightward = torch.tensor([
    [1, 0, 0, 0],                                     # t0: the dot is on the left
    [0, 1, 0, 0],                                     # t1
    [0, 0, 1, 0],                                     # t2
])                                                    # (t, w)
leftward = rightward.flip(0)
print("t1, moving right and left:", rightward[1].tolist(), leftward[1].tolist())
print("frames as a set, right:", sorted(rightward.tolist()))
print("frames as a set, left: ", sorted(leftward.tolist()))
print("t1 - t0, moving right:", (rightward[1] - rightward[0]).tolist())
print("t1 - t0, moving left: ", (leftward[1] - leftward[0]).tolist())

# %% [markdown]
# The frame t1, and all three frames without their order, are the same for both directions. The difference of two
# frames in order is not: light *leaves* one place (−1) and *arrives* at another (+1).
#
# Now the 32 × 32 clips. We give a simple learner one frame of each of 2048 training clips: it remembers the average
# frame of every direction and then answers with the average that lies nearest. (Such a learner is a linear
# classifier.)
#
# > **Predict.** How often will it be right, with eight directions to choose from? *(a)* 12 %, *(b)* 50 %, *(c)* 90 %.

# %%
def brightness(clips):
    return clips.float().mean(1) / 255                # (b, c, t, h, w) -> (b, t, h, w)

def average_frames(task):
    train = motion_batch(2048, seed=1, task=task)
    first = brightness(train.clips)[:, 0]             # (b, h, w), the frame at t = 0
    return torch.stack([first[train.direction == k].mean(0) for k in range(8)])      # (8, h, w)

def nearest(frames, averages):
    distance = (frames[:, None] - averages).square().sum((-2, -1))                   # (b, 8)
    return distance.argmin(1)

averages = average_frames("motion")
light = brightness(test.clips)                        # (b, t, h, w)
one_frame = nearest(light[:, 0], averages)            # (b,)

# %%
def score(answer, truth=test.direction):
    return 100 * (answer == truth).double().mean().item()

print(f"one frame: {score(one_frame):.0f} % of {len(one_frame)} clips right, a guess {100 / 8:.1f} %")

# %% [markdown]
# <details><summary>Compare</summary>No better than a guess. A cleverer learner would not help: by rule 1 a single
# frame looks the same for all directions, so there is nothing in it to learn.</details>
#
# ## 7 · Two frames, in order
#
# Two frames are enough, and no learning is needed. Let $I_t(x)$ be the brightness of pixel $x$ in frame $t$. From
# frame $t$ to a later frame $t'$ light leaves some pixels, $L$, and arrives at others, $A$:
#
# $$A(x) = \max(I_{t'}(x) - I_t(x),\, 0) \qquad L(x) = \max(I_t(x) - I_{t'}(x),\, 0)$$

# %%
from videoformer_edu.figures.clips import two_frames

show(two_frames(one[0], one[4], times=(0, 4)),
     alt="Frames 0 and 4 of the clip and their difference: the digit in orange where light leaves, and again in purple "
         "further to the right, where light arrives; the photograph has vanished.",
     caption="What rests cancels. What moves appears twice: where it was and where it is.")

# %% [markdown]
# If the digit moved by $s$, then shifting $L$ by $s$ lays it over $A$. So slide $L$ along each of the eight
# directions and keep the direction in which it covers $A$ best:
#
# $$\hat d = \arg\max_d \; \max_k \; \sum_x L(x - k\,d)\, A(x)$$

# %%
from videoformer_edu.data.motion.trajectories import STEPS  # (8, 2): (dx, dy) of each direction


def which_way(first, second):
    """Two frames (b, h, w) in order -> a direction (b,)."""
    arrives = (second - first).clamp(min=0)
    leaves = (first - second).clamp(min=0)
    cover = torch.stack([
        torch.stack([(leaves.roll((k * dy, k * dx), (1, 2)) * arrives).sum((1, 2)) for k in range(1, 16)]).amax(0)
        for dx, dy in STEPS.tolist()
    ], dim=1)                                         # (b, 8)
    return cover.argmax(1)

two_in_order = which_way(light[:, 0], light[:, 2])
print(f"two frames, in order: {score(two_in_order):.0f} % right")
assert score(two_in_order) > 97

# %% [markdown]
# All of them, without a single trained number. Now we hand the same rule the same two frames the other way round.
#
# > **Predict.** Does this rule do what the model did with a clip played backwards? How often is it right, and how
# > often does it say the *opposite* direction?

# %%
swapped = which_way(light[:, 2], light[:, 0])
opposite = test.direction ^ 1                         # E and W, S and N ... are neighbours: 0 and 1, 2 and 3 ...
print(f"swapped: {score(swapped):.0f} % right; {score(swapped, opposite):.0f} % say the opposite direction")

# %% [markdown]
# <details><summary>Compare</summary>Wrong every time, and always in the same way: it sees the film backwards, as the
# model did.</details>
#
# So what is left for someone who gets both frames but **not their order**? The *axis* of the motion, E–W or N–S,
# comes out the same either way. The sign has to be guessed. Our rule, made blind to order, always answers with the
# first direction of the axis.

# %%
axis = two_in_order // 2
assert torch.equal(axis, swapped // 2)                # the same for both orders: a rule about the set
two_unordered = 2 * axis

print(f"two frames, order unknown: axis {score(axis, test.direction // 2):.0f} % right,",
      f"direction {score(two_unordered):.0f} %")
assert 45 < score(two_unordered) < 55

# %% [markdown]
# Half. No cleverer rule, and no more frames, would do better: by rule 2 each set of frames belongs equally often to a
# clip and to its reverse, and a rule that cannot tell them apart is wrong about one of the two. **50 % is a ceiling**
# for every model that is given frames as a bag. The trained model at the top of this page ran into it when its frames
# were shuffled: the axis right, the sign a coin toss.

# %%
from videoformer_edu.figures.confusion import confusion_matrices
from videoformer_edu.training.evaluate import confusion

answers = {"one frame": one_frame, "two, unordered": two_unordered, "two, in order": two_in_order}
tables = {name: confusion(test.direction, answer, 8) for name, answer in answers.items()}
show(confusion_matrices(tables, list(DIRECTIONS)),
     alt="Three tables of true against answered direction. One frame: the same answers whatever the truth. Two frames "
         "unordered: the axis is right, the sign always the same. Two frames in order: all on the diagonal.",
     caption="Rows: the truth. Columns: the answer. In per cent of each row, 10 and more written out.")
print({name: f"{score(answer):.0f} %" for name, answer in answers.items()})

# %% [markdown]
# How far apart may the two frames be?
#
# > **Predict.** Frames 0 and 7 lie furthest apart, the digit has moved most. Is that the easiest pair?

# %%
by_gap = {gap: score(which_way(light[:, 0], light[:, gap])) for gap in (1, 2, 4, 6, 7)}
for gap, percent in by_gap.items():
    print(f"frames 0 and {gap}: {percent:>3.0f} %")

# %% [markdown]
# <details><summary>Compare</summary>The longest gap is the worst. After seven frames a fast digit has gone more than
# half-way round its world of 32 pixels, and the short way back looks like the better explanation: wheels in films
# turn backwards for the same reason. Neighbouring frames miss a few for the opposite reason: the digit has hardly
# moved.</details>
#
# How densely to sample time is a real choice in every video model (lesson 02).
#
# ## 8 · A data set that looks harmless
#
# Now another data set. Digits again, eight classes again; but the frame has edges, and each path leads *through the
# middle*. Two classes come closer or go away instead of moving along the second diagonal.
#
# > **Predict.** Our learner of single frames knew nothing. How good is it here? *(a)* 12 %, *(b)* 25 %, *(c)* over 60
# > %.

# %%
from videoformer_edu.data.motion import TASKS
from videoformer_edu.figures.clips import mean_frames

leaky_test = motion_test_set(task="motion8")
leaky_averages = average_frames("motion8")
leaky = nearest(brightness(leaky_test.clips)[:, 0], leaky_averages)
print(f"first frame of the leaky clips: {score(leaky, leaky_test.direction):.0f} % right")
print(f"first frame of the honest clips: {score(one_frame):.0f} % right")

leaky_classes = TASKS["motion8"].classes
show(mean_frames({"leaky": (leaky_averages, leaky_classes), "honest": (averages, DIRECTIONS)}),
     alt="Two rows of average first frames, one for each class: above of the leaky data set, below of the honest one. "
         "The text below says what they look like.",
     caption="What the simple learner remembers of each class: the average first frame.")
spread = {name: (frames.max(0).values - frames.min(0).values).max().item()
          for name, frames in {"leaky": leaky_averages, "honest": averages}.items()}
print("largest difference between two classes at any pixel:", {k: round(v, 2) for k, v in spread.items()})

# %% [markdown]
# <details><summary>Compare</summary>Over 60 %. Who moves right must <em>start on the left</em>: above there is a
# bright blob at the left for E, at the right for W, at the top for S, in the corners, small or large. Below, the
# honest classes are eight dark squares, all alike.</details>
#
# A model can reach a fine accuracy on such "motion" data without ever looking at motion. Real data sets leak as well:
# the swimming pool gives the sport away. That is why a claim about time begins with the question **how far one frame
# gets**. The numbers of this lesson in one place, each with the bound that it has to keep:

# %%
kept = {
    "the trained model, frames in order": (100 * in_order, 98, 100),
    "the trained model, frames shuffled": (100 * without_order, 44, 56),
    "one frame": (score(one_frame), 7, 18),
    "two frames, order unknown": (score(two_unordered), 45, 55),
    "two frames, in order": (score(two_in_order), 97, 100),
    "two frames, swapped: the opposite": (score(swapped, opposite), 97, 100),
    "first and last frame, in order": (by_gap[7], 50, 90),
    "one frame of the leaky clips": (score(leaky, leaky_test.direction), 60, 90),
}
for name, (percent, least, most) in kept.items():
    print(f"{name:36} {percent:3.0f} % right, expected {least} to {most}")
    assert least <= percent <= most
assert axis_alone > 0.95 and spread["leaky"] > 3 * spread["honest"]
assert found["as trained"] > found["divided by 255 only"] + 0.05 > found["bytes as they are"] + 0.6

# %% [markdown]
# ## 9 · Where the course takes you
#
# Its five objectives, and for each where you learn it, see it measured, and practise it. Bold: there now. Italic: not
# yet.
#
# COURSE OBJECTIVES
#
# ### How to use it
#
# - **Order.** As they are numbered. If you know the ViT well, read the summary of 01 and go on.
# - **Predict first.** Say your answer aloud or write it down. A wrong prediction is where you learn most.
# - **Explorers** are pictures with controls. <kbd>Tab</kbd> leads to a control, the arrow keys move it, a mouse does
#   both.
# - **Exercises** live in sheets in the folder `exercises`. You fill in a function, a check says in words what is
#   wrong, hints come one at a time, and `progress()` says how far you are. Worked sheets are in `solutions`.
# - **Your answers** are kept in the sheet itself, a file on your own disk; save it as you would any document. No
#   account, nothing sent. Rebuilding the course stops rather than write over a sheet in which someone has worked.
#
# ## What goes wrong, and when not to use it
#
# - **Shapes that fit and axes that do not.** `reshape`, `view` or a wrong order of `h` and `w` raise no error. Look
#   at a picture of your tensor after each step that moves axes.
# - **Repeated and missing frames.** Frame rates are converted; differences of frames then lie. Plot them once.
# - **A leak.** Before you believe in a model of motion, measure a single frame and a shuffled clip.
# - **You may not need a video model.** If one frame already tells the class, an image model is many times cheaper. If
#   the question is only "did something move?", the difference of two frames answers it.

# %% [markdown]
# ## Exercises
#
# SHEET
#
# Three things to try right here, in the cells above.
#
# **1.** Section 7 compares `light[:, 0]` with `light[:, 2]`. Does it matter *where* in the clip the pair lies? Take
# frames 5 and 7.
#
# <details><summary>Answer</summary>No, still 100 %. The speed is constant and every place is as good as any other, so
# only the distance in time counts.</details>
#
# **2.** Section 8 looks at `t = 0`. Put `4` for `0` in `average_frames` and where `leaky` is computed, and run from
# there. Where has the leak gone?
#
# <details><summary>Answer</summary>Down to 18 %. All paths lead through the middle, and at t = 4 everybody is there.
# At t = 7 the leak is back, 76 %. So ask what the <em>best</em> single frame gives away, not just any.</details>
#
# **3.** Put the path of a video of your own in the place of `example_clip_path()`. Look at its cut through time and
# at its changes. Has it repeated frames?
#
# ## Summary
#
# 1. A clip is a block of numbers, `(t, h, w, c)`; a model takes `(b, c, t, h, w)` and cuts it into tokens, each with
#    an address in time and space.
# 2. One frame knows nothing of a direction, a bag of frames knows half, two frames in order know it all.
# 3. Before a claim about time, ask what a single frame already gives away.
#
# **References.** Horn and Schunck, [Determining optical flow](https://doi.org/10.1016/0004-3702(81)90024-2), 1981.
# Dosovitskiy et al., [An image is worth 16x16 words](https://arxiv.org/abs/2010.11929), 2021. Bertasius, Wang and
# Torresani, [Is space-time attention all you need for video understanding?](https://arxiv.org/abs/2102.05095), 2021.
