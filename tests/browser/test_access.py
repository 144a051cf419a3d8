"""WCAG 2.2 AA by axe on every page: light and dark, phone and desktop, empty and full."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage, Watch
from tests.browser.stack import Stack

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SIZES = [{"width": 360, "height": 740}, {"width": 1280, "height": 900}]
PAGES = ["/", "/how-it-works", "/status", "/status?reset=small", "/nothing-here"]


def violations(page: Page) -> list[Any]:
    options = {"runOnly": {"type": "tag", "values": RULES}}
    found = Axe().run(page, options=options).response["violations"]
    return [
        (rule["id"], [(node["target"], node["failureSummary"]) for node in rule["nodes"][:3]])
        for rule in found
    ]


def no_sideways_scroll(page: Page) -> bool:
    return bool(
        page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=["phone", "desktop"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_pass_the_accessibility_rules(
    new_page: NewPage, watch: Watch, path: str, size: dict[str, int], scheme: str
) -> None:
    watch.forgiven = ("status of 404",)
    page = new_page(viewport=size, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    page.goto(path)
    if path == "/":
        page.locator(".fresh").wait_for(state="attached")
    assert violations(page) == []
    assert no_sideways_scroll(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=["phone", "desktop"])
def test_the_demo_is_accessible_with_everything_on_it(
    new_page: NewPage, stack: Stack, size: dict[str, int], scheme: str
) -> None:
    stack.drain()
    page = new_page(viewport=size, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    page.goto("/")
    page.locator(".fresh").wait_for(state="attached")
    page.get_by_role("button", name=re.compile("both ways")).click()
    expect(page.locator(".story")).to_have_count(2)
    expect(page.locator(".feed.write .fresh")).to_have_count(2)
    for summary in page.locator("details summary").all():
        summary.click()
    page.locator("#crossover").scroll_into_view_if_needed()
    expect(page.locator("#crossing .line")).to_have_count(3)
    assert violations(page) == []
    assert no_sideways_scroll(page)


def test_the_page_is_whole_when_printed(new_page: NewPage) -> None:
    page = new_page(viewport={"width": 794, "height": 1123})
    page.goto("/how-it-works")
    page.emulate_media(media="print")
    assert no_sideways_scroll(page)
    expect(page.locator("#write svg").first).to_be_visible()
    expect(page.locator(".masthead nav")).to_be_hidden()
    assert len(page.pdf()) > 10_000
