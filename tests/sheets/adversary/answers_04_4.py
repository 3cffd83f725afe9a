"""04.4 pairs, macs, crossing: answers by somebody who has not seen the bank."""

from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

BASE = """
def pairs(t, n):
    return (t * n) ** 2, t * n * (t + n)

def macs(t, n, d):
    joint, divided = pairs(t, n)
    return 4 * t * n * d**2 + 2 * joint * d, 9 * t * n * d**2 + 2 * divided * d

def crossing(n, d):
    return (5 * d + 2 * n) // (2 * n - 2) + 1
"""
# crossing by trying, on macs: a mistake in macs goes on into crossing. APART counts for itself.
SEARCH = """
def crossing(n, d):
    t = 1
    while macs(t, n, d)[1] >= macs(t, n, d)[0]:
        t += 1
    return t
"""
APART = """
def macs(t, n, d):
    joint, divided = (t * n) ** 2, t * n * (t + n)
    return 4 * t * n * d**2 + 2 * joint * d, 9 * t * n * d**2 + 2 * divided * d
"""
PAIRS, JOINT_PAIRS, DIVIDED_PAIRS = "(t * n) ** 2, t * n * (t + n)", "(t * n) ** 2,", ", t * n * (t + n)"
JOINT, DIVIDED = "4 * t * n * d**2 + 2 * joint * d", "9 * t * n * d**2 + 2 * divided * d"
CROSS = "(5 * d + 2 * n) // (2 * n - 2) + 1"

wrong = Answers(BASE)
# pairs, with macs and crossing apart, so that the mistake is one.
ALONE = BASE + APART
for name, text in {
    "divided without time": "(t * n) ** 2, t * n * n",
    "divided without space": "(t * n) ** 2, t * n * t",
    "divided: a token counted once in its own row": "(t * n) ** 2, t * n * (t + n - 1)",
    "divided: not itself": "(t * n) ** 2, t * n * (t + n - 2)",
    "joint: not itself": "t * n * (t * n - 1), t * n * (t + n)",
    "neither itself": "t * n * (t * n - 1), t * n * (t + n - 2)",
    "divided: product for sum": "(t * n) ** 2, t * n * (t * n)",
    "divided: squares of both": "(t * n) ** 2, t**2 + n**2",
    "divided: one tube and one frame": "(t * n) ** 2, t * t + n * n",
    "divided: tubes times tubes": "(t * n) ** 2, t**2 * n**2",
    "divided: t and n exchanged in count": "(t * n) ** 2, t * t * t + n * n * n",
    "divided: keys of one token": "(t * n) ** 2, t + n",
    "joint: keys of one token": "t * n, t * n * (t + n)",
    "both per token": "t * n, t + n",
    "joint without square": "t * n, t * n * (t + n)",
    "joint: t squared times n": "t**2 * n, t * n * (t + n)",
    "joint: t times n squared": "t * n**2, t * n * (t + n)",
    "joint halved": "(t * n) ** 2 // 2, t * n * (t + n)",
    "joint: unordered pairs": "t * n * (t * n + 1) // 2, t * n * (t + n)",
    "divided: unordered pairs": "(t * n) ** 2, t * n * (t + n) // 2",
    "both unordered": "t * n * (t * n + 1) // 2, t * n * (t + n + 2) // 2",
    "CLS counted": "(t * n + 1) ** 2, t * n * t + t * (n + 1) ** 2",
    "CLS counted in joint only": "(t * n + 1) ** 2, t * n * (t + n)",
    "CLS counted in divided only": "(t * n) ** 2, t * n * t + t * (n + 1) ** 2",
    "divided first": "t * n * (t + n), (t * n) ** 2",
    "twice the attention": "2 * (t * n) ** 2, 2 * t * n * (t + n)",
    "divided: max of the two": "(t * n) ** 2, t * n * max(t, n)",
    "square frames, n is a side": "(t * n * n) ** 2, t * n * n * (t + n * n)",
    "divided: tubes counted as t": "(t * n) ** 2, t * t * t + t * n * n",
    "divided: frames counted as n": "(t * n) ** 2, n * t * t + n * n * n",
    "axial: rows and columns": "(t * n) ** 2, t * n * (t + 2 * math.isqrt(n))",
    "floats": "float(t * n) ** 2, float(t * n * (t + n))",
    "divided by a float and back": "int((t * n) ** 2.0), int(t * n * (t + n) / 3 * 3)",
    "joint by logarithms": "round(math.exp(2 * math.log(t * n))), t * n * (t + n)",
    "floats by true division": "(t * n) ** 2 / 1, t * n * (t + n) / 1",
    "thousands": "(t * n) ** 2 // 1000, t * n * (t + n) // 1000",
    "strings": "str((t * n) ** 2), str(t * n * (t + n))",
    "one number": "(t * n) ** 2",
    "three numbers": "(t * n) ** 2, t * n * (t + n), t * n",
    "the difference": "(t * n) ** 2 - t * n * (t + n)",
    "the ratio": "(t * n) / (t + n)",
    "the named clip's always": "64, 48",
    "for 4 patches always": "(t * 4) ** 2, t * 4 * (t + 4)",
    "for 2 frames always": "(2 * n) ** 2, 2 * n * (2 + n)",
    "for 8 frames of 196 always": "(8 * 196) ** 2, 8 * 196 * (8 + 196)",
    "int32 tensor": (
        "tuple((torch.tensor([t * n, t + n], dtype=torch.int32) * torch.tensor(t * n, dtype=torch.int32)).tolist())"
    ),
    "int32 numpy": "int(np.array(t * n, np.int32) * np.array(t * n, np.int32)), t * n * (t + n)",
    "float32": "int(torch.tensor(float(t * n)) ** 2), int(torch.tensor(float(t * n)) * (t + n))",
    "complex": "(t * n) ** 2 + 0j, t * n * (t + n) + 0j",
    "booleans": "(t * n) ** 2 > 0, t * n * (t + n) > 0",
    "right up to 1000 tokens": "((t * n) ** 2, t * n * (t + n)) if t * n <= 1000 else ((t * n) ** 2, t * n * n)",
    "right for t below n": "((t * n) ** 2, t * n * (t + n)) if t < n else ((t * n) ** 2, t * n * t)",
    "right but for one frame": "((t * n) ** 2, t * n * (t + n)) if t > 1 else (n * n, n * n)",
    "one frame has no time": "(t * n) ** 2, t * n * (t + n) if t > 1 else n * n",
    "a patch alone has no space": "(t * n) ** 2, t * n * (t + n) if n > 1 else t * t",
    "random": "random.randrange(t * n + 1) ** 2, t * n * (t + n)",
}.items():
    wrong(f"pairs: {name}", (f"return {PAIRS}", f"return {text}"), base="import random\n" + ALONE)
wrong("pairs: a dict", (f"return {PAIRS}", 'return {"joint": (t * n) ** 2, "divided": t * n * (t + n)}'), base=ALONE)
wrong("pairs: prints", (f"return {PAIRS}", f"print({PAIRS})"), base=ALONE)
wrong(
    "pairs: t and n exchanged in the signature and divided without time",
    ("pairs(t, n):\n    return " + PAIRS, "pairs(n, t):\n    return (t * n) ** 2, t * n * n"),
    base=ALONE,
)
wrong(
    "pairs: the first answer is kept",
    add="""
kept = []
first = pairs
def pairs(t, n):
    kept.append(first(t, n))
    return kept[0]
""",
    base=ALONE,
)
# macs.
wrong("macs: three maps, proj forgotten", (JOINT, JOINT.replace("4", "3", 1)), (DIVIDED, DIVIDED.replace("9", "7", 1)))
wrong("macs: proj forgotten in joint", (JOINT, JOINT.replace("4", "3", 1)))
wrong("macs: proj forgotten in divided", (DIVIDED, DIVIDED.replace("9", "7", 1)))
wrong("macs: proj forgotten in one of divided's two", (DIVIDED, DIVIDED.replace("9", "8", 1)))
wrong("macs: temporal projection forgotten", (DIVIDED, DIVIDED.replace("9", "8", 1) + " * 1"))
wrong("macs: temporal projection in joint too", (JOINT, JOINT.replace("4", "5", 1)))
wrong("macs: gate counted twice", (DIVIDED, DIVIDED.replace("9", "10", 1)))
wrong("macs: divided has the maps once", (DIVIDED, DIVIDED.replace("9", "5", 1)))
wrong("macs: divided has the maps once, no gate", (DIVIDED, DIVIDED.replace("9", "4", 1)))
wrong("macs: qkv counted as one map", (JOINT, JOINT.replace("4", "2", 1)), (DIVIDED, DIVIDED.replace("9", "5", 1)))
wrong(
    "macs: scores only",
    (JOINT, JOINT.replace("2 * joint", "joint")),
    (DIVIDED, DIVIDED.replace("2 * divided", "divided")),
)
wrong("macs: scores only, in joint", (JOINT, JOINT.replace("2 * joint", "joint")))
wrong("macs: scores only, in divided", (DIVIDED, DIVIDED.replace("2 * divided", "divided")))
wrong("macs: pairs without d", (JOINT, "4 * t * n * d**2 + 2 * joint"), (DIVIDED, "9 * t * n * d**2 + 2 * divided"))
wrong("macs: no pairs", (JOINT, "4 * t * n * d**2"), (DIVIDED, "9 * t * n * d**2"))
wrong("macs: no maps", (JOINT, "2 * joint * d"), (DIVIDED, "2 * divided * d"))
wrong(
    "macs: pairs times d squared",
    (JOINT, "4 * t * n * d**2 + 2 * joint * d**2"),
    (DIVIDED, "9 * t * n * d**2 + 2 * divided * d**2"),
)
wrong("macs: maps with d for d squared", (JOINT, JOINT.replace("d**2", "d")), (DIVIDED, DIVIDED.replace("d**2", "d")))
wrong("macs: flops, twice the multiply-adds", (JOINT, f"2 * ({JOINT})"), (DIVIDED, f"2 * ({DIVIDED})"))
wrong("macs: biases counted", (JOINT, JOINT + " + 4 * t * n * d"), (DIVIDED, DIVIDED + " + 9 * t * n * d"))
wrong("macs: softmax counted", (JOINT, JOINT + " + joint"), (DIVIDED, DIVIDED + " + divided"))
wrong("macs: scale counted", (JOINT, JOINT + " + joint"))
wrong("macs: MLP counted", (JOINT, JOINT + " + 8 * t * n * d**2"), (DIVIDED, DIVIDED + " + 8 * t * n * d**2"))
wrong(
    "macs: CLS counted in the maps",
    (JOINT, JOINT.replace("t * n * d", "(t * n + 1) * d")),
    (DIVIDED, DIVIDED.replace("t * n * d", "(t * n + 1) * d")),
)
wrong(
    "macs: maps once a clip, not for each token",
    (JOINT, "4 * d**2 + 2 * joint * d"),
    (DIVIDED, "9 * d**2 + 2 * divided * d"),
)
wrong(
    "macs: maps once a patch place",
    (JOINT, JOINT.replace("t * n * d", "n * d")),
    (DIVIDED, DIVIDED.replace("t * n * d", "n * d")),
)
wrong("macs: divided's pairs in joint", (JOINT, JOINT.replace("joint", "divided")))
wrong("macs: joint's pairs in divided", (DIVIDED, DIVIDED.replace("divided", "joint")))
wrong("macs: divided first", (f"return {JOINT}, {DIVIDED}", f"return {DIVIDED}, {JOINT}"))
wrong("macs: only joint", (f"return {JOINT}, {DIVIDED}", f"return {JOINT}"))
wrong("macs: only divided", (f"return {JOINT}, {DIVIDED}", f"return {DIVIDED}"))
wrong("macs: joint, divided, ratio", (f"return {JOINT}, {DIVIDED}", f"return {JOINT}, {DIVIDED}, 1.0"))
wrong(
    "macs: divided without time's pairs", ("joint, divided = pairs(t, n)", "joint, divided = (t * n) ** 2, t * n * n")
)
wrong(
    "macs: divided without space's pairs", ("joint, divided = pairs(t, n)", "joint, divided = (t * n) ** 2, t * n * t")
)
wrong("macs: width 768 always", ("    joint, divided = pairs", "    d = 768\n    joint, divided = pairs"))
wrong("macs: 196 patches always", ("    joint, divided = pairs", "    n = 196\n    joint, divided = pairs"))
wrong("macs: 8 frames always", ("    joint, divided = pairs", "    t = 8\n    joint, divided = pairs"))
wrong(
    "macs: pairs with t and n exchanged and divided without time",
    ("pairs(t, n)\n    return 4", "(t * n) ** 2, n * t * t\n    return 4"),
)
wrong("macs: pairs unpacked the other way", ("joint, divided = pairs", "divided, joint = pairs"))
wrong("macs: d xor 2", (JOINT, JOINT.replace("**", "^")), (DIVIDED, DIVIDED.replace("**", "^")))
wrong("macs: floats", (JOINT, f"float({JOINT})"), (DIVIDED, f"float({DIVIDED})"))
wrong("macs: joint a float", (JOINT, f"({JOINT}) * 1.0"))
wrong(
    "macs: int32",
    (JOINT, f"int(torch.tensor({JOINT}).to(torch.int32))"),
    (DIVIDED, f"int(torch.tensor({DIVIDED}).to(torch.int32))"),
)
wrong("macs: billions", (JOINT, f"({JOINT}) / 10**9"), (DIVIDED, f"({DIVIDED}) / 10**9"))
wrong("macs: rounded to millions", (JOINT, f"round({JOINT}, -6)"), (DIVIDED, f"round({DIVIDED}, -6)"))
wrong("macs: a string with commas", (JOINT, f"format({JOINT}, ',')"), (DIVIDED, f"format({DIVIDED}, ',')"))
wrong("macs: heads of 64 counted", (JOINT, JOINT + " * 64"), (DIVIDED, DIVIDED + " * 64"))
wrong("macs: gate on frames only", (DIVIDED, "8 * t * n * d**2 + n * d**2 + 2 * divided * d"))
wrong("macs: maps of space for CLS copies too", (DIVIDED, "9 * t * n * d**2 + 4 * t * d**2 + 2 * divided * d"))
wrong("macs: the difference", (f"return {JOINT}, {DIVIDED}", "return 5 * t * n * d**2"))
wrong("macs: floor division lost", (JOINT, f"({JOINT}) // 2 * 2 + (t * n * d) % 2"))
wrong("macs: right for even widths only", (JOINT, f"({JOINT}) if d % 2 == 0 else 0"))
wrong("macs: right up to 100 frames", (JOINT, f"({JOINT}) if t <= 100 else 0"))
wrong("macs: right up to a width of 1024", (JOINT, f"({JOINT}) if d <= 1024 else 0"))
# crossing.
for name, text in {
    "one too many": CROSS + " + 1",
    "one too few": "(5 * d + 2 * n) // (2 * n - 2)",
    "rounded up, the tie taken": "-(-(5 * d + 2 * n) // (2 * n - 2))",
    "rounded": "round((5 * d + 2 * n) / (2 * n - 2))",
    "rounded, and one": "round((5 * d + 2 * n) / (2 * n - 2)) + 1",
    "a float": "(5 * d + 2 * n) / (2 * n - 2)",
    "a float, and one": "(5 * d + 2 * n) / (2 * n - 2) + 1",
    "math.ceil, the tie taken": "math.ceil((5 * d + 2 * n) / (2 * n - 2))",
    "a whole number as a float": "float((5 * d + 2 * n) // (2 * n - 2) + 1)",
    "for pairs, not multiply-adds": "n // (n - 1) + 1",
    "gate left out": "(4 * d + 2 * n) // (2 * n - 2) + 1",
    "maps left out": "2 * n // (2 * n - 2) + 1",
    "scores only": "(5 * d + n) // (n - 1) + 1",
    "n taken off twice": "(5 * d + 2 * n) // (2 * n - 4) + 1 if n > 2 else 5 * d + 2 * n",
    "no n in the numerator": "5 * d // (2 * n - 2) + 1",
    "n, not n - 1": "(5 * d + 2 * n) // (2 * n) + 1",
    "sign of n": "(5 * d - 2 * n) // (2 * n - 2) + 1",
    "proj forgotten in both": "(4 * d + 2 * n) // (2 * n - 2) + 1 + 0 * n",
    "d for 5d": "(d + 2 * n) // (2 * n - 2) + 1",
    "half: 2.5 d over n": "int(2.5 * d / n) + 1",
    "2.5 d over n - 1, and one": "int(2.5 * d / (n - 1)) + 1",
    "2.5 d over n - 1, and two": "int(2.5 * d / (n - 1)) + 2",
    "8 always": "8",
    "11 always": "11",
    "12 always": "12",
    "n": "n",
    "d // n": "d // n",
    "at least 2": "max(2, " + CROSS + ") + (n > d)",
    "at most 96": "min(96, " + CROSS + ")",
    "at most 1000": "min(1000, " + CROSS + ")",
    "None beyond 64": CROSS + " if " + CROSS + " <= 64 else None",
    "even only": "(" + CROSS + ") // 2 * 2",
    "next power of two": "1 << (" + CROSS + ").bit_length()",
    "n and d exchanged": "(5 * n + 2 * d) // (2 * d - 2) + 1 if d > 1 else 99",
    "a tuple": f"({CROSS},)",
    "with both costs": f"({CROSS}, macs({CROSS}, n, d))",
    "a string": f"str({CROSS})",
    "the last at which joint is cheaper": CROSS + " - 1",
    "a bool": f"bool({CROSS})",
    "a list": f"[{CROSS}]",
    "a tensor of floats": f"torch.tensor(float({CROSS}))",
    "by bisection between 1 and 64": "next((t for t in range(1, 65) if macs(t, n, d)[1] < macs(t, n, d)[0]), 64)",
    "divided cheaper or equal": "next(t for t in itertools.count(1) if macs(t, n, d)[1] <= macs(t, n, d)[0])",
    "joint cheaper": "next(t for t in itertools.count(1) if macs(t, n, d)[1] > macs(t, n, d)[0])",
    "tries even frames": "next(t for t in itertools.count(2, 2) if macs(t, n, d)[1] < macs(t, n, d)[0])",
    "tries powers of two": "next(1 << k for k in itertools.count() if macs(1 << k, n, d)[1] < macs(1 << k, n, d)[0])",
    "tries from 2 and takes one off": "next(t for t in itertools.count(2) if macs(t, n, d)[1] < macs(t, n, d)[0]) - 1",
    "tries pairs": "next(t for t in itertools.count(1) if pairs(t, n)[1] < pairs(t, n)[0])",
    "counts from 0 without macs(0)": "next(t - 1 for t in itertools.count(1) if macs(t, n, d)[1] < macs(t, n, d)[0])",
    "the number of tokens": f"({CROSS}) * n",
}.items():
    wrong(f"crossing: {name}", (f"return {CROSS}", f"return {text}"))
wrong("crossing: prints", (f"return {CROSS}", f"print({CROSS})"))
wrong(
    "crossing: the first answer is kept",
    add="""
kept = []
first = crossing
def crossing(n, d):
    kept.append(first(n, d))
    return kept[0]
""",
)
# Mistakes that go on: crossing tries with the wrong macs, macs counts with the wrong pairs.
wrong(
    "proj forgotten, crossing with it",
    (JOINT, JOINT.replace("4", "3", 1)),
    (DIVIDED, DIVIDED.replace("9", "7", 1)),
    add=SEARCH,
)
wrong("gate forgotten, crossing with it", (DIVIDED, DIVIDED.replace("9", "8", 1)), add=SEARCH)
wrong(
    "scores only, crossing with it",
    (JOINT, JOINT.replace("2 * joint", "joint")),
    (DIVIDED, DIVIDED.replace("2 * divided", "divided")),
    add=SEARCH,
)
wrong("divided without time, all three with it", (PAIRS, "(t * n) ** 2, t * n * n"), add=SEARCH)
wrong("a token not itself, all three with it", (PAIRS, "t * n * (t * n - 1), t * n * (t + n - 2)"), add=SEARCH)
wrong("CLS counted, all three with it", (PAIRS, "(t * n + 1) ** 2, t * n * t + t * (n + 1) ** 2"), add=SEARCH)
wrong("flops, crossing right", (JOINT, f"2 * ({JOINT})"), (DIVIDED, f"2 * ({DIVIDED})"), add=SEARCH)
# Two mistakes at once.
wrong("macs: proj and gate forgotten", (JOINT, JOINT.replace("4", "3", 1)), (DIVIDED, DIVIDED.replace("9", "6", 1)))
wrong("macs: gate forgotten and flops", (JOINT, f"2 * ({JOINT})"), (DIVIDED, f"2 * ({DIVIDED.replace('9', '8', 1)})"))
wrong(
    "pairs: divided without time; crossing one too few",
    (PAIRS, "(t * n) ** 2, t * n * n"),
    (CROSS, "(5 * d + 2 * n) // (2 * n - 2)"),
    add=APART,
)
wrong("crossing: gate left out and the tie taken", (CROSS, "-(-(4 * d + 2 * n) // (2 * n - 2))"))
wrong(
    "pairs: divided first; macs: divided first",
    (PAIRS, "t * n * (t + n), (t * n) ** 2"),
    ("joint, divided = pairs", "divided, joint = pairs"),
    (f"return {JOINT}, {DIVIDED}", f"return {DIVIDED}, {JOINT}"),
)
for name, add in nasties("pairs", "t, n", "(t * n, t)", "torch.zeros(2)", nan="2").items():
    wrong(name, add=add, base=ALONE)
for name, add in list(nasties("macs", "t, n, d", "(t * n * d, t * n)", "torch.zeros(2)", nan="2").items())[::4]:
    wrong(name, add=add)
for name, add in list(nasties("crossing", "n, d", "(n + 4 * d)", "torch.zeros(())", nan="math.nan").items())[::3]:
    wrong(name, add=add)

right = Answers(BASE)
right("formulas")
right("crossing by trying", add=SEARCH)
right("macs apart from pairs", add=APART)
right(
    "pairs by loops",
    (JOINT_PAIRS, "sum(t * n * n for _ in range(t)),"),
    (DIVIDED_PAIRS, ", sum(n * (t + n) for _ in range(t))"),
)
right("pairs as tubes and frames", (DIVIDED_PAIRS, ", n * t * t + t * n * n"))
right("a list for the pair", (f"return {PAIRS}", f"return [{PAIRS}]"))
right(
    "numpy int64", (JOINT_PAIRS, "np.int64(t * n) * t * n,"), (DIVIDED_PAIRS, ", np.int64(t * n) * (t + n)"), add=APART
)
right("torch.tensor(..).item()", (JOINT_PAIRS, "torch.tensor(t * n).pow(2).item(),"))
right("math.prod", (JOINT_PAIRS, "math.prod([t, n, t, n]),"))
right(
    "sum of generators",
    (DIVIDED_PAIRS, ", sum(n * keys for _ in range(t) for keys in (t, n))"),
    (JOINT_PAIRS, "pow(t * n, 2),"),
)
right(
    "macs product by product",
    add="""
def macs(t, n, d):
    def product(rows, inner, columns): return rows * inner * columns
    def attention(groups, l): return groups * (4 * product(l, d, d) + product(l, d, l) + product(l, l, d))
    return attention(1, t * n), attention(n, t) + product(t * n, d, d) + attention(t, n)
""",
)
right(
    "macs as sums of parts",
    add="""
def macs(t, n, d):
    tokens = t * n
    parts = {"qkv": 3 * tokens * d * d, "proj": tokens * d * d}
    parts |= {"scores": tokens * tokens * d, "values": tokens * tokens * d}
    time, space = ({**parts, "scores": tokens * l * d, "values": tokens * l * d} for l in (t, n))
    return sum(parts.values()), sum(time.values()) + sum(space.values()) + tokens * d * d
""",
)
right("macs factored", (JOINT, "2 * t * n * d * (2 * d + t * n)"), (DIVIDED, "t * n * d * (9 * d + 2 * (t + n))"))
right(
    "macs as a namedtuple",
    (
        f"return {JOINT}, {DIVIDED}",
        f'return __import__("collections").namedtuple("Cost", "joint divided")({JOINT}, {DIVIDED})',
    ),
)
right(
    "crossing with math.floor on fractions",
    (CROSS, 'math.floor(__import__("fractions").Fraction(5 * d + 2 * n, 2 * n - 2)) + 1'),
)
right("crossing with divmod", (CROSS, "divmod(5 * d + 2 * n, 2 * n - 2)[0] + 1"))
right("crossing rounded up from the next", (CROSS, "-(-(5 * d + 2 * n + 1) // (2 * n - 2))"))
right("crossing with next", (CROSS, "next(t for t in itertools.count(1) if macs(t, n, d)[0] > macs(t, n, d)[1])"))
right(
    "crossing by bisection",
    add="""
def crossing(n, d):
    low, high = 0, 1
    while macs(high, n, d)[1] >= macs(high, n, d)[0]:
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if macs(middle, n, d)[1] < macs(middle, n, d)[0] else (middle, high)
    return high
""",
)
right("crossing cached", add="crossing = functools.lru_cache(crossing)")
right("crossing with half integers", (CROSS, "(5 * d // 2 + n) // (n - 1) + 1"))
right(
    "pairs by counting for real, small; formula else",
    (
        f"return {PAIRS}",
        f"return ({PAIRS}) if t * n > 300 else (sum(1 for q in range(t * n) for k in range(t * n)), "
        "sum((q % n == k % n) + (q // n == k // n) for q in range(t * n) for k in range(t * n)))",
    ),
)
right("int64 tensors and back", (JOINT, f"int(torch.tensor({JOINT}))"), (DIVIDED, f"int(torch.tensor({DIVIDED}))"))
right("operator functions", (JOINT_PAIRS, "(lambda l: l * l)(t * n),"))
right("a lambda", add="pairs = lambda t, n: ((t * n) ** 2, t * n * (t + n))")
right(
    "a callable object",
    add="""
class Pairs:
    def __call__(self, t, n): return (t * n) ** 2, t * n * (t + n)
pairs = Pairs()
""",
)
right(
    "with print and keyword defaults",
    add="""
def pairs(t, n, *, say=False):
    print(t, n)
    return (t * n) ** 2, t * n * (t + n)
""",
)
right(
    "recursion over frames",
    add="""
def crossing(n, d, t=None):
    t = t or max(1, (5 * d + 2 * n) // (2 * n - 2) - 3)
    return t if macs(t, n, d)[1] < macs(t, n, d)[0] else crossing(n, d, t + 1)
""",
)

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
