"""01.2 add_places, resize_table: answers by somebody who has not seen the bank."""

from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

BASE = """
def add_places(patches, cls, table):
    b, n, d = patches.shape
    front = cls.expand(b, 1, d)
    tokens = torch.cat([front, patches], dim=1)
    return tokens + table

def resize_table(table, old, new):
    first, rest = table[:1], table[1:]
    grid = rest.reshape(1, old[0], old[1], -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=tuple(new), mode="bicubic", align_corners=False)
    rest = grid.permute(0, 2, 3, 1).reshape(new[0] * new[1], -1)
    return torch.cat([first, rest])
"""
SUM, FRONT, CAT = "tokens + table", "cls.expand(b, 1, d)", "torch.cat([front, patches], dim=1)"
GRID = "rest.reshape(1, old[0], old[1], -1).permute(0, 3, 1, 2)"
RESIZE, REST = (
    'F.interpolate(grid, size=tuple(new), mode="bicubic", align_corners=False)',
    "grid.permute(0, 2, 3, 1).reshape(new[0] * new[1], -1)",
)
LAST = "torch.cat([first, rest])"

wrong = Answers(BASE)
PLACES = {
    "table left out": (SUM, "tokens"),
    "CLS without its row": (SUM, "torch.cat([front, patches + table[1:]], 1)"),
    "patches without their rows": (SUM, "torch.cat([front + table[:1], patches], 1)"),
    "rows shifted by one": (SUM, "tokens + table.roll(1, 0)"),
    "CLS's row is the last": (SUM, "tokens + table.roll(-1, 0)"),
    "row 1 for CLS, row 0 for the first patch": (SUM, "tokens + torch.cat([table[1:2], table[:1], table[2:]])"),
    "CLS behind the patches": (CAT, "torch.cat([patches, front], dim=1)"),
    "multiplied": (SUM, "tokens * table"),
    "subtracted": (SUM, "tokens - table"),
    "table twice": (SUM, "tokens + 2 * table"),
    "table scaled by the root of d": (SUM, "tokens + table * d**0.5"),
    "tokens scaled by the root of d": (SUM, "tokens * d**0.5 + table"),
    "concatenated to the width": (SUM, "torch.cat([tokens, table.expand(b, -1, -1)], -1)"),
    "table backwards": (SUM, "tokens + table.flip(0)"),
    "CLS a zero": (FRONT, "torch.zeros_like(cls.expand(b, 1, d))"),
    "CLS the mean of patches": (FRONT, "patches.mean(1, keepdim=True)"),
    "CLS added to all": (SUM, "tokens + table + cls"),
    "CLS random": (FRONT, "torch.randn(b, 1, d)"),
    "CLS dropped": (CAT, "patches"),
    "CLS for one picture only": (FRONT, "cls"),
    "first picture only": (CAT, "torch.cat([front, patches], dim=1)[:1]"),
    "patches of picture 0 for all": (CAT, "torch.cat([front, patches[:1].expand(b, n, d)], dim=1)"),
    "row by picture": (SUM, "tokens + table[:b, None]"),
    "mean row for all": (SUM, "tokens + table.mean(0)"),
    "CLS without gradient": (FRONT, "cls.detach().expand(b, 1, d)"),
    "table without gradient": (SUM, "tokens + table.detach()"),
    "patches without gradient": (CAT, "torch.cat([front, patches.detach()], dim=1)"),
    "CLS with gradient of one picture": (FRONT, "torch.cat([cls, cls.detach().expand(b - 1, 1, d)])"),
    "row 0 without gradient": (SUM, "tokens + torch.cat([table[:1].detach(), table[1:]])"),
    "table as a Parameter": (SUM, "tokens + nn.Parameter(table)"),
    "detached": (SUM, "(tokens + table).detach()"),
    "float64": (SUM, "(tokens + table).double()"),
    "half": (SUM, "(tokens + table).half()"),
    "bfloat16 and back": (SUM, "(tokens + table).bfloat16().to(table.dtype)"),
    "squeezed": (SUM, "(tokens + table).squeeze()"),
    "squeezed on the width": (SUM, "(tokens + table).squeeze(-1)"),
    "squeezed on the pictures": (SUM, "(tokens + table).squeeze(0)"),
    "normed": (SUM, "F.layer_norm(tokens + table, (d,))"),
    "dropout": (SUM, "F.dropout(tokens + table, 0.1)"),
    "in place on patches": (CAT, "torch.cat([front, patches.data.add_(0.1)], dim=1)"),
    "in place on the table": (SUM, "tokens + table.data.mul_(0.5)"),
    "in place on CLS": (FRONT, "cls.data.zero_().expand(b, 1, d)"),
    "right for two pictures": (FRONT, "torch.cat([cls, cls])"),
    "right for 4 patches": (SUM, "tokens + (table if n == 4 else table.flip(0))"),
    "right for square grids": (SUM, "tokens + (table if math.isqrt(n) ** 2 == n else table.flip(0))"),
}
for name, edit in PLACES.items():
    wrong(f"ap: {name}", edit)
wrong(
    "ap: table kept by shape",
    add=(
        "kept = {}\nfirst = add_places\ndef add_places(patches, cls, table): return first(patches, cls, "
        "kept.setdefault(table.shape, table))"
    ),
)
wrong(
    "ap: result kept by shape",
    add=(
        "kept = {}\nfirst = add_places\ndef add_places(patches, cls, table): return "
        "kept.setdefault(patches.shape, first(patches, cls, table).detach())"
    ),
)
TABLES = {
    "CLS resized with the places": (
        "    first, rest = table[:1], table[1:]",
        "    first, rest = table[:0], F.pad(table[1:], (0, 0, 0, 0)) + table[:1]",
    ),
    "CLS dropped": (LAST, "rest"),
    "CLS last": (LAST, "torch.cat([rest, first])"),
    "CLS taken from the end": ("table[:1], table[1:]", "table[-1:], table[:-1]"),
    "CLS zeroed": (LAST, "torch.cat([first * 0, rest])"),
    "CLS resized too, as mean": (LAST, "torch.cat([rest.mean(0, keepdim=True), rest])"),
    "CLS scaled": (LAST, "torch.cat([first * new[0] / old[0], rest])"),
    "bilinear": ('"bicubic"', '"bilinear"'),
    "nearest": (RESIZE, 'F.interpolate(grid, size=tuple(new), mode="nearest")'),
    "nearest-exact": (RESIZE, 'F.interpolate(grid, size=tuple(new), mode="nearest-exact")'),
    "area": (RESIZE, 'F.interpolate(grid, size=tuple(new), mode="area")'),
    "corners on corners": ("align_corners=False", "align_corners=True"),
    "antialias": ("align_corners=False", "align_corners=False, antialias=True"),
    "old transposed": ("rest.reshape(1, old[0], old[1], -1)", "rest.reshape(1, old[1], old[0], -1)"),
    "new transposed": ("size=tuple(new)", "size=tuple(new)[::-1]"),
    "grid by a view as (d, h, w)": (GRID, "rest.reshape(1, -1, old[0], old[1])"),
    "columns first on the way back": (REST, "grid.permute(0, 3, 2, 1).reshape(new[0] * new[1], -1)"),
    "back by a reshape": (REST, "grid.reshape(new[0] * new[1], -1)"),
    "places column by column in": (GRID, "rest.reshape(1, old[1], old[0], -1).permute(0, 3, 2, 1)"),
    "square by a root": (GRID, "rest.reshape(1, math.isqrt(len(rest)), math.isqrt(len(rest)), -1).permute(0, 3, 1, 2)"),
    "new square": ("size=tuple(new)", "size=(new[0], new[0])"),
    "rows only": ("size=tuple(new)", "size=(new[0], old[1])"),
    "scale factor of the rows for both": (RESIZE, 'F.interpolate(grid, scale_factor=new[0] / old[0], mode="bicubic")'),
    "cut or repeated instead": (RESIZE, "grid.repeat(1, 1, 9, 9)[:, :, :new[0], :new[1]]"),
    "padded with zeros": (
        RESIZE,
        "F.pad(grid, (0, max(0, new[1] - old[1]), 0, max(0, new[0] - old[0])))[:, :, :new[0], :new[1]]",
    ),
    "resized along the list only": (
        RESIZE,
        'F.interpolate(rest.T[None], size=new[0] * new[1], mode="linear")[..., None].reshape(1, -1, *new)',
    ),
    "8 x 8 always": (GRID, "rest.reshape(1, 8, 8, -1).permute(0, 3, 1, 2)"),
    "by way of twice the size": (
        RESIZE,
        'F.interpolate(F.interpolate(grid, scale_factor=2, mode="bicubic"), size=tuple(new), mode="bicubic")',
    ),
    "rows then columns, rounded between": (RESIZE, RESIZE + ".round(decimals=2)"),
    "clamped": (RESIZE, RESIZE + ".clamp(-1, 1)"),
    "normed to the old mean": (LAST, "torch.cat([first, rest - rest.mean() + table[1:].mean()])"),
    "scaled to keep its length": (LAST, "torch.cat([first, rest * (old[0] / new[0]) ** 0.5])"),
    "same size comes back without CLS": ("    first, rest =", "    if old == new: return table[1:]\n    first, rest ="),
    "same rows come back as they are": (
        "    first, rest =",
        "    if old[0] == new[0]: return table\n    first, rest =",
    ),
    "smaller is cut": (RESIZE, f"{RESIZE} if new[0] >= old[0] else grid[:, :, :new[0], :new[1]]"),
    "(1, 1 + n, d)": (LAST, "torch.cat([first, rest])[None]"),
    "(1 + h, w, d)": (LAST, "torch.cat([first, rest]).T"),
    "squeezed": (LAST, "torch.cat([first, rest]).squeeze()"),
    "squeezed on the width": (LAST, "torch.cat([first, rest]).squeeze(-1)"),
    "detached": (LAST, "torch.cat([first, rest]).detach()"),
    "CLS without gradient": (LAST, "torch.cat([first.detach(), rest])"),
    "places without gradient": (LAST, "torch.cat([first, rest.detach()])"),
    "gradient doubled": (LAST, "(lambda y: 2 * y - y.detach())(torch.cat([first, rest]))"),
    "no_grad": ("    grid = F.inter", "    with torch.no_grad(): grid = F.inter"),
    "float64": (LAST, "torch.cat([first, rest]).double()"),
    "half and back": (LAST, "torch.cat([first, rest]).half().to(table.dtype)"),
    "float64 places, float32 CLS, joined": (LAST, "torch.cat([first, rest.double()])"),
    "table changed in place": ("    first, rest =", "    table.data.mul_(0.5)\n    first, rest ="),
    "resize_ of the table": (
        "    first, rest =",
        "    table.data.resize_(1 + old[0] * old[1], table.shape[1]).add_(1)\n    first, rest =",
    ),
    "old and new exchanged": ("def resize_table(table, old, new)", "def resize_table(table, new, old)"),
    "width 64 always": (REST, "grid.permute(0, 2, 3, 1).reshape(-1, 64)"),
    "width 5 always": (REST, "grid.permute(0, 2, 3, 1).reshape(-1, 5)"),
    "kept by the old grid": ("    first, rest =", "    table = kept.setdefault(old, table)\n    first, rest ="),
}
for name, edit in TABLES.items():
    wrong(f"rt: {name}", edit, base="kept = {}\n" + BASE)
wrong("rt: CLS stays in front, places from row 0", ("table[:1], table[1:]", "table[:1], table[:-1]"))
wrong("rt: bilinear and corners on corners", ('"bicubic"', '"bilinear"'), ("align_corners=False", "align_corners=True"))
wrong(
    "rt: transposed in and out",
    ("rest.reshape(1, old[0], old[1], -1)", "rest.reshape(1, old[1], old[0], -1)"),
    ("size=tuple(new)", "size=tuple(new)[::-1]"),
)
wrong("ap: CLS behind; rt: CLS last", (CAT, "torch.cat([patches, front], dim=1)"), (LAST, "torch.cat([rest, first])"))
for name, add in nasties("add_places", "patches, cls, table", "patches", "patches").items():
    wrong(name, add=add)
for name, add in list(nasties("resize_table", "table, old, new", "table", "table").items())[::3]:
    if "wrong value" not in name:
        wrong(name, add=add)

right = Answers(BASE)
right("steps")
right("repeat", (FRONT, "cls.repeat(b, 1, 1)"))
right("repeat_interleave", (FRONT, "cls.repeat_interleave(b, dim=0)"))
right("einops", (FRONT, 'repeat(cls, "1 1 d -> b 1 d", b=b)'))
right("CLS by broadcasting", (FRONT, "cls + patches[:, :1] * 0"))
right("F.pad and add", (CAT, "F.pad(patches, (0, 0, 1, 0)) + F.pad(cls, (0, 0, 0, n))"))
right("halves added apart", (SUM, "torch.cat([front + table[0], patches + table[1:]], 1)"))
right(
    "written into an empty tensor",
    add="""
def add_places(patches, cls, table):
    out = patches.new_empty(len(patches), len(table), table.shape[1])
    out[:, 0] = cls[0, 0] + table[0]
    out[:, 1:] = patches + table[1:]
    return out
""",
)
right(
    "a loop over pictures",
    add=(
        "def add_places(patches, cls, table): return torch.stack([torch.cat([cls[0], picture]) + table "
        "for picture in patches])"
    ),
)
right(
    "vmap",
    add="def add_places(patches, cls, table): return torch.vmap(lambda p: torch.cat([cls[0], p]) + table)(patches)",
)
right("an embedding look-up", (SUM, "tokens + F.embedding(torch.arange(n + 1), table)"))
right("float64 and back", (SUM, "(tokens.double() + table.double()).to(table.dtype)"))
right("hstack", (CAT, "torch.hstack([front, patches])"))
right("addcmul", (SUM, "torch.add(tokens, table, alpha=1)"))
right(
    "einops for the grid",
    (GRID, 'rearrange(rest, "(h w) d -> 1 d h w", h=old[0])'),
    (REST, 'rearrange(grid, "1 d h w -> (h w) d")'),
)
right("grid by transposes", (GRID, "rest.T.reshape(1, -1, old[0], old[1])"), (REST, "grid[0].flatten(1).T"))
right("channels as batch", (GRID, "rest.T.reshape(-1, 1, old[0], old[1])"), (REST, "grid.flatten(1).T"))
right(
    "one channel at a time",
    (RESIZE, 'torch.cat([F.interpolate(g, size=tuple(new), mode="bicubic") for g in grid.split(1, 1)], 1)'),
)
right("nn.Upsample", (RESIZE, 'nn.Upsample(size=tuple(new), mode="bicubic", align_corners=False)(grid)'))
right(
    "rows, then columns",
    (
        RESIZE,
        'F.interpolate(F.interpolate(grid, size=(new[0], old[1]), mode="bicubic"), size=tuple(new), mode="bicubic")',
    ),
)
right(
    "the same size left alone",
    ("    first, rest =", "    if tuple(old) == tuple(new): return table.clone()\n    first, rest ="),
)
right("torch.ops.aten", (RESIZE, "torch.ops.aten.upsample_bicubic2d(grid, list(new), False)"))
right("resized in float64 and back", (RESIZE, RESIZE.replace("(grid", "(grid.double()") + ".to(table.dtype)"))
right("vstack", (LAST, "torch.vstack([first, rest])"))
right(
    "by a matrix from unit tables",
    add="""
inner = resize_table
def resize_table(table, old, new):
    n = old[0] * old[1]
    units = torch.cat([torch.zeros(1, n, dtype=table.dtype), torch.eye(n, dtype=table.dtype)])
    return torch.cat([table[:1], inner(units, old, new)[1:] @ table[1:]])
""",
)

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
