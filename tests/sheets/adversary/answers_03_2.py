"""03.2 heard, attentions_until_all: answers by somebody who has not seen the bank."""

from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

BASE = """
def heard(tables):
    known = torch.eye(tables.shape[-1], dtype=torch.bool)
    for looks in tables:
        new = (looks.float() @ known.float()) > 0
        known = known | new
    return known

def attentions_until_all(tables):
    knows = torch.eye(tables.shape[-1], dtype=torch.bool)
    count = 0
    while not knows.all():
        before = knows
        for looks in tables:
            knows = knows | ((looks.float() @ knows.float()) > 0)
            count += 1
            if knows.all():
                return count
        if torch.equal(before, knows):
            return -1
    return count
"""
NEW, OR, EYE = (
    "(looks.float() @ known.float()) > 0",
    "known | new",
    "known = torch.eye(tables.shape[-1], dtype=torch.bool)",
)
STEP, STUCK = "knows | ((looks.float() @ knows.float()) > 0)", "if torch.equal(before, knows):"

wrong = Answers(BASE)
for name, edit in {
    "the other way round": (NEW, "(known.float() @ looks.float()) > 0"),
    "no residual": (OR, "new"),
    "and for or": (OR, "known & new"),
    "last table only": ("in tables:\n        new", "in tables[-1:]:\n        new"),
    "first table only": ("in tables:\n        new", "in tables[:1]:\n        new"),
    "order backwards": ("in tables:\n        new", "in tables.flip(0):\n        new"),
    "union of the tables": (NEW, "looks"),
    "tables transposed": (NEW, "(looks.T.float() @ known.float()) > 0"),
    "result transposed": ("    return known\n", "    return known.T\n"),
    "begins with nothing": (EYE, EYE + " & False"),
    "begins with everything": (EYE, EYE + " | True"),
    "begins with the first table": (EYE, "known = tables[0]"),
    "itself left out at the end": (
        "    return known\n",
        "    return known & ~torch.eye(len(known), dtype=torch.bool)\n",
    ),
    "counts of paths": ("    return known\n", "    return known.float()\n"),
    "whole numbers": ("    return known\n", "    return known.long()\n"),
    "without comparing": (NEW, "looks.float() @ known.float()"),
    "exactly one path": (NEW, "(looks.float() @ known.float()) == 1"),
    "more than one path": (NEW, "(looks.float() @ known.float()) > 1"),
    "element by element": (NEW, "looks & known"),
    "at least half": (NEW, "(looks.float() @ known.float()) / looks.sum(1, keepdim=True) > 0.5"),
    "all in parallel": (NEW, "looks"),
    "twice each": (
        "        known = known | new",
        "        known = known | new\n        known = known | ((looks.float() @ known.float()) > 0)",
    ),
    "one table more": ("in tables:\n        new", "in torch.cat([tables, tables[:1]]):\n        new"),
    "the last left out": ("in tables:\n        new", "in tables[:-1]:\n        new"),
    "two tables only": ("in tables:\n        new", "in tables[:2]:\n        new"),
    "until nothing changes": (
        "    return known\n",
        (
            "    for _ in range(len(known)):\n        known = known | ((tables.any(0).float() @ "
            "known.float()) > 0)\n    return known\n"
        ),
    ),
    "(l,) sums": ("    return known\n", "    return known.sum(1)\n"),
    "stack of steps": ("    return known\n", "    return known[None]\n"),
    "a list": ("    return known\n", "    return known.tolist()\n"),
    "symmetric": ("    return known\n", "    return known | known.T\n"),
    "squeezed": ("    return known\n", "    return known.squeeze()\n"),
    "writes into the tables": ("    return known\n", "    tables[0] = known\n    return known\n"),
    "uint8 overflow": (NEW, "(looks.to(torch.uint8) @ known.to(torch.uint8)) > 0"),
    "tables with a diagonal only": (NEW, "(looks.float() @ known.float()) > 0 if looks.diagonal().all() else looks"),
    "16 tokens": (EYE, "known = torch.eye(16, dtype=torch.bool)"),
    "product of all, each path": (
        "    return known\n",
        "    return functools.reduce(lambda a, b: (b.float() @ a.float()) > 0, tables)\n",
    ),
    "powers of the first": (NEW, "(tables[0].float() @ known.float()) > 0"),
    "right for symmetric tables": (
        NEW,
        (
            "(known.float() @ looks.float()) > 0 if not torch.equal(looks, looks.T) else (looks.float() @ "
            "known.float()) > 0"
        ),
    ),
}.items():
    wrong(f"heard: {name}", edit)
for name, edit in {
    "counts blocks, not attentions": ("            count += 1\n            if", "            if"),
    "rounds": (
        "            count += 1\n            if knows.all():\n                return count\n",
        "            pass\n        count += 1\n",
    ),
    "always whole rounds": ("            if knows.all():\n                return count\n", ""),
    "begins at 1": ("count = 0", "count = 1"),
    "one too few": ("                return count\n", "                return count - 1\n"),
    "first table only": ("for looks in tables:\n            knows", "for looks in tables[:1]:\n            knows"),
    "backwards": ("for looks in tables:\n            knows", "for looks in tables.flip(0):\n            knows"),
    "the other way round": (STEP, "knows | ((knows.float() @ looks.float()) > 0)"),
    "union": (STEP, "knows | looks"),
    "0 for never": ("return -1", "return 0"),
    "None for never": ("return -1", "return None"),
    "inf for never": ("return -1", "return math.inf"),
    "the count for never": ("return -1", "return count"),
    "raises for never": ("return -1", "raise ValueError('never')"),
    "True for never": ("return -1", "return True"),
    "one round at most": (STUCK, "if True:"),
    "ten rounds at most": (STUCK, "if count >= 10:"),
    "as many rounds as tables": (STUCK, "if count >= len(tables) ** 2:"),
    "gives up when one attention brings nothing": (
        "            count += 1\n            if knows.all():\n                return count\n",
        (
            "            count += 1\n            if knows.all():\n                return count\n          "
            "  if torch.equal(knows, before):\n                return -1\n"
        ),
    ),
    "row 0 only": ("            if knows.all():", "            if knows[0].all():"),
    "column 0 only": ("            if knows.all():", "            if knows[:, 0].all():"),
    "any": ("            if knows.all():", "            if knows.any():"),
    "the corner": ("            if knows.all():", "            if knows[0, -1] and knows[-1, 0]:"),
    "most": ("            if knows.all():", "            if knows.float().mean() > 0.9:"),
    "1 for a single token": (
        "    while not knows.all():",
        "    if len(knows) == 1:\n        return 1\n    while not knows.all():",
    ),
    "floats": ("                return count\n", "                return float(count)\n"),
    "tensor of floats": ("                return count\n", "                return torch.tensor(float(count))\n"),
    "2 always": ("    count = 0\n", "    return 2\n    count = 0\n"),
    "the diameter": ("    count = 0\n", "    tables = tables.any(0)[None]\n    count = 0\n"),
    "tuple": ("                return count\n", "                return count, knows\n"),
    "the number of tables": ("                return count\n", "                return len(tables)\n"),
    "both directions": (STEP, "knows | knows.T | ((looks.float() @ knows.float()) > 0)"),
    "even only": ("                return count\n", "                return count + count % 2\n"),
    "square root of tokens": ("    count = 0\n", "    return math.ceil(math.log2(len(knows)))\n    count = 0\n"),
    "changes the tables": ("    count = 0\n", "    count = 0\n    tables |= knows\n"),
    "kept": (
        "    count = 0\n",
        (
            "    global K\n    K = globals().get('K', tables)\n    tables = K if K.shape == tables.shape "
            "else tables\n    count = 0\n"
        ),
    ),
}.items():
    wrong(f"until: {name}", edit)
ALONE = (STEP, "(looks.float() @ knows.float()) > 0"), (STUCK, "if count > 99:")  # or it would go round for ever
wrong("until: no residual", *ALONE)
wrong("both: no residual", (OR, "new"), *ALONE)
wrong(
    "both: the other way round",
    (NEW, "(known.float() @ looks.float()) > 0"),
    (STEP, "knows | ((knows.float() @ looks.float()) > 0)"),
)
wrong("both: union of the tables", (NEW, "looks"), (STEP, "knows | looks"))
for name, add in nasties("heard", "tables", "tables[0] & False", "(tables[0] * 1.0)", nan="1").items():
    wrong(name, add=add)
for name, add in list(nasties("attentions_until_all", "tables", "99", "(tables[0] * 1.0)", nan="1").items())[::4]:
    wrong(name, add=add)

right = Answers(BASE)
right("steps")
right("residual in the table", (NEW, "((looks.float() + torch.eye(len(looks))) @ known.float()) > 0"), (OR, "new"))
right("any of and", (NEW, "(looks[:, :, None] & known[None]).any(1)"))
right("einsum", (NEW, 'torch.einsum("qk,kj->qj", looks.float(), known.float()) > 0.5'))
right("whole numbers", (NEW, "(looks.long() @ known.long()) > 0"))
right("int32 products", (NEW, "(looks.int() @ known.int()).bool()"))
right("float64", (NEW, "(looks.double() @ known.double()) > 0"))
right("rows by hand", (NEW, "torch.stack([known[row].any(0) for row in looks])"))
right(
    "functools.reduce",
    add="""
def heard(tables):
    eye = torch.eye(tables.shape[1], dtype=torch.bool)
    return functools.reduce(lambda a, b: a | ((b.float() @ a.float()) > 0), tables, eye)
""",
)
right(
    "matrix product of all",
    add="""
def heard(tables):
    eye = torch.eye(tables.shape[1], dtype=torch.float64)
    return torch.linalg.multi_dot([*((t | eye.bool()).double() for t in tables.flip(0)), eye]) > 0.5
""",
)
right(
    "sets",
    add="""
def heard(tables):
    known = [{i} for i in range(tables.shape[1])]
    for t in tables:
        known = [known[i].union(*(known[j] for j in row.nonzero().flatten().tolist())) for i, row in enumerate(t)]
    return torch.tensor([[j in known[i] for j in range(len(known))] for i in range(len(known))])
""",
)
right(
    "numpy",
    add="""
def heard(tables):
    known = np.eye(tables.shape[1], dtype=bool)
    for t in tables.numpy():
        known = known | (t.astype(int) @ known.astype(int) > 0)
    return torch.from_numpy(known)
""",
)
right("max instead of a product", (NEW, "(looks[:, :, None].float() * known[None].float()).amax(1) > 0"))
right(
    "until on heard",
    add="""
def attentions_until_all(tables):
    many, before = 0, None
    while True:
        chosen = tables[torch.arange(many) % len(tables)] if many else tables[:0]
        table = heard(chosen)
        if table.all():
            return many
        if many and many % len(tables) == 0:
            if before is not None and torch.equal(before, table):
                return -1
            before = table
        many += 1
""",
)
right("at most l rounds", (STUCK, "if count >= len(tables) * (len(knows) + 1):"))
right(
    "itertools.cycle",
    add="""
def attentions_until_all(tables):
    k, l, _ = tables.shape
    knows = torch.eye(l, dtype=torch.bool)
    if knows.all():
        return 0
    for count, looks in enumerate(itertools.islice(itertools.cycle(tables), k * l + k), 1):
        knows = knows | ((looks.float() @ knows.float()) > 0)
        if knows.all():
            return count
    return -1
""",
)
right(
    "recursion",
    add="""
def attentions_until_all(tables, knows=None, count=0, idle=0):
    knows = torch.eye(tables.shape[1], dtype=torch.bool) if knows is None else knows
    if knows.all():
        return count
    if idle == len(tables):
        return -1
    new = knows | ((tables[count % len(tables)].float() @ knows.float()) > 0)
    return attentions_until_all(tables, new, count + 1, idle + 1 if torch.equal(new, knows) else 0)
""",
)
right(
    "a tensor of whole numbers",
    ("                return count\n", "                return torch.tensor(count).item()\n"),
)
right("numpy whole number", ("                return count\n", "                return int(np.int64(count))\n"))
right("count of known", (STUCK, "if before.sum() == knows.sum():"))
right(
    "never seen first",
    add="""
inner = attentions_until_all
def attentions_until_all(tables):
    reach = tables.any(0) | torch.eye(tables.shape[1], dtype=torch.bool)
    for _ in range(tables.shape[1].bit_length() + 1):
        reach = (reach.float() @ reach.float()) > 0
    return inner(tables) if reach.all() else -1
""",
)
right("nonzero", (NEW, "(looks.float() @ known.float()) != 0"))

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
