"""What all commands share: how they find a user, print, and fail."""

from __future__ import annotations

import json
from typing import Any

import click

from flask_melody_mfa.core.errors import MfaError
from flask_melody_mfa.core.types import Account
from flask_melody_mfa.web.state import state


def show(data: Any, as_json: bool) -> None:
    """Print data for a person or a program."""
    if as_json:
        click.echo(json.dumps(data))
        return
    for name, value in data.items():
        click.echo(f"{name}: {value}")


def account_of(user: str) -> Account:
    """The account of a key or a login. Exits with 1 when there is none."""
    here = state()
    found = here.account_of(user)
    if found is None:
        host_user = here.find_user(user)
        if host_user is None:
            raise click.ClickException(f"No user with the key or login {user!r}.")
        found = here.describe(host_user)
    return found


def failing(error: MfaError) -> click.ClickException:
    """An error as the command line says it."""
    return click.ClickException(str(error) or error.code)
