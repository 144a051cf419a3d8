"""A job that cannot be done: shown on the page, and done from there once its cause is gone."""

import contextlib
import time
from collections.abc import Iterator

import redis
from playwright.sync_api import Page, expect

from tests.browser.stack import Stack


@contextlib.contextmanager
def broken_list(stack: Stack, author: int) -> Iterator[int]:
    """Publishes by push, and for as long as the block lasts one list of followers is no list."""
    store = redis.Redis(port=stack.store_port)
    stack.call("/api/workers", {"paused": True, "deliveries_per_second": None}, "PUT")
    time.sleep(1)  # what workers promise to obey within
    body = {"author_id": author, "text": "This one gets stuck", "strategy": "write"}
    post: int = stack.call("/api/posts", body)["post"]["id"]
    name = next(key for key in store.scan_iter(f"fanout:followers:*:{author}"))
    store.rename(name, "aside")
    try:
        store.set(name, "no list")
        stack.call("/api/workers", {"paused": False, "deliveries_per_second": None}, "PUT")
        yield post
    finally:
        store.rename("aside", name)
        store.close()


def test_a_dead_letter_is_shown_and_queued_again(page: Page, stack: Stack) -> None:
    author = stack.users("popular", 1)[0]["id"]
    dead = page.locator("#dead")
    expect(dead).to_contain_text("Dead-letter queue: 0")
    with broken_list(stack, author) as post:
        row = dead.locator("tbody tr")
        expect(row).to_have_count(1, timeout=60_000)
        expect(row).to_contain_text(str(post))
        expect(row).to_contain_text("WRONGTYPE")
        assert stack.call(f"/api/posts/{post}/fanout")["status"] == "dead"
    page.get_by_role("button", name=f"Requeue the job of post {post}").click()
    expect(dead).to_contain_text("Dead-letter queue: 0")
    stack.drain()
    done = stack.call(f"/api/posts/{post}/fanout")
    assert done["status"] == "done"
    assert done["delivered"] + done["skipped"] == done["recipients"]
