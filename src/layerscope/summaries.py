"""What a run found, in five sentences at most: printed by the commands, kept beside the tables, the first thing on the page."""

from __future__ import annotations

from pathlib import Path

from layerscope.finding import FILES, Finding, in_lines
from layerscope.results.directory import RunDirectory
from layerscope.runs import open_run


def summarise(path: Path) -> tuple[Finding, ...]:
    """The findings of a finished run, as far as its tables go: analysis that was added later is in them.

    Args:
        path: the run directory.

    Returns:
        Five at most, the most important first.

    Raises:
        RunError: there is not a finished run, or one of its files is damaged.

    Examples:
        >>> findings = ls.summarise(Path("results/removal/my_model_texts_nall"))
        >>> len(findings) <= 5, findings[0].where["family"]
        (True, 'removal')
    """
    return open_run(path).findings()


def write_summary(path: Path) -> tuple[Finding, ...]:
    """Write ``summary_en.md`` and ``summary_ja.md`` into a run directory, from the tables that it has now.

    Args:
        path: the run directory.

    Returns:
        What they say.

    Raises:
        RunError: there is not a finished run, or another process writes to it.

    Examples:
        >>> len(ls.write_summary(Path("results/contrast/my_model_pairs_nall"))) <= 5
        True
        >>> Path("results/contrast/my_model_pairs_nall/summary_en.md").read_text(encoding="utf-8")[:2]
        '- '
    """
    found, directory = summarise(path), RunDirectory(path)
    with directory.alone():
        for language, name in FILES.items():
            directory.write_text(name, in_lines(found, language))
    return found
