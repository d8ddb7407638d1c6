"""A pipeline runs unchanged as a Ray job: a real head with token authentication on this machine."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import datasets
import pytest

pytestmark = pytest.mark.slow

RAY = str(Path(sys.executable).with_name("ray"))
START_TIMEOUT_SEC = 120
JOB_TIMEOUT_SEC = 300
PORTS = (
    "port",
    "dashboard-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
    "metrics-export-port",
    "ray-client-server-port",
)
PIPELINE = """\
out: {out}
augment:
  documents: {{path: documents}}
  engine: {{kind: echo}}
  strategies:
    verbatim: {{}}
    paraphrase: {{rounds: 2}}
"""


@dataclass(frozen=True, slots=True)
class Head:
    """A running Ray head: where jobs go, and the environment that holds its token."""

    address: str
    environment: dict[str, str]


@pytest.fixture
def head() -> Iterator[Head]:
    # Not tmp_path: Ray puts Unix sockets there, and their paths may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True) as folder:
        environment = make_environment(Path(folder))
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        address = f"http://127.0.0.1:{ports['dashboard-port']}"
        with (
            open(Path(folder) / "head.log", "w+") as log,
            started(head_command(ports, folder), environment, log) as process,
        ):
            try:
                wait_for(address, process)
            except AssertionError as error:
                log.seek(0)
                raise AssertionError(f"{error}\n{log.read()}") from None
            yield Head(address, environment)


def make_environment(folder: Path) -> dict[str, str]:
    """This environment without a cluster of its own, with a fresh token."""
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    return {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # nobody else runs there: stop at once
    }


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; all are held until the last is found, so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def head_command(ports: dict[str, int], folder: str) -> list[str]:
    """The command that starts a small head and stays with it."""
    return [
        *(RAY, "start", "--head", "--block", "--node-ip-address", "127.0.0.1", "--temp-dir", f"{folder}/ray"),
        *("--num-cpus", "2", "--num-gpus", "0", "--object-store-memory", "100000000"),
        *("--min-worker-port", "0", "--max-worker-port", "0"),
        *(part for name, port in ports.items() for part in (f"--{name}", str(port))),
    ]


@contextlib.contextmanager
def started(command: list[str], environment: dict[str, str], log: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own; at the end that group is stopped, and nothing else."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)  # the head stops its own children
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # and whoever did not listen
        process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the head answers; any answer will do, also that a token is missing."""
    end = time.monotonic() + START_TIMEOUT_SEC
    while time.monotonic() < end:
        assert process.poll() is None, "the Ray head ended"
        try:
            urllib.request.urlopen(f"{address}/api/version", timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the Ray head did not answer")


def status_without_token(url: str) -> int:
    """HTTP status of a request that carries no token."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def submit(head: Head, folder: Path, entrypoint: list[str]) -> subprocess.CompletedProcess[str]:
    """`ray job submit` of a working folder; waits until the job is over."""
    return subprocess.run(
        [RAY, "job", "submit", "--address", head.address, "--working-dir", str(folder), "--", *entrypoint],
        env=head.environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=JOB_TIMEOUT_SEC,
        check=False,
    )


def write_pipeline(folder: Path, out: Path) -> None:
    """Two documents and a pipeline file beside them."""
    (folder / "documents").mkdir(parents=True)
    for name in ("mill", "weir"):
        fact = f"The old {name} at Grindlow was built by Hesper Dray in 1887 and repaired twice."
        (folder / "documents" / f"{name}.md").write_text(f"# The {name}\n\n{fact}\n")
    (folder / "pipeline.yaml").write_text(PIPELINE.format(out=out))


def test_pipeline_runs_as_a_ray_job(head: Head, tmp_path: Path) -> None:
    folder, out = tmp_path / "job", tmp_path / "out"
    write_pipeline(folder, out)
    assert status_without_token(f"{head.address}/api/jobs/") == 401

    done = submit(head, folder, [sys.executable, "-m", "pipelines", "pipeline.yaml"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[augment]" in done.stdout
    notes = datasets.load_from_disk(str(out / "notes"))["train"]
    assert Counter(notes["strategy"]) == {"verbatim": 2, "paraphrase": 4}
