"""05.3 factorised_heads, score_counts: wrong answers of every kind, right ones in other styles."""

from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

BASE = """
def linear(x, weights, name):
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

kept = {}

def factorised_heads(x, weights, name, t, heads):
    b, l, d = x.shape
    n, e, half = l // t, d // heads, heads // 2
    q, k, v = linear(x, weights, f"{name}.qkv").chunk(3, dim=-1)
    q, k, v = (z.reshape(b, t, n, heads, e) for z in (q, k, v))
    q1, k1, v1 = (z[..., :half, :].permute(0, 2, 3, 1, 4) for z in (q, k, v))
    q2, k2, v2 = (z[..., half:, :].permute(0, 1, 3, 2, 4) for z in (q, k, v))
    time = (q1 @ k1.mT / e**0.5).softmax(-1) @ v1
    space = (q2 @ k2.mT / e**0.5).softmax(-1) @ v2
    time = time.permute(0, 3, 1, 2, 4).reshape(b, l, half * e)
    space = space.permute(0, 1, 3, 2, 4).reshape(b, l, (heads - half) * e)
    out = torch.cat([time, space], dim=-1)
    return linear(out, weights, f"{name}.proj")

def score_counts(t, n, heads):
    joint = heads * (t * n) ** 2
    apart = heads // 2 * t * n * (t + n)
    return joint, apart
"""
QKV, CUT, PROJ = (
    'linear(x, weights, f"{name}.qkv")',
    "z.reshape(b, t, n, heads, e)",
    'linear(out, weights, f"{name}.proj")',
)
JOIN = "torch.cat([time, space], dim=-1)"
TIME, SPACE = "(q1 @ k1.mT / e**0.5).softmax(-1) @ v1", "(q2 @ k2.mT / e**0.5).softmax(-1) @ v2"
FIRST, SECOND = "z[..., :half, :].permute(0, 2, 3, 1, 4)", "z[..., half:, :].permute(0, 1, 3, 2, 4)"
BACK, HOME = "time.permute(0, 3, 1, 2, 4).reshape(b, l, half * e)", "space.permute(0, 1, 3, 2, 4)"
SIZES = "    b, l, d = x.shape\n"
wrong = Answers(BASE)
for name, edits in {
    "space first": [
        (FIRST, "z[..., half:, :].permute(0, 2, 3, 1, 4)"),
        (SECOND, "z[..., :half, :].permute(0, 1, 3, 2, 4)"),
        (JOIN, "torch.cat([space, time], dim=-1)"),
    ],
    "halves exchanged, joined time first": [
        (FIRST, "z[..., half:, :].permute(0, 2, 3, 1, 4)"),
        (SECOND, "z[..., :half, :].permute(0, 1, 3, 2, 4)"),
    ],
    "joined space first": [(JOIN, "torch.cat([space, time], dim=-1)")],
    "every second head": [(FIRST, FIRST.replace(":half", "::2")), (SECOND, SECOND.replace("half:", "1::2"))],
    "every second head, brought back": [
        (FIRST, FIRST.replace(":half", "::2")),
        (SECOND, SECOND.replace("half:", "1::2")),
        (JOIN, "torch.stack([time.unflatten(-1, (half, e)), space.unflatten(-1, (half, e))], -2).flatten(2)"),
    ],
    "time alone": [(SECOND, "z[..., half:, :].permute(0, 2, 3, 1, 4)"), (HOME, "space.permute(0, 3, 1, 2, 4)")],
    "space alone": [
        (FIRST, "z[..., :half, :].permute(0, 1, 3, 2, 4)"),
        (BACK, "time.permute(0, 1, 3, 2, 4).reshape(b, l, half * e)"),
    ],
    "joint in time's heads": [
        (
            TIME,
            "((q[..., :half, :].flatten(1, 2).transpose(1, 2) @ k[..., :half, :].flatten(1, 2)"
            ".transpose(1, 2).mT / e**0.5).softmax(-1) @ v[..., :half, :].flatten(1, 2).transpose(1, 2))"
            ".unflatten(2, (t, n)).permute(0, 3, 1, 2, 4)",
        )
    ],
    "(n t) for (t n)": [
        (CUT, "z.reshape(b, n, t, heads, e).transpose(1, 2)"),
        (BACK, "time.permute(0, 1, 3, 2, 4).reshape(b, l, half * e)"),
        (HOME, "space.permute(0, 3, 1, 2, 4)"),
    ],
    "(n t) on the way in": [(CUT, "z.reshape(b, n, t, heads, e).transpose(1, 2)")],
    "time back as (n t)": [(BACK, "time.permute(0, 1, 3, 2, 4).reshape(b, l, half * e)")],
    "time back by a reshape": [(BACK, "time.reshape(b, l, half * e)")],
    "space back by a reshape": [(HOME, "space")],
    "heads before three": [(QKV, QKV + ".unflatten(-1, (heads, 3, e)).transpose(2, 3).flatten(2)")],
    "channels of a head interleaved": [(CUT, "z.reshape(b, t, n, e, heads).mT")],
    "k, q, v": [("q, k, v = linear", "k, q, v = linear")],
    "q, v, k": [("q, k, v = linear", "q, v, k = linear")],
    "no proj": [(PROJ, "out")],
    "proj before the halves are joined": [
        (
            PROJ,
            "torch.cat([linear(torch.cat([time, 0 * space], -1), weights, f'{name}.proj')"
            "[..., :half * e], linear(torch.cat([0 * time, space], -1), weights, f'{name}.proj')"
            "[..., half * e:]], -1)",
        )
    ],
    "proj without its bias": [(PROJ, PROJ + ' - weights[f"{name}.proj.bias"]')],
    "qkv without its bias": [(QKV, QKV + ' - weights[f"{name}.qkv.bias"]')],
    "residual": [(PROJ, "x + " + PROJ)],
    "no scale": [(TIME, TIME.replace(" / e**0.5", "")), (SPACE, SPACE.replace(" / e**0.5", ""))],
    "no scale in time": [(TIME, TIME.replace(" / e**0.5", ""))],
    "no scale in space": [(SPACE, SPACE.replace(" / e**0.5", ""))],
    "scaled by e": [(TIME, TIME.replace("e**0.5", "e")), (SPACE, SPACE.replace("e**0.5", "e"))],
    "scaled by the root of d": [(TIME, TIME.replace("e**0.5", "d**0.5")), (SPACE, SPACE.replace("e**0.5", "d**0.5"))],
    "scaled by the root of half the width": [
        (TIME, TIME.replace("e**0.5", "(d / 2) ** 0.5")),
        (SPACE, SPACE.replace("e**0.5", "(d / 2) ** 0.5")),
    ],
    "softmax over the queries": [(TIME, TIME.replace("(-1)", "(-2)")), (SPACE, SPACE.replace("(-1)", "(-2)"))],
    "softmax over the queries in time": [(TIME, TIME.replace("(-1)", "(-2)"))],
    "no softmax": [(TIME, TIME.replace(".softmax(-1)", "")), (SPACE, SPACE.replace(".softmax(-1)", ""))],
    "no softmax in space": [(SPACE, SPACE.replace(".softmax(-1)", ""))],
    "sigmoid": [(TIME, TIME.replace("softmax(-1)", "sigmoid()"))],
    "exp without the maximum taken off": [
        (TIME, "(lambda s: s / s.sum(-1, keepdim=True))((q1 @ k1.mT / e**0.5).exp()) @ v1"),
        (SPACE, "(lambda s: s / s.sum(-1, keepdim=True))((q2 @ k2.mT / e**0.5).exp()) @ v2"),
    ],
    "time looks back alone": [(TIME, "(q1 @ k1.mT / e**0.5 + torch.full((t, t), -1e9).triu(1)).softmax(-1) @ v1")],
    "not at itself in time": [(TIME, "(q1 @ k1.mT / e**0.5 - 1e9 * torch.eye(t)).softmax(-1) @ v1")],
    "not at itself in space": [(SPACE, "(q2 @ k2.mT / e**0.5 - 1e9 * torch.eye(n)).softmax(-1) @ v2")],
    "time turned round": [(TIME, f"({TIME}).flip(-2)")],
    "mean in time": [(TIME, "v1.mean(-2, keepdim=True).expand_as(v1)")],
    "mean in space": [(SPACE, "v2.mean(-2, keepdim=True).expand_as(v2)")],
    "time does nothing": [(TIME, "v1")],
    "space does nothing": [(SPACE, "v2")],
    "time after space": [
        ("time = (q1 @", "v1 = v1 + 0 * v1\n    time = (q1 @"),
        (TIME, "(q1 @ k1.mT / e**0.5).softmax(-1) @ ((q1 @ k1.mT / e**0.5).softmax(-1) @ v1)"),
    ],
    "sum of both on all channels": [(JOIN, "torch.cat([time + space, time + space], dim=-1)")],
    "mean of both": [(JOIN, "torch.cat([(time + space) / 2, (time + space) / 2], dim=-1)")],
    "two heads": [
        ("n, e, half = l // t, d // heads, heads // 2", "heads = 2\n    n, e, half = l // t, d // heads, heads // 2")
    ],
    "four heads where they fit": [("n, e, half", "heads = 4 if d % 4 == 0 else heads\n    n, e, half")],
    "heads halved": [("n, e, half", "heads = max(2, heads // 2) if heads % 4 == 0 else heads\n    n, e, half")],
    "one head in time": [("n, e, half = l // t, d // heads, heads // 2", "n, e, half = l // t, d // heads, 1")],
    "one head in space": [
        ("n, e, half = l // t, d // heads, heads // 2", "n, e, half = l // t, d // heads, heads - 1")
    ],
    "half rounded to two": [
        ("n, e, half = l // t, d // heads, heads // 2", "n, e, half = l // t, d // heads, min(2, heads // 2)")
    ],
    "clips mixed": [(QKV, 'linear(x + 1e-2 * x.mean(0), weights, f"{name}.qkv")')],
    "first clip for all": [(PROJ, PROJ + "[:1].expand(b, l, d)")],
    "first clip alone": [(PROJ, PROJ + "[:1]")],
    "one step: time does nothing to see": [(JOIN, "torch.cat([time * (t > 1), space], dim=-1)")],
    "one patch: space does nothing": [(JOIN, "torch.cat([time, space * (n > 1)], dim=-1)")],
    "three steps": [(SIZES, SIZES + "    t = 3 if l % 3 == 0 else t\n")],
    "as many steps as places": [(SIZES, SIZES + "    t = l // t\n")],
    "named after the first tensor": [(SIZES, SIZES + '    name = next(iter(weights)).rsplit(".", 2)[0]\n')],
    "named encoder.blocks.0.attention": [(SIZES, SIZES + '    name = "encoder.blocks.0.attention"\n')],
    "first tensors of the dict": [(QKV, "F.linear(x, *list(weights.values())[:2])")],
    "last tensors of the dict": [(PROJ, "F.linear(out, *list(weights.values())[-2:])")],
    "weights kept": [(SIZES, SIZES + "    weights = kept.setdefault((name, d), weights)\n")],
    "result kept": [(PROJ, f"kept.setdefault((x.shape, t), {PROJ})")],
    "x changed": [(SIZES, SIZES + "    x.data.mul_(2)\n")],
    "weights changed": [(SIZES, SIZES + '    weights[f"{name}.proj.bias"].data.add_(1)\n')],
    "weights added to": [(SIZES, SIZES + '    weights["seen"] = x\n')],
    "dropout": [(TIME, f"F.dropout({TIME}, 0.1)")],
    "queries detached": [(QKV, f"(lambda y: torch.cat([y[..., :d].detach(), y[..., d:]], -1))({QKV})")],
    "keys detached": [
        (QKV, f"(lambda y: torch.cat([y[..., :d], y[..., d:2 * d].detach(), y[..., 2 * d:]], -1))({QKV})")
    ],
    "values detached": [(QKV, f"(lambda y: torch.cat([y[..., :2 * d], y[..., 2 * d:].detach()], -1))({QKV})")],
    "shares detached in time": [(TIME, TIME.replace(".softmax(-1)", ".softmax(-1).detach()"))],
    "time detached": [(TIME, f"({TIME}).detach()")],
    "space detached": [(SPACE, f"({SPACE}).detach()")],
    "x detached": [(QKV, QKV.replace("(x,", "(x.detach(),"))],
    "qkv's weight detached": [
        (QKV, 'F.linear(x, weights[f"{name}.qkv.weight"].detach(), weights[f"{name}.qkv.bias"])')
    ],
    "proj's weight detached": [
        (PROJ, 'F.linear(out, weights[f"{name}.proj.weight"].detach(), weights[f"{name}.proj.bias"])')
    ],
    "all weights detached": [
        (SIZES, SIZES + "    weights = {key: value.detach() for key, value in weights.items()}\n")
    ],
    "detached": [(PROJ, PROJ + ".detach()")],
    "gradient doubled": [(PROJ, f"(lambda y: 2 * y - y.detach())({PROJ})")],
    "float64": [(PROJ, PROJ + ".double()")],
    "half and back": [(PROJ, PROJ + ".half().to(x.dtype)")],
    "squeezed": [(PROJ, PROJ + ".squeeze()")],
    "squeezed on the clips": [(PROJ, PROJ + ".squeeze(0)")],
    "squeezed on the tokens": [(PROJ, PROJ + ".squeeze(1)")],
    "(b, t, n, d)": [(PROJ, PROJ + ".reshape(b, t, n, d)")],
    "(b, d, l)": [(PROJ, PROJ + ".mT")],
    "a tuple": [(PROJ, "time, space")],
}.items():
    wrong(f"heads: {name}", *edits)
JOINT, APART = "heads * (t * n) ** 2", "heads // 2 * t * n * (t + n)"
for name, edits in {
    "all heads do both": [(APART, "heads * t * n * (t + n)")],
    "one tube and one frame": [(APART, "heads // 2 * (t**2 + n**2)")],
    "tube and frame, all heads": [(APART, "heads * (t**2 + n**2)")],
    "one head apart": [(APART, "t * n * (t + n) // 2")],
    "heads left out": [(JOINT, "(t * n) ** 2"), (APART, "t * n * (t + n)")],
    "joint for one head": [(JOINT, "(t * n) ** 2")],
    "half of joint": [(APART, "heads * (t * n) ** 2 // 2")],
    "time alone": [(APART, "heads * t * n * t")],
    "space alone": [(APART, "heads * t * n * n")],
    "half the time heads alone": [(APART, "heads // 2 * t * n * t")],
    "half the space heads alone": [(APART, "heads // 2 * t * n * n")],
    "itself once": [(APART, "heads // 2 * t * n * (t + n - 1)")],
    "itself not at all": [(JOINT, "heads * t * n * (t * n - 1)"), (APART, "heads // 2 * t * n * (t + n - 2)")],
    "t and n multiplied": [(APART, "heads // 2 * t * n * t * n")],
    "joint, not squared": [(JOINT, "heads * t * n")],
    "joint squared with the heads": [(JOINT, "(heads * t * n) ** 2")],
    "exchanged": [("return joint, apart", "return apart, joint")],
    "CLS counted": [(JOINT, "heads * (t * n + 1) ** 2")],
    "CLS counted in both": [(JOINT, "heads * (t * n + 1) ** 2"), (APART, "heads // 2 * ((t * n + 1) * (t + n + 2))")],
    "per token": [(JOINT, "heads * t * n"), (APART, "heads // 2 * (t + n)")],
    "of a step": [(APART, "heads // 2 * n * (t + n)")],
    "of a tube": [(APART, "heads // 2 * t * (t + n)")],
    "only earlier steps": [(APART, "heads // 2 * (n * t * (t + 1) // 2 + t * n * n)")],
    "four heads": [("joint = heads", "heads = 4\n    joint = heads")],
    "twelve heads": [("joint = heads", "heads = 12\n    joint = heads")],
    "two heads for less than four": [(APART, "max(2, heads // 2) * t * n * (t + n)")],
    "196 places": [("joint = heads", "n = 196 if n > 100 else n\n    t = min(t, 16)\n    joint = heads")],
    "at most 99 places": [("joint = heads", "n = n if n < 100 else 196\n    joint = heads")],
    "one step: no time": [(APART, "heads // 2 * t * n * (t * (t > 1) + n)")],
    "as a tensor of int32": [
        (
            "return joint, apart",
            "return tuple(int(torch.tensor(z % 2**32 - 2**32 * (z % 2**32 >= 2**31))) for z in (joint, apart))",
        )
    ],
    "float32": [("return joint, apart", "return int(torch.tensor(float(joint))), int(torch.tensor(float(apart)))")],
    "a dict": [("return joint, apart", "return {'joint': joint, 'apart': apart}")],
    "strings": [("return joint, apart", "return str(joint), str(apart)")],
    "joint alone": [("return joint, apart", "return joint")],
    "ratio": [("return joint, apart", "return joint / apart")],
    "rounded to thousands": [("return joint, apart", "return round(joint, -1), apart")],
}.items():
    wrong(f"counts: {name}", *edits)
wrong("heads: no proj; counts: heads left out", (PROJ, "out"), (JOINT, "(t * n) ** 2"), (APART, "t * n * (t + n)"))
wrong(
    "heads: space first; counts: one tube and one frame",
    (JOIN, "torch.cat([space, time], dim=-1)"),
    (APART, "heads // 2 * (t**2 + n**2)"),
)
for name, add in nasties("factorised_heads", "x, weights, name, t, heads", "x", "x").items():
    wrong(name, add=add)

right = Answers(BASE)
right("plain")
right(
    "fused", (TIME, "F.scaled_dot_product_attention(q1, k1, v1)"), (SPACE, "F.scaled_dot_product_attention(q2, k2, v2)")
)
right("float64 on the way", (JOIN, "torch.cat([time.double(), space.double()], dim=-1).float()"))
right("einsum", (TIME, 'torch.einsum("bnhij,bnhje->bnhie", (q1 @ k1.mT / e**0.5).softmax(-1), v1)'))
right("scaled queries", (TIME, "((q1 / math.sqrt(e)) @ k1.mT).softmax(-1) @ v1"))
right(
    "proj in two halves",
    (
        PROJ,
        'F.linear(time, weights[f"{name}.proj.weight"][:, :half * e]) + F.linear(space, '
        'weights[f"{name}.proj.weight"][:, half * e:]) + weights[f"{name}.proj.bias"]',
    ),
)
right(
    "masks",
    add="""
def factorised_heads(x, weights, name, t, heads):
    b, l, d = x.shape
    n = l // t
    i = torch.arange(l)
    tube, step = (i[:, None] - i) % n == 0, torch.div(i[:, None], n, rounding_mode="floor") == i // n
    allowed = torch.stack([tube if h < heads // 2 else step for h in range(heads)])
    q, k, v = rearrange(linear(x, weights, f"{name}.qkv"), "b l (three h e) -> three b h l e", three=3, h=heads)
    scores = (q @ k.mT / (d // heads) ** 0.5).masked_fill(~allowed, -math.inf)
    return linear(rearrange(scores.softmax(-1) @ v, "b h l e -> b l (h e)"), weights, f"{name}.proj")
""",
)
right(
    "einops",
    add="""
def factorised_heads(x, weights, name, t, heads):
    qkv = linear(x, weights, f"{name}.qkv")
    time, space = rearrange(qkv, "b l (three two head e) -> two three b l head e", three=3, two=2, head=heads // 2)
    time = F.scaled_dot_product_attention(*rearrange(time, "three b (t n) head e -> three b n head t e", t=t))
    space = F.scaled_dot_product_attention(*rearrange(space, "three b (t n) head e -> three b t head n e", t=t))
    out = torch.cat([rearrange(time, "b n head t e -> b (t n) (head e)"),
                     rearrange(space, "b t head n e -> b (t n) (head e)")], -1)
    return linear(out, weights, f"{name}.proj")
""",
)
right(
    "head by head",
    add="""
def factorised_heads(x, weights, name, t, heads):
    b, l, d = x.shape
    e, out = d // heads, []
    q, k, v = linear(x, weights, f"{name}.qkv").chunk(3, -1)
    for h in range(heads):
        a, c, m = (z[..., h * e:(h + 1) * e].reshape(b, t, l // t, e) for z in (q, k, v))
        if h < heads // 2:
            a, c, m = (z.transpose(1, 2) for z in (a, c, m))
        got = (a @ c.mT / e**0.5).softmax(-1) @ m
        out.append((got.transpose(1, 2) if h < heads // 2 else got).reshape(b, l, e))
    return linear(torch.cat(out, -1), weights, f"{name}.proj")
""",
)
right(
    "counts token by token",
    add="""
def score_counts(t, n, heads):
    tokens = t * n
    return heads * tokens * tokens, tokens * t * (heads // 2) + tokens * n * (heads - heads // 2)
""",
)
right(
    "counts by groups",
    add="""
def score_counts(t, n, heads):
    tubes, frames = n * t * t, t * n * n
    return heads * (tubes * n), heads * (tubes + frames) // 2
""",
)
right("counts, the larger first", ("return joint, apart", "return max(joint, apart), min(joint, apart)"))
right("counts in a list", ("return joint, apart", "return [joint, apart]"))
right("counts as whole floats", ("return joint, apart", "return float(joint), float(apart)"))

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
