"""The live numbers: when they are asked for, when not, and what is said when they stay away."""

import re
import time

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NewPage, Watch
from tests.browser.stack import Stack

HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


class Polls:
    """Counts the requests for the live numbers."""

    def __init__(self, page: Page) -> None:
        self.count = 0
        page.on("request", lambda r: self._seen(r.url))

    def _seen(self, url: str) -> None:
        self.count += url.endswith("/api/metrics")

    def during(self, page: Page, ms: int) -> int:
        before = self.count
        page.wait_for_timeout(ms)
        return self.count - before


def test_polling_stops_while_the_tab_is_hidden(page: Page) -> None:
    polls = Polls(page)
    assert polls.during(page, 2500) >= 2
    page.evaluate(HIDE, True)
    page.wait_for_timeout(200)
    assert polls.during(page, 2500) == 0
    page.evaluate(HIDE, False)
    assert polls.during(page, 1500) >= 1


def test_the_pause_button_pauses_and_says_how_old_the_numbers_are(page: Page) -> None:
    polls = Polls(page)
    button = page.get_by_role("button", name="Pause updates")
    button.click()
    page.wait_for_timeout(200)
    assert polls.during(page, 2500) == 0
    expect(page.locator("[data-freshness]")).to_have_text(re.compile(r"Paused, updated \d+ s ago"))
    resume = page.get_by_role("button", name="Resume updates")
    expect(resume).to_have_attribute("aria-pressed", "true")
    resume.click()
    assert polls.during(page, 1500) >= 1
    expect(page.locator("[data-freshness]")).to_have_text(re.compile("Updated"))


def test_a_post_made_elsewhere_moves_the_numbers(page: Page, stack: Stack) -> None:
    total = page.locator("[data-live='fanout.deliveries_total']")
    before = total.inner_text()
    star = stack.users("celebrity", 1)[0]
    stack.call("/api/posts", {"author_id": star["id"], "text": "By curl", "strategy": "write"})
    expect(total).not_to_have_text(before)
    expect(page.locator("#deliveries .plot .line")).to_be_attached()
    metrics = stack.call("/api/metrics")
    p50 = metrics["processing"]["lag"]["write"]["p50_ms"]
    assert p50 is not None
    page.locator("#time-lag summary").click()
    cells = page.locator("#time-lag tbody tr").first.locator("td")
    expect(cells.last).to_have_text(str(metrics["processing"]["lag"]["write"]["count"]))


def test_chart_numbers_can_be_downloaded(page: Page) -> None:
    page.wait_for_timeout(1500)
    page.locator("#backlog summary").click()
    with page.expect_download() as download:
        page.locator("#backlog").get_by_role("link", name="CSV").click()
    path = download.value.path()
    lines = path.read_text().splitlines()
    assert lines[0] == "time,deliveries"
    assert len(lines) >= 2
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z,\d+", lines[1])


def test_an_open_page_survives_a_restart_of_the_store(
    page: Page, stack: Stack, watch: Watch
) -> None:
    watch.forgiven = ("status of 503",)
    expect(page.locator("[data-freshness]")).to_have_text(re.compile("Updated"))
    shown = page.locator("[data-live='fanout.deliveries_total']").inner_text()
    stack.stop_store()
    try:
        expect(page.locator("[data-freshness]")).to_contain_text("Run ./status.sh", timeout=15_000)
        expect(page.locator("html")).to_have_class(re.compile("stale"))
        # Greyed, not zeroed.
        assert page.locator("[data-live='fanout.deliveries_total']").inner_text() == shown
        page.get_by_role("button", name="Post", exact=True).click()
        expect(page.locator("[data-composer] [role=alert]")).to_contain_text(
            "Redis does not answer"
        )
    finally:
        stack.start_store()
    expect(page.locator("html")).to_have_class(re.compile("fresh"), timeout=30_000)
    stack.drain()
    page.get_by_role("button", name="Post", exact=True).click()
    expect(page.locator(".story")).to_have_attribute("data-status", "done")
    expect(page.locator("[data-composer] [role=alert]")).to_have_count(0)


def test_a_page_opened_while_the_store_is_down_comes_alive_by_itself(
    new_page: NewPage, stack: Stack, watch: Watch
) -> None:
    watch.forgiven = ("status of 503",)
    page = new_page()
    stack.stop_store()
    try:
        page.goto("/")
        expect(page.get_by_role("alert")).to_contain_text("Run ./status.sh")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        status = new_page()
        status.goto("/status")
        expect(status.get_by_role("heading", level=1)).to_have_text("Not ready.")
        how = new_page()
        assert how.goto("/how-it-works").ok  # type: ignore[union-attr]
    finally:
        stack.start_store()
    expect(page.get_by_role("button", name=re.compile("both ways"))).to_be_visible(timeout=40_000)


def test_polling_backs_off_after_errors(page: Page, watch: Watch) -> None:
    watch.forgiven = ("status of 503",)
    page.route("**/api/metrics", lambda route: route.fulfill(status=503, body=""))
    polls = Polls(page)
    started = time.monotonic()
    while polls.count < 3 and time.monotonic() - started < 20:
        page.wait_for_timeout(100)
    # Without backing off three requests take three seconds; with it 2 + 4 seconds lie between.
    assert time.monotonic() - started > 4.5
    assert polls.during(page, 3000) == 0


def test_reduced_motion_shows_steps_instead_of_moving(new_page: NewPage, stack: Stack) -> None:
    stack.drain()
    page = new_page(reduced_motion="reduce")
    page.goto("/")
    page.locator(".fresh").wait_for(state="attached")
    page.evaluate(
        """() => {
          window.moves = 0;
          const animate = Element.prototype.animate;
          Element.prototype.animate = function (...how) {
            window.moves++;
            return animate.apply(this, how);
          };
        }"""
    )
    page.get_by_role("button", name=re.compile("both ways")).click()
    expect(page.locator("[data-moved='deliveries']").first).to_have_text(re.compile(r"\+"))
    expect(page.locator(".story")).to_have_count(2)
    assert page.evaluate("window.moves") == 0


def test_a_page_opened_while_the_people_are_loaded_shows_them_by_itself(page: Page) -> None:
    answer = page.request.get("/api/metrics").json()

    def loading(route: Route) -> None:
        route.fulfill(json={**answer, "dataset": {**answer["dataset"], "status": "loading"}})

    page.route("**/api/metrics", loading)
    page.wait_for_timeout(2_500)
    page.evaluate("window.stayed = true")
    page.unroute("**/api/metrics", loading)
    with page.expect_event("load", timeout=10_000):
        pass
    assert page.evaluate("window.stayed ?? null") is None
    page.locator(".fresh").wait_for(state="attached")
    page.evaluate("window.stayed = true")
    page.wait_for_timeout(3_000)
    assert page.evaluate("window.stayed") is True, "it must not load itself again and again"
