"""A page as people see it: no fault for axe, nothing that scrolls sideways, and screenshots where they are wanted."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from playwright.async_api import Page

from tests.web.site import axe

SCREENS = "OBSERVATORY_TEST_SCREENS"
"""A folder: screenshots of every page in both themes and widths go there."""

WIDTHS = {"wide": (1440, 900), "narrow": (390, 844)}
CHECKED = (("light", "wide"), ("dark", "narrow"))
ALL = tuple((theme, width) for width in WIDTHS for theme in ("light", "dark"))


async def faults(page: Page, name: str, *, whole: bool = True) -> list[str]:
    """What is wrong with what the page shows, light and wide, and dark and narrow.

    `name` is that of its screenshots, which are of the whole page, or of what is seen of it.
    """
    found = []
    for theme, width in ALL if SCREENS in os.environ else CHECKED:
        pixels, height = WIDTHS[width]
        await page.set_viewport_size({"width": pixels, "height": height})
        await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        if (theme, width) in CHECKED:
            found += [f"{theme} {width}: {fault}" for fault in await axe(page)]
            if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append(f"{theme} {width}: the page scrolls sideways")
        if SCREENS in os.environ:
            await _take(page, Path(os.environ[SCREENS]) / f"{name}-{theme}-{width}.webp", whole=whole)
    await page.set_viewport_size({"width": 1440, "height": 900})
    return found


async def _take(page: Page, path: Path, *, whole: bool) -> None:
    """A screenshot as WebP, which Playwright itself does not write."""
    session = await page.context.new_cdp_session(page)
    size = await page.evaluate(
        "[document.documentElement.clientWidth, document.documentElement.scrollHeight, innerHeight, scrollY]"
    )
    clip = {"x": 0, "width": size[0], "scale": 1}
    clip |= {"y": 0, "height": size[1]} if whole else {"y": size[3], "height": size[2]}
    taken = await session.send(
        "Page.captureScreenshot", {"format": "webp", "quality": 80, "clip": clip, "captureBeyondViewport": whole}
    )
    path.write_bytes(base64.b64decode(taken["data"]))
    await session.detach()
