"""02.1 to 02.4, counting: answers by somebody who has not seen the bank.

Each entry replaces the one `return` of a function by another; what a mistake does to the functions that stand on it is
a part of the answer.
"""

from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

CUT = """
def grid_of(frames, height, width, patch, tubelet):
    return frames // tubelet, height // patch, width // patch

def tokens_of(frames, height, width, patch, tubelet):
    t, h, w = frames // tubelet, height // patch, width // patch
    return t * h * w

def unseen(frames, height, width, patch, tubelet):
    t, h, w = frames // tubelet, height // patch, width // patch
    return frames * height * width - t * h * w * tubelet * patch**2
"""
BILL = """
def pairs(t, h, w):
    l = t * h * w
    return l * l, l * h * w, l * t, l * (t + h + w)

def block_macs(tokens, looks, d, ratio):
    return 4 * tokens * d**2 + 2 * looks * d + 2 * ratio * tokens * d**2

def share_of_pairs(tokens, d, ratio):
    return tokens / (tokens + (2 + ratio) * d)
"""
KEPT = """
def score_bytes(batch, heads, tokens, size):
    return batch * heads * tokens**2 * size

def kept_numbers(tokens, d, hidden):
    return tokens * (8 * d + 2 * hidden)

def training_bytes(depth, tokens, d, hidden, size, checkpointing):
    inside = tokens * (8 * d + 2 * hidden)
    if checkpointing:
        return (depth * tokens * d + inside) * size
    return depth * inside * size
"""
CARDS = """
def ends(t, n, d):
    return t * n * 768 * d + 400 * d

def block_of(kind, t, n, d):
    l = t * n + 1
    mlp = 8 * l * d**2
    if kind == "joint":
        return 4 * l * d**2 + 2 * l**2 * d + mlp
    time = 4 * t * n * d**2 + 2 * t * n * t * d + t * n * d**2
    space = 4 * t * (n + 1) * d**2 + 2 * t * (n + 1) ** 2 * d
    return time + space + mlp

def clip_macs(kind, t, n, d, depth, views):
    return views * (depth * block_of(kind, t, n, d) + ends(t, n, d))

def parameters(d, depth):
    attention = 4 * d * d + 4 * d
    mlp = 2 * 4 * d * d + 4 * d + d
    block = 2 * attention + d * d + d + mlp + 3 * 2 * d
    return 768 * d + d + depth * block + 2 * d + 400 * d + 400

def crossing(n, d, depth):
    t = 1
    while clip_macs("divided", t, n, d, depth, 1) >= clip_macs("joint", t, n, d, depth, 1) and t < 9999:
        t += 1
    return t

def longest_clip(budget, kind, n, d, depth):
    t = 0
    while clip_macs(kind, t + 1, n, d, depth, 1) <= budget and t < 9999:
        t += 1
    return t
"""


def all_of(wrong: Answers, function: str, old: str, texts: dict[str, str]) -> None:
    for name, new in texts.items():
        wrong(f"{function}: {name}", (old, new))


wrong_1 = Answers(CUT)
GRID = "return frames // tubelet, height // patch, width // patch"
all_of(
    wrong_1,
    "grid",
    GRID,
    {
        "rounded up": "return -(-frames // tubelet), -(-height // patch), -(-width // patch)",
        "rounded": "return round(frames / tubelet), round(height / patch), round(width / patch)",
        "real division": "return frames / tubelet, height / patch, width / patch",
        "h and w exchanged": "return frames // tubelet, width // patch, height // patch",
        "time last": "return height // patch, width // patch, frames // tubelet",
        "tubelet left out": "return frames, height // patch, width // patch",
        "patch and tubelet exchanged": "return frames // patch, height // tubelet, width // tubelet",
        "tubelet for all": "return frames // tubelet, height // tubelet, width // tubelet",
        "overlapping boxes": "return frames - tubelet + 1, height - patch + 1, width - patch + 1",
        "patches of 16": "return frames // tubelet, height // 16, width // 16",
        "square": "return frames // tubelet, height // patch, height // patch",
        "product": "return frames // tubelet * (height // patch) * (width // patch)",
        "two numbers": "return frames // tubelet, height // patch * (width // patch)",
        "one more": "return frames // tubelet + 1, height // patch, width // patch",
        "at least 1": "return max(1, frames // tubelet), max(1, height // patch), max(1, width // patch)",
        "floats": "return float(frames // tubelet), float(height // patch), float(width // patch)",
        "rounded up in time": "return -(-frames // tubelet), height // patch, width // patch",
        "a generator": "return (a // b for a, b in ((frames, tubelet), (height, patch), (width, patch)))",
        "remainders": "return frames % tubelet, height % patch, width % patch",
        "tubelets of 2": "return frames // 2, height // patch, width // patch",
    },
)
all_of(
    wrong_1,
    "tokens",
    "    return t * h * w\n",
    {
        "CLS counted": "    return t * h * w + 1\n",
        "of one frame": "    return h * w\n",
        "without time": "    return frames * h * w\n",
        "sum": "    return t + h + w\n",
        "pixels": "    return frames * height * width\n",
        "pixels by box": "    return frames * height * width // (tubelet * patch**2)\n",
        "pixels by box, real": "    return frames * height * width / (tubelet * patch**2)\n",
        "frame's pixels by patch": "    return t * (height * width // patch**2)\n",
        "patch not squared": "    return frames * height * width // (tubelet * patch)\n",
        "rounded up": "    return -(-frames // tubelet) * -(-height // patch) * -(-width // patch)\n",
        "square": "    return t * h * h\n",
        "float": "    return float(t * h * w)\n",
        "tuple": "    return (t * h * w,)\n",
        "at most 1568": "    return min(1568, t * h * w)\n",
        "one": "    return t * h * w or 1\n",
        "three colours": "    return 3 * t * h * w\n",
    },
)
all_of(
    wrong_1,
    "unseen",
    "return frames * height * width - t * h * w * tubelet * patch**2",
    {
        "seen": "return t * h * w * tubelet * patch**2",
        "rim of one frame": "return height * width - h * w * patch**2",
        "rims alone": "return frames * (height * width - h * w * patch**2)",
        "frames alone": "return (frames - t * tubelet) * height * width",
        "frames and rims, corners twice": (
            "return frames * (height * width - h * w * patch**2) + (frames - t * tubelet) * height * width"
        ),
        "three colours": "return 3 * (frames * height * width - t * h * w * tubelet * patch**2)",
        "product of remainders": "return (frames % tubelet) * (height % patch) * (width % patch)",
        "sum of remainders": "return frames % tubelet + height % patch + width % patch",
        "share": "return 1 - t * h * w * tubelet * patch**2 / (frames * height * width)",
        "tubelet left out": "return frames * height * width - t * h * w * patch**2",
        "patch not squared": "return frames * height * width - t * h * w * tubelet * patch",
        "boxes": "return frames * height * width // (tubelet * patch**2) - t * h * w",
        "remainder of the volume": "return frames * height * width % (tubelet * patch**2)",
        "rows times columns": "return (frames - t * tubelet) * (height - h * patch) * (width - w * patch)",
        "float": "return float(frames * height * width - t * h * w * tubelet * patch**2)",
        "never": "return 0",
        "in whole frames": "return frames * ((height % patch) * width + (width % patch) * height)",
        "never below 1": "return max(1, frames * height * width - t * h * w * tubelet * patch**2)",
    },
)
wrong_1(
    "rounded up everywhere",
    add=CUT.replace("frames // tubelet", "-(-frames // tubelet)")
    .replace("height // patch", "-(-height // patch)")
    .replace("width // patch", "-(-width // patch)"),
)
wrong_1(
    "tokens: CLS; unseen: rims alone",
    ("    return t * h * w\n", "    return t * h * w + 1\n"),
    (
        "return frames * height * width - t * h * w * tubelet * patch**2",
        "return frames * (height * width - h * w * patch**2)",
    ),
)

wrong_2 = Answers(BILL)
all_of(
    wrong_2,
    "pairs",
    "return l * l, l * h * w, l * t, l * (t + h + w)",
    {
        "axial: oneself counted once": "return l * l, l * h * w, l * t, l * (t + h + w - 2)",
        "axial: space only": "return l * l, l * h * w, l * t, l * (h + w)",
        "axial: product": "return l * l, l * h * w, l * t, l * t * h * w",
        "axial: time and space": "return l * l, l * h * w, l * t, l * (t + h * w)",
        "axial: the longest": "return l * l, l * h * w, l * t, l * max(t, h, w)",
        "axial: 2h": "return l * l, l * h * w, l * t, l * (t + 2 * h)",
        "space and time exchanged": "return l * l, l * t, l * h * w, l * (t + h + w)",
        "not itself": "return l * (l - 1), l * (h * w - 1), l * (t - 1), l * (t + h + w - 3)",
        "CLS counted": "return (l + 1) ** 2, t * (h * w + 1) ** 2, l * t, l * (t + h + w)",
        "joint not squared": "return l, l * h * w, l * t, l * (t + h + w)",
        "of one frame": "return l * l, (h * w) ** 2, l * t, l * (t + h + w)",
        "of one tube": "return l * l, l * h * w, t * t, l * (t + h + w)",
        "a token": "return l, h * w, t, t + h + w",
        "halved": "return l * l // 2, l * h * w // 2, l * t // 2, l * (t + h + w) // 2",
        "squares": "return l * l, l * h * h, l * t, l * (t + h + h)",
        "h + w for h * w": "return l * l, l * (h + w), l * t, l * (t + h + w)",
        "time: n² ": "return l * l, l * h * w, h * w * h * w, l * (t + h + w)",
        "floats": "return float(l * l), float(l * h * w), float(l * t), float(l * (t + h + w))",
        "three": "return l * l, l * h * w, l * t",
        "with divided": "return l * l, l * h * w, l * t, l * (t + h + w), l * (t + h * w)",
        "a dict": "return dict(joint=l * l, space=l * h * w, time=l * t, axial=l * (t + h + w))",
        "int32": "return tuple(int(v) for v in np.array([l, h * w, t, t + h + w], np.int32) * np.int32(l))",
        "axial average": "return l * l, l * h * w, l * t, l * (t + h + w) // 3",
        "two frames": "return 4 * (h * w) ** 2, 2 * (h * w) ** 2, 4 * h * w, 2 * h * w * (2 + h + w)",
    },
)
all_of(
    wrong_2,
    "block",
    "return 4 * tokens * d**2 + 2 * looks * d + 2 * ratio * tokens * d**2",
    {
        "three maps": "return 3 * tokens * d**2 + 2 * looks * d + 2 * ratio * tokens * d**2",
        "scores only": "return 4 * tokens * d**2 + looks * d + 2 * ratio * tokens * d**2",
        "MLP once": "return 4 * tokens * d**2 + 2 * looks * d + ratio * tokens * d**2",
        "MLP left out": "return 4 * tokens * d**2 + 2 * looks * d",
        "maps left out": "return 2 * looks * d + 2 * ratio * tokens * d**2",
        "pairs left out": "return (4 + 2 * ratio) * tokens * d**2",
        "pairs of its own": "return 4 * tokens * d**2 + 2 * tokens**2 * d + 2 * ratio * tokens * d**2",
        "pairs without d": "return 4 * tokens * d**2 + 2 * looks + 2 * ratio * tokens * d**2",
        "ratio 4": "return 12 * tokens * d**2 + 2 * looks * d",
        "ratio squared": "return 4 * tokens * d**2 + 2 * looks * d + 2 * ratio**2 * tokens * d**2",
        "ratio as hidden": "return 4 * tokens * d**2 + 2 * looks * d + 2 * ratio * tokens * d",
        "flops": "return 8 * tokens * d**2 + 4 * looks * d + 4 * ratio * tokens * d**2",
        "biases": "return 4 * tokens * d * (d + 1) + 2 * looks * d + 2 * ratio * tokens * d**2",
        "softmax": "return 4 * tokens * d**2 + 2 * looks * d + looks + 2 * ratio * tokens * d**2",
        "of one token": "return 4 * d**2 + 2 * looks * d + 2 * ratio * d**2",
        "float": "return float(4 * tokens * d**2 + 2 * looks * d + 2 * ratio * tokens * d**2)",
        "norms": "return 4 * tokens * d**2 + 2 * looks * d + 2 * ratio * tokens * d**2 + 2 * tokens * d",
        "d for d²": "return 4 * tokens * d + 2 * looks * d + 2 * ratio * tokens * d",
        "768": "return 4 * tokens * 768**2 + 2 * looks * 768 + 2 * ratio * tokens * 768**2",
        "int32": (
            "return int((np.array([4 * tokens * d**2 + 2 * looks * d + 2 * ratio * tokens * "
            "d**2]).astype(np.int32))[0])"
        ),
    },
)
all_of(
    wrong_2,
    "share",
    "return tokens / (tokens + (2 + ratio) * d)",
    {
        "per cent": "return 100 * tokens / (tokens + (2 + ratio) * d)",
        "of the attention": "return tokens / (tokens + 2 * d)",
        "against the rest": "return tokens / ((2 + ratio) * d)",
        "the rest": "return (2 + ratio) * d / (tokens + (2 + ratio) * d)",
        "scores only": "return tokens / (2 * tokens + (4 + 2 * ratio) * d)",
        "scores only, of a block with scores only": "return tokens / (tokens + (4 + 2 * ratio) * d)",
        "tokens squared": "return tokens**2 / (tokens**2 + (2 + ratio) * d)",
        "ratio 4": "return tokens / (tokens + 6 * d)",
        "three maps": "return 2 * tokens / (2 * tokens + (3 + 2 * ratio) * d)",
        "whole division": "return tokens // (tokens + (2 + ratio) * d)",
        "rounded": "return round(tokens / (tokens + (2 + ratio) * d), 2)",
        "rounded to per cents": "return round(100 * tokens / (tokens + (2 + ratio) * d)) / 100",
        "d squared": "return tokens / (tokens + (2 + ratio) * d**2)",
        "MLP once": "return tokens / (tokens + (2 + ratio / 2) * d)",
        "CLS": "return (tokens + 1) / (tokens + 1 + (2 + ratio) * d)",
        "string": "return f'{tokens / (tokens + (2 + ratio) * d):.0%}'",
        "768": "return tokens / (tokens + (2 + ratio) * 768)",
        "cut at a half": "return min(0.5, tokens / (tokens + (2 + ratio) * d))",
        "inverse": "return (tokens + (2 + ratio) * d) / tokens",
        "tuple": "return (tokens / (tokens + (2 + ratio) * d), 1.0)",
    },
)
wrong_2(
    "pairs: not itself; share: of the attention",
    ("l * l, l * h * w, l * t, l * (t + h + w)", "l * (l - 1), l * (h * w - 1), l * (t - 1), l * (t + h + w - 3)"),
    ("(2 + ratio) * d)", "2 * d)"),
)

wrong_3 = Answers(KEPT)
all_of(
    wrong_3,
    "scores",
    "return batch * heads * tokens**2 * size",
    {
        "heads left out": "return batch * tokens**2 * size",
        "batch left out": "return heads * tokens**2 * size",
        "not squared": "return batch * heads * tokens * size",
        "numbers": "return batch * heads * tokens**2",
        "bits": "return batch * heads * tokens**2 * size * 8",
        "halved": "return batch * heads * tokens**2 * size // 2",
        "twice, scores and shares": "return 2 * batch * heads * tokens**2 * size",
        "4 bytes": "return batch * heads * tokens**2 * 4",
        "heads squared": "return batch * heads**2 * tokens**2 * size",
        "batch squared": "return (batch * tokens) ** 2 * heads * size",
        "one token less": "return batch * heads * (tokens - 1) ** 2 * size",
        "CLS": "return batch * heads * (tokens + 1) ** 2 * size",
        "megabytes": "return batch * heads * tokens**2 * size / 1e6",
        "float": "return float(batch * heads * tokens**2 * size)",
        "12 heads": "return batch * 12 * tokens**2 * size",
        "int32": "return int(np.array([batch * heads * tokens**2 * size]).astype(np.int32)[0])",
        "kibibytes": "return batch * heads * tokens**2 * size // 1024",
        "divided by heads": "return batch * tokens**2 * size // heads",
    },
)
all_of(
    wrong_3,
    "kept",
    "return tokens * (8 * d + 2 * hidden)",
    {
        "norm's input left out": "return tokens * (7 * d + 2 * hidden)",
        "both norms' inputs left out": "return tokens * (6 * d + 2 * hidden)",
        "values' mean left out": "return tokens * (7 * d + 2 * hidden) + 0",
        "q, k, v as one": "return tokens * (6 * d + 2 * hidden) * 1",
        "MLP once": "return tokens * (8 * d + hidden)",
        "MLP left out": "return tokens * 8 * d",
        "attention left out": "return tokens * (4 * d + 2 * hidden)",
        "4d for hidden": "return tokens * 16 * d",
        "scores kept": "return tokens * (8 * d + 2 * hidden) + tokens**2",
        "of a token": "return 8 * d + 2 * hidden",
        "weights": "return 4 * d * d + 2 * d * hidden",
        "output too": "return tokens * (9 * d + 2 * hidden)",
        "bytes": "return 4 * tokens * (8 * d + 2 * hidden)",
        "float": "return float(tokens * (8 * d + 2 * hidden))",
        "second norm left out": "return tokens * (6 * d + 2 * hidden) + 0 * d",
        "tokens squared": "return tokens**2 * (8 * d + 2 * hidden)",
        "10 d": "return tokens * (10 * d + hidden)",
        "product": "return tokens * 8 * d * 2 * hidden",
        "768": "return tokens * (8 * 768 + 2 * hidden)",
        "hidden squared": "return tokens * (8 * d + hidden**2)",
    },
)
all_of(
    wrong_3,
    "training",
    "return (depth * tokens * d + inside) * size",
    {
        "inside forgotten": "return depth * tokens * d * size",
        "inputs forgotten": "return inside * size",
        "inside without its input": "return (depth * tokens * d + inside - tokens * d) * size",
        "one input less": "return ((depth - 1) * tokens * d + inside) * size",
        "one input more": "return ((depth + 1) * tokens * d + inside) * size",
        "inside of all": "return depth * (tokens * d + inside) * size",
        "without size for inputs": "return depth * tokens * d + inside * size",
        "without size": "return depth * tokens * d + inside",
        "checkpointing ignored": "return depth * inside * size",
        "root of the depth": "return int(depth**0.5) * inside * size",
        "two vectors": "return (2 * depth * tokens * d + inside) * size",
        "halved": "return depth * inside * size // 2",
        "of a token": "return (depth * d + inside) * size",
        "hidden vectors": "return (depth * tokens * hidden + inside) * size",
        "input once": "return (tokens * d + inside) * size",
        "float": "return float((depth * tokens * d + inside) * size)",
        "the larger": "return max(depth * tokens * d, inside) * size",
        "inside twice": "return (depth * tokens * d + 2 * inside) * size",
    },
)
all_of(
    wrong_3,
    "training, plain",
    "return depth * inside * size",
    {
        "one block": "return inside * size",
        "size left out": "return depth * inside",
        "inputs added": "return depth * (inside + tokens * d) * size",
        "bits": "return depth * inside * size * 8",
        "one block less": "return (depth - 1) * inside * size",
        "float": "return depth * inside * size * 1.0",
        "depth squared": "return depth**2 * inside * size",
        "the gradient too": "return 2 * depth * inside * size",
        "12 blocks": "return 12 * inside * size",
        "4 bytes": "return depth * inside * 4",
        "gigabytes": "return depth * inside * size / 1e9",
        "output added": "return (depth * inside + tokens * d) * size",
        "None": "return None",
    },
)
wrong_3("training: checkpointing the wrong way round", ("if checkpointing", "if not checkpointing"))
wrong_3(
    "scores: heads left out; kept: MLP once",
    ("batch * heads * tokens**2 * size", "batch * tokens**2 * size"),
    ("return tokens * (8 * d + 2 * hidden)", "return tokens * (8 * d + hidden)"),
)

wrong_4 = Answers(CARDS)
JOINT, TIME, SPACE, MLP = (
    "return 4 * l * d**2 + 2 * l**2 * d + mlp",
    "4 * t * n * d**2 + 2 * t * n * t * d + t * n * d**2",
    "4 * t * (n + 1) * d**2 + 2 * t * (n + 1) ** 2 * d",
    "8 * l * d**2",
)
for name, edit in {
    "joint without CLS": (JOINT, "return 4 * t * n * d**2 + 2 * (t * n) ** 2 * d + mlp"),
    "joint: three maps": (JOINT, JOINT.replace("4", "3")),
    "joint: scores only": (JOINT, JOINT.replace("2 * l**2", "l**2")),
    "joint without MLP": (JOINT, JOINT.replace(" + mlp", "")),
    "joint: flops": (JOINT, f"return 2 * ({JOINT[7:]})"),
    "CLS counted in time": (TIME, "4 * l * d**2 + 2 * l * t * d + t * n * d**2"),
    "gate left out": (TIME, TIME.replace(" + t * n * d**2", "")),
    "gate for CLS too": (TIME, TIME.replace("+ t * n * d**2", "+ l * d**2")),
    "time: scores only": (TIME, TIME.replace("2 * t * n * t", "t * n * t")),
    "time: no maps": (TIME, "2 * t * n * t * d + t * n * d**2"),
    "time: pairs of space": (TIME, TIME.replace("2 * t * n * t * d", "2 * t * n * n * d")),
    "space without CLS": (SPACE, "4 * t * n * d**2 + 2 * t * n**2 * d"),
    "space: one CLS": (SPACE, "4 * l * d**2 + 2 * t * n * (n + 1) * d"),
    "space: CLS a key only": (SPACE, "4 * t * (n + 1) * d**2 + 2 * t * n * (n + 1) * d"),
    "space: CLS mapped once": (SPACE, "4 * l * d**2 + 2 * t * (n + 1) ** 2 * d"),
    "space: CLS over the clip": (SPACE, "4 * l * d**2 + 2 * (t * n * n + t * n) * d"),
    "space: no maps": (SPACE, "2 * t * (n + 1) ** 2 * d"),
    "space: scores only": (SPACE, SPACE.replace("2 * t", "t")),
    "MLP without CLS": (MLP, "8 * t * n * d**2"),
    "MLP for each copy": (MLP, "8 * t * (n + 1) * d**2"),
    "MLP once": (MLP, "4 * l * d**2"),
    "MLP left out": (MLP, "0"),
    "kinds exchanged": ('kind == "joint"', 'kind == "divided"'),
    "always divided": ('kind == "joint"', "False"),
    "always joint": ('kind == "joint"', "True"),
    "Joint": ('kind == "joint"', 'kind == "Joint"'),
    "float": ("return time + space + mlp", "return float(time + space + mlp)"),
    "time left out": ("return time + space + mlp", "return space + mlp"),
    "space left out": ("return time + space + mlp", "return time + mlp"),
}.items():
    wrong_4(f"block: {name}", edit)
all_of(
    wrong_4,
    "clip",
    "return views * (depth * block_of(kind, t, n, d) + ends(t, n, d))",
    {
        "views left out": "return depth * block_of(kind, t, n, d) + ends(t, n, d)",
        "ends once": "return views * depth * block_of(kind, t, n, d) + ends(t, n, d)",
        "ends left out": "return views * depth * block_of(kind, t, n, d)",
        "ends in each block": "return views * depth * (block_of(kind, t, n, d) + ends(t, n, d))",
        "depth left out": "return views * (block_of(kind, t, n, d) + ends(t, n, d))",
        "12 blocks": "return views * (12 * block_of(kind, t, n, d) + ends(t, n, d))",
        "three views": "return 3 * (depth * block_of(kind, t, n, d) + ends(t, n, d))",
        "views as frames": "return depth * block_of(kind, t * views, n, d) + ends(t * views, n, d)",
        "views squared": "return views**2 * (depth * block_of(kind, t, n, d) + ends(t, n, d))",
        "ends of one frame": "return views * (depth * block_of(kind, t, n, d) + ends(1, n, d))",
        "a fraction of T": "return views * (depth * block_of(kind, t, n, d) + ends(t, n, d)) / 1e12",
        "one block more": "return views * ((depth + 1) * block_of(kind, t, n, d) + ends(t, n, d))",
        "divided always": "return views * (depth * block_of('divided', t, n, d) + ends(t, n, d))",
    },
)
for name, edit in {
    "biases left out": ("attention = 4 * d * d + 4 * d", "attention = 4 * d * d"),
    "MLP's biases left out": ("mlp = 2 * 4 * d * d + 4 * d + d", "mlp = 2 * 4 * d * d"),
    "MLP's second bias 4d": ("4 * d + d\n", "4 * d + 4 * d\n"),
    "gate left out": ("2 * attention + d * d + d + mlp", "2 * attention + mlp"),
    "gate's bias left out": ("2 * attention + d * d + d + mlp", "2 * attention + d * d + mlp"),
    "one attention": ("2 * attention", "attention"),
    "two norms": ("3 * 2 * d", "2 * 2 * d"),
    "four norms": ("3 * 2 * d", "4 * 2 * d"),
    "norms without shift": ("3 * 2 * d", "3 * d"),
    "last norm left out": ("block + 2 * d + 400", "block + 400"),
    "head left out": (" + 400 * d + 400", ""),
    "head's bias left out": (" + 400 * d + 400", " + 400 * d"),
    "1000 classes": (" + 400 * d + 400", " + 1000 * d + 1000"),
    "embedding left out": ("768 * d + d + depth", "depth"),
    "embedding's bias left out": ("768 * d + d + depth", "768 * d + depth"),
    "embedding 16 * 16": ("768 * d + d + depth", "256 * d + d + depth"),
    "CLS counted": ("block + 2 * d + 400", "block + 3 * d + 400"),
    "CLS and tables counted": ("block + 2 * d + 400", "block + 3 * d + 197 * d + 8 * d + 400"),
    "embedding d * d": ("768 * d + d + depth", "d * d + d + depth"),
    "12 blocks": ("+ depth * block +", "+ 12 * block +"),
    "depth left out": ("+ depth * block +", "+ block +"),
    "three maps": ("attention = 4 * d * d + 4 * d", "attention = 3 * d * d + 3 * d"),
    "MLP of 4 once": ("mlp = 2 * 4 * d * d", "mlp = 4 * d * d"),
    "float": ("return 768 * d + d", "return 768.0 * d + d"),
    "millions": ("return 768 * d", "return 1e-6 * 768 * d"),
    "joint model": ("2 * attention + d * d + d + mlp + 3 * 2 * d", "attention + mlp + 2 * 2 * d"),
}.items():
    wrong_4(f"parameters: {name}", edit)
LATER = "    return t\n\ndef longest"
for name, edit in {
    "the tie": ('>= clip_macs("joint"', '> clip_macs("joint"'),
    "one too few": (LATER, "    return t - 1\n\ndef longest"),
    "one too many": (LATER, "    return t + 1\n\ndef longest"),
    "the wrong way": ('>= clip_macs("joint"', '<= clip_macs("joint"'),
    "11": (LATER, "    return 11\n\ndef longest"),
    "in twos": ("        t += 1\n    return t\n\ndef longest", "        t += 2\n    return t\n\ndef longest"),
    "powers of two": ("        t += 1\n    return t\n\ndef longest", "        t *= 2\n    return t\n\ndef longest"),
    "at most 50": (LATER, "    return min(t, 50)\n\ndef longest"),
    "without CLS": (LATER, "    return (5 * d + 2 * n) // (2 * n - 2) + 1\n\ndef longest"),
    "of pairs": (LATER, "    return 2\n\ndef longest"),
    "float": (LATER, "    return float(t)\n\ndef longest"),
}.items():
    wrong_4(f"crossing: {name}", edit)
for name, edit in {
    "below the budget": ("1) <= budget", "1) < budget"),
    "one more": ("        t += 1\n    return t\n", "        t += 1\n    return t + 1\n"),
    "one less": ("        t += 1\n    return t\n", "        t += 1\n    return max(0, t - 1)\n"),
    "at least 1": ("    t = 0\n    while", "    t = 1\n    while"),
    "at most 96": ("        t += 1\n    return t\n", "        t += 1\n    return min(96, t)\n"),
    "three views": ("depth, 1) <= budget", "depth, 3) <= budget"),
    "always joint": ("clip_macs(kind, t + 1", 'clip_macs("joint", t + 1'),
    "always divided": ("clip_macs(kind, t + 1", 'clip_macs("divided", t + 1'),
    "ends left out": ("clip_macs(kind, t + 1, n, d, depth, 1) <=", "depth * block_of(kind, t + 1, n, d) <="),
    "linear in frames": ("    t = 0\n    while", "    return budget // clip_macs(kind, 1, n, d, depth, 1)\n    while"),
    "even": ("        t += 1\n    return t\n", "        t += 1\n    return t // 2 * 2\n"),
    "None for none": ("        t += 1\n    return t\n", "        t += 1\n    return t or None\n"),
    "-1 for none": ("        t += 1\n    return t\n", "        t += 1\n    return t or -1\n"),
    "float": ("        t += 1\n    return t\n", "        t += 1\n    return float(t)\n"),
    "one block": ("n, d, depth, 1) <= budget", "n, d, 1, 1) <= budget"),
    "12 blocks": ("n, d, depth, 1) <= budget", "n, d, 12, 1) <= budget"),
    "first above": ("clip_macs(kind, t + 1", "clip_macs(kind, t"),
}.items():
    tail = "1) <= budget and t < 9999:\n"  # the loop of `crossing` ends alike, so an edit of the end begins here
    wrong_4(f"longest: {name}", (tail + edit[0], tail + edit[1]) if edit[0].startswith("        t += 1") else edit)
for wrong, name, args, almost in (
    (wrong_1, "grid_of", "frames, height, width, patch, tubelet", "(frames, height, width)"),
    (wrong_2, "pairs", "t, h, w", "(t, h, w, t)"),
    (wrong_3, "score_bytes", "batch, heads, tokens, size", "(batch + heads)"),
    (wrong_4, "parameters", "d, depth", "(d + depth)"),
):
    for text, add in list(nasties(name, args, almost, "torch.zeros(2)", nan="2").items())[::2]:
        if "deletes the names" not in text:
            wrong(text, add=add)

right_1, right_2, right_3, right_4 = (Answers(base) for base in (CUT, BILL, KEPT, CARDS))
right_1("formulas")
right_1(
    "math.floor", (GRID, "return math.floor(frames / tubelet), math.floor(height / patch), math.floor(width / patch)")
)
right_1("a list", (GRID, "return [frames // tubelet, height // patch, width // patch]"))
right_1("divmod", (GRID, "return divmod(frames, tubelet)[0], divmod(height, patch)[0], divmod(width, patch)[0]"))
right_1(
    "ranges",
    (GRID, "return tuple(len(range(b - 1, a, b)) for a, b in ((frames, tubelet), (height, patch), (width, patch)))"),
)
right_1("numpy", (GRID, "return tuple(np.array([frames, height, width]) // np.array([tubelet, patch, patch]))"))
right_1(
    "on grid_of", ("    return t * h * w\n", "    return math.prod(grid_of(frames, height, width, patch, tubelet))\n")
)
right_1(
    "unseen by parts",
    (
        "return frames * height * width - t * h * w * tubelet * patch**2",
        (
            "kept = height - height % patch, width - width % patch\n    return frames % tubelet * height "
            "* width + t * tubelet * (height * width - kept[0] * kept[1])"
        ),
    ),
)
right_1(
    "unseen on tokens_of",
    (
        "return frames * height * width - t * h * w * tubelet * patch**2",
        "return frames * height * width - tokens_of(frames, height, width, patch, tubelet) * tubelet * patch * patch",
    ),
)
right_1("truncated", (GRID, "return int(frames / tubelet), int(height / patch), int(width / patch)"))
right_2("formulas")
right_2("powers", ("l * l, l * h * w", "(t * h * w) ** 2, t * (h * w) ** 2"))
right_2("sums", ("l * (t + h + w)", "h * w * t**2 + t * w * h**2 + t * h * w**2"))
right_2(
    "block factored",
    (
        "return 4 * tokens * d**2 + 2 * looks * d + 2 * ratio * tokens * d**2",
        "return 2 * d * (looks + (2 + ratio) * tokens * d)",
    ),
)
right_2(
    "block by parts",
    (
        "return 4 * tokens * d**2 + 2 * looks * d + 2 * ratio * tokens * d**2",
        (
            "return sum([3 * tokens * d * d, tokens * d * d, looks * d, looks * d, tokens * d * (ratio * "
            "d), tokens * (ratio * d) * d])"
        ),
    ),
)
right_2(
    "share on block_macs",
    (
        "return tokens / (tokens + (2 + ratio) * d)",
        "return 2 * tokens**2 * d / block_macs(tokens, tokens**2, d, ratio)",
    ),
)
right_2(
    "share by fractions",
    (
        "return tokens / (tokens + (2 + ratio) * d)",
        "return float(__import__('fractions').Fraction(tokens, tokens + (2 + ratio) * d))",
    ),
)
right_2(
    "share from the rest",
    ("return tokens / (tokens + (2 + ratio) * d)", "return 1 - (2 + ratio) * d / (tokens + (2 + ratio) * d)"),
)
right_2("share as inverse", ("return tokens / (tokens + (2 + ratio) * d)", "return 1 / (1 + (2 + ratio) * d / tokens)"))
right_2(
    "share in numpy",
    ("return tokens / (tokens + (2 + ratio) * d)", "return float(np.float64(tokens) / (tokens + (2 + ratio) * d))"),
)
right_3("formulas")
right_3("math.prod", ("batch * heads * tokens**2 * size", "math.prod([batch, heads, tokens, tokens, size])"))
right_3(
    "a table", ("return tokens * (8 * d + 2 * hidden)", "return tokens * sum([2 * d, 3 * d, d, 2 * d, 2 * hidden])")
)
right_3(
    "training on kept_numbers",
    ("    inside = tokens * (8 * d + 2 * hidden)\n", "    inside = kept_numbers(tokens, d, hidden)\n"),
)
right_3(
    "a conditional",
    (
        "    if checkpointing:\n        return (depth * tokens * d + inside) * size\n    return depth * inside * size",
        "    return size * (tokens * d * depth + inside if checkpointing else depth * inside)",
    ),
)
right_3("by blocks", ("return depth * inside * size", "return sum(inside * size for _ in range(depth))"))
right_3("numpy", ("return tokens * (8 * d + 2 * hidden)", "return int(np.int64(tokens) * (8 * d + 2 * hidden))"))
right_3(
    "torch numel",
    ("return tokens * (8 * d + 2 * hidden)", "return torch.empty(tokens, 8 * d + 2 * hidden, device='meta').numel()"),
)
right_4("formulas")
right_4(
    "crossing by count",
    ("        t += 1\n    return t\n\ndef longest", "        t = t + 1\n    return t\n\ndef longest"),
)
right_4(
    "crossing with next",
    add="""
def crossing(n, d, depth):
    return next(t for t in itertools.count(1) if block_of("divided", t, n, d) < block_of("joint", t, n, d))
""",
)
right_4(
    "longest by bisection",
    add="""
def longest_clip(budget, kind, n, d, depth):
    low, high = 0, 1
    while clip_macs(kind, high, n, d, depth, 1) <= budget:
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if clip_macs(kind, middle, n, d, depth, 1) <= budget else (low, middle)
    return low
""",
)
right_4(
    "parameters item by item",
    add="""
def parameters(d, depth):
    def linear(a, b): return a * b + b
    norm = 2 * d
    attention = linear(d, 3 * d) + linear(d, d)
    block = 3 * norm + 2 * attention + linear(d, d) + linear(d, 4 * d) + linear(4 * d, d)
    return linear(16 * 16 * 3, d) + depth * block + norm + linear(d, 400)
""",
)
right_4(
    "parameters collected",
    (
        "return 768 * d + d + depth * block + 2 * d + 400 * d + 400",
        "return 1171 * d + 400 + depth * (17 * d * d + 20 * d)",
    ),
)
right_4("block by dictionary", ("return time + space + mlp", "return {'divided': time + space + mlp}[kind]"))
right_4(
    "views summed",
    (
        "return views * (depth * block_of(kind, t, n, d) + ends(t, n, d))",
        "return sum(depth * block_of(kind, t, n, d) + ends(t, n, d) for _ in range(views))",
    ),
)

# A whole number may come as a float, as far as a float is exact.
for wrong, right in ((wrong_1, right_1), (wrong_2, right_2), (wrong_3, right_3), (wrong_4, right_4)):
    for name in [name for name in wrong.all if name.endswith((": float", ": floats"))]:
        right.all[name] = wrong.all.pop(name)

WRONG = {k: list(w.all.values()) for k, w in zip("1234", (wrong_1, wrong_2, wrong_3, wrong_4), strict=True)}
RIGHT = {k: list(r.all.values()) for k, r in zip("1234", (right_1, right_2, right_3, right_4), strict=True)}
