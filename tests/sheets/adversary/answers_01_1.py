"""01.1 patchify, embed: answers by somebody who has not seen the bank."""

from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

BASE = """
def patchify(x, p):
    b, c, height, width = x.shape
    h, w = height // p, width // p
    x = x.reshape(b, c, h, p, w, p)
    x = x.permute(0, 2, 4, 1, 3, 5)
    return x.reshape(b, h * w, c * p * p)

def embed(x, weights, name):
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    patches = patchify(x, weight.shape[-1])
    return patches @ weight.reshape(len(weight), -1).T + bias
"""
EINOPS = """
def patchify(x, p):
    return rearrange(x, "b c (h p) (w q) -> b (h w) (c p q)", p=p, q=p)

def embed(x, weights, name):
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return F.linear(patchify(x, weight.shape[-1]), rearrange(weight, "d c p q -> d (c p q)"), bias)
"""
# `embed` on its own feet, so that a wrong `patchify` stays alone.
CONV = """
def embed(x, weights, name):
    weight = weights[f"{name}.weight"]
    return F.conv2d(x, weight, weights[f"{name}.bias"], stride=weight.shape[-1]).flatten(2).transpose(1, 2)
"""
CUT, LAST, PERMUTE = "x.reshape(b, c, h, p, w, p)", "x.reshape(b, h * w, c * p * p)", "x.permute(0, 2, 4, 1, 3, 5)"
MAP = "patches @ weight.reshape(len(weight), -1).T + bias"
STRIDED = 'F.conv2d(x, weight, weights[f"{name}.bias"], stride=weight.shape[-1]).flatten(2).transpose(1, 2)'

wrong = Answers(BASE)
ALONE = {
    "reshape alone": ("    x = x.permute(0, 2, 4, 1, 3, 5)\n", ""),
    "channels last in a patch": (PERMUTE, "x.permute(0, 2, 4, 3, 5, 1)"),
    "channel between row and column": (PERMUTE, "x.permute(0, 2, 4, 3, 1, 5)"),
    "columns before rows in a patch": (PERMUTE, "x.permute(0, 2, 4, 1, 5, 3)"),
    "patches column by column": (PERMUTE, "x.permute(0, 4, 2, 1, 3, 5)"),
    "both transposed": (PERMUTE, "x.permute(0, 4, 2, 1, 5, 3)"),
    "cut into strips: (p, h) for (h, p)": (CUT, "x.reshape(b, c, p, h, p, w).permute(0, 1, 3, 2, 5, 4)"),
    "rows cut as (p, h)": (CUT, "x.reshape(b, c, p, h, w, p).permute(0, 1, 3, 2, 4, 5)"),
    "columns cut as (p, w)": (CUT, "x.reshape(b, c, h, p, p, w).permute(0, 1, 2, 3, 5, 4)"),
    "channels as batch": (PERMUTE, "x.permute(1, 2, 4, 0, 3, 5)"),
    "h and w exchanged in the cut": (CUT, "x.reshape(b, c, w, p, h, p)"),
    "square pictures only, by h twice": (CUT, "x[..., :h * p].reshape(b, c, h, p, h, p)"),
    "patches backwards": (LAST, f"{LAST}.flip(1)"),
    "pixels backwards": (LAST, f"{LAST}.flip(2)"),
    "channels backwards (BGR)": (CUT, "x.flip(1).reshape(b, c, h, p, w, p)"),
    "picture upside down": (CUT, "x.flip(2).reshape(b, c, h, p, w, p)"),
    "p is 4 always": ("    b, c, height", "    p = 4\n    b, c, height"),
    "p is 2 always": ("    b, c, height", "    p = 2\n    b, c, height"),
    "3 channels always": ("    b, c, height, width = x.shape", "    x = x[:, :3]\n    b, c, height, width = x.shape"),
    "one channel only": ("    b, c, height, width = x.shape", "    x = x[:, :1]\n    b, c, height, width = x.shape"),
    "mean over channels": (
        "    b, c, height, width = x.shape",
        "    x = x.mean(1, keepdim=True)\n    b, c, height, width = x.shape",
    ),
    "first picture only": ("    b, c, height, width = x.shape", "    x = x[:1]\n    b, c, height, width = x.shape"),
    "p patches a side": ("    h, w = height // p", "    p = height // p\n    h, w = height // p"),
    "(b, h, w, ...)": (LAST, "x.reshape(b, h, w, c * p * p)"),
    "(b, n, c, p, p)": (LAST, "x.reshape(b, h * w, c, p, p)"),
    "(b*n, ...)": (LAST, "x.reshape(b * h * w, c * p * p)"),
    "(b, c*p*p, n)": (LAST, f"{LAST}.transpose(1, 2)"),
    "squeezed": (LAST, f"{LAST}.squeeze()"),
    "squeezed on the pictures": (LAST, f"{LAST}.squeeze(0)"),
    "squeezed on the pixels": (LAST, f"{LAST}.squeeze(-1)"),
    "a picture that is one patch comes back as it is": (
        "    b, c, height",
        "    if x.shape[2] == p:\n        return x.flatten(1)\n    b, c, height",
    ),
    "last row of patches lost": (LAST, f"{LAST}[:, :-w]"),
    "last patch repeated": (LAST, f"(lambda y: torch.cat([y[:, :-1], y[:, :1]], 1))({LAST})"),
    "view after the permute": (LAST, "x.view(b, h * w, c * p * p)"),
    "view of a picture that need not be contiguous": (CUT, "x.view(b, c * height * width).view(b, c, h, p, w, p)"),
    "detached": (LAST, f"{LAST}.detach()"),
    "through numpy": (LAST, f"torch.from_numpy({LAST}.detach().numpy())"),
    "channel 0 without gradient": (CUT, "torch.cat([x[:, :1].detach(), x[:, 1:]], 1).reshape(b, c, h, p, w, p)"),
    "gradient doubled": (LAST, f"(lambda y: 2 * y - y.detach())({LAST})"),
    "float16": (LAST, f"{LAST}.half()"),
    "by way of bfloat16": (LAST, f"{LAST}.bfloat16().to(x.dtype)"),
    "float64": (LAST, f"{LAST}.double()"),
    "divided by 255": (LAST, f"{LAST} / 255"),
    "mean taken off": (LAST, f"{LAST} - x.mean()"),
    "clamped to [0, 1]": (LAST, f"{LAST}.clamp(0, 1)"),
    "a list of patches": (LAST, f"list({LAST}.unbind(1))"),
    "with (h, w)": (LAST, f"{LAST}, (h, w)"),
    "input zeroed": (f"    return {LAST}", f"    y = {LAST}.clone()\n    x.data.zero_()\n    return y"),
    "right for square pictures only": (LAST, f"{LAST} if height == width else x.reshape(b, h * w, c * p * p).flip(1)"),
    "right up to 16 patches": (LAST, f"{LAST} if h * w <= 16 else x.reshape(b, h * w, -1).flip(1)"),
    "right for one picture only": (LAST, f"{LAST} if b == 1 else {LAST}.flip(0)"),
    "right without gradient only": (LAST, f"{LAST} * (2 if x.requires_grad else 1)"),
}
for name, edit in ALONE.items():
    wrong(f"pf: {name}", edit, add=CONV)
for name in (
    "reshape alone",
    "channels last in a patch",
    "columns before rows in a patch",
    "patches column by column",
    "both transposed",
):
    wrong(f"pf and embed with it: {name}", ALONE[name])
wrong(
    "pf: F.unfold without transpose",
    (f"return {LAST}", "return F.unfold(x, p, stride=p)"),
    add="",
    base=BASE.replace(PERMUTE, "x"),
)
wrong(
    "pf: pixel_unshuffle, rows of it read as patches",
    add="def patchify(x, p): return F.pixel_unshuffle(x, p).flatten(2)\n" + CONV,
)
EMBED = {
    "no bias": (MAP, "patches @ weight.reshape(len(weight), -1).T"),
    "bias twice": (MAP, f"{MAP} + bias"),
    "bias without gradient": (MAP, MAP.replace("+ bias", "+ bias.detach()")),
    "weight without gradient": (MAP, MAP.replace("weight.reshape", "weight.detach().reshape")),
    "picture without gradient": ("patchify(x, weight", "patchify(x.detach(), weight"),
    "weight read as (c*p*p, d)": (MAP, "patches @ weight.reshape(-1, len(weight)) + bias"),
    "weight channels last": (MAP, MAP.replace("weight.reshape", "weight.permute(0, 2, 3, 1).reshape")),
    "weight transposed in space": (MAP, MAP.replace("weight.reshape", "weight.mT.reshape")),
    "weight flipped, a true convolution": (MAP, MAP.replace("weight.reshape", "weight.flip(2, 3).reshape")),
    "p from the number of channels": ("weight.shape[-1])", "weight.shape[1])"),
    "p from d": ("weight.shape[-1])", "len(weight))"),
    "p is 4": ("weight.shape[-1])", "4)"),
    "name written in": (
        'weights[f"{name}.weight"], weights[f"{name}.bias"]',
        'weights["patch_embed.proj.weight"], weights["patch_embed.proj.bias"]',
    ),
    "first tensors of the dict": ('weights[f"{name}.weight"], weights[f"{name}.bias"]', "list(weights.values())[:2]"),
    "sum over pixels of channel 0": (MAP, "patches[..., :weight[0, 0].numel()] @ weight[:, 0].flatten(1).T + bias"),
    "scaled by 1/sqrt": (MAP, f"({MAP}) / patches.shape[-1] ** 0.5"),
    "ReLU": (MAP, f"({MAP}).relu()"),
    "detached": (MAP, f"({MAP}).detach()"),
    "float64": (MAP, f"({MAP}).double()"),
    "bfloat16 and back": (MAP, f"({MAP}).bfloat16().to(x.dtype)"),
    "squeezed": (MAP, f"({MAP}).squeeze()"),
    "squeezed on the width": (MAP, f"({MAP}).squeeze(-1)"),
    "(b, d, n)": (MAP, f"({MAP}).transpose(1, 2)"),
    "layer norm after": (MAP, f"F.layer_norm({MAP}, ({MAP}).shape[-1:])"),
    "a fresh nn.Conv2d": (
        MAP,
        "nn.Conv2d(x.shape[1], len(weight), weight.shape[-1], weight.shape[-1])(x).flatten(2).mT",
    ),
    "an nn.Conv2d filled with copies": (
        MAP,
        "(lambda m: (m.load_state_dict({'weight': weight, 'bias': bias}), m.to(x.dtype)(x).flatten(2).mT)[1])"
        "(nn.Conv2d(x.shape[1], len(weight), weight.shape[-1], weight.shape[-1]))",
    ),
    "weights kept from the first call": (
        "    patches =",
        "    weight, bias = kept.setdefault(name, (weight, bias))\n    patches =",
    ),
    "bias changed in place": ("    patches =", "    bias.data.add_(1)\n    patches ="),
    "takes the weights out of the dict": (
        'bias = weights[f"{name}.weight"], weights[f"{name}.bias"]',
        'bias = weights.pop(f"{name}.weight"), weights.pop(f"{name}.bias")',
    ),
}
for name, edit in EMBED.items():
    wrong(f"embed: {name}", edit, base="kept = {}\n" + BASE)
CONVS = {
    "stride 1": ("stride=weight.shape[-1]", "stride=1"),
    "no transpose": (".flatten(2).transpose(1, 2)", ".flatten(2)"),
    "reshape for transpose": (".flatten(2).transpose(1, 2)", ".reshape(len(x), -1, len(weight))"),
    "places column by column": (".flatten(2).transpose(1, 2)", ".mT.flatten(2).transpose(1, 2)"),
    "not flattened": (".flatten(2).transpose(1, 2)", ""),
    "padding": ("stride=weight.shape[-1])", "stride=weight.shape[-1], padding=weight.shape[-1] // 2)"),
    "stride of half a patch": ("stride=weight.shape[-1]", "stride=max(1, weight.shape[-1] // 2)"),
    "width last by permute of the wrong axes": (".flatten(2).transpose(1, 2)", ".permute(0, 3, 2, 1).flatten(1, 2)"),
}
for name, edit in CONVS.items():
    wrong(f"embed by convolution: {name}", edit, base=BASE + CONV)
wrong("pf: channels last; embed: no bias", ALONE["channels last in a patch"], EMBED["no bias"])
wrong("pf: reshape alone; embed: weight (c*p*p, d)", ALONE["reshape alone"], EMBED["weight read as (c*p*p, d)"])
for name, add in nasties("patchify", "x, p", "x.flatten(1)[:, None]", "x.flatten(1)").items():
    wrong(name, add=add + CONV)
for name, add in list(nasties("embed", "x, weights, name", "x.flatten(1)[:, None]", "x.flatten(1)").items())[::5]:
    wrong(name, add=add)

right = Answers(BASE)
right("steps")
right("einops", base=EINOPS)
right("embed by convolution", add=CONV)
right("unfold", add="def patchify(x, p): return F.unfold(x, p, stride=p).transpose(1, 2)")
right(
    "Tensor.unfold",
    add=(
        "def patchify(x, p): return x.unfold(2, p, p).unfold(3, p, p).permute(0, 2, 3, 1, 4, "
        "5).flatten(1, 2).flatten(2)"
    ),
)
right("pixel_unshuffle", add="def patchify(x, p): return F.pixel_unshuffle(x, p).flatten(2).transpose(1, 2)")
right(
    "chunks",
    add="def patchify(x, p): return torch.stack([y.flatten(1) for r in x.split(p, 2) for y in r.split(p, 3)], 1)",
)
right(
    "loops over pixels",
    add="""
def patchify(x, p):
    b, c, height, width = x.shape
    out = x.new_zeros(b, height * width // p // p, c * p * p)
    for k in range(c):
        for y in range(height):
            for z in range(width):
                out[:, y // p * (width // p) + z // p, k * p * p + y % p * p + z % p] = x[:, k, y, z]
    return out
""",
)
right(
    "index arithmetic",
    add="""
def patchify(x, p):
    b, c, height, width = x.shape
    order = torch.arange(c * height * width).reshape(c, height // p, p, width // p, p).permute(1, 3, 0, 2, 4)
    return x.flatten(1)[:, order.flatten()].reshape(b, -1, c * p * p)
""",
)
right(
    "unflatten and movedim",
    add=(
        "def patchify(x, p): return x.unflatten(3, (-1, p)).unflatten(2, (-1, p)).movedim((2, 4), (1, "
        "2)).flatten(1, 2).flatten(2)"
    ),
)
right(
    "vmap over pictures", add="one = patchify\ndef patchify(x, p): return torch.vmap(lambda y: one(y[None], p)[0])(x)"
)
right("float64 and back", add="one = patchify\ndef patchify(x, p): return one(x.double(), p).to(x.dtype)")
right(
    "a convolution with unit kernels",
    add="""
def patchify(x, p):
    c = x.shape[1]
    units = torch.eye(c * p * p, dtype=x.dtype).reshape(-1, c, p, p)
    return F.conv2d(x, units, stride=p).flatten(2).mT
""",
)
right("einsum", (MAP, 'torch.einsum("bnk,dk->bnd", patches, weight.flatten(1)) + bias'))
right("F.linear", (MAP, "F.linear(patches, weight.flatten(1), bias)"))
right(
    "F.bilinear's cousin, a loop over d",
    (MAP, "torch.stack([patches @ row.flatten() + bias[i] for i, row in enumerate(weight)], -1)"),
)
right(
    "patches by einsum over the cut picture",
    add="""
def embed(x, weights, name):
    weight = weights[f"{name}.weight"]
    p = weight.shape[-1]
    cut = x.unflatten(3, (-1, p)).unflatten(2, (-1, p))
    return torch.einsum("bchpwq,dcpq->bhwd", cut, weight).flatten(1, 2) + weights[f"{name}.bias"]
""",
)
right(
    "nn.Conv2d through functional_call",
    add="""
def embed(x, weights, name):
    weight = weights[f"{name}.weight"]
    d, c, p, _ = weight.shape
    given = {"weight": weight, "bias": weights[f"{name}.bias"]}
    return torch.func.functional_call(nn.Conv2d(c, d, p, p), given, (x,)).flatten(2).mT
""",
)
right(
    "conv3d with one frame",
    add="""
def embed(x, weights, name):
    weight = weights[f"{name}.weight"]
    p = weight.shape[-1]
    return F.conv3d(x[:, :, None], weight[:, :, None], weights[f"{name}.bias"], stride=(1, p, p)).flatten(2).mT
""",
)
right(
    "embed in float64 and back", (MAP, "(patches.double() @ weight.double().flatten(1).T + bias.double()).to(x.dtype)")
)
right("a lambda", add='patchify = lambda x, p: rearrange(x, "b c (h p) (w q) -> b (h w) (c p q)", p=p, q=p)')
right(
    "baddbmm", (MAP, "torch.baddbmm(bias.expand(len(x), 1, -1), patches, weight.flatten(1).T.expand(len(x), -1, -1))")
)

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
