"""How a job hands out its chunks."""

from collections import deque
from typing import Any, cast

from app.engine.delivery.open_job import OpenJob
from app.engine.delivery.open_jobs import OpenJobs
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


def opened_jobs() -> OpenJobs:
    """Jobs 100 and 101 of author 1, with many followers, and 102 of author 2."""
    opened = OpenJobs(cast(Any, None), lambda: 0.0)
    for number, author, followers in ((100, 1, 10_000), (101, 1, 10_000), (102, 2, 10)):
        job = Job(0, f"{number}-0", number, author, number, number, "write", (followers,))
        opened.open(job, {0: Cursor(followers)})
    return opened


def test_an_author_with_two_open_jobs_does_not_keep_others_waiting() -> None:
    opened = opened_jobs()
    served = [chunk.job.id for _ in range(2) for chunk in opened.plan(100, 100, set())]
    assert served == [100, 102, 100]


def test_an_authors_posts_go_one_after_the_other() -> None:
    served = {chunk.job.id for chunk in opened_jobs().plan(5_000, 100, set())}
    assert served == {100, 102}


def test_a_reclaimed_job_gets_a_chunk_before_older_posts_of_its_author() -> None:
    opened = opened_jobs()
    again = Job(0, "101-0", 101, 1, 101, 101, "write", (10_000,))
    opened.open(again, {0: Cursor(10_000)}, first=True)
    first = [opened.plan(10, 10, set())[0].job.id for _ in range(3)]
    assert first == [101, 102, 100]
