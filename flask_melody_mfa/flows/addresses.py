"""Addresses that are proven no more: they still get notices for a while."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.orm import Session

from flask_melody_mfa.core.errors import CannotOpen
from flask_melody_mfa.core.types import FactorKind
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store.tables import CredentialRow


def keep(ctx: Context, session: Session, user_key: str, rows: Iterable[CredentialRow]) -> None:
    """Keep the addresses among credentials that are removed now, for the notice of it, too."""
    for row in rows:
        if row.kind != FactorKind.EMAIL:
            continue
        try:
            address = ctx.vault.open_credential(row).destination
        except CannotOpen:
            continue  # what cannot be read cannot be told either; it must still be removable
        if address:
            session.add(ctx.vault.seal_address(address, user_key, ctx.now))
