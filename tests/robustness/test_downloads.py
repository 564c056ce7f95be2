"""Downloads that go wrong: one right file or a clear error, and nothing unverified is ever pinned."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from file_server import CONTENT, DIGEST, SERVED, Handler, Server

from invbench.artifacts import Artifact, existing, fetch, locate, verify, weights_sha256
from invbench.errors import DataError, InvbenchError

FORK = multiprocessing.get_context("fork")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of its own, and no proxy."""
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path / "cache"))
    for name in ("INVBENCH_DATA", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def net(server: str, path: str, sha256: str = DIGEST) -> Artifact:
    return Artifact("net", "net.pt", f"{server}/{path}", sha256, option="prior.weights")


def holds(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def outcome(queue: Any, artifact: Artifact) -> None:
    try:
        fetch(artifact)
        queue.put("file")
    except InvbenchError as error:
        queue.put(f"message: {error}")
    except BaseException as error:
        queue.put(f"TRACEBACK {error!r}")


def together(artifact: Artifact, processes: int = 4) -> Counter[str]:
    """What several processes that fetch at once end with."""
    queue = FORK.Queue()
    started = [FORK.Process(target=outcome, args=(queue, artifact)) for _ in range(processes)]
    for process in started:
        process.start()
    ends = Counter(queue.get(timeout=60) for _ in started)
    for process in started:
        process.join()
    return ends


@pytest.mark.parametrize("sha256", [DIGEST, DIGEST[:8], ""])
def test_four_at_once_end_with_one_file(server: str, cache: Path, sha256: str) -> None:
    SERVED.clear()
    for i in range(6):
        artifact = replace(net(server, "slow", sha256), filename=f"{i}.pt")
        assert together(artifact) == {"file": 4}
        assert locate(artifact).read_bytes() == CONTENT
    assert len(SERVED) == 6  # whoever comes later waits for the first
    pins = set() if sha256 else {f"{i}.pt.sha256" for i in range(6)}
    assert holds(cache) == {f"{i}.pt" for i in range(6)} | pins


def test_four_at_once_of_a_wrong_file_end_with_four_messages(server: str, cache: Path) -> None:
    ends = together(net(server, "slow", "0" * 64))
    assert all(end.startswith("message: net: download from ") for end in ends)
    assert holds(cache) == set()


@pytest.mark.parametrize("sha256", [DIGEST, ""])
def test_killed_downloads_leave_nothing_that_is_taken_for_the_file(server: str, cache: Path, sha256: str) -> None:
    draw = random.Random(1)
    artifact = net(server, "slow", sha256)
    for _ in range(8):
        process = FORK.Process(target=outcome, args=(FORK.Queue(), artifact))
        process.start()
        time.sleep(draw.uniform(0.01, 0.12))
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        if (cache / "net.pt").is_file():
            assert verify(artifact, cache / "net.pt") == DIGEST
            (cache / "net.pt").unlink()
        if (cache / "net.pt.sha256").exists():
            assert (cache / "net.pt.sha256").read_text() == DIGEST + "\n"
    assert together(artifact) == {"file": 4}
    assert holds(cache) == {"net.pt"} | ({"net.pt.sha256"} if not sha256 else set())


@pytest.mark.parametrize("sha256", [DIGEST, ""])
@pytest.mark.parametrize("stale", ["net.pt.part", "net.pt.0123abcd.part", "net.pt.sha256.0123abcd.part"])
def test_what_an_earlier_kill_left_is_not_taken(server: str, cache: Path, sha256: str, stale: str) -> None:
    cache.mkdir()
    (cache / stale).write_bytes(CONTENT[:1000])
    path, _ = fetch(net(server, "whole", sha256))
    assert path.read_bytes() == CONTENT
    assert stale not in holds(cache)


def test_other_files_downloads_are_left_alone(server: str, cache: Path) -> None:
    cache.mkdir()
    others = {"other.pt.0123abcd.part", "net.pt2.0123abcd.part", "net.pth.part", "a.net.pt.part"}
    for name in others:
        (cache / name).write_bytes(b"half")
    fetch(net(server, "whole"))
    assert holds(cache) == {"net.pt", *others}


FAULTS = {
    "short": "broke off",
    "chunked-short": "broke off",
    "page": "the server sent a web page, not the file",
    "empty": "the server sent an empty file",
    "lost": "404 Not Found",
    "broken": "500 Internal Server Error",
    "round-and-round": "not a web address, or an invalid answer: TooManyRedirects",
    "hang-up": "no connection to 127.0.0.1",
    "no-http": "no connection to 127.0.0.1",
}


@pytest.mark.parametrize("sha256", [DIGEST, DIGEST[:8], ""])
@pytest.mark.parametrize("path", FAULTS)
def test_what_a_server_does_wrong_is_one_line(server: str, cache: Path, path: str, sha256: str) -> None:
    with pytest.raises(DataError) as caught:
        fetch(net(server, path, sha256))
    message = str(caught.value)
    assert message.startswith(f"net: download from {server}/{path} failed: ")
    assert FAULTS[path] in message
    assert f"put it as net.pt into {cache} or the folder that INVBENCH_DATA names, or set prior.weights=FILE" in message
    assert message.isprintable()
    assert "object at 0x" not in message
    assert holds(cache) == set()


@pytest.mark.parametrize("path", ["whole", "chunked", "moved"])
@pytest.mark.parametrize("sha256", [DIGEST, ""])
def test_what_a_server_does_right_is_taken(server: str, cache: Path, path: str, sha256: str) -> None:
    assert fetch(net(server, path, sha256))[0].read_bytes() == CONTENT
    assert ("net.pt.sha256" in holds(cache)) == (not sha256)


@pytest.mark.parametrize("path", ["no-length", "no-length-short"])
def test_a_file_of_no_known_length_needs_a_hash(server: str, cache: Path, path: str) -> None:
    with pytest.raises(
        DataError, match="a part cannot be distinguished from the whole; download it with a browser and put it"
    ):
        fetch(net(server, path, ""))
    assert holds(cache) == set()
    assert fetch(net(server, "no-length"))[0].read_bytes() == CONTENT
    (cache / "net.pt").unlink()
    with pytest.raises(DataError, match=f"expected SHA-256 {DIGEST}, got"):
        fetch(net(server, "no-length-short"))
    assert holds(cache) == set()


def test_a_file_put_there_by_hand_is_used_but_not_pinned(cache: Path) -> None:
    cache.mkdir()
    (cache / "net.pt").write_bytes(b"by hand")
    path, checked = fetch(net("http://127.0.0.1:9", "whole", ""))
    assert (path, holds(cache)) == (cache / "net.pt", {"net.pt"})
    assert "put there by hand" in checked
    assert "is not verified" in checked


def test_a_file_that_differs_from_its_first_download_says_so(server: str, cache: Path) -> None:
    artifact = net(server, "whole", "")
    fetch(artifact)
    (cache / "net.pt").write_bytes(b"other")
    for use in (fetch, locate):
        with pytest.raises(DataError) as caught:
            use(artifact)
        assert f"expected SHA-256 {DIGEST}, got" in str(caught.value)
        assert f"the first download's is recorded in {cache / 'net.pt.sha256'}" in str(caught.value)
    (cache / "net.pt").unlink()
    assert fetch(artifact)[0].read_bytes() == CONTENT


@pytest.mark.parametrize("damaged", ["", "0123", "\0" * 64, "z" * 64])
def test_a_damaged_record_of_a_hash_accepts_nothing(server: str, cache: Path, damaged: str) -> None:
    cache.mkdir()
    (cache / "net.pt.sha256").write_text(damaged)
    (cache / "net.pt").write_bytes(b"anything")
    for use in (fetch, locate):
        with pytest.raises(DataError, match=r"net\.pt\.sha256 holds no SHA-256; delete it and net\.pt"):
            use(net(server, "whole", ""))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x",
        "http://no-such-host.invalid/x",
        "https://127.0.0.1:9/x",
        "nonsense",
        "file:///etc/passwd",
        "http://",
        "http://[::1/x",
        "http://a:b@c:d/",
        "",
    ],
)
def test_no_network_and_no_address_are_one_line(cache: Path, url: str) -> None:
    with pytest.raises(DataError) as caught:
        fetch(Artifact("net", "net.pt", url))
    assert str(caught.value).startswith(f"net: download from {url} failed: ")
    assert f"put it as net.pt into {cache}" in str(caught.value)
    assert not any(word in str(caught.value) for word in ("object at", "HTTPConnection", "urllib3", "Errno"))


def test_a_server_that_speaks_no_tls_is_one_line(server: str) -> None:
    with pytest.raises(DataError, match="no safe connection to 127.0.0.1: its certificate is not accepted"):
        fetch(net(server.replace("http", "https"), "whole"))


def test_a_proxy_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"the proxy on the way to example\.invalid did not answer"):
        fetch(net("http://example.invalid", "x"))


def test_a_server_that_falls_silent_is_not_waited_for(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
            time.sleep(5)

    monkeypatch.setattr("invbench.download.TIMEOUT", (0.3, 0.3))
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Silent) as silent:
        silent.daemon_threads = True
        threading.Thread(target=silent.serve_forever, args=(0.02,), daemon=True).start()
        started = time.monotonic()
        with pytest.raises(DataError, match="no connection to 127.0.0.1"):
            fetch(net(f"http://127.0.0.1:{silent.server_address[1]}", "x"))
        assert time.monotonic() - started < 4
        silent.shutdown()
    assert holds(cache) == set()


@pytest.mark.parametrize("place", ["/proc/cache", "a-file", "a-file/below"])
def test_a_cache_that_cannot_be_written_to_is_one_line(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path / place))
    with pytest.raises(
        DataError, match="cannot write to .*; free space or permissions there, or name another folder in"
    ):
        fetch(net(server, "whole"))


def limited() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


def test_a_full_disk_is_one_line_and_leaves_nothing(server: str, cache: Path) -> None:
    code = f"from invbench.artifacts import *; fetch(Artifact('net', 'net.pt', '{server}/whole'))"
    ended = subprocess.run([sys.executable, "-c", code], preexec_fn=limited, capture_output=True, text=True, timeout=60)
    assert "DataError: cannot write to" in ended.stderr
    assert "INVBENCH_CACHE" in ended.stderr
    assert holds(cache) == set()


def test_an_interrupt_leaves_nothing(server: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(url: str, path: Path) -> tuple[str, bool]:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("invbench.artifacts.download", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(net(server, "whole"))
    assert holds(cache) == set()


def test_a_file_is_readable_by_others_as_the_user_s_files_are(server: str, cache: Path) -> None:
    before = os.umask(0o022)
    try:
        path, _ = fetch(net(server, "whole", ""))
        assert {path.stat().st_mode & 0o777, (cache / "net.pt.sha256").stat().st_mode & 0o777} == {0o644}
    finally:
        os.umask(before)


def test_a_file_in_the_data_folder_is_not_fetched(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "net.pt").write_bytes(CONTENT)
    assert fetch(net("http://127.0.0.1:9", "x"))[0] == tmp_path / "data" / "net.pt"


def test_what_is_got_by_hand_and_is_there_is_verified(cache: Path) -> None:
    artifact = replace(net("http://127.0.0.1:9", "x"), by_hand="ask the authors")
    with pytest.raises(DataError, match="ask the authors"):
        fetch(artifact)
    cache.mkdir()
    (cache / "net.pt").write_bytes(CONTENT)
    assert fetch(artifact)[0] == cache / "net.pt"


def test_an_absent_file_says_the_address_and_where_to_put_it(cache: Path) -> None:
    with pytest.raises(DataError) as caught:
        locate(net("http://host", "net.pt"))
    assert str(caught.value) == (
        f"net: net.pt not found in {cache}; get it with 'invbench fetch net', or download http://host/net.pt elsewhere "
        f"and put it as net.pt into {cache} or the folder that INVBENCH_DATA names, or set prior.weights=FILE"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.pt", "no such file: "),
        ("folder", "it is a folder: "),
        ("empty.pt", "the file is empty: "),
        ("pipe", "it is not a regular file: "),
        ("zero\0byte", r"no such file: .*zero\\x00byte"),
        ("~nobody-of-this-name/x", "that user has no home folder"),
    ],
)
def test_a_missing_file_is_reported(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.pt").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=message):
        existing(name if name.startswith("~") else str(tmp_path / name))


def test_a_file_that_cannot_be_read_is_reported() -> None:
    with pytest.raises(DataError, match="cannot read /proc/self/mem: "):
        weights_sha256(Path("/proc/self/mem"))


def test_fetch_lists_sizes(invbench: Callable[..., Any], cache: Path) -> None:
    cache.mkdir()
    (cache / "vgg16-397923af.pth").write_bytes(bytes(2_000_000))
    lines = {line.split()[0]: line.split()[1:] for line in invbench("fetch").stdout.splitlines()}
    assert lines["adm_imagenet256"][:4] == ["2.2", "GB", "not", "fetched"]
    assert lines["lpips_vgg"][:5] == ["2", "MB", "in", "the", "cache"]
