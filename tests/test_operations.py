"""Dead letters and repair: the API, the commands, the services behind them."""

from typing import Any

import pytest

from app.bootstrap import Services
from app.engine.delivery.deliverer import Deliverer
from app.engine.delivery.open_jobs import OpenJobs
from app.engine.delivery.repair import Repaired, repair
from app.engine.store.batch import Batch
from app.engine.store.chunks import Chunk, ChunkSender
from app.engine.store.dead_letters import DeadLetter
from app.engine.store.job_records import Job, Progress
from app.main import create_app
from tests.conftest import Backend, add_readers, add_users, all_pages, small_settings

AUTHOR, READERS = 9, range(1, 8)


@pytest.fixture
def crowd(services: Services) -> Services:
    add_readers(services, AUTHOR, READERS)
    return services


def repaired(services: Services) -> Repaired:
    return repair(services.engine.data, lambda done, total: None)


def break_timeline(services: Services, reader: int) -> str:
    name = services.engine.store.keys.timeline(reader)
    services.engine.store.command("DEL", name)
    services.engine.store.command("SET", name, "no list")
    return name


class Aging:
    """A worker with a clock of its own, which moves on after each iteration."""

    def __init__(self, services: Services) -> None:
        self.now = 0.0
        self.worker = services.engine.deliverer("w", lambda: self.now)

    def works(self, iterations: int, seconds: float = 0.3) -> None:
        for _ in range(iterations):
            self.worker.run_iteration()
            self.worker.reclaiming.run()
            self.now += seconds


def dead_lettered_alone(crowd: Services, aging: Aging, bad: int, good: list[int]) -> DeadLetter:
    """The dead letter of the bad post, which held up none of the good ones."""
    for _ in range(5):
        aging.worker.run_iteration()
    assert {crowd.engine.fanout(post).status for post in good} == {"done"}, "at once"
    aging.works(40)
    (dead_letter,) = crowd.engine.dead_letters.list()
    assert (dead_letter.post_id, dead_letter.tries) == (bad, 5)
    return dead_letter


def fail_until_dead(services: Services) -> None:
    Aging(services).works(20, 0.6)
    assert services.engine.queue().dead == 1


def test_a_failed_chunk_is_not_pushed_twice(crowd: Services) -> None:
    """Part of the chunk was made when it failed; the next tries must not repeat that part."""
    name = break_timeline(crowd, READERS[0])
    post, _ = crowd.engine.publish(AUTHOR, "to all", "write")
    fail_until_dead(crowd)
    crowd.engine.store.command("DEL", name)
    crowd.engine.dead_letters.requeue(dead_letter_of(crowd))
    crowd.engine.deliverer("other").run_until_idle()
    for reader in READERS:
        assert all_pages(crowd, reader, "write") == [post.id]
        name = crowd.engine.store.keys.timeline(reader)
        assert crowd.engine.store.command("LRANGE", name, 0, -1).count(str(post.id).encode()) <= 1


def dead_letter_of(services: Services) -> str:
    (dead_letter,) = services.engine.dead_letters.list()
    return dead_letter.id


def test_jobs_are_dead_lettered_in_any_order_and_listed_newest_first(crowd: Services) -> None:
    """A younger job may die before an older one."""
    add_users(crowd.engine.store, range(12))
    for reader in READERS:
        break_timeline(crowd, reader)
    jobs = []
    for text in ("first", "second"):
        crowd.engine.publish(AUTHOR, text, "write")
        batch = crowd.engine.store.batch()
        crowd.engine.jobs.ask(batch, "w", 1)
        jobs += [job for reply in batch.run() for job in crowd.engine.jobs.answer(reply).jobs]
    for job in reversed(jobs):
        died = [crowd.engine.jobs.fail(job, "on purpose") for _ in range(5)]
        assert died == [False] * 4 + [True]
    assert crowd.engine.queue().dead == 2
    assert crowd.engine.queue().backlog == 0
    assert [dead_letter.post_id for dead_letter in crowd.engine.dead_letters.list()] == [
        jobs[0].id,
        jobs[1].id,
    ]


class Killed(BaseException):
    """A worker's process ends: no `except Exception` may stop it."""


def test_only_the_job_that_ends_its_workers_is_dead_lettered(
    crowd: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, _ = crowd.engine.publish(AUTHOR, "poison", "write")
    good = [crowd.engine.publish(AUTHOR, f"good {n}", "write")[0].id for n in range(5)]
    now, ends = 0.0, 0
    real_open = OpenJobs.open

    def open_or_be_killed(jobs: OpenJobs, job: Job, *args: Any, **options: Any) -> None:
        if job.id == bad.id:
            raise Killed
        real_open(jobs, job, *args, **options)

    monkeypatch.setattr(OpenJobs, "open", open_or_be_killed)

    def born() -> Deliverer:
        return crowd.engine.deliverer(f"worker-{ends}", lambda: now)

    worker = born()
    for _ in range(200):
        try:
            worker.run_iteration()
            worker.reclaiming.run()
        except Killed:
            ends += 1
            worker = born()
        now += 0.3
    assert 1 <= ends <= 6
    (dead_letter,) = crowd.engine.dead_letters.list()
    assert dead_letter.post_id == bad.id
    assert "end its workers" in dead_letter.reason
    assert {crowd.engine.fanout(post).status for post in good} == {"done"}
    assert all_pages(crowd, READERS[0], "write") == good[::-1]


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (("HDEL", "counts"), "counts"),
        (("HSET", "counts", "not, numbers"), "counts"),
        (("HSET", "counts", "5"), "counts"),
        (("HSET", "counts", b"1,\xff"), "counts"),
        (("HDEL", "author"), "author"),
        (("HDEL", "author", "recipients", "strategy"), "author, recipients, strategy"),
        (("HSET", "recipients", "many"), "recipients"),
        (("HSET", "accepted", "yesterday"), "accepted"),
        (("HSET", "job", "0", "entry", "0-0", "since", "x", "last", "x"), "since, last"),
    ],
)
def test_a_job_record_that_cannot_be_read_ends_no_worker_and_becomes_a_dead_letter(
    crowd: Services, damage: tuple[str | bytes, ...], named: str
) -> None:
    bad, _ = crowd.engine.publish(AUTHOR, "broken", "write")
    good = [crowd.engine.publish(AUTHOR, f"good {n}", "write")[0].id for n in range(2)]
    command, *fields = damage
    crowd.engine.store.command(command, crowd.engine.store.keys.job(bad.id), *fields)
    aging = Aging(crowd)
    dead_letter = dead_lettered_alone(crowd, aging, bad.id, good)
    assert dead_letter.reason.endswith(f"cannot be read; missing or damaged: {named}.")
    assert crowd.engine.queue().jobs == 0
    for again in (True, False):
        (dead_letter,) = crowd.engine.dead_letters.list()
        (crowd.engine.dead_letters.requeue if again else crowd.engine.dead_letters.discard)(
            dead_letter.id
        )
        aging.works(30)
    assert crowd.engine.dead_letters.list() == []


def test_a_job_record_that_is_gone_is_forgotten_and_delays_no_other_job(crowd: Services) -> None:
    bad, _ = crowd.engine.publish(AUTHOR, "broken", "write")
    name = crowd.engine.store.keys.job(bad.id)
    crowd.engine.store.command("SET", name, "overwritten by somebody")
    good, _ = crowd.engine.publish(AUTHOR, "good", "write")
    aging = Aging(crowd)
    aging.works(20)
    assert crowd.engine.fanout(good.id).status == "done"
    assert crowd.engine.queue().jobs == 0
    assert crowd.engine.dead_letters.list() == []


@pytest.mark.parametrize("when", ["taken", "delivered"])
def test_a_job_record_that_is_overwritten_during_the_deliveries_delays_no_other_job(
    crowd: Services, when: str
) -> None:
    bad, _ = crowd.engine.publish(AUTHOR, "broken", "write")
    good = [crowd.engine.publish(AUTHOR, f"good {n}", "write")[0].id for n in range(2)]
    aging = Aging(crowd)
    aging.worker.run_iteration()
    if when == "delivered":
        aging.worker.run_iteration(3)
    else:  # its chunk fails as well, and nobody can note that
        break_cursors(crowd, bad.id)
    crowd.engine.store.command("SET", crowd.engine.store.keys.job(bad.id), "overwritten")
    aging.works(20)
    assert {crowd.engine.fanout(post).status for post in good} == {"done"}
    assert crowd.engine.queue().jobs == 0


def break_cursors(services: Services, job: int) -> None:
    """The job's deliveries fail: its cursors are no hashes."""
    for shard in range(services.engine.store.shards):
        services.engine.store.command(
            "SET", services.engine.store.keys.cursor(shard, job), "no cursor"
        )


@pytest.mark.parametrize("where", ["cursor", "followers"])
def test_what_cannot_be_read_beside_the_record_is_a_failure_of_that_job_alone(
    crowd: Services, where: str
) -> None:
    alone = 10  # nobody follows, so the followers are counted when the job is opened
    bad, _ = crowd.engine.publish(alone if where == "followers" else AUTHOR, "bad", "write")
    good = [crowd.engine.publish(AUTHOR, f"good {n}", "write")[0].id for n in range(2)]
    if where == "cursor":
        break_cursors(crowd, bad.id)
    else:
        crowd.engine.store.command("SET", crowd.engine.store.keys.followers(1, alone), "no list")
    dead_letter = dead_lettered_alone(crowd, Aging(crowd), bad.id, good)
    assert "WRONGTYPE" in dead_letter.reason


def test_a_job_that_makes_progress_is_never_dead_lettered(crowd: Services) -> None:
    """Its worker dies after every single follower."""
    post, _ = crowd.engine.publish(AUTHOR, "to all", "write")
    now = 0.0

    def clock() -> float:
        return now

    for number in range(40):
        worker = crowd.engine.deliverer(f"worker-{number}", clock)
        worker.run_iteration(0)
        worker.reclaiming.run()
        now += 1.2
        worker.reclaiming.run()
        worker.run_iteration(1)
        worker.run_iteration(1)
    assert crowd.engine.dead_letters.list() == []
    assert crowd.engine.fanout(post.id).status == "done"
    for reader in READERS:
        assert all_pages(crowd, reader, "write") == [post.id]


def test_dead_letters_by_http(crowd: Services, backend: Backend) -> None:
    client = create_app(crowd.settings, crowd.engine.store).test_client()
    assert client.get("/api/dead-letters").json == {"dead_letters": []}
    name = break_timeline(crowd, READERS[0])
    post, _ = crowd.engine.publish(AUTHOR, "to all", "write")
    fail_until_dead(crowd)
    (dead_letter,) = client.get("/api/dead-letters").get_json()["dead_letters"]
    assert dead_letter["post_id"] == post.id
    assert dead_letter["tries"] == 5
    assert "WRONGTYPE" in dead_letter["reason"]
    for missing in ("1-1", "999-1", "nonsense", "0-0x"):
        answer = client.post(f"/api/dead-letters/{missing}/requeue")
        assert (answer.status_code, answer.get_json()["type"]) == (
            404,
            "/how-it-works#error-unknown-dead-letter",
        )
    crowd.engine.store.command("DEL", name)
    assert client.post(f"/api/dead-letters/{dead_letter['id']}/requeue").status_code == 204
    assert client.post(f"/api/dead-letters/{dead_letter['id']}/requeue").status_code == 404
    crowd.engine.deliverer("other").run_until_idle()
    assert crowd.engine.fanout(post.id).status == "done"
    break_timeline(crowd, READERS[0])
    crowd.engine.publish(AUTHOR, "once more", "write")
    fail_until_dead(crowd)
    (dead_letter,) = client.get("/api/dead-letters").get_json()["dead_letters"]
    assert client.delete(f"/api/dead-letters/{dead_letter['id']}").status_code == 204
    assert client.get("/api/dead-letters").json == {"dead_letters": []}


def test_commands_list_and_discard_dead_letters_and_repair_timelines(crowd: Services) -> None:
    run = create_app(crowd.settings, crowd.engine.store).test_cli_runner()
    assert "The dead-letter queue is empty" in run.invoke(args=["dead-letters", "list"]).output
    break_timeline(crowd, READERS[0])
    crowd.engine.publish(AUTHOR, "to all", "write")
    fail_until_dead(crowd)
    assert "WRONGTYPE" in run.invoke(args=["dead-letters", "list"]).output
    assert run.invoke(args=["dead-letters", "discard"]).exit_code == 2
    assert "1 dead letters" in run.invoke(args=["dead-letters", "discard", "--all"]).output
    repaired = run.invoke(args=["repair"])
    assert repaired.exit_code == 0
    assert "differed and were rebuilt" in repaired.output
    for reader in READERS:
        assert all_pages(crowd, reader, "write") == all_pages(crowd, reader, "read")


def test_repair_finds_what_was_changed_by_hand(crowd: Services) -> None:
    posts = [crowd.engine.publish(AUTHOR, f"post {n}", "write")[0].id for n in range(4)]
    crowd.engine.deliverer("w").run_until_idle()
    assert repaired(crowd).differed == []
    store = crowd.engine.store
    names = {reader: store.keys.timeline(reader) for reader in READERS}
    store.command("LREM", names[1], 1, posts[2])  # lacks a post
    store.command("LPUSH", names[2], posts[3])  # has one twice
    store.command("LPUSH", names[3], posts[3] + 1)  # has one that never was: readers skip it
    store.command("DEL", names[4])  # dormant
    break_timeline(crowd, 5)
    other, _ = crowd.engine.publish(8, "by somebody else", "write")
    store.command("LPUSH", names[6], other.id)  # has one of somebody not followed
    found = repaired(crowd)
    assert sorted(found.differed) == [1, 2, 5, 6]
    assert repaired(crowd).differed == []
    for reader in READERS:
        assert all_pages(crowd, reader, "write") == posts[::-1]


def test_repair_leaves_deliveries_under_way_alone(crowd: Services) -> None:
    crowd.engine.publish(AUTHOR, "queued", "write")
    crowd.engine.publish(8, "pulled", "read")
    assert repaired(crowd).differed == []


def test_repair_queues_lost_jobs_and_corrects_the_backlog(crowd: Services) -> None:
    post, _ = crowd.engine.publish(AUTHOR, "to all", "write")
    shard = AUTHOR % crowd.engine.store.shards
    crowd.engine.store.command("XDEL", crowd.engine.store.keys.jobs(shard), f"{post.id}-0")
    crowd.engine.store.command("HSET", crowd.engine.store.keys.backlog(shard), "deliveries", 1234)
    found = repaired(crowd)
    assert found.jobs_queued == 1
    assert found.backlogs == {shard: (1234, len(READERS))}
    crowd.engine.deliverer("w").run_until_idle()
    assert crowd.engine.queue().backlog == 0
    assert crowd.engine.fanout(post.id).status == "done"


def test_dead_workers_without_jobs_are_removed_from_the_streams(crowd: Services) -> None:
    crowd.engine.publish(AUTHOR, "to all", "write")
    crowd.engine.deliverer("busy").run_iteration(1)
    for n in range(10):
        crowd.engine.deliverer(f"dead-{n}").run_iteration()
    crowd.engine.deliverer("live").run_iteration()
    crowd.engine.jobs.forget_workers(["live"])
    stream = crowd.engine.store.keys.jobs(AUTHOR % crowd.engine.store.shards)
    readers = {row["name"] for row in crowd.engine.store.redis.xinfo_consumers(stream, "workers")}
    assert readers - {b"live"} == {b"busy"}, "busy has taken a job"


def test_deferred_posts_of_a_very_large_author_are_released_in_parts(backend: Backend) -> None:
    """More deferred deliveries than the backlog may ever hold."""
    settings = small_settings(
        shards=2,
        backlog_low=0,
        backlog_high=8,
        backlog_limit=10,
        large_author_followers=7,
        log_cap=100,
    )
    services = Services(settings, backend.store(2))
    add_readers(services, AUTHOR, READERS)
    posts = [services.engine.publish(AUTHOR, f"post {n}", "write")[0].id for n in range(6)]
    assert AUTHOR in services.engine.pulled_authors.author_ids()
    worker = services.engine.deliverer("w")
    for _ in range(20):
        worker.run_until_idle()
        services.engine.releases.run(force=True)
        assert max(services.engine.queue().backlogs) <= 10
    assert AUTHOR not in services.engine.pulled_authors.author_ids()
    for reader in READERS:
        assert all_pages(services, reader, "write") == posts[::-1]
        assert services.engine.fanout(posts[3]).status == "done"


def test_a_worker_drops_its_open_jobs_when_the_server_restarts(crowd: Services) -> None:
    """What a worker saw delivered may have been undone: it must not acknowledge by memory."""
    post, _ = crowd.engine.publish(AUTHOR, "to all", "write")
    worker = crowd.engine.deliverer("w")
    worker.run_iteration()
    worker.run_iteration(6)
    batch = crowd.engine.store.batch()
    for shard in range(crowd.engine.store.shards):
        batch.add("DEL", crowd.engine.store.keys.cursor(shard, post.id))
    for reader in READERS:
        batch.add("DEL", crowd.engine.store.keys.timeline(reader))
    batch.run()
    for reader in READERS:  # timelines as they were before the deliveries
        crowd.engine.store.command("RPUSH", crowd.engine.store.keys.timeline(reader), 0)
    known = worker.servers._incarnations
    known[:] = ["another incarnation"] * len(known)
    worker.run_iteration()
    assert len(worker.open_jobs) == 0
    now = 0.0
    other = crowd.engine.deliverer("other", lambda: now)
    other.reclaiming.run()
    now = 1.2
    assert other.reclaiming.run() == 1
    other.run_until_idle()
    for reader in READERS:
        assert all_pages(crowd, reader, "write") == [post.id]


def test_the_store_refuses_an_acknowledgement_from_before_its_restart(crowd: Services) -> None:
    crowd.engine.publish(AUTHOR, "to all", "write")
    shard = AUTHOR % crowd.engine.store.shards
    batch = crowd.engine.store.batch()
    crowd.engine.jobs.ask(batch, "w", 1)
    answers = [crowd.engine.jobs.answer(reply) for reply in batch.run()]
    (job,) = (job for answer in answers for job in answer.jobs if isinstance(job, Job))
    assert job.shard == shard
    for incarnation in ("before", answers[shard % len(answers)].incarnation):
        crowd.engine.jobs.finish(batch, shard, [(job, Progress(7, 0))], incarnation)
    (late,), (fine,) = batch.run()
    assert late == [-1, 0]
    assert fine[0] == 1


def test_a_dead_workers_job_does_not_wait_behind_new_jobs(backend: Backend) -> None:
    """A worker that is full of new jobs still reclaims those of a dead one."""
    settings = small_settings(shards=2, open_jobs=2)
    services = Services(settings, backend.store(2))
    add_users(services.engine.store, range(12))
    for reader in READERS:
        services.engine.follow(reader, AUTHOR)
    services.engine.publish(AUTHOR, "of a dead worker", "write")
    services.engine.deliverer("dead").run_iteration()
    for n in range(10):
        services.engine.publish(AUTHOR, f"new {n}", "write")
    now = 0.0
    full = services.engine.deliverer("full", lambda: now)
    full.run_iteration()
    full.run_iteration(1)
    full.reclaiming.run()
    now = 1.2
    full.run_iteration(1)
    assert full.reclaiming.run() == 1
    assert len(full.open_jobs) > settings.open_jobs


def test_chunks_are_small_while_somebody_reads(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small_settings(shards=1, chunk=4, chunk_while_read=1, chunks_in_flight=1)
    services = Services(settings, backend.store(1))
    add_users(services.engine.store, range(42))
    for reader in range(1, 41):
        services.engine.follow(reader, 0)
    services.engine.publish(0, "to all", "write")
    now = 0.0
    calls: list[int] = []
    worker = services.engine.deliverer("w", lambda: now)
    send = ChunkSender.send

    def recorded(sender: ChunkSender, batch: Batch, chunks: list[Chunk], size: int) -> Any:
        calls.extend(chunk.followers for chunk in chunks)
        return send(sender, batch, chunks, size)

    monkeypatch.setattr(ChunkSender, "send", recorded)
    worker.run_iteration()  # takes the job
    worker.run_iteration()
    assert calls == [4]
    services.engine.feed(41, "read")
    worker.run_iteration()  # sees the page
    worker.run_iteration()
    assert calls == [4, 4, 1, 1, 1, 1]
    now = 10.1
    worker.run_iteration()
    assert calls[6:] == [4]
    worker.run_until_idle()
    assert services.engine.queue().backlog == 0
