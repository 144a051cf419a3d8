"""The brute-force truth: what a feed must be, from the present state alone."""

from collections import defaultdict


class Truth:
    """Who follows whom and which posts are live. A log keeps `log_cap` posts."""

    def __init__(self, log_cap: int) -> None:
        self.log_cap = log_cap
        self.following: dict[int, set[int]] = defaultdict(set)
        self.posts: dict[int, int] = {}

    def publish(self, post: int, author: int) -> None:
        """The author's oldest post goes where the log is full."""
        self.posts[post] = author
        if len(log := self.log(author)) > self.log_cap:
            del self.posts[log[0]]

    def log(self, author: int) -> list[int]:
        """The author's live posts, oldest first."""
        return sorted(post for post, whose in self.posts.items() if whose == author)

    def feed(self, user: int) -> list[int]:
        """The live posts of everyone the user follows now, and their own, newest first."""
        seen = self.following[user] | {user}
        return sorted((post for post, author in self.posts.items() if author in seen), reverse=True)
