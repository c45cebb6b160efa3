"""`flask mfa db …`: our tables, through the host's migrations or without them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from flask_melody_mfa.store import schema
from flask_melody_mfa.web.state import state

THROUGH = re.compile(r"schema\.upgrade_in_migration\(op, through=(\d+)(?:, since=\d+)?\)")


@click.group("db")
def db_group() -> None:
    """The tables of MFA in the app's database."""


def script_directory(directory: str | None) -> Any:
    """The host's Alembic history. Raises `ClickException` where it has none."""
    migrate = current_app.extensions.get("migrate")
    if migrate is None:
        raise click.ClickException(
            "This app does not use Flask-Migrate. Run `flask mfa db upgrade` instead."
        )
    from alembic.script import ScriptDirectory

    config = migrate.migrate.get_config(directory)
    if not Path(config.get_main_option("script_location") or "", "env.py").is_file():
        raise click.ClickException("There is no migrations folder yet. Run `flask db init` first.")
    return ScriptDirectory.from_config(config)


def through_in(scripts: Any) -> int:
    """The last of our steps that the host's history applies."""
    found = [0]
    for script in scripts.walk_revisions():
        text = Path(script.path).read_text(encoding="utf-8")
        found += [int(number) for number in THROUGH.findall(text)]
    return max(found)


@db_group.command("revision")
@click.option("--directory", "-d", help="The migrations folder.")
@click.option("--message", "-m", default="MFA tables", show_default=True)
@with_appcontext
def revision(directory: str | None, message: str) -> None:
    """Write one revision for the missing steps; `flask db upgrade` applies it."""
    scripts = script_directory(directory)
    from alembic.util import CommandError, rev_id

    last = through_in(scripts)
    if last >= schema.VERSION:
        click.echo("The migrations have every step already.")
        return
    try:
        script = scripts.generate_revision(
            rev_id(),
            message,
            head="head",
            imports="from flask_melody_mfa.store import schema",
            upgrades=f"schema.upgrade_in_migration(op, through={schema.VERSION}, since={last})",
            downgrades=f"schema.downgrade_in_migration(op, to={last})",
        )
    except CommandError as error:
        raise click.ClickException(str(error)) from None
    written = Path(script.path)
    if not THROUGH.search(written.read_text(encoding="utf-8")):
        written.unlink()
        raise click.ClickException(
            "This migrations folder has a template of its own (several databases?). Write an "
            "empty revision with `flask db revision` and call, for the database of the users,\n"
            "  from flask_melody_mfa.store import schema\n"
            f"  schema.upgrade_in_migration(op, through={schema.VERSION})"
        )
    click.echo(f"Wrote {written.name}. Now run `flask db upgrade`.")


@db_group.command("upgrade")
@with_appcontext
def upgrade() -> None:
    """Apply the missing steps now. For apps without Flask-Migrate."""
    engine = state().store.host_engine
    with engine.begin() as connection:
        steps = schema.missing(connection)
        try:
            schema.upgrade(connection)
        except schema.SchemaDiffers as error:
            raise click.ClickException(str(error)) from None
    applied = ", ".join(str(number) for number in steps)
    click.echo(f"Applied: {applied}." if steps else "Every step is there already.")
