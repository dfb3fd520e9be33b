"""The notebooks as pages: their text and code, read from the jupytext sources that the tests execute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_CELL = "# %%"


def on_files(files: Files, *, config: Any) -> Files:
    """Add one page a notebook."""
    for source in sorted((Path(config["docs_dir"]) / "notebooks").glob("*.py")):
        page = File.generated(
            config, f"notebooks/{source.stem}.md", content=as_page(source.name, source.read_text(encoding="utf-8"))
        )
        files.append(page)
    return files


def as_page(name: str, source: str) -> str:
    """Markdown cells as they are, code cells as fences; above them how to run it."""
    _, *cells = source.split(f"\n{_CELL}")
    parts = []
    for cell in cells:
        head, _, body = cell.partition("\n")
        if "[markdown]" in head:
            parts.append("\n".join(line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines()))
        elif body.strip():
            parts.append(f"```python\n{body.strip()}\n```")
    title, *rest = parts[0].splitlines()
    how = (
        f"*The source is `docs/notebooks/{name}`. `make notebooks` runs it and leaves `{name.removesuffix('.py')}.ipynb` "
        "beside it, with numbers and figures (environment variables in the first cell make it smaller); Jupyter with jupytext "
        "opens the source itself.*"
    )
    return "\n\n".join([title, how, "\n".join(rest).strip(), *parts[1:]])
