"""What email and SMS share: a code is made, kept as a keyed hash, and compared once it returns."""

from __future__ import annotations

import hmac
from typing import Literal

from flask_melody_mfa.core.codes import new_code
from flask_melody_mfa.core.errors import WrongProof
from flask_melody_mfa.core.limits import SKEW
from flask_melody_mfa.core.types import SECOND, Answer, FactorKind, Kept, Message, Prompt
from flask_melody_mfa.factors.base import Env


def digest_of(env: Env, kind: FactorKind, destination: str, code: str) -> str:
    """A code's keyed hash, bound to its challenge, factor and destination."""
    return env.digest("code", env.subject, kind.value, destination, code).hex()


def start(
    env: Env,
    kind: FactorKind,
    destination: str,
    purpose: Literal["sign_in", "enroll"],
) -> Prompt:
    """A new code and the message that carries it."""
    code = new_code()
    seconds = env.settings.mfa_code_seconds
    data = {"code": code, "seconds": seconds, "purpose": purpose}
    if kind is FactorKind.SMS and env.origin_host:
        data["host"] = env.origin_host
    return Prompt(
        kept={
            "code_digest": digest_of(env, kind, destination, code),
            "destination": destination,
            "expires_at": env.now + seconds * SECOND,
        },
        message=Message(
            channel="sms" if kind is FactorKind.SMS else "email",
            to=destination,
            template="code",
            data=data,
            locale=env.locale,
        ),
    )


def judge(env: Env, kind: FactorKind, kept: Kept, answer: Answer) -> str:
    """The destination that a code proves. Raises `WrongProof`, for an expired one too."""
    expected = kept.get("code_digest")
    if not isinstance(expected, str):
        raise WrongProof
    destination, expires_at = str(kept["destination"]), int(kept["expires_at"])
    given = digest_of(env, kind, destination, answer["code"])
    # A clock that was set back does not make a code live longer than it was given.
    latest = env.now + env.settings.mfa_code_seconds * SECOND + SKEW
    lives = env.now < expires_at <= latest
    if not hmac.compare_digest(given, expected) or not lives:
        raise WrongProof
    return destination
