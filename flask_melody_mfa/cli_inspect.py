"""`flask mfa explain`, `doctor` and `routes`: they look, and change nothing."""

from __future__ import annotations

import json
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from flask_melody_mfa.cli_common import account_of, failing
from flask_melody_mfa.core.errors import ConfigError, MfaError
from flask_melody_mfa.core.types import Method
from flask_melody_mfa.flows import explain as explaining
from flask_melody_mfa.web import doctor as doctors
from flask_melody_mfa.web import routes as routing
from flask_melody_mfa.web.state import context, state

METHODS = [method.value for method in Method]


@click.command("explain")
@click.argument("user")
@click.option("--client", help="At which client's gate.")
@click.option(
    "--method",
    type=click.Choice([method.value for method in Method]),
    default=Method.PASSWORD.value,
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True)
@with_appcontext
def explain(user: str, client: str | None, method: str, as_json: bool) -> None:
    """What a user would be asked for, why, and where each value came from."""
    try:
        found = explaining.explain(context(client, actor="cli"), account_of(user), method=method)
    except MfaError as error:
        raise failing(error) from None
    data = found.as_dict()
    if as_json:
        click.echo(json.dumps(data))
        return
    step: dict[str, Any] = data["step"]
    details = "; ".join(f"{name}: {value}" for name, value in step.items() if name != "type")
    click.echo(step["type"] + (f" ({details})" if details else ""))
    for reason in data["reasons"]:
        click.echo(f"  {reason}")
    click.echo("What the gate knows:")
    for name, value in data["facts"].items():
        click.echo(f"  {name}: {value}")
    click.echo("Settings:")
    for name, entry in data["settings"].items():
        click.echo(f"  {name.upper()}: {entry['value']} ({entry['source']})")


@click.command("doctor")
@click.option("--connect/--no-connect", default=True, help="Try the mail server and Redis.")
@click.option("--json", "as_json", is_flag=True)
@with_appcontext
def doctor(connect: bool, as_json: bool) -> None:
    """Look for what is wrong with the set-up. Exits with 1 when there is an error."""
    try:
        found = doctors.examine(current_app, state(), connect=connect)
    except ConfigError as error:
        raise failing(error) from None
    if as_json:
        listed = [{"level": one.level, "subject": one.subject, "text": one.text} for one in found]
        click.echo(json.dumps({"findings": listed}))
    else:
        for one in found:
            click.echo(f"{one.level}: {one.subject}: {one.text}")
        if not found:
            click.echo("Nothing is wrong.")
    if doctors.has_errors(found):
        raise SystemExit(1)


@click.command("routes")
@click.option(
    "--fail-on",
    multiple=True,
    type=click.Choice([kind.value for kind in routing.Stands]),
    help="Exit with 1 when there is such a route.",
)
@click.option("--json", "as_json", is_flag=True)
@with_appcontext
def routes(fail_on: tuple[str, ...], as_json: bool) -> None:
    """Every rule, and what stands before it.

    `unseen` are views that authenticate by other means than Flask-Login: the guard cannot see
    them. Ask `mfa.password_is_enough` and `mfa.verify` there, or exempt them knowingly.
    """
    found = routing.routes(current_app, state())
    if as_json:
        listed = [
            {
                "rule": route.rule,
                "methods": list(route.methods),
                "endpoint": route.endpoint,
                "stands": route.stands.value,
                "client": route.client,
                "why": route.why,
            }
            for route in found
        ]
        click.echo(json.dumps({"routes": listed}))
    else:
        for route in found:
            notes = ", ".join(filter(None, [route.client and f"client {route.client}", route.why]))
            line = f"{route.stands.value:8} {','.join(route.methods):14} {route.rule}"
            click.echo(line + (f"  ({notes})" if notes else ""))
    failing_ones = [route for route in found if route.stands in fail_on]
    if failing_ones:
        names = ", ".join(sorted({route.endpoint for route in failing_ones}))
        raise click.ClickException(f"Not allowed: {names}")
