"""03.1 spatial, temporal, axial, window, strided: answers by somebody who has not seen the bank."""

from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

GIVEN = """
def places(t, h, w):
    token = torch.arange(t * h * w)
    return token // (h * w), token // w % h, token % w

def same(value):
    return value[:, None] == value[None, :]
"""
BASE = (
    GIVEN
    + """
def spatial(t, h, w):
    frame, row, column = places(t, h, w)
    return same(frame)

def temporal(t, h, w):
    frame, row, column = places(t, h, w)
    return same(row * w + column)

def axial(t, h, w, axis):
    f, r, c = places(t, h, w)
    if axis == "t":
        return same(r) & same(c)
    if axis == "h":
        return same(f) & same(c)
    return same(f) & same(r)

def window(t, h, w, size, shift):
    table = torch.ones(t * h * w, t * h * w, dtype=torch.bool)
    for place, long, far in zip(places(t, h, w), size, shift):
        tile = (place - far) // long
        table = table & same(tile)
    return table

def strided(t, h, w, stride):
    frame = places(t, h, w)[0]
    steps = frame[:, None] - frame[None, :]
    return temporal(t, h, w) & (steps % stride == 0)
"""
)
TILE, STEPS, STRIDED = (
    "(place - far) // long",
    "frame[:, None] - frame[None, :]",
    "temporal(t, h, w) & (steps % stride == 0)",
)
AT, AH, AW = (
    "        return same(r) & same(c)\n",
    "        return same(f) & same(c)\n",
    "    return same(f) & same(r)\n",
)

wrong = Answers(BASE)
# Each function counts on nobody but `places` and `same` where its mistake must stay alone.
for name, edit in {
    "the same place": ("return same(frame)", "return same(row * w + column)"),
    "the same row": ("return same(frame)", "return same(row)"),
    "the same column": ("return same(frame)", "return same(column)"),
    "everything": ("return same(frame)", "return same(frame * 0)"),
    "nothing": ("return same(frame)", "return ~same(frame * 0)"),
    "turned round": ("return same(frame)", "return ~same(frame)"),
    "not itself": ("return same(frame)", "return same(frame) & ~torch.eye(t * h * w, dtype=torch.bool)"),
    "itself only": ("return same(frame)", "return torch.eye(t * h * w, dtype=torch.bool)"),
    "numbers": ("return same(frame)", "return same(frame).float()"),
    "whole numbers": ("return same(frame)", "return same(frame).long()"),
    "a mask of -inf": (
        "return same(frame)",
        "return torch.zeros(t * h * w, t * h * w).masked_fill(~same(frame), -torch.inf)",
    ),
    "causal": ("return same(frame)", "return same(frame).tril()"),
    "next frame too": ("return same(frame)", "return (frame[:, None] - frame[None]).abs() <= 1"),
    "frames of h*h": ("return same(frame)", "return same(torch.arange(t * h * w) // (h * h))"),
    "frames of w*w": ("return same(frame)", "return same(torch.arange(t * h * w) // (w * w))"),
    "time fastest": ("return same(frame)", "return same(torch.arange(t * h * w) % t)"),
    "h rows for a frame": ("return same(frame)", "return same(torch.arange(t * h * w) // h)"),
    "w for a frame": ("return same(frame)", "return same(torch.arange(t * h * w) // w)"),
    "blocks of t": ("return same(frame)", "return same(torch.arange(t * h * w) // t)"),
    "(t, h*w) table": ("return same(frame)", "return same(frame)[:t]"),
    "(l, t)": ("return same(frame)", "return frame[:, None] == torch.arange(t)"),
    "four axes": ("return same(frame)", "return same(frame).reshape(t, h * w, t, h * w)"),
    "nested lists": ("return same(frame)", "return same(frame).tolist()"),
    "numpy": ("return same(frame)", "return same(frame).numpy()"),
    "squeezed": ("return same(frame)", "return same(frame).squeeze()"),
    "one frame: nothing": ("return same(frame)", "return same(frame) & (t > 1)"),
    "2 x 2 frames": ("return same(frame)", "return same(torch.arange(t * h * w) // 4)"),
    "right for square frames": ("return same(frame)", "return same(frame) if h == w else same(row)"),
    "the pairs": ("return same(frame)", "return same(frame).nonzero()"),
    "flattened": ("return same(frame)", "return same(frame).flatten()"),
    "transposed frames": ("return same(frame)", "return same(frame.flip(0).roll(1))"),
}.items():
    wrong(f"spatial: {name}", edit)
# `strided` stands on `temporal`; here it stands on itself.
APART = BASE.replace("temporal(t, h, w) &", "same(torch.arange(t * h * w) % (h * w)) &")
SAME = "return same(row * w + column)"
for name, text in {
    "the same frame": "return same(frame)",
    "the same row": "return same(row)",
    "the same column": "return same(column)",
    "row or column": "return same(row) | same(column)",
    "row plus column": "return same(row + column)",
    "row * h + column": "return same(row * h + column)",
    "row * t + column": "return same(row * t + column)",
    "not itself": f"{SAME} & ~torch.eye(t * h * w, dtype=torch.bool)",
    "causal": f"{SAME}.tril()",
    "looks ahead only": f"{SAME}.triu()",
    "neighbouring frames": f"{SAME} & ((frame[:, None] - frame[None]).abs() <= 1)",
    "all frames": "return same(frame * 0)",
    "modulo t": "return same(torch.arange(t * h * w) % t)",
    "modulo w": "return same(torch.arange(t * h * w) % w)",
    "modulo h": "return same(torch.arange(t * h * w) % h)",
    "blocks of t": "return same(torch.arange(t * h * w) // t)",
    "floats": f"{SAME}.float()",
    "bytes": f"{SAME}.to(torch.uint8)",
    "turned round": "return ~same(row * w + column)",
    "modulo 4": "return same(torch.arange(t * h * w) % 4)",
    "right for square frames": "return same(row * h + column)  # of h columns",
    "the first place only": "return same(row * w + column) & (row == 0)[:, None]",
}.items():
    wrong(f"temporal: {name}", (SAME, text), base=APART)
wrong("temporal: the same frame, strided with it", (SAME, "return same(frame)"))
for name, edits in {
    "h and w exchanged": [('axis == "h"', 'axis == "w"')],
    "t and h exchanged": [
        ('axis == "t"', 'axis == "x"'),
        ('axis == "h"', 'axis == "t"'),
        ('axis == "x"', 'axis == "h"'),
    ],
    "planes: t holds t": [(AT, "        return same(f)\n")],
    "planes: h holds h": [(AH, "        return same(r)\n")],
    "planes: w holds w": [(AW, "    return same(c)\n")],
    "planes of all three": [
        (AT, "        return same(f)\n"),
        (AH, "        return same(r)\n"),
        (AW, "    return same(c)\n"),
    ],
    "t leaves the column free": [(AT, "        return same(r)\n")],
    "h leaves the frame free": [(AH, "        return same(c)\n")],
    "w leaves the frame free": [(AW, "    return same(r)\n")],
    "or for and": [(AT, "        return same(r) | same(c)\n")],
    "or for and, all": [(AT, AT.replace("&", "|")), (AH, AH.replace("&", "|")), (AW, AW.replace("&", "|"))],
    "h without itself": [(AH, "        return same(f) & same(c) & ~same(r)\n")],
    "always t": [('if axis == "h":', "if True:"), (AH, AT)],
    "h is a frame": [(AH, "        return same(f)\n")],
    "w is a frame": [(AW, "    return same(f)\n")],
    "numbers for letters": [('axis == "t"', "axis == 0"), ('axis == "h"', "axis == 1")],
    "w causal": [(AW, "    return (same(f) & same(r)).tril()\n")],
    "floats": [(AW, "    return (same(f) & same(r)).float()\n")],
    "h: neighbours only": [(AH, "        return same(f) & same(c) & ((r[:, None] - r[None]).abs() <= 1)\n")],
    "w: None": [(AW, "    pass\n")],
    "h raises": [(AH, "        raise NotImplementedError\n")],
    "capital letters": [('axis == "t"', 'axis == "T"'), ('axis == "h"', 'axis == "H"')],
}.items():
    wrong(f"axial: {name}", *edits)
for name, edit in {
    "shift left out": (TILE, "place // long"),
    "shift added": (TILE, "(place + far) // long"),
    "shift after the division": (TILE, "place // long - far"),
    "rolled: tiles wrap round": (TILE, "((place - far) % (place.max() + 1)) // long"),
    "cut to zero: truncated division": (TILE, "torch.div(place - far, long, rounding_mode='trunc')"),
    "real division": (TILE, "(place - far) / long"),
    "modulo": (TILE, "(place - far) % long"),
    "size and shift exchanged": (TILE, "(place - long) // max(far, 1)"),
    "clamped at 0": (TILE, "(place - far).clamp(min=0) // long"),
    "absolute": (TILE, "(place - far).abs() // long"),
    "distance instead of tiles": ("same(tile)", "((place[:, None] - place[None]).abs() < long)"),
    "sliding window": ("same(tile)", "((place[:, None] - place[None]).abs() <= long // 2)"),
    "h and w exchanged": (
        "zip(places(t, h, w), size, shift)",
        "zip(places(t, h, w), (size[0], size[2], size[1]), (shift[0], shift[2], shift[1]))",
    ),
    "time left out": ("zip(places(t, h, w), size, shift)", "list(zip(places(t, h, w), size, shift))[1:]"),
    "space only by rows": ("zip(places(t, h, w), size, shift)", "list(zip(places(t, h, w), size, shift))[:2]"),
    "or for and": ("table & same(tile)", "table | same(tile)"),
    "nothing to begin with": ("torch.ones(", "torch.zeros("),
    "last axis only": ("table & same(tile)", "same(tile)"),
    "shift of time for all": ("in zip(places(t, h, w), size, shift)", "in zip(places(t, h, w), size, shift[:1] * 3)"),
    "size of time for all": ("in zip(places(t, h, w), size, shift)", "in zip(places(t, h, w), size[:1] * 3, shift)"),
    "shift half of the size": (TILE, "(place - long // 2) // long"),
    "sizes of 2": (TILE, "(place - far) // 2"),
    "one more": (TILE, "(place - far + 1) // long"),
    "tiles counted, not measured": (TILE, "(place - far) * long // (place.max() + 1)"),
    "not itself": ("    return table\n", "    return table & ~torch.eye(len(table), dtype=torch.bool)\n"),
    "floats": ("    return table\n", "    return table.float()\n"),
    "rest of the border joined to the last tile": (
        TILE,
        "((place - far) // long).clamp(max=(int(place.max()) + 1 - far) // long - 1)",
    ),
    "right when the size divides": (TILE, "(place - far) // long * ((place.max() + 1) % long == 0)"),
    "numbers of tiles added": (
        "    table = torch.ones(t * h * w, t * h * w, dtype=torch.bool)",
        "    return same(sum((p - f) // s for p, s, f in zip(places(t, h, w), size, shift)))\n    table = None",
    ),
    "tile number with a fixed base of 2": (
        "    table = torch.ones(t * h * w, t * h * w, dtype=torch.bool)",
        (
            "    return same(functools.reduce(lambda n, psf: 2 * n + (psf[0] - psf[2]) // psf[1], "
            "zip(places(t, h, w), size, shift), 0))\n    table = None"
        ),
    ),
    "shift only where it is less than half": (TILE, "(place - (far if 2 * far <= long else 0)) // long"),
    "shift of w ignored": ("in zip(places(t, h, w), size, shift)", "in zip(places(t, h, w), size, (*shift[:2], 0))"),
}.items():
    wrong(f"window: {name}", edit)
for name, text in {
    "counted from frame 0": "temporal(t, h, w) & (frame % stride == 0)[None, :]",
    "counted from frame 0, both": "temporal(t, h, w) & same(frame % stride == 0)",
    "same remainder, without the place": "(steps % stride == 0)",
    "place left out, frame too": "same(frame % stride)",
    "ahead only": "temporal(t, h, w) & (steps % stride == 0) & (steps <= 0)",
    "back only": "temporal(t, h, w) & (steps % stride == 0) & (steps >= 0)",
    "near frames": "temporal(t, h, w) & (steps.abs() <= stride)",
    "nearer than stride": "temporal(t, h, w) & (steps.abs() < stride)",
    "exactly stride away": "temporal(t, h, w) & (steps.abs() == stride)",
    "stride away and itself": "temporal(t, h, w) & ((steps.abs() == stride) | (steps == 0))",
    "not itself": "temporal(t, h, w) & (steps % stride == 0) & (steps != 0)",
    "all but those": "temporal(t, h, w) & (steps % stride != 0)",
    "stride 2": "temporal(t, h, w) & (steps % 2 == 0)",
    "stride 1": "temporal(t, h, w)",
    "stride plus 1": "temporal(t, h, w) & (steps % (stride + 1) == 0)",
    "groups of stride frames": "temporal(t, h, w) & same(frame // stride)",
    "floats": "(temporal(t, h, w) & (steps % stride == 0)).float()",
    "frames that divide": "temporal(t, h, w) & (frame[None] % (frame[:, None] + stride) == 0)",
    "token numbers": "(torch.arange(t * h * w)[:, None] - torch.arange(t * h * w)[None]) % stride == 0",
    "token numbers, one frame apart": "(lambda i: (i[:, None] - i[None]) % (stride * w) == 0)(torch.arange(t * h * w))",
    "own frame too": "(temporal(t, h, w) & (steps % stride == 0)) | same(frame)",
    "two strides at most": "temporal(t, h, w) & (steps % stride == 0) & (steps.abs() <= 2 * stride)",
    "fmod below zero lost": (
        "temporal(t, h, w) & (torch.fmod(steps, stride) == 0) & (steps >= 1 - t) & ((steps >= 0) | (stride < 3))"
    ),
    "stride given as frames per clip": "temporal(t, h, w) & (steps % max(1, t // stride) == 0)",
    "stride of a clip shorter than it: nothing": "temporal(t, h, w) & (steps % stride == 0) & (stride < t)",
}.items():
    wrong(f"strided: {name}", (STRIDED, text))
wrong("axial: planes; window: shift left out", (AT, "        return same(f)\n"), (TILE, "place // long"))
for name, add in nasties(
    "spatial",
    "t, h, w",
    "torch.zeros(t * h * w, t * h * w, dtype=torch.bool)",
    "torch.zeros(t * h * w, t * h * w)",
    nan="0",
).items():
    wrong(name, add=add)
for name, add in list(
    nasties(
        "window",
        "t, h, w, size, shift",
        "torch.zeros(t * h * w, t * h * w, dtype=torch.bool)",
        "torch.zeros(t * h * w, t * h * w)",
        nan="0",
    ).items()
)[::5]:
    wrong(name, add=add)

right = Answers(BASE)
right("steps")
right(
    "numbers of tokens",
    ("return same(frame)", "return same(torch.arange(t * h * w) // (h * w))"),
    (SAME, "return same(torch.arange(t * h * w) % (h * w))"),
)
right(
    "kron of identity and ones",
    ("return same(frame)", "return torch.kron(torch.eye(t), torch.ones(h * w, h * w)).bool()"),
    (SAME, "return torch.kron(torch.ones(t, t), torch.eye(h * w)).bool()"),
)
right("block_diag", ("return same(frame)", "return torch.block_diag(*[torch.ones(h * w, h * w)] * t).bool()"))
right("repeated identity", (SAME, "return torch.eye(h * w, dtype=torch.bool).repeat(t, t)"))
right("not different", ("return same(frame)", "return ~(frame[:, None] != frame)"))
right("logical_and", (AT, "        return torch.logical_and(same(r), same(c))\n"))
right(
    "axial by a dict",
    add="""
def axial(t, h, w, axis):
    p = dict(zip('thw', places(t, h, w)))
    a, b = (same(p[k]) for k in 'thw' if k != axis)
    return a & b
""",
)
right(
    "axial on spatial and temporal",
    (AT, "        return temporal(t, h, w)\n"),
    (AH, "        return spatial(t, h, w) & same(c)\n"),
    (AW, "    return spatial(t, h, w) & same(r)\n"),
)
right(
    "axial by counting equal places",
    add="""
def axial(t, h, w, axis):
    p = [same(v).int() for k, v in zip('thw', places(t, h, w)) if k != axis]
    return sum(p) == 2
""",
)
right(
    "axial by five axes",
    add="""
def axial(t, h, w, axis):
    e = {k: torch.ones(n, n) if k == axis else torch.eye(n) for k, n in zip('thw', (t, h, w))}
    return torch.kron(torch.kron(e['t'], e['h']), e['w']).bool()
""",
)
right("floor_divide", (TILE, "torch.div(place - far, long, rounding_mode='floor')"))
right("bucketize", (TILE, "torch.bucketize(place, torch.arange(far, 10_000, long), right=True)"))
right("shifted up by a whole tile", (TILE, "(place + long - far) // long"))
right(
    "comparing borders",
    add="""
def window(t, h, w, size, shift):
    out = torch.ones(t * h * w, t * h * w, dtype=torch.bool)
    for place, n, s, far in zip(places(t, h, w), (t, h, w), size, shift):
        tile = sum((place >= border).long() for border in range(far, n, s) if border > 0) + torch.zeros_like(place)
        out &= same(tile)
    return out
""",
)
right(
    "one number for a tile",
    add="""
def window(t, h, w, size, shift):
    number = 0
    for place, s, far in zip(places(t, h, w), size, shift):
        number = number * 1000 + (place - far) // s
    return same(number)
""",
)
right(
    "loops",
    add="""
def strided(t, h, w, stride):
    l = t * h * w
    out = torch.zeros(l, l, dtype=torch.bool)
    for q in range(l):
        out[q, q % (h * w)::h * w] = True
        for k in range(l):
            out[q, k] &= (q // (h * w) - k // (h * w)) % stride == 0
    return out
""",
)
right("same remainder", (STRIDED, "temporal(t, h, w) & same(frame % stride)"))
right("fmod of the distance", (STRIDED, "temporal(t, h, w) & (steps.abs().fmod(stride) == 0)"))
right(
    "remainder of token numbers",
    (STRIDED, "(torch.arange(t * h * w)[:, None] - torch.arange(t * h * w)) % (stride * h * w) == 0"),
)
right("numpy and back", ("return same(frame)", "return torch.from_numpy(np.equal.outer(frame.numpy(), frame.numpy()))"))
right(
    "without helpers",
    add="""
def spatial(t, h, w):
    return torch.tensor([[q // (h * w) == k // (h * w) for k in range(t * h * w)] for q in range(t * h * w)])
""",
)
right(
    "meshgrid",
    add="""
def temporal(t, h, w):
    p = torch.arange(h * w).repeat(t)
    q, k = torch.meshgrid(p, p, indexing='ij')
    return q.eq(k)
""",
)

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
