"""What is fetched is checked, what is missing is told, and archives that want to get out stay in."""

import hashlib
import http.server
import io
import os
import random
import subprocess
import sys
import tarfile
import threading
import types

import pytest

from videoformer_edu.data.video import ucf101
from videoformer_edu.data.video.ucf101 import DownloadError, extract, ucf101_subset


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
FIRST = next(iter(MEMBERS))
CONTENT = archive(MEMBERS)  # a plain tar called .tar.gz, as the real one


@pytest.fixture
def hub(monkeypatch):
    """A hub that serves CONTENT under the name of the subset, or raises; `asked` holds what it was asked for."""
    hub = types.SimpleNamespace(content=CONTENT, asked=[])

    def hf_hub_download(repository, name, *, repo_type, revision, local_dir):
        hub.asked.append((repository, name, repo_type, revision))
        if isinstance(hub.content, Exception):
            raise hub.content
        local_dir.mkdir(parents=True, exist_ok=True)
        (local_dir / name).write_bytes(hub.content)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", hf_hub_download)
    monkeypatch.setattr(ucf101, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    return hub


def test_the_subset_is_downloaded_unpacked_and_found_again(hub, tmp_path, capsys):
    folder = tmp_path / "new" / "folder"
    assert ucf101.main([str(folder)]) == 0
    root = folder / "UCF101_subset"
    assert capsys.readouterr().out == f"{root}\n"
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in root.rglob("*.avi")} == MEMBERS
    assert ucf101_subset(folder) == root
    assert hub.asked == [("sayakpaul/ucf101-subset", "UCF101_subset.tar.gz", "dataset",
                          "b9984b8d2a95e4a1879e1b071e9433858d0bc24a")]  # one request
    assert sorted(path.name for path in folder.iterdir()) == ["UCF101_subset", "UCF101_subset.tar.gz"]


def test_a_file_put_there_by_hand_is_checked(hub, tmp_path):
    path = tmp_path / "UCF101_subset.tar.gz"
    path.write_bytes(b"<html>Please log in</html>")
    with pytest.raises(DownloadError, match=r"26 bytes with SHA-256 \w{64} instead of .* renamed to .*.wrong; call"):
        ucf101_subset(tmp_path)
    assert not (tmp_path / "UCF101_subset").exists() and hub.asked == []
    path.write_bytes(CONTENT)
    assert ucf101_subset(tmp_path) == tmp_path / "UCF101_subset" and hub.asked == []


def test_wrong_bytes_are_put_aside_and_fetched_anew(hub, tmp_path):
    hub.content = CONTENT[:-1] + b"x"
    with pytest.raises(DownloadError, match="is not the file expected"):
        ucf101_subset(tmp_path)
    hub.content = CONTENT
    assert ucf101_subset(tmp_path).is_dir() and len(hub.asked) == 2


@pytest.mark.parametrize("error", [kind("no route\nmore of it") for kind in (ConnectionError, OSError, ImportError)])
def test_without_a_network_the_way_by_hand_is_told(hub, tmp_path, error, capsys):
    hub.content = error
    assert ucf101.main([str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "could not download UCF101_subset.tar.gz (171 MB): no route\nBy hand: open https://huggingface.co/" in told
    assert f"put the file into {tmp_path.resolve()} under the name UCF101_subset.tar.gz" in told


def run(folder, **environment):
    """The command in a process of its own: the hub's client reads its environment when it is imported."""
    program = f"import sys; from videoformer_edu.data.video import ucf101; ucf101.SHA256 = {SUM!r}; " \
              f"sys.exit(ucf101.main([{str(folder)!r}]))"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "HF_HOME": str(folder / "home"), "no_proxy": "*", **environment})


SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.slow
def test_the_real_client_offline(tmp_path):
    done = run(tmp_path, HF_HUB_OFFLINE="1")
    assert done.returncode == 1 and "By hand: open" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_real_client_takes_up_a_connection_that_broke_off(tmp_path):
    asked = []

    class Hub(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.send_response(200)
            for name, value in (("X-Repo-Commit", ucf101.REVISION), ("ETag", f'"{SUM}"'),
                                ("Content-Length", str(len(CONTENT)))):
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self):
            wanted = self.headers.get("Range")
            if not self.path.startswith("/datasets/"):  # what else the client may ask
                self.send_error(404)
                return
            asked.append(self.path)
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
            self.end_headers()
            self.wfile.write(CONTENT[start:] if len(asked) > 1 else CONTENT[:60_000])

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        done = run(tmp_path, HF_HUB_OFFLINE="0", HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert {path.relative_to(tmp_path).as_posix(): path.read_bytes()
            for path in (tmp_path / "UCF101_subset").rglob("*.avi")} == MEMBERS
    assert asked == [f"/datasets/{ucf101.REPOSITORY}/resolve/{ucf101.REVISION}/{ucf101.NAME}"] * 2


# Archives


def written(tmp_path, content, name="some.archive"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("pack", [archive, lambda members: archive(members, "w:gz")], ids=["tar", "tar.gz"])
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
                                     linked("a", "/etc"), device("a")],
                         ids=["tar", "link up", "link to root", "device"])
def test_nothing_is_written_outside(tmp_path, content):
    inner = tmp_path / "one" / "two"
    inner.mkdir(parents=True)
    with pytest.raises(DownloadError, match="wants to write outside its folder.*nothing was unpacked"):
        extract(written(inner, content), inner / "clips")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["some.archive"]
    assert sorted(path.name for path in inner.iterdir()) == ["some.archive"]


END = 512 * (1 + -(-len(MEMBERS[FIRST]) // 512))  # of the first member: nothing in it tells that there should be more


@pytest.mark.parametrize("content", [CONTENT[:40_000], CONTENT[:END], CONTENT[: END + 100],
                                     archive(MEMBERS, "w:gz")[:40_000], b"no archive at all" * 100,
                                     b"PK\x03\x04" + bytes(2000), b""],
                         ids=["cut tar", "cut between two", "cut header", "cut gz", "text", "zip", "empty"])
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
