"""Passkeys: sign in by one, prove one, make one."""

from __future__ import annotations

import json

from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Conflict,
    Forbidden,
    InvalidPasskey,
    Locked,
    NobodyCan,
    NotConfigured,
    NotFound,
    StepUpRequired,
    Throttled,
    WrongProof,
)
from flask_melody_mfa.core.types import Answer, FactorKind
from flask_melody_mfa.flows import embedded_steps as steps
from flask_melody_mfa.flows import passkey_making as making
from flask_melody_mfa.flows import passkeys, prove
from flask_melody_mfa.web.embedded import shapes, view
from flask_melody_mfa.web.embedded.factors import running
from flask_melody_mfa.web.embedded.sessions import SESSION, send_first
from flask_melody_mfa.web.embedded.view import Here
from flask_melody_mfa.web.operation import Call, Operation
from flask_melody_mfa.web.passkey_names import usual_name
from flask_melody_mfa.web.state import state

PASSKEY = FactorKind.PASSKEY
MAY_FAIL = (Conflict, ChallengeOver, Forbidden, NobodyCan, NotConfigured)


def answer_of(body: shapes.CredentialJson, **more: str) -> Answer:
    """A browser's answer, as the factor reads it."""
    return {"credential": json.dumps(body.credential), **more}


def sign_in_options(call: Call) -> shapes.Where:
    """Options for whoever comes."""
    here: Here = call.caller
    options = steps.start_passkey(here.ctx, here.embedded)
    return view.where(here, shapes.PasskeyOptions, options=options)


def sign_in(call: Call) -> shapes.Where:
    """Sign in by passkey."""
    here: Here = call.caller
    here.go_on(
        steps.sign_in_by_passkey(here.ctx, here.embedded, answer_of(call.body), state().account_of)
    )
    send_first(here)
    return view.where(here)


def prove_options(call: Call) -> shapes.Where:
    """Options to prove a passkey that the account holds."""
    here: Here = call.caller
    at = here.place()
    challenge = running(at)
    assert at.account is not None  # noqa: S101
    options = prove.start_passkey(here.ctx, at.account, challenge)
    return view.where(here, shapes.PasskeyOptions, options=dict(options))


def verify(call: Call) -> shapes.Where:
    """A passkey as the proof."""
    here: Here = call.caller
    at = here.place()
    challenge = running(at)
    assert at.account is not None  # noqa: S101
    finished = prove.prove(here.ctx, at.account, challenge, PASSKEY, answer_of(call.body))
    here.go_on(steps.settle(here.ctx, here.embedded, finished))
    return view.where(here)


def right_of(here: Here, at: steps.Place) -> making.Right:
    """Why a passkey may be made now. Raises `Conflict`, `StepUpRequired`, `NotFound`."""
    if at.account is None:
        raise Conflict
    if at.challenge is not None:
        return making.by_challenge(here.ctx, at.account, at.challenge)
    if at.standing is None:
        raise Conflict
    return making.by_session(here.ctx, at.account, at.standing)


def make_options(call: Call) -> shapes.Where:
    """Options to make a passkey."""
    here: Here = call.caller
    at = here.place()
    right = right_of(here, at)
    assert at.account is not None  # noqa: S101
    options = making.start_enrollment(here.ctx, at.account, right)
    return view.where(here, shapes.PasskeyOptions, options=dict(options))


def make(call: Call) -> shapes.Where:
    """Keep a new passkey."""
    here: Here = call.caller
    body: shapes.NewPasskey = call.body
    at = here.place()
    right = right_of(here, at)
    assert at.account is not None  # noqa: S101
    added = making.finish_enrollment(
        here.ctx,
        at.account,
        right,
        answer_of(body, name=body.name or ""),
        usual_name=usual_name(),
    )
    if at.challenge is not None:
        here.go_on(steps.settle(here.ctx, here.embedded, added.finished))
    return view.where(here)


def skip(call: Call) -> shapes.Where:
    """Not now, or never again."""
    here: Here = call.caller
    at = here.place()
    if steps.PASSKEY not in at.offers or at.account is None:
        raise Conflict
    if call.body.dont_ask_again:
        passkeys.decline(here.ctx, at.account)
    here.go_on(steps.put_aside(here.ctx, here.embedded, steps.PASSKEY))
    return view.where(here)


OPERATIONS = (
    Operation(
        name="passkey_sign_in_options",
        method="POST",
        path="/sessions/{id}/passkey-sign-in/options",
        summary="Options to sign in by passkey.",
        function=sign_in_options,
        access=SESSION,
        answer=shapes.PasskeyOptions,
        tag="passkeys",
        errors=(*MAY_FAIL, Throttled),
    ),
    Operation(
        name="passkey_sign_in",
        method="POST",
        path="/sessions/{id}/passkey-sign-in",
        summary="Sign in by passkey, without a password.",
        function=sign_in,
        access=SESSION,
        body=shapes.CredentialJson,
        answer=shapes.Where,
        tag="passkeys",
        errors=(*MAY_FAIL, InvalidPasskey, Throttled),
    ),
    Operation(
        name="passkey_options",
        method="POST",
        path="/sessions/{id}/passkey/options",
        summary="Options to prove a passkey.",
        function=prove_options,
        access=SESSION,
        answer=shapes.PasskeyOptions,
        tag="passkeys",
        errors=(*MAY_FAIL, Locked),
    ),
    Operation(
        name="verify_passkey",
        method="POST",
        path="/sessions/{id}/passkey/verify",
        summary="A passkey as the proof.",
        function=verify,
        access=SESSION,
        body=shapes.CredentialJson,
        answer=shapes.Where,
        tag="passkeys",
        errors=(*MAY_FAIL, InvalidPasskey, WrongProof, Locked, Throttled),
    ),
    Operation(
        name="passkey_enrollment_options",
        method="POST",
        path="/sessions/{id}/passkey-enrollment/options",
        summary="Options to make a passkey.",
        function=make_options,
        access=SESSION,
        answer=shapes.PasskeyOptions,
        tag="passkeys",
        errors=(*MAY_FAIL, NotFound, StepUpRequired),
    ),
    Operation(
        name="enroll_passkey",
        method="POST",
        path="/sessions/{id}/passkey-enrollment",
        summary="Keep a new passkey.",
        function=make,
        access=SESSION,
        body=shapes.NewPasskey,
        answer=shapes.Where,
        tag="passkeys",
        errors=(*MAY_FAIL, NotFound, StepUpRequired, InvalidPasskey),
    ),
    Operation(
        name="skip_passkey",
        method="POST",
        path="/sessions/{id}/passkey-enrollment/skip",
        summary="Go on without a passkey.",
        function=skip,
        access=SESSION,
        body=shapes.Skip,
        body_optional=True,
        answer=shapes.Where,
        tag="passkeys",
        errors=MAY_FAIL,
    ),
)
