"""The wheel alone: built, put into an empty environment with the pinned versions, and given one command of each kind.

Nothing of the source tree is on the path there, so what the wheel or the dependencies that it declares lack shows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BUILT_FROM = ("src", "pyproject.toml", "README.md", "LICENSE")
_TABLE = "good,bad\nIt is late now.,It was late now.\nShe is here.,She was here.\n"
_TEXTS = "The cat sat on the mat.\nShe is good at math, he said.\nIt rained all day in the small town.\n"

SWEEP, SMALLER = "results/removal/model_texts_nall", "results/removal/smaller_texts_nall"
CONTRAST = "results/contrast/model_letters_nall"
COMMANDS: tuple[tuple[str, str], ...] = (
    ("--version", ""),
    ("models", ""),
    ("datasets", ""),
    ("sweep --model ./model --dataset texts.txt --experiment removal --max-samples all", f"{SWEEP}/figures/removal_en.png"),
    ("pos {sweep}", f"{SWEEP}/pos.parquet"),
    ("words {sweep} --variant removal-1 --output words.csv", "words.csv"),
    ("figures {sweep} --language ja --format svg", f"{SWEEP}/figures/removal_ja.svg"),
    ("export --model ./model --run {sweep} --drop 1 --output-dir smaller", "smaller/mergekit.yaml"),
    ("paths convert smaller/mergekit.yaml --to evopress --model ./model -o dropped.txt", "dropped.txt"),
    ("sweep --model ./smaller --dataset texts.txt --experiment removal --max-samples all --figures none", SMALLER),
    ("compare {sweep} {smaller} --output-dir compared", "compared"),
    ("pairs make --per-type 2 --subtypes tense,subject -o made.jsonl", "made.jsonl"),
    ("pairs import table table.csv --column sentence1=good --column sentence2=bad --set type=grammar --set subtype=tense "
     "-o imported.jsonl", "imported.jsonl"),
    ("pairs check letters.jsonl --tokenizer ./model -o checked.jsonl", "checked.jsonl"),
    ("pairs judge imported.jsonl --model ./model -o judged.jsonl", "judged.jsonl"),
    ("pairs export made.jsonl -o published.json", "published.json"),
    ("contrast --model ./model --pairs letters.jsonl --sites resid_post --positions edit,last --reference-dataset lines.txt "
     "--reference-tokens 100", f"{CONTRAST}/manifest.json"),
    ("stability {contrast} --k 5 --resamples 19 --language ja", f"{CONTRAST}/stability_ja.md"),
    ("intervene {contrast} --stable 2 --sets 9 --max-pairs 4 --text-tokens 20", f"{CONTRAST}/intervention.json"),
    ("report {sweep} {smaller} {contrast} --language ja --output page.html", "page.html"),
)  # fmt: skip
"""A command line, and what it leaves in the folder."""


def main() -> int:
    """Build, look into the wheel, install it, run the commands; 1 where one of them does not do what it should."""
    parser = argparse.ArgumentParser(prog="python -m scripts.wheel_check", description=__doc__)
    parser.add_argument("--keep", type=Path, help="a new folder for the environment and what the commands leave")
    kept = parser.parse_args().keep
    with tempfile.TemporaryDirectory(prefix="layerscope-wheel-") as temporary:
        room = Path(temporary) if kept is None else kept.resolve()
        room.mkdir(parents=True, exist_ok=True)
        wheel = _timed("built", build_wheel, room)
        missing = missing_from(wheel)
        if missing:
            print(f"Not in the wheel: {', '.join(missing)}")
            return 1
        scripts = _timed("installed", install, wheel, room / "environment")
        return 0 if run_commands(scripts / "layerscope", room / "work") else 1


def build_wheel(room: Path) -> Path:
    """The wheel of a copy of the source tree, in which no earlier build has left anything."""
    copy = room / "source"
    copy.mkdir()
    for name in _BUILT_FROM:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copyfile(source, copy / name)
    _run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(room / "wheel"), str(copy)], room)
    (wheel,) = (room / "wheel").glob("layerscope-*.whl")
    return wheel


def missing_from(wheel: Path) -> list[str]:
    """Files of the package that are not in its wheel, be they code, words, fonts or pages."""
    source = ROOT / "src"
    wanted = [
        path for path in source.rglob("*") if path.is_file() and not {"__pycache__", "layerscope.egg-info"} & {*path.parts}
    ]
    with zipfile.ZipFile(wheel) as archive:
        there = set(archive.namelist())
    return sorted(name for path in wanted if (name := path.relative_to(source).as_posix()) not in there)


def install(wheel: Path, environment: Path) -> Path:
    """The wheel and what it asks for, in the versions of requirements.txt; gives the folder of its commands."""
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    constraints = ROOT / "requirements.txt"
    _run([str(python), "-m", "pip", "install", "--quiet", "--no-compile", "-c", str(constraints), str(wheel)], environment)
    _run([str(python), "-m", "pip", "check"], environment)
    return environment / "bin"


def run_commands(command: Path, folder: Path) -> bool:
    """Each command from an otherwise empty folder; False where one fails or leaves nothing."""
    folder.mkdir()
    _write_inputs(folder)
    places = {"sweep": SWEEP, "smaller": SMALLER, "contrast": CONTRAST}
    succeeded = True
    for line, left in COMMANDS:
        started = time.perf_counter()
        done = subprocess.run(
            [str(command), *line.format(**places).split()],
            cwd=folder, env=clean_environment(folder), capture_output=True, text=True, check=False,
        )  # fmt: skip
        holds = done.returncode == 0 and (folder / left).exists()
        print(
            f"{'' if holds else 'FAILED '}layerscope {line.format(**places)} ({time.perf_counter() - started:.0f} s)",
            flush=True,
        )
        if not holds:
            print(f"ended with {done.returncode}; '{left}' is {'' if (folder / left).exists() else 'not '}there\n{done.stderr}")
        succeeded &= holds
    return succeeded


def clean_environment(folder: Path) -> dict[str, str]:
    """Without the source tree, and with caches of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {**kept, "HF_HUB_OFFLINE": "1", "LAYERSCOPE_CACHE": str(folder / "cache"), "LC_ALL": "C.UTF-8", "COLUMNS": "120"}


def _write_inputs(folder: Path) -> None:
    from layerscope.pairs.format import write_pairs
    from tests.checkpoints import save_tiny_llama
    from tests.letter_pairs import pairs_of_names

    save_tiny_llama(folder / "model")
    write_pairs(pairs_of_names(), folder / "letters.jsonl")
    (folder / "texts.txt").write_text(_TEXTS, encoding="utf-8")
    (folder / "lines.txt").write_text("".join(f"Line {n} tells of {n + 2} dogs.\n" for n in range(12)), encoding="utf-8")
    (folder / "table.csv").write_text(_TABLE, encoding="utf-8")


def _timed(what: str, step: Callable[..., Path], *arguments: Path) -> Path:
    started = time.perf_counter()
    result = step(*arguments)
    print(f"{what}: {result} ({time.perf_counter() - started:.0f} s)", flush=True)
    return result


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, env=clean_environment(folder), check=True)


if __name__ == "__main__":
    sys.exit(main())
