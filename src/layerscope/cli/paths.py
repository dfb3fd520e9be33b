"""``layerscope paths``: layer paths between the formats of several tools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerscope.cli.command import Command, Group
from layerscope.cli.console import consoles, say, say_output
from layerscope.cli.options import checked
from layerscope.cli.saying import write_out
from layerscope.errors import PathError

if TYPE_CHECKING:
    from layerscope.paths.formats.format import Source

paths = typer.Typer(help="Layer paths: convert between tools.", cls=Group, rich_markup_mode=None)


@paths.command(cls=Command, epilog="layerscope paths convert --path 0-9,12-29 --to mergekit --model smollm2-135m")
@checked
def convert(
    to: Annotated[str, typer.Option(help="layerscope, sleb, evopress, llm-drop, rys or mergekit.")],
    file: Annotated[Path | None, typer.Argument(help="File with a path, in any of these formats.")] = None,
    path: Annotated[
        str | None, typer.Option(help="Instead of a file: a path in layerscope's own form, such as 0-9,12-29.")
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Format of the file (default: recognised from its content).")
    ] = None,
    layers: Annotated[int | None, typer.Option(help="Number of layers of the model, if the file does not say.")] = None,
    model: Annotated[str | None, typer.Option(help="Instead of --layers: the model; only its configuration is read.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a model on the Hub.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write (default: standard output).")] = None,
) -> None:
    """Convert a path to the format of another tool, or refuse and say what that format cannot express."""
    from layerscope.atomic import whole_file
    from layerscope.paths.formats.format import FoundPath, Source, agreed_layers
    from layerscope.paths.formats.registry import FORMATS, format_named, read_path_file, write_paths
    from layerscope.paths.path import LayerPath

    if (file is None) == (path is None):
        raise PathError("A conversion takes either a file or --path; got both or neither.")
    if path is not None and from_ is not None:
        raise PathError(
            f"--from is the format of a file, and --path is in layerscope's own form; got --from {from_}: leave it out."
        )
    if layers is not None and model is not None:
        raise PathError(f"The number of layers comes from --layers or from --model; got both, {layers} and '{model}'.")
    if revision is not None and model is None:
        raise PathError(f"--revision belongs to --model; got --revision {revision} and no model: add --model.")
    target, given = format_named(to), None if from_ is None else format_named(from_)
    agreed_layers(None, layers, "--layers")
    written = None if path is None else LayerPath.parse(path)
    source = Source(n_layers=layers) if model is None else _source_of(model, revision)
    if file is not None:
        form, found = read_path_file(file, form=given, n_layers=source.n_layers)
    else:
        assert written is not None, "one of both was given"
        form, found = FORMATS["layerscope"], (FoundPath(written, source.n_layers),)
    sources = [replace(source, n_layers=one.n_layers) for one in found]
    text = write_paths([one.path for one in found], form=target, sources=sources)
    if output is None:
        write_out(text)
        return
    with whole_file(output) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    _, out = consoles()
    for one in found:
        of = "" if one.n_layers is None else f" of {one.n_layers} layers"
        say(out, f"{one.path}{of}, from {form.name} to {target.name}")
    say_output(out, "Written", output)


def _source_of(name: str, revision: str | None) -> Source:
    """What a model's configuration tells; no weights are loaded."""
    from layerscope.models.loading import LoadOptions, load_config
    from layerscope.models.quiet import quieten_transformers
    from layerscope.models.skeleton import count_layers
    from layerscope.models.sources import resolve_model
    from layerscope.paths.formats.format import Source

    quieten_transformers()
    errors, _ = consoles()
    with errors.status("Reading the model's configuration …"):
        config = load_config(resolve_model(name, revision), LoadOptions(device="cpu"))
        dtype = getattr(config.get_text_config(decoder=True), "dtype", None) or getattr(config, "dtype", None)
        return Source(count_layers(config), name, None if dtype is None else str(dtype).removeprefix("torch."))
