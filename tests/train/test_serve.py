"""The page asks both models, shows what the memory read, and lets nobody else in and no text run."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import torch

from augment.errors import ConfigError, DatasetError
from tests.train.report.browser import CONTRASTS, open_browser
from tests.train.report.runs import HOSTILE, Page
from train.checkpoint import Run, save_run
from train.data import Batch, Sample, pad
from train.memory.patch import applied_patches
from train.methods.memory import MemoryMethod
from train.methods.options import LoraOptions, MemoryOptions
from train.methods.registry import start_method
from train.model import autocast_of, load_model
from train.objectives import loss_of
from train.serve.ask import Answers, Reply, load_pair
from train.serve.page import render_page
from train.serve.reads import PatchRead, Reads, SlotRead, list_memories, read_patches, trace_reads
from train.serve.server import PageServer

READS = Reads((SlotRead(3, 71, "Vell", 1.5, ("tower.md", HOSTILE)),), (PatchRead(HOSTILE, 2.5, 0.75),))
TEXTS = {"tower.md": "The tower of Vell was built by Orla Finch.", "bridge.md": "Nine bells hang in the old bridge."}


def reply(question: str, reads: Reads = READS) -> Reply:
    return Reply(question, Answers("no", HOSTILE), Answers("", "Orla Finch built it"), reads)


@pytest.fixture
def server() -> Iterator[PageServer]:
    with PageServer(0, f"memory of {HOSTILE}", reply) as found:
        threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
        yield found
        found.shutdown()


def get(server: PageServer, path: str, host: str | None = None) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


def test_a_question_is_answered_by_both_side_by_side(server: PageServer) -> None:
    status, text, headers = get(server, f"/?q={quote('Who built it?')}")
    assert status == 200 and "Orla Finch built it" in text and "Base model" in text and "nothing" in text
    assert "75 %" in text and '<th scope="row" class="text">71</th>' in text
    assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["Cache-Control"] == "no-store"


def test_hostile_questions_answers_and_names_are_escaped(server: PageServer) -> None:
    _, text, _ = get(server, f"/?q={quote(HOSTILE.replace(chr(0xD800), ''))}")
    page = Page(text)
    assert "<script" not in text and text.count("&lt;script&gt;") >= 5
    assert not page.attributes("script") and not page.attributes("img") and not {"\x1b", "\u202e"} & set(text)
    assert not [a for _, a in page.elements for name in a if name.startswith("on")]


def test_only_this_machine_is_answered_and_only_the_page(server: PageServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert get(server, "/?q=x", host="evil.test")[0] == 403
    assert get(server, "/?q=x", host=f"localhost:{server.server_port}")[0] == 200
    assert get(server, "/etc/passwd")[0] == 404
    status, text, _ = get(server, f"/?q={'x' * 501}")
    assert status == 400 and 'role="alert"' in text


def test_a_port_that_is_taken_is_one_line(server: PageServer) -> None:
    with pytest.raises(ConfigError, match="--port"):
        PageServer(server.server_port, "again", reply)


def test_the_empty_page_and_a_run_without_a_memory() -> None:
    assert "Finetuned" not in render_page("memory", "", None)
    assert "No memory row" in render_page("lora", "Who?", reply("Who?", Reads()))


def batch_of(loaded: Any, document: str) -> Batch:
    return pad([Sample(list(loaded.tokenizer(TEXTS[document]).input_ids), document=document)])


@pytest.fixture(scope="module")
def run(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory that two documents wrote into."""
    folder = tmp_path_factory.mktemp("runs") / "memory"
    loaded = load_model(str(tiny_model))
    options = MemoryOptions(layers=[1, 2], num_keys=16, ranking="all", lr=1.0)
    method = start_method(loaded.network, options, 0)
    for document in TEXTS:
        for _ in range(2):
            batch = batch_of(loaded, document)
            method.begin()
            loss_of(method.network, batch).backward()  # type: ignore[no-untyped-call]
            method.update([batch], 1.0)
    assert isinstance(method, MemoryMethod)
    settings = options.model_dump(mode="json")
    save_run(
        folder, Run("memory", "memory", 0, str(tiny_model), loaded.folder.revision, settings, 1, 1.0, 1, 1.0), method
    )
    return folder


def test_reads_add_up_to_what_the_memory_read_by_brute_force(run: Path) -> None:
    pair = load_pair(run, lambda _: None)
    reads = trace_reads(pair.tuned, pair.patches, "", TEXTS["tower.md"])
    memories = list_memories(pair.tuned.network)
    assert set(memories) == {1, 2} and reads.slots and {p.document for p in reads.patches} == set(TEXTS)
    tokens = list(pair.tuned.tokenizer(TEXTS["tower.md"]).input_ids)
    for memory in memories.values():
        memory.recording = True
    with torch.no_grad(), autocast_of(pair.tuned.network):
        pair.tuned.network(input_ids=torch.tensor([tokens]))
    strength = dict[tuple[int, int], float]()
    by_patch = dict.fromkeys(TEXTS, 0.0)
    written = {
        (layer, int(slot), patch.metadata["document"]): float(delta.norm())
        for patch in read_patches(run)
        for layer, (slots, deltas) in patch.layers.items()
        for slot, delta in zip(slots, deltas, strict=True)
    }
    for layer, memory in memories.items():
        (access,) = memory.take_accesses()
        for slots, weights in zip(access.slots.tolist(), access.weights.tolist(), strict=True):
            for slot, weight in zip(slots, weights, strict=True):
                size = abs(weight) * float(memory.values[slot].norm())
                strength[layer, slot] = strength.get((layer, slot), 0.0) + size
                for document in TEXTS:
                    by_patch[document] += abs(weight) * written.get((layer, slot, document), 0.0)
    best = max(strength.items(), key=lambda item: item[1])
    assert (reads.slots[0].layer, reads.slots[0].slot) == best[0]
    assert reads.slots[0].strength == pytest.approx(best[1], rel=1e-3)
    for patch in reads.patches:
        assert patch.strength == pytest.approx(by_patch[patch.document], rel=1e-3)
    for read in reads.slots:
        assert set(read.documents) == {d for d in TEXTS if (read.layer, read.slot, d) in written}
    assert sum(patch.share for patch in reads.patches) == pytest.approx(1)


def test_a_reverted_patch_is_not_read(run: Path) -> None:
    path = run / "checkpoint" / "patches" / "patches.json"
    before = path.read_text()
    order = json.loads(before)
    assert len(list(applied_patches(path.parent))) == 2
    for entry in order["patches"] if isinstance(order, dict) else order:
        entry["applied"] = False
    path.write_text(json.dumps(order))
    try:
        pair = load_pair(run, lambda _: None)
        assert trace_reads(pair.tuned, pair.patches, "", TEXTS["tower.md"]) == Reads()
    finally:
        path.write_text(before)


def test_both_models_answer_a_question(run: Path) -> None:
    found = load_pair(run, lambda _: None).ask("Who built the tower of Vell?")
    assert found.base.short and found.tuned.free and found.reads.patches


def test_a_method_without_memory_has_no_reads(tiny_model: Path) -> None:
    loaded = load_model(str(tiny_model))
    start_method(loaded.network, LoraOptions(), 0)
    assert trace_reads(loaded, [], "", "Who?") == Reads()


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="train it first"):
        load_pair(tmp_path, lambda _: None)


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_works_on_a_phone_and_by_keyboard(server: PageServer, dark: bool) -> None:
    with open_browser() as browser:
        browser.open(server.url, width=360, dark=dark)
        assert browser.run("document.activeElement.id") == "q"
        browser.run("document.activeElement.value = 'Who <b>built</b> it?'")
        browser.press("Enter")
        for _ in range(100):
            if browser.run("location.search !== '' && document.readyState === 'complete'"):
                break
        assert "Who <b>built</b> it?" in browser.run("document.querySelector('input').value")
        assert browser.run("document.documentElement.scrollWidth") <= 360
        worst = browser.run(CONTRASTS)
        assert worst[0][0] >= 4.5, worst
        assert [url for url in browser.requests if not url.startswith((server.url, "data:"))] == []
        assert not browser.dialogs
