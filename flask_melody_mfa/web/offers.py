"""What a session that has just begun is offered before it goes on (contract section 3)."""

from __future__ import annotations

from collections.abc import Collection

from flask import url_for

from flask_melody_mfa.core.types import Account, FactorKind
from flask_melody_mfa.flows import after_gate, replacing
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Standing

PAGES = {
    FactorKind.PASSKEY: "mfa.enroll.passkey",
    FactorKind.RECOVERY_CODE: "mfa.enroll.recovery_codes",
}


def offer(
    ctx: Context,
    account: Account,
    standing: Standing,
    target: str,
    *,
    but: Collection[FactorKind] = (),
) -> str | None:
    """The page that is offered before `target`; None for none. `but`: what was just turned down."""
    if replacing.may_have_lost(ctx, account, standing):
        return url_for("mfa.enroll.replace", next=target)
    for kind in after_gate.prompts(ctx, standing):
        if kind in PAGES and kind not in but:
            return url_for(PAGES[kind], next=target)
    return None
