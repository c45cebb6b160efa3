"""`python -m example_app`: bring the database up to date, and serve Fernleaf for development."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import click
import flask_migrate
from flask import Flask
from werkzeug.serving import make_server

from example_app import create_app, partner
from example_app.extensions import mfa
from flask_melody_mfa import PolicyResult


@click.command()
@click.option("--port", default=5000, show_default=True, help="Where to listen, on localhost.")
@click.option("--database-url", help="An SQLAlchemy URL. Default: SQLite in the instance folder.")
@click.option(
    "--instance",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for the database and the secrets. Default: ./instance.",
)
@click.option(
    "--partner-port",
    type=int,
    help="Where Letterbox listens, which sends its members here. Default: the next port; 0: none.",
)
def main(
    port: int, database_url: str | None, instance: Path | None, partner_port: int | None
) -> None:
    """Run Fernleaf on this machine, in debug mode."""
    fernleaf = f"http://localhost:{port}"
    partner_port = port + 1 if partner_port is None else partner_port
    letterbox = f"http://localhost:{partner_port}"
    base_url = os.environ.get("FLASK_MFA_BASE_URL", fernleaf)
    config: dict[str, Any] = {"DEBUG": True, "MFA_BASE_URL": base_url}
    if partner_port:
        config["MFA_CLIENTS"] = {partner.CLIENT_ID: partner.client_of(letterbox)}
    if database_url:
        config["SQLALCHEMY_DATABASE_URI"] = database_url
    app = create_app(config, instance=instance)
    with app.app_context():
        flask_migrate.upgrade()
    click.echo(f"Fernleaf:          {fernleaf}")
    click.echo(f"Mail and messages: {fernleaf}/outbox")
    if partner_port:
        serve_partner(app, fernleaf, letterbox, partner_port)
        click.echo(f"Letterbox:         {letterbox}")
    click.echo("Press Ctrl+C to stop.")
    # One process: what arrived is kept in its memory. No debugger in the browser.
    app.run("localhost", port, threaded=True, use_reloader=False, use_debugger=False)


def serve_partner(app: Flask, fernleaf: str, letterbox: str, port: int) -> None:
    """Run Letterbox beside Fernleaf, in a thread of its own."""

    def read_result(token: str) -> PolicyResult | None:
        with app.app_context():
            return mfa.read_policy_result(token)

    server = make_server(
        "localhost", port, partner.create_partner(fernleaf, letterbox, read_result), threaded=True
    )
    threading.Thread(target=server.serve_forever, name="letterbox", daemon=True).start()


if __name__ == "__main__":
    main(prog_name="python -m example_app")
