"""Downloads against a server of our own that breaks off, lies, or is not there; and archives that want to get out."""

import contextlib
import hashlib
import http.server
import io
import os
import random
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile

import pytest

from videoformer_edu.data.video import download
from videoformer_edu.data.video.download import UCF101_SUBSET, DownloadError, HubFile, extract, fetch, ucf101_subset


def archive(members, mode="w"):
    """A tar archive with files of the given contents, as bytes."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return target.getvalue()


MEMBERS = {f"UCF101_subset/{part}/Archery/v_Archery_g0{i}_c01.avi": random.Random(i).randbytes(30_000 + i)
           for i, part in enumerate(("train", "val", "test"))}
CONTENT = archive(MEMBERS)  # a plain tar called .tar.gz, as the real one


class Server(http.server.ThreadingHTTPServer):
    """`plan` says of each request in turn what happens to it; when it is used up, the file is served.

    A number: break off after that many bytes. "slow": a few bytes at a time. "no range": send all of it again.
    "wrong": other bytes of the same length. "long": more than there should be. 404, 503, ... as text: that status.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan, self.ranges, self.paths = [], [], []


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        server.paths.append(self.path)
        what = server.plan.pop(0) if server.plan else None
        if isinstance(what, str) and what.isdigit():
            self.send_error(int(what))
            return
        content = {"wrong": bytes(len(CONTENT)), "long": CONTENT * 3}.get(what, CONTENT)
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and what != "no range" else 0
        if start >= len(content):
            self.send_error(416)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client may have been killed
            if what == "slow":
                for i in range(0, len(body), 2_000):
                    self.wfile.write(body[i : i + 2_000])
                    time.sleep(0.05)
            else:
                self.wfile.write(body[:what] if isinstance(what, int) else body)


@pytest.fixture
def server(monkeypatch):
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield server
        server.shutdown()


FILE = HubFile("someone/some-clips", "abc123", "clips.tar.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def test_the_address_is_that_of_the_hub(monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert UCF101_SUBSET.address == ("https://huggingface.co/datasets/sayakpaul/ucf101-subset/resolve/"
                                     "b9984b8d2a95e4a1879e1b071e9433858d0bc24a/UCF101_subset.tar.gz")
    assert UCF101_SUBSET.size % tarfile.RECORDSIZE == 0  # as of a plain tar
    assert len(bytes.fromhex(UCF101_SUBSET.sha256)) == 32


def test_a_file_arrives_whole_and_once(server, tmp_path, capfd):
    path = fetch(FILE, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "clips.tar.gz"
    assert path.read_bytes() == CONTENT
    assert [child.name for child in path.parent.iterdir()] == ["clips.tar.gz"]
    assert fetch(FILE, path.parent) == path
    assert server.paths == ["/datasets/someone/some-clips/resolve/abc123/clips.tar.gz"]  # one request
    assert capfd.readouterr() == ("", "")  # not a terminal: no bar


def test_an_interrupted_download_goes_on_where_it_was(server, tmp_path):
    server.plan = [10_000, "503", 25_000]
    assert fetch(FILE, tmp_path, pause=0).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=10000-", "bytes=10000-", "bytes=35000-"]


def test_the_next_call_goes_on_where_the_last_one_was(server, tmp_path):
    server.plan = [10_000, "503", "503"]
    with pytest.raises(DownloadError, match=r"503.*, 2 times.\nAddress: .*\nThe 10000 bytes that have arrived are kep"):
        fetch(FILE, tmp_path, attempts=2, pause=0)
    assert (tmp_path / "clips.tar.gz.part").read_bytes() == CONTENT[:10_000]
    assert fetch(FILE, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=10000-"


def test_failures_count_only_without_progress(server, tmp_path):
    server.plan = [1_000, "503"] * 6
    assert fetch(FILE, tmp_path, attempts=2, pause=0).read_bytes() == CONTENT
    assert len(server.ranges) == 13


def test_a_server_that_ignores_ranges_sends_all_again(server, tmp_path):
    server.plan = [10_000, "no range"]
    assert fetch(FILE, tmp_path, pause=0).read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_file_is_not_it(server, tmp_path):
    (tmp_path / "clips.tar.gz.part").write_bytes(CONTENT + b"x")
    with pytest.raises(DownloadError, match=f"{len(CONTENT) + 1} bytes with SHA-256 .* It was deleted"):
        fetch(FILE, tmp_path)
    assert fetch(FILE, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("plan", ["wrong", "long"])
def test_wrong_bytes_are_deleted_and_told(server, tmp_path, plan):
    server.plan = [plan]
    with pytest.raises(DownloadError, match="is not the file expected: .* instead of .* It was deleted") as caught:
        fetch(FILE, tmp_path)
    assert FILE.sha256 in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert fetch(FILE, tmp_path).read_bytes() == CONTENT


def test_not_found_says_so_at_once(server, tmp_path):
    server.plan = ["404"]
    with pytest.raises(DownloadError, match="the server answered 404 Not Found") as caught:
        fetch(FILE, tmp_path)
    assert FILE.address in str(caught.value)
    assert len(server.ranges) == 1


def test_without_a_network_the_way_by_hand_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(DownloadError, match="refused, 3 times") as caught:
        fetch(FILE, tmp_path, attempts=3, pause=0)
    assert f"put the file into {tmp_path.resolve()} under the name clips.tar.gz" in str(caught.value)


def test_offline_mode_is_respected(server, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set.*\n.*\nBy hand: open the address"):
        fetch(FILE, tmp_path)
    assert server.ranges == []


def test_a_file_put_there_by_hand_is_checked(server, tmp_path):
    path = tmp_path / "clips.tar.gz"
    path.write_bytes(CONTENT)
    assert fetch(FILE, tmp_path) == path
    assert server.ranges == []
    path.write_bytes(b"<html>Please log in</html>")
    with pytest.raises(DownloadError, match="26 bytes .* renamed to clips.tar.gz.wrong; call again"):
        fetch(FILE, tmp_path)
    assert fetch(FILE, tmp_path).read_bytes() == CONTENT


def subset(content):
    return HubFile("someone/some-clips", "abc123", "UCF101_subset.tar.gz", len(content),
                   hashlib.sha256(content).hexdigest())


def test_the_subset_is_downloaded_unpacked_and_found_again(server, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(download, "UCF101_SUBSET", subset(CONTENT))
    assert download.main([str(tmp_path)]) == 0
    root = tmp_path / "UCF101_subset"
    assert capsys.readouterr().out == f"{root}\n"
    assert {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in root.rglob("*.avi")} == MEMBERS
    assert ucf101_subset(tmp_path) == root
    assert len(server.ranges) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["UCF101_subset", "UCF101_subset.tar.gz"]


def test_the_command_says_what_to_do_without_a_network(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert download.main([str(tmp_path)]) == 1
    assert "By hand: open the address" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_process_loses_nothing(server, tmp_path):
    server.plan = ["slow"]
    program = (f"from videoformer_edu.data.video.download import HubFile, fetch; fetch(HubFile({FILE.repository!r}, "
               f"{FILE.revision!r}, {FILE.name!r}, {FILE.size}, {FILE.sha256!r}), {str(tmp_path)!r})")
    monitor = tmp_path / "clips.tar.gz.part"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([sys.executable, "-c", f"import videoformer_edu.data.video.download as d; "
                                "d.CHUNK = 4_000; "
                                f"{program}"], env=environment)
    deadline = time.monotonic() + 60
    while not (monitor.exists() and monitor.stat().st_size > 8_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = monitor.stat().st_size
    assert 8_000 < kept < len(CONTENT)
    assert fetch(FILE, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={kept}-"]


# Archives


def written(tmp_path, content, name="some.archive"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def zipped(members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as content:
        for name, text in members.items():
            content.writestr(name, text)
    return target.getvalue()


@pytest.mark.parametrize("pack", [archive, lambda members: archive(members, "w:gz"), zipped],
                         ids=["tar", "tar.gz", "zip"])
def test_one_top_folder_becomes_the_target(tmp_path, pack):
    members = {"clips-main/a/one.avi": b"1", "clips-main/b/two.avi": b"22", "__MACOSX/._one.avi": b"?", "._x": b"?"}
    target = extract(written(tmp_path, pack(members)), tmp_path / "clips")
    assert {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*.*")} == {
        "a/one.avi": b"1", "b/two.avi": b"22"}


def test_several_tops_lie_in_the_target(tmp_path):
    target = extract(written(tmp_path, archive({"a/one.avi": b"1", "b/two.avi": b"22"})), tmp_path / "clips")
    assert sorted(path.name for path in target.rglob("*.avi")) == ["one.avi", "two.avi"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "some.archive"]


def linked(name, target):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = tarfile.SYMTYPE, target
        tar.addfile(member)
    return content.getvalue()


def device(name):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.type = tarfile.FIFOTYPE
        tar.addfile(member)
    return content.getvalue()


@pytest.mark.parametrize("content", [archive({"good.avi": b"1", "../../evil.avi": b"2"}), linked("a", "../.."),
                                     linked("a", "/etc"), device("a"), zipped({"good.avi": "1", "../evil.avi": "2"}),
                                     zipped({"/evil.avi": "2"})],
                         ids=["tar", "link up", "link to root", "device", "zip", "absolute zip"])
def test_nothing_is_written_outside(tmp_path, content):
    inner = tmp_path / "one" / "two"
    inner.mkdir(parents=True)
    with pytest.raises(DownloadError, match="wants to write outside its folder.*nothing was unpacked"):
        extract(written(inner, content), inner / "clips")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["some.archive"]
    assert sorted(path.name for path in inner.iterdir()) == ["some.archive"]


@pytest.mark.parametrize("content", [CONTENT[:40_000], archive(MEMBERS, "w:gz")[:40_000], b"no archive at all" * 100,
                                     zipped({"a": "1" * 100}).replace(b"1" * 100, b"2" * 100)],
                         ids=["cut tar", "cut gz", "text", "changed zip"])
def test_damaged_archives_leave_nothing(tmp_path, content):
    with pytest.raises(DownloadError, match="cannot be unpacked .*remove it and call again"):
        extract(written(tmp_path, content), tmp_path / "clips")
    assert [path.name for path in tmp_path.iterdir()] == ["some.archive"]


def test_what_a_killed_process_left_is_cleared(tmp_path):
    left = tmp_path / ".clips.unpacking"
    left.mkdir()
    (left / "half.avi").write_bytes(b"?")
    target = extract(written(tmp_path, archive({"top/one.avi": b"1"})), tmp_path / "clips")
    assert [path.name for path in target.iterdir()] == ["one.avi"]
    assert not left.exists()
