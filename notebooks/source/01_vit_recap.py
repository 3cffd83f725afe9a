# /// lesson
# title = "ViT recap"
# question = "How does a picture become tokens that look at each other?"
# minutes = 70
# needs = "PyTorch tensors and `nn.Module`, and no knowledge of transformers."
# objectives = [
#     "**cut** a picture into patches and turn each into a token with one linear map",
#     "**compute** attention by hand, then with one matrix product, and say what the $\\sqrt{e}$ is for",
#     "**explain** what positions, heads, norms, residuals and the CLS token each contribute",
#     "**count** what attention costs when the picture grows",
#     "**read** an attention map, and say what it does not prove",
# ]
# serves.1 = { experiment = "an attention map to click through", exercises = "all" }
# ///

# %% [markdown]
# A picture goes in as pixels and comes out as the name of a digit. In between, 65 vectors exchange messages. Here you
# take that machine apart, one piece at a time, on a picture small enough to count.
#
# OBJECTIVES

# %%
import copy
import math
import time

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from videoformer_edu.data.motion.images import digit_images
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.figures.show import show
from videoformer_edu.figures.source import show_source
from videoformer_edu.figures.tokens import image_in_patches, token_strip

torch.manual_seed(0)
_ = torch.set_grad_enabled(False)  # gradients come back where we ask for them

# %% [markdown]
# ## 1 · How many tokens is a picture?
#
# Our pictures show a real handwritten digit at a random place on a real photograph. The trained model that you meet
# in section 3 has seen neither these digits nor these photographs.
#
# A transformer takes a sequence of vectors; a picture is a grid of pixels. ViT's answer is plain: cut the picture
# into square **patches** and read them row by row, as if they were words.
#
# > **Predict.** The picture has 32 x 32 pixels, a patch 4 x 4. How many patches: 8, 32, 64 or 256?

# %%
gallery = digit_images(24, seed=5, split="test")
image = gallery.images[13]  # (c, h, w), uint8
patches = rearrange(image, "c (h p) (w q) -> (h w) c p q", p=4, q=4)  # (n, c, p, q)
print(f"picture {tuple(image.shape)}, a {gallery.digit[13]}")
print(f"{len(patches)} patches, each {tuple(patches[0].shape)} = {patches[0].numel()} numbers")
assert len(patches) == (32 // 4) ** 2

on_page = gallery.images.permute(0, 2, 3, 1)  # (b, h, w, c), the order that pictures are drawn in
on_page = (on_page.float() * 1.5).clamp(max=255).to(torch.uint8)  # brighter, for the eye alone
show(image_in_patches(on_page[13], 4),
     alt="Left: a handwritten 5 on a photograph. Right: the same picture as 8 by 8 patches, numbered 0 to 63 row by "
         "row; the strokes of the 5 are spread over about ten of them.",
     caption="64 patches. Patch number i sits in row i // 8 and column i % 8.")

# %% [markdown]
# There are $n = \frac{H}{P}\cdot\frac{W}{P} = 8 \cdot 8 = 64$ patches. Nothing in patch 29 says what patch 30 shows;
# that is what attention is for.
#
# **Where this breaks.** `view` gives the same *shape* without moving a pixel in memory.

# %%
rubble = image.view(64, 3, 4, 4)  # the right shape, the wrong pixels
alike = sum(torch.equal(a, b) for a, b in zip(rubble, patches, strict=True))
print(f"shapes {tuple(rubble.shape)} and {tuple(patches.shape)}; {alike} of {len(patches)} patches are the same")
both = torch.cat([patches[24:40], rubble[24:40]]).permute(0, 2, 3, 1)  # (32, p, q, c)
show(token_strip(both, [f"{i}" for i in range(24, 40)] * 2),
     alt="Two rows of sixteen patches, numbers 24 to 39. Upper row: pieces of the 5, cut correctly. Lower row, made "
         "with view: stripes of unrelated pixels in false colours.",
     caption="Above: patches. Below: what view() calls patches. No error, no warning.")

# %% [markdown]
# ## 2 · How does a patch become a token?
#
# A patch is 48 numbers. A **token** is a vector of width $d$ (here 64) in the space where the transformer works.
# Between them stands one linear map, the same for every patch:
#
# $$z_i = W x_i + b, \qquad x_i \in \mathbb{R}^{cP^2},\ z_i \in \mathbb{R}^{d}$$
#
# Most code writes it as a convolution whose stride equals its kernel: it steps from patch to patch without overlap.
#
# > **Predict.** Take the weights of such a convolution, flatten them, and multiply the flattened patches with them.
# > Same result: exactly, up to rounding, or not at all?

# %%
convolution = nn.Conv2d(3, 64, kernel_size=4, stride=4)
x = normalise(image, MOTION_PIXELS)  # float, about zero mean

by_convolution = convolution(x[None])  # (1, d, h, w)
by_convolution = rearrange(by_convolution, "1 d h w -> (h w) d")  # (n, d)

flat = rearrange(x, "c (h p) (w q) -> (h w) (c p q)", p=4, q=4)  # (n, 48)
by_linear_map = flat @ convolution.weight.view(64, 48).T + convolution.bias  # (n, d)

print("tokens:", tuple(by_linear_map.shape))
difference = (by_convolution - by_linear_map).abs().max().item()
print(f"largest difference {difference:.5f}, rounding allows 0.00001")
assert difference < 1e-5
assert torch.allclose(by_convolution, by_linear_map, atol=1e-5)

# %% [markdown]
# The same numbers, up to rounding. So the package's `PatchEmbed` is a convolution and a reshape. It takes videos
# `(b, c, t, h, w)`, where this course is going; a picture is a video of one frame. A size that the patches do not
# divide is refused, with a number to use instead.

# %%
from videoformer_edu.positions import resize_space
from videoformer_edu.tokens import Grid, PatchEmbed

show_source(PatchEmbed.forward)
try:
    PatchEmbed(patch_size=4, width=64)(torch.zeros(1, 3, 1, 30, 32))
except ValueError as error:
    print(error)

# %% [markdown]
# ## 3 · Where was that patch?
#
# Attention treats its tokens as a *set*. So ViT adds to each token a vector that belongs to its place, from a table
# with one row per place, learned like any other weight. Here is our trained model, and the same with that table zero.
#
# > **Predict.** You cut every picture into patches and glue them back in random order. The model *without* positions
# > is right as often as before, somewhat less often, or it guesses (10 %)?

# %%
from videoformer_edu.pretrained.small import build_small, load_small

model = load_small("vit_digits")  # patches of 4 x 4, three blocks of four heads
blind = copy.deepcopy(model)
blind.space_positions.table[1:] = 0  # row 0 belongs to CLS, see section 8
many = digit_images(256, seed=11, split="test")
inputs, digits = normalise(many.images, MOTION_PIXELS), many.digit
pieces = rearrange(inputs, "b c (h p) (w q) -> b (h w) c p q", p=4, q=4)
pieces = torch.stack([x[torch.randperm(64)] for x in pieces])  # another order for each picture
shuffled = rearrange(pieces, "b (h w) c p q -> b c (h p) (w q)", h=8)


def accuracy(net: nn.Module, x: torch.Tensor) -> float:
    return (net(x).argmax(-1) == digits).float().mean().item()


for name, net in (("with positions", model), ("without", blind)):
    print(f"{name:14} in order {accuracy(net, inputs):.0%}   shuffled {accuracy(net, shuffled):.0%}")
assert (blind(inputs) - blind(shuffled)).abs().max() < 1e-3 < (model(inputs) - model(shuffled)).abs().max()

# %% [markdown]
# Without positions the logits are *the same, to rounding*: a picture is then a bag of patches. The bag is
# surprisingly good, because strokes alone tell most digits apart. So an accuracy does not tell you whether a model
# knows where things are. Ask a question that only places can answer.
#
# > **Predict.** Roll every picture sideways by half its width, so that digits on the left come to the right. Can the
# > model without positions notice?

# %%
rolled = inputs.roll(16, dims=-1)  # four patches to the right, round the edge
for name, net in (("with positions", model), ("without", blind)):
    moved = (net.features(inputs) - net.features(rolled)).abs().max()
    print(f"{name:14} the features change by up to {moved:.3f}")
assert (blind.features(inputs) - blind.features(rolled)).abs().max() < 1e-3

# %% [markdown]
# It cannot. Its features for "left" and "right" are equal, so no classifier on top could ever tell them apart. In
# video this becomes serious: without positions *in time* a model cannot tell forwards from backwards (lesson 04).
#
# What has the learned table come to know? Compare every place with every other: the cosine of their rows.

# %%
from videoformer_edu.figures.attention import attention_matrix, attention_on_frames, similarity_grid, value_maps

rows = F.normalize(model.space_positions.table[1:], dim=-1)  # (64, d)
similarity = rows @ rows.T  # (64, 64)
fresh = F.normalize(build_small("vit_digits").space_positions.table[1:], dim=-1)
place = torch.cartesian_prod(torch.arange(8), torch.arange(8)).float()
neighbours = torch.cdist(place, place) == 1
learned, untrained = similarity[neighbours].mean(), (fresh @ fresh.T)[neighbours].mean()
print(f"mean cosine of direct neighbours: learned {learned:.2f}, untrained {abs(untrained):.2f}")
assert learned > 0.06 > 0.04 > abs(untrained)
show(similarity_grid(similarity.view(8, 8, 8, 8)),
     alt="64 small maps, one for each place. In each, the place itself stands out with cosine 1; all other places are "
         "near 0. In rows 1 and 6 faint bands show: places of one row are a little alike, places far below or above a "
         "little opposite.",
     caption="Each small map: how similar its place is to all 64. Mostly every place knows only itself.")

# %% [markdown]
# Each place has its own mark, and neighbours have become slightly alike; an untrained table has no such trace.
# Trained on millions of photographs it becomes a clear map of rows and columns (ViT paper, figure 7). Our digits lie
# anywhere, so this model had little to learn from places.
#
# **Where this breaks: another picture size.** A table for 8 x 8 places must be resized for 16 x 16. In memory it is a
# list of 64 rows, and it is tempting to stretch that list. Try it on a table whose only entry is the column number.

# %%
columns = torch.arange(8.0).expand(8, 8).reshape(64, 1)  # (n, 1): what each place says
in_2d = resize_space(columns, (8, 8), (16, 16)).view(16, 16)
in_1d = F.interpolate(columns.T[None], size=256, mode="linear")[0].view(16, 16)  # stretch the list

truth = ((torch.arange(16) + 0.5) / 2 - 0.5).expand(16, 16)
for name, table in (("2-D", in_2d), ("1-D", in_1d)):
    print(f"{name}: wrong by {(table - truth).abs().mean():.1f} columns on average")
assert (in_2d - truth).abs().mean() < 0.2 and (in_1d - truth).abs().mean() > 1.5
show(value_maps({"2-D (right)": in_2d, "1-D (wrong)": in_1d}, label="column it claims"),
     alt="Two 16 by 16 maps of the column that each place claims. 2-D: a smooth ramp from left to right. 1-D: every "
         "second row claims columns 0 to 3, the others columns 4 to 7.",
     caption="The same table, resized in two ways.")

# %% [markdown]
# Stretched as a list, every second row claims the left half of the picture and the others the right. Nothing fails;
# the accuracy only gets worse. `resize_space` resizes both axes.
#
# ## 4 · How does a token look at another?
#
# Forget the model for a moment. Here are four patches of a picture of a house. Each has a colour, and that is the
# message it has to give: its **value** $v$.
#
# Each token also carries two short vectors. The **key** $k$ says *what I am*; the **query** $q$ says *what I look
# for*. Ours have two numbers: height (plus is above, minus below) and material (plus is built, minus is grown).

# %%
names = ["sky", "roof", "grass", "door"]
k = torch.tensor([[1.0, -1.0], [1.0, 1.0], [-1.0, -1.0], [-1.0, 1.0]])  # (4, e): what I am
q = torch.tensor([[-2.0, -2.0],   # sky looks for something grown below
                  [-2.0, 2.0],    # roof looks for something built below
                  [2.0, 0.0],     # grass looks for anything above
                  [2.0, 2.0]])    # door looks for something built above
v = torch.tensor([[135.0, 190, 235], [180, 60, 50], [90, 150, 60], [120, 80, 40]]) / 255  # (4, 3): colours

# %% [markdown]
# > **Predict.** The door asks with $q = (2, 2)$. At which token will it look most? And the grass, with $q = (2, 0)$?
#
# First the door alone, in plain Python. A dot product says how well a key answers the query; $\sqrt{e}$ keeps the
# scores small (section 5); the **softmax** turns scores into shares that sum to one.

# %%
e = 2
door = names.index("door")
scores = [sum(q[door, i] * k[j, i] for i in range(e)) / math.sqrt(e) for j in range(4)]
total = sum(math.exp(score) for score in scores)
shares = [math.exp(score) / total for score in scores]
for name, score, share in zip(names, scores, shares, strict=True):
    print(f"door looks at {name:6} score {score:5.2f}   share {share:.2f}")
colour = [sum(share * v[j, channel] for j, share in enumerate(shares)) for channel in range(3)]
print("the door receives the colour", [round(255 * value.item()) for value in colour])
assert max(range(4), key=shares.__getitem__) == names.index("roof")

# %% [markdown]
# The door looks at the roof, and receives the mean of all values, weighted by its shares: nearly the red of the roof.
# Now all four tokens at once. The loops become two matrix products:
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{QK^\top}{\sqrt{e}}\right) V$$

# %%
from videoformer_edu.attention import attend

weights = (q @ k.T / math.sqrt(e)).softmax(dim=-1)  # (4, 4): row = who looks, column = who is looked at
mixed = weights @ v  # (4, 3)
print("the door's row:", [round(share, 2) for share in weights[door].tolist()], "in the loop:",
      [round(float(share), 2) for share in shares])
difference = (attend(q[None], k[None], v[None])[0] - mixed).abs().max().item()
print(f"the package's attend differs by {difference:.6f}, rounding allows 0.000001")
assert difference < 1e-6
assert torch.allclose(mixed[door], torch.stack(colour))
show(attention_matrix(weights, names),
     alt="Matrix of attention shares. Sky looks at grass with 0.89, roof at door with 0.89, door at roof with 0.89; "
         "grass looks at sky and roof with 0.47 each.",
     caption="Rows look, columns are looked at. Every row sums to one; columns need not.")
flat_colours = torch.cat([v, mixed]).mul(255).round().to(torch.uint8)  # (8, 3)
squares = flat_colours[:, None, None].expand(8, 8, 8, 3)
show(token_strip(squares, names + [f"{name} after" for name in names], columns=4),
     alt="Upper row, before: sky blue, roof red, grass green, door brown. Lower row, after attention: sky has become "
         "green, roof brown, door red, and grass a muddy mauve, the mean of blue and red.",
     caption="Values before (above) and what each token receives (below).")

# %% [markdown]
# Look at the grass: it wanted sky *and* roof, and received mauve. Remember that colour until section 6. `attend` is
# the one softmax attention of the package, and it agrees with your loop.
#
# **Your turn.** One row of the matrix: the shares of a single query among all keys, in two lines of PyTorch. Nothing
# is graded, and the lesson goes on without it.

# %% tags=["your_turn"]
from videoformer_edu.grading.your_turn import your_turn


def shares_of(query, keys):
    """query (e,), keys (l, e) -> how much it looks at each key, (l,)."""
    # BEGIN SOLUTION
    scores = keys @ query / math.sqrt(len(query))
    return scores.softmax(dim=-1)
    # END SOLUTION


your_turn(shares_of(q[names.index("grass")], k), weights[names.index("grass")],
          "Scores are dot products divided by the square root of e; shares are their softmax.")

# %% [markdown]
# **Where this breaks.** The softmax belongs on the *last* axis, the keys. `dim=0` gives the same shape and no error.

# %%
wrong = (q @ k.T / math.sqrt(e)).softmax(dim=0)
print("sum of each row with dim=-1:", [round(x, 2) for x in weights.sum(-1).tolist()])
print("sum of each row with dim=0: ", [round(x, 2) for x in wrong.sum(-1).tolist()])
assert torch.allclose(weights.sum(-1), torch.ones(4)) and (wrong.sum(-1) - 1).abs().max() > 0.1

# %% [markdown]
# > **Try.** Give the grass a query with which it looks at itself. Then multiply all queries by 10, or by 0: what do
# > the colours become?
#
# In a model, three linear maps make all three from the same token; hence *self*-attention: $q_i = W_Q z_i$,
# $k_i = W_K z_i$, $v_i = W_V z_i$.
#
# ## 5 · Why divide by $\sqrt{e}$?
#
# > **Predict.** Queries and keys of $e$ random numbers, mean 0 and variance 1. When $e$ grows from 4 to 1024, the
# > spread of their dot products: stays, doubles, grows 16-fold, or grows 256-fold?

# %%
def sharpness(scores: torch.Tensor) -> tuple[float, float]:
    """How many keys share the attention, exp(entropy); how much the shares move with their scores, sum of p(1 - p)."""
    p = scores.softmax(-1)
    entropy = -(p * p.clamp(min=1e-12).log()).sum(-1)
    return entropy.exp().mean().item(), (p * (1 - p)).sum(-1).mean().item()


print("   e           spread   keys in use of 64   slope")
for e in (4, 64, 1024):
    raw = torch.randn(2000, 1, e) @ torch.randn(2000, 64, e).mT  # (2000, 1, 64)
    for name, scores in (("raw", raw), ("scaled", raw / math.sqrt(e))):
        keys, slope = sharpness(scores)
        print(f"{e:4}   {name:7}   {scores.std():5.1f}   {keys:17.0f}   {slope:5.1f}")
        assert (keys > 30 and slope > 0.9) if name == "scaled" else 0.9 < scores.std() / math.sqrt(e) < 1.1
assert sharpness(raw)[0] < 2 and sharpness(raw)[1] < 0.2

# %% [markdown]
# The spread grows as $\sqrt{e}$: 16-fold from 4 to 1024. Unscaled, wide vectors give nearly all attention to one key,
# and which one is chance. That also hurts learning: the derivative of a share $p$ by its score is $p(1-p)$, so a
# softmax that is sure of itself passes little gradient on. Divided by $\sqrt{e}$, it starts undecided at any width.
#
# ## 6 · Why several heads?
#
# The grass got mauve. From mauve it cannot tell "blue sky and red roof" from "two mauve things": one softmax gives
# one mean, and a mean forgets its parts. Two **heads** are two attentions side by side, each with its own queries.
# The width is divided between them, $e = d / \text{heads}$; our model has $d = 64$ and 4 heads, so $e = 16$.
#
# > **Predict.** Going from 1 head to 4 at the same width: do the parameters grow, shrink, or stay?

# %%
from videoformer_edu.attention import MultiHeadAttention

grass_asks = torch.tensor([[[3.0, -3.0]], [[3.0, 3.0]]])  # (head, 1, e): above and grown; above and built
received = attend(grass_asks, k.expand(2, 4, 2), v.expand(2, 4, 3))[:, 0]  # (head, 3)
nearest = torch.cdist(received, v).argmin(-1).tolist()
print("the grass receives, from its two heads, the colours of:", [names[i] for i in nearest])
for heads in (1, 4, 16):
    parameters = sum(w.numel() for w in MultiHeadAttention(width=64, heads=heads).parameters())
    print(f"{heads:2} heads of {64 // heads:2} numbers: {parameters:,} parameters")
assert nearest == [0, 1] and parameters == 4 * (64 * 64 + 64)
show_source(MultiHeadAttention.forward)

# %% [markdown]
# Now the grass knows both, and the parameters stay. The only price is that each head compares with fewer numbers. The
# last line, `proj`, lets the heads' answers mix.
#
# ## 7 · What else is in a block?
#
# Attention moves messages between tokens; an **MLP** then works on each token alone. Two things make a deep stack of
# these trainable: a **LayerNorm** *before* each part (pre-norm), and a **residual** around it, so that each part adds
# to the token instead of replacing it.
#
# $$y = x + \mathrm{Attention}(\mathrm{LN}(x)), \qquad x' = y + \mathrm{MLP}(\mathrm{LN}(y))$$
#
# > **Predict.** Set the last map of the attention and the last map of the MLP to zero. What does the block compute?

# %%
from videoformer_edu.models.vit import TransformerBlock, ViT, vit_tiny_patch16_224

show_source(TransformerBlock.forward)
block = TransformerBlock(width=64, heads=4)
for last in (block.attention.proj, block.mlp[-1]):
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
tokens = torch.randn(2, 1 + 64, 64)
print("largest change that the block makes:", (block(tokens, Grid(1, 8, 8)) - tokens).abs().max().item())
assert torch.equal(block(tokens, Grid(1, 8, 8)), tokens)

# %% [markdown]
# Nothing: the input passes through. Lesson 04 uses this to add attention in time to a trained image model without
# disturbing it.
#
# **Where this breaks: a tiny constant.** LayerNorm divides by $\sqrt{\sigma^2 + \varepsilon}$. The published ViTs use
# $\varepsilon = 10^{-6}$; PyTorch's default is $10^{-5}$. If you load published weights and forget that, nothing
# fails. Does it matter? Here is a ViT-Ti/16 as it is before training.

# %%
tiny = vit_tiny_patch16_224(image_size=64).eval()
forgot = copy.deepcopy(tiny)
for module in forgot.modules():
    if isinstance(module, nn.LayerNorm):
        module.eps = 1e-5
noise = torch.randn(4, 3, 64, 64)
difference = (tiny(noise) - forgot(noise)).norm() / tiny(noise).norm()
print(f"the logits differ by {difference:.2%} of their size; at least 0.05%, at most 5%")
assert 1 / 2000 < difference < 1 / 20

# %% [markdown]
# At least fifty times more than the one part in 100,000 that our tests allow between this ViT and the published one.
# Compare logits when you port a model: the accuracy may not show it.
#
# ## 8 · The whole model
#
# One piece is missing: 64 tokens, but one answer. ViT puts an extra token in front, **CLS**. It starts as the same
# learned vector for every picture, looks at all patches in every block, and is what the classifier reads at the end.
#
# > **Predict.** How much does CLS differ from picture to picture *before* the first block: not at all, a little, or
# > as much as at the end?

# %%
show_source(ViT.features)
patch_tokens, grid = model.patch_embed(inputs[:, :, None])  # (b, 64, d)
z = torch.cat([model.cls.expand(256, -1, -1), patch_tokens], dim=1)  # (b, 65, d)
z = embedded = z + model.space_positions(8, 8)
spread = [z[:, 0].std(dim=0).mean().item()]
for block in model.blocks:
    z = block(z, grid)
    spread.append(z[:, 0].std(dim=0).mean().item())
logits = model.head(model.norm(z)[:, 0])

print("spread of CLS, before and after each block:", [round(s, 1) for s in spread])
difference = (logits - model(inputs)).abs().max().item()
print(f"from the logits of model(inputs) they differ by {difference:.4f}, rounding allows 0.0001")
assert spread[0] == 0 and spread[3] > spread[1] > 0.1 and torch.allclose(logits, model(inputs), atol=1e-4)

# %% [markdown]
# Not at all: CLS begins as a blank page and picks up everything by looking. So where it looks is a good question.
# Before that, the bill.
#
# ## 9 · What does it cost?
#
# Every token looks at every token: $N^2$ **pairs**, with $N = n + 1$. Each pair costs $d$ multiply-adds for $QK^\top$
# and $d$ for the weighted mean; each token costs $4d^2$ for its projections and $8d^2$ for an MLP of hidden width
# $4d$:
#
# $$\text{multiply-adds of a block} = \underbrace{2N^2d}_{\text{pairs}} + \underbrace{12Nd^2}_{\text{tokens}}$$
#
# > **Predict.** A picture of 448 x 448 instead of 224 x 224, same patches. The pairs grow 2, 4, 8 or 16-fold? And the
# > whole model?

# %%
from videoformer_edu.cost import count_macs, vit_cost

base = vit_cost(image_size=224)  # ViT-B/16
print("size   tokens       pairs   G multiply-adds   of which pairs")
for size in (224, 448, 896):
    cost = vit_cost(image_size=size)
    of_pairs = 12 * 2 * cost.pairs * 768 / cost.macs  # twelve blocks
    print(f"{size:4}   {cost.tokens:6,}  {cost.pairs:10,}   {cost.macs / 1e9:15.1f}   {of_pairs:.0%}")
twice = vit_cost(image_size=448)
print(f"224 to 448: pairs x {twice.pairs / base.pairs:.1f}, whole model x {twice.macs / base.macs:.1f}")
assert 15.5 < twice.pairs / base.pairs < 16

# %% [markdown]
# Sixteen-fold (a little less, because of CLS). Yet the whole model grows only 4.5-fold: at 224 pixels the pairs are a
# mere 4 % of the work, and the MLPs most of it. "Attention is quadratic" is true, and at this size not yet what you
# pay for; at 896 pixels it is 40 %. Eight frames of video have as many tokens as one picture of 634 pixels: lesson 04.
#
# > **Try.** `patch_size=8` at 224 pixels. Which line of the table does it resemble, and why?
#
# A formula is a claim. Count the real module, and time the real kernel.

# %%
counted = count_macs(model, 1, 3, 32, 32)
formula = vit_cost(image_size=32, patch_size=4, width=64, depth=3, heads=4, classes=10, mlp_ratio=2.0).macs
print(f"our model: formula {formula:,}, counted {counted:,} multiply-adds")
assert counted == formula


def seconds(tokens: int) -> float:
    """Processor time of one attention with `tokens` tokens: the best of five."""
    x, times = torch.randn(1, 4, tokens, 16), []
    for _ in range(5):
        start = time.process_time()
        attend(x, x, x)
        times.append(time.process_time() - start)
    return min(times)


ratio = seconds(4096) / seconds(512)
print(f"8 times the tokens take, here: {ratio:.0f} times the time; more than 16 times")

# %% [markdown]
# ## 10 · Where does the model look?
#
# `record_attention` collects the shares of a forward pass: the very tensors that weighted the values, not a second
# computation beside the model. You need not believe it. Take the values of the first block, weigh them with the
# recorded map, and compare with what its attention returns.

# %%
from videoformer_edu.attention import record_attention

with record_attention(model) as maps:
    model(inputs)
print("maps:", list(maps))
first, m = model.blocks[0], maps["blocks.0.attention"]
print("(b, group, head, query, key) =", tuple(m.probabilities.shape))

normed = first.attention_norm(embedded)  # what the attention of block 0 is given, (b, 65, d)
values = rearrange(first.attention.qkv(normed), "b l (three head e) -> three b head l e", three=3, head=4)[2]
by_map = rearrange(m.probabilities[:, 0] @ values, "b head l e -> b l (head e)")
by_map = first.attention.proj(by_map)
difference = (by_map - first.attention(normed)).abs().max().item()
print(f"map @ values and the output differ by {difference:.5f}, rounding allows 0.00001")
assert torch.allclose(by_map, first.attention(normed), atol=1e-5)

# %% [markdown]
# Now look: CLS in the last block, mean of the four heads, on pictures that the model never saw.

# %%
with record_attention(model) as maps_of_gallery:
    answers = model(normalise(gallery.images, MOTION_PIXELS)).argmax(-1)
shown = [0, 1, 2, 4, 13, 15, 16, 20]
looks = maps_of_gallery["blocks.2.attention"].cls_looks().mean(1)[shown, 0]  # (8, h, w)
show(attention_on_frames(on_page[shown], looks, names=[f"says {a}" for a in answers[shown].tolist()]),
     alt="Eight pictures of digits on photographs, all named correctly. The bright cells, where CLS looks, lie on the "
         "strokes of the digit in each of them; the photographs around stay dark.",
     caption="Where CLS looks in block 2.")
print("answers:", answers[shown].tolist(), "truth:", gallery.digit[shown].tolist())
assert torch.equal(answers[shown], gallery.digit[shown])

# %% [markdown]
# Your turn. Click a patch (or choose CLS) and see where it looks; change block and head. Start with CLS, then take a
# patch of the photograph far from the digit, then one on a stroke. Do all heads agree?

# %%
from videoformer_edu.widgets import attention_explorer

attention_explorer(
    on_page[13:14], list(maps_of_gallery.values())[::-1], b=13,  # the last block first
    title="Where does each patch look?", start="cls",
    alt="The handwritten 5 with a map over it: the CLS token of block 2 looks at the strokes of the digit and hardly "
        "at the photograph around it.")

# %% [markdown]
# Eight pictures chosen by us prove little. So count over 256. The generator knows the square in which each digit
# lies; which share of CLS's attention on patches falls inside?
#
# > **Predict.** The digit's square covers about 18 % of a picture. How much of the attention lands there in block 2:
# > about 18 %, 40 %, or 90 %? And in a model with random weights?

# %%
from videoformer_edu.data.motion.rendering import coverage

covered = coverage(many.position[:, None], many.width[:, None], (8, 8), 32, torus=False)  # (b, 1, h, w)


def share_on_digit(looks: torch.Tensor) -> float:
    """looks (b, head, 1, h, w) -> the share of the attention on patches that falls on the digit."""
    return ((looks * covered[:, None]).sum((-3, -2, -1)) / looks.sum((-3, -2, -1))).mean().item()


random_model = build_small("vit_digits").eval()
with record_attention(random_model) as untrained:
    random_model(inputs)
print(f"evenly spread: {covered.mean():.0%}")
for i, name in enumerate(maps):
    ours, chance = (share_on_digit(recorded[name].cls_looks()) for recorded in (maps, untrained))
    print(f"block {i}: trained {ours:.0%}, random weights {chance:.0%}")
    assert ours > 0.6 and abs(chance - covered.mean()) < 0.06

# %% [markdown]
# Training has taught CLS where to look; nobody told it where digits are. But does the looking *matter*? Take it away:
# with queries of zero all scores are equal, and every token looks everywhere alike.

# %%
for i in range(3):
    even = copy.deepcopy(model)
    even.blocks[i].attention.qkv.weight[:64] = 0  # the first third makes the queries
    even.blocks[i].attention.qkv.bias[:64] = 0
    before, after = accuracy(model, inputs), accuracy(even, inputs)
    print(f"even attention in block {i}: accuracy falls from {before:.0%} to {after:.0%}")
    assert before - after > 0.1

# %% [markdown]
# ## 11 · What does a map not say?
#
# It is tempting to read "looks at" as "decides by". Test it: hide each patch in turn (paint it with the picture's
# mean colour) and see how much the probability of the right digit drops.
#
# > **Predict.** In how many pictures is the patch that CLS looks at most also the patch whose loss hurts most: nearly
# > all, most, or fewer than half?

# %%
def probability(x: torch.Tensor) -> torch.Tensor:
    return model(x).softmax(-1).gather(1, digits[:, None])[:, 0]  # (b,)


whole, drop = probability(inputs), torch.zeros(256, 64)
for i in range(64):
    top, left = 4 * (i // 8), 4 * (i % 8)
    hidden = inputs.clone()
    hidden[:, :, top:top + 4, left:left + 4] = inputs.mean((2, 3), keepdim=True)
    drop[:, i] = whole - probability(hidden)
favourite = maps["blocks.2.attention"].cls_looks().mean(1).flatten(1).argmax(-1)  # (b,)
of_favourite = drop.gather(1, favourite[:, None])[:, 0]
agree, harmless = (favourite == drop.argmax(-1)).float().mean(), (of_favourite < 0.01).float().mean()
print(f"drop: random patch {drop.mean():.2f}, favourite {of_favourite.mean():.2f}, worst {drop.amax(1).mean():.2f}")
print(f"the favourite is the worst to lose in {agree:.0%} of the pictures, fewer than half")
print(f"losing the favourite does no harm in {harmless:.0%}, more than one of ten")
assert agree < 0.5 and harmless > 0.1 and of_favourite.mean() > 5 * drop.mean()

# %% [markdown]
# So the map is far better than chance, and still names the decisive patch in fewer than half of the pictures. A share
# is not an effect: what a value carries, and what the rest of the model does with it, are not in the map.
#
# There is a second caution. In block 0 token 27 *is* patch 27. Later it has collected messages from everywhere.

# %%
with torch.enable_grad():
    x = inputs[:32].clone().requires_grad_()
    tokens, grid = model.patch_embed(x[:, :, None])
    z = torch.cat([model.cls.expand(32, -1, -1), tokens], dim=1) + model.space_positions(8, 8)
    own = []
    for block in model.blocks:
        (slope,) = torch.autograd.grad(block.attention_norm(z)[:, 1 + 27].square().sum(), x, retain_graph=True)
        felt = rearrange(slope.abs(), "b c (h p) (w q) -> b (h w) (c p q)", p=4, q=4).sum(-1)  # (b, 64)
        own.append((felt[:, 27] / felt.sum(-1)).mean().item())
        z = block(z, grid)
print("how much of token 27's sensitivity to pixels lies in its own patch, before each block:")
print([round(share, 2) for share in own])
assert own[0] > 0.999 and max(own[1:]) < 0.6

# %% [markdown]
# In block 2 "looks at token 27" no longer means "looks at patch 27". Maps of late blocks are about tokens.
#
# ## What goes wrong, and when not to use it
#
# **Few pictures.** A convolution *knows* that neighbouring pixels belong together and that a 5 is a 5 anywhere. A ViT
# has to learn both. Ours was trained on 160,000 generated pictures. Here are 512, and a small CNN beside it.

# %%
few = digit_images(512, seed=0)
cnn = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
    nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
    nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(64, 10))
right = {}
for name, net, rate in (("CNN", cnn, 2e-3), ("ViT", build_small("vit_digits"), 1e-3)):
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate)
    with torch.enable_grad():
        for chosen in torch.randint(512, (200, 32)):  # 200 steps
            loss = F.cross_entropy(net(normalise(few.images[chosen], MOTION_PIXELS)), few.digit[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    right[name] = accuracy(net, inputs)
print(f"new pictures that the CNN gets right, here: {right['CNN']:.0%}; more than half")
print(f"new pictures that the ViT gets right, here: {right['ViT']:.0%}; fewer than a third")
assert right["CNN"] > 0.5 and right["ViT"] < 1 / 3

# %% [markdown]
# With few pictures and no pretrained weights, take a CNN, or a ViT that someone else has pretrained.
#
# **Another size.** Resizing the position table lets any size *run*. It does not make it *work*: patches of 4 pixels
# show other things when the digit is twice as large.

# %%
for size in (32, 64):
    other = digit_images(256, seed=11, split="test", size=size)
    correct = (model(normalise(other.images, MOTION_PIXELS)).argmax(-1) == other.digit).float().mean().item()
    print(f"{size} x {size} pixels: {correct:.0%} right")
    assert correct > 0.8 if size == 32 else correct < 0.6

# %% [markdown]
# **Patches too large.** Inside a patch there is only one linear map; all looking happens between patches. With
# patches of 16 pixels our whole digit could be one token, with nothing left to compare. Smaller patches are the
# remedy, and you know the price: half the side, sixteen times the pairs.
#
# ## Exercises
#
# SHEET
#
# Three questions on the way:
#
# **1.** A picture of 96 x 64 pixels, patches of 8 x 8, one CLS token, 6 heads. How many query-key pairs has one head,
# and how many numbers are in the attention map of one block?
#
# <details><summary>Answer</summary>12 x 8 = 96 patches, 97 tokens, 97² = 9,409 pairs; six heads make 56,454
# numbers.</details>
#
# **2.** You remove the position table *and* the CLS token, and average all tokens at the end. Which of these changes
# the answer: shuffling the patches, mirroring the picture, rolling it by 3 pixels?
#
# <details><summary>Answer</summary>Shuffling: no, the set of patches is the same. Mirroring: yes, because the pixels
# inside each patch are mirrored too. Rolling by 3: yes, the patch borders cut elsewhere; rolling by a whole patch
# would change nothing.</details>
#
# **3.** Someone adds the same number to all four scores of the door (section 4). What changes? And if they add it to
# the scores of one *column*?
#
# <details><summary>Answer</summary>The same number in a row: nothing, the softmax divides it out. In a column: that
# token is looked at more (or less) by everyone. Masks do this with minus infinity.</details>
#
# ## Summary
#
# 1. A patch becomes a token by one linear map, and without a position table a picture is only a bag of patches.
# 2. Attention is a mean of values with shares $\mathrm{softmax}(QK^\top/\sqrt{e})$; twice the side, 16 times the
#    pairs.
# 3. Maps recorded in the forward pass show where a model looks; what it decides by you test by taking things away.
#
# **References.** Dosovitskiy et al. 2021, *An image is worth 16x16 words*,
# [arXiv:2010.11929](https://arxiv.org/abs/2010.11929). Vaswani et al. 2017, *Attention is all you need*,
# [arXiv:1706.03762](https://arxiv.org/abs/1706.03762). Touvron et al. 2021, *Training data-efficient image
# transformers*, [arXiv:2012.12877](https://arxiv.org/abs/2012.12877). Jain and Wallace 2019, *Attention is not
# explanation*, [arXiv:1902.10186](https://arxiv.org/abs/1902.10186).
