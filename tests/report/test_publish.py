"""Publishing: to a folder, and to the Hugging Face Hub, for which a server of its protocol stands in."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from reporting import invbench

from invbench.store.reader import load_cells

REPO = "someone/records"


def test_a_folder_gets_the_records_and_a_card(recorded_store: Path, tmp_path: Path) -> None:
    to = tmp_path / "shared"
    result = invbench("publish", to, "benchmark=photos", "--out", recorded_store)
    assert result.exit_code == 0, result.output
    written = {path.relative_to(to).as_posix() for path in to.rglob("*") if path.is_file()}
    assert result.stdout.splitlines()[-1] == str(to)
    assert {line.partition(":")[0] for line in result.stdout.splitlines()[:-1]} == written
    assert "README.md" in written
    assert not [name for name in written if name.endswith(".safetensors")], "no reconstructions"
    assert "| wiener" in (to / "README.md").read_text()
    assert {cell.id for cell in load_cells(to)} == {c.id for c in load_cells(recorded_store, benchmark="photos")}


def test_a_dry_run_writes_nothing(recorded_store: Path, tmp_path: Path) -> None:
    result = invbench("publish", tmp_path / "shared", "--dry-run", "--out", recorded_store)
    assert result.exit_code == 0, result.output
    assert "README.md: " in result.stdout
    assert not (tmp_path / "shared").exists()


@pytest.mark.parametrize("to", ["hf:records", "hf:a/b/c", "hf:", "solver=pinv"])
def test_what_is_no_place_is_refused_in_a_line(to: str, recorded_store: Path) -> None:
    result = invbench("publish", to, "--out", recorded_store)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: expected hf:")
    assert result.stderr.count("\n") == 1


class Hub(BaseHTTPRequestHandler):
    """Makes repositories and takes commits, unless the token is another."""

    def do_GET(self) -> None:
        self.answer({})

    def do_POST(self) -> None:
        body = self.body()
        host = f"http://{self.headers['Host']}/datasets/{REPO}"
        if self.headers["Authorization"] != "Bearer hf_good":
            self.answer({"error": "Invalid user token."}, 401)
        elif self.path == "/api/repos/create":
            assert json.loads(body) == {"name": "records", "organization": "someone", "type": "dataset"}
            self.answer({"url": host})
        elif self.path == "/api/validate-yaml":
            assert "tags: [invbench" in json.loads(body)["content"]
            self.answer({"errors": [], "warnings": []})
        elif self.path == f"/api/datasets/{REPO}/preupload/main":
            files = [{"path": file["path"], "uploadMode": "regular"} for file in json.loads(body)["files"]]
            self.answer({"files": [{**file, "shouldIgnore": False} for file in files]})
        elif self.path == f"/api/datasets/{REPO}/commit/main":
            lines = [json.loads(line) for line in body.splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            self.server.committed.update({file["path"]: base64.b64decode(file["content"]) for file in files})  # type: ignore[attr-defined]
            self.answer({"success": True, "commitUrl": f"{host}/commit/1", "commitOid": "1", "hookOutput": ""})
        else:
            self.answer({}, 404)

    def body(self) -> bytes:
        if length := self.headers["Content-Length"]:
            return self.rfile.read(int(length))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self, content: Any, status: int = 200) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """The files that were committed to the stand-in."""
    pytest.importorskip("huggingface_hub", reason="no huggingface_hub: pip install 'invbench[hub]'")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    committed: dict[str, bytes] = {}
    server.committed = committed  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield committed
    server.shutdown()
    server.server_close()


def test_the_hub_gets_the_records_and_a_card(hub: dict[str, bytes], recorded_store: Path) -> None:
    result = invbench("publish", f"hf:{REPO}", "benchmark=photos", "--out", recorded_store)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].endswith(f"/datasets/{REPO}")
    assert {line.partition(":")[0] for line in result.stdout.splitlines()[:-1]} == set(hub)
    assert b"tags: [invbench" in hub["README.md"]
    assert sum(name.endswith("/run.json") for name in hub) == 2
    assert str(recorded_store).encode() not in b"".join(hub.values()), "no place of this machine"


def test_who_is_not_logged_in_is_told_how(
    hub: dict[str, bytes], recorded_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_bad")
    result = invbench("publish", f"hf:{REPO}", "--out", recorded_store)
    assert result.exit_code == 2
    assert f"error: cannot publish to {REPO}: " in result.stderr
    assert "you log in with 'hf auth login'" in result.stderr
    assert result.stderr.count("\n") == 1
    assert hub == {}
