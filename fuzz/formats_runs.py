"""Cases of run directories: one file of a finished run is damaged, and a command reads the run or goes on with it."""

from __future__ import annotations

from pathlib import Path

from fuzz.case import Case, Maker
from fuzz.formats_data import finished_sweep

RUN_FOLDERS = {
    "sweep": "results/removal+exchange/model_texts_nall",
    "gold": "results/removal/model_sentences_nall",
    "contrast": "results/contrast/model_many_nall",
}
"""Where each run lies, as the commands that made them named it."""


def sweep_runs(make: Maker) -> Case:
    """Runs of ``sweep``."""
    if make.chance(0.15):
        return _resumed(make)
    make.copied(RUN_FOLDERS["sweep"], "run")
    _damaged(make, "run", json_files=("manifest.json",))
    commands = {
        "words": (30, Case(("words", "run", "--variant", "removal-1", "--output", "words.csv"), ("words.csv",))),
        "compare": (25, _compared(make)),
        "report": (25, Case(("report", "run", "-o", "page.html"), ("page.html",), _page)),
        "pos": (8, Case(("pos", "run", "--figures", "none"), ("run",), finished_sweep("run"))),
        "export": (8, _exported(make)),
        "figures": (1, Case(("figures", "run", "--format", "svg", "--language", "en"), ("run/figures",))),
    }
    return _one_of(make, commands)


def contrast_runs(make: Maker) -> Case:
    """Runs of ``contrast``."""
    make.copied(RUN_FOLDERS["contrast"], "run")
    _damaged(make, "run", json_files=("manifest.json", "manifest.json", "stability.json", "intervention.json"))
    narrow = ("--k", "3", "--resamples", "3", "--positions", "edit", "--figures", "none")
    few = ("--stable", "2", "--sets", "5", "--max-pairs", "4", "--text-tokens", "20", "--figures", "none")
    commands = {
        "report": (60, Case(("report", "run", "-o", "page.html"), ("page.html",), _page)),
        "stability": (25, Case(("stability", "run", *narrow), ("run",))),
        "intervene": (10, Case(("intervene", "run", *few), ("run",))),
        "figures": (1, Case(("figures", "run", "--format", "svg", "--language", "en"), ("run/figures",))),
    }
    return _one_of(make, commands)


def _one_of(make: Maker, commands: dict[str, tuple[int, Case]]) -> Case:
    weights = [weight for weight, _ in commands.values()]
    return make.rng.choices([case for _, case in commands.values()], weights)[0]


def _damaged(make: Maker, run: str, *, json_files: tuple[str, ...]) -> None:
    """One file, or now and then two."""
    for _ in range(make.chosen(1, 1, 1, 2)):
        parquet = sorted(str(path.relative_to(make.folder)) for path in (make.folder / run).rglob("*.parquet"))
        what = make.rng.random()
        if what < 0.3:
            name = f"{run}/{make.chosen(*json_files)}"
            if _is_whole_json(make.folder / name):
                make.in_json(name)
        elif what < 0.4:
            make.in_bytes(f"{run}/manifest.json", "published.json")
        elif what < 0.93:
            name = make.chosen(*parquet)
            if (make.folder / name).is_file() and (make.folder / name).read_bytes()[-4:] == b"PAR1":
                try:
                    make.in_parquet(name)
                except Exception:  # it was damaged before, in the other turn
                    make.in_bytes(name)
        else:
            make.gone(make.chosen(*parquet, f"{run}/manifest.json", f"{run}/{json_files[-1]}"))


def _is_whole_json(path: Path) -> bool:
    import json

    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError, OSError):
        return False
    return True


def _compared(make: Maker) -> Case:
    make.copied(RUN_FOLDERS["sweep"], "other")
    arguments = ("compare", "run", "other", "--output-dir", "out", "--figures", "none")
    more = (("--anyway",) if make.chance(0.7) else (), ("--axis", make.chosen("layer", "depth")) if make.chance(0.5) else ())
    return Case((*arguments, *more[0], *more[1], "--unit", make.chosen("nats", "bits")), ("out",))


def _exported(make: Maker) -> Case:
    model = str(make.seeds / "model")
    return Case(("export", "--model", model, "--run", "run", "--drop", "1", "--output-dir", "out"), ("out",), _checkpoint)


def _resumed(make: Maker) -> Case:
    """A run that was killed before its end, and whose files are damaged, is given its command again."""
    run = RUN_FOLDERS["sweep"]
    make.copied(run, run)
    manifest = make.folder / run / "manifest.json"
    if make.chance(0.7):
        manifest.write_text(
            manifest.read_text(encoding="utf-8").replace('"status": "finished"', '"status": "running"'), "utf-8"
        )
    _damaged(make, run, json_files=("manifest.json",))
    asked = ("--model", str(make.seeds / "model"), "--dataset", str(make.seeds / "texts.jsonl"), "--max-samples", "all")
    again = ("sweep", *asked, "--output-dir", "results", "--figures", "none")
    return Case((*again, "--force") if make.chance(0.2) else again, ("results",), finished_sweep("results"))


def _page(folder: Path) -> None:
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>"), "the page has no end"


def _checkpoint(folder: Path) -> None:
    from safetensors import safe_open

    for path in (folder / "out").glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            assert list(file.keys())
    assert (folder / "out" / "config.json").is_file()
