"""05.1 tubelet_embed, inflate_central, inflate_average: answers by somebody who has not seen the bank."""

from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

BASE = """
def tubelet_embed(video, weight, bias):
    d, c, s, p, q = weight.shape
    b, _, frames, height, width = video.shape
    t, h, w = frames // s, height // p, width // q
    boxes = video.reshape(b, c, t, s, h, p, w, q)
    boxes = boxes.permute(0, 2, 4, 6, 1, 3, 5, 7)
    boxes = boxes.reshape(b, t * h * w, c * s * p * q)
    return boxes @ weight.reshape(d, -1).T + bias

def inflate_central(weight, s):
    out = torch.zeros(*weight.shape[:2], s, *weight.shape[2:], dtype=weight.dtype)
    out[:, :, s // 2] = weight
    return out

def inflate_average(weight, s):
    return weight[:, :, None].expand(-1, -1, s, -1, -1) / s
"""
ORDER, FLAT, MAP = (
    "permute(0, 2, 4, 6, 1, 3, 5, 7)",
    "boxes.reshape(b, t * h * w, c * s * p * q)",
    "boxes @ weight.reshape(d, -1).T + bias",
)
CUT = "video.reshape(b, c, t, s, h, p, w, q)"
MIDDLE, MEAN = "out[:, :, s // 2] = weight", "weight[:, :, None].expand(-1, -1, s, -1, -1) / s"

wrong = Answers(BASE)
for name, edit in {
    "reshape alone": ("    boxes = boxes.permute(0, 2, 4, 6, 1, 3, 5, 7)\n", ""),
    "time fastest": (ORDER, "permute(0, 4, 6, 2, 1, 3, 5, 7)"),
    "columns before rows": (ORDER, "permute(0, 2, 6, 4, 1, 3, 5, 7)"),
    "rows before time": (ORDER, "permute(0, 4, 2, 6, 1, 3, 5, 7)"),
    "frames of a box before channels": (ORDER, "permute(0, 2, 4, 6, 3, 1, 5, 7)"),
    "channels last in a box": (ORDER, "permute(0, 2, 4, 6, 3, 5, 7, 1)"),
    "columns of a box before rows": (ORDER, "permute(0, 2, 4, 6, 1, 3, 7, 5)"),
    "frames of a box last": (ORDER, "permute(0, 2, 4, 6, 1, 5, 7, 3)"),
    "frames cut as (s, t)": (CUT, "video.reshape(b, c, s, t, h, p, w, q).transpose(2, 3)"),
    "rows cut as (p, h)": (CUT, "video.reshape(b, c, t, s, p, h, w, q).transpose(4, 5)"),
    "columns cut as (q, w)": (CUT, "video.reshape(b, c, t, s, h, p, q, w).transpose(6, 7)"),
    "every s-th frame": (CUT, "video[:, :, ::s].repeat_interleave(s, 2).reshape(b, c, t, s, h, p, w, q)"),
    "square patches": (CUT, "video.reshape(b, c, t, s, h, p, w, p)"),
    "tubelets of 2": ("    t, h, w =", "    s = 2\n    t, h, w ="),
    "frames backwards": (CUT, "video.flip(2).reshape(b, c, t, s, h, p, w, q)"),
    "frames of a box backwards": (MAP, MAP.replace("weight.reshape", "weight.flip(2).reshape")),
    "kernel turned round": (MAP, MAP.replace("weight.reshape", "weight.flip(2, 3, 4).reshape")),
    "no bias": (MAP, "boxes @ weight.reshape(d, -1).T"),
    "bias twice": (MAP, MAP + " + bias"),
    "weight as (.., d)": (MAP, "boxes @ weight.reshape(-1, d) + bias"),
    "kernel channels last": (MAP, MAP.replace("weight.reshape", "weight.movedim(1, -1).reshape")),
    "kernel transposed in space": (MAP, MAP.replace("weight.reshape", "weight.mT.reshape")),
    "mean": (MAP, "boxes @ weight.reshape(d, -1).T / boxes.shape[-1] + bias"),
    "mean over the frames": (MAP, "boxes @ weight.reshape(d, -1).T / s + bias"),
    "ReLU": (MAP, f"({MAP}).relu()"),
    "first frame of a box": (
        MAP,
        MAP.replace("weight.reshape", "(weight * (torch.arange(s) == 0)[:, None, None]).reshape"),
    ),
    "weight detached": (MAP, MAP.replace("weight.", "weight.detach().")),
    "bias detached": (MAP, MAP.replace("+ bias", "+ bias.detach()")),
    "video detached": (CUT, CUT.replace("video", "video.detach()")),
    "detached": (MAP, f"({MAP}).detach()"),
    "gradient doubled": (MAP, f"(lambda y: 2 * y - y.detach())({MAP})"),
    "float64": (MAP, f"({MAP}).double()"),
    "half and back": (MAP, f"({MAP}).half().to(video.dtype)"),
    "squeezed": (MAP, f"({MAP}).squeeze()"),
    "squeezed on the width": (MAP, f"({MAP}).squeeze(-1)"),
    "(b, d, l)": (MAP, f"({MAP}).mT"),
    "(b, t, h*w, d)": (MAP, f"({MAP}).reshape(b, t, h * w, d)"),
    "first clip": (MAP, f"({MAP})[:1]"),
    "a tuple with the grid": (MAP, f"{MAP}, (t, h, w)"),
    "3 channels": (CUT, "video[:, :3].reshape(b, c, t, s, h, p, w, q)[:, :1].expand(-1, c, -1, -1, -1, -1, -1, -1)"),
    "video changed in place": ("    t, h, w =", "    video.data.mul_(2)\n    t, h, w ="),
    "kept weight": (
        "    d, c, s, p, q = weight.shape",
        "    weight = kept.setdefault(weight.shape, weight)\n    d, c, s, p, q = weight.shape",
    ),
    "one frame a box only": (CUT, "video.reshape(b, c, t, s, h, p, w, q) * (1 if s == 1 else 2)"),
}.items():
    wrong(f"tubelets: {name}", edit, base="kept = {}\n" + BASE)
for name, edit in {
    "frame 0": (MIDDLE, "out[:, :, 0] = weight"),
    "last frame": (MIDDLE, "out[:, :, -1] = weight"),
    "(s - 1) // 2": (MIDDLE, "out[:, :, (s - 1) // 2] = weight"),
    "all frames": (MIDDLE, "out[:, :, :] = weight[:, :, None]"),
    "frame 1": (MIDDLE, "out[:, :, min(1, s - 1)] = weight"),
    "averaged": (MIDDLE, "out[:, :, :] = weight[:, :, None] / s"),
    "divided by s": (MIDDLE, "out[:, :, s // 2] = weight / s"),
    "times s": (MIDDLE, "out[:, :, s // 2] = weight * s"),
    "two middle frames": (MIDDLE, "out[:, :, (s - 1) // 2] += weight / 2\n    out[:, :, s // 2] += weight / 2"),
    "small numbers elsewhere": ("torch.zeros(*weight.shape[:2]", "1e-2 + torch.zeros(*weight.shape[:2]"),
    "uninitialised": ("torch.zeros(*weight.shape[:2]", "float('nan') * torch.zeros(*weight.shape[:2]"),
    "frames first": (MIDDLE, MIDDLE + "\n    out = out.transpose(1, 2)"),
    "detached": (MIDDLE, MIDDLE.replace("= weight", "= weight.detach()")),
    "float64": ("dtype=weight.dtype", "dtype=torch.float64"),
    "squeezed": (MIDDLE, MIDDLE + "\n    out = out.squeeze()"),
    "squeezed in time": (MIDDLE, MIDDLE + "\n    out = out.squeeze(2)"),
    "s = 2": (MIDDLE, "out[:, :, 1 if s > 1 else 0] = weight"),
}.items():
    wrong(f"central: {name}", edit)
for name, text in {
    "not divided": "weight[:, :, None].expand(-1, -1, s, -1, -1)",
    "divided by 2": "weight[:, :, None].expand(-1, -1, s, -1, -1) / 2",
    "divided by the root": "weight[:, :, None].expand(-1, -1, s, -1, -1) / s**0.5",
    "multiplied": "weight[:, :, None].expand(-1, -1, s, -1, -1) * s",
    "central": "inflate_central(weight, s)",
    "central, divided": "inflate_central(weight, s) / s",
    "repeated along rows": (
        "weight.repeat(1, 1, s, 1).reshape(*weight.shape[:2], weight.shape[2], s, -1).transpose(2, 3) / (s + 1)"
    ),
    "frames after rows": "weight[:, :, :, None].expand(-1, -1, -1, s, -1) / s",
    "frames first": "weight[:, None].expand(-1, s, -1, -1, -1) / s",
    "frames last": "weight[..., None].expand(*weight.shape, s) / s",
    "one frame": "weight[:, :, None] / s",
    "ramp": "weight[:, :, None] * (torch.arange(s) + 1)[:, None, None] / (s * (s + 1) / 2)",
    "detached": "(weight[:, :, None].expand(-1, -1, s, -1, -1) / s).detach()",
    "float64": "(weight[:, :, None].expand(-1, -1, s, -1, -1) / s).double()",
    "whole division": "weight[:, :, None].expand(-1, -1, s, -1, -1) // s",
    "squeezed": "(weight[:, :, None].expand(-1, -1, s, -1, -1) / s).squeeze()",
    "squeezed in time": "(weight[:, :, None].expand(-1, -1, s, -1, -1) / s).squeeze(2)",
    "divided in place": "weight.data.div_(s)[:, :, None].expand(-1, -1, s, -1, -1)",
    "half and back": "(weight[:, :, None].expand(-1, -1, s, -1, -1) / s).half().to(weight.dtype)",
    "divided by s - 1": "weight[:, :, None].expand(-1, -1, s, -1, -1) / max(1, s - 1)",
}.items():
    wrong(f"average: {name}", (MEAN, text))
wrong(
    "tubelets: time fastest; average: not divided",
    (ORDER, "permute(0, 4, 6, 2, 1, 3, 5, 7)"),
    (MEAN, "weight[:, :, None].expand(-1, -1, s, -1, -1)"),
)
for name, add in nasties(
    "tubelet_embed", "video, weight, bias", "video.flatten(1)[:, None]", "video.flatten(1)"
).items():
    wrong(name, add=add)

right = Answers(BASE)
right("steps")
right(
    "einops",
    add="""
def tubelet_embed(video, weight, bias):
    _, _, s, p, q = weight.shape
    boxes = rearrange(video, "b c (t s) (h p) (w q) -> b (t h w) (c s p q)", s=s, p=p, q=q)
    return F.linear(boxes, weight.flatten(1), bias)
""",
)
right("einsum", (MAP, 'torch.einsum("blk,dk->bld", boxes, weight.flatten(1)) + bias'))
right(
    "einsum over the cut clip",
    add="""
def tubelet_embed(video, weight, bias):
    d, c, s, p, q = weight.shape
    b, _, f, y, x = video.shape
    cut = video.reshape(b, c, f // s, s, y // p, p, x // q, q)
    return torch.einsum("bctshpwq,dcspq->bthwd", cut, weight).flatten(1, 3) + bias
""",
)
right(
    "unfold three times",
    add="""
def tubelet_embed(video, weight, bias):
    s, p, q = weight.shape[2:]
    y = video.unfold(2, s, s).unfold(3, p, p).unfold(4, q, q)
    return y.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(4).flatten(1, 3) @ weight.flatten(1).T + bias
""",
)
right(
    "a loop over boxes",
    add="""
def tubelet_embed(video, weight, bias):
    s, p, q = weight.shape[2:]
    boxes = [z for a in video.split(s, 2) for y in a.split(p, 3) for z in y.split(q, 4)]
    return torch.stack([(box[:, None] * weight).flatten(2).sum(-1) + bias for box in boxes], 1)
""",
)
right("float64 and back", (MAP, "(boxes.double() @ weight.double().flatten(1).T + bias.double()).to(video.dtype)"))
right(
    "frame by frame, added",
    add="""
def tubelet_embed(video, weight, bias):
    d, c, s, p, q = weight.shape
    frames = [rearrange(video[:, :, i::s], 'b c t (h p) (w q) -> b (t h w) (c p q)', p=p, q=q) for i in range(s)]
    parts = [frame @ weight[:, :, i].flatten(1).T for i, frame in enumerate(frames)]
    return sum(parts) + bias
""",
)
right(
    "central by F.pad",
    add="def inflate_central(weight, s): return F.pad(weight[:, :, None], (0, 0, 0, 0, s // 2, s - 1 - s // 2))",
)
right(
    "central by stack",
    add=(
        "def inflate_central(weight, s): return torch.stack([weight if i == s // 2 else "
        "torch.zeros_like(weight) for i in range(s)], 2)"
    ),
)
right(
    "central by one-hot",
    add=(
        "def inflate_central(weight, s): return weight[:, :, None] * F.one_hot(torch.tensor(s // 2), "
        "s).to(weight.dtype)[:, None, None]"
    ),
)
right(
    "central by cat",
    add="""
def inflate_central(weight, s):
    z = torch.zeros_like(weight)[:, :, None]
    return torch.cat([z] * (s // 2) + [weight[:, :, None]] + [z] * (s - 1 - s // 2), 2)
""",
)
right(
    "central by index_add",
    add="""
def inflate_central(weight, s):
    d, c, p, q = weight.shape
    return weight.new_zeros(d, c, s, p, q).index_add(2, torch.tensor([s // 2]), weight[:, :, None])
""",
)
right("average by repeat", add="def inflate_average(weight, s): return weight.unsqueeze(2).repeat(1, 1, s, 1, 1) / s")
right("average by stack", add="def inflate_average(weight, s): return torch.stack([weight / s] * s, dim=2)")
right("average by einops", add='def inflate_average(weight, s): return repeat(weight / s, "d c p q -> d c s p q", s=s)')
right(
    "average by repeat_interleave",
    add="def inflate_average(weight, s): return weight[:, :, None].repeat_interleave(s, 2) * (1 / s)",
)
right(
    "average by ones",
    add="def inflate_average(weight, s): return weight[:, :, None] * torch.full((s, 1, 1), 1 / s, dtype=weight.dtype)",
)
right(
    "average by einsum",
    add=(
        'def inflate_average(weight, s): return torch.einsum("dcpq,s->dcspq", weight, torch.ones(s, '
        "dtype=weight.dtype) / s)"
    ),
)
right(
    "average by broadcast_to",
    add=(
        "def inflate_average(weight, s): return torch.broadcast_to((weight / s)[:, :, None], "
        "(*weight.shape[:2], s, *weight.shape[2:]))"
    ),
)
right(
    "a convolution after all",
    add=(
        "def tubelet_embed(video, weight, bias): return F.conv3d(video, weight, bias, "
        "stride=weight.shape[2:]).flatten(2).mT"
    ),
)

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
