"""Photographs a running Fanout Demo, so that the pictures in README and docs stay true.

    python scripts/screenshots.py [--url http://127.0.0.1:8080] [--out docs/images] [--full]

It posts as the celebrity, both ways, once for each form of the demo page. `--full` also takes
whole pages in every form, to look them over after a change. Needs Chromium and the packages of
requirements-dev.txt.
"""

import argparse
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

SIZES = {
    "desktop": ViewportSize(width=1280, height=900),
    "phone": ViewportSize(width=360, height=740),
}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SECTIONS = ("live", "feed", "metrics", "crossover", "pressure")
STILL = {"how-it-works": "/how-it-works", "status": "/status"}
SERIES_MS = 12_000
"""How long the demo is left alone before its picture: a dozen points for the time series."""


def tell_story(page: Page) -> None:
    """Posts both ways and waits until everything the page shows about it is there."""
    page.goto("/")
    page.locator(".fresh").wait_for(state="attached")
    page.get_by_role("button", name=re.compile("both ways")).click()
    expect(page.locator(".story")).to_have_count(2, timeout=30_000)
    expect(page.locator(".feed.write .post.fresh")).to_have_count(2, timeout=30_000)
    page.locator("#crossover").scroll_into_view_if_needed()
    expect(page.locator("#crossing .line")).to_have_count(3, timeout=30_000)
    page.wait_for_timeout(SERIES_MS)
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(0, 0)


def take(browser: Browser, url: str, out: Path, full: bool) -> Iterator[Path]:
    """All pictures, each path after it was written."""
    for size_name, size in SIZES.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                base_url=url, viewport=size, color_scheme=scheme, reduced_motion="reduce"
            )
            page = context.new_page()
            tail = f"{size_name}-{scheme}"
            tell_story(page)
            page.screenshot(path=out / f"demo-{tail}.png")
            yield out / f"demo-{tail}.png"
            if tail == "desktop-light":
                for section in SECTIONS:
                    page.locator(f"#{section}").screenshot(path=out / f"{section}.png")
                    yield out / f"{section}.png"
            if full:
                page.screenshot(path=out / f"full-demo-{tail}.png", full_page=True)
                yield out / f"full-demo-{tail}.png"
            for name, path in STILL.items():
                page.goto(path)
                if tail == "desktop-light":
                    page.screenshot(path=out / f"{name}.png")
                    yield out / f"{name}.png"
                if full:
                    page.screenshot(path=out / f"full-{name}-{tail}.png", full_page=True)
                    yield out / f"full-{name}-{tail}.png"
            context.close()


def main() -> int:
    """Takes the pictures and names them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="of the running demo")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder")
    parser.add_argument("--full", action="store_true", help="also whole pages in every form")
    wanted = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("Chromium is missing: apt-get install chromium")
    wanted.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        for path in take(browser, wanted.url, wanted.out, wanted.full):
            sys.stdout.write(f"{path}  {path.stat().st_size // 1000} kB\n")
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
