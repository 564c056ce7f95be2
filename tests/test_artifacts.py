"""Files that users fetch: where they are looked for, and that they are the right ones."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from invbench.artifacts import Artifact, cache_folder, data_folder, fetch, file_sha256, locate, verify
from invbench.errors import DataError

CONTENT = b"weights of a network"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
UNPINNED = Artifact("net", "net.pt", "http://127.0.0.1:9/net.pt")
PUBLISHED = replace(UNPINNED, sha256=DIGEST)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of its own."""
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("INVBENCH_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder named by INVBENCH_DATA."""
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


class Quiet(SimpleHTTPRequestHandler):
    requested: list[str] = []

    def do_GET(self) -> None:
        self.requested.append(self.path)
        super().do_GET()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Address of a local server that holds ``net.pt``."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "net.pt").write_bytes(CONTENT)
    Quiet.requested.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "served")) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def write_file(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.pt").write_bytes(content)
    return folder / "net.pt"


def test_an_explicit_path_comes_first(tmp_path: Path, data: Path, cache: Path) -> None:
    write_file(data), write_file(cache)
    mine = write_file(tmp_path / "mine", b"my own weights")
    assert locate(PUBLISHED, explicit=str(mine)) == mine


def test_an_explicit_path_that_is_absent_is_refused_and_not_replaced(tmp_path: Path, cache: Path) -> None:
    write_file(cache)
    with pytest.raises(DataError, match=r"no such file: .*mine\.pt"):
        locate(PUBLISHED, explicit=str(tmp_path / "mine.pt"))


def test_an_explicit_path_may_name_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    mine = write_file(tmp_path / "mine")
    assert locate(UNPINNED, explicit="~/mine/net.pt") == mine


def test_the_data_folder_comes_before_the_cache(data: Path, cache: Path) -> None:
    write_file(cache)
    assert locate(PUBLISHED) == cache / "net.pt"
    write_file(data)
    assert locate(PUBLISHED) == data / "net.pt"


def test_folders_follow_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path) -> None:
    assert cache_folder() == cache
    assert data_folder() is None
    monkeypatch.setenv("INVBENCH_DATA", "~/data")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / "data"
    monkeypatch.delenv("INVBENCH_CACHE")
    assert "invbench" in str(cache_folder())


def test_an_absent_file_says_where_it_was_looked_for_and_how_to_get_it(data: Path, cache: Path) -> None:
    with pytest.raises(DataError) as caught:
        locate(PUBLISHED)
    message = str(caught.value)
    assert message.startswith(f"net: net.pt not found in {data}, {cache}; get it with 'invbench fetch net'")
    assert "INVBENCH_DATA" in message


@pytest.mark.parametrize("expected", [DIGEST, DIGEST[:8], ""])
def test_a_file_is_checked_against_the_hash_its_prefix_or_nothing(cache: Path, expected: str) -> None:
    write_file(cache)
    assert locate(replace(UNPINNED, sha256=expected)) == cache / "net.pt"
    assert verify(replace(UNPINNED, sha256=expected), cache / "net.pt") == DIGEST


@pytest.mark.parametrize("expected", [DIGEST, DIGEST[:8]])
def test_a_wrong_file_is_refused(cache: Path, expected: str) -> None:
    path = write_file(cache, b"something else")
    with pytest.raises(DataError) as caught:
        locate(replace(UNPINNED, sha256=expected))
    assert f"{path}: expected SHA-256 {expected}, got {file_sha256(path)}" in str(caught.value)
    assert "delete the file and fetch it again" in str(caught.value)


def test_a_download_lands_in_the_cache_and_is_verified(server: str, cache: Path) -> None:
    artifact = replace(PUBLISHED, url=f"{server}/net.pt")
    path, checked = fetch(artifact)
    assert path == cache / "net.pt" == locate(artifact)
    assert path.read_bytes() == CONTENT
    assert checked == f"SHA-256 {DIGEST} matches the published hash"
    assert {p.name for p in cache.iterdir()} == {"net.pt"}


def test_a_file_in_the_cache_is_not_fetched_again(server: str) -> None:
    artifact = replace(PUBLISHED, url=f"{server}/net.pt")
    assert fetch(artifact) == fetch(artifact)
    assert Quiet.requested == ["/net.pt"]


def test_a_prefix_is_enough_for_a_download(server: str) -> None:
    _, checked = fetch(replace(UNPINNED, url=f"{server}/net.pt", sha256=DIGEST[:8]))
    assert checked == f"SHA-256 {DIGEST} matches the published prefix"


@pytest.mark.parametrize("expected", ["0" * 64, "0" * 8])
def test_a_download_with_another_hash_is_refused_and_not_kept(server: str, cache: Path, expected: str) -> None:
    with pytest.raises(DataError, match=rf"net: download from {server}/net\.pt failed: .*{DIGEST}"):
        fetch(replace(UNPINNED, url=f"{server}/net.pt", sha256=expected))
    assert list(cache.iterdir()) == []


def test_an_absent_address_is_a_message(server: str, cache: Path) -> None:
    with pytest.raises(DataError, match=rf"net: download from {server}/lost\.pt failed: 404"):
        fetch(replace(PUBLISHED, url=f"{server}/lost.pt"))
    assert not (cache / "net.pt").exists()


def test_a_server_that_does_not_answer_is_a_message() -> None:
    with pytest.raises(DataError, match=r"net: download from http://127\.0\.0\.1:9/net\.pt failed: "):
        fetch(PUBLISHED)


def test_a_file_without_a_published_hash_is_pinned_at_first_sight(server: str, cache: Path, data: Path) -> None:
    artifact = replace(UNPINNED, url=f"{server}/net.pt")
    _, checked = fetch(artifact)
    assert checked == f"no hash was published; SHA-256 {DIGEST} is recorded, and a file that differs will be refused"
    assert (cache / "net.pt.sha256").read_text() == DIGEST + "\n"
    assert locate(artifact) == cache / "net.pt"
    write_file(data, b"another file")
    with pytest.raises(DataError, match=f"expected SHA-256 {DIGEST}, got"):
        locate(artifact)
    write_file(cache, b"another file")
    with pytest.raises(DataError, match=f"expected SHA-256 {DIGEST}, got"):
        fetch(artifact)
    assert (cache / "net.pt.sha256").read_text() == DIGEST + "\n"


def test_a_later_download_that_differs_is_refused(server: str, cache: Path, tmp_path: Path) -> None:
    artifact = replace(UNPINNED, url=f"{server}/net.pt")
    path, _ = fetch(artifact)
    path.unlink()
    (tmp_path / "served" / "net.pt").write_bytes(b"another file")
    with pytest.raises(DataError, match=f"expected SHA-256 {DIGEST}, got"):
        fetch(artifact)
    assert not path.exists()


OTHER = Artifact("other", "other-1.0.tar.gz", "pypi:other/other-1.0.tar.gz", DIGEST)
EITHER = replace(PUBLISHED, other=OTHER)


@pytest.fixture
def package_index(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page of project ``other`` in a package index, which names its file relative to itself."""
    page = tmp_path / "served" / "simple" / "other" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(
        '<a href="../../files/other-0.9.tar.gz">old</a> <a href="../../files/other-1.0.tar.gz#sha256=0">new</a>'
    )
    file = tmp_path / "served" / "files" / OTHER.filename
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    monkeypatch.setenv("PIP_INDEX_URL", f"{server}/simple/")
    return page


def test_where_a_file_cannot_be_fetched_the_other_is(
    package_index: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, checked = fetch(EITHER)
    assert path == cache / OTHER.filename
    assert "matches the published hash" in checked
    assert "fetching other-1.0.tar.gz from pypi:other/other-1.0.tar.gz instead" in capsys.readouterr().err
    assert locate(EITHER) == path
    assert fetch(EITHER)[0] == path


def test_of_both_files_the_first_is_taken(cache: Path) -> None:
    cache.mkdir()
    for artifact in EITHER.files:
        (cache / artifact.filename).write_bytes(CONTENT)
    assert locate(EITHER).name == fetch(EITHER)[0].name == EITHER.filename


def test_another_file_of_another_hash_is_refused(cache: Path) -> None:
    cache.mkdir()
    (cache / OTHER.filename).write_bytes(b"something else")
    with pytest.raises(DataError, match=f"expected SHA-256 {DIGEST}"):
        locate(EITHER)


def test_an_index_without_the_file_is_a_message(package_index: Path) -> None:
    package_index.write_text("<a href='other-0.9.tar.gz'>old</a>")
    with pytest.raises(DataError, match=r"simple/other/ lists no other-1.0.tar.gz; PIP_INDEX_URL names another index"):
        fetch(OTHER)


def test_what_must_be_got_by_hand_says_how(cache: Path) -> None:
    artifact = replace(UNPINNED, by_hand="ask the authors, then put net.pt into INVBENCH_DATA")
    with pytest.raises(DataError, match="net: ask the authors, then put net.pt into INVBENCH_DATA"):
        fetch(artifact)


def test_fetch_lists_what_there_is_and_what_is_cached(invbench: Callable[..., Any], cache: Path) -> None:
    cache.mkdir()
    (cache / "256x256_diffusion_uncond.pt").write_bytes(b"")
    result = invbench("fetch")
    assert result.returncode == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert {"adm_ffhq256", "adm_imagenet256", "davi_ffhq256_sr4", "davi_imagenet256_inpaint"} <= set(lines)
    assert "not fetched" in lines["adm_ffhq256"]
    assert "in the cache" in lines["adm_imagenet256"]
    assert "https://" in lines["adm_ffhq256"]


def test_fetch_suggests_a_name(invbench: Callable[..., Any]) -> None:
    result = invbench("fetch", "adm_fhq256")
    assert result.returncode == 2
    assert "error: unknown artifact 'adm_fhq256'; did you mean 'adm_ffhq256'" in result.stderr


def test_fetch_refuses_a_wrong_file_in_the_cache(invbench: Callable[..., Any], cache: Path) -> None:
    cache.mkdir()
    (cache / "256x256_diffusion_uncond.pt").write_bytes(b"not the weights")
    result = invbench("fetch", "adm_imagenet256")
    assert result.returncode == 2
    assert "error: " in result.stderr
    assert "expected SHA-256 a37c32" in result.stderr


def test_a_prior_without_its_weights_says_how_to_get_them(invbench: Callable[..., Any], tmp_path: Path) -> None:
    words = ["solver=pinv", "task=denoise", "prior=adm_ffhq256", "n=1", "references=false"]
    result = invbench("run", *words)
    assert result.returncode == 1
    assert "adm_ffhq256: diffusion_ffhq_10m.pt not found in" in result.stderr
    assert "get it with 'invbench fetch adm_ffhq256'" in result.stderr
    assert "Traceback" not in result.stderr
