# %% [markdown]
# You write patterns as predicates, find out whom they let a token hear, compute two of them without the rest of the
# work, and then design a wiring of your own under a budget. **You need:** lesson 03, PyTorch, and either einops or a
# steady hand with `reshape`.
#
# EXERCISES
#
# How it works: write where it says `...`, run the cell, run the check below it. A check answers *not attempted*,
# *crashed*, *wrong* or *right*, and tells you what it saw. Stuck? Take the `#` away from `# ex1.hint()` and run it;
# there are three hints, one at a time. The sheet runs to its end whatever you have solved.
#
# **Before you begin**, three questions on lesson 03. Answer each aloud, then open it.
#
# <details><summary>What does a mask over all pairs save?</summary>
#
# Nothing: all scores are computed, then most are thrown away. Only a regrouping skips the work.
# </details>
#
# <details><summary>A token can have heard another. What does that say about a trained model?</summary>
#
# That nothing in the wiring forbids it. Whether the model listens is another question. What reach leaves out, though,
# is impossible.
# </details>
#
# <details><summary>Why do factorised heads need two blocks where divided attention needs one?</summary>
#
# Heads look at the same time, so no head can pass on what another has just heard. In a divided block the second
# attention finds what the first one brought.
# </details>

# %%
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.figures.cube import show_lit_cubes
from videoformer_edu.sheets import progress, sheet
from videoformer_edu.tokens import Grid

torch.manual_seed(0)
ex1, ex2, ex3, ex4 = sheet("03")

# %% [markdown]
# ## The clip
#
# Letters as in the whole course: `b` clip, `t` frame, `h` row, `w` column, `l = t*h*w` tokens, time slowest, `d` width.
# A pattern is a table `(l, l)` of True and False: the row looks, the column is looked at. Two helpers come with the
# sheet: where every token sits, and who agrees with whom.

# %%
# GIVEN places same

# %%
frame_of, row_of, column_of = places(2, 2, 2)
print("frame ", frame_of.tolist())
print("row   ", row_of.tolist())
print("column", column_of.tolist())
print("same column:", same(column_of)[0].int().tolist(), "(the row of token 0)")

# %% [markdown]
# STATEMENT 03.1
#
# Five tables. `spatial`: the same frame. `temporal`: the same place. `axial`: the line along one axis. `window`: tiles
# of `size = (t, h, w)` tokens, cut from the first corner; `shift` moves all borders that far, so that the first tile of
# an axis is `shift` long (or whole, for a shift of 0). `strided`: the own place in every `stride`-th frame, counted
# from the own frame in both directions.
#
# **Predict.** Along an axis of 6 tokens, a window of 3 with a shift of 1 cuts the tiles 0 | 1 2 3 | 4 5. What is
# `(place - 1) // 3` for the places 0 to 5?
#
# <details><summary>Answer</summary>
#
# -1, 0, 0, 0, 1, 1. In Python and PyTorch `//` rounds down, so the cut-off tile gets a number of its own.
# </details>

# %%
# ANSWER spatial temporal

# %%
# ANSWER axial window strided

# %%
ex1.check(spatial, temporal, axial, window, strided)

# %%
# ex1.hint()
# ex1.solution()

# %% [markdown]
# **Look at it.** Your tables as cubes, for a token in frame 3, row 1, column 2 of 8 frames of 4 x 4.

# %%
shown_grid, asked = Grid(8, 4, 4), (3, 1, 2)
if ex1.solved:
    asked_number = (asked[0] * 4 + asked[1]) * 4 + asked[2]
    drawn = {"axial w": axial(8, 4, 4, "w"), "shifted window": window(8, 4, 4, (2, 2, 2), (1, 1, 1)),
            "stride 3": strided(8, 4, 4, 3)}
    show_lit_cubes({title: table[asked_number].reshape(8, 4, 4) for title, table in drawn.items()}, shown_grid, asked,
                   {title: f"{int(table.sum())} pairs in all" for title, table in drawn.items()})
else:
    print("Here your patterns appear as cubes, once 03.1 is right.")

# %% [markdown]
# The package has the same patterns as `Spatial()`, `Temporal()`, `Axial("w")`, `LocalWindow(size, shift)` and
# `StridedTemporal(stride)`; `allowed(grid)` gives their tables.
#
# STATEMENT 03.2
#
# `heard(tables)`: attentions in their order, each with a residual. At the start every token knows itself; afterwards a
# token knows what it knew before, and what each token that it looked at knew before.
#
# `attentions_until_all(tables)`: the same tables in turn, again and again. After how many attentions has everyone heard
# everyone? 0 for a single token, -1 if it never happens.
#
# **Predict.** Five tokens in a row, each looks at itself and its left neighbour. After two attentions, whom has token 3
# heard? Will everyone ever have heard everyone?
#
# <details><summary>Answer</summary>
#
# Tokens 1, 2 and 3. And never: token 0 has nobody to its left, so it hears of nobody.
# </details>

# %%
# ANSWER heard attentions_until_all

# %%
ex2.check(heard, attentions_until_all)

# %%
# ex2.hint()
# ex2.solution()

# %% [markdown]
# **Look at it.** Your reach on the package's patterns, beside what the package says.

# %%
from videoformer_edu.attention import LocalTemporal, LocalWindow, Spatial, Temporal
from videoformer_edu.attention.reach import blocks_until_all

wirings = {"divided": [Temporal(), Spatial()], "near frames, then own frame": [LocalTemporal(3), Spatial()],
           "windows, plain and shifted": [LocalWindow((2, 2, 2)), LocalWindow((2, 2, 2), (1, 1, 1))],
           "windows, never shifted": [LocalWindow((2, 2, 2))]}
if ex2.solved:
    for title, patterns in wirings.items():
        mine = attentions_until_all(torch.stack([pattern.allowed(shown_grid) for pattern in patterns]))
        theirs = blocks_until_all(patterns, shown_grid)
        print(f"{title:28} yours {mine:2}, the package's {-1 if theirs is None else theirs:2}")
else:
    print("Here your reach meets the package's, once 03.2 is right.")

# %% [markdown]
# STATEMENT 03.3
#
# Two efficient attentions. Neither may make `l x l` scores, or it would be no use; both give what the mask gives. The
# tensors are in a dict: `attention.qkv.weight` `(3*d, d)`, `attention.qkv.bias`, `attention.proj.weight` `(d, d)`,
# `attention.proj.bias`. The first `d` outputs of `qkv` are queries, then keys, then values; a head owns a run of
# `e = d / heads` channels.
#
# `axial_attention`: every token looks along one axis. `factorised_heads` (ViViT, model 4): the first half of the heads
# looks along time, the second half across space, and `proj` mixes what they found.

# %%
# GIVEN linear attend

# %% [markdown]
# **Predict.** For attention along h, the tokens have to stand as `(b, head, groups, h, e)`. How many groups are there
# in a clip of `t x h x w`, and which two letters name them?
#
# <details><summary>Answer</summary>
#
# `t * w`: one column for each frame and each place across. In einops, `(t w)`.
# </details>

# %%
# ANSWER axial_attention

# %%
# ANSWER factorised_heads

# %%
ex3.check(axial_attention, factorised_heads)

# %%
# ex3.hint()
# ex3.solution()

# %% [markdown]
# **Look at it.** The package's `FactorisedDotProductAttention` lends you its weights, and so does a trained model:
# ViViT 4 of the course, which tells directions of motion. Its two attentions are replaced by yours.

# %%
from videoformer_edu.attention import FactorisedDotProductAttention
from videoformer_edu.data.motion import motion_test_set
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.pretrained.small import load_small

if ex3.solved:
    trained, test = load_small("vivit_4"), motion_test_set(64)
    with torch.no_grad():
        before = trained(normalise(test.clips, MOTION_PIXELS)).argmax(1)
        for block in trained.encoder.blocks:
            tensors = {f"attention.{name}": tensor for name, tensor in block.attention.state_dict().items()}
            block.attention.forward = lambda x, grid, tensors=tensors: factorised_heads(x, tensors, 4, grid.t)
        after = trained(normalise(test.clips, MOTION_PIXELS)).argmax(1)
    print(f"the same direction for {int((before == after).sum())} of {len(after)} clips, "
          f"right for {(after == test.direction).float().mean():.0%}; by chance 12.5 %")
else:
    print("Here your attention runs a trained ViViT 4, once 03.3 is right.")

# %% [markdown]
# STATEMENT 03.4
#
# Give `attentions` tables (one, two or three) for a clip of `t x h x w` tokens: after all of them everyone can have
# heard everyone, and together they hold at most `budget` pairs. The budget is what the cheapest wiring of lines and
# planes needs, so with two attentions it depends on the clip which one that is. Any wiring that keeps the budget is
# right, yours need not be ours.
#
# **Predict.** 8 frames of 14 x 14, two attentions. Tubes and frames need 8 + 196 keys a token. Which plane and line
# need fewer?
#
# <details><summary>Answer</summary>
#
# Planes that hold the column still, 8 x 14 = 112 keys, and rows of 14: 126 in all.
# </details>

# %%
# ANSWER wiring

# %%
ex4.check(wiring)

# %%
# ex4.hint()
# ex4.solution()

# %%
if ex4.solved:
    for number, keys in ((1, 128), (2, 24), (3, 16)):
        spent = int(wiring(8, 4, 4, number, keys * 128).sum())
        print(f"attentions: {number}   pairs: {spent:6,}   keys a token: {spent / 128:5.1f}   "
              f"the least, if all look at equally many: {number * 128 ** (1 / number):5.1f}")
else:
    print("Here your wirings are counted, once 03.4 is right.")

# %% [markdown]
# With more attentions the pairs go down, and each attention brings four projections and a wait. At 128 tokens the
# projections are nearly the whole bill; at 100,000 the pairs are. Was yours cheaper than the least? Then not all of
# your tokens look at equally many: there is a hub in it, as in the second question below.
#
# ## Two questions to end with
#
# **Your wiring has full reach. Why might a model made of it still fail to learn a task?**
#
# <details><summary>Answer</summary>
#
# Reach says that nothing is impossible. It does not say that the right look is easy to find, nor that what passes
# through many hands arrives loud enough: joint attention reaches everything and did not find the motion (lesson 03).
# </details>
#
# **One token more, CLS, that everyone looks at and that looks at everyone. How many attentions until all have heard
# all, whatever else they do?**
#
# <details><summary>Answer</summary>
#
# Two: to CLS, and from CLS. But everything has to fit into one vector, which all share.
# </details>
#
# ## How far you are

# %%
progress("03")
