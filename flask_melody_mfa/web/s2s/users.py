"""Users: what they hold, and what a backend may do with it."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask_melody_mfa.core import codes
from flask_melody_mfa.core.errors import (
    Conflict,
    Locked,
    NotConfigured,
    NotFound,
    Throttled,
    UnsupportedDestination,
    WrongProof,
)
from flask_melody_mfa.core.types import FactorKind
from flask_melody_mfa.flows import backend, directory, people, verifications
from flask_melody_mfa.flows.directory import AccountView
from flask_melody_mfa.web import cursors
from flask_melody_mfa.web.operation import Call, Operation
from flask_melody_mfa.web.s2s import shapes
from flask_melody_mfa.web.s2s.means import account_at, context_of
from flask_melody_mfa.web.state import state

READ, WRITE = "read_user", "write_user"
NAMES = {
    FactorKind.OTP: "an authenticator app",
    FactorKind.EMAIL: "email codes",
    FactorKind.SMS: "SMS codes",
}


def user_of(found: AccountView) -> shapes.User:
    """A user as the API shows it."""
    account = found.account
    return shapes.User(
        key=account.key,
        login=account.login,
        name=account.name,
        email=account.email,
        email_verified=account.email_verified,
        active=account.active,
        factors=[
            shapes.EnrolledFactor(
                id=one.id,
                kind=shapes.factor(one.kind),
                name=one.name,
                destination=one.destination,
                enrolled_at=one.enrolled_at,
                last_used_at=one.last_used_at,
                disabled=one.disabled,
            )
            for one in found.factors
        ],
        must_set_up=[shapes.factor(kind) for kind in found.must_set_up],
        passkeys=found.passkeys,
        recovery_codes_left=found.recovery_codes,
        devices=found.devices,
        lock=lock_shape(found.locked_until),
        last_used_at=found.last_used_at,
    )


def lock_shape(until: int | None) -> shapes.Lock:
    """A lock as the API shows it."""
    return shapes.Lock(locked=until is not None, locked_until=until)


def list_users(call: Call) -> shapes.UserPage:
    """A page of the host's users."""
    asked: shapes.UserQuery = call.query
    which = cursors.fingerprint("users", query=asked.query)
    at = cursors.read(which, asked.cursor)
    here = state()
    page = here.list_users(asked.query or "", at or "", asked.limit)
    found = directory.described(context_of(call), [here.describe(user) for user in page.users])
    following = page.next_cursor
    return shapes.UserPage(
        items=[user_of(one) for one in found],
        next_cursor=cursors.write(which, following) if following else None,
    )


def read_user(call: Call) -> shapes.User:
    """One user."""
    account = account_at(call)
    return user_of(directory.described(context_of(call, account), [account])[0])


def demand(kind: FactorKind, call: Call) -> None:
    """The user must set a factor up at the next sign-in."""
    account = account_at(call)
    backend.demand(context_of(call, account), account, kind)
    state().cache.drop_user(account.key)


def take_away(kind: FactorKind, call: Call) -> None:
    """Remove a factor."""
    account = account_at(call)
    backend.take_away(context_of(call, account), account, kind)
    state().cache.drop_user(account.key)


def set_up(kind: FactorKind, call: Call) -> Any:
    """Begin a set-up."""
    account = account_at(call)
    answer = {"phone_number": call.body.phone_number} if kind is FactorKind.SMS else {}
    begun = backend.set_up(context_of(call, account), account, kind, answer)
    if begun.secret is not None:
        return shapes.SetUpOtp(secret=begun.secret, otpauth_uri=begun.uri or "")
    return shapes.SetUpSent(
        destination=codes.mask_destination(begun.destination or ""), expires_at=begun.expires_at
    )


def confirm(kind: FactorKind, call: Call) -> None:
    """Finish a set-up."""
    account = account_at(call)
    answer = {"code": codes.clean_code(call.body.code)}
    backend.confirm(context_of(call, account), account, kind, answer)


def ask(call: Call) -> shapes.Asked:
    """Ask for a proof."""
    account = account_at(call)
    asked = verifications.ask(context_of(call, account), account, FactorKind(call.body.factor))
    return shapes.Asked(verification_id=asked.id, expires_at=asked.expires_at)


def verify(call: Call) -> shapes.Verified:
    """Judge a proof."""
    account = account_at(call)
    body: shapes.Verify = call.body
    verifications.verify(
        context_of(call, account),
        account,
        FactorKind(body.factor),
        {"code": codes.clean_code(body.code)},
        verification_id=body.verification_id,
    )
    return shapes.Verified()


def read_lock(call: Call) -> shapes.Lock:
    """Whether the account is locked."""
    account = account_at(call)
    return lock_shape(backend.lock_of(context_of(call, account), account))


def lift_lock(call: Call) -> None:
    """Lift the lock."""
    account = account_at(call)
    people.unlock(context_of(call, account), account)


def reset(call: Call) -> None:
    """Take factors away."""
    account = account_at(call)
    body: shapes.Reset = call.body
    kinds = None if body.factors is None else [FactorKind(kind) for kind in body.factors]
    people.reset(context_of(call, account), account, kinds, reason=body.reason)


def factor_operations(kind: FactorKind) -> tuple[Operation, ...]:
    """What can be done with one factor of a user."""
    name, what = f"{kind.value}_mfa", NAMES[kind]
    path = f"/users/{{key}}/{kind.value}-mfa"
    sends = kind is not FactorKind.OTP
    may_fail = (NotConfigured, Throttled) if sends else ()
    return (
        Operation(
            name=f"demand_{name}",
            method="POST",
            path=path,
            summary=f"Demand {what}: the user must set it up at the next sign-in.",
            description="Nothing changes where it is enrolled already.",
            function=partial(demand, kind),
            access=WRITE,
            tag="factors",
            errors=(Conflict,),
        ),
        Operation(
            name=f"remove_{name}",
            method="DELETE",
            path=path,
            summary=f"Take {what} away, with what is secret of it. The user's sessions end.",
            function=partial(take_away, kind),
            access=WRITE,
            tag="factors",
            errors=(Conflict,),
        ),
        Operation(
            name=f"set_up_{name}",
            method="POST",
            path=f"{path}/setup",
            summary=f"Begin to set up {what} from your backend.",
            description="Asked again, it answers the same until it is confirmed or over.",
            function=partial(set_up, kind),
            access=WRITE,
            tag="factors",
            body=shapes.SetUpSms if kind is FactorKind.SMS else None,
            answer=shapes.SetUpSent if sends else shapes.SetUpOtp,
            errors=(
                Conflict,
                *may_fail,
                *((UnsupportedDestination,) if kind is FactorKind.SMS else ()),
            ),
        ),
        Operation(
            name=f"confirm_{name}",
            method="POST",
            path=f"{path}/confirm",
            summary=f"Confirm {what} with a first code. The user is told by mail.",
            function=partial(confirm, kind),
            access=WRITE,
            tag="factors",
            body=shapes.Confirm,
            errors=(Conflict, WrongProof),
        ),
    )


OPERATIONS = (
    Operation(
        name="list_users",
        method="GET",
        path="/users",
        summary="List users with what they hold.",
        function=list_users,
        access=READ,
        tag="users",
        query=shapes.UserQuery,
        answer=shapes.UserPage,
        errors=(NotFound, NotConfigured),
    ),
    Operation(
        name="read_user",
        method="GET",
        path="/users/{key}",
        summary="Read one user.",
        function=read_user,
        access=READ,
        tag="users",
        answer=shapes.User,
    ),
    *factor_operations(FactorKind.OTP),
    *factor_operations(FactorKind.EMAIL),
    *factor_operations(FactorKind.SMS),
    Operation(
        name="ask_for_proof",
        method="POST",
        path="/users/{key}/verifications",
        summary="Ask a user for a proof; sends the code for email and sms.",
        description="Asked again within the pause between two messages, it sends nothing.",
        function=ask,
        access=WRITE,
        tag="verification",
        body=shapes.Ask,
        answer=shapes.Asked,
        errors=(Conflict, Locked, Throttled, NotConfigured),
    ),
    Operation(
        name="verify_proof",
        method="POST",
        path="/users/{key}/verify",
        summary="Judge a user's code, once.",
        description="With the counters and locks of the sign-in pages. Changes no session.",
        function=verify,
        access=WRITE,
        tag="verification",
        body=shapes.Verify,
        answer=shapes.Verified,
        errors=(WrongProof, Locked, Throttled),
    ),
    Operation(
        name="read_lock",
        method="GET",
        path="/users/{key}/lock",
        summary="Read whether a user is locked after too many wrong codes.",
        function=read_lock,
        access=READ,
        tag="users",
        answer=shapes.Lock,
    ),
    Operation(
        name="lift_lock",
        method="DELETE",
        path="/users/{key}/lock",
        summary="Lift a user's lock.",
        function=lift_lock,
        access=WRITE,
        tag="users",
    ),
    Operation(
        name="reset_user",
        method="POST",
        path="/users/{key}/reset",
        summary="Reset a user: factors, sessions and pending challenges.",
        description="Without `factors` everything goes, the lock too.",
        function=reset,
        access=WRITE,
        tag="users",
        body=shapes.Reset,
    ),
)
