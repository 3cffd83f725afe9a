# %% [markdown]
# You write a vision transformer in four steps. Then you give it the weights of a trained one, and it reads
# handwritten digits that it has never seen. **You need:** lesson 01, PyTorch, and either einops or a steady hand with
# `reshape`.
#
# EXERCISES
#
# How it works: write where it says `...`, run the cell, run the check below it. A check answers *not attempted*,
# *crashed*, *wrong* or *right*, and tells you what it saw. Stuck? Take the `#` away from `# ex1.hint()` and run it;
# there are three hints, one at a time. The sheet runs to its end whatever you have solved. A loop that never ends is
# the one thing a check cannot stop: interrupt the kernel (the ■ button).

# %%
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.data.motion.images import digit_images
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.figures import show
from videoformer_edu.pretrained.small import load_small
from videoformer_edu.sheets import progress, sheet

torch.manual_seed(0)
ex1, ex2, ex3, ex4 = sheet("01")

# %% [markdown]
# ## Before you begin
#
# Three questions on the lesson. Answer them before you unfold the answers.
#
# **A picture has 64 x 48 pixels, a patch 8 x 8. How many tokens does a ViT with CLS work on?**
#
# <details><summary>Answer</summary>8 x 6 = 48 patches, and CLS: 49.</details>
#
# **In which axis of the scores `(queries, keys)` do the shares sum to one, and who does the sharing?**
#
# <details><summary>Answer</summary>In the last, the keys. Each query shares out a total of 1 among all keys. What a
# key gets from everybody may be more or less than 1.</details>
#
# **You take the position table away and shuffle the patches of a picture. What does the model notice?**
#
# <details><summary>Answer</summary>Nothing: without places a picture is a bag of patches.</details>

# %% [markdown]
# ## The model and its pictures
#
# Letters as in the whole course: `b` pictures, `c` colours, `h` and `w` rows and columns of *patches*, `p` the side
# of a patch in pixels, `n = h*w` patches, `d` the width of a token. The trained model hands out its tensors by name:

# %%
trained = load_small("vit_digits")  # 32 x 32 pixels, patches of 4 x 4, three blocks of four heads
state = {name: tensor.detach() for name, tensor in trained.state_dict().items()}
album = digit_images(256, seed=21, split="test")
pictures = normalise(album.images, MOTION_PIXELS)  # (b, c, 32, 32)
for name in ("patch_embed.proj.weight", "cls", "space_positions.table", "blocks.0.attention.qkv.weight"):
    print(f"{name:30} {tuple(state[name].shape)}")
print(f"{len(state)} tensors in all; pictures {tuple(pictures.shape)}")

# %% [markdown]
# STATEMENT 01.1
#
# `patchify` cuts pictures `(b, c, h*p, w*p)` into patches `(b, h*w, c*p*p)`. Patches come row by row. Inside a patch
# the channel runs slowest, then the pixel's row, then its column.
#
# `embed` makes tokens `(b, h*w, d)` of them, with one linear map. The map is stored as the weight of a convolution,
# `(d, c, p, p)`, and a bias `(d,)`; they stand in the dict `weights` under `name.weight` and `name.bias`. So `p` need
# not be told.
#
# **Predict.** A picture of one colour, 4 x 4 pixels, numbered 0 to 15 row by row, `p = 2`. Which four numbers are in
# patch 0? And which in patch 2?
#
# <details><summary>What you should see when it is right</summary>Patch 0: 0, 1, 4, 5. Patch 1: 2, 3, 6, 7. Patch 2:
# 8, 9, 12, 13. A <code>reshape</code> alone would put 0, 1, 2, 3 into patch 0, which is a row and no
# square.</details>

# %%
# ANSWER patchify embed

# %%
ex1.check(patchify, embed)

# %%
# ex1.hint()
# ex1.solution()

# %% [markdown]
# **Look at it.** Your patches of the numbered picture, and your tokens beside the model's own.

# %%
if ex1.solved:
    numbered = torch.arange(16.0).reshape(1, 1, 4, 4)
    for number, patch in enumerate(patchify(numbered, 2)[0]):
        print(f"patch {number}:", [int(pixel) for pixel in patch])
    mine = embed(pictures, state, "patch_embed.proj")  # (b, n, d)
    theirs, _ = trained.patch_embed(pictures[:, :, None])
    print(f"{tuple(mine.shape)}, from the package's tokens: {(mine - theirs).abs().max().item():.5f} at most, "
          "allowed 0.00001")
else:
    print("Here your patches appear, once 01.1 is right.")

# %% [markdown]
# STATEMENT 01.2
#
# `add_places` puts CLS in front of the patches and adds to each of the `1 + n` tokens its row of the table. Row 0 is
# for CLS.
#
# `resize_table` makes a table for another picture size. `old` and `new` are `(rows, columns)` of the grid of patches;
# the table's rows are CLS first, then the places row by row. Resize with `F.interpolate`, `mode="bicubic"`, edges on
# edges (`align_corners=False`).
#
# **Predict.** A model for 32 x 32 pixels with patches of 4 meets pictures of 32 x 64. How many rows has its table
# before, how many after? And which row must be the same in both?
#
# <details><summary>Answer</summary>65 before, 1 + 8 x 16 = 129 after. Row 0, of CLS, must be the same: it has no
# place on the grid.</details>

# %%
# ANSWER add_places resize_table

# %%
ex2.check(add_places, resize_table)

# %%
# ex2.hint()
# ex2.solution()

# %% [markdown]
# **Look at it.** A table whose rows say their own column, from 8 x 8 to 8 x 16 places. What do you expect to see: a
# ramp, or stripes?

# %%
from videoformer_edu.figures.attention import value_maps

says_column = torch.cat([torch.zeros(1, 1), torch.arange(8.0).repeat(8)[:, None]])  # (1 + 64, 1)
if ex2.solved:
    wide = resize_table(says_column, (8, 8), (8, 16))  # (1 + 128, 1)
    show(value_maps({"before": says_column[1:].view(8, 8), "after": wide[1:].view(8, 16)}, label="column it claims"),
         alt="Two maps of the column that each place claims: 8 by 8 before, 8 by 16 after. Both are smooth ramps from "
             "left to right.", caption="Your resizing: a ramp stays a ramp.")
    print("CLS before and after:", says_column[0].tolist(), wide[0].tolist())
else:
    print("Here your resized table appears, once 01.2 is right.")

# %% [markdown]
# STATEMENT 01.3
#
# `attend` is $\mathrm{softmax}(qk^\top/\sqrt{e})\,v$ on the last two axes; there may be any number of axes in front,
# and the values may have another width than the keys.
#
# `multi_head` works on tokens `(b, l, d)`. Its four tensors are in the dict under `name.qkv.weight` `(3*d, d)`,
# `name.qkv.bias`, `name.proj.weight` `(d, d)`, `name.proj.bias`. The first `d` outputs of `qkv` are queries, the next
# keys, the last values; in each third a head owns a run of `e = d / heads` channels. `linear` is given.
#
# **Predict.** `d = 6`, two heads. Which of the 18 outputs of `qkv`, counted from 0, are the *keys* of head 1?
#
# <details><summary>Answer</summary>9, 10, 11. The keys are outputs 6 to 11; head 0 has the first three of them, head
# 1 the next three.</details>

# %%
# GIVEN linear


# ANSWER attend

# %%
# ANSWER multi_head

# %%
ex3.check(attend, multi_head)

# %%
# ex3.hint()
# ex3.solution()

# %% [markdown]
# **Look at it.** Your attention, in the first block of the trained model, beside the package's module.

# %%
with torch.no_grad():
    asked = trained.blocks[0].attention_norm(torch.randn(2, 65, 64))
    theirs = trained.blocks[0].attention(asked)
if ex3.solved:
    mine = multi_head(asked, state, "blocks.0.attention", 4)
    print(f"from the package's module: {(mine - theirs).abs().max().item():.5f} at most, allowed 0.00001")
    one_head = multi_head(asked, state, "blocks.0.attention", 1)
    print(f"with one head instead of four: {(one_head - theirs).abs().max().item():.1f} away")
else:
    print("Here your attention meets the package's, once 01.3 is right.")

# %% [markdown]
# The same four tensors, and another number of heads: nothing in their shapes tells you. How many heads a model has
# must be written down beside its weights.
#
# STATEMENT 01.4
#
# | step | norm | update |
# |---|---|---|
# | attention | `attention_norm` | `multi_head` with the name `attention` |
# | MLP | `mlp_norm` | linear `mlp.0`, exact GELU, linear `mlp.2` |
#
# Each step starts from the result of the one before, and its update is *added* to what it started from. The norms are
# LayerNorms over `d` with the published `eps = 1e-6`.
#
# **Predict.** `attention.proj` and `mlp.2` are set to zero, weights and biases. What comes out of the block?
#
# <details><summary>Answer</summary>What went in. Both updates are zero, and the residuals carry the tokens past them.
# With the norm <em>after</em> the sum (post-norm) that would not be so.</details>

# %%
# ANSWER norm

# %%
# ANSWER vit_block

# %%
ex4.check(norm, vit_block)

# %%
# ex4.hint()
# ex4.solution()

# %% [markdown]
# ## Milestone: your ViT reads digits
#
# All pieces are there. Here is the whole model in eight lines, and each piece is yours:

# %%
def my_vit(x, state, heads):
    """Pictures (b, c, H, W) -> logits (b, classes): your functions and somebody's weights."""
    tokens = add_places(embed(x, state, "patch_embed.proj"), state["cls"], state["space_positions.table"])
    for i in range(3):
        prefix = f"blocks.{i}."
        of_block = {name.removeprefix(prefix): w for name, w in state.items() if name.startswith(prefix)}
        tokens = vit_block(tokens, of_block, heads)
    return linear(norm(tokens, state, "norm")[:, 0], state, "head")  # CLS answers


finished = all(exercise.solved for exercise in (ex1, ex2, ex3, ex4))
if finished:
    with torch.no_grad():
        ours, packages = my_vit(pictures, state, 4), trained(pictures)
    right = (ours.argmax(1) == album.digit).float().mean().item()
    print(f"logits: {(ours - packages).abs().max().item():.4f} from the package's at most, allowed 0.0001")
    print(f"right: {right:.0%} of 256 pictures that no training has seen; by chance 10%")
else:
    print("Here your model reads digits, once all four exercises are right.")

# %%
if finished:
    from videoformer_edu.figures.tokens import token_strip

    bright = (album.images[:16].permute(0, 2, 3, 1).float() * 1.5).clamp(max=255).to(torch.uint8)  # for the eye
    show(token_strip(bright, [f"says {digit}" for digit in ours[:16].argmax(1).tolist()], columns=8),
         alt="Sixteen pictures of handwritten digits on photographs, and above each what your model says.",
         caption="What your ViT says to the first sixteen.")
    print("it says:", ours[:16].argmax(1).tolist(), "\nit is:  ", album.digit[:16].tolist())
else:
    print("And here the pictures, with what your model says to them.")

# %% [markdown]
# And another picture size? Your `resize_table` makes the same weights run on pictures of 40 x 56 pixels. They *run*;
# whether they still read is another question, which lesson 01 measured in section 3.

# %%
if finished:
    table = resize_table(state["space_positions.table"], (8, 8), (10, 14))
    rectangle = normalise(digit_images(2, seed=3, split="test", size=56).images[..., :40, :], MOTION_PIXELS)
    with torch.no_grad():
        mine = my_vit(rectangle, state | {"space_positions.table": table}, 4)
        print(f"pictures {tuple(rectangle.shape)}: logits {tuple(mine.shape)}, "
              f"{(mine - trained(rectangle)).abs().max().item():.4f} from the package's, allowed 0.0001")
else:
    print("And here it meets pictures of another shape.")

# %% [markdown]
# ## Two questions to end with
#
# **Your block never used where a patch stands. How can the model know that a stroke is at the top?**
#
# <details><summary>Answer</summary>The place was added to each token before the first block, by
# <code>add_places</code>. From then on it is a part of the token's own numbers, and queries and keys can ask for
# it.</details>
#
# **You load these weights and forget `eps=1e-6`, or read the patches channels last. Which of the two do you notice?**
#
# <details><summary>Answer</summary>Channels last: on these pictures the accuracy falls from 92 % to 20 %. The wrong
# <code>eps</code> moves the logits a little and the accuracy hardly; you notice it when you compare logits, which is
# why one compares logits.</details>
#
# ## How far you are

# %%
progress("01")
