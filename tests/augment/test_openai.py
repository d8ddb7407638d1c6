"""The openai engine against a real server on this machine that answers well, badly, late or never."""

import asyncio
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import ray
from typer.testing import CliRunner

from augment.cli import app
from augment.engines.base import OpenaiEngine, Sampling
from augment.engines.concurrency import Concurrency
from augment.engines.openai import Openai
from augment.errors import EngineError, RequestError, StoppedError
from augment.records import Message, Reply
from augment.shards import read_rows
from tests.fakes import KEY, Behaviour, FakeEndpoint, completion, drip, hang_up, refuse, reply

QUICK: dict[str, Any] = {"model": "m", "timeout_sec": 2, "max_tries": 2, "max_backoff_sec": 0.05}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ask(
    server: FakeEndpoint, count: int = 1, sampling: Sampling | None = None, **options: Any
) -> list[Reply | BaseException]:
    """The replies to `count` requests at once, or their errors."""

    async def ask_all() -> Sequence[Reply | BaseException]:
        engine = Openai(OpenaiEngine(base_url=server.url, **(QUICK | options)))
        calls = [engine.generate([Message("user", f"Question {i}")], sampling or Sampling()) for i in range(count)]
        try:
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            await engine.close()

    return list(asyncio.run(ask_all()))


def ask_once(*script: Behaviour, **options: Any) -> tuple[Reply | BaseException, FakeEndpoint]:
    with FakeEndpoint(*script) as server:
        return ask(server, **options)[0], server


def test_a_reply_carries_the_endpoints_own_counts_and_the_request_its_settings() -> None:
    answer, server = ask_once(options={"top_k": 3}, limit_name="max_completion_tokens")
    assert answer == Reply("Ossel has a single town.", "stop", 7, 5)
    assert server.keys == [f"Bearer {KEY}"]
    sent = server.requests[0]
    assert sent["messages"] == [{"role": "user", "content": "Question 0"}]
    assert (sent["model"], sent["top_k"], sent["max_completion_tokens"]) == ("m", 3, Sampling().max_tokens)
    assert "max_tokens" not in sent


def logprobs_of(*tokens: tuple[str, float]) -> dict[str, Any]:
    """What vLLM's server says of an answer's tokens: each with itself and a likelier one."""
    content = [
        {
            "token": t,
            "logprob": p,
            "top_logprobs": [{"token": t, "logprob": p}, {"token": "token_id:9", "logprob": -0.1}],
        }
        for t, p in tokens
    ]
    message = {"role": "assistant", "content": "Pellick."}
    return {"choices": [{"message": message, "finish_reason": "stop", "logprobs": {"content": content}}]}


def ask_for_tokens(body: bytes, **options: Any) -> tuple[Reply | BaseException, FakeEndpoint]:
    with FakeEndpoint(reply(body)) as server:
        sampling = Sampling(top_logprobs=2)
        return ask(server, sampling=sampling, **({"token_ids": True} | options))[0], server


def test_an_endpoint_that_gives_token_ids_keeps_the_teachers_tokens() -> None:
    body = completion(**logprobs_of(("token_id:30", -1.5), ("token_id:2", -3)))
    answer, server = ask_for_tokens(body)
    assert isinstance(answer, Reply) and answer.token_ids == (30, 2)
    assert answer.top_ids == ((9, 30), (9, 2)) and answer.top_logprobs == ((-0.1, -1.5), (-0.1, -3.0))
    sent = server.requests[0]
    assert (sent["logprobs"], sent["top_logprobs"], sent["return_tokens_as_token_ids"]) == (True, 2, True)
    answer, server = ask_for_tokens(body, token_ids=False)
    assert isinstance(answer, Reply) and answer.token_ids == () and "logprobs" not in server.requests[0]


def test_an_endpoint_without_token_ids_stops_the_run_when_they_are_wanted() -> None:
    for body, said in [(completion(), "sends no log-prob"), (completion(**logprobs_of((" Pel", -1))), "as text")]:
        error, _ = ask_for_tokens(body)
        assert isinstance(error, StoppedError) and said in str(error) and "token_ids=false" in str(error)


HALF = completion()[:40]
FAULTS = [
    ("429", refuse(429, "slow down"), "status 429: "),
    ("429 with Retry-After", refuse(429, "slow down", Retry_After="0.02"), "status 429: "),
    ("429 with a Retry-After of a year", refuse(429, "slow down", Retry_After="31536000"), "status 429: "),
    (
        "429 with a Retry-After in the past",
        refuse(429, "no", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
        "status 429: ",
    ),
    ("429 with a Retry-After that is none", refuse(429, "slow down", Retry_After="soon"), "status 429: "),
    ("500", refuse(500, "broken inside"), "status 500: "),
    ("500 in HTML", reply(b"<html>" + b"<b>no</b>" * 999, 500, "text/html"), "status 500: "),
    ("503", refuse(503), "status 503: "),
    ("HTML", reply(b"<html><body>Welcome</body></html>", kind="text/html"), "the reply is HTML"),
    ("HTML that says it is JSON", reply(b"<html></html>"), "the reply is HTML"),
    ("half a JSON", reply(HALF), "the reply is no chat completion"),
    ("half of what was promised", reply(HALF, Content_Length="4000"), ""),
    ("other JSON", reply(b"[1, 2]"), "the reply is no chat completion"),
    ("half a character, which no file can hold", reply(completion("a\ud800b")), "the reply is no chat completion"),
    ("no choice", reply(completion(choices=[])), "choices"),
    ("counts beyond any file", reply(completion(usage={"completion_tokens": 10**30})), "usage.completion_tokens"),
    ("counts below nothing", reply(completion(usage={"prompt_tokens": -1})), "usage.prompt_tokens"),
    ("broken gzip", reply(b"no gzip", Content_Encoding="gzip"), "the connection failed"),
    ("nothing", hang_up, "the connection failed"),
]


@pytest.mark.parametrize(("fault", "expected"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_fault_is_tried_again_then_a_message_of_one_line(fault: Behaviour, expected: str) -> None:
    assert ask_once(fault)[0] == Reply("Ossel has a single town.", "stop", 7, 5)
    error, server = ask_once(fault, fault)
    assert isinstance(error, RequestError) and len(server.requests) == 2
    assert "failed 2 times (" in str(error) and expected in str(error)
    assert "\n" not in str(error) and len(str(error)) < 400


@pytest.mark.parametrize("fault", [drip, lambda h: h.server.closing.wait()], ids=["a byte now and then", "silence"])
def test_an_endless_reply_ends_at_the_time_limit(fault: Behaviour) -> None:
    started = time.monotonic()
    error, _ = ask_once(fault, fault, timeout_sec=0.3)
    assert isinstance(error, RequestError) and "no reply within 0.3 s" in str(error)
    assert time.monotonic() - started < 3


def test_a_reply_of_many_megabytes_is_not_taken() -> None:
    huge = reply(completion("x" * (17 << 20)))
    error, _ = ask_once(huge, huge, timeout_sec=20)
    assert "a reply of more than 16 MiB" in str(error)


def test_a_reply_without_text_or_usage_is_empty() -> None:
    nothing = completion(choices=[{"message": {"content": None}, "finish_reason": None}], usage=None)
    assert ask_once(reply(nothing))[0] == Reply("", "none", 0, 0)


def test_retry_after_holds_back_all_requests_and_is_bounded() -> None:
    with FakeEndpoint(refuse(429, Retry_After="0.4")) as server:
        replies = ask(server, count=4, max_concurrency=1, max_backoff_sec=10)
        assert all(isinstance(r, Reply) for r in replies)
        assert server.times[1] - server.times[0] >= 0.4
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)  # HTTP dates have whole seconds
    with FakeEndpoint(refuse(429, Retry_After=soon)) as server:
        assert isinstance(ask(server, max_backoff_sec=10)[0], Reply)
        assert 0.9 <= server.times[1] - server.times[0] <= 2.5
    started = time.monotonic()
    assert isinstance(ask_once(refuse(429, Retry_After="3600"))[0], Reply)
    assert time.monotonic() - started < 2


def test_a_refused_request_is_sent_once() -> None:
    error, server = ask_once(refuse(400, "this model's context length is 10"))
    assert isinstance(error, RequestError) and "status 400: " in str(error) and "context length" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (refuse(401, f"Incorrect API key provided: {KEY}"), "does not accept the key (status 401); put a valid key"),
        (refuse(403, f"{KEY} may not"), "does not accept the key (status 403)"),
        (refuse(404, "unknown"), "has no model m (status 404); check augment.engine.base_url"),
        (reply(b"<html>not here</html>", 404, "text/html"), "has no model m (status 404)"),
        (refuse(429, "you exceeded your quota", "insufficient_quota"), "the quota is used up"),
    ],
)
def test_a_wrong_key_or_model_stops_the_run_at_the_first_request(fault: Behaviour, expected: str) -> None:
    with FakeEndpoint(fault, otherwise=fault) as server:
        errors = ask(server, count=30, max_concurrency=1)
    assert all(isinstance(e, StoppedError) for e in errors)
    assert expected in str(errors[0]) and KEY not in str(errors)
    assert len(server.requests) == 1


def test_an_endpoint_that_answers_nothing_stops_the_run_after_a_bounded_number_of_requests() -> None:
    with FakeEndpoint() as server:
        pass  # nobody listens there any more
    errors = ask(server, count=50, max_concurrency=1, stop_after_failures=5, max_backoff_sec=0)
    assert isinstance(errors[-1], StoppedError) and "5 requests in a row" in str(errors[-1])
    assert sum(isinstance(e, RequestError) for e in errors) == 4


def test_the_key_stands_in_no_error_even_when_the_endpoint_sends_it_back() -> None:
    for status in (400, 418, 429, 500):
        error, _ = ask_once(*[refuse(status, f"you sent {KEY}, really {KEY}")] * 2)
        assert isinstance(error, EngineError) and KEY not in str(error) and "***" in str(error)
        assert KEY not in "".join(traceback.format_exception(error)) + repr(error)


@pytest.mark.parametrize("value", [None, "", " ", "two\nlines"])
def test_a_missing_or_broken_key_is_one_line(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("OPENAI_API_KEY") if value is None else monkeypatch.setenv("OPENAI_API_KEY", value)
    error, server = ask_once()
    assert isinstance(error, StoppedError) and "OPENAI_API_KEY holds no key; export" in str(error)
    assert not server.requests
    assert isinstance(ask_once(api_key_env=None)[0], Reply)


def test_requests_in_flight_grow_by_one_a_round_and_halve_once_an_overload() -> None:
    concurrency = Concurrency(64)
    for _ in range(8):
        concurrency.grow()
    assert 8.7 < concurrency.limit <= 9
    sent = time.monotonic()
    concurrency.shrink(sent)
    concurrency.shrink(sent)  # of the same overload
    assert 4.3 < concurrency.limit <= 4.5
    for _ in range(20):
        concurrency.shrink(time.monotonic() + 1)
    assert concurrency.limit == 1
    for _ in range(5000):
        concurrency.grow()
    assert concurrency.limit == 64


def test_a_server_that_bears_three_requests_is_soon_asked_no_more_than_a_few_at_once() -> None:
    def bear_three(handler: Any) -> None:
        overloaded = handler.server.in_flight > 3
        time.sleep(0.01)
        (refuse(429) if overloaded else reply(completion()))(handler)

    with FakeEndpoint(otherwise=bear_three) as server:
        replies = ask(server, count=120, max_tries=30)
    assert all(isinstance(r, Reply) for r in replies)
    assert server.most_in_flight <= 9 and len(server.requests) < 240


PIPELINE = """\
out: {out}
augment:
  documents: {{path: docs}}
  engine: {{kind: openai, base_url: "{url}", model: tiny, max_tries: 2, max_backoff_sec: 0.05}}
  strategies: {{paraphrase: {{rounds: 6}}}}
  filters: {{min_words: 2}}
"""


def write_pipeline(folder: Path, url: str) -> Path:
    (folder / "docs").mkdir()
    (folder / "docs" / "a.md").write_text("# Pellick\n\nPellick is the only town on the island of Ossel.\n")
    file = folder / "pipeline.yaml"
    file.write_text(PIPELINE.format(out=folder / "out", url=url))
    return file


def all_text(folder: Path) -> bytes:
    return b"".join(f.read_bytes() for f in folder.rglob("*") if f.is_file())


@pytest.mark.slow
def test_a_run_needs_no_local_model_rejects_what_fails_and_stops_at_a_wrong_key(tmp_path: Path) -> None:
    def fail_on_report(handler: Any) -> None:
        failing = "news report" in handler.server.requests[-1]["messages"][-1]["content"]
        (refuse(500, f"broken by {KEY}") if failing else reply(completion()))(handler)

    with FakeEndpoint(otherwise=fail_on_report) as server:
        file = write_pipeline(tmp_path, server.url)
        ray.shutdown()  # workers that are there already do not know the key
        options = ["--set", "model=no/such/model", "--set", "augment.engine.max_concurrency=1"]
        planned = CliRunner().invoke(app, ["plan", str(file), *options])
        assert planned.exit_code == 0 and "counted in words" in planned.stdout, planned.output
        done = CliRunner().invoke(app, ["run", str(file), *options])
        assert done.exit_code == 0, done.output
        rows = [r for s in ("train", "rejected") for r in read_rows(tmp_path / "out" / "notes", s)]
        assert len(rows) == 6 and {r["model"] for r in rows} == {"tiny"}
        failed = [r for r in rows if r["reason"] == "failed"]
        assert ["failed 2 times (status 500" in r["text"] for r in failed] == [True]
        server.otherwise = refuse(401, KEY)
        more = ["--set", "augment.strategies.paraphrase.rounds=9"]
        stopped = CliRunner().invoke(app, ["run", str(file), *options, *more])
    assert stopped.exit_code == 2, stopped.output
    assert stopped.stderr.splitlines()[-1].startswith("error: the endpoint http://127.0.0.1")
    assert "does not accept the key (status 401); put a valid key into" in stopped.stderr
    assert len(list(read_rows(tmp_path / "out" / "notes", "rejected"))) == len([r for r in rows if r["reason"]])
    written = all_text(tmp_path) + (planned.output + done.output + stopped.output).encode()
    assert KEY.encode() not in written and b"OPENAI_API_KEY" in written


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (f"api_key_env={KEY}", "is no name of an environment variable; write the variable's name in capitals"),
        (f"base_url=https://me:{KEY}@host/v1", "base_url has a user name, a query or a fragment"),
        (f"base_url=https://host/v1?key={KEY}", "base_url has a user name, a query or a fragment"),
        ("base_url=localhost:8000", "base_url is no address"),
        ("tokenizer=nowhere", "no tokenizer.json in nowhere"),
        ("tokenizer=docs/a.md", "is no tokenizer"),
        (f"options.api_key={KEY}", "augment.engine.options.api_key would be saved in the output folder"),
        (f"options.extra.headers.Authorization={KEY}", "engine.options.extra.headers.Authorization would be saved"),
    ],
)
def test_a_wrong_setting_is_one_line_without_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write_pipeline(tmp_path, "http://localhost:1/v1")
    result = CliRunner().invoke(app, ["run", str(file), "--set", f"augment.engine.{setting}"])
    assert result.exit_code == 2 and expected in result.stderr, result.output
    assert result.stderr.count("\n") == 1 and KEY not in result.output
    assert not (tmp_path / "out").exists()


def test_a_given_tokenizer_counts_the_chunks(tmp_path: Path, tiny_model: Path) -> None:
    file = write_pipeline(tmp_path, "http://localhost:1/v1")
    given = ["--set", f"augment.engine.tokenizer={tiny_model}", "--set", "augment.chunks.max_tokens=16"]
    (tmp_path / "docs" / "a.md").write_text("Some words: " + "incomprehensibilities " * 16)
    words, tokens = (CliRunner().invoke(app, ["plan", str(file), *o]).stdout for o in ([], given))
    assert "counted in words" in words and "1 chunks" in words
    assert "counted in words" not in tokens and "1 chunks" not in tokens
