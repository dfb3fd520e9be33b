"""The formats by name: which one per text is in, and reading and writing by name. Pure values; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from layerscope.errors import DataError, PathError, check_text, did_you_mean
from layerscope.paths.formats import evopress, llm_drop, mergekit, rys, sleb, written
from layerscope.paths.formats.format import FoundPath, PathFormat, Source, agreed_layers
from layerscope.paths.path import LayerPath
from layerscope.reading import read_text

FORMATS: dict[str, PathFormat] = {
    one.name: one for one in (written.FORMAT, sleb.FORMAT, evopress.FORMAT, llm_drop.FORMAT, rys.FORMAT, mergekit.FORMAT)
}


def format_named(name: str) -> PathFormat:
    """A format by its name.

    Raises:
        PathError: there is none of that name.
    """
    check_text(name, "A format of paths", FORMATS, PathError)
    if name not in FORMATS:
        raise PathError(f"A format of paths is {', '.join(FORMATS)}; got '{name}'.{did_you_mean(name, FORMATS)}")
    return FORMATS[name]


def recognised_format(text: str, place: str) -> PathFormat:
    """The format of a text, by what it holds.

    Args:
        text: of a file.
        place: where it stands, as the start of a sentence.

    Raises:
        PathError: it looks like none, or like several.
    """
    like = [one for one in FORMATS.values() if one.recognises(text)]
    if len(like) == 1:
        return like[0]
    if like:
        raise PathError(f"{place} may be {' or '.join(one.name for one in like)} by what it holds: say which with --from.")
    raise PathError(f"{place} is in none of the formats {', '.join(FORMATS)} by what it holds: say which it is with --from.")


def read_paths(text: str, place: str, *, form: PathFormat, n_layers: int | None = None) -> tuple[FoundPath, ...]:
    """The paths of a text.

    Args:
        text: of a file.
        place: where it stands, as the start of a sentence.
        form: the format that it is in.
        n_layers: layers of the model, if known; a format that names what is left out needs it or holds it.

    Returns:
        One path or more.

    Raises:
        PathError: it is not in that format, visits layers that the model does not have, or leaves their number open.
    """
    agreed_layers(None, n_layers, place)
    found = form.read(text.removeprefix("\ufeff").replace("\r\n", "\n"), place, n_layers)
    for one in found:
        if one.n_layers is not None:
            one.path.check_fits(one.n_layers)
    return found


def read_path_file(
    file: Path, *, form: PathFormat | None = None, n_layers: int | None = None
) -> tuple[PathFormat, tuple[FoundPath, ...]]:
    """The format of a file, and its paths; otherwise as ``read_paths``.

    Args:
        file: its text is UTF-8.
        form: the format that it is in; None to tell by what it holds.
        n_layers: layers of the model, if known.

    Raises:
        PathError: it cannot be read, or as ``read_paths``.
    """
    try:
        text = read_text(file)
    except DataError as error:
        raise PathError(str(error)) from error
    form = form or recognised_format(text, f"'{file}'")
    return form, read_paths(text, f"'{file}'", form=form, n_layers=n_layers)


def write_path(path: LayerPath, *, form: PathFormat, source: Source) -> str:
    """A path in a format, as the text of a file.

    Args:
        path: any path.
        form: the format.
        source: what is known of the model.

    Raises:
        PathError: the format cannot say such a path, or the model does not have such layers.
    """
    difference = form.difference(path)
    if difference is not None:
        *some, last = [one.name for one in FORMATS.values() if one.difference(path) is None]
        others = f"{', '.join(some)} or {last}" if some else last
        raise PathError(f"{form.says}; '{path}' {difference}: write it as {others}.")
    if source.n_layers is not None:
        path.check_fits(source.n_layers)
    return form.write(path, source)


def write_paths(paths: Sequence[LayerPath], *, form: PathFormat, sources: Sequence[Source]) -> str:
    """Several paths in one text; otherwise as ``write_path``.

    Args:
        paths: one or more.
        form: the format.
        sources: what is known of the model of each.

    Raises:
        PathError: a file of that format holds one path, or as ``write_path``.
    """
    if len(paths) > 1 and not form.holds_several:
        several = " and ".join(one.name for one in FORMATS.values() if one.holds_several)
        raise PathError(
            f"A file of {form.name} holds one path; got {len(paths)}: convert each by itself with --path, or all to {several}."
        )
    return "".join(write_path(path, form=form, source=source) for path, source in zip(paths, sources, strict=True))
