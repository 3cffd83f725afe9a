"""05.4 resize_table, rotary: answers by somebody who has not seen the bank."""

from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

BASE = """
def resize_table(table, old, new):
    (t, h, w), d = old, table.shape[1]
    grid = table.reshape(t, h, w, d).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=tuple(new[1:]), mode="bicubic", align_corners=False)
    lines = grid.permute(2, 3, 1, 0).reshape(new[1] * new[2], d, t)
    lines = F.interpolate(lines, size=new[0], mode="linear", align_corners=False)
    return lines.permute(2, 0, 1).reshape(-1, d)

def rotary(x, grid, omega):
    t, h, w = grid
    f = len(omega)
    token = torch.arange(t * h * w)
    frame, row, column = token // (h * w), token // w % h, token % w
    angle = torch.cat([place[:, None] * omega for place in (frame, row, column)], dim=1)
    turned = x[..., :6 * f]
    a, b = turned[..., 0::2], turned[..., 1::2]
    cos, sin = angle.cos(), angle.sin()
    turned = torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)
    return torch.cat([turned, x[..., 6 * f:]], dim=-1)
"""
GRID, LAST = "table.reshape(t, h, w, d).permute(0, 3, 1, 2)", "lines.permute(2, 0, 1).reshape(-1, d)"
SPACE = 'F.interpolate(grid, size=tuple(new[1:]), mode="bicubic", align_corners=False)'
TIME = 'F.interpolate(lines, size=new[0], mode="linear", align_corners=False)'
LINES = "grid.permute(2, 3, 1, 0).reshape(new[1] * new[2], d, t)"
PAIR, TURN = (
    "a, b = turned[..., 0::2], turned[..., 1::2]",
    "torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)",
)
PLACE, ANGLE, OUT = (
    "token // (h * w), token // w % h, token % w",
    "(frame, row, column)], dim=1)",
    "torch.cat([turned, x[..., 6 * f:]], dim=-1)",
)

wrong = Answers(BASE)
for name, edit in {
    "bilinear": ('"bicubic"', '"bilinear"'),
    "nearest in space": (SPACE, 'F.interpolate(grid, size=tuple(new[1:]), mode="nearest")'),
    "nearest in time": (TIME, 'F.interpolate(lines, size=new[0], mode="nearest")'),
    "corners aligned in space": (SPACE, SPACE.replace("False", "True")),
    "corners aligned in time": (TIME, TIME.replace("False", "True")),
    "antialias": (SPACE, SPACE.replace("False", "False, antialias=True")),
    "trilinear": (
        SPACE,
        'F.interpolate(grid.permute(1, 0, 2, 3)[None], size=(t, *new[1:]), mode="trilinear")[0].permute(1, 0, 2, 3)',
    ),
    "cubic in time": (TIME, 'F.interpolate(lines[:, :, :, None], size=(new[0], 1), mode="bicubic")[..., 0]'),
    "time left out": (TIME, "lines[..., torch.arange(new[0]) * t // new[0]]"),
    "time repeated": (TIME, "lines.repeat(1, 1, new[0])[..., :new[0]]"),
    "space left out": (
        SPACE,
        "grid[:, :, torch.arange(new[1])[:, None] * h // new[1], torch.arange(new[2]) * w // new[2]]",
    ),
    "h and w exchanged in": (GRID, "table.reshape(t, w, h, d).permute(0, 3, 1, 2)"),
    "new transposed": ("size=tuple(new[1:])", "size=(new[2], new[1])"),
    "time fastest": (GRID, "table.reshape(h, w, t, d).permute(2, 3, 0, 1)"),
    "grid by a view": (GRID, "table.reshape(t, d, h, w)"),
    "back by a reshape": (LAST, "lines.reshape(-1, d)"),
    "time fastest on the way back": (LAST, "lines.permute(0, 2, 1).reshape(-1, d)"),
    "columns before rows on the way back": (LINES, "grid.permute(3, 2, 1, 0).reshape(new[1] * new[2], d, t)"),
    "lines by a reshape": (LINES, "grid.reshape(new[1] * new[2], d, t)"),
    "detached": (LAST, LAST + ".detach()"),
    "float64": (LAST, LAST + ".double()"),
    "gradient doubled": (LAST, f"(lambda y: 2 * y - y.detach())({LAST})"),
    "half and back": (LAST, LAST + ".half().to(table.dtype)"),
    "a row 0 of CLS": ("    (t, h, w), d =", "    table = torch.cat([table[:1], table[:-1]])\n    (t, h, w), d ="),
    "(t, h, w, d)": (LAST, "lines.permute(2, 0, 1).reshape(*new, d)"),
    "squeezed": (LAST, LAST + ".squeeze()"),
    "squeezed on the width": (LAST, LAST + ".squeeze(-1)"),
    "same steps come back": ("    (t, h, w), d =", "    if old[0] == new[0]: return table\n    (t, h, w), d ="),
    "old and new exchanged": ("(table, old, new)", "(table, new, old)"),
    "table changed in place": ("    (t, h, w), d =", "    table.data.mul_(2)\n    (t, h, w), d ="),
    "scaled": (LAST, f"{LAST} * (t / new[0]) ** 0.5"),
    "square grids": ("size=tuple(new[1:])", "size=(new[1], new[1])"),
    "as one long list": (LAST, 'F.interpolate(table.T[None], size=math.prod(new), mode="linear")[0].T'),
    "only the first step resized": (SPACE, SPACE.replace("(grid,", "(grid[:1].expand_as(grid),")),
    "steps averaged": (TIME, TIME.replace("(lines,", "(lines.mean(-1, keepdim=True),")),
    "same grid by rounding": (LAST, LAST + ".round(decimals=2)"),
}.items():
    wrong(f"table: {name}", edit)
for name, edit in {
    "halves instead of neighbours": (PAIR, "a, b = turned.chunk(2, -1)"),
    "halves in and out": (TURN, "torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)"),
    "turned the other way": (TURN, "torch.stack([a * cos + b * sin, b * cos - a * sin], dim=-1).flatten(-2)"),
    "sin and cos exchanged": ("cos, sin = angle.cos(), angle.sin()", "sin, cos = angle.cos(), angle.sin()"),
    "both minus": (TURN, TURN.replace("a * sin + b", "a * sin - b")),
    "both plus": (TURN, TURN.replace("a * cos - b", "a * cos + b")),
    "a for b": (TURN, "torch.stack([b * cos - a * sin, b * sin + a * cos], dim=-1).flatten(-2)"),
    "a and b exchanged in the result": (
        TURN,
        "torch.stack([a * sin + b * cos, a * cos - b * sin], dim=-1).flatten(-2)",
    ),
    "row and column exchanged": (ANGLE, "(frame, column, row)], dim=1)"),
    "frame last": (ANGLE, "(row, column, frame)], dim=1)"),
    "frame for all": (ANGLE, "(frame, frame, frame)], dim=1)"),
    "token number": (PLACE, "token, token, token"),
    "frame counted by w": (PLACE, "token // w, token // w % h, token % w"),
    "rows not wrapped": (PLACE, "token // (h * w), token // w, token % w"),
    "columns by h": (PLACE, "token // (h * w), token // h % w, token % h"),
    "places from 1": (PLACE, "1 + token // (h * w), 1 + token // w % h, 1 + token % w"),
    "columns from 1": (PLACE, "token // (h * w), token // w % h, 1 + token % w"),
    "places in 0 to 1": (PLACE, "token // (h * w) / t, token // w % h / h, token % w / w"),
    "time fastest": (PLACE, "token % t, token // t // w, token // t % w"),
    "interleaved: pair by pair t, h, w": (
        ANGLE,
        "(frame, row, column)], dim=1).reshape(-1, 3, f).transpose(1, 2).flatten(1)",
    ),
    "the rest thrown away": (OUT, "turned"),
    "the rest zeroed": (OUT, "torch.cat([turned, 0 * x[..., 6 * f:]], dim=-1)"),
    "the rest in front": (OUT, "torch.cat([x[..., 6 * f:], turned], dim=-1)"),
    "the last channels turned": ("turned = x[..., :6 * f]", "turned = x[..., x.shape[-1] - 6 * f:]"),
    "x added": (OUT, OUT + " + x"),
    "angles negative for keys": ("cos, sin = angle.cos(), angle.sin()", "cos, sin = angle.cos(), -angle.sin()"),
    "degrees": ("place[:, None] * omega", "place[:, None] * omega * math.pi / 180"),
    "2 pi": ("place[:, None] * omega", "place[:, None] * omega * 2 * math.pi"),
    "inverse": ("place[:, None] * omega", "place[:, None] / omega"),
    "half the angle": ("place[:, None] * omega", "place[:, None] * omega / 2"),
    "omega recomputed": ("    f = len(omega)", "    f = len(omega)\n    omega = 1.0 / 10_000 ** (torch.arange(f) / f)"),
    "omega backwards": ("place[:, None] * omega", "place[:, None] * omega.flip(0)"),
    "omega detached": ("place[:, None] * omega", "place[:, None] * omega.detach()"),
    "x detached": ("turned = x[..., :6 * f]", "turned = x[..., :6 * f].detach()"),
    "the rest detached": (OUT, "torch.cat([turned, x[..., 6 * f:].detach()], dim=-1)"),
    "detached": (OUT, OUT + ".detach()"),
    "gradient doubled": (OUT, f"(lambda y: 2 * y - y.detach())({OUT})"),
    "float64": (OUT, OUT + ".double()"),
    "half and back": (OUT, OUT + ".half().to(x.dtype)"),
    "squeezed": (OUT, OUT + ".squeeze()"),
    "first clip": (OUT, OUT + "[:1]"),
    "x changed in place": (OUT, "x.data.copy_(torch.cat([turned, x[..., 6 * f:]], -1))"),
    "cos only": (TURN, "torch.stack([a * cos, b * cos], dim=-1).flatten(-2)"),
    "added instead of turned": (TURN, "torch.stack([a + cos, b + sin], dim=-1).flatten(-2)"),
    "one frequency": ("    f = len(omega)", "    f = 1\n    omega = omega[:1]"),
    "6 channels always": ("turned = x[..., :6 * f]", "turned = x[..., :6]"),
    "nothing turned": (OUT, "x * 1"),
    "frame only, rows as they were": (ANGLE, "(frame, row * 0, column * 0)], dim=1)"),
    "square frames": (PLACE, "token // (h * h), token // h % h, token % h"),
}.items():
    wrong(f"rotary: {name}", edit)
wrong(
    "table: bilinear; rotary: turned the other way",
    ('"bicubic"', '"bilinear"'),
    (TURN, "torch.stack([a * cos + b * sin, b * cos - a * sin], dim=-1).flatten(-2)"),
)
for name, add in nasties("rotary", "x, grid, omega", "x * 2", "(x * 2)").items():
    wrong(name, add=add)

right = Answers(BASE)
right("steps")
right(
    "time first, then space",
    add="""
def resize_table(table, old, new):
    (t, h, w), d = old, table.shape[1]
    lines = table.reshape(t, h * w * d).T[None]
    lines = F.interpolate(lines, size=new[0], mode="linear")[0].T
    grid = lines.reshape(new[0], h, w, d).permute(0, 3, 1, 2)
    return F.interpolate(grid, size=tuple(new[1:]), mode="bicubic").permute(0, 2, 3, 1).reshape(-1, d)
""",
)
right(
    "einops",
    (GRID, 'rearrange(table, "(t h w) d -> t d h w", t=t, h=h)'),
    (LINES, 'rearrange(grid, "t d h w -> (h w) d t")'),
    (LAST, 'rearrange(lines, "hw d t -> (t hw) d")'),
)
right("step by step", (SPACE, 'torch.cat([F.interpolate(g[None], size=tuple(new[1:]), mode="bicubic") for g in grid])'))
right("linear as bilinear", (TIME, 'F.interpolate(lines[..., None], size=(new[0], 1), mode="bilinear")[..., 0]'))
right(
    "linear by hand",
    (
        TIME,
        """sum(
        torch.relu(1 - (((torch.arange(new[0], dtype=lines.dtype) + 0.5) * t / new[0] - 0.5).clamp(0, t - 1) - i).abs())
        * lines[..., i:i + 1]
        for i in range(t))""",
    ),
)
right("nn.Upsample", (SPACE, 'nn.Upsample(size=tuple(new[1:]), mode="bicubic", align_corners=False)(grid)'))
right("float64 and back", (SPACE, SPACE.replace("(grid,", "(grid.double(),") + ".to(table.dtype)"))
right(
    "channel by channel",
    add="""
inner = resize_table
def resize_table(table, old, new):
    return torch.cat([inner(column, old, new) for column in table.split(1, 1)], 1)
""",
)
right(
    "the same grid left alone",
    ("    (t, h, w), d =", "    if tuple(old) == tuple(new): return table.clone()\n    (t, h, w), d ="),
)
right(
    "no align_corners said",
    (SPACE, SPACE.replace(", align_corners=False", "")),
    (TIME, TIME.replace(", align_corners=False", "")),
)
right("complex numbers", (TURN, "torch.view_as_real(torch.complex(a, b) * torch.complex(cos, sin)).flatten(-2)"))
right(
    "polar",
    (
        TURN,
        (
            "torch.view_as_real(torch.view_as_complex(turned.unflatten(-1, (-1, 2)).contiguous()) * "
            "torch.polar(torch.ones_like(angle), angle)).flatten(-2)"
        ),
    ),
)
right(
    "rotate by swapping",
    (
        TURN,
        "turned * cos.repeat_interleave(2, -1) + torch.stack([-b, a], -1).flatten(-2) * sin.repeat_interleave(2, -1)",
    ),
)
right(
    "matrices",
    (
        TURN,
        (
            'torch.einsum("lpij,blpj->blpi", torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, '
            "cos], -1)], -2), turned.unflatten(-1, (-1, 2))).flatten(-2)"
        ),
    ),
)
right("unflatten", (PAIR, "a, b = turned.unflatten(-1, (-1, 2)).unbind(-1)"))
right("written into a clone", (OUT, "torch.cat([turned, x[..., turned.shape[-1]:]], -1)"))
right(
    "meshgrid",
    (PLACE, "(m.flatten() for m in torch.meshgrid(torch.arange(t), torch.arange(h), torch.arange(w), indexing='ij'))"),
)
right("outer", ("place[:, None] * omega", "torch.outer(place.to(omega.dtype), omega)"))
right(
    "a loop over tokens",
    add="""
def rotary(x, grid, omega):
    t, h, w = grid
    f, out = len(omega), []
    for i in range(t * h * w):
        angle = torch.cat([omega * (i // (h * w)), omega * (i // w % h), omega * (i % w)])
        a, b = x[:, i, 0:6 * f:2], x[:, i, 1:6 * f:2]
        y = torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1).flatten(-2)
        out.append(torch.cat([y, x[:, i, 6 * f:]], -1))
    return torch.stack(out, 1)
""",
)
right(
    "rest turned by nothing",
    (ANGLE, ANGLE + "\n    angle = F.pad(angle, (0, x.shape[-1] // 2 - 3 * f))"),
    ("turned = x[..., :6 * f]", "turned = x[..., :x.shape[-1] // 2 * 2]"),
    (OUT, "torch.cat([turned, x[..., x.shape[-1] // 2 * 2:]], dim=-1)"),
)
right(
    "in float64 and back",
    add="""
inner = rotary
def rotary(x, grid, omega): return inner(x.double(), grid, omega.double()).to(x.dtype)
""",
)

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
