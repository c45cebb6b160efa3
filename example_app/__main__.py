"""`python -m example_app`: bring the database up to date, and serve Fernleaf for development."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import flask_migrate

from example_app import create_app


@click.command()
@click.option("--port", default=5000, show_default=True, help="Where to listen, on localhost.")
@click.option("--database-url", help="An SQLAlchemy URL. Default: SQLite in the instance folder.")
@click.option(
    "--instance",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for the database and the secrets. Default: ./instance.",
)
def main(port: int, database_url: str | None, instance: Path | None) -> None:
    """Run Fernleaf on this machine, in debug mode."""
    config: dict[str, Any] = {"DEBUG": True}
    if database_url:
        config["SQLALCHEMY_DATABASE_URI"] = database_url
    app = create_app(config, instance=instance)
    app.config.setdefault("MFA_BASE_URL", f"http://localhost:{port}")
    with app.app_context():
        flask_migrate.upgrade()
    click.echo(f"Fernleaf:          http://localhost:{port}")
    click.echo(f"Mail and messages: http://localhost:{port}/outbox")
    click.echo("Press Ctrl+C to stop.")
    # One process: what arrived is kept in its memory. No debugger in the browser.
    app.run("localhost", port, threaded=True, use_reloader=False, use_debugger=False)


if __name__ == "__main__":
    main(prog_name="python -m example_app")
