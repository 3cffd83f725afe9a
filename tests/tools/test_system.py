"""The browser is found, or installed, or it is said in one sentence what to do; never passed over."""

import os

import pytest

from tools import system
from tools.system import Missing


class Machine:
    """A machine of which only the programs in its folder exist; each writes down how it was called."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.patch = folder, monkeypatch
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.delenv("CHROMIUM", raising=False)
        monkeypatch.setattr(system, "BROWSERS", ("chromium", "google-chrome"))

    def has(self, name: str, then: str = "") -> str:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> {self.folder}/calls\n{then}\n')
        path.chmod(0o755)
        return str(path)

    def user(self, number: int, terminal: bool = False) -> None:
        self.patch.setattr(os, "geteuid", lambda: number)
        self.patch.setattr(system.sys.stdin, "isatty", lambda: terminal, raising=False)

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def brings_chromium(machine: Machine) -> str:
    """What an installation does at its end."""
    path = f"{machine.folder}/chromium"
    return f'case "$*" in *chromium*) echo "#!/bin/sh" > {path}; /bin/chmod +x {path};; esac'


def test_the_first_browser_that_runs_is_taken(machine, monkeypatch):
    assert system.chromium() is None
    chrome = machine.has("google-chrome")
    assert system.chromium() == chrome
    machine.has("chromium", "exit 1")  # a script that says how to install the browser
    assert system.chromium() == chrome
    own = machine.has("my-own")
    monkeypatch.setenv("CHROMIUM", own)
    assert system.chromium() == own
    monkeypatch.setenv("CHROMIUM", "/nowhere")
    assert system.chromium() is None, "who names a browser wants that one"


def test_with_a_browser_nothing_is_installed(machine):
    machine.has("chromium")
    machine.has("apt-get")
    system.need_browser()
    assert machine.calls() == ["chromium --version"]


def test_root_installs_browser_and_fonts(machine):
    machine.has("env", 'shift; exec /bin/sh -c \'"$@"\' sh "$@"')
    machine.has("apt-get", brings_chromium(machine))
    machine.user(0)
    system.need_browser()
    assert [call for call in machine.calls() if call.startswith("apt-get")] == [
        "apt-get update -q",
        "apt-get install -q -y --no-install-recommends chromium fonts-dejavu fonts-noto-color-emoji "
        "libatomic1"]


@pytest.mark.parametrize(("terminal", "rights", "asked"), [
    (True, False, "sudo dnf install -y chromium dejavu-sans-fonts google-noto-color-emoji-fonts libatomic"),
    (False, True, "sudo -n dnf install -y chromium dejavu-sans-fonts google-noto-color-emoji-fonts libatomic"),
])
def test_others_ask_for_the_rights(machine, terminal, rights, asked):
    machine.has("dnf", brings_chromium(machine))
    machine.has("sudo", f'[ "$2" != true ] || exit {int(not rights)}\n[ "$1" != -n ] || shift\nexec "$@"')
    machine.user(1000, terminal)
    system.need_browser()
    assert asked in machine.calls()


def test_without_rights_it_fails_in_one_sentence_and_names_the_packages(machine):
    machine.has("apt-get")
    machine.has("sudo", "exit 1")
    machine.user(1000)
    with pytest.raises(Missing, match="need Chromium.*You may not install packages here.*apt-get install .* chromium"):
        system.need_browser()
    assert machine.calls() == ["sudo -n true"]


def test_without_a_package_manager_that_we_know_it_fails(machine, capsys):
    assert system.main(["browser"]) == 1
    assert capsys.readouterr().err == system.NO_BROWSER + "\n"


@pytest.mark.parametrize(("then", "words"), [("exit 100", "apt-get did not install chromium"), ("", "none that runs")])
def test_an_installation_that_brings_no_browser_fails(machine, then, words):
    machine.has("env", 'shift; exec "$@"')
    machine.has("apt-get", then)
    machine.user(0)
    with pytest.raises(Missing, match=words):
        system.need_browser()


def test_a_browser_that_was_named_wrongly_is_not_replaced(machine, monkeypatch):
    machine.has("apt-get")
    monkeypatch.setenv("CHROMIUM", "/nowhere")
    with pytest.raises(Missing, match="set CHROMIUM"):
        system.need_browser()
    assert machine.calls() == []
