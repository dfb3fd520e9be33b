"""``layerscope config``: the options of a run as a file for ``--config``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from layerscope.cli.console import consoles, say_output
from layerscope.cli.saying import write_out


def config(
    run: Annotated[Path, typer.Argument(help="Run directory of 'layerscope sweep', 'search', 'contrast' or 'evaluate'.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write (default: standard output).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write the options of a run to a YAML file, with which --config repeats the run."""
    from layerscope.atomic import whole_file
    from layerscope.cli.config_of import options_of
    from layerscope.errors import RunError

    command, options = options_of(run)
    text = yaml_text(command, options)
    if output is None:
        write_out(text)
        return
    if output.exists() and not force:
        raise RunError(f"'{output}' already exists: name another --output, or use --force to replace it.")
    with whole_file(output) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    _, out = consoles()
    say_output(out, f"For layerscope {command} --config", output)


def yaml_text(command: str, options: dict[str, Any]) -> str:
    """The file: which command it is for, and its options by name.

    Examples:
        >>> print(yaml_text("sweep", {"model": "smollm2-135m", "max-samples": 8}), end="")
        command: sweep
        model: smollm2-135m
        max-samples: 8
    """
    import yaml

    return str(yaml.safe_dump({"command": command, **options}, sort_keys=False, allow_unicode=True, width=10_000))
