"""The commands, as click knows them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from flask_melody_mfa.cli import mfa_group
from tests.documentation.words import table

OPENING = """\
# Commands

`flask mfa …` is there as soon as the package is installed. USER is a user's key or login. What
destroys asks first; `--yes` does not. `--json` prints for a program.

"""


def all_of(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, with the words that call it."""
    for name, command in sorted(group.commands.items()):
        words = f"{path} {name}"
        if isinstance(command, click.Group):
            yield from all_of(command, words)
        else:
            yield words, command


def usage(words: str, command: click.Command) -> str:
    """A command with its arguments."""
    names = [
        parameter.make_metavar(click.Context(command))
        for parameter in command.params
        if isinstance(parameter, click.Argument)
    ]
    return " ".join((words, *names))


def options(command: click.Command) -> str:
    """A command's options, each with its help."""
    rows = []
    for option in command.params:
        if not isinstance(option, click.Option):
            continue
        names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
        choice = option.type
        values = (
            f" ({', '.join(map(str, choice.choices))})" if isinstance(choice, click.Choice) else ""
        )
        rows.append((names, (option.help or "") + values))
    return "\n" + table(("option", ""), rows) if rows else ""


def page() -> str:
    """docs/commands.md"""
    parts = [OPENING]
    for words, command in all_of(mfa_group, "flask mfa"):
        text = " ".join((command.help or "").split())
        parts.append(f"## `{usage(words, command)}`\n\n{text}\n{options(command)}\n")
    return "".join(parts).rstrip() + "\n"
