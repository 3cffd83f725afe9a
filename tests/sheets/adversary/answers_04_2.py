"""04.2 multi_head, spatial_attention: answers by somebody who has not seen the bank."""

from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

LINEAR = """
def linear(x, weights, name):
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])
"""
BASE = (
    LINEAR
    + """
def multi_head(x, weights, name, heads):
    g, l, d = x.shape
    e = d // heads
    qkv = linear(x, weights, f"{name}.qkv")
    q, k, v = qkv.chunk(3, dim=-1)
    q = q.reshape(g, l, heads, e).transpose(1, 2)
    k = k.reshape(g, l, heads, e).transpose(1, 2)
    v = v.reshape(g, l, heads, e).transpose(1, 2)
    scores = q @ k.transpose(-2, -1) / e**0.5
    look = scores.softmax(dim=-1)
    out = look @ v
    out = out.transpose(1, 2).reshape(g, l, d)
    return linear(out, weights, f"{name}.proj")

def spatial_attention(x, weights, t, heads):
    b, tokens, width = x.shape
    n = (tokens - 1) // t
    cls, patches = x[:, :1], x[:, 1:]
    copies = cls.repeat_interleave(t, dim=0)
    frames = patches.reshape(b * t, n, width)
    both = torch.cat([copies, frames], dim=1)
    both = multi_head(both, weights, "spatial_attention.attention", heads)
    mean = both[:, 0].reshape(b, t, width).mean(dim=1, keepdim=True)
    return torch.cat([mean, both[:, 1:].reshape(b, t * n, width)], dim=1)
"""
)
FUSED = (
    LINEAR
    + """
def multi_head(x, weights, name, heads):
    qkv = linear(x, weights, f"{name}.qkv")
    q, k, v = rearrange(qkv, "g l (three head e) -> three g head l e", three=3, head=heads)
    out = F.scaled_dot_product_attention(q, k, v)
    return linear(rearrange(out, "g head l e -> g l (head e)"), weights, f"{name}.proj")

def spatial_attention(x, weights, t, heads):
    cls, patches = x[:, :1], x[:, 1:]
    copies = repeat(cls, "b one d -> (b t) one d", t=t)
    frames = torch.cat([copies, rearrange(patches, "b (t n) d -> (b t) n d", t=t)], dim=1)
    frames = multi_head(frames, weights, "spatial_attention.attention", heads)
    cls = reduce(frames[:, :1], "(b t) one d -> b one d", "mean", t=t)
    return torch.cat([cls, rearrange(frames[:, 1:], "(b t) n d -> b (t n) d", t=t)], dim=1)
"""
)
SCALED, LOOK, OUT, MERGE = " / e**0.5", "scores.softmax(dim=-1)", "look @ v", "out.transpose(1, 2).reshape(g, l, d)"
QKV, PROJ, COPIES = (
    'linear(x, weights, f"{name}.qkv")',
    'linear(out, weights, f"{name}.proj")',
    "cls.repeat_interleave(t, dim=0)",
)
FRAMES, MEAN = "patches.reshape(b * t, n, width)", "both[:, 0].reshape(b, t, width).mean(dim=1, keepdim=True)"
SPLIT = "g l (three head e) -> three g head l e"
PATCHES, CALL = (
    "both[:, 1:].reshape(b, t * n, width)",
    'multi_head(both, weights, "spatial_attention.attention", heads)',
)
LAST = f"    return torch.cat([mean, {PATCHES}], dim=1)\n"

wrong = Answers(BASE)
# multi_head: the scores.
wrong("mh: no scale", (SCALED, ""))
wrong("mh: scaled by the root of d, not of e", (SCALED, " / d**0.5"))
wrong("mh: scaled by the root of the heads", (SCALED, " / heads**0.5"))
wrong("mh: scaled by e, not by its root", (SCALED, " / e"))
wrong("mh: multiplied by the root of e", (SCALED, " * e**0.5"))
wrong("mh: scaled by the root of l", (SCALED, " / l**0.5"))
wrong("mh: scaled twice", ("q = q.reshape", "q = q / e**0.5\n    q = q.reshape"))
wrong("mh: scaled after the softmax", (SCALED, ""), (LOOK, "scores.softmax(dim=-1) / e**0.5"))
wrong("mh: scale of a head of 4 channels, always", (SCALED, " / 2"))
wrong("mh: sdpa with scale 1", ("(q, k, v)\n", "(q, k, v, scale=1.0)\n"), base=FUSED)
wrong("mh: softmax over the queries", (LOOK, "scores.softmax(dim=-2)"))
wrong("mh: softmax over the heads", (LOOK, "scores.softmax(dim=1)"))
wrong("mh: softmax over the groups", (LOOK, "scores.softmax(dim=0)"))
wrong("mh: softmax over everything", (LOOK, "scores.flatten(1).softmax(dim=-1).reshape(scores.shape)"))
wrong("mh: no softmax", (LOOK, "scores"))
wrong("mh: no softmax, divided by l", (LOOK, "scores / l"))
wrong("mh: sigmoid", (LOOK, "scores.sigmoid()"))
wrong("mh: log_softmax", (LOOK, "scores.log_softmax(dim=-1)"))
wrong("mh: softmax of minus the scores", (LOOK, "(-scores).softmax(dim=-1)"))
wrong("mh: softmax twice", (LOOK, "scores.softmax(dim=-1).softmax(dim=-1)"))
wrong("mh: exp without taking the maximum off", (LOOK, "scores.exp() / scores.exp().sum(dim=-1, keepdim=True)"))
wrong(
    "mh: exp over sum plus a thousandth",
    (LOOK, "(lambda z: z / (z.sum(-1, keepdim=True) + 1e-3))((scores - scores.amax(-1, keepdim=True)).exp())"),
)
wrong("mh: scores clamped at 5", (LOOK, "scores.clamp(-5, 5).softmax(dim=-1)"))
wrong("mh: causal", (LOOK, "scores.masked_fill(torch.ones(l, l).triu(1).bool(), -1e9).softmax(dim=-1)"))
wrong("mh: sdpa, causal", ("(q, k, v)\n", "(q, k, v, is_causal=True)\n"), base=FUSED)
wrong("mh: a token does not look at itself", (LOOK, "scores.masked_fill(torch.eye(l).bool(), -1e9).softmax(dim=-1)"))
wrong("mh: only the best key", (LOOK, "F.one_hot(scores.argmax(-1), l).to(x.dtype)"))
wrong("mh: dropout of a tenth", (LOOK, "F.dropout(scores.softmax(dim=-1), 0.1)"))
wrong("mh: sdpa with dropout", ("(q, k, v)\n", "(q, k, v, dropout_p=0.1)\n"), base=FUSED)
wrong("mh: uniform attention", (LOOK, "torch.full_like(scores, 1 / l)"))
wrong("mh: the weights transposed", (OUT, "look.transpose(-2, -1) @ v"))
wrong("mh: weights of head 0 for all heads", (OUT, "look[:, :1] @ v"))
wrong("mh: weights averaged over the heads", (OUT, "look.mean(1, keepdim=True) @ v"))
wrong("mh: last key left out", (OUT, "look[..., :-1] @ v[:, :, :-1]"))
# multi_head: queries, keys, values and heads.
wrong("mh: q and k exchanged", ("q, k, v = qkv", "k, q, v = qkv"))
wrong("mh: order q, v, k", ("q, k, v = qkv", "q, v, k = qkv"))
wrong("mh: order v, k, q", ("q, k, v = qkv", "v, k, q = qkv"))
wrong("mh: order k, v, q", ("q, k, v = qkv", "k, v, q = qkv"))
wrong("mh: q with q", ("q @ k.transpose", "q @ q.transpose"))
wrong("mh: keys for values", (OUT, "look @ k"))
wrong("mh: heads outside of q, k, v", (SPLIT, "g l (head three e) -> three g head l e"), base=FUSED)
wrong(
    "mh: channels of a head interleaved, split and merge",
    (SPLIT, "g l (three e head) -> three g head l e"),
    ("(head e)", "(e head)"),
    base=FUSED,
)
wrong("mh: channels of a head interleaved, split only", (SPLIT, "g l (three e head) -> three g head l e"), base=FUSED)
wrong("mh: channels of a head interleaved, merge only", ("(head e)", "(e head)"), base=FUSED)
wrong("mh: q, k, v innermost", (SPLIT, "g l (head e three) -> three g head l e"), base=FUSED)
wrong(
    "mh: values split otherwise than q and k",
    ("v.reshape(g, l, heads, e).transpose(1, 2)", "v.reshape(g, l, e, heads).permute(0, 3, 1, 2)"),
)
wrong(
    "mh: split without a transpose",
    ("q.reshape(g, l, heads, e).transpose(1, 2)", "q.reshape(g, heads, l, e)"),
    ("k.reshape(g, l, heads, e).transpose(1, 2)", "k.reshape(g, heads, l, e)"),
    ("v.reshape(g, l, heads, e).transpose(1, 2)", "v.reshape(g, heads, l, e)"),
    (MERGE, "out.reshape(g, l, d)"),
)
wrong("mh: merge without a transpose", (MERGE, "out.reshape(g, l, d)"))
wrong(
    "mh: heads look at heads, tokens left alone",
    ("q.reshape(g, l, heads, e).transpose(1, 2)", "q.reshape(g, l, heads, e)"),
    ("k.reshape(g, l, heads, e).transpose(1, 2)", "k.reshape(g, l, heads, e)"),
    ("v.reshape(g, l, heads, e).transpose(1, 2)", "v.reshape(g, l, heads, e)"),
    (MERGE, "out.reshape(g, l, d)"),
)
wrong("mh: one head", ("    e = d // heads", "    heads = 1\n    e = d"))
wrong("mh: as many heads as channels", ("    e = d // heads", "    heads = d\n    e = 1"))
wrong("mh: heads and e exchanged", ("    e = d // heads", "    e, heads = heads, d // heads"))
wrong("mh: 2 heads always", ("    e = d // heads", "    heads = 2\n    e = d // heads"))
wrong("mh: 4 heads always", ("    e = d // heads", "    heads = 4\n    e = d // heads"))
wrong("mh: 4 channels a head always", ("    e = d // heads", "    e = 4\n    heads = d // e"))
wrong("mh: d is 12 always", (MERGE, "out.transpose(1, 2).reshape(g, l, 12)"))
wrong(
    "mh: heads halved when even",
    ("    e = d // heads", "    heads = heads // 2 if heads % 2 == 0 else heads\n    e = d // heads"),
)
# multi_head: groups.
wrong(
    "mh: looks along the groups",
    (QKV, 'linear(x.transpose(0, 1), weights, f"{name}.qkv")'),
    ("    e = d // heads", "    e = d // heads\n    g, l = l, g"),
    (PROJ, 'linear(out.transpose(0, 1), weights, f"{name}.proj")'),
)
wrong(
    "mh: all groups as one",
    ("    g, l, d = x.shape", "    shape = x.shape\n    x = x.reshape(1, -1, shape[2])\n    g, l, d = x.shape"),
    (PROJ, PROJ + ".reshape(shape)"),
)
wrong("mh: keys and values of group 0 for all", (OUT, "look @ v[:1]"))
wrong("mh: one group only", (QKV, 'linear(x[:1], weights, f"{name}.qkv").expand(g, -1, -1)'))
wrong("mh: result squeezed", (PROJ, PROJ + ".squeeze()"))
wrong("mh: result squeezed on the groups", (PROJ, PROJ + ".squeeze(0)"))
wrong(
    "mh: a group of one token is left alone",
    ("    g, l, d = x.shape", "    if x.shape[1] == 1:\n        return x\n    g, l, d = x.shape"),
)
wrong("mh: right up to 8 tokens", (LOOK, "scores.softmax(dim=-1) if l <= 8 else torch.full_like(scores, 1 / l)"))
# multi_head: the maps.
wrong("mh: no proj", (PROJ, "out"))
wrong("mh: proj without bias", (PROJ, 'F.linear(out, weights[f"{name}.proj.weight"])'))
wrong("mh: qkv without bias", (QKV, 'F.linear(x, weights[f"{name}.qkv.weight"])'))
wrong(
    "mh: no bias at all",
    (QKV, 'F.linear(x, weights[f"{name}.qkv.weight"])'),
    (PROJ, 'F.linear(out, weights[f"{name}.proj.weight"])'),
)
wrong(
    "mh: bias on q only",
    (
        QKV,
        (
            'F.linear(x, weights[f"{name}.qkv.weight"], torch.cat([weights[f"{name}.qkv.bias"][:d], '
            "torch.zeros(2 * d, dtype=x.dtype)]))"
        ),
    ),
)
wrong(
    "mh: bias of v left out",
    (
        QKV,
        (
            'F.linear(x, weights[f"{name}.qkv.weight"], torch.cat([weights[f"{name}.qkv.bias"][:2 * d], '
            "torch.zeros(d, dtype=x.dtype)]))"
        ),
    ),
)
wrong("mh: bias of k left out and proj bias doubled", (PROJ, PROJ + ' + weights[f"{name}.proj.bias"]'))
wrong("mh: proj transposed", (PROJ, 'out @ weights[f"{name}.proj.weight"] + weights[f"{name}.proj.bias"]'))
wrong(
    "mh: qkv weight read as (d, 3d)",
    (QKV, 'x @ weights[f"{name}.qkv.weight"].reshape(d, 3 * d) + weights[f"{name}.qkv.bias"]'),
)
wrong("mh: proj twice", (PROJ, "linear(" + PROJ + ', weights, f"{name}.proj")'))
wrong(
    "mh: proj before the merge of heads",
    ("    out = " + MERGE, '    out = linear(out.reshape(g, l, d), weights, f"{name}.proj")'),
    (PROJ, "out"),
)
wrong("mh: residual added", (PROJ, PROJ + " + x"))
wrong(
    "mh: name written into the function",
    (QKV, 'linear(x, weights, "spatial_attention.attention.qkv")'),
    (PROJ, 'linear(out, weights, "spatial_attention.attention.proj")'),
)
wrong("mh: name of proj written into the function", (PROJ, 'linear(out, weights, "spatial_attention.attention.proj")'))
wrong(
    "mh: the first weights of the dict",
    (QKV, "F.linear(x, *list(weights.values())[:2])"),
    (PROJ, "F.linear(out, *list(weights.values())[2:4])"),
)
wrong("mh: layer norm first", (QKV, 'linear(F.layer_norm(x, (d,)), weights, f"{name}.qkv")'))
wrong(
    "mh: queries and keys of length 1",
    ("    scores = q @", "    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)\n    scores = q @"),
)
wrong("mh: returns the weights as well", (f"    return {PROJ}", f"    return {PROJ}, look"))
wrong("mh: returns (g, d, l)", (PROJ, PROJ + ".transpose(1, 2)"))
wrong("mh: returns the weights alone", (f"    return {PROJ}", "    return look"))
# multi_head: gradients, types, state.
wrong("mh: detached", (PROJ, PROJ + ".detach()"))
wrong("mh: input detached", (QKV, 'linear(x.detach(), weights, f"{name}.qkv")'))
wrong("mh: attention weights detached", (LOOK, LOOK + ".detach()"))
wrong("mh: values detached", (OUT, "look @ v.detach()"))
wrong("mh: keys detached", ("q @ k.transpose", "q @ k.detach().transpose"))
wrong(
    "mh: qkv weight detached", (QKV, 'F.linear(x, weights[f"{name}.qkv.weight"].detach(), weights[f"{name}.qkv.bias"])')
)
wrong(
    "mh: qkv bias detached", (QKV, 'F.linear(x, weights[f"{name}.qkv.weight"], weights[f"{name}.qkv.bias"].detach())')
)
wrong(
    "mh: proj weight detached",
    (PROJ, 'F.linear(out, weights[f"{name}.proj.weight"].detach(), weights[f"{name}.proj.bias"])'),
)
wrong(
    "mh: proj bias detached",
    (PROJ, 'F.linear(out, weights[f"{name}.proj.weight"], weights[f"{name}.proj.bias"].detach())'),
)
wrong("mh: all weights detached", (QKV, 'linear(x, {k: w.detach() for k, w in weights.items()}, f"{name}.qkv")'))
wrong("mh: scores under no_grad", ("    scores = q @ k", "    with torch.no_grad(): scores = q @ k"))
wrong("mh: gradient doubled", (PROJ, f"(lambda y: 2 * y - y.detach())({PROJ})"))
wrong(
    "mh: nn.Linear filled with copies of the weights",
    (
        PROJ,
        (
            '(lambda m: (m.load_state_dict({"weight": weights[f"{name}.proj.weight"], "bias": '
            'weights[f"{name}.proj.bias"]}), m.to(x.dtype)(out))[1])(nn.Linear(d, d))'
        ),
    ),
)
wrong("mh: in float16", (OUT, "(look.half() @ v.half()).to(x.dtype)"))
wrong("mh: in bfloat16", (OUT, "(look.bfloat16() @ v.bfloat16()).to(x.dtype)"))
wrong("mh: returns bfloat16", (PROJ, PROJ + ".bfloat16()"))
wrong("mh: returns float64", (PROJ, PROJ + ".double()"))
wrong(
    "mh: weights kept from the first call",
    add="""
kept = {}
first = multi_head
def multi_head(x, weights, name, heads):
    return first(x, kept.setdefault((name, x.shape[2]), dict(weights)), name, heads)
""",
)
wrong(
    "mh: result kept by shape",
    add="""
kept = {}
first = multi_head
def multi_head(x, weights, name, heads):
    return kept.setdefault((name, x.shape, heads), first(x, weights, name, heads))
""",
)
wrong(
    "mh: takes the weights out of the dict",
    (PROJ, 'F.linear(out, weights.pop(f"{name}.proj.weight"), weights.pop(f"{name}.proj.bias"))'),
)
wrong("mh: writes q into the dict", (PROJ, f'(weights.__setitem__("q", q), {PROJ})[1]'))
wrong(
    "mh: zeroes the input in place",
    (f"    return {PROJ}", f"    y = {PROJ}\n    with torch.no_grad(): x.zero_()\n    return y"),
)
wrong(
    "mh: scales the weight in place",
    (f"    return {PROJ}", f'    y = {PROJ}\n    weights[f"{{name}}.qkv.weight"].data.mul_(0.5)\n    return y'),
)
# spatial_attention: CLS.
wrong("sp: repeat for repeat_interleave", (COPIES, "cls.repeat(t, 1, 1)"))
wrong("sp: (t b) copies by einops", ("-> (b t) one d", "-> (t b) one d"), base=FUSED)
wrong("sp: expand, clip fastest", (COPIES, "cls[None].expand(t, b, 1, width).reshape(b * t, 1, width)"))
wrong("sp: CLS of clip 0 for all", (COPIES, "cls[:1].repeat(b * t, 1, 1)"))
wrong("sp: copies summed", ("mean(dim=1, keepdim=True)", "sum(dim=1, keepdim=True)"))
wrong("sp: copy of frame 0 kept", ("mean(dim=1, keepdim=True)", "select(1, 0)[:, None]"))
wrong("sp: copy of the last frame kept", ("mean(dim=1, keepdim=True)", "select(1, -1)[:, None]"))
wrong("sp: maximum of the copies", ("mean(dim=1, keepdim=True)", "amax(dim=1, keepdim=True)"))
wrong("sp: median of the copies", ("mean(dim=1, keepdim=True)", "median(dim=1, keepdim=True).values"))
wrong(
    "sp: running half of the copies",
    (MEAN, "functools.reduce(lambda u, v: (u + v) / 2, both[:, 0].reshape(b, t, width).unbind(1))[:, None]"),
)
wrong("sp: mean over copies grouped as (t b)", (MEAN, "both[:, 0].reshape(t, b, width).mean(dim=0)[:, None]"))
wrong(
    "sp: repeat, and mean grouped as (t b)",
    (COPIES, "cls.repeat(t, 1, 1)"),
    (MEAN, "both[:, 0].reshape(t, b, width).mean(dim=0)[:, None]"),
)
wrong("sp: mean over all clips", (MEAN, "both[:, :1].mean(dim=0, keepdim=True).expand(b, 1, width)"))
wrong("sp: mean divides by n", (MEAN, "both[:, 0].reshape(b, t, width).sum(dim=1, keepdim=True) / n"))
wrong("sp: mean divides by t - 1", (MEAN, "both[:, 0].reshape(b, t, width).sum(dim=1, keepdim=True) / max(t - 1, 1)"))
wrong("sp: mean of patches as CLS", (MEAN, "both[:, 1:].reshape(b, t * n, width).mean(dim=1, keepdim=True)"))
wrong("sp: CLS stays outside, returned as it was", ("mean = " + MEAN, "mean = cls"))
wrong("sp: CLS stays outside, update zero", ("mean = " + MEAN, "mean = torch.zeros_like(cls)"))
wrong(
    "sp: patches do not see CLS",
    (
        LAST,
        (
            '    alone = multi_head(frames, weights, "spatial_attention.attention", heads)\n    return '
            "torch.cat([mean, alone.reshape(b, t * n, width)], dim=1)\n"
        ),
    ),
)
wrong("sp: CLS sees all frames at once", (MEAN, 'multi_head(x, weights, "spatial_attention.attention", heads)[:, :1]'))
wrong("sp: CLS comes last", (LAST, f"    return torch.cat([{PATCHES}, mean], dim=1)\n"))
wrong(
    "sp: CLS behind the patches, read in front",
    ("torch.cat([copies, frames], dim=1)", "torch.cat([frames, copies], dim=1)"),
)
wrong("sp: CLS dropped from the result", (LAST, f"    return {PATCHES}\n"))
wrong("sp: CLS divided among the copies", (COPIES, COPIES + " / t"))
wrong("sp: one CLS for the whole batch, averaged first", (COPIES, "cls.mean(0, keepdim=True).expand(b * t, 1, width)"))
wrong("sp: copies are frame means", (COPIES, "patches.reshape(b * t, n, width).mean(1, keepdim=True)"))
wrong(
    "sp: mean without its axis, broadcast over the batch",
    (MEAN, "both[:, 0].reshape(b, t, width).mean(dim=(0, 1)).expand(b, 1, width)"),
)
wrong("sp: CLS added to every patch", (LAST, f"    return torch.cat([mean, {PATCHES} + mean], dim=1)\n"))
# spatial_attention: frames.
wrong(
    "sp: tubes instead of frames",
    (FRAMES, 'rearrange(patches, "b (t n) d -> (b n) t d", t=t)'),
    (COPIES, "cls.repeat_interleave(n, dim=0)"),
    (MEAN, "both[:, 0].reshape(b, n, width).mean(dim=1, keepdim=True)"),
    (PATCHES, 'rearrange(both[:, 1:], "(b n) t d -> b (t n) d", b=b)'),
)
wrong(
    "sp: time taken as the fast axis, there and back",
    (FRAMES, 'rearrange(patches, "b (n t) d -> (b t) n d", t=t)'),
    (PATCHES, 'rearrange(both[:, 1:], "(b t) n d -> b (n t) d", b=b)'),
)
wrong("sp: time fast on the way back only", (PATCHES, 'rearrange(both[:, 1:], "(b t) n d -> b (n t) d", b=b)'))
wrong(
    "sp: (t b) frames, there and back",
    (FRAMES, 'rearrange(patches, "b (t n) d -> (t b) n d", t=t)'),
    (PATCHES, 'rearrange(both[:, 1:], "(t b) n d -> b (t n) d", b=b)'),
)
wrong(
    "sp: all frames together",
    (FRAMES, "patches.repeat_interleave(t, dim=0)"),
    (PATCHES, "both[:, 1:].reshape(b, t, t * n, width).mean(1)"),
)
wrong("sp: plain attention over x", (LAST, '    return multi_head(x, weights, "spatial_attention.attention", heads)\n'))
wrong(
    "sp: frames backwards in the result",
    (PATCHES, "both[:, 1:].reshape(b, t, n, width).flip(1).reshape(b, t * n, width)"),
)
wrong("sp: n counted with CLS, last patch lost", ("patches = x[:, :1], x[:, 1:]", "patches = x[:, :1], x[:, :-1]"))
wrong("sp: patches exchanged with frame 0's", (FRAMES, "patches[:, :n].repeat_interleave(t, dim=0)"))
wrong("sp: 2 frames always", ("    n = (tokens", "    t = 2\n    n = (tokens"))
wrong("sp: 3 frames always", ("    n = (tokens", "    t = 3\n    n = (tokens"))
wrong("sp: 4 patches a frame always", ("    n = (tokens - 1) // t", "    n = 4\n    t = (tokens - 1) // n"))
wrong("sp: heads written in as 2", (CALL, CALL.replace("heads)", "2)")))
wrong("sp: heads written in as 4", (CALL, CALL.replace("heads)", "4)")))
wrong("sp: 1 head", (CALL, CALL.replace("heads)", "1)")))
wrong("sp: t for heads", (CALL, CALL.replace("heads)", "t)")))
wrong("sp: one clip only", ("    n = (tokens", "    x = x[:1]\n    b = 1\n    n = (tokens"))
wrong("sp: weights of temporal_attention", ('"spatial_attention.attention"', '"temporal_attention.attention"'))
wrong("sp: another name in the dict", ('"spatial_attention.attention"', '"spatial_attention"'))
wrong("sp: residual added", (LAST, f"    return x + torch.cat([mean, {PATCHES}], dim=1)\n"))
wrong("sp: residual on the patches", (LAST, f"    return torch.cat([mean, patches + {PATCHES}], dim=1)\n"))
wrong("sp: attends twice", (CALL, CALL.replace("multi_head(both,", f"multi_head({CALL},")))
wrong("sp: returns the frames", (LAST, "    return both\n"))
wrong("sp: returns CLS and patches apart", (LAST, f"    return mean, {PATCHES}\n"))
wrong("sp: squeezed", (LAST, f"    return torch.cat([mean, {PATCHES}], dim=1).squeeze()\n"))
wrong("sp: copies detached", (COPIES, COPIES + ".detach()"))
wrong(
    "sp: copies after the first detached",
    (
        MEAN,
        (
            "torch.cat([both[:, 0].reshape(b, t, width)[:, :1], both[:, 0].reshape(b, t, width)[:, "
            "1:].detach()], 1).mean(1, keepdim=True)"
        ),
    ),
)
wrong("sp: mean detached", (MEAN, MEAN + ".detach()"))
wrong("sp: patches detached", (FRAMES, FRAMES + ".detach()"))
wrong("sp: weights detached", ('weights, "spatial', '{k: w.detach() for k, w in weights.items()}, "spatial'))
wrong("sp: in float16", (CALL, CALL + ".half().to(x.dtype)"))
wrong("sp: returns float64", (LAST, f"    return torch.cat([mean, {PATCHES}], dim=1).double()\n"))
wrong(
    "sp: writes into x",
    (LAST, f"    with torch.no_grad():\n        x[:, :1] = mean\n    return torch.cat([mean, {PATCHES}], dim=1)\n"),
)
wrong("sp: right for one frame only", (COPIES, "cls.repeat(t, 1, 1)"), (MEAN, "both[:, 0].reshape(b, t, width)[:, :1]"))
wrong(
    "sp: views, fails on x that is not contiguous",
    ("patches = x[:, :1], x[:, 1:]", "patches = x[:, :1], x.view(-1, width).view(b, tokens, width)[:, 1:]"),
)
# Two mistakes at once.
wrong("mh: no scale and no proj bias", (SCALED, ""), (PROJ, 'F.linear(out, weights[f"{name}.proj.weight"])'))
wrong("mh: no scale; sp: repeat", (SCALED, ""), (COPIES, "cls.repeat(t, 1, 1)"))
wrong("sp: repeat and sum", (COPIES, "cls.repeat(t, 1, 1)"), ("mean(dim=1, keepdim=True)", "sum(dim=1, keepdim=True)"))
wrong(
    "sp: copy of frame 0 kept, residual added",
    ("mean(dim=1, keepdim=True)", "select(1, 0)[:, None]"),
    (LAST, f"    return x + torch.cat([mean, {PATCHES}], dim=1)\n"),
)
wrong(
    "mh: q and k exchanged and softmax over the queries",
    ("q, k, v = qkv", "k, q, v = qkv"),
    (LOOK, "scores.softmax(dim=-2)"),
)
wrong(
    "mh: one head; sp: CLS outside",
    ("    e = d // heads", "    heads = 1\n    e = d"),
    ("mean = " + MEAN, "mean = cls"),
)
for name, add in nasties("multi_head", "x, weights, name, heads", "x * 2", "(x * 2)").items():
    wrong(name, add=add)
for name, add in list(nasties("spatial_attention", "x, weights, t, heads", "x * 2", "(x * 2)").items())[::4]:
    wrong(name, add=add)

right = Answers(BASE)
right("steps")
right("fused attention and einops", base=FUSED)
right("split by d", ("qkv.chunk(3, dim=-1)", "qkv.split(d, dim=-1)"))
right(
    "three maps from slices",
    (
        QKV,
        (
            'torch.cat([F.linear(x, weights[f"{name}.qkv.weight"][i * d:i * d + d], '
            'weights[f"{name}.qkv.bias"][i * d:i * d + d]) for i in range(3)], -1)'
        ),
    ),
)
right(
    "a loop over heads",
    add="""
def multi_head(x, weights, name, heads):
    d = x.shape[2]; e = d // heads
    qkv = linear(x, weights, f"{name}.qkv")
    out = []
    for h in range(heads):
        q, k, v = (qkv[..., i * d + h * e:i * d + h * e + e] for i in range(3))
        out.append((q @ k.mT * e ** -0.5).softmax(-1) @ v)
    return linear(torch.cat(out, -1), weights, f"{name}.proj")
""",
)
right(
    "loops over groups and heads",
    add="""
def multi_head(x, weights, name, heads):
    groups = []
    for tokens in x:
        q, k, v = linear(tokens, weights, f"{name}.qkv").chunk(3, -1)
        parts = []
        for a, b, c in zip(q.chunk(heads, 1), k.chunk(heads, 1), v.chunk(heads, 1)):
            parts.append(torch.softmax(a @ b.T / math.sqrt(a.shape[1]), 1) @ c)
        groups.append(linear(torch.cat(parts, 1), weights, f"{name}.proj"))
    return torch.stack(groups)
""",
)
right(
    "einsum",
    ("q @ k.transpose(-2, -1)", 'torch.einsum("ghie,ghje->ghij", q, k)'),
    (OUT, 'torch.einsum("ghij,ghje->ghie", look, v)'),
)
right(
    "F.multi_head_attention_forward",
    add="""
def multi_head(x, weights, name, heads):
    w = weights
    y = x.transpose(0, 1)
    qkv, proj = ((w[f"{name}.{part}.weight"], w[f"{name}.{part}.bias"]) for part in ("qkv", "proj"))
    out, _ = F.multi_head_attention_forward(y, y, y, x.shape[2], heads, *qkv, None, None, False, 0.0, *proj)
    return out.transpose(0, 1)
""",
)
right(
    "nn.MultiheadAttention through functional_call",
    add="""
def multi_head(x, weights, name, heads):
    module = nn.MultiheadAttention(x.shape[2], heads, batch_first=True)
    given = {"in_proj_weight": weights[f"{name}.qkv.weight"], "in_proj_bias": weights[f"{name}.qkv.bias"],
             "out_proj.weight": weights[f"{name}.proj.weight"], "out_proj.bias": weights[f"{name}.proj.bias"]}
    return torch.func.functional_call(module, given, (x, x, x))[0]
""",
)
right(
    "softmax by hand, maximum taken off",
    (LOOK, "(lambda z: z / z.sum(-1, keepdim=True))((scores - scores.amax(-1, keepdim=True)).exp())"),
)
right("softmax by logsumexp", (LOOK, "(scores - scores.logsumexp(-1, keepdim=True)).exp()"))
right("scaled before the product", ("q @ k.transpose", "(q / e**0.25) @ (k / e**0.25).transpose"), (SCALED, ""))
right(
    "float64 and back",
    add="""
inner = multi_head
def multi_head(x, weights, name, heads):
    return inner(x.double(), {k: w.double() for k, w in weights.items()}, name, heads).to(x.dtype)
""",
)
right(
    "baddbmm over flattened heads",
    (
        "q @ k.transpose(-2, -1) / e**0.5",
        (
            "torch.baddbmm(x.new_zeros(1, 1, 1), q.reshape(-1, l, e), k.reshape(-1, l, e).mT, "
            "alpha=e**-0.5).reshape(g, heads, l, l)"
        ),
    ),
)
right(
    "vmap over heads",
    add="""
def multi_head(x, weights, name, heads):
    qkv = rearrange(linear(x, weights, f"{name}.qkv"), "g l (three h e) -> h three g l e", three=3, h=heads)
    out = torch.vmap(lambda one: (one[0] @ one[1].mT / one.shape[-1] ** 0.5).softmax(-1) @ one[2])(qkv)
    return linear(rearrange(out, "h g l e -> g l (h e)"), weights, f"{name}.proj")
""",
)
right(
    "proj summed over heads",
    add="""
def multi_head(x, weights, name, heads):
    q, k, v = rearrange(linear(x, weights, f"{name}.qkv"), "g l (three h e) -> three h g l e", three=3, h=heads)
    w = weights[f"{name}.proj.weight"].chunk(heads, dim=1)
    out = weights[f"{name}.proj.bias"]
    for h in range(heads):
        out = out + (q[h] @ k[h].mT / q.shape[-1] ** 0.5).softmax(-1) @ v[h] @ w[h].T
    return out
""",
)
right(
    "the maps as 1x1 convolutions",
    (QKV, 'F.conv1d(x.mT, weights[f"{name}.qkv.weight"][..., None], weights[f"{name}.qkv.bias"]).mT'),
)
right(
    "a mask of ones for sdpa",
    ("(q, k, v)\n", "(q, k, v, attn_mask=torch.ones(q.shape[2], q.shape[2], dtype=torch.bool))\n"),
    base=FUSED,
)
right(
    "channels permuted together in q and k", ("    scores = q @", "    q, k = q.flip(-1), k.flip(-1)\n    scores = q @")
)
right(
    "keys and values in another order together",
    ("    scores = q @", "    k, v = k.flip(2), v.flip(2)\n    scores = q @"),
)
right(
    "queries in blocks of two",
    ("look = " + LOOK, "look = torch.cat([s.softmax(-1) for s in scores.split(2, dim=2)], 2)"),
)
right(
    "bias times ones",
    (QKV, 'F.linear(x, weights[f"{name}.qkv.weight"], weights[f"{name}.qkv.bias"] * torch.ones(3 * d, dtype=x.dtype))'),
)
right(
    "bias of the keys left out, which softmax cannot see",
    (QKV, 'F.linear(x, weights[f"{name}.qkv.weight"], weights[f"{name}.qkv.bias"] * (torch.arange(3 * d) // d != 1))'),
)
right(
    "CLS behind the patches, read there",
    ("torch.cat([copies, frames], dim=1)", "torch.cat([frames, copies], dim=1)"),
    ("both[:, 0].reshape", "both[:, -1].reshape"),
    ("both[:, 1:].reshape", "both[:, :-1].reshape"),
)
right("expand", (COPIES, "cls.expand(b, t, width).reshape(b * t, 1, width)"))
right("copies by index", (COPIES, "cls[torch.arange(b * t) // t]"))
right("copies stacked", (COPIES, "torch.stack([cls] * t, dim=1).flatten(0, 1)"))
right("kron with ones", (COPIES, "torch.kron(cls, torch.ones(t, 1, 1, dtype=x.dtype))"))
right(
    "a loop over frames",
    add="""
def spatial_attention(x, weights, t, heads):
    cls, patches, n = x[:, :1], x[:, 1:], (x.shape[1] - 1) // t
    total, out = 0, []
    for f in range(t):
        frame = torch.cat([cls, patches[:, f * n:(f + 1) * n]], 1)
        y = multi_head(frame, weights, "spatial_attention.attention", heads)
        total = total + y[:, :1]
        out.append(y[:, 1:])
    return torch.cat([total / t, *out], 1)
""",
)
right(
    "a loop over clips and frames",
    add="""
def spatial_attention(x, weights, t, heads):
    clips = []
    for clip in x:
        frames = [torch.cat([clip[:1], part])[None] for part in clip[1:].chunk(t)]
        ys = [multi_head(frame, weights, "spatial_attention.attention", heads)[0] for frame in frames]
        clips.append(torch.cat([torch.stack([y[0] for y in ys]).mean(0, keepdim=True), *[y[1:] for y in ys]]))
    return torch.stack(clips)
""",
)
right(
    "frames as (t b), everywhere",
    (FRAMES, 'rearrange(patches, "b (t n) d -> (t b) n d", t=t)'),
    (COPIES, "cls.repeat(t, 1, 1)"),
    (MEAN, "both[:, 0].reshape(t, b, width).mean(dim=0)[:, None]"),
    (PATCHES, 'rearrange(both[:, 1:], "(t b) n d -> b (t n) d", b=b)'),
)
right(
    "one masked attention over all copies",
    add="""
def spatial_attention(x, weights, t, heads):
    b, l, d = x.shape
    n = (l - 1) // t
    y = torch.cat([x[:, :1].expand(b, t, d), x[:, 1:]], 1)
    frame = torch.cat([torch.arange(t), torch.arange(t).repeat_interleave(n)])
    mask = frame[:, None] == frame[None]
    name = "spatial_attention.attention"
    q, k, v = rearrange(linear(y, weights, f"{name}.qkv"), "b l (three h e) -> three b h l e", three=3, h=heads)
    z = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    z = linear(rearrange(z, "b h l e -> b l (h e)"), weights, f"{name}.proj")
    return torch.cat([z[:, :t].mean(1, keepdim=True), z[:, t:]], 1)
""",
)
right(
    "mean as a product with 1/t", (MEAN, "(torch.full((1, t), 1 / t, dtype=x.dtype) @ both[:, 0].reshape(b, t, width))")
)
right(
    "result written into an empty tensor",
    (LAST, f"    out = x.new_empty(x.shape)\n    out[:, :1] = mean\n    out[:, 1:] = {PATCHES}\n    return out\n"),
)

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
