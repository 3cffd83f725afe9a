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
# A picture goes in as pixels, and the name of a digit comes out. Above: pictures that a small vision transformer has
# never seen. Below: what it says, and in amber where it looked last. Here you take that machine apart.

# %%
import torch

from videoformer_edu.attention import record_attention
from videoformer_edu.data.motion.images import digit_images
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.figures import show
from videoformer_edu.figures.attention import looks_below
from videoformer_edu.pretrained.small import load_small

_ = torch.set_grad_enabled(False)  # gradients come back where we ask for them
model = load_small("vit_digits")  # patches of 4 x 4 pixels, three blocks of four heads
gallery = digit_images(24, seed=5, split="test")  # digits on photographs
on_page = gallery.images.permute(0, 2, 3, 1)  # (b, h, w, c), the order that pictures are drawn in
with record_attention(model) as maps_of_gallery:
    says = model(normalise(gallery.images, MOTION_PIXELS)).argmax(-1)  # (b,)
looks = maps_of_gallery["blocks.2.attention"].cls_looks().mean(1)[:, 0]  # (b, h, w), mean of the heads
four = [2, 13, 15, 16]
show(looks_below(on_page[four], looks[four], [f"says {digit}" for digit in says[four].tolist()]),
     alt=f"Above, photographs with the digits {gallery.digit[four].tolist()}. Below, the same with amber on the "
         f"strokes of each digit; the model says {says[four].tolist()}.")

# %% [markdown]
# OBJECTIVES
#
# It is a long lesson. A good place for a break is after section 6.
#
# ### Three questions on lesson 00
#
# Answer each before you unfold it.
#
# **A clip has 8 frames of 64 x 64 pixels, patches are 8 x 8. How many tokens?**
#
# <details><summary>Answer</summary>8 x 8 patches in each of 8 frames: 512.</details>
#
# **How much can a model know of a direction of motion if it gets the frames as a bag?**
#
# <details><summary>Answer</summary>The axis, and half of the directions: each bag belongs to a clip and to the same
# clip played backwards.</details>
#
# **You are shown a new data set of actions. What do you measure before you believe that a model sees motion?**
#
# <details><summary>Answer</summary>How far one frame gets, and what is left when the frames are shuffled.</details>

# %% [markdown]
# ## 1 · How many tokens is a picture?
#
# Our pictures show a real handwritten digit at a random place on a real photograph. The trained model has seen
# neither these digits nor these photographs.
#
# A transformer takes a sequence of vectors; a picture is a grid of pixels. ViT's answer is plain: cut the picture
# into square **patches** and read them row by row, as if they were words.
#
# > **Predict.** The picture has 32 x 32 pixels, a patch 4 x 4. How many patches: 8, 32, 64 or 256?

# %%
import copy
import math
import time

from einops import rearrange
from torch import nn
from torch.nn import functional as F

from videoformer_edu.figures.source import show_source
from videoformer_edu.figures.tokens import image_in_patches, token_strip

image = gallery.images[13]  # (c, h, w), uint8
patches = rearrange(image, "c (h p) (w q) -> (h w) c p q", p=4, q=4)  # (n, c, p, q)
print(f"picture {tuple(image.shape)}, a {gallery.digit[13]}")
print(f"{len(patches)} patches, each {tuple(patches[0].shape)} = {patches[0].numel()} numbers")
bright = (on_page[13].float() * 1.5).clamp(max=255).to(torch.uint8)  # for the eye alone
show(image_in_patches(bright, 4),
     alt=f"Left: a handwritten 5 on a photograph. Right: the same picture as {len(patches)} patches, numbered row by "
         "row; the strokes of the 5 are spread over about ten of them.",
     caption=f"{len(patches)} patches. Patch number i sits in row i // 8 and column i % 8.")

# %% [markdown]
# <details><summary>Compare</summary>(32 / 4) rows of (32 / 4) patches: 8 x 8 = 64.</details>
#
# In general, $n = \frac{H}{P}\cdot\frac{W}{P}$. Nothing in patch 29 says what patch 30 shows; that is what attention
# is for. (A `view` of the right shape would not cut patches at all, and give no error: you saw that in lesson 00, and
# the sheet checks yours.)
#
# %% [markdown]
# ## 2 · How does a patch become a token?
#
# A patch is 48 numbers. A **token** is a vector of width $d$ in the space where the transformer works; we take $d =
# 40$ here, and the trained model has 64. Between patch and token stands one linear map, the same for every patch:
#
# $$z_i = W x_i + b, \qquad x_i \in \mathbb{R}^{cP^2},\ z_i \in \mathbb{R}^{d}$$
#
# This is the first box of the model. What the other boxes do is the rest of this lesson.

# %%
from videoformer_edu.figures.architecture import Repeat, Stage, show_architecture

parts = (Stage("joint", text="attention", residual=True), Stage("mlp", residual=True))
vit = ("picture 3 × 32 × 32", Stage("embed", "64 tokens × 64"), Stage("cls"), Stage("positions", "65 tokens × 64"),
       Repeat("block", 3, parts), Stage("norm"), Stage("head", "10 digits"))
show_architecture({"ViT": vit}, here="patch embedding",
                  caption="Tokens are made once, at the top. One more, CLS, is put in front, and each gets its place "
                          "added. In each block all tokens look at each other, and then each works on what it heard. "
                          "The head reads CLS.")

# %% [markdown]
# Most code (timm's, for example) writes the map as a convolution whose stride equals its kernel: it steps from patch
# to patch without overlap.
#
# > **Predict.** Take the weights of such a convolution, flatten them, and multiply the flattened patches with them.
# > Same result: exactly, up to rounding, or not at all?

# %%
n, d = 64, 40
convolution = nn.Conv2d(3, d, kernel_size=4, stride=4)
x = normalise(image, MOTION_PIXELS)  # float, about zero mean

by_convolution = convolution(x[None])  # (1, d, h, w)
by_convolution = rearrange(by_convolution, "1 d h w -> (h w) d")  # (n, d)

flat = rearrange(x, "c (h p) (w q) -> (h w) (c p q)", p=4, q=4)  # (n, 48)
by_linear_map = flat @ convolution.weight.view(d, 48).T + convolution.bias  # (n, d)

difference = (by_convolution - by_linear_map).abs().max().item()
print("tokens:", tuple(by_linear_map.shape), f"   largest difference {difference:.5f}")

# %% [markdown]
# <details><summary>Compare</summary>The same numbers, up to rounding.</details>
#
# So the package's `PatchEmbed` (below) is a convolution and a reshape. It takes videos `(b, c, t, h, w)`, where this
# course is going; a picture is a video of one frame. A size that the patches do not divide is refused, with a number
# to use instead.
#
# **Your turn.** One token by hand, in two lines: flatten one patch, apply the map. Nothing is graded, and the lesson
# goes on without it.

# %% tags=["your_turn"]
from videoformer_edu.grading.your_turn import your_turn


def token_of(patch, weight, bias):
    """patch (c, p, q), weight (d, c, p, q) of a convolution, bias (d,) -> its token (d,)."""
    # BEGIN SOLUTION
    flat_patch = patch.flatten()  # (c*p*q,)
    return weight.flatten(1) @ flat_patch + bias
    # END SOLUTION


one_patch = x[:, 12:16, 20:24]  # row 3, column 5
your_turn(token_of(one_patch, convolution.weight, convolution.bias), by_linear_map[3 * 8 + 5],
          "Patch and weight are flattened in the same order; then (d, 48) times (48,), plus the bias.")

# %%
from videoformer_edu.positions import resize_space
from videoformer_edu.tokens import Grid, PatchEmbed

assert difference < 1e-5
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
torch.manual_seed(0)
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

# %% [markdown]
# <details><summary>Compare</summary>Exactly as often: without positions the logits are the same, to rounding. A
# picture is then a bag of patches. The bag is surprisingly good, because strokes alone tell most digits
# apart.</details>
#
# Accuracy is one way to ask what a model knows of places. Here is a question that only places can answer.
#
# > **Predict.** Roll every picture sideways by half its width, so that digits on the left come to the right. Can the
# > model without positions notice?

# %%
rolled = inputs.roll(16, dims=-1)  # four patches to the right, round the edge
for name, net in (("with positions", model), ("without", blind)):
    moved = (net.features(inputs) - net.features(rolled)).abs().max()
    print(f"{name:14} the features change by up to {moved:.3f}")

# %% [markdown]
# <details><summary>Compare</summary>It cannot. Its features for "left" and "right" are equal, so no classifier on top
# could ever tell them apart. In video this becomes serious: without positions <em>in time</em> a model cannot tell
# forwards from backwards (lesson 04).</details>
#
# What has the learned table come to know? Compare every place with every other, by the cosine of their rows, and take
# the mean over all pairs that lie equally far apart.

# %%
from videoformer_edu.figures.attention import attention_matrix, similarity_by_displacement, value_maps
from videoformer_edu.pretrained.small import build_small

assert (blind(inputs) - blind(shuffled)).abs().max() < 1e-3 < (model(inputs) - model(shuffled)).abs().max()
assert (blind.features(inputs) - blind.features(rolled)).abs().max() < 1e-3
rows = F.normalize(model.space_positions.table[1:], dim=-1)  # (64, d)
similarity = rows @ rows.T  # (64, 64)
fresh = F.normalize(build_small("vit_digits").space_positions.table[1:], dim=-1)
place = torch.cartesian_prod(torch.arange(8), torch.arange(8)).float()
neighbours = torch.cdist(place, place) == 1
learned, untrained = similarity[neighbours].mean(), (fresh @ fresh.T)[neighbours].mean()
print(f"mean cosine of direct neighbours: learned {learned:.2f}, untrained {abs(untrained):.2f}")
assert learned > 0.06 > 0.04 > abs(untrained)
pairs = {"learned": similarity.view(8, 8, 8, 8), "untrained": (fresh @ fresh.T).view(8, 8, 8, 8)}
show(similarity_by_displacement(pairs, reach=4),
     alt="Two maps of the mean cosine of places up to four rows and columns apart. Learned: around the middle, up to "
         "two places away, all are a little alike. Untrained: no order.",
     caption="A place with itself, in the middle, is left out.")

# %% [markdown]
# Neighbours have become slightly alike, up to two places away; an untrained table has no such trace. Trained on
# millions of photographs it becomes a clear map of rows and columns (ViT paper, figure 7). Our digits lie anywhere,
# so this model had little to learn from places.
#
# ### Can I use another resolution, or one that is not square?
#
# Users of image and video transformers ask this often. Yes, if the patches divide it and the table is resized. A
# table for 8 x 8 places must then serve another grid.
#
# **Where this breaks.** In memory the table is a list of 64 rows, and it is tempting to stretch that list. Try it on
# a table whose only entry is the column number, from 8 x 8 to 16 x 16.

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
# the accuracy only gets worse. `resize_space` resizes both axes, and CLS, which has no place, is left out of it.
#
# So much for *running*. Does the model still *read*? Take wide pictures, 32 x 64: ours, with an empty strip at both
# sides. And pictures of 64 x 64 on which everything is twice as large.
#
# > **Predict.** Three ways: the wide picture as it is, with a resized table; the wide picture squeezed into 32 x 32;
# > the large picture as it is, with a resized table. Which of them still reads?

# %%
wide = F.pad(inputs, (16, 16))  # (b, c, 32, 64); 0 is the mean colour
squeezed = F.interpolate(wide, size=(32, 32), mode="bilinear", antialias=True)
large = digit_images(256, seed=11, split="test", size=64)
sizes = {"32 x 32, as trained": accuracy(model, inputs), "32 x 64, table resized": accuracy(model, wide),
         "32 x 64 squeezed into 32 x 32": accuracy(model, squeezed)}
right = (model(normalise(large.images, MOTION_PIXELS)).argmax(-1) == large.digit).float().mean().item()
sizes["64 x 64, table resized"] = right
for name, share in sizes.items():
    print(f"{name:30} {share:.0%} right")

# %% [markdown]
# <details><summary>Compare</summary>The wide picture reads as well as ever. Squeezed, or twice as large, it does not:
# strokes in a patch of 4 pixels look different there. What a patch sees must stay what it was trained on; the number
# of patches is free. Published models that change resolution are trained a little longer at the new one (ViT paper,
# section 3.2).</details>
#
# ## 4 · How does a token look at another?
#
# In a picture every token may look at every token: one query, 64 keys (drawn below). To see what happens between them
# four patches will do, so forget the model for a moment. Here are four patches of a picture of a house. Each has a
# colour, and that is the message it has to give: its **value** $v$.
#
# Each token also carries two short vectors. The **key** $k$ says *what I am*; the **query** $q$ says *what I look
# for*. Ours have two numbers: height (plus is above, minus below) and material (plus is built, minus is grown).

# %%
from videoformer_edu.attention.patterns import Full
from videoformer_edu.figures.cube import show_token_cubes

names = ["sky", "roof", "grass", "door"]
k = torch.tensor([[1.0, -1.0], [1.0, 1.0], [-1.0, -1.0], [-1.0, 1.0]])  # (4, e): what I am
q = torch.tensor([[-2.0, -2.0],   # sky looks for something grown below
                  [-2.0, 2.0],    # roof looks for something built below
                  [2.0, 0.0],     # grass looks for anything above
                  [2.0, 2.0]])    # door looks for something built above
v = torch.tensor([[135.0, 190, 235], [180, 60, 50], [90, 150, 60], [120, 80, 40]]) / 255  # (4, 3): colours

show_token_cubes({"a picture of 64 patches": Full()}, Grid(1, 8, 8), (0, 3, 5))
assert sizes["32 x 64, table resized"] > 0.85 > 0.6 > max(sizes["32 x 64 squeezed into 32 x 32"], right)

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

# %% [markdown]
# <details><summary>Compare</summary>The door looks at the roof, and receives the mean of all values, weighted by its
# shares: nearly the red of the roof.</details>
#
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
assert difference < 1e-6 and max(range(4), key=shares.__getitem__) == names.index("roof")
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
# **Where this breaks.** The softmax belongs on the *last* axis, the keys. `dim=0` gives the same shape and no error,
# and the rows sum to 1.15, 0.99, 0.88 and 0.98: sky and roof now get what others did not want.
#
# **Your turn.** One row of the matrix: the shares of a single query among all keys, in two lines of PyTorch. Nothing
# is graded, and the lesson goes on without it.

# %% tags=["your_turn"]
def shares_of(query, keys):
    """query (e,), keys (l, e) -> how much it looks at each key, (l,)."""
    # BEGIN SOLUTION
    scores = keys @ query / math.sqrt(len(query))
    return scores.softmax(dim=-1)
    # END SOLUTION


your_turn(shares_of(q[names.index("grass")], k), weights[names.index("grass")],
          "Scores are dot products divided by the square root of e; shares are their softmax.")

# %% [markdown]
# > **Try.** Give the grass a query with which it looks at itself. Then multiply all queries by 10, or by 0: what do
# > the colours become?
#
# In a model, three linear maps make all three from the same token; hence *self*-attention: $q_i = W_Q z_i$, $k_i =
# W_K z_i$, $v_i = W_V z_i$.
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

# %% [markdown]
# <details><summary>Compare</summary>It grows as √e: 16-fold from 4 to 1024. Unscaled, wide vectors give nearly all
# attention to one key, and which one is chance.</details>
#
# A softmax that is sure of itself also hurts learning: the derivative of a share $p$ by its score is $p(1-p)$, so it
# passes little gradient on (the column *slope*). Divided by $\sqrt{e}$, it starts undecided at any width.
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

assert sharpness(raw)[0] < 2 and sharpness(raw)[1] < 0.2 and sharpness(raw / 32)[0] > 30  # of the last e, 1024
over_queries = (q @ k.T / math.sqrt(2)).softmax(dim=0).sum(-1)
assert (over_queries - torch.tensor([1.15, 0.99, 0.88, 0.98])).abs().max() < 0.01  # section 4
grass_asks = torch.tensor([[[3.0, -3.0]], [[3.0, 3.0]]])  # (head, 1, e): above and grown; above and built
received = attend(grass_asks, k.expand(2, 4, 2), v.expand(2, 4, 3))[:, 0]  # (head, 3)
nearest = torch.cdist(received, v).argmin(-1).tolist()
print("the grass receives, from its two heads, the colours of:", [names[i] for i in nearest])
for heads in (1, 4, 16):
    parameters = sum(w.numel() for w in MultiHeadAttention(width=64, heads=heads).parameters())
    print(f"{heads:2} heads of {64 // heads:2} numbers: {parameters:,} parameters")
show_source(MultiHeadAttention.forward)

# %% [markdown]
# <details><summary>Compare</summary>The parameters stay: 16,640 with 1, 4 or 16 heads. The only price is that each
# head compares with fewer numbers.</details>
#
# Now the grass knows both. Read the `rearrange` aloud: *the 3·d numbers of a token are three parts (queries, keys,
# values) of `head` heads of `e` numbers; take the three apart, and put the heads before the tokens*, so that each
# head is an attention of its own. The last line joins the heads again, and `proj` lets their answers mix.
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
change = (block(tokens, Grid(1, 8, 8)) - tokens).abs().max().item()
print("largest change that the block makes:", change)

# %% [markdown]
# <details><summary>Compare</summary>Nothing: the input passes through. Lesson 04 uses this to add attention in time
# to a trained image model without disturbing it.</details>
#
# **Where this breaks: a tiny constant.** LayerNorm divides by $\sqrt{\sigma^2 + \varepsilon}$. The published ViTs use
# $\varepsilon = 10^{-6}$, the default of the library that they were written in (flax); PyTorch's is $10^{-5}$. If you
# load published weights and forget that, nothing fails. Does it matter? Here is a ViT-Ti/16 as it is before training.

# %%
assert change == 0 and nearest == [0, 1] and parameters == 4 * (64 * 64 + 64)
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
# One piece is missing: 64 tokens, but one answer. ViT puts an extra token in front, **CLS**, a learned vector. It looks
# at all patches in every block, and is what the classifier reads at the end.
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

# %% [markdown]
# <details><summary>Compare</summary>Not at all: CLS starts as the same vector for every picture, a blank page, and
# picks up everything by looking.</details>
#
# So where it looks is a good question. Before that, the bill.
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

assert spread[0] == 0 and spread[3] > spread[1] > 0.1 and difference < 1e-4
base = vit_cost(image_size=224)  # ViT-B/16
print("size   tokens       pairs   G multiply-adds   of which pairs")
for size in (224, 448, 896):
    cost = vit_cost(image_size=size)
    of_pairs = 12 * 2 * cost.pairs * 768 / cost.macs  # twelve blocks
    print(f"{size:4}   {cost.tokens:6,}  {cost.pairs:10,}   {cost.macs / 1e9:15.1f}   {of_pairs:.0%}")
twice = vit_cost(image_size=448)
print(f"224 to 448: pairs x {twice.pairs / base.pairs:.1f}, whole model x {twice.macs / base.macs:.1f}")

# %% [markdown]
# <details><summary>Compare</summary>Sixteen-fold (a little less, because of CLS). Yet the whole model grows only
# 4.5-fold: at 224 pixels the pairs are a mere 4 % of the work, and the MLPs most of it.</details>
#
# "Attention is quadratic" is true, and at this size not yet what you pay for; at 896 pixels it is 40 %. Eight frames
# of video have as many tokens as one picture of 634 pixels: lesson 04.
#
# > **Try.** `patch_size=8` at 224 pixels. Which line of the table does it resemble, and why?
#
# A formula is a claim. Count the real module, and time the real kernel.

# %%
assert 15.5 < twice.pairs / base.pairs < 16
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
# ## 10 · How do I see what a model attends to?
#
# It is what users of these models ask most ([one of many
# threads](https://github.com/facebookresearch/TimeSformer/issues/40)). `record_attention` collects the shares of a
# forward pass: the very tensors that weighted the values, not a second computation beside the model. You need not
# believe it. Take the values of the first block, weigh them with the recorded map, and compare with what its
# attention returns.

# %%
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
# **Your turn.** For one picture and head 0 of the first block: what does CLS receive? You have its row of shares and
# the values of all 65 tokens. Two lines, no loop.

# %% tags=["your_turn"]
def received(shares, values):
    """shares (l,) of one query, values (l, e) -> what it receives, (e,)."""
    # BEGIN SOLUTION
    weighed = shares[:, None] * values  # (l, e)
    return weighed.sum(0)
    # END SOLUTION


row, of_head = m.probabilities[0, 0, 0, 0], values[0, 0]  # (65,) and (65, 16)
your_turn(received(row, of_head), row @ of_head, "The mean of the values, weighed by the shares.")

# %% [markdown]
# Now look: CLS in the last block, mean of the four heads, on pictures that the model never saw. (In lesson 04 the
# same two lines make maps in space *and* time.) Then look for yourself, in the explorer below: click a patch, or
# choose CLS; change block and head. Take a patch of the photograph far from the digit, then one on a stroke. Do all
# heads agree? It has a task for you, and says when it is done.

# %%
others = [0, 1, 4, 20]
show(looks_below(on_page[others], looks[others], [f"says {digit}" for digit in says[others].tolist()]),
     alt="Above, four photographs with digits on them. Below, the same with amber on the strokes of each digit and "
         "hardly any on the photograph around it; all four are named correctly.",
     caption="The pictures, and where CLS looks in block 2.")
print("says:", says[four + others].tolist(), "truth:", gallery.digit[four + others].tolist())
assert torch.equal(says[four + others], gallery.digit[four + others])

# %%
from videoformer_edu.data.motion.rendering import coverage
from videoformer_edu.widgets import Task, attention_explorer

on_digit = coverage(gallery.position[13:14, None], gallery.width[13:14, None], (8, 8), 32, torus=False)[0] > 0
attention_explorer(
    on_page[13:14], list(maps_of_gallery.values())[::-1], b=13,  # the last block first
    title="Where does each patch look?", start="cls",
    task=Task("Nearly every patch looks most at the digit. Find one that looks most at the photograph.", ~on_digit,
              "So a map of one head is a habit, not a rule: look at several before you say what a model attends to."),
    alt="The handwritten 5 with a map over it: the CLS token of block 2 looks at the strokes of the digit and hardly "
        "at the photograph around it.")

# %% [markdown]
# Pictures chosen by us prove little. So count over 256. The generator knows the square in which each digit lies;
# which share of CLS's attention on patches falls inside?
#
# > **Predict.** The digit's square covers about 18 % of a picture. How much of the attention lands there in block 2:
# > about 18 %, 40 %, or 90 %? And in a model with random weights?

# %%
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

# %% [markdown]
# <details><summary>Compare</summary>About 80 % in the first blocks, near 90 % in the last; with random weights no
# more than an even spread.</details>
#
# Training has taught CLS where to look; nobody told it where digits are. But does the looking *matter*? Take it away:
# with queries of zero all scores are equal, and every token looks everywhere alike.

# %%
assert ours > 0.6 and abs(chance - covered.mean()) < 0.06  # of the last block
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
print(f"the favourite is the worst to lose in {agree:.0%} of the pictures")
print(f"losing the favourite does no harm in {harmless:.0%}")

# %% [markdown]
# <details><summary>Compare</summary>In fewer than half. The map is far better than chance, and losing its favourite
# patch does no harm in more than one picture of ten.</details>
#
# A share is not an effect: what a value carries, and what the rest of the model does with it, are not in the map.
#
# There is a second caution. In block 0 token 27 *is* patch 27. Later it has collected messages from everywhere.

# %%
assert agree < 0.5 and harmless > 0.1 and of_favourite.mean() > 5 * drop.mean()
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
# has to learn both (its paper calls this inductive bias, section 3.1). Ours was trained on 160,000 generated
# pictures. Here are 512, and a small CNN beside it.

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
