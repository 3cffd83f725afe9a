"""Zips that somebody else has packed, and folders with what lies in folders."""

import io
import os
import stat
import struct
import zipfile

import pytest

from videoformer_edu.classroom import archive
from videoformer_edu.classroom.archive import Refused, members, read_member
from videoformer_edu.classroom.handed_in import HandedIn, find


def packed(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files:
            out.writestr(name, data)
    return path


def info(name, mode=stat.S_IFREG | 0o644):
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    made.compress_type = zipfile.ZIP_DEFLATED
    return made


REFUSED = {
    "slip": ("../../etc/evil.ipynb", b"x", "leads out"),
    "slip with backslashes": ("a\\..\\..\\evil.ipynb", b"x", "leads out"),
    "absolute": ("/etc/evil.ipynb", b"x", "absolute"),
    "a drive": ("C:\\evil.ipynb", b"x", "absolute"),
    "link": (info("link.ipynb", stat.S_IFLNK | 0o777), b"/etc/passwd", "link"),
    "pipe": (info("pipe.ipynb", stat.S_IFIFO | 0o644), b"", "link or a device"),
    "bomb": ("bomb.ipynb", bytes(40 * 2**20), "300 times"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_bad_file_is_refused_and_the_others_are_read(what, tmp_path):
    name, data, why = REFUSED[what]
    path = packed(tmp_path / "class.zip", [("a_1_assignsubmission_file/x.ipynb", b"{}"), (name, data)])
    good, bad = members(path)
    assert read_member(path, good) == b"{}"
    assert why in bad.refused
    with pytest.raises(Refused, match=why):
        read_member(path, bad)


@pytest.mark.parametrize("second", ["Work.ipynb", "WORK.IPYNB", "ｗork.ipynb", "wo\u200brk.ipynb", "work.ipynb"])
def test_a_second_file_of_the_same_name_is_refused(second, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *given, **more: None)  # zipfile tells of the same name twice
        path = packed(tmp_path / "class.zip", [("work.ipynb", b"first"), (second, b"second")])
    first, other = members(path)
    assert read_member(path, first) == b"first"
    assert "capitals or look-alike letters" in other.refused


def test_names_are_cleaned_of_what_turns_the_text_around(tmp_path):
    path = packed(tmp_path / "class.zip", [("a\u202eypni.ipynb", b"x"), ("b\x1b[31m.py", b"x"), ("e\u0301.py", b"x")])
    assert [member.name for member in members(path)] == ["aypni.ipynb", "b[31m.py", "\u00e9.py"]


def test_sizes_that_lie_are_found(tmp_path):
    """The list says that a file has 10 bytes; there are 10,000. Its length is changed where the archive keeps it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.ipynb", b"0123456789" * 1000)
    data = out.getvalue().replace(struct.pack("<L", 10_000), struct.pack("<L", 10))
    (path := tmp_path / "class.zip").write_bytes(data)
    (member,) = members(path)
    assert member.size == 10
    with pytest.raises(Refused):
        read_member(path, member)


def test_damaged_and_locked_files_are_refused(tmp_path):
    path = packed(tmp_path / "class.zip", [("x.ipynb", os.urandom(5000))])
    data = bytearray(path.read_bytes())
    data[2000] ^= 255
    path.write_bytes(data)
    (member,) = members(path)
    with pytest.raises(Refused, match="damaged"):
        read_member(path, member)
    data[2000] ^= 255
    at = data.index(b"PK\x01\x02") + 8
    data[at] |= 1
    path.write_bytes(data)
    (member,) = members(path)
    assert "password" in member.refused


def test_too_many_files_and_too_many_bytes(tmp_path, monkeypatch):
    path = packed(tmp_path / "class.zip", [(f"{i}.py", b"x" * 50) for i in range(9)])
    monkeypatch.setattr(archive, "FILES", 8)
    with pytest.raises(Refused, match="9 files"):
        list(members(path))
    monkeypatch.undo()
    monkeypatch.setattr(archive, "ALL_BYTES", 400)
    with pytest.raises(Refused, match="would unpack"):
        list(members(path))


def test_no_archive_at_all(tmp_path):
    (tmp_path / "class.zip").write_bytes(b"PK no")
    found, passed = find([tmp_path])
    assert found == [] and "cannot be opened" in passed[0].why


def test_a_folder_with_links_pipes_and_strange_files(tmp_path):
    (tmp_path / "inner" / ".ipynb_checkpoints").mkdir(parents=True)
    (tmp_path / "inner" / ".ipynb_checkpoints" / "old.ipynb").write_text("{}")
    (tmp_path / "inner" / "work.ipynb").write_text("{}")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "secret")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.ipynb")
    with open(tmp_path / "sparse.ipynb", "wb") as file:
        file.truncate(archive.FILE_BYTES + 1)
    found, passed = find([tmp_path])
    assert [(one.path, one.refused[:16]) for one in found] == [("inner/work.ipynb", ""),
                                                               ("sparse.ipynb", "is larger than 1")]
    assert {one.origin.rpartition("/")[2] for one in passed} == {"secret", "link.ipynb", "pipe.ipynb"}


def test_a_file_that_becomes_a_link_is_not_followed(tmp_path):
    path = tmp_path / "work.ipynb"
    path.write_text("{}")
    (one,), _ = find([path])
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(Refused, match="cannot be read"):
        one.read()


def test_a_zip_of_one_student_keeps_the_name_of_its_folder(tmp_path):
    (tmp_path / "x_7_assignsubmission_file").mkdir()
    packed(tmp_path / "x_7_assignsubmission_file" / "mine.zip", [("work.py", b"1"), ("__MACOSX/._work.py", b"1")])
    (one,), passed = find([tmp_path])
    assert isinstance(one, HandedIn) and one.path == "x_7_assignsubmission_file/work.py" and one.read() == b"1"
    assert passed == []
