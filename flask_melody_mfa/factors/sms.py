"""Codes by SMS. Numbers are parsed, canonical (E.164), and of a country that is allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from flask_melody_mfa.core.errors import InvalidRequest, UnsupportedDestination, WrongProof
from flask_melody_mfa.core.types import (
    Accepted,
    Account,
    Answer,
    Credential,
    FactorKind,
    Kept,
    NewCredential,
    Prompt,
)
from flask_melody_mfa.factors import sent_codes
from flask_melody_mfa.factors.base import Env

LONGEST = 40
_PLAUSIBLE = re.compile(r"[+0-9\uff0b\uff10-\uff19\u0660-\u0669\u06f0-\u06f9 ()./\-\u00a0]+")

COSTLY = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
        PhoneNumberType.PAGER,
        PhoneNumberType.VOICEMAIL,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.FIXED_LINE,
    }
)
"""Kinds of numbers that get no SMS: they cannot receive it, or somebody earns by it."""


def canonical(text: str, countries: Sequence[str]) -> str:
    """A typed number in E.164, whatever its spelling: `+44…`, `0044…`, other digits, blanks.

    `countries`: ISO codes that may receive SMS; where there is only one, its national spelling
    is understood. Raises `InvalidRequest`, or `UnsupportedDestination` for a number that may not
    receive SMS here.
    """
    plain = text.strip()
    if not plain:
        raise InvalidRequest({"phone_number": "number_required"})
    if len(plain) > LONGEST or not _PLAUSIBLE.fullmatch(plain):
        raise InvalidRequest({"phone_number": "number"})
    digits = phonenumbers.normalize_digits_only(plain, keep_non_digits=True)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    region = countries[0] if len(countries) == 1 else None
    try:
        number = phonenumbers.parse(digits, region)
    except NumberParseException:
        raise InvalidRequest({"phone_number": "number"}) from None
    if not phonenumbers.is_valid_number(number):
        raise InvalidRequest({"phone_number": "number"})
    if phonenumbers.region_code_for_number(number) not in countries:
        raise UnsupportedDestination({"phone_number": "country"})
    if phonenumbers.number_type(number) in COSTLY:
        raise UnsupportedDestination({"phone_number": "number_type"})
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def readable(number: str) -> str:
    """A number in E.164 as people write it, in groups: `+44 7400 123456`."""
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return number
    return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)


class SmsFactor:
    """A code sent to a number."""

    kind = FactorKind.SMS

    def start_enrollment(self, env: Env, account: Account, answer: Answer) -> Prompt:
        """A code to the number that was typed, or to the host's."""
        typed = answer.get("phone_number", "") or account.phone or ""
        number = canonical(typed, env.settings.mfa_sms_countries)
        return sent_codes.start(env, self.kind, number, "enroll")

    def finish_enrollment(self, env: Env, kept: Kept, answer: Answer) -> NewCredential:
        """The number that the code proves."""
        destination = sent_codes.judge(env, self.kind, kept, answer)
        return NewCredential(kind=self.kind, destination=destination)

    def start_proof(self, env: Env, account: Account, held: Sequence[Credential]) -> Prompt:
        """A code to the proven number, if its country is still allowed."""
        del account
        if not held:
            raise WrongProof
        number = canonical(held[0].destination or "", env.settings.mfa_sms_countries)
        return sent_codes.start(env, self.kind, number, "sign_in")

    def finish_proof(
        self, env: Env, held: Sequence[Credential], kept: Kept, answer: Answer
    ) -> Accepted:
        """Judge the code. One that went to a number which is proven no more is wrong."""
        destination = sent_codes.judge(env, self.kind, kept, answer)
        if not held or destination != held[0].destination:
            raise WrongProof
        return Accepted(kind=self.kind, credential_id=held[0].id)
