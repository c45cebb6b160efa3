"""`flask mfa clients …`: who makes clients, also those with the scope `root`."""

from __future__ import annotations

import json
from typing import Any

import click
from flask.cli import with_appcontext

from flask_melody_mfa.core.clients import OPERATOR, in_order
from flask_melody_mfa.core.declared import SCOPES
from flask_melody_mfa.core.errors import InvalidClient, MfaError
from flask_melody_mfa.flows import clients
from flask_melody_mfa.web.state import context


@click.group("clients")
def clients_group() -> None:
    """Clients: applications with MFA rules, addresses and credentials of their own."""


def failing(error: MfaError) -> click.ClickException:
    """An error as the command line says it."""
    if isinstance(error, InvalidClient):
        return click.ClickException("; ".join(f"{k}: {v}" for k, v in error.problems.items()))
    sentences = {
        "not_found": "There is no such client.",
        "forbidden": "This client is declared in code (MFA_CLIENTS); change it there.",
        "conflict": "There is such a client already, or it was changed just now.",
    }
    return click.ClickException(sentences.get(error.code, error.code))


def show_secret(made: clients.NewSecret, as_json: bool) -> None:
    """Print a new secret, once."""
    if as_json:
        click.echo(json.dumps({"client_id": made.client_id, "client_secret": made.secret}))
        return
    click.echo(f"client_id: {made.client_id}")
    click.echo(f"client_secret: {made.secret}")
    click.echo("Keep the secret now: it is not shown again.", err=True)


@clients_group.command("list")
@click.option("--json", "as_json", is_flag=True)
@with_appcontext
def list_clients(as_json: bool) -> None:
    """Every client, from code and database."""
    ctx = context(actor="cli")
    found: list[clients.ClientView] = []
    after: tuple[str, str] | None = None
    try:
        while True:
            page, after = clients.listed(ctx, after=after, limit=100)
            found += page
            if after is None:
                break
    except MfaError as error:
        raise failing(error) from None
    if as_json:
        click.echo(json.dumps([as_dict(one) for one in found]))
        return
    for one in found:
        client = one.client
        state = "" if client.enabled else " (off)"
        scopes = ", ".join(in_order(client.scopes)) or "no scopes"
        click.echo(f"{client.id}  {client.name}{state}  {client.source}  {scopes}")
        for name, problem in one.problems.items():
            click.echo(f"  cannot take effect: {name} {problem}")


def as_dict(found: clients.ClientView) -> dict[str, Any]:
    """A client as JSON."""
    client = found.client
    return {
        "client_id": client.id,
        "name": client.name,
        "source": client.source,
        "enabled": client.enabled,
        "scopes": list(in_order(client.scopes)),
        "redirect_uris": list(client.redirect_uris),
        "origins": list(client.origins),
        "allow_native": client.allow_native,
        "overrides": {name: plain(value) for name, value in client.overrides.items()},
        "secrets": len(found.secrets),
        "problems": dict(found.problems),
    }


def plain(value: Any) -> Any:
    """An override as JSON holds it: what code declares may be a date or a tuple."""
    if isinstance(value, tuple | list | set | frozenset):
        return [str(one) for one in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


@clients_group.command("create")
@click.option("--name", required=True, help="What it is called.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES))
@click.option("--id", "client_id", help="Its id, for `@mfa_required(client=…)`; else a new one.")
@click.option("--json", "as_json", is_flag=True)
@with_appcontext
def create(name: str, scopes: tuple[str, ...], client_id: str | None, as_json: bool) -> None:
    """Make a client; prints its client_id and, this once, its client_secret."""
    ctx = context(actor="cli")
    try:
        said = {"name": name, "scopes": list(dict.fromkeys(scopes))}
        client = clients.create(ctx, OPERATOR, said, client_id=client_id)
        made = clients.make_secret(ctx, OPERATOR, client.id)
    except MfaError as error:
        raise failing(error) from None
    show_secret(made, as_json)


@clients_group.command("rotate")
@click.argument("client_id")
@click.option("--revoke-old", is_flag=True, help="Older secrets die at once, not in a week.")
@click.option("--json", "as_json", is_flag=True)
@with_appcontext
def rotate(client_id: str, revoke_old: bool, as_json: bool) -> None:
    """Give a client a new secret. The last one stays good for a week."""
    try:
        made = clients.make_secret(context(actor="cli"), OPERATOR, client_id, revoke_old=revoke_old)
    except MfaError as error:
        raise failing(error) from None
    show_secret(made, as_json)


@clients_group.command("delete")
@click.argument("client_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def delete(client_id: str, yes: bool) -> None:
    """Delete a client with its secrets and tokens. Views that name it are closed."""
    if not yes:
        click.confirm(f"Delete the client {client_id}?", abort=True)
    try:
        clients.remove(context(actor="cli"), OPERATOR, client_id)
    except MfaError as error:
        raise failing(error) from None
    click.echo("Done.")
