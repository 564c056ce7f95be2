"""A web server of one file, and of what servers do wrong."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import random
import time
from typing import Any

CONTENT = random.Random(0).randbytes(1_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
SERVED: list[str] = []  # the slow file, once for each time it is asked for


class Handler(http.server.BaseHTTPRequestHandler):
    """/whole, and what servers do wrong, by path."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            getattr(self, self.path.strip("/").replace("-", "_"))()

    def head(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()

    def whole(self) -> None:
        self.head(Content_Length=str(len(CONTENT)))
        self.wfile.write(CONTENT)

    def slow(self) -> None:
        SERVED.append(self.path)
        self.head(Content_Length=str(len(CONTENT)))
        for i in range(0, len(CONTENT), 100_000):
            self.wfile.write(CONTENT[i : i + 100_000])
            time.sleep(0.01)

    def short(self) -> None:
        self.head(Content_Length=str(len(CONTENT)))
        self.wfile.write(CONTENT[:500_000])

    def no_length(self) -> None:
        self.head()
        self.wfile.write(CONTENT)

    def no_length_short(self) -> None:
        self.head()
        self.wfile.write(CONTENT[:500_000])

    def chunked(self) -> None:
        self.head(Transfer_Encoding="chunked")
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(CONTENT), CONTENT))

    def chunked_short(self) -> None:
        self.head(Transfer_Encoding="chunked")
        self.wfile.write(b"%x\r\n%s" % (len(CONTENT), CONTENT[:500_000]))

    def page(self) -> None:
        self.head(Content_Length="33", Content_Type="text/html")
        self.wfile.write(b"\n<!DOCTYPE html><html>sign in</html>"[:33])

    def empty(self) -> None:
        self.head(Content_Length="0")

    def lost(self) -> None:
        self.head(404, Content_Length="0")

    def broken(self) -> None:
        self.head(500, Content_Length="0")

    def moved(self) -> None:
        self.head(302, Location="/whole", Content_Length="0")

    def round_and_round(self) -> None:
        self.head(302, Location="/round-and-round", Content_Length="0")

    def hang_up(self) -> None:
        self.connection.close()

    def no_http(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are killed here on purpose."""
