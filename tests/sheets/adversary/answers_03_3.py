"""03.3 axial_attention, factorised_heads: answers by somebody who has not seen the bank."""

from tests.sheets.adversary import answers_04_2
from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

GIVEN = (
    answers_04_2.LINEAR
    + """
def attend(q, k, v):
    return (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(dim=-1) @ v
"""
)
BASE = (
    GIVEN
    + """
def axial_attention(x, weights, heads, t, h, w, axis):
    qkv = linear(x, weights, "attention.qkv")
    line = {"t": "(h w) t", "h": "(t w) h", "w": "(t h) w"}[axis]
    q, k, v = rearrange(qkv, f"b (t h w) (three a e) -> three b a {line} e", three=3, a=heads, t=t, h=h, w=w)
    out = attend(q, k, v)
    out = rearrange(out, f"b a {line} e -> b (t h w) (a e)", t=t, h=h, w=w)
    return linear(out, weights, "attention.proj")

def factorised_heads(x, weights, heads, t):
    qkv = linear(x, weights, "attention.qkv")
    q, k, v = rearrange(qkv, "b (t n) (three a e) -> three b a t n e", three=3, a=heads, t=t)
    half = heads // 2
    time = attend(*(y[:, :half].transpose(2, 3) for y in (q, k, v))).transpose(2, 3)
    space = attend(*(y[:, half:] for y in (q, k, v)))
    both = torch.cat([time, space], dim=1)
    return linear(rearrange(both, "b a t n e -> b (t n) (a e)"), weights, "attention.proj")
"""
)
LINE, OUT = '{"t": "(h w) t", "h": "(t w) h", "w": "(t h) w"}[axis]', 'linear(out, weights, "attention.proj")'
SPLIT = 'rearrange(qkv, f"b (t h w) (three a e) -> three b a {line} e", three=3, a=heads, t=t, h=h, w=w)'
BACK = 'rearrange(out, f"b a {line} e -> b (t h w) (a e)", t=t, h=h, w=w)'
CUT = 'rearrange(qkv, "b (t n) (three a e) -> three b a t n e", three=3, a=heads, t=t)'
TIME, SPACE = (
    "attend(*(y[:, :half].transpose(2, 3) for y in (q, k, v))).transpose(2, 3)",
    "attend(*(y[:, half:] for y in (q, k, v)))",
)
BOTH, LAST = (
    "torch.cat([time, space], dim=1)",
    'linear(rearrange(both, "b a t n e -> b (t n) (a e)"), weights, "attention.proj")',
)

wrong = Answers(BASE)
for name, edit in {
    "h and w exchanged": (LINE, '{"t": "(h w) t", "h": "(t h) w", "w": "(t w) h"}[axis]'),
    "always t": (LINE, '"(h w) t"'),
    "always h": (LINE, '"(t w) h"'),
    "always w": (LINE, '"(t h) w"'),
    "t and h exchanged": (LINE, '{"t": "(t w) h", "h": "(h w) t", "w": "(t h) w"}[axis]'),
    "planes": (LINE, '{"t": "t (h w)", "h": "h (t w)", "w": "w (t h)"}[axis]'),
    "joint": (LINE, '"1 (t h w)"'),
    "groups by a reshape": (
        SPLIT,
        'rearrange(qkv, "b (g s) (three a e) -> three b a g s e", three=3, a=heads, s=dict(t=t, h=h, w=w)[axis])',
    ),
    "back by a reshape": (BACK, "out.permute(0, 2, 3, 1, 4).reshape(x.shape)"),
    "back as if w": (BACK, 'rearrange(out, "b a g s e -> b (g s) (a e)")'),
    "heads interleaved": (SPLIT, SPLIT.replace("(three a e)", "(three e a)")),
    "heads interleaved on the way back": (BACK, BACK.replace("(a e)", "(e a)")),
    "heads outside of q, k, v": (SPLIT, SPLIT.replace("(three a e)", "(a three e)")),
    "q, v, k": ("q, k, v = rearrange(qkv, f", "q, v, k = rearrange(qkv, f"),
    "k, q, v": ("q, k, v = rearrange(qkv, f", "k, q, v = rearrange(qkv, f"),
    "v, k, q": ("q, k, v = rearrange(qkv, f", "v, k, q = rearrange(qkv, f"),
    "one head": ("    line =", "    heads = 1\n    line ="),
    "4 heads": ("    line =", "    heads = 4\n    line ="),
    "no proj": (OUT, "out"),
    "proj without bias": (OUT, 'out @ weights["attention.proj.weight"].T'),
    "qkv without bias": (
        'qkv = linear(x, weights, "attention.qkv")\n    line',
        'qkv = x @ weights["attention.qkv.weight"].T\n    line',
    ),
    "residual": (OUT, OUT + " + x"),
    "h and w swapped in the sizes": (SPLIT, SPLIT.replace("h=h, w=w", "h=w, w=h")),
    "square frames": (SPLIT, SPLIT.replace("h=h, w=w", "h=math.isqrt(h * w), w=math.isqrt(h * w)")),
    "no scale": ("    out = attend(q, k, v)", "    out = attend(q * q.shape[-1]**0.5, k, v)"),
    "causal": ("    out = attend(q, k, v)", "    out = F.scaled_dot_product_attention(q, k, v, is_causal=True)"),
    "scale of the width": ("    out = attend(q, k, v)", "    out = attend(q / heads**0.5, k, v)"),
    "detached": (OUT, OUT + ".detach()"),
    "keys detached": ("    out = attend(q, k, v)", "    out = attend(q, k.detach(), v)"),
    "values detached": ("    out = attend(q, k, v)", "    out = attend(q, k, v.detach())"),
    "weights detached": (OUT, 'linear(out, {k: u.detach() for k, u in weights.items()}, "attention.proj")'),
    "float64": (OUT, OUT + ".double()"),
    "half and back": ("    out = attend(q, k, v)", "    out = attend(q, k, v).half().to(x.dtype)"),
    "squeezed": (OUT, OUT + ".squeeze()"),
    "batch of one": (OUT, OUT + "[:1]"),
    "a line of one as it is": (
        '    qkv = linear(x, weights, "attention.qkv")\n    line',
        '    if dict(t=t, h=h, w=w)[axis] == 1: return x\n    qkv = linear(x, weights, "attention.qkv")\n    line',
    ),
    "lines backwards": (BACK, BACK.replace("(out,", "(out.flip(3),")),
    "three axes after another": (
        OUT,
        (
            'linear(sum(rearrange(attend(*rearrange(qkv, f"b (t h w) (three a e) -> three b a {z} e", '
            'three=3, a=heads, t=t, h=h, w=w)), f"b a {z} e -> b (t h w) (a e)", t=t, h=h, w=w) for z in '
            '("(h w) t", "(t w) h", "(t h) w")) / 3, weights, "attention.proj")'
        ),
    ),
    "own token twice": (
        OUT,
        'linear(out + rearrange(qkv, "b l (three d) -> three b l d", three=3)[2], weights, "attention.proj")',
    ),
    "weights kept": ("    line =", "    weights = kept.setdefault(x.shape[2], dict(weights))\n    line ="),
    "pops": (OUT, OUT + ' + 0 * weights.pop("attention.proj.bias")'),
    "gradient doubled": (OUT, f"(lambda y: 2 * y - y.detach())({OUT})"),
    "x scaled in place": ("    line =", "    x.data.mul_(2)\n    line ="),
    "names of the dict: first two": (
        'qkv = linear(x, weights, "attention.qkv")\n    line',
        "qkv = F.linear(x, *list(weights.values())[:2])\n    line",
    ),
    "temporal only for more than one frame": (
        LINE,
        '{"t": "(h w) t", "h": "(t w) h", "w": "(t h) w"}[axis if t > 1 else "w"]',
    ),
}.items():
    wrong(f"axial: {name}", edit, base="kept = {}\n" + BASE)
for name, edit in {
    "halves exchanged": (BOTH, "torch.cat([space, time], dim=1)"),
    "space first half": (
        BOTH,
        (
            "torch.cat([attend(*(y[:, :half] for y in (q, k, v))), attend(*(y[:, half:].transpose(2, 3) "
            "for y in (q, k, v))).transpose(2, 3)], dim=1)"
        ),
    ),
    "time only": (BOTH, "attend(*(y.transpose(2, 3) for y in (q, k, v))).transpose(2, 3)"),
    "space only": (BOTH, "attend(q, k, v)"),
    "even and odd heads": (
        BOTH,
        (
            "torch.stack([attend(*(y[:, 0::2].transpose(2, 3) for y in (q, k, v))).transpose(2, 3), "
            "attend(*(y[:, 1::2] for y in (q, k, v)))], 2).flatten(1, 2)"
        ),
    ),
    "sum of both": (BOTH, "attend(*(y.transpose(2, 3) for y in (q, k, v))).transpose(2, 3) + attend(q, k, v)"),
    "mean of both": (BOTH, "(attend(*(y.transpose(2, 3) for y in (q, k, v))).transpose(2, 3) + attend(q, k, v)) / 2"),
    "time not moved back": (TIME, TIME[: -len(".transpose(2, 3)")] + ".reshape(*q.shape[:1], half, *q.shape[2:])"),
    "tubes by a reshape": (
        TIME,
        (
            "attend(*(y[:, :half].reshape(len(x), half, -1, t, y.shape[-1]) for y in (q, k, "
            "v))).reshape(len(x), half, *q.shape[2:])"
        ),
    ),
    "joint in time's half": (
        TIME,
        "attend(*(y[:, :half].flatten(2, 3) for y in (q, k, v))).reshape(len(x), half, *q.shape[2:])",
    ),
    "one head looks along time": ("half = heads // 2", "half = 1"),
    "one head looks across space": ("half = heads // 2", "half = heads - 1"),
    "all but one of 4": ("half = heads // 2", "half = 2"),
    "a quarter": ("half = heads // 2", "half = max(1, heads // 4)"),
    "no head looks along time": ("    half =", "    half = 0 *"),
    "one after another": (SPACE, "attend(q[:, half:], k[:, half:], time)"),
    "heads interleaved": (CUT, CUT.replace("(three a e)", "(three e a)")),
    "heads outside": (CUT, CUT.replace("(three a e)", "(a three e)")),
    "time fastest": (CUT, CUT.replace("b (t n)", "b (n t)")),
    "merged the other way": (LAST, LAST.replace("(a e)", "(e a)")),
    "back with time fastest": (LAST, LAST.replace("b (t n) (a", "b (n t) (a")),
    "no proj": (LAST, 'rearrange(both, "b a t n e -> b (t n) (a e)")'),
    "proj without bias": (LAST, 'rearrange(both, "b a t n e -> b (t n) (a e)") @ weights["attention.proj.weight"].T'),
    "residual": (LAST, f"x + {LAST}"),
    "q, v, k": ('q, k, v = rearrange(qkv, "b', 'q, v, k = rearrange(qkv, "b'),
    "k, q, v": ('q, k, v = rearrange(qkv, "b', 'k, q, v = rearrange(qkv, "b'),
    "t is 2": (CUT, CUT.replace("t=t", "t=2")),
    "t is 3": (CUT, CUT.replace("t=t", "t=3")),
    "4 heads": (CUT, CUT.replace("a=heads", "a=4")),
    "no scale in time": (TIME, TIME.replace("y[:, :half]", "(y[:, :half] * y.shape[-1]**0.25)")),
    "scaled by half the heads": (TIME, TIME.replace("y[:, :half]", "(y[:, :half] / half**0.25)")),
    "detached": (LAST, LAST + ".detach()"),
    "time detached": (BOTH, "torch.cat([time.detach(), space], dim=1)"),
    "space detached": (BOTH, "torch.cat([time, space.detach()], dim=1)"),
    "proj detached": (LAST, LAST.replace(", weights,", ", {k: u.detach() for k, u in weights.items()},")),
    "gradient doubled": (LAST, f"(lambda y: 2 * y - y.detach())({LAST})"),
    "float64": (LAST, LAST + ".double()"),
    "half and back": (BOTH, BOTH + ".half().to(x.dtype)"),
    "squeezed": (LAST, LAST + ".squeeze()"),
    "first clip": (LAST, LAST + "[:1]"),
    "one frame: space only": (TIME, f"({TIME} if t > 1 else attend(*(y[:, :half] for y in (q, k, v))))"),
    "space over all frames": (
        SPACE,
        "attend(*(y[:, half:].flatten(2, 3) for y in (q, k, v))).reshape(len(x), heads - half, *q.shape[2:])",
    ),
    "time backwards": (TIME, f"{TIME}.flip(2)"),
    "weights kept": ("    half =", "    weights = kept.setdefault(x.shape[2], dict(weights))\n    half ="),
}.items():
    wrong(f"factorised: {name}", edit, base="kept = {}\n" + BASE)
wrong("axial: no proj; factorised: halves exchanged", (OUT, "out"), (BOTH, "torch.cat([space, time], dim=1)"))
wrong(
    "axial: h and w exchanged; factorised: time only",
    (LINE, '{"t": "(h w) t", "h": "(t h) w", "w": "(t w) h"}[axis]'),
    (BOTH, "attend(*(y.transpose(2, 3) for y in (q, k, v))).transpose(2, 3)"),
)
for name, add in nasties("axial_attention", "x, weights, heads, t, h, w, axis", "x * 2", "(x * 2)").items():
    wrong(name, add=add)
for name, add in list(nasties("factorised_heads", "x, weights, heads, t", "x * 2", "(x * 2)").items())[::4]:
    wrong(name, add=add)

right = Answers(BASE)
right("steps")
right("fused", ("    out = attend(q, k, v)", "    out = F.scaled_dot_product_attention(q, k, v)"))
right("own attend", add="def attend(q, k, v): return F.scaled_dot_product_attention(q, k, v)")
right("groups in another order", (LINE, '{"t": "(w h) t", "h": "(w t) h", "w": "(h t) w"}[axis]'))
right("groups apart", (LINE, '{"t": "h w t", "h": "t w h", "w": "t h w"}[axis]'))
right(
    "axis moved",
    add="""
def axial_attention(x, weights, heads, t, h, w, axis):
    where = "thw".index(axis)
    y = linear(x, weights, "attention.qkv").reshape(len(x), t, h, w, 3, heads, -1).permute(4, 0, 5, 1, 2, 3, 6)
    q, k, v = y.movedim(3 + where, -2)
    out = attend(q, k, v).movedim(-2, 2 + where)
    return linear(out.permute(0, 2, 3, 4, 1, 5).reshape(x.shape), weights, "attention.proj")
""",
)
right(
    "a loop over heads",
    add="""
def axial_attention(x, weights, heads, t, h, w, axis):
    order = {"t": (0, 2, 3, 1, 4), "h": (0, 1, 3, 2, 4), "w": (0, 1, 2, 3, 4)}[axis]
    back = [order.index(i) for i in range(5)]
    parts = [y.chunk(heads, -1) for y in linear(x, weights, "attention.qkv").chunk(3, -1)]
    outs = []
    for one in zip(*parts):
        lines = (y.reshape(len(x), t, h, w, -1).permute(order) for y in one)
        outs.append(attend(*lines).permute(back).flatten(1, 3))
    return linear(torch.cat(outs, -1), weights, "attention.proj")
""",
)
right(
    "einsum over five axes",
    add="""
def axial_attention(x, weights, heads, t, h, w, axis):
    y = linear(x, weights, "attention.qkv").reshape(len(x), t, h, w, 3, heads, -1)
    q, k, v = y.unbind(4)
    a, b = {"t": ("uhw", "uthw"), "h": ("tuw", "thuw"), "w": ("thu", "thwu")}[axis]
    base = "thw"
    score = torch.einsum(f"bthwae,b{a}ae->bathwu", q, k) / q.shape[-1] ** 0.5
    out = torch.einsum(f"bathwu,b{a}ae->bthwae", score.softmax(-1), v)
    return linear(out.reshape(x.shape), weights, "attention.proj")
""",
)
right(
    "in float64 and back",
    add="""
inner = axial_attention
def axial_attention(x, weights, heads, t, h, w, axis):
    return inner(x.double(), {k: u.double() for k, u in weights.items()}, heads, t, h, w, axis).to(x.dtype)
""",
)
right(
    "lines by index",
    add="""
def axial_attention(x, weights, heads, t, h, w, axis):
    number = torch.arange(t * h * w).reshape(t, h, w).movedim("thw".index(axis), -1).flatten(0, 1)
    qkv = linear(x, weights, "attention.qkv")[:, number]
    q, k, v = qkv.unflatten(-1, (3, heads, -1)).permute(3, 0, 1, 4, 2, 5)
    out = attend(q, k, v).transpose(2, 3).flatten(3).flatten(1, 2)
    return linear(out[:, number.flatten().argsort()], weights, "attention.proj")
""",
)
right(
    "proj head by head",
    (
        OUT,
        (
            "sum(o @ p.T for o, p in zip(out.chunk(heads, -1), "
            'weights["attention.proj.weight"].chunk(heads, 1))) + weights["attention.proj.bias"]'
        ),
    ),
)
right(
    "two separate splits",
    add="""
def factorised_heads(x, weights, heads, t):
    parts = linear(x, weights, "attention.qkv").chunk(3, -1)
    half = x.shape[2] // heads * (heads // 2)
    a = [rearrange(y[..., :half], "b (t n) (a e) -> (b n) a t e", t=t, a=heads // 2) for y in parts]
    c = [rearrange(y[..., half:], "b (t n) (a e) -> (b t) a n e", t=t, a=heads - heads // 2) for y in parts]
    time = rearrange(attend(*a), "(b n) a t e -> b (t n) (a e)", b=len(x))
    space = rearrange(attend(*c), "(b t) a n e -> b (t n) (a e)", b=len(x))
    return linear(torch.cat([time, space], -1), weights, "attention.proj")
""",
)
right(
    "all heads both ways, then chosen",
    (
        BOTH,
        (
            "torch.where(torch.arange(heads)[:, None, None, None] < half, attend(*(y.transpose(2, 3) for "
            "y in (q, k, v))).transpose(2, 3), attend(q, k, v))"
        ),
    ),
)
right(
    "a list of heads",
    (
        BOTH,
        (
            "torch.stack([attend(*(y[:, a].transpose(1, 2) for y in (q, k, v))).transpose(1, 2) if a < "
            "half else attend(q[:, a], k[:, a], v[:, a]) for a in range(heads)], 1)"
        ),
    ),
)
right(
    "fused in both halves",
    (TIME, TIME.replace("attend(", "F.scaled_dot_product_attention(")),
    (SPACE, SPACE.replace("attend(", "F.scaled_dot_product_attention(")),
)
right(
    "chunk along heads",
    (TIME, "attend(*(y.chunk(2, 1)[0].transpose(2, 3) for y in (q, k, v))).transpose(2, 3)"),
    (SPACE, "attend(*(y.chunk(2, 1)[1] for y in (q, k, v)))"),
)
right("swapaxes", (TIME, "attend(*(y[:, :half].swapaxes(2, 3) for y in (q, k, v))).swapaxes(3, 2)"))
right("permute", (TIME, "attend(*(y[:, :half].permute(0, 1, 3, 2, 4) for y in (q, k, v))).permute(0, 1, 3, 2, 4)"))
right(
    "vmap over clips",
    add="""
inner = factorised_heads
def factorised_heads(x, weights, heads, t): return torch.vmap(lambda y: inner(y[None], weights, heads, t)[0])(x)
""",
)
right(
    "a loop over clips",
    add="""
inner = factorised_heads
def factorised_heads(x, weights, heads, t): return torch.cat([inner(y[None], weights, heads, t) for y in x])
""",
)
right("written into an empty tensor", (BOTH, "torch.empty_like(q)\n    both[:, :half], both[:, half:] = time, space"))
right(
    "proj split in halves",
    (
        LAST,
        (
            'rearrange(time, "b a t n e -> b (t n) (a e)") @ weights["attention.proj.weight"][:, :half * '
            'q.shape[-1]].T + linear(F.pad(rearrange(space, "b a t n e -> b (t n) (a e)"), (half * '
            'q.shape[-1], 0)), weights, "attention.proj")'
        ),
    ),
)
right(
    "float64 and back",
    add="""
inner = factorised_heads
def factorised_heads(x, weights, heads, t):
    return inner(x.double(), {k: u.double() for k, u in weights.items()}, heads, t).to(x.dtype)
""",
)

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
