from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import packed
from earmark.data import layouts, public
from earmark.data.public import Archive, PublicDataset
from earmark.errors import DataError, OutputError

NOISE = {
    f"set/audio/{label}/{i}.wav": random.Random(f"{label}{i}").randbytes(100_000) for label in "ab" for i in range(3)
}
CONTENT = packed(NOISE)


class Server(ThreadingHTTPServer):
    """Answers with `content`, as badly as `manner` says, for the first `bad` requests; notes the ranges asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.manner, self.bad = CONTENT, "well", 0
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/set.zip"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        manner = self.server.manner if len(self.server.ranges) <= self.server.bad else "well"
        if manner in ("404", "503"):
            self.send_error(int(manner))
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and manner != "ignores ranges" else 0
        body = self.server.content[start:]
        if manner == "endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(bytes(1 << 20))
        if start >= len(self.server.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(self.server.content) - 1}/{len(self.server.content)}"
            )
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if manner in ("truncates", "stalls"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if manner == "stalls":
                time.sleep(2.5)
            return
        if manner == "lies":
            body = bytes(len(body))
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(public, "_PAUSE", 0.01)
    monkeypatch.setattr(public, "_STALLED", 1.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def a_set(server: Server, *, checksum: bool = True, part: str = "") -> PublicDataset:
    wanted = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}" if checksum else None
    return PublicDataset("set", "", "", "", "class-folders", (Archive(server.url, wanted, len(CONTENT), part),))


def test_fetches_unpacks_and_leaves_nothing_else(server: Server, tmp_path: Path) -> None:
    place = public.fetch(a_set(server), tmp_path / "out")
    assert {p.relative_to(place).as_posix(): p.read_bytes() for p in place.rglob("*.wav")} == {
        name.removeprefix("set/"): content for name, content in NOISE.items()
    }
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert layouts.find(place / "audio").labels == ["a", "b"]
    with pytest.raises(OutputError, match="exists"):
        public.fetch(a_set(server), tmp_path / "out")


@pytest.mark.parametrize(("manner", "bad"), [("truncates", 3), ("stalls", 2), ("503", 3)])
def test_goes_on_where_it_stopped(server: Server, tmp_path: Path, manner: str, bad: int) -> None:
    server.manner, server.bad = manner, bad
    public.fetch(a_set(server), tmp_path / "out")
    assert len(server.ranges) == bad + 1
    if manner != "503":
        starts = [int((asked or "bytes=0-").removeprefix("bytes=").rstrip("-")) for asked in server.ranges]
        assert 0 == starts[0] < starts[1] < starts[2]


def test_a_second_call_goes_on(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "_TRIES", 1)
    server.manner, server.bad = "503", 9
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "set.zip.part").write_bytes(CONTENT[:1000])
    with pytest.raises(DataError, match="the server says 503.*1000 bytes are kept.*run the same command to go on"):
        public.fetch(a_set(server), tmp_path / "out")
    server.manner = "well"
    public.fetch(a_set(server), tmp_path / "out")
    assert server.ranges[-1] == "bytes=1000-"


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.manner, server.bad = "ignores ranges", 9
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "set.zip.part").write_bytes(b"x" * 1000)
    assert public.fetch(a_set(server), tmp_path / "out").is_dir()


def test_other_content_than_published_is_refused(server: Server, tmp_path: Path) -> None:
    server.manner, server.bad = "lies", 9
    with pytest.raises(DataError, match="differs from its published checksum"):
        public.fetch(a_set(server), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    server.manner = "well"
    assert public.fetch(a_set(server), tmp_path / "out").is_dir()


@pytest.mark.parametrize(
    ("manner", "said"),
    [("404", "the server says 404"), ("endless", "far more than the data set has"), ("stalls", "does not come")],
)
def test_what_does_not_come_is_told(
    server: Server, tmp_path: Path, manner: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public, "_TRIES", 2)
    server.manner, server.bad = manner, 99
    if manner == "stalls":
        server.content = b""  # not a byte ever comes
        server.manner = "503"
    with pytest.raises(DataError, match=said):
        public.fetch(a_set(server), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_parts_come_into_folders_of_their_own(server: Server, tmp_path: Path) -> None:
    both = PublicDataset(
        "set",
        "",
        "",
        "",
        "class-folders",
        tuple(Archive(server.url, None, len(CONTENT), part) for part in ("one", "two")),
    )
    place = public.fetch(both, tmp_path / "out", parts=["two"])
    assert [p.name for p in place.iterdir()] == ["two"]
    public.fetch(both, tmp_path / "out")
    assert sorted(p.name for p in place.iterdir()) == ["one", "two"]
    assert len(server.ranges) == 2
    with pytest.raises(DataError, match="has no part 'three'; choose from one, two"):
        public.fetch(both, tmp_path / "out", parts=["three"])


def test_too_small_a_disk_is_told_first(server: Server, tmp_path: Path) -> None:
    huge = PublicDataset("set", "", "", "", "", (Archive(server.url, None, 10**18),))
    with pytest.raises(OutputError, match="needs about .* GB"):
        public.fetch(huge, tmp_path / "out")
    assert server.ranges == []


def test_the_list_is_complete() -> None:
    known = {layout.name for layout in layouts.LAYOUTS}
    for dataset in public.DATASETS:
        assert dataset.layout in known
        assert dataset.licence and dataset.citation and dataset.about and dataset.size > 1e6
        for archive in dataset.archives:
            assert archive.checksum is None or archive.checksum.partition(":")[0] in ("md5", "sha256")
    with pytest.raises(DataError, match="unknown data set 'mnist'; choose one of esc50"):
        public.get("mnist", "out")


def test_parts_keep_what_their_layout_needs(server: Server, tmp_path: Path) -> None:
    server.content = packed({f"fan/id_0{i}/{label}/00.wav": b"x" for i in (0, 2) for label in ("normal", "abnormal")})
    parts = tuple(Archive(server.url, None, 1000, f"{snr}_dB_fan") for snr in (6, -6))
    place = public.fetch(PublicDataset("mimii", "", "", "", "mimii", parts), tmp_path / "out")
    table = layouts.find(place).table
    assert set(table["machine"]) == {"fan"} and set(table["snr"]) == {"6", "-6"} and len(table) == 8
    assert table["group"].nunique() == 4  # one recording at two levels is one group
