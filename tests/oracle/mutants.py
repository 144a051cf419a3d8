"""Deliberate bugs that the random histories must find: `python -m tests.oracle.mutants [name...]`.

Each mutant is one replacement in a source file. It is made in a copy of the code, where histories
run on a real Valkey until one fails (killed) or all have passed (SURVIVED). The exit code is 1 when
one survives, or when its text is no longer in the source. A first run without any mutant must pass.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb

import redis
from hypothesis import Phase

from bench import servers

ROOT = Path(__file__).resolve().parents[2]
LUA = "app/engine/store/lua/"
TRANSACTIONS = "app/engine/store/transactions.py"
HISTORIES = 200
"""So many histories without a failure let a mutant survive."""
NONE = "no mutant"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A deliberate bug: `old` stands exactly once in the file."""

    name: str
    file: str
    old: str
    new: str

    def applied(self, source: str) -> str:
        """The file with the bug. Raises `ValueError` when the text is not there just once."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.name}: its text is not once in {self.file}")
        return source.replace(self.old, self.new)


MUTANTS: tuple[Mutant, ...] = (
    # Timelines
    Mutant(
        "a follow keeps the timeline",
        LUA + "40_graph.lua",
        "  redis.call('DEL', timeline_key(tag, user))\n  return 1\nend)",
        "  return 1\nend)",
    ),
    Mutant(
        "an unfollow lets unconditional pushes go on",
        LUA + "40_graph.lua",
        "raise_to(watermark, math.max(number_at(watermark) + 1, (now_ms() - EPOCH_MS) * 4096))",
        "",
    ),
    Mutant(
        "new followers go to the head of the list",
        LUA + "40_graph.lua",
        "redis.call('RPUSH', followers_key",
        "redis.call('LPUSH', followers_key",
    ),
    Mutant(
        "a trim cuts the marker of a rebuild off",
        LUA + "20_timeline.lua",
        "  if is_marker(redis.call('LINDEX', key, -1)) then\n    redis.call('DEL', key)\n  else",
        "  do",
    ),
    Mutant(
        "an insert does not look whether the id is there",
        LUA + "20_timeline.lua",
        "if tonumber(pivot) == id then return true end",
        "",
    ),
    Mutant(
        "an install marks a cut timeline as complete",
        LUA + "20_timeline.lua",
        "if complete and last == #all then",
        "if complete then",
    ),
    Mutant(
        "a rebuild takes a cut reading for a complete one",
        "app/engine/feeds/rebuild.py",
        "complete = not before and len(ids) <= cap",
        "complete = not before",
    ),
    Mutant(
        "an install keeps ids below the lowest one read",
        LUA + "20_timeline.lua",
        "local last = math.min(#all, cap)",
        "local last = #all",
    ),
    Mutant(
        "an install does not look for its marker",
        LUA + "20_timeline.lua",
        "if redis.call('LINDEX', key, -1) ~= marker then return 0 end",
        "",
    ),
    # Deliveries
    Mutant(
        "followers who come between the count and the post are forgotten",
        LUA + "40_graph.lua",
        "type(count) == 'number' and count or 1",
        "0",
    ),
    Mutant(
        "a first chunk of many forgets the followers before it",
        LUA + "80_deliver.lua",
        "return followers, redis.call('LLEN', list) - size",
        "return followers, 0",
    ),
    Mutant(
        "a push creates timelines",
        LUA + "80_deliver.lua",
        "call('LPUSHX', key, text_id)",
        "call('LPUSH', key, text_id)",
    ),
    Mutant(
        "every post is an unconditional push",
        LUA + "80_deliver.lua",
        "local unconditional = #ids == 1 and ids[1] == job and id >= shard.watermark",
        "local unconditional = #ids == 1",
    ),
    Mutant(
        "a release of one post is an unconditional push",
        LUA + "80_deliver.lua",
        "#ids == 1 and ids[1] == job and id",
        "#ids == 1 and id",
    ),
    Mutant(
        "an unconditional push does not tell of its id",
        LUA + "80_deliver.lua",
        "if #followers > 0 then shard.watermark = id end",
        "",
    ),
    Mutant(
        "the cursor is stored before the push",
        LUA + "80_deliver.lua",
        "  local reached = 0\n  if #ids == 0",
        "  local reached = 0\n"
        "  redis.call('HSET', cursor, 'remaining', num(remaining), 'delivered', 0, 'skipped', 0)\n"
        "  if #ids == 0",
    ),
    Mutant(
        "the cursor passes over a follower at each chunk",
        LUA + "80_deliver.lua",
        "local from = math.max(0, remaining - size)\n",
        "local from = math.max(0, remaining - size - 1)\n"
        "  remaining = math.min(remaining, from + size)\n",
    ),
    # Transactions
    Mutant(
        "a transaction goes on over another worker's progress",
        TRANSACTIONS,
        '("WATCH", cursor, watermark, followers)',
        '("WATCH", watermark, followers)',
    ),
    Mutant(
        "a transaction goes on over a newer post",
        TRANSACTIONS,
        '("WATCH", cursor, watermark, followers)',
        '("WATCH", cursor, followers)',
    ),
    Mutant(
        "a transaction pushes an older post on top",
        TRANSACTIONS,
        "            or job.id < latest\n",
        "",
    ),
    Mutant(
        "a transaction trusts the worker's cursor",
        TRANSACTIONS,
        "            or int(length if fresh else stored) != chunk.cursor.remaining\n",
        "",
    ),
    Mutant(
        "a transaction does not tell of its id",
        TRANSACTIONS,
        "if job.id > latest:",
        "if False:",
    ),
    Mutant(
        "a transaction leaves the cursor one follower behind",
        TRANSACTIONS,
        '[("HSET", cursor, "remaining", remaining, *counts)]',
        '[("HSET", cursor, "remaining", remaining + 1, *counts)]',
    ),
    Mutant(
        "a transaction creates timelines",
        TRANSACTIONS,
        "$6\\r\\nLPUSHX",
        "$5\\r\\nLPUSH",
    ),
    Mutant(
        "a refused transaction counts as made",
        TRANSACTIONS,
        "            self.cursors[chunk.job.id] = None\n            return None",
        "            before, outcome = chunk.cursor, [1] * chunk.followers",
    ),
    Mutant(
        "a transaction passes over the last follower of a chunk",
        TRANSACTIONS,
        "pushes(stem, followers, b",
        "pushes(stem, followers[:-1] + followers[:1], b",
    ),
    Mutant(
        "long timelines are not trimmed after a transaction",
        TRANSACTIONS,
        "if length > self.longest]",
        "if length > 2 * self.longest]",
    ),
    Mutant(
        "releases go by transactions",
        TRANSACTIONS,
        "chunk.posts == [job.id] and",
        "len(chunk.posts) == 1 and",
    ),
    Mutant(
        "a job is finished in another incarnation of the server",
        LUA + "63_progress.lua",
        "incarnation == args[2] and attempt(finish",
        "attempt(finish",
    ),
    Mutant(
        "a job is reclaimed in spite of a heartbeat",
        LUA + "64_reclaim.lua",
        "if (redis.call('HGET', heartbeats_key(tag), entry) or '0') ~= args[4] then return {} end",
        "",
    ),
    # Backpressure and releases
    Mutant(
        "more is booked than there are recipients",
        LUA + "63_progress.lua",
        "math.max(booked, math.min(processed, tonumber(record[1])))",
        "math.max(booked, processed)",
    ),
    Mutant(
        "booking goes backwards",
        LUA + "63_progress.lua",
        "math.max(booked, math.min(processed, tonumber(record[1])))",
        "math.min(processed, tonumber(record[1]))",
    ),
    Mutant(
        "large authors pass the limit",
        LUA + "70_publish.lua",
        "if options.large and (deferring or full) then",
        "if options.large and not deferring then\n    elseif options.large then",
    ),
    Mutant(
        "large authors are never deferred",
        LUA + "70_publish.lua",
        "if options.large and (deferring or",
        "if options.large and (false and",
    ),
    Mutant(
        "a post deferred during a release moves the next mark to the latest",
        LUA + "50_pulled_authors.lua",
        "if state.last ~= '0' and state.next_since == '0' then state.next_since = id end",
        "if state.last ~= '0' then state.next_since = id end",
    ),
    Mutant(
        "an author is no longer pulled as soon as one post is pushed",
        LUA + "50_pulled_authors.lua",
        "  state.why = 'returning'\n  set_pulled_author(tag, author, state)",
        "  redis.call('HDEL', pulled_key(tag), author)",
    ),
    Mutant(
        "a release without counted followers drops the deferred posts",
        LUA + "61_release.lua",
        "  if deferred == 0 then\n",
        "  if deferred == 0 or recipients == 0 then\n",
    ),
    Mutant(
        "a requeued job keeps its failures",
        LUA + "62_dead_letters.lua",
        "job, 'fails', 0)",
        "job)",
    ),
    Mutant(
        "a discarded dead letter is not released anew",
        LUA + "62_dead_letters.lua",
        "state.last, state.next_since = '0', '0'\n",
        "",
    ),
    # Reading
    Mutant(
        "a full log leaves the body of its oldest post",
        LUA + "70_publish.lua",
        "redis.call('DEL', post_key(tag, redis.call('RPOP', keys[1])))",
        "redis.call('RPOP', keys[1])",
    ),
    Mutant(
        "a log that goes on is read from one too far",
        LUA + "30_posts.lua",
        "logs[i], starts[i] + step, found[#found]",
        "logs[i], starts[i] + step + 1, found[#found]",
    ),
    Mutant(
        "the next page begins one step too far",
        "app/engine/feeds/feeds.py",
        "bodies.popitem()\n            last = next(reversed(bodies))",
        "last, _ = bodies.popitem()",
    ),
    Mutant(
        "the logs are kept over the process's own posts",
        "app/engine/feeds/log_cache.py",
        "if generation == self._generation:",
        "if True:",
    ),
    Mutant(
        "the pulled authors are kept over the process's own posts",
        "app/engine/store/pulled_authors.py",
        "if generation == self._generation:",
        "if True:",
    ),
    Mutant(
        "kept logs do not age",
        "app/engine/feeds/log_cache.py",
        "oldest = self._data.clock() - self._max_age",
        "oldest = 0.0",
    ),
)


def outcome(mutant: Mutant | None) -> str:
    """`killed` and by what, or `SURVIVED`. Raises `ValueError` when the mutant does not fit its
    file, or does not run."""
    with tempfile.TemporaryDirectory(prefix="fanout-mutant-") as folder:
        for part in ("app", "bench", "tests"):
            shutil.copytree(ROOT / part, Path(folder, part))
        if mutant:
            path = Path(folder, mutant.file)
            path.write_text(mutant.applied(path.read_text()))
        command = [sys.executable, "-c", "from tests.oracle.mutants import run_here; run_here()"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    *_, last = ["", *run.stdout.splitlines()]
    if not last.startswith(("killed", "SURVIVED")):
        raise ValueError(f"the code does not run: {run.stderr}")
    return last


def run_here() -> None:
    """Runs histories of the code in this folder, the same each time, and prints whether one
    failed."""
    from tests.conftest import Backend
    from tests.oracle.histories import run_histories

    with servers.server() as port, redis.Redis(port=port) as client:
        backend = Backend("valkey", lambda: client)
        backend.store(1).load_library()  # a mutant that does not compile is no mutant
        try:
            run_histories(
                backend,
                HISTORIES,
                number=0,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                database=None,
            )
        except Exception as failure:  # noqa: BLE001 (whatever a bug leads to)
            print(f"killed: {_position(failure)}")
        else:
            print("SURVIVED")


def _position(failure: BaseException) -> str:
    """The rule of the histories, and the line in it, that failed first: the end of a history fails
    again, and would hide it."""
    while isinstance(failure.__context__, AssertionError):
        failure = failure.__context__
    frames = [frame for frame in extract_tb(failure.__traceback__) if "/oracle/" in frame.filename]
    return f"{type(failure).__name__} {frames[-1].name}: {frames[-1].line}"


def main(names: list[str]) -> int:
    """Runs all mutants, or those named."""
    failed = False
    everything: tuple[Mutant | None, ...] = (None, *MUTANTS)
    for mutant in everything:
        name = mutant.name if mutant else NONE
        if names and name not in names:
            continue
        begun = time.monotonic()
        try:
            result = outcome(mutant)
        except ValueError as error:
            result = str(error)
        print(f"{time.monotonic() - begun:6.1f} s  {name:66}{result}", flush=True)
        failed |= result.startswith("killed") == (mutant is None)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
