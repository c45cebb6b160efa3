"""What users hold beside the three factors: passkeys, recovery codes, devices, sessions."""

from __future__ import annotations

from flask_melody_mfa.core.errors import Conflict
from flask_melody_mfa.flows import account as accounts
from flask_melody_mfa.flows import backend, devices, passkeys, recovery
from flask_melody_mfa.web.operation import Call, Operation
from flask_melody_mfa.web.s2s import shapes
from flask_melody_mfa.web.s2s.means import account_at, context_of

READ, WRITE = "read_user", "write_user"


def list_passkeys(call: Call) -> shapes.Passkeys:
    """The passkeys, the oldest first."""
    account = account_at(call)
    return shapes.Passkeys(
        items=[
            shapes.Passkey(
                id=one.id,
                name=one.name,
                created_at=one.created_at,
                last_used_at=one.last_used_at,
                synced=one.synced,
            )
            for one in passkeys.listed(context_of(call, account), account.key)
        ],
        next_cursor=None,
    )


def remove_passkey(call: Call) -> None:
    """Take a passkey away."""
    account = account_at(call)
    passkeys.remove(context_of(call, account), account, call.path["id"])


def list_sessions(call: Call) -> shapes.Sessions:
    """The live sessions, those used last first."""
    account = account_at(call)
    return shapes.Sessions(
        items=[
            shapes.Session(
                id=one.id,
                method=one.method,
                factors=[shapes.any_factor(kind) for kind in sorted(one.factors)],
                created_at=one.created_at,
                used_at=one.used_at,
                address=one.address,
                user_agent=one.user_agent,
            )
            for one in backend.sessions_of(context_of(call, account), account)
        ],
        next_cursor=None,
    )


def end_session(call: Call) -> None:
    """End one session."""
    account = account_at(call)
    accounts.end_session(context_of(call, account), account, call.path["id"])


def end_sessions(call: Call) -> None:
    """End all sessions."""
    account = account_at(call)
    accounts.end_other_sessions(context_of(call, account), account, but=None)


def recovery_codes_left(call: Call) -> shapes.CodesLeft:
    """How many codes are unspent."""
    account = account_at(call)
    return shapes.CodesLeft(left=recovery.left(context_of(call, account), account.key))


def make_recovery_codes(call: Call) -> shapes.RecoveryCodes:
    """A new set; the old one is dead with it."""
    account = account_at(call)
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
        name="list_passkeys",
        method="GET",
        path="/users/{key}/passkeys",
        summary="List the passkeys of a user.",
        function=list_passkeys,
        access=READ,
        tag="passkeys",
        answer=shapes.Passkeys,
    ),
    Operation(
        name="remove_passkey",
        method="DELETE",
        path="/users/{key}/passkeys/{id}",
        summary="Take a passkey away, with the sessions that it opened.",
        description="409 for the last proof that the app's settings require; reset the user then.",
        function=remove_passkey,
        access=WRITE,
        tag="passkeys",
        errors=(Conflict,),
    ),
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
    Operation(
        name="list_sessions",
        method="GET",
        path="/users/{key}/sessions",
        summary="List the live sessions of a user, at most a hundred, those used last first.",
        function=list_sessions,
        access=READ,
        tag="sessions",
        answer=shapes.Sessions,
    ),
    Operation(
        name="end_session",
        method="DELETE",
        path="/users/{key}/sessions/{id}",
        summary="End one session.",
        function=end_session,
        access=WRITE,
        tag="sessions",
    ),
    Operation(
        name="end_sessions",
        method="DELETE",
        path="/users/{key}/sessions",
        summary="Sign a user out everywhere: sessions, pending challenges, remembered devices.",
        function=end_sessions,
        access=WRITE,
        tag="sessions",
    ),
)
