"""What every command and group is made of: help that is whole, an example, hints for slips, and ``--config``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from layerscope.cli.config_file import read_config, words_of
from layerscope.cli.console import consoles
from layerscope.cli.saying import saying
from layerscope.errors import DataError
from layerscope.reading import local_path


class Command(TyperCommand):
    """A command that takes options from a file, too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does, after the words of ``--config`` were put before those of the line."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        given, extra, _ = self.make_parser(ctx).parse_args(list(args))
        file = given.get("config")
        if "help" in given or (file is None and not extra):
            return super().parse_args(ctx, args)
        if extra:
            self._refuse(ctx, list(args), extra)
        return self._with_config(ctx, args, given, local_path(str(file)))

    def _with_config(self, ctx: Any, args: list[str], given: Mapping[str, Any], file: Path) -> list[str]:
        values = read_config(
            file, command=_words(ctx), parameters={written(one): one for one in self.params if one.name != "config"}
        )
        taken = {key: value for key, value in values.items() if given.get(value.parameter.name) in (None, (), [])}
        options, positional = words_of(taken, file)
        end = [] if "--" in args or not positional else ["--"]
        try:
            return super().parse_args(ctx, [*options, *args, *end, *positional])
        except Exception as error:  # typer's own, whose classes are private
            parameter = getattr(error, "param", None)
            if any(value.parameter is parameter for value in taken.values()):
                error.message = f"{error.message} (in '{file}')"  # type: ignore[attr-defined]
            raise

    def _refuse(self, ctx: Any, args: list[str], extra: list[str]) -> None:
        """Words that no argument takes: most often they were meant for the option before them."""
        place = args.index(extra[0])
        before = next((word for word in reversed(args[:place]) if word.startswith("--")), None)
        option = next((one for one in self.params if before in getattr(one, "opts", ())), None)
        values = args[args.index(before) + 1 : place] if before is not None else []
        if option is not None and len(values) and all(one in extra for one in values[1:]):
            if is_joined(option):
                joined = ",".join(value.strip(",") for value in (*values, *extra))
                raise DataError(f"{before} takes comma-separated names without spaces: write {before} {joined}.")
            if option.multiple:
                raise DataError(
                    f"{before} takes one value and can be given several times: write "
                    f"{' '.join(f'{before} {value}' for value in (*values, *extra))}."
                )
        raise DataError(
            f"'{ctx.command_path}' does not accept '{' '.join(extra)}': put the value of one option in quotes, or see "
            f"{ctx.command_path} --help."
        )

    def invoke(self, ctx: Any) -> Any:
        """As typer does, in the form that was asked for."""
        _, quiet, as_json = (ctx.params.pop(name) for name in ("config", "quiet", "json_"))
        if quiet and as_json:
            raise DataError("--json and --quiet cannot be combined: leave one of them out.")
        with saying(_words(ctx), "json" if as_json else "quiet" if quiet else "text"):
            consoles()  # the package's notes go where this command's do, from the first on
            return super().invoke(ctx)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's form
        """The example on a line of its own, never wrapped, so that it can be copied."""
        if self.epilog:
            formatter.write(f"\nExample:\n  {self.epilog}\n")


class Group(TyperGroup):
    """Commands by what they are for, with their whole summaries."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does; without anything, help is what was asked for."""
        if not args and not ctx.resilient_parsing:
            print(ctx.get_help())
            raise typer.Exit
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """A section for each panel, in the order in which commands were added."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            summary = (command.help or "").strip().split("\n\n")[0].replace("\n", " ")
            panels.setdefault(command.rich_help_panel or "Commands", []).append((name, summary))
        width = max(len(name) for rows in panels.values() for name, _ in rows)
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl([(name.ljust(width), summary) for name, summary in rows])


def _words(ctx: Any) -> str:
    """The command in its words, such as ``pairs make``."""
    return str(ctx.command_path.partition(" ")[2])


def written(parameter: Any) -> str:
    """A parameter's name in a file: as on the line, without the dashes; of an argument, its name."""
    if parameter.param_type_name == "argument":
        return str(parameter.name).strip("_")
    return str(max(parameter.opts, key=len)).lstrip("-")


def is_joined(parameter: Any) -> bool:
    """Whether an option takes several comma-separated names, as its help says."""
    return "comma-separated" in (parameter.help or "").lower()
