"""The five minutes a visitor has: clicked through, by keyboard alone, and without JavaScript."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage, Watch
from tests.browser.stack import Stack

THIN = "\N{NARROW NO-BREAK SPACE}"


def grouped(value: int) -> str:
    return f"{value:,}".replace(",", THIN)


def test_first_minute_shows_real_people_and_numbers(page: Page, stack: Stack) -> None:
    star = stack.users("celebrity", 1)[0]
    expect(page.get_by_role("heading", level=1)).to_contain_text(grouped(star["followers"]))
    cards = page.locator("[data-composer] .cards").first.locator(".card")
    expect(cards).to_have_count(3)
    expect(cards.nth(2)).to_contain_text(grouped(star["followers"]))
    for plot in page.locator("[data-bars] .plot, [data-series] .plot").all():
        expect(plot.locator("text").first).to_be_attached()


def test_one_button_shows_both_strategies_side_by_side(page: Page, stack: Stack) -> None:
    star = stack.users("celebrity", 1)[0]
    page.get_by_role("button", name=re.compile("both ways")).click()
    write, read = page.locator(".story.write"), page.locator(".story.read")
    expect(write).to_have_attribute("data-status", "done")
    expect(read).to_have_attribute("data-status", "pull")
    delivered = int(write.get_attribute("data-delivered") or 0)
    skipped = int(write.get_attribute("data-skipped") or 0)
    assert delivered + skipped == star["followers"]
    expect(write.locator(".tale")).to_contain_text(f"1 post → {grouped(delivered)} deliveries in ")
    expect(read.locator(".tale")).to_contain_text("1 post → 0 deliveries")
    expect(read.locator(".tale")).to_contain_text("A read just now merged")
    left, right = page.locator(".story").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect()).map(({ x, y }) => [x, y])"
    )
    assert left[1] == right[1]
    assert left[0] < right[0]
    # What the page says is what the API says.
    post_id = write.get_attribute("data-post")
    assert stack.call(f"/api/posts/{post_id}/fanout")["delivered"] == delivered
    # Announced once, for those who do not see it.
    expect(page.locator("[data-say]")).to_contain_text("1 post → 0 deliveries")
    expect(page.locator("[data-grid-note]")).to_have_text(
        f"The pushed post is in {grouped(delivered)} of {grouped(delivered)}."
        " The pulled post waits in its log."
    )
    expect(page.locator("[data-grid] .cell.on")).to_have_count(200)


def test_a_followers_feeds_are_compared_in_words(page: Page, stack: Stack) -> None:
    page.get_by_role("button", name=re.compile("both ways")).click()
    for name in ("write", "read", "hybrid"):
        expect(page.locator(f".feed.{name} .post.fresh")).to_have_count(2)
    expect(page.locator(".verdict.same")).to_contain_text("All three strategies gave")
    columns = [column.locator(".what").all_inner_texts() for column in page.locator(".feed").all()]
    assert columns[0]
    assert columns[0] == columns[1] == columns[2]
    reader = page.locator("#reader")
    other = reader.locator("option").nth(1).get_attribute("value")
    assert other
    reader.select_option(other)
    expect(page.locator(f"[data-reader-id='{other}']")).to_be_visible()
    feed = stack.call(f"/api/feed/{other}?strategy=read&limit=8")
    expect(page.locator(".feed.read .post")).to_have_count(len(feed["items"]))


def test_the_crossover_follows_its_controls(page: Page) -> None:
    page.get_by_role("button", name=re.compile("both ways")).click()
    expect(page.locator(".story")).to_have_count(2)
    words = page.locator("[data-crossing-words]")
    page.locator("#crossover").scroll_into_view_if_needed()
    expect(words).to_contain_text("write fan-out")
    expect(page.locator("[data-cost-source]")).to_contain_text("reads by")
    before = words.inner_text()
    followers = page.locator("#x-followers")
    followers.focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    assert words.inner_text() != before
    expect(page.locator("#crossing .line")).to_have_count(3)
    page.get_by_role("button", name="As at Twitter in 2013").click()
    expect(page.locator("[data-out='followers']")).to_have_text("75")
    page.locator("#crossing summary").click()
    expect(page.locator("#crossing tbody tr")).to_have_count(8)


def test_keys_commands_and_curl_lines_are_the_real_ones(page: Page, stack: Stack) -> None:
    page.get_by_role("button", name=re.compile("both ways")).click()
    expect(page.locator(".story")).to_have_count(2)
    post_id = page.locator(".story.read").get_attribute("data-post")
    inspector = page.locator("[data-inspector]")
    expect(inspector).to_contain_text(f":{post_id}")
    expect(inspector).to_contain_text("FCALL fanout_timeline_page")
    expect(inspector).to_contain_text("FCALL fanout_log_pages")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy curl line for the fan-out").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"curl -s {stack.url}/api/posts/{post_id}/fanout"


def test_pausing_the_workers_fills_the_backlog_and_resuming_drains_it(
    page: Page, stack: Stack
) -> None:
    page.locator("#rate").select_option("paused")
    page.get_by_role("button", name="Set rate limit").click()
    expect(page.locator("[data-workers-now]")).to_contain_text("paused")
    page.get_by_role("button", name="Send the burst").click()
    result = page.locator("[data-burst-result]")
    expect(result).to_contain_text("10 posts queued for pushing")
    # Late or not depends on how the author was read before; the page must say what the API says.
    reader = page.locator("#reader").input_value()
    same = stack.call(f"/api/compare/{reader}?limit=20")["identical"]
    expect(result).to_contain_text("give a follower the same" if same else "lacks 10 of the 20")
    backlog = page.locator("[data-live='queue.backlog']")
    expect(backlog).not_to_have_text("0")
    page.locator("#rate").select_option("full")
    page.get_by_role("button", name="Set rate limit").click()
    expect(backlog).to_have_text("0")
    assert stack.call("/api/metrics")["queue"]["backlog"] == 0


def test_reset_asks_first(new_page: NewPage, stack: Stack) -> None:
    page = new_page()
    page.goto("/status")
    before = stack.call("/api/datasets/current")
    page.get_by_role("button", name="Reset …").click()
    expect(page.get_by_role("button", name="Yes, reset everything")).to_be_visible()
    page.get_by_role("link", name="No, keep it").click()
    expect(page.get_by_role("button", name="Reset …")).to_be_visible()
    assert stack.call("/api/datasets/current") == before


def test_a_post_can_be_made_by_keyboard_alone(page: Page) -> None:
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate("document.activeElement.tagName + '.' + document.activeElement.name")
        )
        if page.evaluate("document.activeElement.name") == "author_id":
            break
    else:
        pytest.fail(f"the composer was not reached by Tab, only {seen}")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("Typed without a mouse")
    page.keyboard.press("Control+Enter")
    story = page.locator(".story")
    expect(story.locator("q")).to_have_text("Typed without a mouse")
    expect(story).to_have_count(1)
    expect(story).to_have_class(re.compile("read"))
    # The focus went along to the result, and it can be seen.
    assert page.evaluate("document.activeElement.id") == "story"


def test_focus_is_visible_everywhere(page: Page) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        outline = page.evaluate(
            """() => {
              const e = document.activeElement;
              const shown = e.matches('.card input') ? e.closest('.card') : e;
              return e === document.body || parseFloat(getComputedStyle(shown).outlineWidth);
            }"""
        )
        assert outline is True or outline >= 2


def test_posts_are_made_and_read_without_javascript(new_page: NewPage, stack: Stack) -> None:
    stack.drain()
    page = new_page(java_script_enabled=False)
    page.goto("/")
    page.get_by_label("Text").fill("Posted by a plain form")
    page.locator("input[name=author_id]").nth(1).check()
    page.locator(".composer input[name=strategy][value=hybrid]").check()
    page.get_by_role("button", name="Post", exact=True).click()
    expect(page.locator(".story q")).to_have_text("Posted by a plain form")
    expect(page.locator(".feed")).to_have_count(3)
    select = page.locator("#reader")
    other = select.locator("option").last.get_attribute("value")
    assert other
    select.select_option(other)
    page.get_by_role("button", name="Read the feed").click()
    expect(page.locator(f"[data-reader-id='{other}']")).to_be_visible()
    expect(page.locator(".story q")).to_have_text("Posted by a plain form")
    expect(page.locator(".feed.write .fresh")).to_have_count(1)


def test_a_refused_form_keeps_what_was_typed(new_page: NewPage, watch: Watch) -> None:
    watch.forgiven = ("status of 422",)
    page = new_page(java_script_enabled=False)
    page.goto("/")
    too_long = "x" * 501
    page.get_by_label("Text").fill(too_long)
    page.get_by_role("button", name="Post", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("500")
    expect(page.get_by_label("Text")).to_have_value(too_long)


def test_both_strategies_are_compared_without_javascript(new_page: NewPage, stack: Stack) -> None:
    stack.drain()
    page = new_page(java_script_enabled=False)
    page.goto("/")
    page.get_by_role("button", name=re.compile("both ways")).click()
    expect(page.locator(".story")).to_have_count(2)
