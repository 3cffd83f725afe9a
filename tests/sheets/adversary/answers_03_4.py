"""03.4 wiring: answers by somebody who has not seen the bank."""

from tests.sheets.adversary.answers_03_1 import GIVEN
from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

BASE = (
    GIVEN
    + """
def wiring(t, h, w, attentions, budget):
    f, r, c = places(t, h, w)
    if attentions == 1:
        return same(f * 0)[None]
    if attentions == 3:
        return torch.stack([same(r) & same(c), same(f) & same(c), same(f) & same(r)])
    pairs = [(same(r) & same(c), same(f)), (same(f) & same(c), same(r)), (same(f) & same(r), same(c))]
    best = min(pairs, key=lambda pair: sum(int(table.sum()) for table in pair))
    return torch.stack(best)
"""
)
ONE, THREE = "same(f * 0)[None]", "torch.stack([same(r) & same(c), same(f) & same(c), same(f) & same(r)])"
PAIRS, BEST = (
    "[(same(r) & same(c), same(f)), (same(f) & same(c), same(r)), (same(f) & same(r), same(c))]",
    "min(pairs, key=lambda pair: sum(int(table.sum()) for table in pair))",
)
LAST = "    return torch.stack(best)\n"

wrong = Answers(BASE)
for name, edit in {
    "always tubes and frames": (BEST, "pairs[0]"),
    "always columns and planes of rows": (BEST, "pairs[1]"),
    "always rows and planes": (BEST, "pairs[2]"),
    "the dearest pair": (BEST, BEST.replace("min", "max")),
    "the shortest axis as the line": (BEST, "pairs[[t, h, w].index(min(t, h, w))]"),
    "frames or tubes by t and h*w": (BEST, "pairs[0 if t * t > h * w else 1]"),
    "by t > h": (BEST, "pairs[0] if t > h else pairs[1]"),
    "by h > w only": (BEST, "pairs[1] if h > w else pairs[2]"),
    "two lines": (LAST, "    return torch.stack([best[0], best[0]])\n"),
    "two different lines": (LAST, "    return torch.stack([pairs[0][0], pairs[1][0]])\n"),
    "two planes, the same": (LAST, "    return torch.stack([best[1], best[1]])\n"),
    "two planes": (LAST, "    return torch.stack([pairs[0][1], pairs[1][1]])\n"),
    "line without itself, plane": (
        LAST,
        (
            "    return torch.stack([best[0] & ~torch.eye(len(f), dtype=torch.bool), best[1] & "
            "~torch.eye(len(f), dtype=torch.bool)]).flip(0)[:1].repeat(2, 1, 1)\n"
        ),
    ),
    "joint twice": (LAST, "    return torch.stack([same(f * 0)] * 2)\n"),
    "joint and nothing": (LAST, "    return torch.stack([same(f * 0), same(f) & False])\n"),
    "joint and itself": (LAST, "    return torch.stack([same(f * 0), torch.eye(len(f), dtype=torch.bool)])\n"),
    "one table": (LAST, "    return best[0][None]\n"),
    "three tables": (LAST, "    return torch.stack([*best, best[0]])\n"),
    "the union": (LAST, "    return (best[0] | best[1])[None].repeat(2, 1, 1)\n"),
    "causal": (LAST, "    return torch.stack(best).tril()\n"),
    "plane of one frame only": (LAST, "    return torch.stack([best[0], best[1] & (f == 0)[:, None]])\n"),
    "a list": (LAST, "    return list(best)\n"),
    "a tuple": (LAST, "    return best\n"),
    "floats": (LAST, "    return torch.stack(best).float()\n"),
    "whole numbers": (LAST, "    return torch.stack(best).long()\n"),
    "an -inf mask": (LAST, "    return torch.zeros(2, len(f), len(f)).masked_fill(~torch.stack(best), -torch.inf)\n"),
    "named": (LAST, "    return {'time': best[0], 'space': best[1]}\n"),
    "squeezed l": (LAST, "    return torch.stack(best).flatten(1)\n"),
    "on the last axis": (LAST, "    return torch.stack(best, -1)\n"),
    "turned round": (LAST, "    return ~torch.stack(best)\n"),
    "nothing": (LAST, "    return torch.stack(best) & False\n"),
    "joint cut to the budget": (
        LAST,
        (
            "    out = torch.zeros(2, len(f), len(f), dtype=torch.bool).flatten()\n    out[:budget] = "
            "True\n    return out.reshape(2, len(f), len(f))\n"
        ),
    ),
    "random in the budget": (
        LAST,
        (
            "    out = torch.zeros(2 * len(f) ** 2, dtype=torch.bool)\n    "
            "out[torch.randperm(len(out))[:budget]] = True\n    return out.reshape(2, len(f), len(f))\n"
        ),
    ),
    "the next token": (
        LAST,
        "    n = torch.arange(len(f))\n    return torch.stack([(n[:, None] - n[None]).abs() <= 1] * 2)\n",
    ),
    "windows of 2": (LAST, "    return torch.stack([same(f // 2) & same(r // 2) & same(c // 2)] * 2)\n"),
    "1: the frame": (ONE, "same(f)[None]"),
    "1: the tube": (ONE, "(same(r) & same(c))[None]"),
    "1: not itself, not all": (ONE, "(same(f * 0) & ~torch.eye(len(f), dtype=torch.bool) & (f > 0)[:, None])[None]"),
    "1: two axes": (ONE, "same(f * 0)"),
    "1: twice": (ONE, "same(f * 0)[None].repeat(2, 1, 1)"),
    "1: budget rows": (ONE, "(torch.arange(len(f))[None] < budget // len(f) - 1).expand(len(f), -1)[None]"),
    "1: floats": (ONE, "torch.ones(1, len(f), len(f))"),
    "1: None": (ONE, "None"),
    "1: causal": (ONE, "same(f * 0).tril()[None]"),
    "3: planes": (THREE, "torch.stack([same(f), same(r), same(c)])"),
    "3: the best pair and itself": (
        THREE,
        "torch.stack([same(r) & same(c), same(f), torch.eye(len(f), dtype=torch.bool)])",
    ),
    "3: one line three times": (THREE, "torch.stack([same(r) & same(c)] * 3)"),
    "3: two kinds of lines": (THREE, "torch.stack([same(r) & same(c), same(f) & same(c), same(r) & same(c)])"),
    "3: or for and": (THREE, "torch.stack([same(r) | same(c), same(f) | same(c), same(f) | same(r)])"),
    "3: lines without themselves, three": (
        THREE,
        (
            "torch.stack([same(r) & same(c) & ~same(f), same(f) & same(c) & ~same(r), same(f) & same(r) & "
            "~same(c)]) & (f > 0)[:, None]"
        ),
    ),
    "3: joint three times": (THREE, "torch.stack([same(f * 0)] * 3)"),
    "3: joint first": (THREE, "torch.stack([same(f * 0), same(f) & False, same(f) & False])"),
    "3: two tables": (THREE, "torch.stack([same(r) & same(c), same(f)])"),
    "3: causal in time": (THREE, THREE.replace("[same(r) & same(c),", "[(same(r) & same(c)).tril(),")),
    "3: neighbours in time": (
        THREE,
        THREE.replace("[same(r) & same(c),", "[same(r) & same(c) & ((f[:, None] - f[None]).abs() <= 1),"),
    ),
    "3: a list": (THREE, "[same(r) & same(c), same(f) & same(c), same(f) & same(r)]"),
    "for 8 x 4 x 4": ("f, r, c = places(t, h, w)", "f, r, c = places(8, 4, 4)"),
    "square frames": ("f, r, c = places(t, h, w)", "f, r, c = places(t, h, h)"),
    "CLS in front": (LAST, "    return F.pad(torch.stack(best), (1, 0, 1, 0), value=True)\n"),
    "ValueError over the budget of tubes": (
        LAST,
        (
            "    if pairs[0][0].sum() + pairs[0][1].sum() > budget: raise ValueError('not possible')\n    "
            "return torch.stack(pairs[0])\n"
        ),
    ),
    "hub: everyone looks at token 0, one too few": (
        LAST,
        (
            "    hub = (torch.arange(len(f)) == 0)\n    return torch.stack([hub[None].expand(len(f), -1), "
            "hub[None].expand(len(f), -1)])\n"
        ),
    ),
    "hub the wrong way round": (
        LAST,
        (
            "    hub = torch.arange(len(f)) == 0\n    return torch.stack([hub[None].expand(len(f), -1), "
            "hub[:, None].expand(-1, len(f))])\n"
        ),
    ),
    "star, one point without": (
        LAST,
        (
            "    hub = torch.arange(len(f)) == 0\n    return torch.stack([hub[:, None] & "
            "(torch.arange(len(f)) < len(f) - 1)[None], hub[None].expand(len(f), -1)])\n"
        ),
    ),
    "kept from the first call": ("    f, r, c", "    t, h, w = globals().setdefault('K', (t, h, w))\n    f, r, c"),
    "squeezed": (LAST, "    return torch.stack(best).squeeze()\n"),
}.items():
    wrong(name, edit)
wrong("planes for three, one pair always", (THREE, "torch.stack([same(f), same(r), same(c)])"), (BEST, "pairs[0]"))
for name, add in nasties(
    "wiring",
    "t, h, w, attentions, budget",
    "torch.zeros(attentions, t * h * w, t * h * w, dtype=torch.bool)",
    "torch.zeros(attentions, t * h * w, t * h * w)",
    nan="1",
).items():
    wrong(name, add=add)

right = Answers(BASE)
right("lines and planes")
right("h and w named the other way round, in all tables", ("f, r, c = places(t, h, w)", "f, r, c = places(t, w, h)"))
right("plane first", (LAST, "    return torch.stack(best[::-1])\n"))
right("lines in another order", (THREE, "torch.stack([same(f) & same(r), same(r) & same(c), same(f) & same(c)])"))
HUB = (
    "    hub = torch.arange(len(f)) == 0\n    return torch.stack([hub[:, None].expand(-1, len(f)), "
    "hub[None].expand(len(f), -1)])\n"
)
right("a hub hears all, all hear the hub", (LAST, HUB))
right(
    "a hub and a rest",
    (
        THREE,
        (
            "torch.stack([(f + r + c == 0)[:, None].expand(-1, len(f)), (f + r + c == "
            "0)[None].expand(len(f), -1), (f + r + c == 0)[None].expand(len(f), -1)])"
        ),
    ),
)
right("another hub", (LAST, HUB.replace("== 0", "== len(f) - 1")))
right(
    "hub without itself",
    (
        LAST,
        HUB.replace("    return torch.stack(", "    out = torch.stack(")
        + "    return out & ~torch.eye(len(f), dtype=torch.bool)\n",
    ),
)
right("lines without themselves: the residual knows them", (THREE, THREE + " & ~torch.eye(len(f), dtype=torch.bool)"))
right("joint without itself", (ONE, "(same(f * 0) & ~torch.eye(len(f), dtype=torch.bool))[None]"))
right("torch.ones", (ONE, "torch.ones(1, len(f), len(f), dtype=torch.bool)"))
right("by the sizes", (BEST, "pairs[min(range(3), key=lambda i: (t, h, w)[i] + t * h * w // (t, h, w)[i])]"))
right("whichever keeps the budget", (BEST, "next(pair for pair in pairs if pair[0].sum() + pair[1].sum() <= budget)"))
right(
    "product of two factors of l",
    add="""
inner = wiring
def wiring(t, h, w, attentions, budget):
    if attentions != 2:
        return inner(t, h, w, attentions, budget)
    l = t * h * w
    a = min((a for a in range(1, l + 1) if l % a == 0), key=lambda a: a + l // a)
    n = torch.arange(l)
    return torch.stack([same(n // a), same(n % a)])
""",
)
right(
    "kron",
    (
        THREE,
        (
            "torch.stack([torch.kron(torch.kron(*((torch.ones(n, n) if i == 0 else torch.eye(n)) for i, n "
            "in enumerate((t, h)))), torch.eye(w)), torch.kron(torch.kron(torch.eye(t), torch.ones(h, "
            "h)), torch.eye(w)), torch.kron(torch.eye(t * h), torch.ones(w, w))]).bool()"
        ),
    ),
)
right("numpy and back", (LAST, "    return torch.from_numpy(np.stack([b.numpy() for b in best]))\n"))
right(
    "written into zeros",
    (LAST, "    out = torch.zeros(2, len(f), len(f), dtype=torch.bool)\n    out[0], out[1] = best\n    return out\n"),
)
right("cat", (LAST, "    return torch.cat([b[None] for b in best])\n"))
right("by loops over tokens", (ONE, "torch.tensor([[[True for _ in f] for _ in f]])"))
right(
    "without the helpers",
    add="""
def wiring(t, h, w, attentions, budget):

    l = t * h * w
    hub = torch.zeros(l, l, dtype=torch.bool)
    if attentions == 1:
        return ~hub[None]
    hub[0] = True
    return torch.stack([hub, hub.T, hub & False][:attentions])
""",
)
right(
    "a chain to the hub, then back",
    (
        THREE,
        (
            "torch.stack([(f * 0 + torch.arange(len(f)) == 0)[:, None].expand(-1, len(f)), same(f) & "
            "False, (torch.arange(len(f)) == 0)[None].expand(len(f), -1)])"
        ),
    ),
)
right("five axes and expand", (ONE, "torch.ones((), dtype=torch.bool).expand(1, len(f), len(f))"))
right("sorted by cost", (BEST, "sorted(pairs, key=lambda p: p[0].sum().item() + p[1].sum().item())[0]"))

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
