"""Rules that do several things in a row, where chance alone would hardly ever meet a rare order.

Each leaves its numbers and its schedule to chance, and may begin amid whatever was going on.
"""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import rule

from app.engine.delivery.servers import READ_SECONDS
from app.engine.models import Strategy
from app.engine.store import transactions
from tests.oracle.machine import (
    SHARDS,
    USERS,
    Machine,
    Schedule,
    either,
    schedules,
    squeezed,
    strategy,
    user,
)

shard = st.integers(0, SHARDS - 1)


class Sequences(Machine):
    """Jobs under way, partial failures, releases, dead letters, a backlog at its limit."""

    def audience(self, author: int, on_shard: int, absent: int | None = None) -> list[int]:
        """Makes the shard's users, and nobody else, follow the author, in this order, and have
        timelines."""
        readers = [reader for reader in range(on_shard, USERS, SHARDS) if reader != author]
        self.nobody_follows(author)
        for reader in readers:
            if reader != absent:
                self.follow(reader, author)
        for reader in readers:
            self.read(reader, "write", 6)
        # A reader makes chunks small for a while. Here a chunk takes two followers.
        for worker in self.workers:
            worker.run_iteration(0)
        self.now += READ_SECONDS
        return readers

    def defer_posts(self, author: int, reader: int, posts: int) -> None:
        """The reader follows the author and has a timeline; so many posts are deferred."""
        self.follow(reader, author)
        self.read(reader, "write", 6)
        for _ in range(posts):
            self.post(author, "read")

    @rule(
        author=user,
        on_shard=shard,
        which=st.integers(0, 2),
        leaves=st.booleans(),
        reads=st.booleans(),
        tokens=st.sampled_from([1, 1, 2]),
        worker=either,
    )
    def an_edge_changes_during_a_job(
        self,
        author: int,
        on_shard: int,
        which: int,
        leaves: bool,
        reads: bool,
        tokens: int,
        worker: int,
    ) -> None:
        """New followers go to the list's tail; one who leaves moves others towards the head."""
        self.come_to_rest()
        who = range(on_shard, USERS, SHARDS)[which]
        readers = self.audience(author, on_shard, absent=None if leaves else who)
        self.post(author, "write")
        self.iterations([(0, None), (0, tokens)])
        (self.unfollow if leaves else self.follow)(who, author)
        if reads:
            self.read(who, "write", 6)
        self.workers[worker].run_iteration(tokens)
        self.bounded()
        self.work_it_off()
        for reader in readers:
            self.read(reader, "write", 6)

    @rule(author=user, on_shard=shard, which=st.integers(0, 2))
    def a_chunk_fails_half_way(self, author: int, on_shard: int, which: int) -> None:
        """The next try must neither repeat what was made nor pass over what was not."""
        self.come_to_rest()
        readers = self.audience(author, on_shard)
        self.break_timeline(readers[which % len(readers)])
        self.post(author, "write")
        self.work_it_off()
        self.heal()
        self.time_passes(1.2)
        self.work_it_off()
        self.bounded()
        for reader in readers:
            self.read(reader, "write", 6)

    @rule(
        author=user,
        other=user,
        on_shard=shard,
        worker=either,
        what=st.sampled_from(["another worker", "newer post", "follow", "unfollow", "rebuild"]),
    )
    def something_before_exec(
        self, author: int, other: int, on_shard: int, worker: int, what: str
    ) -> None:
        """A worker's fence stands, and its transaction is about to leave."""
        self.come_to_rest()
        reader = on_shard if on_shard != author else on_shard + SHARDS
        readers = self.audience(author, on_shard, absent=reader if what == "follow" else None)
        self.follow(readers[-1], other)
        self.read(readers[-1], "write", 6)
        self.now += READ_SECONDS
        self.post(author, "write")
        self.workers[worker].run_iteration()
        another = self.workers[1 - worker]

        def work_of_another() -> None:
            self.time_passes(1.2)
            another.run_iteration()

        def newer_post() -> None:
            self.post(other, "write")
            another.run_until_idle()

        acts: dict[str, Callable[[], object]] = {
            "another worker": work_of_another,
            "newer post": newer_post,
            "follow": lambda: (self.follow(reader, author), self.read(reader, "write", 6)),
            "unfollow": lambda: (self.unfollow(reader, author), self.read(reader, "write", 6)),
            "rebuild": lambda: (self.lose_timeline(reader), self.read(reader, "write", 6)),
        }
        with squeezed(transactions._Lane, "_transaction", after=acts[what]):
            self.workers[worker].run_iteration()
        self.work_it_off()
        self.bounded()
        for each in readers:
            self.read(each, "write", 6)

    @rule(reader=user, author=user, other=user, taker=either)
    def a_newer_post_overtakes(self, reader: int, author: int, other: int, taker: int) -> None:
        """It is delivered while an older one's job is taken and has delivered nothing."""
        self.come_to_rest()
        self.follow(reader, author)
        self.follow(reader, other)
        self.read(reader, "write", 6)
        self.post(author, "write")
        self.workers[taker].run_iteration()
        self.post(other, "write")
        self.workers[1 - taker].run_until_idle()
        self.work_it_off()
        self.bounded()
        self.read(reader, "write", 6)

    @rule(
        author=user,
        reader=user,
        newer=st.integers(0, 7),
        how=strategy,
        schedule=schedules,
        rebuilt=st.booleans(),
        limit=st.integers(1, 6),
    )
    def a_late_delivery(
        self,
        author: int,
        reader: int,
        newer: int,
        how: Strategy,
        schedule: Schedule,
        rebuilt: bool,
        limit: int,
    ) -> None:
        """A post arrives where newer ones lie, and a rebuild has put it there already; or where
        there is no timeline."""
        self.follow(reader, author)
        self.post(author, "write")
        self.iterations(schedule)
        for _ in range(newer):
            self.post(reader, how)
        self.lose_timeline(reader)
        if rebuilt:
            self.read(reader, "write", limit)
        self.work_it_off()
        self.bounded()
        self.read(reader, "write", limit)

    @rule(
        author=user,
        reader=user,
        alone=st.sampled_from([True, True, False]),
        calm=st.sampled_from([True, True, False]),
        before=st.sampled_from([1, 1, 2, 2, 3, 5]),
        returns=st.booleans(),
        taker=st.sampled_from([None, 0, 1]),
        during=st.integers(0, 3),
        how=st.sampled_from(["read", "write"]),
        again=st.booleans(),
        quick=either,
    )
    def defer_and_release(
        self,
        author: int,
        reader: int,
        alone: bool,
        calm: bool,
        before: int,
        returns: bool,
        taker: int | None,
        during: int,
        how: Strategy,
        again: bool,
        quick: int,
    ) -> None:
        """Posts are deferred, some more of them while the release is under way, and the next
        release must begin with the first of those."""
        if calm:
            self.come_to_rest()
        if alone:
            self.nobody_follows(author)
        self.defer_posts(author, reader, before)
        if returns:
            self.post(author, "write")
        if taker is not None:
            self.workers[taker].run_iteration()  # takes the pushed post's job, delivers nothing yet
        self.release()
        for _ in range(during):
            self.post(author, how)
        self.workers[quick].run_until_idle()
        self.bounded()
        self.read(reader, "write", 6)
        self.work_it_off()
        if again:
            self.post(author, "write")
            self.work_it_off()
            self.release()
            self.work_it_off()
        self.read(reader, "write", 6)

    @rule(author=user, reader=user, before=st.integers(1, 3), deleted=st.booleans(), taker=either)
    def a_release_overtakes_a_job(
        self, author: int, reader: int, before: int, deleted: bool, taker: int
    ) -> None:
        """A pushed post after deferred ones is delivered by the release and by its own job. When
        the deferred ones are deleted it is all that the release delivers."""
        self.come_to_rest()
        self.nobody_follows(author)
        self.defer_posts(author, reader, before)
        self.post(author, "write")
        self.workers[taker].run_iteration()
        if deleted:
            for post in self.truth.log(author)[:-1]:
                self.remove(post)
        self.release()
        self.workers[1 - taker].run_until_idle()
        self.work_it_off()
        self.bounded()
        self.read(reader, "write", 6)

    @rule(author=user, released=st.booleans())
    def dead_letter(self, author: int, released: bool) -> None:
        """Deliveries fail until their job is a dead letter: of one post, or of deferred ones."""
        if self.services.engine.queue().dead:
            return
        if released:
            self.post(author, "read")
            self.post(author, "write")
            self.work_it_off()
        for reader in self.followers(author):
            self.break_timeline(reader)
        if released:
            self.release()
        elif not self.post(author, "write"):
            return
        for _ in range(8):
            self.work_it_off()
            if self.services.engine.queue().dead:
                break
            self.time_passes(1.2)
        self.bounded()
        self.heal()

    @rule(author=user, released=st.booleans())
    def a_requeued_job_has_all_its_tries(self, author: int, released: bool) -> None:
        self.come_to_rest()
        self.dead_letter(author, released)
        self.requeue()
        if not self.services.engine.queue().jobs:
            return
        for reader in self.followers(author):
            self.break_timeline(reader)
        self.work_it_off()
        assert self.services.engine.queue().dead == 0
        self.heal()

    @rule(author=user, released=st.booleans())
    def a_dead_letter_is_discarded(self, author: int, released: bool) -> None:
        """Deferred posts stay deferred. Whoever lacks another post is repaired."""
        self.dead_letter(author, released)
        for dead_letter in self.services.engine.dead_letters.list():
            self.services.engine.dead_letters.discard(dead_letter.id)
            if dead_letter.strategy not in ("release", "drop"):
                self.pushed.pop(dead_letter.post_id, None)
                for reader in self.followers(dead_letter.author_id):
                    self.lose_timeline(reader)

    @rule(author=user, late=st.sets(user, min_size=3))
    def more_followers_than_counted(self, author: int, late: set[int]) -> None:
        """They get the post, but nothing is booked for them."""
        self.come_to_rest()
        for reader in late:
            self.unfollow(reader, author)
        self.post(
            author, "write", after_count=lambda: [self.follow(reader, author) for reader in late]
        )
        for _ in range(USERS):
            self.work(0, 1)
            self.now += 0.3
            self.bounded()

    @rule(author=user, followers=st.sets(user, min_size=4), processed=st.integers(2, 3))
    def a_late_heartbeat(self, author: int, followers: set[int], processed: int) -> None:
        """A frozen worker tells how far the job was before others went on with it."""
        self.come_to_rest()
        for reader in followers:
            self.follow(reader, author)
        self.post(author, "write")
        self.iterations([(0, None), (0, 1)])
        self.time_passes(1.2)
        self.work(1, processed)
        self.now += 0.3
        self.work(1, 0)
        self.work(0, 0)
        self.bounded()

    @rule(author=user, followers=st.integers(2, USERS), posts=st.integers(1, 4))
    def a_large_author_meets_the_limit(self, author: int, followers: int, posts: int) -> None:
        """The backlog is below the high mark, but has no headroom for so many followers."""
        self.come_to_rest()
        small = (author + SHARDS) % USERS  # of the same shard
        self.nobody_follows(small)
        self.follow(author, small)
        for reader in range(followers):
            self.follow(reader, author)
        for _ in range(posts):
            self.post(small, "write")
        self.post(author, "write")
        self.bounded()

    @rule(
        author=user,
        followers=st.integers(1, 6),
        dead_lettered=st.booleans(),
        requeued=st.booleans(),
    )
    def fill_the_backlog(
        self, author: int, followers: int, dead_lettered: bool, requeued: bool
    ) -> None:
        """Up to the limit, with a dead letter that would pass it; then off again in small steps."""
        for reader in range(USERS):
            (self.follow if reader < followers else self.unfollow)(reader, author)
        if dead_lettered:
            self.dead_letter(author, released=False)
        for _ in range(self.settings.backlog_limit + 1):
            if not self.post(author, "write"):
                break
        if requeued:
            self.requeue()
        for step in range(8):
            self.work(step % 2, 1)
            self.now += 0.3
            self.bounded_backlog()
