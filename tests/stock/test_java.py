"""Which Java is taken, and what is said where none suits.

Other systems are imitated by their folders and by what `platform` says of them: they were not run.
"""

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from i3_pyserini import I3Error, doctor
from i3_pyserini.stock import java

APT = "apt install openjdk-21-jre-headless"
PYPI = 'pip install "i3-pyserini[java]"'
RELEASES = {
    "trixie": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n',
    "bookworm": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n',
    "sid": 'PRETTY_NAME="Debian GNU/Linux forky/sid"\nID=debian\n',
    "noble": 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n',
    "mint": "ID=linuxmint\nVERSION_ID=13\nID_LIKE='ubuntu debian'\n",
    "empty": "",
}


def fake_java(home: Path, version: str, modules: str, *, program: str = "java") -> Path:
    """A program that reports the given version, home and modules."""
    file = home / "bin" / program
    file.parent.mkdir(parents=True)
    file.write_text(
        f"#!/bin/sh\ncase $1 in -version) echo 'openjdk version \"{version}\" 2026' >&2;;\n"
        f"-Xshow*) echo '    java.home = {home}' >&2;;\n"
        f"*) echo '{modules}';; esac\n",
        encoding="utf-8",
    )
    file.chmod(0o755)
    return home


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets these runtimes be the only candidates."""

    def only(*candidates: tuple[str, Path]) -> None:
        monkeypatch.setattr(java, "_candidates", lambda: iter(candidates))

    return only


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets this system be a Linux with this /etc/os-release."""

    def release(text: str) -> None:
        file = tmp_path / "os-release"
        file.write_text(text, encoding="utf-8")
        monkeypatch.setattr(platform, "system", lambda: "Linux")
        monkeypatch.setattr(platform, "_os_release_cache", None)
        monkeypatch.setattr(platform, "_os_release_candidates", (str(file),))

    return release


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory; neither the path, JAVA_HOME nor site-packages have a Java."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(java, "find_spec", lambda _: None)
    return tmp_path


def test_java_has_to_be_new_and_have_the_module(tmp_path: Path, only: Callable[..., None]) -> None:
    old = fake_java(tmp_path / "old", "17.0.1", java.MODULE)
    older = fake_java(tmp_path / "older", "1.8.0_1", java.MODULE)
    lacking = fake_java(tmp_path / "bare", "25", "java.base")
    good = fake_java(tmp_path / "good", "21.0.4", f"java.base {java.MODULE}")
    only(("JAVA_HOME", old), ("a", older), ("b", lacking), ("c", tmp_path / "none"))
    found, seen = java.find_java()
    assert found is None
    assert [other.version for other in seen] == [17, 8, 25, None]
    assert java.java_environment() == {}
    finding = doctor.check_java()
    assert f"Java 17 in {old}" in finding.state
    assert f"Java 25 without {java.MODULE} in {lacking}" in finding.state
    assert finding.fix == java.java_advice()
    with pytest.raises(I3Error, match=r"Java 17 in .* Java 8 in"):
        java.set_java()
    only(("JAVA_HOME", old), ("arcadedb-embedded", good))
    assert java.java_environment() == {"JAVA_HOME": str(good)}
    assert f"export JAVA_HOME={good}" in str(doctor.check_java().fix)
    only(("JAVA_HOME", good))
    assert java.java_environment() == {}
    assert doctor.check_java().fix is None


def test_java_home_comes_before_the_path(tmp_path: Path, only: Callable[..., None]) -> None:
    old = fake_java(tmp_path / "old", "17.0.1", java.MODULE)
    good = fake_java(tmp_path / "good", "21.0.4", java.MODULE)
    only((java.PATH, good))
    assert java.java_environment() == {}
    only(("JAVA_HOME", old), (java.PATH, good))  # Pyserini would take the old one
    assert java.java_environment() == {"JAVA_HOME": str(good)}


def test_a_program_that_starts_the_real_one(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_java(bare / "jdk", "21.0.4", java.MODULE)
    shim = fake_java(bare / "shims", "21.0.4", java.MODULE) / "bin" / "java"
    shim.write_text(f'#!/bin/sh\nexec {home}/bin/java "$@"\n', encoding="utf-8")
    monkeypatch.setenv("PATH", str(shim.parent))
    found, _ = java.find_java()
    assert found is not None
    assert found.home == home


@pytest.mark.skipif(platform.system() != "Linux", reason="would find this system's own Java")
@pytest.mark.parametrize(
    ("system", "folder", "program"),
    [
        ("Darwin", "Library/Java/JavaVirtualMachines/temurin-21.jdk/Contents/Home", "java"),
        ("Windows", "Eclipse Adoptium/jre-21.0.4.7-hotspot", "java.exe"),
    ],
)
def test_other_systems(
    system: str, folder: str, program: str, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setenv("PROGRAMFILES", str(bare))
    assert java.find_java()[0] is None
    home = fake_java(bare / folder, "21.0.4", java.MODULE, program=program)
    found, _ = java.find_java()
    assert found is not None
    assert found.home == home
    assert ("set JAVA_HOME=" in str(doctor.check_java().fix)) == (system == "Windows")


@pytest.mark.parametrize(
    ("name", "apt", "words"),
    [
        ("trixie", True, "without root"),
        ("bookworm", False, "Debian 12 has no Java 21"),
        ("sid", False, ""),
        ("noble", True, "not tried on Ubuntu"),
        ("mint", False, ""),
        ("empty", False, ""),
    ],
)
def test_advice_suits_the_system(
    name: str, apt: bool, words: str, release: Callable[[str], None]
) -> None:
    release(RELEASES[name])
    advice = java.java_advice()
    assert (APT in advice) == apt
    assert PYPI in advice
    assert words in advice


def test_advice_without_os_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "_os_release_cache", None)
    monkeypatch.setattr(platform, "_os_release_candidates", ())
    assert java.java_advice() == PYPI


@pytest.mark.parametrize(("machine", "pypi"), [("arm64", True), ("x86_64", False)])
def test_advice_on_macos(machine: str, pypi: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert (PYPI in java.java_advice()) == pypi
