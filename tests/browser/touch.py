"""A finger on the page, as the browser's own protocol moves it."""


def finger(page, kind, *points):
    """kind: touchStart, touchMove, touchEnd; points: (x, y) in pixels of the page's window."""
    if not hasattr(page, "touches"):
        page.touches = page.context.new_cdp_session(page)
        page.touches.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 1})
    page.touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})


def tap(page, x, y):
    finger(page, "touchStart", (x, y))
    finger(page, "touchEnd")
    page.wait_for_timeout(100)
