"""`flask mfa …`: thin over the flows."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from flask_melody_mfa import cli_inspect
from flask_melody_mfa.cli_clients import clients_group
from flask_melody_mfa.cli_common import account_of, failing, show
from flask_melody_mfa.cli_db import db_group
from flask_melody_mfa.core.errors import MfaError
from flask_melody_mfa.core.types import FactorKind
from flask_melody_mfa.flows import keys, people
from flask_melody_mfa.flows import prune as pruning
from flask_melody_mfa.web.state import context, state


@click.group("mfa")
def mfa_group() -> None:
    """Multi-factor authentication."""


@mfa_group.command("status")
@click.argument("user")
@click.option("--json", "as_json", is_flag=True)
@with_appcontext
def status(user: str, as_json: bool) -> None:
    """What a user holds, and whether the account is locked."""
    show(people.status(context(actor="cli"), account_of(user)), as_json)


@mfa_group.command("reset")
@click.argument("user")
@click.option("--factor", "factors", multiple=True, type=click.Choice(["otp", "email", "sms"]))
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def reset(user: str, factors: tuple[str, ...], yes: bool) -> None:
    """Take a user's factors away (all of them without --factor)."""
    account = account_of(user)
    if not yes:
        click.confirm(f"Reset {', '.join(factors) or 'everything'} of {user}?", abort=True)
    kinds = [FactorKind(kind) for kind in factors] or None
    people.reset(context(actor="cli"), account, kinds, reason="command line")
    click.echo("Done.")


@mfa_group.command("unlock")
@click.argument("user")
@with_appcontext
def unlock(user: str) -> None:
    """Lift a user's lock."""
    people.unlock(context(actor="cli"), account_of(user))
    click.echo("Done.")


@mfa_group.command("erase")
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def erase(user: str, yes: bool) -> None:
    """Delete everything that is known of a user, who may be deleted already (give the key)."""
    if not yes:
        click.confirm(f"Erase all MFA data of {user}?", abort=True)
    here = state()
    found = here.account_of(user)
    key = found.key if found is not None else user
    if found is None and (host_user := here.find_user(user)) is not None:
        key = here.describe(host_user).key
    people.erase(context(actor="cli"), key)
    click.echo("Done.")


@mfa_group.group("keys")
def keys_group() -> None:
    """The keys that secrets are sealed with."""


@keys_group.command("status")
@click.option("--json", "as_json", is_flag=True)
@with_appcontext
def keys_status(as_json: bool) -> None:
    """How many rows each key seals; the newest key comes first."""
    try:
        show(keys.status(context(actor="cli")), as_json)
    except MfaError as error:
        raise failing(error) from None


@keys_group.command("rotate")
@with_appcontext
def keys_rotate() -> None:
    """Seal every row anew with the newest key. May be interrupted and run again."""
    try:
        click.echo(f"{keys.rotate(context(actor='cli'))} rows sealed with the newest key.")
    except MfaError as error:
        raise failing(error) from None


@mfa_group.command("prune")
@click.option("--events-days", type=click.IntRange(min=1), help="Keep events this long.")
@click.option("--json", "as_json", is_flag=True)
@with_appcontext
def prune(events_days: int | None, as_json: bool) -> None:
    """Delete what has no use any more. Run it daily."""
    show(pruning.prune(context(actor="cli"), events_days=events_days), as_json)


mfa_group.add_command(clients_group)
mfa_group.add_command(db_group)
mfa_group.add_command(cli_inspect.explain)
mfa_group.add_command(cli_inspect.doctor)
mfa_group.add_command(cli_inspect.routes)
