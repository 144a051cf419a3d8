"""How gunicorn serves the web process, with Docker and without: one file for both."""

import json
import os
from socket import socket

from gunicorn import util

bind = f"{os.environ.get('FANOUT_BIND', '127.0.0.1')}:{os.environ.get('PORT', '8080')}"

# Threads, because a request mostly waits for the store; two processes, so that one busy with a
# large merge does not stop the other. No page or call holds a connection open for long.
workers = int(os.environ.get("FANOUT_WEB_WORKERS", "2"))
worker_class = "gthread"
threads = int(os.environ.get("FANOUT_WEB_THREADS", "8"))

# A worker that has not answered for this many seconds is replaced. Store calls give up after
# FANOUT_STORE_TIMEOUT (1 s), so nothing healthy comes near it.
timeout = 30
graceful_timeout = 10  # seconds for open requests when stopping; Compose and supervisor wait longer
keepalive = 15  # seconds; the page polls more often than that and keeps its connection

# Limits of one request head. Bodies are limited by the application (FANOUT_BODY_LIMIT).
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190

# The heartbeat file must lie in memory: on a slow disk its fsync would stall a worker.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112
control_socket_disable = True  # nothing here uses it, and the container's root is read-only

errorlog = "-"
# The access log costs more than the request it describes: off unless asked for.
accesslog = "-" if os.environ.get("FANOUT_ACCESS_LOG", "") not in ("", "0") else None
proc_name = "fanout-web"


def answer_with_problem(sock: socket, status: int, title: str, detail: str) -> None:
    """What gunicorn refuses before the application sees it, such as an address that is too long,
    leaves in the form of all our errors. gunicorn has no hook for this: it writes HTML."""
    detail = detail or "The log of the web process has the details."
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body = json.dumps(problem)
    head = f"HTTP/1.1 {status} {title}\r\nConnection: close\r\n"
    head += f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n\r\n"
    util.write_nonblock(sock, (head + body).encode("ascii"))


util.write_error = answer_with_problem
