"""01.3 attend, multi_head: answers by somebody who has not seen the bank."""

from tests.sheets.adversary import answers_04_2
from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

BASE = (
    answers_04_2.LINEAR
    + """
def attend(q, k, v):
    scores = q @ k.transpose(-2, -1) / q.shape[-1]**0.5
    look = scores.softmax(dim=-1)
    return look @ v

def multi_head(x, weights, name, heads):
    b, l, d = x.shape
    qkv = linear(x, weights, f"{name}.qkv")
    q, k, v = qkv.reshape(b, l, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
    out = attend(q, k, v)
    out = out.transpose(1, 2).reshape(b, l, d)
    return linear(out, weights, f"{name}.proj")
"""
)
# `multi_head` on its own feet, so that a wrong `attend` stays alone.
OWN = BASE.replace("attend(q, k, v)\n    out =", "F.scaled_dot_product_attention(q, k, v)\n    out =")
SCALE, LOOK, OUT = " / q.shape[-1]**0.5", "scores.softmax(dim=-1)", "look @ v"
SPLIT, MERGE = "qkv.reshape(b, l, 3, heads, d // heads).permute(2, 0, 3, 1, 4)", "out.transpose(1, 2).reshape(b, l, d)"

wrong = Answers(BASE)
ATTEND = {
    "no scale": (SCALE, ""),
    "scaled by e": (SCALE, " / q.shape[-1]"),
    "scaled by the root of the values' width": (SCALE, " / v.shape[-1]**0.5"),
    "scaled by the root of the number of keys": (SCALE, " / k.shape[-2]**0.5"),
    "scaled by the root of the queries": (SCALE, " / q.shape[-2]**0.5"),
    "multiplied by the root of e": (SCALE, " * q.shape[-1]**0.5"),
    "scale of e = 4": (SCALE, " / 2"),
    "scale of e = 64": (SCALE, " / 8"),
    "scaled after the softmax": (f"{SCALE}\n    look = {LOOK}", f"\n    look = {LOOK}{SCALE}"),
    "softmax over the queries": (LOOK, "scores.softmax(dim=-2)"),
    "softmax over the first axis": (LOOK, "scores.softmax(dim=0)"),
    "softmax over axis 1": (LOOK, "scores.softmax(dim=1)"),
    "softmax over axis 2": (LOOK, "scores.softmax(dim=2)"),
    "softmax over both": (LOOK, "scores.flatten(-2).softmax(-1).reshape(scores.shape)"),
    "no softmax": (LOOK, "scores"),
    "no softmax, divided by the number of keys": (LOOK, "scores / scores.shape[-1]"),
    "sigmoid": (LOOK, "scores.sigmoid()"),
    "log_softmax": (LOOK, "scores.log_softmax(dim=-1)"),
    "softmin": (LOOK, "(-scores).softmax(dim=-1)"),
    "softmax twice": (LOOK, "scores.softmax(-1).softmax(-1)"),
    "exp without the maximum taken off": (LOOK, "scores.exp() / scores.exp().sum(-1, keepdim=True)"),
    "exp without the sum": (LOOK, "(scores - scores.amax(-1, keepdim=True)).exp()"),
    "sum over the queries": (LOOK, "(lambda z: z / z.sum(-2, keepdim=True))((scores - scores.amax()).exp())"),
    "sum plus a thousandth": (
        LOOK,
        "(lambda z: z / (z.sum(-1, keepdim=True) + 1e-3))((scores - scores.amax(-1, keepdim=True)).exp())",
    ),
    "clamped scores": (LOOK, "scores.clamp(-4, 4).softmax(-1)"),
    "only the best key": (LOOK, "F.one_hot(scores.argmax(-1), scores.shape[-1]).to(q.dtype)"),
    "causal": (LOOK, "scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -1e9).softmax(-1)"),
    "dropout": (LOOK, "F.dropout(scores.softmax(-1), 0.1)"),
    "uniform": (LOOK, "torch.ones_like(scores) / scores.shape[-1]"),
    "transposed weights": (OUT, "look.transpose(-2, -1) @ v"),
    "keys for values": (OUT, "look @ k"),
    "queries for values": (OUT, "look @ q"),
    "queries with queries": ("q @ k.transpose", "q @ q.transpose"),
    "q and k exchanged": ("attend(q, k, v):", "attend(k, q, v):"),
    "k and v exchanged": ("attend(q, k, v):", "attend(q, v, k):"),
    "first and last axis transposed": ("k.transpose(-2, -1)", "k.transpose(0, -1)"),
    "k.T": ("k.transpose(-2, -1)", "k.T"),
    "axes 1 and 2": ("k.transpose(-2, -1)", "k.transpose(1, 2)"),
    "axes 2 and 3": ("k.transpose(-2, -1)", "k.transpose(2, 3)"),
    "bmm, three axes only": ("q @ k.transpose(-2, -1)", "torch.bmm(q, k.transpose(-2, -1))"),
    "result plus q": (OUT, "look @ v + q"),
    "result cut to the width of q": (OUT, "(look @ v)[..., :q.shape[-1]]"),
    "result with the weights": (OUT, "(look @ v, look)"),
    "weights alone": (OUT, "look"),
    "detached": (OUT, "(look @ v).detach()"),
    "weights detached": (OUT, "look.detach() @ v"),
    "values detached": (OUT, "look @ v.detach()"),
    "queries detached": ("q @ k.", "q.detach() @ k."),
    "keys detached": ("q @ k.", "q @ k.detach()."),
    "gradient doubled": (OUT, "(lambda y: 2 * y - y.detach())(look @ v)"),
    "half and back": (OUT, "(look.half() @ v.half()).to(v.dtype)"),
    "float64": (OUT, "(look @ v).double()"),
    "squeezed": (OUT, "(look @ v).squeeze()"),
    "squeezed on the last axis": (OUT, "(look @ v).squeeze(-1)"),
    "the first of the batch": (OUT, "(look @ v)[:1]"),
    "cosine": ("q @ k.", "F.normalize(q, dim=-1) @ F.normalize(k, dim=-1)."),
    "minus distance": ("q @ k.transpose(-2, -1)", "-torch.cdist(q, k)"),
    "last key left out": (OUT, "look[..., :-1] @ v[..., :-1, :]"),
    "q scaled in place": ("    scores =", "    q.data.div_(2)\n    scores ="),
    "v changed in place": ("    return look", "    v.data.mul_(2)\n    return look"),
    "one key: v as it is": ("    scores =", "    if k.shape[-2] == 1: return v\n    scores ="),
    "right for as many keys as queries": (
        OUT,
        "look @ v if q.shape[-2] == k.shape[-2] else v.mean(-2, keepdim=True).expand(*q.shape[:-1], -1)",
    ),
}
for name, edit in ATTEND.items():
    wrong(f"at: {name}", edit, base=OWN)
for name in ("no scale", "softmax over the queries", "no softmax", "causal", "detached"):
    wrong(f"at and mh with it: {name}", ATTEND[name])
HEADS = {
    "heads outside of q, k, v": (SPLIT, "qkv.reshape(b, l, heads, 3, d // heads).permute(3, 0, 2, 1, 4)"),
    "channels of a head interleaved": (SPLIT, "qkv.reshape(b, l, 3, d // heads, heads).permute(2, 0, 4, 1, 3)"),
    "q, k, v innermost": (SPLIT, "qkv.reshape(b, l, heads, d // heads, 3).permute(4, 0, 2, 1, 3)"),
    "split without moving": (SPLIT, "qkv.reshape(b, l, 3, d).permute(2, 0, 1, 3).reshape(3, b, heads, l, d // heads)"),
    "merge without moving": (MERGE, "out.reshape(b, l, d)"),
    "split and merge without moving": (
        SPLIT,
        "qkv.reshape(b, l, 3, d).permute(2, 0, 1, 3).reshape(3, b, heads, l, -1)",
    ),
    "tokens alone, heads look at heads": (SPLIT, "qkv.reshape(b, l, 3, heads, d // heads).permute(2, 0, 1, 3, 4)"),
    "one head": (SPLIT, "qkv.reshape(b, l, 3, 1, d).permute(2, 0, 3, 1, 4)"),
    "4 heads": ("    b, l, d", "    heads = 4\n    b, l, d"),
    "2 heads": ("    b, l, d", "    heads = 2\n    b, l, d"),
    "k, q, v": ("q, k, v = qkv", "k, q, v = qkv"),
    "q, v, k": ("q, k, v = qkv", "q, v, k = qkv"),
    "v, k, q": ("q, k, v = qkv", "v, k, q = qkv"),
    "k, v, q": ("q, k, v = qkv", "k, v, q = qkv"),
    "no proj": ('linear(out, weights, f"{name}.proj")', "out"),
    "proj without bias": ('linear(out, weights, f"{name}.proj")', 'out @ weights[f"{name}.proj.weight"].T'),
    "proj transposed": (
        'linear(out, weights, f"{name}.proj")',
        'out @ weights[f"{name}.proj.weight"] + weights[f"{name}.proj.bias"]',
    ),
    "qkv without bias": ('linear(x, weights, f"{name}.qkv")', 'x @ weights[f"{name}.qkv.weight"].T'),
    "name written in": ('f"{name}.qkv"', '"attention.qkv"'),
    "name of proj written in": ('f"{name}.proj"', '"attention.proj"'),
    "residual": ('linear(out, weights, f"{name}.proj")', 'x + linear(out, weights, f"{name}.proj")'),
    "norm first": ('(x, weights, f"{name}.qkv"', '(F.layer_norm(x, (d,)), weights, f"{name}.qkv"'),
    "over the batch": ('(x, weights, f"{name}.qkv"', '(x.transpose(0, 1).reshape(b, l, d), weights, f"{name}.qkv"'),
    "weights detached": ("linear(x, weights, f", "linear(x, {k: w.detach() for k, w in weights.items()}, f"),
    "proj detached": ("linear(out, weights, f", "linear(out, {k: w.detach() for k, w in weights.items()}, f"),
    "x detached": ('(x, weights, f"{name}.qkv"', '(x.detach(), weights, f"{name}.qkv"'),
    "attention detached": ("attend(q, k, v)\n    out =", "attend(q, k, v).detach()\n    out ="),
    "keys detached": ("attend(q, k, v)\n    out =", "attend(q, k.detach(), v)\n    out ="),
    "float64": ('linear(out, weights, f"{name}.proj")', 'linear(out, weights, f"{name}.proj").double()'),
    "bfloat16 and back": ("attend(q, k, v)\n    out =", "attend(q, k, v).bfloat16().to(x.dtype)\n    out ="),
    "squeezed": ('linear(out, weights, f"{name}.proj")', 'linear(out, weights, f"{name}.proj").squeeze()'),
    "pops the weights": (
        'linear(out, weights, f"{name}.proj")',
        'linear(out, weights, f"{name}.proj") + 0 * weights.pop(f"{name}.proj.bias")',
    ),
    "mean of the heads": (
        MERGE,
        "out.mean(1, keepdim=True).expand(-1, heads, -1, -1).transpose(1, 2).reshape(b, l, d)",
    ),
    "heads backwards": (MERGE, "out.flip(1).transpose(1, 2).reshape(b, l, d)"),
    "scaled by the root of d": ("attend(q, k, v)\n    out =", "attend(q / heads**0.5, k, v)\n    out ="),
    "scaled twice": ("attend(q, k, v)\n    out =", "attend(q / q.shape[-1]**0.5, k, v)\n    out ="),
    "one token comes back as it is": ("    b, l, d = x.shape", "    b, l, d = x.shape\n    if l == 1: return x"),
    "d is 12": (MERGE, "out.transpose(1, 2).reshape(b, l, 12)"),
    "weights kept": ("    qkv =", "    weights = kept.setdefault((name, d), dict(weights))\n    qkv ="),
}
for name, edit in HEADS.items():
    wrong(f"mh: {name}", edit, base="kept = {}\n" + BASE)
wrong("at: no scale; mh: no proj", (SCALE, ""), HEADS["no proj"])
wrong(
    "at: softmax over the queries; mh: merge without moving",
    ATTEND["softmax over the queries"],
    HEADS["merge without moving"],
)
for name, add in nasties("attend", "q, k, v", "v.mean(-2, keepdim=True) + 0 * q[..., :1]", "(v + 0)").items():
    wrong(name, add=add, base=OWN)
for name, add in list(nasties("multi_head", "x, weights, name, heads", "x * 2", "(x * 2)").items())[::5]:
    wrong(name, add=add)

right = Answers(BASE)
right("steps")
right("fused", base=OWN)
right("fused in both", add="attend = F.scaled_dot_product_attention")
right("fused by a function", add="def attend(q, k, v): return F.scaled_dot_product_attention(q, k, v)")
right("mT", ("k.transpose(-2, -1)", "k.mT"))
right(
    "einsum",
    ("q @ k.transpose(-2, -1)", 'torch.einsum("...le,...se->...ls", q, k)'),
    (OUT, 'torch.einsum("...ls,...sf->...lf", look, v)'),
)
right(
    "softmax by hand", (LOOK, "(lambda z: z / z.sum(-1, keepdim=True))((scores - scores.amax(-1, keepdim=True)).exp())")
)
right("logsumexp", (LOOK, "(scores - scores.logsumexp(-1, keepdim=True)).exp()"))
right("scaled queries", ("q @ k", "(q * q.shape[-1]**-0.5) @ k"), (SCALE, ""))
right("scale halved between q and k", ("q @ k", "(q / q.shape[-1]**0.25) @ (k / k.shape[-1]**0.25)"), (SCALE, ""))
right("math.sqrt", (SCALE, " / math.sqrt(k.size(-1))"))
right(
    "a loop over queries",
    add="""
def attend(q, k, v):
    rows = [((q[..., i:i + 1, :] * k).sum(-1, keepdim=True) / q.shape[-1]**0.5).softmax(-2) for i in range(q.shape[-2])]
    return torch.stack([(row * v).sum(-2) for row in rows], -2)
""",
)
right(
    "online softmax over keys",
    add="""
def attend(q, k, v):
    top, total, out = q.new_full(q.shape[:-1], -torch.inf)[..., None], 0, 0
    for j in range(k.shape[-2]):
        score = (q * k[..., j:j + 1, :]).sum(-1, keepdim=True) / q.shape[-1]**0.5
        new = torch.maximum(top, score)
        keep, add = (top - new).exp(), (score - new).exp()
        total, out, top = total * keep + add, out * keep + add * v[..., j:j + 1, :], new
    return out / total
""",
)
right(
    "float64 and back",
    add="inner = attend\ndef attend(q, k, v): return inner(q.double(), k.double(), v.double()).to(v.dtype)",
)
right(
    "flattened to three axes and bmm",
    add="""
def attend(q, k, v):
    a, b, c = (y.reshape(-1, *y.shape[-2:]) for y in (q, k, v))
    return torch.bmm((torch.bmm(a, b.mT) * q.shape[-1]**-0.5).softmax(2), c).reshape(*q.shape[:-1], -1)
""",
)
right("nn.Softmax", (LOOK, "nn.Softmax(dim=-1)(scores)"))
right("chunk and reshape", (SPLIT, "(y.reshape(b, l, heads, -1).transpose(1, 2) for y in qkv.chunk(3, -1))"))
right(
    "einops",
    (SPLIT, 'rearrange(qkv, "b l (three h e) -> three b h l e", three=3, h=heads)'),
    (MERGE, 'rearrange(out, "b h l e -> b l (h e)")'),
)
right(
    "a loop over heads",
    add="""
def multi_head(x, weights, name, heads):
    q, k, v = (y.chunk(heads, -1) for y in linear(x, weights, f"{name}.qkv").chunk(3, -1))
    return linear(torch.cat([attend(*one) for one in zip(q, k, v)], -1), weights, f"{name}.proj")
""",
)
right(
    "bias of the keys left out, which softmax cannot see",
    (
        'linear(x, weights, f"{name}.qkv")',
        'F.linear(x, weights[f"{name}.qkv.weight"], weights[f"{name}.qkv.bias"] * (torch.arange(3 * d) // d != 1))',
    ),
)
right(
    "F.multi_head_attention_forward",
    add="""
def multi_head(x, weights, name, heads):
    y = x.transpose(0, 1)
    qkv, proj = ((weights[f"{name}.{part}.weight"], weights[f"{name}.{part}.bias"]) for part in ("qkv", "proj"))
    out = F.multi_head_attention_forward(y, y, y, x.shape[2], heads, *qkv, None, None, False, 0.0, *proj)[0]
    return out.transpose(0, 1)
""",
)
right(
    "vmap over heads",
    add="""
def multi_head(x, weights, name, heads):
    qkv = rearrange(linear(x, weights, f"{name}.qkv"), "b l (three h e) -> h three b l e", three=3, h=heads)
    out = torch.vmap(lambda one: attend(one[0], one[1], one[2]))(qkv)
    return linear(rearrange(out, "h b l e -> b l (h e)"), weights, f"{name}.proj")
""",
)

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
