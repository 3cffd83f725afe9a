"""01.2: CLS, the position table, and its resizing."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles


def add_places(patches, cls, table):
    """patches (b, n, d), cls (1, 1, d), table (1 + n, d) -> (b, 1 + n, d): CLS in front, each token plus its row."""
    tokens = torch.cat([cls.expand(len(patches), -1, -1), patches], dim=1)
    return tokens + table


def resize_table(table, old, new):
    """table (1 + h*w, d), row 0 of CLS -> (1 + h'*w', d), from the grid old = (h, w) to new = (h', w'), bicubic."""
    cls, places = table[:1], table[1:]
    grid = rearrange(places, "(h w) d -> 1 d h w", h=old[0])
    grid = F.interpolate(grid, size=new, mode="bicubic", align_corners=False)
    return torch.cat([cls, rearrange(grid, "1 d h w -> (h w) d")])


def column_table(rng: np.random.Generator, h: int, w: int, d: int) -> np.ndarray:
    """`(1 + h*w, d)`: what a place says depends on its column alone."""
    return np.concatenate([make.tokens(rng, 1, d), np.tile(make.tokens(rng, w, d), (h, 1))])


def cases(rng: np.random.Generator) -> list[Case]:
    n, d = int(rng.choice([5, 6, 8])), int(rng.choice([7, 9, 11]))
    h, w = (int(size) for size in rng.permutation([3, 4]))

    def placed(name: str, sees: str, b: int, n: int, d: int) -> Case:
        given = {"patches": make.tokens(rng, b, n, d), "cls": make.tokens(rng, 1, 1, d),
                 "table": make.tokens(rng, 1 + n, d)}
        return Case(name, "add_places", given, sees, axes="(b, 1 + n, d)",
                    parts=({"CLS": np.s_[:, :1], "patches": np.s_[:, 1:]},))

    def resized(name: str, sees: str, table: np.ndarray, old: tuple[int, int], new: tuple[int, int]) -> Case:
        return Case(name, "resize_table", {"table": table, "old": old, "new": new}, sees, axes="(1 + h'*w', d)",
                    parts=({"the row of CLS": np.s_[:1], "the places": np.s_[1:]},))

    def table(old: tuple[int, int], d: int) -> np.ndarray:
        return make.tokens(rng, 1 + old[0] * old[1], d)

    return [
        placed("three pictures", "CLS stands in front, and every token gets its own row", 3, n, d),
        placed("one picture of one patch", "two tokens, two rows", 1, 1, d + 1),
        placed("many tokens", "nothing is fixed to one length", 2, 49, 4),
        resized("columns stay columns", "a table that knows columns alone still does, and CLS is left alone",
                column_table(rng, h, w, d), (h, w), (h + 2, 2 * w)),
        resized("the same grid", "nothing changes", table((w, h), 3), (w, h), (w, h)),
        resized("a larger grid", "both axes are resized, bicubic", table((h, w), d), (h, w), (2 * h + 1, w + 3)),
        resized("a smaller grid", "in both directions", table((6, 9), 5), (6, 9), (h, 5)),
        resized("from a square", "14 x 14 places for a wide picture", table((14, 14), 1), (14, 14), (10, 24)),
    ]


def oracle(case: Case) -> np.ndarray:
    given = case.inputs
    if case.function == "add_places":
        b, n, _ = given["patches"].shape
        cls, table = given["cls"].astype(np.float64), given["table"].astype(np.float64)
        return np.array([[cls[0, 0] + table[0], *(given["patches"][i, j] + table[1 + j] for j in range(n))]
                         for i in range(b)])
    (h, w), (rows, columns) = given["old"], given["new"]
    table = given["table"].astype(np.float64)
    out = [table[0]]
    for row in range(rows):
        for column in range(columns):
            out.append(sum(a * b * table[1 + i * w + j]
                           for i, a in oracles.taps(row, h, rows) for j, b in oracles.taps(column, w, columns)))
    return np.array(out)


def pictures_differ_at_cls(inputs, out: np.ndarray) -> str | None:
    """Nothing of a picture is in CLS yet."""
    apart = float(np.abs(out[:, 0] - out[:1, 0]).max())
    if apart <= 1e-6:
        return None
    return f"token 0 should be CLS, the same for every picture; yours differs from picture to picture by {apart:.2f}."


def cls_moved(inputs, out: np.ndarray) -> str | None:
    change = float(np.abs(out[0] - inputs["table"][0]).max())
    if change <= 1e-6:
        return None
    return f"row 0 belongs to CLS, which has no place on the grid and stays as it is; yours changed by {change:.2f}."


def columns_lost(inputs, out: np.ndarray) -> str | None:
    """The rows of the grid say the same before, so they do after."""
    rows, columns = inputs["new"]
    grid = out[1:].reshape(rows, columns, -1)
    apart = float(np.abs(grid - grid[:1]).max())
    if apart <= 1e-5:
        return None
    return (f"here each place says its column and nothing else. After resizing to {rows} x {columns} your places of "
            f"one column differ by {apart:.2f} from row to row.")


JOIN = "torch.cat([cls.expand(len(patches), -1, -1), patches], dim=1)"
IN = '"(h w) d -> 1 d h w", h=old[0]'
BACK = '"1 d h w -> (h w) d"'
BICUBIC = 'F.interpolate(grid, size=new, mode="bicubic", align_corners=False)'
LIST = "return torch.cat([cls, rearrange(grid, " + BACK + ")])"


def mutant(name: str, sentence: str, *edits: tuple[str, str]) -> Mutant:
    return Mutant(name, edits, sentence)


MUTANTS = (
    mutant("CLS last",
           "You put CLS behind the patches, so they get each other's rows. It stands in front and has row 0.",
           (JOIN, "torch.cat([patches, cls.expand(len(patches), -1, -1)], dim=1)")),
    mutant("CLS without its row",
           "CLS got no row of the table. Row 0 is for CLS: the table has 1 + n rows, one for every token.",
           ("return tokens + table", "return torch.cat([tokens[:, :1], tokens[:, 1:] + table[1:]], dim=1)")),
    mutant("places one too early",
           "Each patch got the row before its own: you added rows 0 to n-1 to the patches. Row 0 belongs to CLS; "
           "patch i has row 1 + i.",
           ("return tokens + table", "return torch.cat([tokens[:, :1], tokens[:, 1:] + table[:-1]], dim=1)")),
    mutant("one row for all",
           "Every token got row 0 of the table, so none knows its place. Row i is for token i; a plain + does it.",
           ("return tokens + table", "return tokens + table[:1]")),
    mutant("places left out",
           "The table is not added. Attention alone cannot tell one place from another: a picture would be a bag of "
           "patches.",
           ("return tokens + table", "return tokens")),
    mutant("CLS made of the patches",
           "Your token 0 is the mean of the patches. CLS starts as the same learned vector for every picture: cls.",
           (JOIN, "torch.cat([patches.mean(1, keepdim=True), patches], dim=1)")),
    mutant("CLS resized along",
           "You stretched the whole table as one list. CLS has no place on the grid: take its row off first.",
           (LIST, "n = new[0] * new[1]\n    return F.interpolate(table.T[None], size=1 + n, mode=\"linear\")[0].T")),
    mutant("a list, not a grid",
           "You stretched the places as one list of h·w rows. They are a grid: a list repeats each place along its "
           "row, so every second row claims the left half of the picture.",
           (LIST, "n = new[0] * new[1]\n    return torch.cat([cls, F.interpolate(places.T[None], size=n, "
                  "mode=\"linear\")[0].T])")),
    mutant("a reshape to (d, h, w)",
           "You reshaped the places to (d, h, w). They lie place by place: make (h, w, d), then move d to the front.",
           (f"rearrange(places, {IN})", "places.reshape(1, -1, *old)")),
    mutant("reshaped back",
           "On the way back you reshaped (d, h', w') to (h'·w', d). Move d to the end before you flatten the grid.",
           (f"rearrange(grid, {BACK})", "grid.reshape(-1, table.shape[1])")),
    mutant("height and width exchanged",
           "You read the old grid as (w, h). old is (h, w): rows first, and the column runs fastest along the table.",
           ("h=old[0]", "h=old[1]")),
    mutant("resized to (w', h')",
           "You resized to w' rows of h' columns. new is (h', w'), rows first.",
           ("size=new", "size=new[::-1]")),
    mutant("flattened column by column",
           "You flattened the new grid column by column. The table runs row by row: (h w), with w fastest.",
           (BACK, '"1 d h w -> (w h) d"')),
    mutant("corners aligned",
           "You resized with align_corners=True, which stretches the grid from the middle of the first place to the "
           "middle of the last. A place is a square: align_corners=False lets its edges meet the picture's edges.",
           ("align_corners=False", "align_corners=True")),
    mutant("bilinear",
           "Your resizing is bilinear. These tables are resized with mode=\"bicubic\", 4 x 4 old places for a new one.",
           ('"bicubic"', '"bilinear"')),
    mutant("nearest place",
           "You copied the nearest old place, so neighbours share one and cannot be told apart: mode=\"bicubic\".",
           (BICUBIC, "F.interpolate(grid, size=new, mode=\"nearest\")")),
)


def add_places_apart(patches, cls, table):
    first = (cls + table[0]).repeat(patches.shape[0], 1, 1)
    return torch.hstack([first, patches + table[1:].unsqueeze(0)])


def resize_table_by_permute(table, old, new):
    d = table.shape[-1]
    grid = table[1:].reshape(old[0], old[1], d).permute(2, 0, 1).unsqueeze(0)
    grid = F.interpolate(grid, size=(new[0], new[1]), mode="bicubic").squeeze(0)
    return torch.vstack([table[:1], grid.permute(1, 2, 0).reshape(-1, d)])


def add_places_in_place(patches, cls, table):
    out = F.pad(patches, (0, 0, 1, 0))
    out[:, 0] = cls[0, 0]
    return out + table[None]


def resize_table_by_upsample(table, old, new):
    grid = table[1:].T.reshape(1, -1, *old)
    grid = torch.nn.Upsample(size=new, mode="bicubic", align_corners=False)(grid)
    return torch.cat((table[0:1], grid.flatten(2)[0].T), 0)


STYLES = (
    Style("CLS and patches apart; permute", {"add_places": add_places_apart, "resize_table": resize_table_by_permute}),
    Style("filled in; Upsample", {"add_places": add_places_in_place, "resize_table": resize_table_by_upsample}),
)

EXERCISE = Exercise(
    id="01.2",
    title="Places: CLS, the position table, another picture size",
    difficulty=3,
    minutes=12,
    points=25,
    why="attention sees a set. Where a patch stands is in this table alone, and a table that was resized wrongly makes "
        "a model worse without a word.",
    objectives=("put CLS in front and give every token its own place",
                "resize a position table as the grid that it is, and leave CLS out of it"),
    hints=(
        "add_places: 1 + n tokens, 1 + n rows; what has to stand where so that a plain + is right? resize_table: "
        "which row of the table has no place on the grid?",
        "add_places: cls.expand(b, -1, -1), torch.cat on dim=1. resize_table: take row 0 off, make the rest an image "
        "of d channels, (1, d, h, w), resize it with F.interpolate, flatten it row by row, put row 0 back.",
        'grid = rearrange(table[1:], "(h w) d -> 1 d h w", h=old[0]), then F.interpolate(grid, size=new, '
        'mode="bicubic", align_corners=False), then rearrange(grid, "1 d h w -> (h w) d").',
    ),
    answer=(add_places, resize_table),
    cases=cases,
    oracle=oracle,
    properties=(
        Property("CLS knows no picture", "add_places", pictures_differ_at_cls, ("three pictures", "many tokens")),
        Property("CLS has no place", "resize_table", cls_moved),
        Property("columns stay columns", "resize_table", columns_lost, ("columns stay columns",)),
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
