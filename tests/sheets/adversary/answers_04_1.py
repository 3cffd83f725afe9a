"""04.1 to_tubes, from_tubes: answers by somebody who has not seen the bank."""

from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

EINOPS = """
def to_tubes(x, t):
    return rearrange(x, "b (t n) d -> (b n) t d", t=t)

def from_tubes(tubes, b):
    return rearrange(tubes, "(b n) t d -> b (t n) d", b=b)
"""
PLAIN = """
def to_tubes(x, t):
    b, l, d = x.shape
    n = l // t
    x = x.reshape(b, t, n, d)
    x = x.transpose(1, 2)
    return x.reshape(b * n, t, d)

def from_tubes(tubes, b):
    g, t, d = tubes.shape
    n = g // b
    y = tubes.reshape(b, n, t, d)
    y = y.transpose(1, 2)
    return y.reshape(b, t * n, d)
"""
TO, FROM = "b (t n) d -> (b n) t d", "(b n) t d -> b (t n) d"
TO_CALL, FROM_CALL = f'rearrange(x, "{TO}", t=t)', f'rearrange(tubes, "{FROM}", b=b)'

wrong = Answers(EINOPS)
# The order of axes.
wrong("to: no transpose", ("    x = x.transpose(1, 2)\n", ""), base=PLAIN)
wrong("from: no transpose", ("    y = y.transpose(1, 2)\n", ""), base=PLAIN)
wrong("both: no transpose", ("    x = x.transpose(1, 2)\n", ""), ("    y = y.transpose(1, 2)\n", ""), base=PLAIN)
wrong("to: time taken as the fast axis", (TO, "b (n t) d -> (b n) t d"))
wrong("from: time put fast", (FROM, "(b n) t d -> b (n t) d"))
wrong("both: time fast", (TO, "b (n t) d -> (b n) t d"), (FROM, "(b n) t d -> b (n t) d"))
wrong("to: place slowest, clip fast", (TO, "b (t n) d -> (n b) t d"))
wrong("from: place slowest, clip fast", (FROM, "(n b) t d -> b (t n) d"))
wrong("both: place slowest, clip fast", (TO, "b (t n) d -> (n b) t d"), (FROM, "(n b) t d -> b (t n) d"))
wrong("to: frames instead of tubes", (TO, "b (t n) d -> (b t) n d"))
wrong("from: frames instead of tubes", (FROM, "(b t) n d -> b (t n) d"))
wrong("both: frames instead of tubes", (TO, "b (t n) d -> (b t) n d"), (FROM, "(b t) n d -> b (t n) d"))
wrong("to: t taken as the number of places", ('t d", t=t', 't d", n=t'))
wrong("from: b taken as the number of places", ('d", b=b', 'd", n=b'))
wrong("to: transposes clip and time", ("x = x.transpose(1, 2)", "x = x.permute(1, 2, 0, 3)"), base=PLAIN)
wrong(
    "from: splits into (n, b)", ("tubes.reshape(b, n, t, d)", "tubes.reshape(n, b, t, d).transpose(0, 1)"), base=PLAIN
)
wrong(
    "to: tubes stand as (b*n, d, t), read as (t, d)", (TO_CALL, f"{TO_CALL}.transpose(1, 2).reshape(-1, t, x.shape[2])")
)
wrong("to: tubes (b*n, d, t)", (TO, "b (t n) d -> (b n) d t"))
wrong("to: tubes (t, b*n, d)", (TO, "b (t n) d -> t (b n) d"))
wrong("to: width before tubes", (TO_CALL, "x.reshape(len(x), t, -1).transpose(1, 2).reshape(-1, t, x.shape[2])"))
wrong(
    "the two functions exchanged",
    add="""
to_tubes, from_tubes = (lambda x, t: from_tubes_(x, t)), (lambda x, b: rearrange(x, 'b (t n) d -> (b n) t d', t=b))
def from_tubes_(x, b): return rearrange(x, '(b n) t d -> b (t n) d', b=b)
""",
)
# Reversed and shuffled.
wrong("to: time runs backwards", (TO_CALL, f"{TO_CALL}.flip(1)"))
wrong("from: time runs backwards", (FROM_CALL, f"{FROM_CALL}.flip(1)"))
wrong("both: time runs backwards", (TO_CALL, f"{TO_CALL}.flip(1)"), ("arrange(tubes,", "arrange(tubes.flip(1),"))
wrong(
    "both: places run backwards, round trip holds",
    (TO_CALL, f"{TO_CALL}.flip(0)"),
    ("arrange(tubes,", "arrange(tubes.flip(0),"),
)
wrong(
    "both: channels run backwards, round trip holds",
    (TO_CALL, f"{TO_CALL}.flip(2)"),
    ("arrange(tubes,", "arrange(tubes.flip(2),"),
)
wrong("to: time rolled by one", (TO_CALL, f"{TO_CALL}.roll(1, 1)"))
wrong("to: tubes shuffled at random", (TO_CALL, f"{TO_CALL}[torch.randperm(len(x) * x.shape[1] // t)]"))
wrong("to: sorted along time", (TO_CALL, f"{TO_CALL}.sort(dim=1).values"))
# Sizes that stand in the code.
wrong("to: t is always 2", ("t=t", "t=2"))
wrong("to: t is always 3", ("t=t", "t=3"))
wrong("from: b is always 2", ("b=b", "b=2"))
wrong("from: b is always 1", ("b=b", "b=1"))
wrong("to: 4 places always", ('t d", t=t', 't d", n=4'))
wrong("to: width is 1 always", (TO_CALL, f"{TO_CALL}.reshape(-1, t, 1)"))
wrong(
    "to: frames must be square",
    (TO_CALL, 'rearrange(x, "b (t h w) d -> (b h w) t d", t=t, h=math.isqrt(x.shape[1] // t))'),
)
wrong(
    "to: an odd last place is lost",
    (TO_CALL, f"{TO_CALL}.reshape(len(x), -1, t, x.shape[2])[:, :x.shape[1] // t // 2 * 2].reshape(-1, t, x.shape[2])"),
)
wrong(
    "from: t is always 3", add="def from_tubes(tubes, b): return rearrange(tubes, '(b n) t d -> b (t n) d', b=b, t=3)"
)
wrong("to: only the first clip", (TO_CALL, 'rearrange(x[:1], "b (t n) d -> (b n) t d", t=t)'))
wrong("to: two clips at most", ("arrange(x,", "arrange(x[:2],"))
wrong("from: one clip always", (FROM_CALL, 'rearrange(tubes, "n t d -> 1 (t n) d")'))
wrong("to: every clip is clip 0", (TO_CALL, 'rearrange(x[:1].expand_as(x), "b (t n) d -> (b n) t d", t=t)'))
wrong("to: right up to 4 frames", (TO_CALL, f"{TO_CALL} if t <= 4 else x.reshape(-1, t, x.shape[2])"))
wrong(
    "to: right where t divides n", (TO_CALL, f"{TO_CALL} if x.shape[1] // t % t == 0 else x.reshape(-1, t, x.shape[2])")
)
wrong(
    "to: one frame comes back as it is",
    ("    return rearrange(x", "    if t == 1:\n        return x\n    return rearrange(x"),
)
wrong(
    "from: one clip comes back without its axis",
    (
        "    return rearrange(tubes",
        "    if b == 1:\n        return rearrange(tubes, 'n t d -> (t n) d')\n    return rearrange(tubes",
    ),
)
wrong("to: squeezed", (TO_CALL, f"{TO_CALL}.squeeze()"))
wrong("to: squeezed on the first axis", (TO_CALL, f"{TO_CALL}.squeeze(0)"))
wrong("to: squeezed on the last axis", (TO_CALL, f"{TO_CALL}.squeeze(-1)"))
wrong("from: squeezed", (FROM_CALL, f"{FROM_CALL}.squeeze()"))
LOOP = """
def to_tubes(x, t):
    b, l, d = x.shape
    n = l // t
    out = x.new_zeros(b * n, t, d)
    for clip in range(b):
        for place in range(n):
            for frame in range(t):
                out[clip * n + place, frame] = x[clip, frame * n + place]
    return out
"""
LOOPS = EINOPS + LOOP
wrong("to: the last place is left out of the loop", ("range(n)", "range(n - 1)"), base=LOOPS)
wrong("to: the loop over frames begins at 1", ("range(t)", "range(1, t)"), base=LOOPS)
wrong("to: stride t for stride n", ("frame * n + place", "frame * t + place"), base=LOOPS)
wrong("to: index place*t + frame", ("frame * n + place", "place * t + frame"), base=LOOPS)
wrong("to: clip stride t", ("clip * n + place", "(clip * t + place) % (b * n)"), base=LOOPS)
wrong("to: index off by one", ("frame * n + place", "(frame * n + place + 1) % l"), base=LOOPS)
wrong(
    "to: uninitialised memory", ("    return out", "    return torch.empty_like(out).fill_(float('nan'))"), base=LOOPS
)
# Memory.
wrong("to: view after a transpose", ("return x.reshape(", "return x.view("), base=PLAIN)
wrong("from: view after a transpose", ("return y.reshape(", "return y.view("), base=PLAIN)
wrong(
    "to: as_strided on contiguous strides",
    (
        TO_CALL,
        "x.as_strided((len(x), x.shape[1] // t, t, x.shape[2]), (x.shape[1] * x.shape[2], "
        "x.shape[2], x.shape[1] // t * x.shape[2], 1)).reshape(-1, t, x.shape[2])",
    ),
)
# Gradients.
wrong("to: detached", (TO_CALL, f"{TO_CALL}.detach()"))
wrong("from: detached", (FROM_CALL, f"{FROM_CALL}.detach()"))
wrong("from: x.data", ("arrange(tubes,", "arrange(tubes.data,"))
wrong("to: no_grad", ("    return rearrange(x", "    with torch.no_grad():\n      return rearrange(x"))
wrong("to: torch.tensor of a list", (TO_CALL, f"torch.tensor({TO_CALL}.tolist())"))
wrong(
    "to: through numpy",
    (TO_CALL, 'torch.from_numpy(np.ascontiguousarray(rearrange(x.detach().numpy(), "b (t n) d -> (b n) t d", t=t)))'),
)
wrong("to: an nn.Parameter", (TO_CALL, f"nn.Parameter({TO_CALL})"))
wrong("to: frame 0 without gradient", (TO_CALL, f"(lambda y: torch.cat([y[:, :1].detach(), y[:, 1:]], 1))({TO_CALL})"))
wrong("to: gradient doubled", (TO_CALL, f"(lambda y: 2 * y - y.detach())({TO_CALL})"))
wrong("from: gradient of the other sign", (FROM_CALL, f"(lambda y: 2 * y.detach() - y)({FROM_CALL})"))
wrong(
    "from: the last clip without gradient",
    (FROM_CALL, f"(lambda y: torch.cat([y[:-1], y[-1:].detach()]))({FROM_CALL})"),
)
wrong("to: crashes when a gradient is wanted", ("    return rearrange(x", "    x.numpy()\n    return rearrange(x"))
# Types and values.
wrong("to: float16", (TO_CALL, f"{TO_CALL}.half()"))
wrong("to: by way of bfloat16", ("arrange(x,", "arrange(x.bfloat16().float(),"))
wrong("from: float64", (FROM_CALL, f"{FROM_CALL}.double()"))
wrong("to: whole numbers", (TO_CALL, f"{TO_CALL}.long()"))
wrong("to: rounded to two digits", (TO_CALL, f"{TO_CALL}.round(decimals=2)"))
wrong("to: clamped to [-2, 2]", (TO_CALL, f"{TO_CALL}.clamp(-2, 2)"))
wrong("to: negative numbers lost", (TO_CALL, f"{TO_CALL}.relu()"))
wrong("to: one part in a thousand too large", (TO_CALL, f"{TO_CALL} * 1.001"))
wrong("to: noise of a hundredth", (TO_CALL, f"(lambda y: y + torch.randn_like(y) / 100)({TO_CALL})"))
wrong(
    "to: the numbers of the named clip used as positions",
    (TO_CALL, f"(lambda y: y[:, :, :1].long().clamp(0, 3).expand(-1, -1, x.shape[2]).to(x.dtype))({TO_CALL})"),
)
wrong("to: a list of tubes", (TO_CALL, f"list({TO_CALL})"))
wrong("to: (b, n, t, d)", (TO, "b (t n) d -> b n t d"))
wrong("to: a tuple with n", (TO_CALL, f"({TO_CALL}, x.shape[1] // t)"))
wrong("to: prints instead of returning", (f"return {TO_CALL}", f"print({TO_CALL})"))
wrong("to: a numpy array", (TO_CALL, f"{TO_CALL}.detach().numpy()"))
wrong("to: complex", (TO_CALL, f"{TO_CALL} + 0j"))
# State and arguments.
wrong(
    "to: the input is set to zero",
    ("    return rearrange(x", "    y = x.clone()\n    x.data.zero_()\n    return rearrange(y"),
)
wrong(
    "to: the input changes its shape in place",
    ("    return rearrange(x", "    y = x.clone()\n    x.unsqueeze_(0)\n    return rearrange(y"),
)
wrong(
    "from: the tubes are scaled in place",
    ("    return rearrange(tubes", "    tubes.data.mul_(2)\n    return rearrange(tubes / 2"),
)
wrong(
    "to: the first result of a shape is kept",
    add="""
seen = {}
right = to_tubes
def to_tubes(x, t):
    return seen.setdefault((x.shape, t), right(x, t))
""",
)
wrong(
    "from: returns what to_tubes saw last",
    add="""
last = []
right = to_tubes, from_tubes
def to_tubes(x, t):
    last[:] = [x]
    return right[0](x, t)
def from_tubes(tubes, b):
    return last[0] if last else right[1](tubes, b)
""",
)
wrong(
    "from: t is a global that to_tubes sets",
    add="""
right = to_tubes
T = 2
def to_tubes(x, t):
    global T
    T = t
    return right(x, t)
def from_tubes(tubes, b):
    return tubes.reshape(b, -1, T, tubes.shape[2]).transpose(1, 2).reshape(b, -1, tubes.shape[2])
""",
)
wrong(
    "to: right the first time only",
    add="""
calls = []
right = to_tubes
def to_tubes(x, t):
    calls.append(1)
    return right(x, t) if len(calls) == 1 else x.reshape(-1, t, x.shape[2])
""",
)
wrong(
    "to: right only without gradient",
    add="""
right = to_tubes
def to_tubes(x, t): return right(x, t) if not x.requires_grad else right(x, t) * 2
""",
)
wrong(
    "to: right only with gradient",
    add="""
right = to_tubes
def to_tubes(x, t): return right(x, t) if x.requires_grad else x.reshape(-1, t, x.shape[2])
""",
)
wrong(
    "to: right only for small numbers",
    add="""
right = to_tubes
def to_tubes(x, t): return right(x, t) if x.numel() < 100 else x.reshape(-1, t, x.shape[2])
""",
)
# Two mistakes at once.
wrong("to: time fast and clip fast", (TO, "b (n t) d -> (n b) t d"))
wrong("to: time fast; from: place slowest", (TO, "b (n t) d -> (b n) t d"), (FROM, "(n b) t d -> b (t n) d"))
wrong("to: no transpose and detached", (TO_CALL, "x.detach().reshape(-1, t, x.shape[2])"))
wrong("to: backwards; from: detached", (TO_CALL, f"{TO_CALL}.flip(1)"), (FROM_CALL, f"{FROM_CALL}.detach()"))
wrong("to: frames; from: time fast", (TO, "b (t n) d -> (b t) n d"), (FROM, "(b n) t d -> b (n t) d"))
wrong("from: place slowest and time fast", (FROM, "(n b) t d -> b (n t) d"))
# Nasty ones, and what goes wrong with a signature.
RESHAPED = "x.reshape(-1, t, x.shape[2])"
for name, add in nasties("to_tubes", "x, t", RESHAPED, RESHAPED).items():
    wrong(name, add=add)
wrong(
    "to: turns gradients off for good",
    ("    return rearrange(x", "    torch.set_grad_enabled(False)\n    return rearrange(x"),
)
wrong(
    "to: the default dtype becomes float64",
    (TO_CALL, f"{TO_CALL} + torch.zeros(t, 1)"),
    add="""
right = to_tubes
def to_tubes(x, t):
    torch.set_default_dtype(torch.float64)
    return right(x, t)
""",
)
wrong(
    "to: takes the sheet's own function, backwards",
    add="""
def to_tubes(x, t):
    for module in list(sys.modules.values()):
        theirs = vars(module).get("to_tubes")
        if callable(theirs) and module.__name__.startswith("videoformer_edu.sheets"):
            return theirs(x, t).flip(0)
    return x.reshape(-1, t, x.shape[2])
""",
)
wrong("to: other argument names, no transpose", add="def to_tubes(a, b): return a.reshape(-1, b, a.shape[2])")
wrong("to: arguments exchanged", add="def to_tubes(t, x): return rearrange(x, 'b (t n) d -> (b n) t d', t=t)")
wrong("to: a pattern that does not fit", (TO, "b t n d -> (b n) t d"))

right = Answers(EINOPS)
right("einops")
right("reshape and transpose", base=PLAIN)
right(
    "permute",
    ("x = x.transpose(1, 2)", "x = x.permute(0, 2, 1, 3)"),
    ("y = y.transpose(1, 2)", "y = y.permute(0, 2, 1, 3)"),
    base=PLAIN,
)
right(
    "swapaxes and flatten",
    ("x = x.transpose(1, 2)", "x = x.swapaxes(2, 1)"),
    ("return x.reshape(b * n, t, d)", "return x.flatten(0, 1)"),
    ("return y.reshape(b, t * n, d)", "return y.flatten(1, 2)"),
    base=PLAIN,
)
right(
    "movedim and unflatten",
    ("x.reshape(b, t, n, d)", "x.unflatten(1, (t, n))"),
    ("x = x.transpose(1, 2)", "x = x.movedim(2, 1)"),
    ("tubes.reshape(b, n, t, d)", "tubes.unflatten(0, (b, n))"),
    base=PLAIN,
)
right("loops over every token", base=LOOPS)
right(
    "strided slices, stacked",
    add="""
def to_tubes(x, t):
    n = x.shape[1] // t
    return torch.cat([torch.stack([clip[p::n] for p in range(n)]) for clip in x])
""",
)
right(
    "index_select",
    add="""
def to_tubes(x, t):
    n = x.shape[1] // t
    index = torch.arange(t * n).reshape(t, n).t().flatten()
    return x.index_select(1, index).reshape(len(x) * n, t, x.shape[2])
def from_tubes(tubes, b):
    t = tubes.shape[1]
    n = len(tubes) // b
    index = torch.arange(t * n).reshape(n, t).t().flatten()
    return tubes.reshape(b, n * t, -1).index_select(1, index)
""",
)
right(
    "gather",
    add="""
def to_tubes(x, t):
    b, l, d = x.shape
    index = torch.arange(l).reshape(t, -1).T.reshape(1, l, 1).expand(b, l, d)
    return x.gather(1, index).reshape(-1, t, d)
""",
)
right(
    "fancy indexing with broadcast",
    add="""
def to_tubes(x, t):
    b, l, d = x.shape
    n = l // t
    g = torch.arange(b * n)[:, None]
    return x[g // n, torch.arange(t) * n + g % n]
""",
)
right(
    "scatter into zeros",
    add="""
def from_tubes(tubes, b):
    g, t, d = tubes.shape
    n = g // b
    out = tubes.new_zeros(b, t * n, d)
    for i in range(g):
        out[i // n, i % n::n] = tubes[i]
    return out
""",
)
right(
    "a permutation matrix",
    add="""
def to_tubes(x, t):
    b, l, d = x.shape
    p = torch.eye(l, dtype=x.dtype)[torch.arange(l).reshape(t, -1).T.flatten()]
    return (p @ x).reshape(-1, t, d)
""",
)
right(
    "einsum with identities",
    add="""
def to_tubes(x, t):
    y = x.reshape(len(x), t, -1, x.shape[2])
    return torch.einsum('btnd,nm->bmtd', y, torch.eye(y.shape[2], dtype=x.dtype)).reshape(-1, t, x.shape[2])
""",
)
right("float64 and back", (TO_CALL, f"{TO_CALL.replace('(x,', '(x.double(),')}.to(x.dtype)"))
right(
    "unfold with dilation",
    add="""
def to_tubes(x, t):
    b, l, d = x.shape
    n = l // t
    y = F.unfold(x.transpose(1, 2).reshape(b * d, 1, t, n), (t, 1))
    return y.reshape(b, d, t, n).permute(0, 3, 2, 1).reshape(b * n, t, d)
""",
)
right("chunk and stack", add="def to_tubes(x, t): return torch.stack(x.chunk(t, dim=1), dim=2).flatten(0, 1)")
right(
    "split and stack",
    add="def to_tubes(x, t): return torch.stack(x.split(x.shape[1] // t, dim=1), dim=2).reshape(-1, t, x.shape[2])",
)
right(
    "tensor_split by clip",
    add=(
        "def from_tubes(tubes, b): return torch.stack([c.transpose(0, 1).reshape(-1, tubes.shape[2]) for "
        "c in tubes.tensor_split(b)])"
    ),
)
right(
    "vmap over clips",
    add=(
        "def to_tubes(x, t): return torch.vmap(lambda c: c.reshape(t, -1, c.shape[-1]).transpose(0, "
        "1))(x).reshape(-1, t, x.shape[2])"
    ),
)
right(
    "nn.Flatten, nn.Unflatten",
    add="def to_tubes(x, t): return nn.Flatten(0, 1)(nn.Unflatten(1, (t, x.shape[1] // t))(x).transpose(1, 2))",
)
right(
    "permute in a lambda",
    add="to_tubes = lambda x, t: x.reshape(x.shape[0], t, -1, x.shape[2]).permute(0, 2, 1, 3).flatten(0, 1)",
)
right(
    "a callable object",
    add="""
class ToTubes:
    def __call__(self, x, t): return rearrange(x, 'b (t n) d -> (b n) t d', t=t)
to_tubes = ToTubes()
""",
)
right(
    "functools.partial",
    add="to_tubes = functools.partial(lambda how, x, t: rearrange(x, how, t=t), 'b (t n) d -> (b n) t d')",
)
right(
    "an nn.Module",
    add="""
class ToTubes(nn.Module):
    def forward(self, x, t): return rearrange(x, 'b (t n) d -> (b n) t d', t=t)
to_tubes = ToTubes()
""",
)
right(
    "prints and warns, and is right",
    (
        "    return rearrange(x",
        "    print(x.shape)\n    warnings.warn('a note to myself', stacklevel=1)\n    return rearrange(x",
    ),
)
right(
    "default dtype changed and back",
    (
        "    return rearrange(x",
        (
            "    torch.set_default_dtype(torch.float64)\n    torch.set_default_dtype(torch.float32)\n    "
            "return rearrange(x"
        ),
    ),
)
right("uses the random generator for nothing", ("    return rearrange(x", "    torch.randn(3)\n    return rearrange(x"))
right("works on a clone", ("arrange(x,", "arrange(x.clone(),"), ("arrange(tubes,", "arrange(tubes.clone(),"))
right(
    "asserts its arguments",
    (
        "    return rearrange(x",
        "    assert x.ndim == 3 and x.shape[1] % t == 0 and x.dtype.is_floating_point\n    return rearrange(x",
    ),
)
right(
    "repeat then take the diagonal",
    add="""
def to_tubes(x, t):
    y = x.reshape(len(x), t, -1, x.shape[2])
    return torch.diagonal(y.unsqueeze(2).expand(-1, -1, t, -1, -1), dim1=1, dim2=2).permute(0, 1, 3, 2).flatten(0, 1)
""",
)

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
