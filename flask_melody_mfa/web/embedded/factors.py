"""Proving and setting up factors, and recovery codes."""

from __future__ import annotations

from functools import partial

from flask_melody_mfa.core import codes, gate, recovery_codes
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Conflict,
    Forbidden,
    InvalidRequest,
    Locked,
    NobodyCan,
    NotFound,
    StepUpRequired,
    Throttled,
    UnsupportedDestination,
    WrongProof,
)
from flask_melody_mfa.core.types import FactorKind
from flask_melody_mfa.flows import embedded_steps as steps
from flask_melody_mfa.flows import enroll, prove, sign_in
from flask_melody_mfa.flows.challenge import Challenge
from flask_melody_mfa.flows.embedded_steps import Place
from flask_melody_mfa.web import qr
from flask_melody_mfa.web.embedded import shapes, view
from flask_melody_mfa.web.embedded.sessions import SESSION
from flask_melody_mfa.web.embedded.view import Here
from flask_melody_mfa.web.operation import Call, Operation

MAY_FAIL = (Conflict, ChallengeOver, Forbidden, NobodyCan)


def running(at: Place) -> Challenge:
    """The challenge of a session in which something is owed. Raises `Conflict`."""
    if at.challenge is None:
        raise Conflict
    if isinstance(at.step, gate.Stuck):
        raise NobodyCan(at.step.reason)
    return at.challenge


def choose(call: Call) -> shapes.Where:
    """Choose what to set up, or put it off."""
    here: Here = call.caller
    body: shapes.Enrollment = call.body
    if (body.factor is None) is not body.later:
        raise InvalidRequest({"factor": "choose"})
    at = here.place()
    if body.later:
        put_off(here, at)
        return view.where(here)
    kind = FactorKind(str(body.factor))
    if at.challenge is not None and at.account is not None:
        enroll.choose(here.ctx, at.account, at.challenge, kind)
    elif at.offers and at.offers[0] == steps.REPLACE:
        here.go_on(steps.begin_replacing(here.ctx, here.embedded, at, kind)[0])
    else:
        here.go_on(steps.begin_enrolling(here.ctx, here.embedded, at, kind)[0])
    return view.where(here)


def put_off(here: Here, at: Place) -> None:
    """Leave a set-up, or the offer to replace a factor, for another time. Raises `Conflict`."""
    if at.challenge is None:
        if not at.offers or at.offers[0] != steps.REPLACE:
            raise Conflict
        here.go_on(steps.put_aside(here.ctx, here.embedded, steps.REPLACE))
        return
    if not (isinstance(at.step, gate.SetUp) and at.step.may_skip) or at.account is None:
        raise Conflict
    if at.challenge.purpose == sign_in.ENROLL:
        here.go_on(steps.leave_challenge(here.ctx, here.embedded))
        return
    finished = sign_in.put_off(here.ctx, at.account, at.challenge)
    here.go_on(steps.settle(here.ctx, here.embedded, finished))


def set_up_otp(call: Call) -> shapes.Where:
    """The key of a new authenticator: the same until it is confirmed."""
    here: Here = call.caller
    at = here.place()
    challenge = running(at)
    assert at.account is not None  # noqa: S101
    shown = enroll.show(here.ctx, at.account, challenge, FactorKind.OTP).shown
    return view.where(
        here,
        shapes.OtpSetUp,
        secret=shown["secret"].replace(" ", ""),
        otpauth_uri=shown["uri"],
        qr_svg=qr.svg(shown["uri"]),
    )


def set_up_sms(call: Call) -> shapes.Where:
    """Send a code to a new number."""
    here: Here = call.caller
    at = here.place()
    challenge = running(at)
    assert at.account is not None  # noqa: S101
    answer = {"phone_number": call.body.phone_number}
    enroll.send(here.ctx, at.account, challenge, FactorKind.SMS, answer)
    return view.where(here)


def send(kind: FactorKind, call: Call) -> shapes.Where:
    """Send a code, or send it again: for a proof, or to confirm what is being set up."""
    here: Here = call.caller
    at = here.place()
    challenge = running(at)
    assert at.account is not None  # noqa: S101
    if isinstance(at.step, gate.SetUp):
        answer = {}
        if kind is FactorKind.SMS:
            kept = here.ctx.vault.open_kept(challenge.row)
            if challenge.row.code_kind != kind or not kept:
                raise Conflict  # there is no number yet: it comes with sms/setup
            answer = {"phone_number": str(kept["destination"])}
        enroll.send(here.ctx, at.account, challenge, kind, answer)
    else:
        prove.send(here.ctx, at.account, challenge, kind)
    return view.where(here)


def verify(kind: FactorKind, call: Call) -> shapes.Where:
    """Judge a code: a proof, or what confirms a set-up."""
    here: Here = call.caller
    body: shapes.Verify = call.body
    at = here.place()
    challenge = running(at)
    assert at.account is not None  # noqa: S101
    answer = {
        "code": codes.clean_code(body.code),
        "remember_device": "1" if body.remember_device else "",
        "name": body.name or "",
    }
    if isinstance(at.step, gate.SetUp):
        finished = enroll.finish(here.ctx, at.account, challenge, kind, answer)
    else:
        finished = prove.prove(here.ctx, at.account, challenge, kind, answer)
    here.go_on(steps.settle(here.ctx, here.embedded, finished))
    return view.where(here)


def verify_recovery_code(call: Call) -> shapes.Where:
    """A recovery code in place of a factor."""
    here: Here = call.caller
    at = here.place()
    challenge = running(at)
    assert at.account is not None  # noqa: S101
    answer = {"code": recovery_codes.checked_text(call.body.code)}
    finished = prove.prove(here.ctx, at.account, challenge, FactorKind.RECOVERY_CODE, answer)
    here.go_on(steps.settle(here.ctx, here.embedded, finished))
    return view.where(here)


def make_codes(call: Call) -> shapes.Where:
    """Make recovery codes, shown this once. In a session that manages, they replace the old."""
    here: Here = call.caller
    made, embedded = steps.make_codes(here.ctx, here.embedded, here.place())
    here.go_on(embedded)
    return view.where(here, shapes.NewCodes, recovery_codes=list(made))


def codes_saved(call: Call) -> shapes.Where:
    """They are saved: go on."""
    here: Here = call.caller
    here.go_on(steps.codes_saved(here.ctx, here.embedded, here.place()))
    return view.where(here)


def sending(kind: FactorKind) -> Operation:
    """Send a code of one factor."""
    return Operation(
        name=f"send_{kind.value}",
        method="POST",
        path=f"/sessions/{{id}}/{kind.value}/send",
        summary="Send a code, or send it again.",
        function=partial(send, kind),
        access=SESSION,
        answer=shapes.Where,
        tag="factors",
        errors=(*MAY_FAIL, Locked, Throttled, UnsupportedDestination),
    )


def verifying(kind: FactorKind) -> Operation:
    """Verify a code of one factor."""
    return Operation(
        name=f"verify_{kind.value}",
        method="POST",
        path=f"/sessions/{{id}}/{kind.value}/verify",
        summary="Verify a code: as a proof, or to confirm a set-up.",
        function=partial(verify, kind),
        access=SESSION,
        body=shapes.Verify,
        answer=shapes.Where,
        tag="factors",
        errors=(*MAY_FAIL, WrongProof, Locked, Throttled),
    )


OPERATIONS = (
    Operation(
        name="choose_enrollment",
        method="POST",
        path="/sessions/{id}/enrollment",
        summary="Choose what to set up, or put it off.",
        function=choose,
        access=SESSION,
        body=shapes.Enrollment,
        answer=shapes.Where,
        tag="factors",
        errors=(*MAY_FAIL, StepUpRequired),
    ),
    Operation(
        name="set_up_otp",
        method="POST",
        path="/sessions/{id}/otp/setup",
        summary="The key of a new authenticator app; its first code confirms it.",
        function=set_up_otp,
        access=SESSION,
        answer=shapes.OtpSetUp,
        tag="factors",
        errors=MAY_FAIL,
    ),
    Operation(
        name="set_up_sms",
        method="POST",
        path="/sessions/{id}/sms/setup",
        summary="Send a code to a new number; it confirms it.",
        function=set_up_sms,
        access=SESSION,
        body=shapes.Phone,
        answer=shapes.Where,
        tag="factors",
        errors=(*MAY_FAIL, UnsupportedDestination, Throttled),
    ),
    sending(FactorKind.EMAIL),
    sending(FactorKind.SMS),
    verifying(FactorKind.OTP),
    verifying(FactorKind.EMAIL),
    verifying(FactorKind.SMS),
    Operation(
        name="verify_recovery_code",
        method="POST",
        path="/sessions/{id}/recovery-code/verify",
        summary="A recovery code in place of a factor.",
        function=verify_recovery_code,
        access=SESSION,
        body=shapes.VerifyRecoveryCode,
        answer=shapes.Where,
        tag="factors",
        errors=(*MAY_FAIL, WrongProof, Locked, Throttled),
    ),
    Operation(
        name="make_recovery_codes",
        method="POST",
        path="/sessions/{id}/recovery-codes",
        summary="Make recovery codes: shown this once.",
        function=make_codes,
        access=SESSION,
        answer=shapes.NewCodes,
        tag="recovery codes",
        errors=(Conflict, ChallengeOver, Forbidden, NotFound, StepUpRequired),
    ),
    Operation(
        name="recovery_codes_saved",
        method="POST",
        path="/sessions/{id}/recovery-codes/saved",
        summary="The recovery codes are saved: go on.",
        function=codes_saved,
        access=SESSION,
        answer=shapes.Where,
        tag="recovery codes",
        errors=(Conflict, ChallengeOver, Forbidden),
    ),
)
