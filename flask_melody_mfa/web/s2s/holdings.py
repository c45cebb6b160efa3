"""What users hold beside the three factors: recovery codes and remembered devices."""

from __future__ import annotations

from flask_melody_mfa.core.errors import Conflict, NotFound
from flask_melody_mfa.flows import backend, devices, recovery
from flask_melody_mfa.web.operation import Call, Operation
from flask_melody_mfa.web.s2s import shapes
from flask_melody_mfa.web.s2s.means import account_at, context_of

READ, WRITE = "read_user", "write_user"


def recovery_codes_left(call: Call) -> shapes.CodesLeft:
    """How many codes are unspent."""
    account = account_at(call)
    return shapes.CodesLeft(left=recovery.left(context_of(call, account), account.key))


def make_recovery_codes(call: Call) -> shapes.RecoveryCodes:
    """A new set; the old one is dead with it."""
    account = account_at(call)
    backend.check_active(account)
    codes = recovery.make(context_of(call, account), account)
    return shapes.RecoveryCodes(recovery_codes=list(codes))


def void_recovery_codes(call: Call) -> None:
    """No codes any more."""
    account = account_at(call)
    recovery.void(context_of(call, account), account)


def list_devices(call: Call) -> shapes.Devices:
    """The remembered devices, the newest first."""
    account = account_at(call)
    found = devices.listed(context_of(call, account), account.key)
    return shapes.Devices(
        items=[
            shapes.Device(
                id=one.id,
                user_agent=one.user_agent,
                address=one.address,
                factors=[shapes.factor(kind) for kind in sorted(one.factors)],
                created_at=one.created_at,
                last_used_at=one.last_used_at,
                expires_at=one.expires_at,
            )
            for one in found
        ],
        next_cursor=None,
    )


def revoke_device(call: Call) -> None:
    """Forget one device."""
    account = account_at(call)
    devices.revoke(context_of(call, account), account, call.path["id"])


def revoke_devices(call: Call) -> None:
    """Forget all devices."""
    account = account_at(call)
    devices.revoke_all(context_of(call, account), account, reason="backend")


OPERATIONS = (
    Operation(
        name="count_recovery_codes",
        method="GET",
        path="/users/{key}/recovery-codes",
        summary="Read how many recovery codes a user has left.",
        function=recovery_codes_left,
        access=READ,
        tag="recovery codes",
        answer=shapes.CodesLeft,
    ),
    Operation(
        name="make_recovery_codes",
        method="POST",
        path="/users/{key}/recovery-codes",
        summary="Make a new set of recovery codes, shown this once. The old set is dead.",
        description="404 where recovery codes are switched off, 409 for who holds nothing.",
        function=make_recovery_codes,
        access=WRITE,
        tag="recovery codes",
        answer=shapes.RecoveryCodes,
        status=201,
        errors=(Conflict,),
    ),
    Operation(
        name="void_recovery_codes",
        method="DELETE",
        path="/users/{key}/recovery-codes",
        summary="Take all recovery codes of a user away.",
        function=void_recovery_codes,
        access=WRITE,
        tag="recovery codes",
    ),
    Operation(
        name="list_devices",
        method="GET",
        path="/users/{key}/devices",
        summary="List the remembered devices of a user.",
        function=list_devices,
        access=READ,
        tag="devices",
        answer=shapes.Devices,
    ),
    Operation(
        name="revoke_device",
        method="DELETE",
        path="/users/{key}/devices/{id}",
        summary="Forget one remembered device, at once.",
        function=revoke_device,
        access=WRITE,
        tag="devices",
        errors=(NotFound,),
    ),
    Operation(
        name="revoke_devices",
        method="DELETE",
        path="/users/{key}/devices",
        summary="Forget all remembered devices of a user, at once.",
        function=revoke_devices,
        access=WRITE,
        tag="devices",
    ),
)
