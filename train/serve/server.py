"""Serves the page on this machine alone: a question in the address, the answers in the page, no script, no file."""

import errno
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from augment.errors import ConfigError
from train.serve.ask import Pair, Reply
from train.serve.page import render_page

HOST = "127.0.0.1"
MAX_QUESTION_CHARS = 500
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Handler(BaseHTTPRequestHandler):
    """One request: the page, with answers where it asks something."""

    server: "PageServer"

    def do_GET(self) -> None:
        """Answer for this machine's own names alone, so that no other site's page can ask through a browser."""
        address = urlsplit(self.path)
        if self.headers.get("Host", "") not in self.server.names:
            self.send_error(HTTPStatus.FORBIDDEN, "only for this machine")
        elif address.path != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self.send_page(parse_qs(address.query, errors="replace").get("q", [""])[0].strip())

    def send_page(self, question: str) -> None:
        """The page as it is without a question, with one, or with one that is too long."""
        problem = f"Ask in at most {MAX_QUESTION_CHARS} characters." if len(question) > MAX_QUESTION_CHARS else ""
        reply = self.server.ask(question) if question and not problem else None
        body = render_page(self.server.title, question, reply, problem).encode("utf-8", "replace")
        self.send_response(HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK)
        for name, value in {**HEADERS, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr: questions are nobody else's business."""


class PageServer(ThreadingHTTPServer):
    """Listens on this machine's own address."""

    daemon_threads = True

    def __init__(self, port: int, title: str, ask: Callable[[str], Reply]) -> None:
        self.title, self.ask = title, ask
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise ConfigError(f"port {port} cannot be used ({error.strerror})", "give another with --port") from None
        self.names = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"


def serve(pair: Pair, port: int, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C."""
    with PageServer(port, f"{pair.name}, finetuned from {pair.model}", pair.ask) as server:
        say(f"ask at {server.url} (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended")
