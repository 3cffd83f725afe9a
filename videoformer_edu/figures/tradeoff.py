"""The trade-off of attention patterns as one picture: how many looks a token pays, and how long it waits."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from videoformer_edu.figures.style import DIVIDED, INK, JOINT, MUTED, SPACE_ONLY, house_style, new_figure

COLOURS = {"joint": JOINT, "divided": DIVIDED, "space": SPACE_ONLY}  # the others are ink


@house_style()
def looks_against_waiting(points: Mapping[str, tuple[int, float]], tokens: int) -> Figure:
    """One dot a pattern: attentions in a row until every token can have heard every other, and keys looked at in them.

    points: name -> (attentions, keys of a token in all of these). The grey line is the least possible: `s` attentions
    in a row with `k_1 ... k_s` keys reach at most their product, so their sum is at least `s * tokens ** (1 / s)`.
    """
    figure = new_figure(150, 82)
    axes = figure.subplots()
    last = max(waiting for waiting, _ in points.values())
    steps = range(1, last + 1)
    axes.plot(steps, [s * tokens ** (1 / s) for s in steps], color=MUTED, linewidth=1.2, linestyle=":")
    axes.annotate("the least that is possible", (last, last * tokens ** (1 / last)), xytext=(0, 7), color=MUTED,
                  textcoords="offset points", ha="right", fontsize=8)
    for name, (waiting, keys) in points.items():
        colour = COLOURS.get(name, INK)
        crowded = any(x == waiting and keys < y < 1.4 * keys for x, y in points.values())  # a name just above its own
        axes.plot(waiting, keys, "o", color=colour)
        right = waiting < last
        axes.annotate(name, (waiting, keys), xytext=(7 if right else -7, -9 if crowded else 3), color=colour,
                      textcoords="offset points", ha="left" if right else "right", fontsize=8.5)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5 * last * tokens ** (1 / last))
    ticks = [t for t in (10, 20, 50, 100, 200, 500, 1000, 2000) if t < 1.6 * tokens]
    axes.set_yticks(ticks, [f"{t:,}" for t in ticks])
    axes.minorticks_off()
    axes.set_xticks(list(steps))
    axes.set_xlim(0.6, last + 0.4)
    axes.set_xlabel("attentions in a row until everyone can have heard everyone")
    axes.set_ylabel("keys a token looks at in all of them")
    axes.grid(axis="y")
    return figure
