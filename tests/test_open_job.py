"""How a job hands out its chunks."""

from collections import deque

from app.engine.delivery.open_job import OpenJob
from app.engine.store.job_records import Cursor, Job


def a_job(*remaining: int) -> OpenJob:
    cursors = {shard: Cursor(followers) for shard, followers in enumerate(remaining)}
    job = Job(0, "1-0", 1, 7, 1, 1, "write", remaining)
    return OpenJob(job, [1], cursors, deque(shard for shard in cursors if remaining[shard]), 0.0)


def chunks(opened: OpenJob, *sizes: int) -> list[list[tuple[int, int]]]:
    return [
        [(chunk.shard, chunk.followers) for chunk in opened.next_chunks(size)] for size in sizes
    ]


def test_chunks_take_turns_between_shards() -> None:
    wanted = [[(0, 4)], [(1, 4)], [(2, 4)], [(0, 4)]]
    assert chunks(a_job(10, 10, 10), 4, 4, 4, 4) == wanted


def test_a_chunk_is_filled_up_from_further_shards() -> None:
    found = chunks(a_job(3, 0, 2, 9), 6, 100, 1)
    assert found == [[(0, 3), (2, 2), (3, 1)], [(3, 8)], []]


def test_a_chunk_begins_where_those_before_it_end() -> None:
    opened = a_job(10)
    planned = [*opened.next_chunks(4), *opened.next_chunks(4)]
    assert [chunk.cursor.remaining for chunk in planned] == [10, 6]


def test_progress_counts_deliveries() -> None:
    opened = a_job(3, 2)
    opened.posts = [1, 2]
    opened.cursors = {0: Cursor(0, 2, 1), 1: Cursor(1, 1, 0)}
    done = opened.progress()
    assert (done.delivered, done.skipped, done.posts) == (6, 2, 2)
