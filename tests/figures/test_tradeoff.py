"""The picture of pairs against reach: a dot for each pattern where its numbers are, and the least that is possible."""

from videoformer_edu.figures.tradeoff import looks_against_waiting

POINTS = {"joint": (1, 120.0), "divided": (2, 34.0), "planes": (2, 29.0), "windows": (5, 60.0)}


def test_dots_stand_at_their_numbers_and_names_do_not_collide():
    figure = looks_against_waiting(POINTS, 120)
    (axes,) = figure.axes
    bound, *dots = axes.lines
    assert [(dot.get_xdata()[0], dot.get_ydata()[0]) for dot in dots] == list(POINTS.values())
    assert [text.get_text() for text in axes.texts] == ["the least that is possible", *POINTS]
    steps, least = bound.get_data()
    assert list(steps) == [1, 2, 3, 4, 5]
    for s, value in zip(steps, least, strict=True):
        assert abs((value / s) ** s - 120) < 1e-6  # s equal factors make up all tokens
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
