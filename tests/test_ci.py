"""What continuous integration adds to the tests: a browser where one can be installed, and a wheel that holds everything."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.wheel_check import ROOT, clean_environment, missing_from
from tests.conftest import pytest_terminal_summary

INSTALLER = ROOT / "scripts" / "install_chromium.sh"
RECORDS = 'echo "$0 $*" >> "$STUBS/calls"\n'


def installed(stubs: Path, *, user: int, **programs: str) -> tuple[str, str]:
    """Run the installer where only these programs are; gives what it said and the calls of apt-get."""
    stubs.mkdir()
    for name, body in {"id": f"echo {user}\n", "true": "", "env": 'shift\nexec "$@"\n', **programs}.items():
        (stubs / name).write_text(f"#!/bin/sh\n{body}", encoding="utf-8")
        (stubs / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(INSTALLER)],
        env={"PATH": str(stubs), "STUBS": str(stubs)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    calls = stubs / "calls"
    return done.stdout, calls.read_text(encoding="utf-8") if calls.exists() else ""


def test_a_browser_that_is_there_is_taken(tmp_path: Path) -> None:
    assert installed(tmp_path / "a", user=0, chromium="echo 1\n", **{"apt-get": RECORDS}) == ("", "")


def test_a_browser_is_installed_with_new_lists_where_there_are_none(tmp_path: Path) -> None:
    made = 'printf "#!/bin/sh\\n" > "$STUBS/chromium"; /bin/chmod 755 "$STUBS/chromium"\n'
    needs_lists = f'{RECORDS}case "$*" in *update) : > "$STUBS/lists";; *) [ -e "$STUBS/lists" ] || exit 100; {made};; esac\n'
    said, calls = installed(tmp_path / "a", user=0, **{"apt-get": needs_lists})
    assert said.strip() == "Installing Chromium …"
    assert [line.split()[-1] for line in calls.splitlines()] == ["fonts-noto-cjk", "update", "fonts-noto-cjk"]


def test_without_root_it_asks_for_no_password(tmp_path: Path) -> None:
    refuses = {"apt-get": RECORDS, "sudo": '[ "$1" = -n ] || exit 3\nexit 1\n'}
    said, calls = installed(tmp_path / "a", user=1000, **refuses)
    assert "needs root or sudo without a password. The tests of the page in a browser will be skipped." in said
    assert calls == ""
    said, calls = installed(tmp_path / "b", user=1000, **{"apt-get": RECORDS, "sudo": 'shift\nexec "$@"\n'})
    assert "the package that apt-get installed does not start" in said
    assert "install --yes" in calls


@pytest.mark.parametrize(
    ("programs", "why"), [({}, "no apt-get to install one with"), ({"apt-get": "exit 100\n"}, "apt-get could not")]
)
def test_where_none_can_be_installed_it_says_so_and_ends_well(tmp_path: Path, programs: dict[str, str], why: str) -> None:
    assert why in installed(tmp_path / "a", user=0, **programs)[0]


@pytest.mark.parametrize(
    ("outcomes", "line"),
    [
        (["passed", "passed"], "browser tests: 2 ran, 0 failed"),
        (["passed", "failed", "skipped"], "browser tests: 2 ran, 1 failed"),
        (["skipped", "skipped"], "browser tests: none ran, 2 were skipped: no Chromium"),
        ([], None),
    ],
)
def test_the_summary_says_whether_the_page_was_tested(outcomes: list[str], line: str | None) -> None:
    other = SimpleNamespace(keywords={"real": 1}, longrepr=("f", 1, "Skipped: another reason"))
    stats: dict[str, list[SimpleNamespace]] = {"passed": [other], "skipped": [other]}
    for outcome in outcomes:
        report = SimpleNamespace(keywords={"browser": 1}, longrepr=("file", 1, "Skipped: no Chromium"))
        stats.setdefault(outcome, []).append(report)
    written: list[str] = []
    pytest_terminal_summary(SimpleNamespace(stats=stats, write_line=lambda text, **_: written.append(text)))
    assert written == ([] if line is None else [line])


def test_a_file_that_the_wheel_lacks_is_named(tmp_path: Path) -> None:
    wheel = tmp_path / "layerscope-1-py3-none-any.whl"
    source = ROOT / "src"
    files = [
        path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts and "egg-info" not in str(path)
    ]
    lacking = ["layerscope/py.typed", "layerscope/report/assets/words.json"]
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in files:
            if path.relative_to(source).as_posix() not in lacking:
                archive.write(path, path.relative_to(source).as_posix())
    assert missing_from(wheel) == lacking


def test_nothing_of_the_source_tree_is_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "src")
    monkeypatch.setenv("VIRTUAL_ENV", "somewhere")
    environment = clean_environment(tmp_path)
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & environment.keys()
    assert environment["PATH"] == os.environ["PATH"]
