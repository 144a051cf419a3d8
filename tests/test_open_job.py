"""How a job hands out its chunks."""

from __future__ import annotations

from collections import deque

from app.services.open_job import OpenJob
from app.storage.job_records import Job, Walked


def a_job(*left: int) -> OpenJob:
    walks = {shard: Walked(followers) for shard, followers in enumerate(left)}
    job = Job("1-0", 1, 0, 7, 1, 1, "write", left)
    return OpenJob(job, [1], walks, deque(shard for shard in walks if left[shard]), 0.0)


def test_chunks_take_turns_between_shards_so_that_no_server_idles() -> None:
    opened = a_job(10, 10, 10)
    assert [list(opened.slice(4)) for _ in range(4)] == [[(0, 4)], [(1, 4)], [(2, 4)], [(0, 4)]]


def test_a_chunk_is_filled_up_from_further_shards() -> None:
    opened = a_job(3, 0, 2, 9)
    assert list(opened.slice(6)) == [(0, 3), (2, 2), (3, 1)]
    assert list(opened.slice(100)) == [(3, 8)]
    assert list(opened.slice(1)) == []


def test_progress_counts_deliveries() -> None:
    opened = a_job(3, 2)
    opened.posts = [1, 2]
    opened.walks = {0: Walked(0, 2, 1), 1: Walked(1, 1, 0)}
    done = opened.progress()
    assert (done.walked, done.delivered, done.skipped, done.posts) == (8, 6, 2, 2)
