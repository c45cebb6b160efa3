"""What a signed-in user changes from a frontend, in a session of `purpose: "manage"`."""

from __future__ import annotations

from typing import cast

from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Conflict,
    Forbidden,
    NotFound,
    StepUpRequired,
)
from flask_melody_mfa.core.types import Account
from flask_melody_mfa.flows import account as accounts
from flask_melody_mfa.flows import devices, passkeys
from flask_melody_mfa.flows import embedded_steps as steps
from flask_melody_mfa.web.embedded import shapes, view
from flask_melody_mfa.web.embedded.sessions import SESSION
from flask_melody_mfa.web.embedded.view import Here
from flask_melody_mfa.web.operation import Call, Operation

MAY_FAIL = (Conflict, ChallengeOver, Forbidden, StepUpRequired)


def may_change(here: Here) -> Account:
    """Who changes something now, with a fresh proof. Raises `StepUpRequired`, `Conflict`.

    Where the proof is too old, the next step of the session is to give another.
    """
    at = here.place()
    try:
        account, _ = steps.check_fresh(here.ctx, here.embedded, at)
    except StepUpRequired:
        here.go_on(steps.step_up_again(here.ctx, here.embedded, at))
        raise
    return account


def show(call: Call) -> shapes.Where:
    """What the user holds."""
    here: Here = call.caller
    account = may_change(here)
    found = accounts.overview(here.ctx, account, session_id=here.embedded.row.session_id)
    return view.where(
        here,
        shapes.OwnAccount,
        factors=[
            shapes.OwnFactor(
                id=one.id,
                factor=cast(shapes.FactorName, one.kind.value),
                name=one.name,
                destination=one.destination,
                added_at=one.created_at,
                last_used_at=one.last_used_at,
                disabled=one.disabled,
                removable=one.removable,
            )
            for one in found.credentials
        ],
        passkeys=[
            shapes.OwnPasskey(
                id=one.id,
                name=one.name,
                added_at=one.created_at,
                last_used_at=one.last_used_at,
                synced=one.synced,
            )
            for one in passkeys.listed(here.ctx, account.key)
        ],
        recovery_codes_left=found.recovery_codes,
        devices=[
            shapes.OwnDevice(
                id=one.id,
                user_agent=one.user_agent,
                address=one.address,
                added_at=one.created_at,
                last_used_at=one.last_used_at,
                expires_at=one.expires_at,
            )
            for one in devices.listed(here.ctx, account.key)
        ],
    )


def remove_factor(call: Call) -> None:
    """Take a factor away."""
    here: Here = call.caller
    account = may_change(here)
    accounts.remove(
        here.ctx, account, call.path["factor_id"], session_id=here.embedded.row.session_id
    )


def rename_passkey(call: Call) -> None:
    """Give a passkey another name."""
    here: Here = call.caller
    passkeys.rename(here.ctx, may_change(here), call.path["passkey_id"], call.body.name)


def remove_passkey(call: Call) -> None:
    """Take a passkey away."""
    here: Here = call.caller
    account = may_change(here)
    passkeys.remove(
        here.ctx, account, call.path["passkey_id"], session_id=here.embedded.row.session_id
    )


def forget_device(call: Call) -> None:
    """Forget a remembered device."""
    here: Here = call.caller
    devices.revoke(here.ctx, may_change(here), call.path["device_id"])


OPERATIONS = (
    Operation(
        name="show_account",
        method="GET",
        path="/sessions/{id}/account",
        summary="What the signed-in user holds.",
        function=show,
        access=SESSION,
        answer=shapes.OwnAccount,
        tag="manage",
        errors=MAY_FAIL,
    ),
    Operation(
        name="remove_factor",
        method="DELETE",
        path="/sessions/{id}/factors/{factor_id}",
        summary="Take a factor away; 409 where the rest would not be enough.",
        function=remove_factor,
        access=SESSION,
        tag="manage",
        errors=(*MAY_FAIL, NotFound),
    ),
    Operation(
        name="rename_passkey",
        method="PATCH",
        path="/sessions/{id}/passkeys/{passkey_id}",
        summary="Give a passkey another name.",
        function=rename_passkey,
        access=SESSION,
        body=shapes.Rename,
        tag="manage",
        errors=(*MAY_FAIL, NotFound),
    ),
    Operation(
        name="remove_passkey",
        method="DELETE",
        path="/sessions/{id}/passkeys/{passkey_id}",
        summary="Take a passkey away; 409 where the rest would not be enough.",
        function=remove_passkey,
        access=SESSION,
        tag="manage",
        errors=(*MAY_FAIL, NotFound),
    ),
    Operation(
        name="forget_device",
        method="DELETE",
        path="/sessions/{id}/devices/{device_id}",
        summary="Forget a remembered device.",
        function=forget_device,
        access=SESSION,
        tag="manage",
        errors=(*MAY_FAIL, NotFound),
    ),
)
