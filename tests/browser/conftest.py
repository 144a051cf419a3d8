"""Real Chromium on the real product. Every page of a test is watched: an error on the console, a
report of the security policy or a request to anywhere else fails the test."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from tests.browser.stack import Stack
from tests.skips import missing

expect.set_options(timeout=15_000)  # the machine may be busy with other tests

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI}`));
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The small dataset on real processes, shared by all tests of the run."""
    running = Stack()
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("Chromium", "apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Watch:
    """What a page has said that no good page says."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.found: list[str] = []
        self.outside: list[str] = []
        self.forgiven: tuple[str, ...] = ()

    def over(self, page: Page) -> None:
        page.on("console", lambda m: self.found.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.found.append(str(error)))

    def request(self, request: Request) -> None:
        if not request.url.startswith((self._url + "/", "blob:" + self._url)):
            self.outside.append(request.url)

    def check(self) -> None:
        bad = [text for text in self.found if not any(f in text for f in self.forgiven)]
        assert not bad, f"the console said: {bad}"
        assert not self.outside, f"requests left the page's server: {self.outside}"


NewPage = Callable[..., Page]


@pytest.fixture
def watch(stack: Stack) -> Watch:
    return Watch(stack.url)


@pytest.fixture
def new_page(chromium: Browser, stack: Stack, watch: Watch) -> Iterator[NewPage]:
    """Opens pages with any options of a browser context; checks what they said at the end."""
    contexts: list[BrowserContext] = []

    def opened(**options: Any) -> Page:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = chromium.new_context(base_url=stack.url, **options)
        context.set_default_timeout(20_000)
        context.on("request", watch.request)
        if options.get("java_script_enabled", True):
            context.add_init_script(REPORT_VIOLATIONS)
        contexts.append(context)
        page = context.new_page()
        watch.over(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    watch.check()


@pytest.fixture
def page(new_page: NewPage, stack: Stack) -> Page:
    """The demo page, alive: the first numbers have come."""
    stack.drain()
    page = new_page()
    page.goto("/")
    page.locator(".fresh").wait_for(state="attached")
    return page
