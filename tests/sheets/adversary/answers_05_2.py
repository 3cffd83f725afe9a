"""05.2 encode, factorised_encoder: wrong answers of every kind, right ones in other styles."""

from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

GIVEN = """
def linear(x, weights, name):
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

def norm(x, weights, name):
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)

def block(x, weights, name, heads):
    g, l, d = x.shape
    qkv = linear(norm(x, weights, f"{name}.attention_norm"), weights, f"{name}.attention.qkv")
    q, k, v = (z.reshape(g, l, heads, d // heads).transpose(1, 2) for z in qkv.chunk(3, dim=-1))
    look = (q @ k.mT / (d // heads) ** 0.5).softmax(dim=-1)
    x = x + linear((look @ v).transpose(1, 2).reshape(g, l, d), weights, f"{name}.attention.proj")
    hidden = linear(norm(x, weights, f"{name}.mlp_norm"), weights, f"{name}.mlp.0")
    return x + linear(F.gelu(hidden, approximate="tanh"), weights, f"{name}.mlp.2")
"""
BASE = (
    GIVEN
    + """
kept = {}

def encode(x, weights, name, depth, heads):
    g, l, d = tuple(x.shape)
    cls = weights[f"{name}.cls"].reshape(1, 1, d).repeat(g, 1, 1)
    table = weights[f"{name}.positions.table"]
    x = torch.cat([cls, x], dim=1)
    x = x + table
    for i in range(depth):
        x = block(x, weights, f"{name}.blocks.{i}", heads)
    x = norm(x, weights, f"{name}.norm")
    return x[:, 0]

def factorised_encoder(tokens, weights, t, depths, heads):
    b, l, d = tokens.shape
    n = l // t
    frames = tokens.reshape(b * t, n, d)
    steps = encode(frames, weights, "spatial_encoder", depths[0], heads)
    steps = steps.reshape(b, t, d)
    return encode(steps, weights, "temporal_encoder", depths[1], heads)
"""
)
FRONT, PLACED, LAST, READ = "torch.cat([cls, x], dim=1)", "x = x + table", 'norm(x, weights, f"{name}.norm")', "x[:, 0]"
CLS, LOOP, BLOCK = ".repeat(g, 1, 1)", "for i in range(depth):", 'block(x, weights, f"{name}.blocks.{i}", heads)'
START = "    g, l, d = tuple(x.shape)\n"
wrong = Answers(BASE)
for name, edits in {
    "CLS behind the tokens": [(FRONT, "torch.cat([x, cls], dim=1)"), (READ, "x[:, -1]")],
    "CLS behind with its row, no last norm": [
        (FRONT, "torch.cat([x, cls], dim=1)"),
        (READ, "x[:, -1]"),
        (PLACED, "x = x + torch.cat([table[1:], table[:1]])"),
    ]
    + [(LAST, "x")],
    "CLS in front, last token read": [(READ, "x[:, -1]")],
    "no positions": [(PLACED, "x = x + 0 * table")],
    "positions left out": [(PLACED, "x = x")],
    "CLS without its row": [(PLACED, "x = torch.cat([x[:, :1], x[:, 1:] + table[1:]], dim=1)")],
    "positions of CLS alone": [(PLACED, "x = torch.cat([x[:, :1] + table[:1], x[:, 1:]], dim=1)")],
    "rows 0 to l - 1 for the tokens": [(FRONT, "torch.cat([cls, x + table[:-1]], dim=1)"), (PLACED, "x = x")],
    "table turned round": [(PLACED, "x = x + table.flip(0)")],
    "table twice": [(PLACED, "x = x + 2 * table")],
    "table subtracted": [(PLACED, "x = x - table")],
    "table multiplied": [(PLACED, "x = x * table")],
    "table before every block": [(LOOP, LOOP + "\n        x = x + (table if i else 0)")],
    "positions after the blocks": [(PLACED, "x = x"), (LAST, 'norm(x + table, weights, f"{name}.norm")')],
    "one row for all tokens": [(PLACED, "x = x + table.mean(0)")],
    "CLS of zeros": [(CLS, ".repeat(g, 1, 1) * 0")],
    "CLS the mean of the tokens": [(FRONT, "torch.cat([x.mean(1, keepdim=True), x], dim=1)")],
    "CLS plus the mean of the tokens": [(FRONT, "torch.cat([cls + x.mean(1, keepdim=True), x], dim=1)")],
    "CLS scaled": [(CLS, ".repeat(g, 1, 1) * d**0.5")],
    "tokens scaled": [(FRONT, "torch.cat([cls, x * d**0.5], dim=1)")],
    "CLS of one sequence": [(CLS, ".repeat(g, 1, 1) * (torch.arange(g) == 0)[:, None, None]")],
    "mean of all": [(READ, "x.mean(1)")],
    "mean of the tokens": [(READ, "x[:, 1:].mean(1)")],
    "largest of all": [(READ, "x.amax(1)")],
    "sum of all": [(READ, "x.sum(1)")],
    "first token after CLS": [(READ, "x[:, 1]")],
    "no last norm": [(LAST, "x")],
    "last norm twice": [(LAST, 'norm(norm(x, weights, f"{name}.norm"), weights, f"{name}.norm")')],
    "last norm without scale and shift": [(LAST, "F.layer_norm(x, (d,), eps=1e-6)")],
    "last norm, scale alone": [(LAST, LAST.replace("norm(x", "norm(x", 1) + ' - weights[f"{name}.norm.bias"]')],
    "last norm of block 0": [(LAST, 'norm(x, weights, f"{name}.blocks.0.mlp_norm")')],
    "last norm over tokens and channels": [
        (LAST, 'F.layer_norm(x, x.shape[1:], eps=1e-6) * weights[f"{name}.norm.weight"] + weights[f"{name}.norm.bias"]')
    ],
    "norm before the blocks": [(PLACED, 'x = norm(x + table, weights, f"{name}.norm")')],
    "norm behind every block": [(BLOCK, f'norm({BLOCK}, weights, f"{{name}}.norm")')],
    "eps 1e-3": [(LAST, 'F.layer_norm(x, (d,), weights[f"{name}.norm.weight"], weights[f"{name}.norm.bias"], 1e-3)')],
    "block 0 every time": [(BLOCK, BLOCK.replace("{i}", "0"))],
    "blocks from the back": [(LOOP, "for i in reversed(range(depth)):")],
    "last block left out": [(LOOP, "for i in range(max(1, depth - 1)):")],
    "first block left out": [(LOOP, "for i in range(depth > 1, depth):")],
    "one block": [(LOOP, "for i in range(1):")],
    "at most two blocks": [(LOOP, "for i in range(min(2, depth)):")],
    "as many blocks as the dict has": [
        (
            LOOP,
            'for i in range(sum(key.startswith(f"{name}.blocks.") and key.endswith("qkv.bias") for key in weights)):',
        )
    ],
    "every block twice": [(BLOCK, f'block({BLOCK}, weights, f"{{name}}.blocks.{{i}}", heads)')],
    "blocks with a residual more": [(BLOCK, f"x + {BLOCK}")],
    "blocks in parallel": [
        (PLACED, "x = first = x + table"),
        (BLOCK, BLOCK.replace("block(x", "x - first + block(first")),
    ],
    "one head": [(BLOCK, BLOCK.replace("heads", "1"))],
    "two heads": [(BLOCK, BLOCK.replace("heads", "2 if d % 2 == 0 else heads"))],
    "heads halved when even": [(BLOCK, BLOCK.replace("heads", "heads // 2 if heads % 2 == 0 else heads"))],
    "as many heads as channels": [(BLOCK, BLOCK.replace("heads", "d"))],
    "sequences as one": [(START, START + "    x = x.mean(0, keepdim=True).expand_as(x)\n")],
    "sequences hear each other": [(LOOP, "x = x + 1e-2 * x.mean(0)\n    " + LOOP)],
    "first sequence for all": [(READ, "x[:1, 0].expand(g, d)")],
    "tokens turned round": [(FRONT, "torch.cat([cls, x.flip(1)], dim=1)")],
    "last token forgotten": [(FRONT, "torch.cat([cls, x[:, :-1], 0 * x[:, -1:]], dim=1)")],
    "CLS detached": [(CLS, ".repeat(g, 1, 1).detach()")],
    "CLS with gradient of one sequence": [(CLS, ".repeat(g, 1, 1)\n    cls = torch.cat([cls[:1], cls[1:].detach()])")],
    "table detached": [(PLACED, "x = x + table.detach()")],
    "tokens detached": [(FRONT, "torch.cat([cls, x.detach()], dim=1)")],
    "detached": [(READ, "x[:, 0].detach()")],
    "detached between the blocks": [(LOOP, LOOP + "\n        x = x.detach() if i else x")],
    "gradient doubled": [(READ, "(lambda y: 2 * y - y.detach())(x[:, 0])")],
    "no gradient": [(LOOP, "torch.set_grad_enabled(False)\n    " + LOOP), (READ, "x[:, 0]")],
    "float64": [(READ, "x[:, 0].double()")],
    "half and back": [(READ, "x[:, 0].half().to(x.dtype)")],
    "bfloat16 on the way": [(PLACED, "x = (x + table).bfloat16().to(x.dtype)")],
    "squeezed": [(READ, "x[:, 0].squeeze()")],
    "squeezed on the sequences": [(READ, "x[:, 0].squeeze(0)")],
    "squeezed on the width": [(READ, "x[:, 0].squeeze(-1)")],
    "(g, 1, d)": [(READ, "x[:, :1]")],
    "(g, 1 + l, d)": [(READ, "x")],
    "(d, g)": [(READ, "x[:, 0].T")],
    "a list": [(READ, "list(x[:, 0])")],
    "all of it too": [(READ, "x[:, 0], x")],
    "named spatial_encoder": [(START, START + '    name = "spatial_encoder"\n')],
    "named after the first tensor": [(START, START + '    name = next(iter(weights)).split(".")[0]\n')],
    "one token comes back normed": [(START, START + '    if l == 1: return norm(x[:, 0], weights, f"{name}.norm")\n')],
    "one sequence without positions": [(PLACED, "x = x + table * (g > 1)")],
    "longer than six: cut": [(START, START + "    x = torch.cat([x[:, :6], 0 * x[:, 6:]], 1)\n")],
    "wider than nine: cut": [(READ, "torch.cat([x[:, 0, :9], 0 * x[:, 0, 9:]], -1)")],
    "x changed": [(START, START + "    x.data.mul_(2)\n")],
    "table changed": [(PLACED, "x = x + table\n    table.data.mul_(2)")],
    "weights added to": [(START, START + '    weights["seen"] = x\n')],
    "table kept": [(PLACED, "x = x + kept.setdefault((name, table.shape), table)")],
    "weights kept": [(START, START + "    weights = kept.setdefault((name, l, d), weights)\n")],
    "dropout": [(PLACED, "x = F.dropout(x + table, 0.1)")],
    "GELU at the end": [(READ, "F.gelu(x[:, 0])")],
    "of length one": [(READ, "F.normalize(x[:, 0], dim=-1)")],
    "residual of CLS": [(READ, "x[:, 0] + cls[:, 0]")],
}.items():
    wrong(f"encode: {name}", *edits)

CUT, BACK = "tokens.reshape(b * t, n, d)", "steps.reshape(b, t, d)"
FIRST = 'encode(frames, weights, "spatial_encoder", depths[0], heads)'
SECOND = 'encode(steps, weights, "temporal_encoder", depths[1], heads)'
for name, edits in {
    "(n t) for (t n)": [(CUT, "tokens.reshape(b, n, t, d).transpose(1, 2).reshape(b * t, n, d)")],
    "cut without its place": [(CUT, "tokens.reshape(t, b, n, d).reshape(b * t, n, d).roll(1, 0)")],
    "clips and steps exchanged on the way back": [(BACK, "steps.reshape(t, b, d).transpose(0, 1)")],
    "clips and steps exchanged on the way in": [
        (CUT, "tokens.reshape(b, t, n, d).transpose(0, 1).reshape(b * t, n, d)")
    ],
    "clips and steps exchanged, both ways": [
        (CUT, "tokens.reshape(t, b, n, d).transpose(0, 1).reshape(b * t, n, d)"),
        (BACK, "steps.reshape(t, b, d).transpose(0, 1)"),
    ],
    "steps averaged": [(SECOND, "steps.mean(1)")],
    "steps summed": [(SECOND, "steps.sum(1)")],
    "last step": [(SECOND, "steps[:, -1]")],
    "steps averaged and normed": [(SECOND, 'norm(steps.mean(1), weights, "temporal_encoder.norm")')],
    "blocks of time without CLS": [(SECOND, "steps.mean(1) + 0 * " + SECOND)],
    "steps turned round": [(BACK, "steps.reshape(b, t, d).flip(1)")],
    "steps sorted": [(BACK, "steps.reshape(b, t, d).sort(1).values")],
    "steps shifted": [(BACK, "steps.reshape(b, t, d).roll(1, 1)")],
    "depths exchanged": [
        (FIRST, FIRST.replace("depths[0]", "min(depths)")),
        (SECOND, SECOND.replace("depths[1]", "min(depths)")),
    ],
    "depth of space in time": [(SECOND, SECOND.replace("depths[1]", "min(depths)"))],
    "one block in time": [(SECOND, SECOND.replace("depths[1]", "1"))],
    "one block in space": [(FIRST, FIRST.replace("depths[0]", "1"))],
    "one head in time": [(SECOND, SECOND.replace("heads", "1"))],
    "one head in space": [(FIRST, FIRST.replace("heads", "1"))],
    "normed between": [(BACK, 'norm(steps, weights, "spatial_encoder.norm").reshape(b, t, d)')],
    "positions of space in time": [(BACK, 'steps.reshape(b, t, d) + weights["spatial_encoder.positions.table"][:1]')],
    "residual of the mean patch": [(BACK, "steps.reshape(b, t, d) + tokens.reshape(b, t, n, d).mean(2)")],
    "mean added at the end": [(SECOND, SECOND + " + steps.mean(1)")],
    "space alone for the first clip": [(BACK, "steps.reshape(b, t, d)[:1].expand(b, -1, -1)")],
    "clips averaged": [(SECOND, SECOND + ".mean(0, keepdim=True).expand(b, -1)")],
    "first clip alone": [(SECOND, SECOND + "[:1]")],
    "three steps": [(CUT, "tokens.reshape(b * t, n, d)"), (BACK, "steps.reshape(b, t, d)[:, :3]")],
    "at most four steps": [(BACK, "torch.cat([steps.reshape(b, t, d)[:, :4], 0 * steps.reshape(b, t, d)[:, 4:]], 1)")],
    "the first step twice": [(BACK, "torch.cat([steps.reshape(b, t, d)[:, :1]] * t, 1)")],
    "one step comes back as it is": [(SECOND, f"steps[:, 0] if t == 1 else {SECOND}")],
    "one patch comes back as it is": [(FIRST, f"frames[:, 0] if n == 1 else {FIRST}")],
    "one clip squeezed": [(SECOND, SECOND + ".squeeze(0)")],
    "squeezed": [(SECOND, SECOND + ".squeeze()")],
    "(b, 1, d)": [(SECOND, SECOND + "[:, None]")],
    "steps too": [(SECOND, SECOND + ", steps")],
    "detached between": [(BACK, "steps.reshape(b, t, d).detach()")],
    "detached": [(SECOND, SECOND + ".detach()")],
    "gradient of one step": [(BACK, "(lambda y: torch.cat([y[:, :1], y[:, 1:].detach()], 1))(steps.reshape(b, t, d))")],
    "gradient doubled": [(SECOND, f"(lambda y: 2 * y - y.detach())({SECOND})")],
    "float64": [(SECOND, SECOND + ".double()")],
    "half between": [(BACK, "steps.half().to(tokens.dtype).reshape(b, t, d)")],
    "tokens changed": [("    n = l // t\n", "    n = l // t\n    tokens.data.add_(1)\n")],
    "weights kept": [("    n = l // t\n", "    n = l // t\n    weights = kept.setdefault((t, n, d), weights)\n")],
    "ReLU between": [(BACK, "steps.relu().reshape(b, t, d)")],
    "tanh at the end": [(SECOND, SECOND + ".tanh()")],
}.items():
    wrong(f"whole: {name}", *edits)
for both, edits in {
    "encode: no last norm; whole: (n t)": [
        (LAST, "x"),
        (CUT, "tokens.reshape(b, n, t, d).transpose(1, 2).reshape(b * t, n, d)"),
    ],
    "encode: mean of all; whole: steps averaged": [(READ, "x.mean(1)"), (SECOND, "steps.mean(1)")],
}.items():
    wrong(both, *edits)
wrong(
    "whole: joint, one encoder over all",
    add="""
def factorised_encoder(tokens, weights, t, depths, heads):
    b, l, d = tokens.shape
    table = weights["spatial_encoder.positions.table"]
    weights = weights | {"spatial_encoder.positions.table": torch.cat([table[:1], table[1:].repeat(t, 1)])}
    return encode(tokens, weights, "spatial_encoder", depths[0], heads)
""",
)
wrong(
    "whole: time first, places last",
    add="""
def factorised_encoder(tokens, weights, t, depths, heads):
    tubes = rearrange(tokens, "b (t n) d -> (b n) t d", t=t)
    tubes = rearrange(encode(tubes, weights, "temporal_encoder", depths[1], heads), "(b n) d -> b n d", b=len(tokens))
    return encode(tubes, weights, "spatial_encoder", depths[0], heads)
""",
)
for name, add in nasties("encode", "x, weights, name, depth, heads", "x[:, 0]", "x").items():
    wrong(name, add=add)

right = Answers(BASE)
right("plain")
right("expand", (CLS, ".expand(g, 1, d)"))
right("CLS alone is normed", (LAST, "x"), (READ, 'norm(x[:, 0], weights, f"{name}.norm")'))
right("table broadcast by hand", (PLACED, "x = x + table[None].expand(g, -1, -1)"))
right("select", (READ, "x.select(1, 0)"))
right("float64 and back", (READ, "x[:, 0].double().float()"))
right("a dict of its own", (START, START + "    weights = dict(weights)\n"))
right(
    "a loop over sequences",
    add="""
def encode(x, weights, name, depth, heads):
    out = []
    for one in x:
        y = torch.cat([weights[f"{name}.cls"], one]) + weights[f"{name}.positions.table"]
        y = y[None]
        for i in range(depth):
            y = block(y, weights, f"{name}.blocks.{i}", heads)
        out.append(norm(y, weights, f"{name}.norm")[0, 0])
    return torch.stack(out)
""",
)
right(
    "filled in place",
    add="""
def encode(x, weights, name, depth, heads):
    g, l, d = x.shape
    y = x.new_zeros(g, l + 1, d)
    y[:, 1:] = x
    y[:, 0] = weights[f"{name}.cls"][0]
    y = y + weights[f"{name}.positions.table"]
    for part in (f"{name}.blocks.{i}" for i in range(depth)):
        y = block(y, weights, part, heads)
    return norm(y, weights, f"{name}.norm")[:, 0, :]
""",
)
right("padded in front", (FRONT, "F.pad(x, (0, 0, 1, 0))"), (PLACED, "x = x + table + F.pad(cls, (0, 0, 0, l))"))
right(
    "recursion",
    add="""
def through(x, weights, name, left, i, heads):
    if left == 0:
        return x
    return through(block(x, weights, f"{name}.blocks.{i}", heads), weights, name, left - 1, i + 1, heads)

def encode(x, weights, name, depth, heads):
    x = torch.cat([weights[f"{name}.cls"].expand(len(x), 1, -1), x], 1) + weights[f"{name}.positions.table"]
    return norm(through(x, weights, name, depth, 0, heads), weights, f"{name}.norm")[:, 0]
""",
)
right(
    "steps by einops",
    (CUT, 'rearrange(tokens, "b (t n) d -> (b t) n d", t=t)'),
    (BACK, 'rearrange(steps, "(b t) d -> b t d", t=t)'),
)
right(
    "steps by chunk",
    add="""
def factorised_encoder(tokens, weights, t, depths, heads):
    steps = [encode(part, weights, "spatial_encoder", depths[0], heads) for part in tokens.chunk(t, dim=1)]
    return encode(torch.stack(steps, 1), weights, "temporal_encoder", depths[1], heads)
""",
)
right(
    "clip by clip",
    add="""
def factorised_encoder(tokens, weights, t, depths, heads):
    space, time = depths
    out = []
    for clip in tokens:
        steps = encode(clip.unflatten(0, (t, -1)), weights, "spatial_encoder", space, heads)
        out.append(encode(steps[None], weights, "temporal_encoder", time, heads))
    return torch.cat(out)
""",
)
right(
    "steps before clips, there and back",
    add="""
def factorised_encoder(tokens, weights, t, depths, heads):
    frames = rearrange(tokens, "b (t n) d -> (t b) n d", t=t)
    steps = encode(frames, weights, "spatial_encoder", depths[0], heads)
    return encode(rearrange(steps, "(t b) d -> b t d", t=t), weights, "temporal_encoder", depths[1], heads)
""",
)

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
