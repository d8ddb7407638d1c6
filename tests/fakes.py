"""A tiny HTTP server that speaks OpenAI's chat completions, well or badly, as a test tells it to."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

KEY = "sk-test-4f1c9a7722e0b6d3"
Behaviour = Callable[["Handler"], None]


def completion(text: str = "Ossel has a single town.", **changes: Any) -> bytes:
    """The body of a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {"id": "1", "object": "chat.completion", "choices": [choice]}
    return json.dumps(body | {"usage": {"prompt_tokens": 7, "completion_tokens": 5}} | changes).encode()


def reply(body: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> Behaviour:
    """Answers with this body."""

    def send(handler: "Handler") -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": f"{len(body)}", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return send


def refuse(status: int, message: str = "no", code: str | None = None, **headers: str) -> Behaviour:
    """Answers with an error in OpenAI's form."""
    return reply(json.dumps({"error": {"message": message, "code": code}}).encode(), status, **headers)


def hang_up(handler: "Handler") -> None:
    """Closes the connection without a word."""
    handler.close_connection = True


def drip(handler: "Handler") -> None:
    """Sends a byte now and then and never ends."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    while not handler.server.closing.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


class Handler(BaseHTTPRequestHandler):
    """Does what the server's script says for this request."""

    server: "FakeEndpoint"
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with server.lock:
            server.requests.append(json.loads(body))
            server.keys.append(self.headers.get("Authorization", ""))
            server.times.append(time.monotonic())
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
            behave = server.script.pop(0) if server.script else server.otherwise
        try:
            behave(self)
        except OSError:  # the client gave up
            self.close_connection = True
        finally:
            with server.lock:
                server.in_flight -= 1

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


class FakeEndpoint(ThreadingHTTPServer):
    """Does `script` one request after another, then `otherwise`; remembers what it was asked."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *script: Behaviour, otherwise: Behaviour | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.otherwise = list(script), otherwise or reply(completion())
        self.requests, self.keys, self.times = list[Any](), list[str](), list[float]()
        self.in_flight = self.most_in_flight = 0
        self.lock, self.closing = threading.Lock(), threading.Event()

    @property
    def url(self) -> str:
        """What `base_url` is set to."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
