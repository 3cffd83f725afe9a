# %% [markdown]
# You build ViViT 2 and two of its relatives, give your model the weights of a trained one, and make it ready for clips
# of other lengths. **You need:** lesson 05, PyTorch, einops or a steady hand with `reshape`, and the block of sheet 01
# or 04, which is given.
#
# EXERCISES
#
# How it works: write where it says `...`, run the cell, run the check below it. A check answers *not attempted*,
# *crashed*, *wrong* or *right*, and tells you what it saw. Stuck? Take the `#` away from `# ex1.hint()` and run it;
# there are three hints, one at a time. The sheet runs to its end whatever you have solved.
#
# ### First, three questions on lesson 05
#
# <details><summary>A model averages over the steps and has no attention along time, and it names the direction of
# nearly every moving digit. How?</summary>
#
# Its tokens are tubelets of two frames. Two frames in order show a displacement, and a linear map can subtract.
# </details>
#
# <details><summary>In which of the four models does no patch ever hear of another step?</summary>
#
# Model 2. Its patches meet their own step alone; time comes in between the vectors of the steps.
# </details>
#
# <details><summary>When is it right to stretch a table of positions over more frames?</summary>
#
# When the clip is denser: the same scene, cut finer. Where it goes on for longer, stretching says that each step is
# shorter than it is.
# </details>

# %%
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.sheets import progress, sheet

torch.manual_seed(0)
ex1, ex2, ex3, ex4 = sheet("05")

# %% [markdown]
# ## The clip
#
# Four frames of the house, one pixel for each place. Tubelets are two frames deep, so there are two steps. Letters as
# in the whole course: `b` clip, `c` channel, `t h w` frames (or steps), rows, columns, `d` width; and `s p q` for the
# frames, rows and columns of one tubelet.

# %%
places = ["sky", "roof", "door", "grass"]
pixel_names = [f"t{frame}·{place}" for frame in range(4) for place in places]
house = torch.arange(16.0).reshape(1, 1, 4, 2, 2)  # (b, c, t, h, w): each pixel is its own number
print(*(" ".join(pixel_names[4 * frame:4 * frame + 4]) for frame in range(4)), sep="\n")

# %% [markdown]
# STATEMENT 05.1
#
# `tubelet_embed` cuts a clip into boxes and projects each one by one linear map: every token is a weighted sum of the
# pixels of its box, plus a bias. No convolution, please: the point is that it needs none. The filters have the shape
# that `nn.Conv3d` gives them, `(d, c, s, p, q)`.
#
# `inflate_central` and `inflate_average` make such filters of an image model's `(d, c, p, q)`.
#
# **Predict.** Which pixels does token 3 of the house hold? And token 5?
#
# <details><summary>Answer</summary>
#
# Token 3 is the last place of step 0: t0·grass and t1·grass. Token 5 is in step 1, its second place: t2·roof and
# t3·roof.
# </details>

# %%
# ANSWER tubelet_embed inflate_central inflate_average

# %%
ex1.check(tubelet_embed, inflate_central, inflate_average)

# %%
# ex1.hint()
# ex1.solution()

# %% [markdown]
# **Look at it.** Filters that keep each pixel apart show the boxes by name. Then your function meets the package's
# convolution, and a still picture your two inflations.

# %%
from videoformer_edu.tokens import TubeletEmbed

if ex1.solved:
    apart = torch.eye(2).reshape(2, 1, 2, 1, 1)  # channel i of a token is frame i of its box
    for number, (first, second) in enumerate(tubelet_embed(house, apart, torch.zeros(2))[0].int().tolist()):
        print(f"token {number}: {pixel_names[first]}, {pixel_names[second]}")
    theirs, film = TubeletEmbed(tubelet_size=2, patch_size=4, width=24), torch.randn(3, 3, 6, 8, 12)
    difference = tubelet_embed(film, theirs.proj.weight, theirs.proj.bias) - theirs(film)[0]
    print(f"from the package's module: {difference.abs().max().item():.5f} at most, allowed 0.00001")
    picture, filters, bias = torch.randn(3, 3, 1, 8, 12), torch.randn(24, 3, 4, 4), torch.zeros(24)
    image_tokens = tubelet_embed(picture, filters[:, :, None], bias)
    for inflate in (inflate_central, inflate_average):
        still_tokens = tubelet_embed(picture.expand(-1, -1, 3, -1, -1), inflate(filters, 3), bias)
        print(f"a still clip, {inflate.__name__}: off by {(still_tokens - image_tokens).abs().max().item():.4f}")
else:
    print("Here your tubelets appear by name, once 05.1 is right.")

# %% [markdown]
# STATEMENT 05.2
#
# `encode` is one encoder: CLS in front of each sequence, the position table added, the blocks one after the other, the
# last norm; CLS is what comes out. Its tensors are in a dict under the names of the package: `name.cls` `(1, d)`,
# `name.positions.table` `(1 + l, d)` whose row 0 is CLS's, `name.blocks.0`, `name.blocks.1`, ..., `name.norm`.
# `linear`, `norm` and `block` are given.
#
# `factorised_encoder` is model 2 between the tubelets and the head: the patches of each step through the encoder
# `"spatial_encoder"`, then the steps of each clip through `"temporal_encoder"`. `depths` has the number of blocks of
# the one and of the other.
#
# **Predict.** 2 clips of 3 steps of 5 patches, width 8. Which shapes go into the spatial encoder, out of it, into the
# temporal one, out of it?
#
# <details><summary>Answer</summary>
#
# (6, 5, 8), (6, 8), (2, 3, 8), (2, 8). The first axis is (b t), clip slowest.
# </details>

# %%
# GIVEN linear norm block

# %%
# ANSWER encode factorised_encoder

# %%
ex2.check(encode, factorised_encoder)

# %%
# ex2.hint()
# ex2.solution()

# %% [markdown]
# **Milestone: your ViViT 2 with our weights.** The course ships a ViViT 2 that was trained to tell in which of eight
# directions a digit moves. Your three functions and its tensors are all it takes: tubelets, encoder, head. It should
# reach 99 % on the motion test, and name what the package's model names.

# %%
from videoformer_edu.data.motion import motion_test_set
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.pretrained.small import load_small

if ex1.solved and ex2.solved:
    test = motion_test_set(512)
    film, model = normalise(test.clips, MOTION_PIXELS), load_small("vivit_2")
    weights = model.state_dict()
    tokens = tubelet_embed(film, weights["tubelet_embed.proj.weight"], weights["tubelet_embed.proj.bias"])
    features = factorised_encoder(tokens, weights, 4, (2, 2), 4)  # 8 frames are 4 steps; 2 blocks each, 4 heads
    answers = linear(features, weights, "head").argmax(dim=1)
    with torch.no_grad():
        same = (answers == model(film).argmax(dim=1)).sum().item()
    right = (answers == test.direction).float().mean().item()
    print(f"yours and the package's name the same direction for {same} of {len(answers)} clips")
    print(f"right: {right:.0%} of the clips, by chance 12.5 %; the milestone is 99 %")
    assert right > 0.985
else:
    print("Here your ViViT 2 runs on trained weights, once 05.1 and 05.2 are right.")

# %% [markdown]
# STATEMENT 05.3
#
# `factorised_heads` is the attention of model 4. One map makes queries, keys and values for all heads, as always. Then
# the first half of the heads looks along time (each token at its own place in all steps), the second half across space
# (each token at its own step). Their results are joined, time first, and projected once. The layout of the weights is
# the one of sheets 01 and 04: all queries, all keys, all values, and in each third head after head. There is no CLS. It
# returns the update, without the residual.
#
# `score_counts(t, n, heads)` counts the query-key scores of one attention over all heads, for joint attention and for
# this one.
#
# **Predict.** Two steps of three places, two heads. Joint attention makes 2 · 6 · 6 = 72 scores. And this one?
#
# <details><summary>Answer</summary>
#
# The time head: 3 tubes of 2 · 2 = 12. The space head: 2 steps of 3 · 3 = 18. Together 30.
# </details>

# %%
# ANSWER factorised_heads

# %%
# ANSWER score_counts

# %%
ex3.check(factorised_heads, score_counts)

# %%
# ex3.hint()
# ex3.solution()

# %%
from videoformer_edu.attention.dot_product import FactorisedDotProductAttention
from videoformer_edu.tokens import Grid

if ex3.solved:
    grid = Grid(t=4, h=2, w=3)
    published = FactorisedDotProductAttention(width=24, heads=4)
    weights = {f"attention.{name}": tensor for name, tensor in published.state_dict().items()}
    x = torch.randn(2, grid.l, 24)
    difference = factorised_heads(x, weights, "attention", grid.t, 4) - published(x, grid)
    print(f"from the package's module: {difference.abs().max().item():.5f} at most, allowed 0.00001")
    joint, factorised = score_counts(16, 196, 12)
    print(f"ViViT-B/16x2: {joint / 1e6:.0f} million scores in joint attention, {factorised / 1e6:.1f} million here")
else:
    print("Here your attention meets the package's, once 05.3 is right.")

# %% [markdown]
# The same parameters as joint attention, and one score for thirty. The price is that a head sees only one axis, and
# that they meet nowhere but in the output projection.
#
# STATEMENT 05.4
#
# `resize_table` makes a table of positions for another grid: each step is a picture of `h x w` places and is resized
# bicubically, then each place is a line of `t` steps and is resized linearly. `align_corners=False` in both, as
# everywhere in the course.
#
# `rotary` needs no table: it turns the channel pairs (0, 1), (2, 3), ... of queries or keys by angles that grow with
# the place. A pair `(a, b)` turned by an angle becomes `(a cos - b sin, a sin + b cos)`. With `f` frequencies the first
# `f` pairs turn with the frame, the next `f` with the row, the next `f` with the column; what is left over stays.
#
# **Predict.** All tokens of a clip are the same vector. You turn them, and take dot products between all of them. How
# many different numbers come out for 3 frames of 1 x 1 places?
#
# <details><summary>Answer</summary>
#
# Three: for the distances 0, 1 and 2 in time. The dot product of a token with itself is its squared length, whatever
# the frame; forwards or backwards makes no difference as long as both are the same vector.
# </details>

# %%
# ANSWER resize_table

# %%
# ANSWER rotary

# %%
ex4.check(resize_table, rotary)

# %%
# ex4.hint()
# ex4.solution()

# %% [markdown]
# **Look at it.** Four steps become six, as numbers to read. Then scores between turned tokens: each row of the table is
# the row above, moved by one, because nothing but the distance counts.

# %%
from videoformer_edu.positions import resize_joint

if ex4.solved:
    steps = resize_table(torch.arange(4.0)[:, None], (4, 1, 1), (6, 1, 1))
    print("steps 0 1 2 3 become", [round(place, 2) for place in steps[:, 0].tolist()])
    table = torch.randn(4 * 2 * 3, 5)
    difference = resize_table(table, (4, 2, 3), (6, 4, 3)) - resize_joint(table, Grid(4, 2, 3), Grid(6, 4, 3))
    print(f"from the package's resizing: {difference.abs().max().item():.5f} at most, allowed 0.00001")
    query, key = (torch.tensor([[made]]).expand(1, 5, 6) for made in ([1.0, 0, 0, 1, 1, 0], [0.6, 0.8, 0, 1, 1, 0]))
    query, key = (rotary(part, (5, 1, 1), torch.tensor([0.8])) for part in (query, key))
    print("scores between five frames, row = the frame that asks")
    for row in (query @ key.transpose(1, 2))[0].tolist():
        print(" ".join(f"{score:5.2f}" for score in row))
else:
    print("Here your tables and your scores appear, once 05.4 is right.")

# %% [markdown]
# A table of five rows would have nothing to say about a sixth frame. These scores go on.
#
# ## Two questions to end with
#
# **Your ViViT 2 has two position tables. Which of them must be resized for a wider picture, which for a longer clip?**
#
# <details><summary>Answer</summary>
#
# The spatial one (1 + h·w rows, shared by all steps) for the picture, the temporal one (1 + t rows) for the clip. Row 0
# of each is CLS's and is kept as it is.
# </details>
#
# **Why are queries and keys turned, and not values?**
#
# <details><summary>Answer</summary>
#
# The place has to decide *whom* a token listens to, and that is in the scores. A turned value would arrive turned by
# the place it came from, and the next layer would have to turn it back.
# </details>
#
# ## How far you are

# %%
progress("05")
