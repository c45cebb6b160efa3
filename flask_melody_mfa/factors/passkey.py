"""Passkeys (WebAuthn Level 3), verified by py_webauthn.

What the library leaves to the relying party is done here or, where it needs rows, in the flows:
`core/passkeys.py` has the steps on `clientDataJSON`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_authenticator_data,
    parse_cbor,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    PublicKeyCredentialType,
    RegistrationCredential,
)

from flask_melody_mfa.core import ed25519, limits
from flask_melody_mfa.core import passkeys as rules
from flask_melody_mfa.core.errors import InvalidPasskey, MfaError, NotConfigured
from flask_melody_mfa.core.passkeys import AcceptedPasskey, HeldPasskey, NewPasskey
from flask_melody_mfa.core.types import Account, Answer, Credential, FactorKind, Kept, Prompt
from flask_melody_mfa.factors.base import Env

log = logging.getLogger("flask_melody_mfa")

OFFERED = [COSEAlgorithmIdentifier(number) for number in rules.ALGORITHMS]
KEY_TYPE = 1
SIZES = {1: 4, 2: 5, 3: 4}
"""Key type (1 OKP, 2 EC2, 3 RSA) → how many parameters such a COSE key has."""
RSA_BITS = range(2048, 4097)
"""No weaker, and no costlier to verify."""
NO_COUNTER = -1
"""The library would judge the counter before the signature; we do it after, and for good."""
LONGEST_USER_NAME = 64


@contextmanager
def one_answer() -> Iterator[None]:
    """Whatever the library makes of its input, the answer is the same."""
    try:
        yield
    except MfaError:
        raise
    except Exception as error:
        log.debug("A passkey was refused: %s", type(error).__name__)
        raise InvalidPasskey from None


class PasskeyFactor:
    """A key pair of the user's, bound to our relying party; its answer is one JSON text.

    `kept["challenge"]` is the ceremony's challenge, whose row was spent before.
    """

    kind = FactorKind.PASSKEY

    def start_enrollment(self, env: Env, account: Account, answer: Answer) -> Prompt:
        """Options for `navigator.credentials.create()`.

        `answer`: `handle`, the account's user handle; `ceremony`. `env.held`: the account's own
        passkeys, which are not to be made again.
        """
        challenge = secrets.token_bytes(rules.CHALLENGE_BYTES)
        automatic = answer.get("ceremony") == rules.AUTOMATIC
        name = (account.login or account.name or account.key)[:LONGEST_USER_NAME]
        options: dict[str, Any] = {
            "rp": {"id": relying_party(env), "name": env.settings.mfa_rp_name},
            "user": {
                "id": answer["handle"],
                "name": name,
                "displayName": (account.name or name)[:LONGEST_USER_NAME],
            },
            "challenge": rules.to_text(challenge),
            "pubKeyCredParams": [
                {"type": "public-key", "alg": number} for number in rules.ALGORITHMS
            ],
            "timeout": limits.CEREMONY,
            "excludeCredentials": descriptors(env.held),
            "authenticatorSelection": {
                "residentKey": "preferred",
                "requireResidentKey": False,
                # Nobody is asked anything in a conditional create, so nobody can be verified.
                "userVerification": "preferred" if automatic else "required",
            },
            "attestation": "none",
        }
        return Prompt(shown=options, kept={"challenge": options["challenge"]})

    def finish_enrollment(self, env: Env, kept: Kept, answer: Answer) -> NewPasskey:
        """Verify a registration. Raises `InvalidPasskey`, `InvalidRequest`."""
        created = rules.read_created(answer["credential"])
        automatic = answer.get("ceremony") == rules.AUTOMATIC
        with one_answer():
            check_attestation(created)
            verified = verify_registration_response(
                credential=RegistrationCredential(
                    id=rules.to_text(created.credential_id),
                    raw_id=created.credential_id,
                    response=AuthenticatorAttestationResponse(
                        client_data_json=created.client_data,
                        attestation_object=created.attestation,
                    ),
                    type=PublicKeyCredentialType.PUBLIC_KEY,
                ),
                expected_challenge=rules.to_bytes(kept["challenge"]),
                expected_rp_id=relying_party(env),
                expected_origin=list(env.origins),
                require_user_presence=not automatic,
                require_user_verification=not automatic,
                supported_pub_key_algs=OFFERED,
            )
            check_key(verified.credential_public_key)
            if verified.credential_id != created.credential_id:
                raise InvalidPasskey
            return NewPasskey(
                kind=self.kind,
                credential_id=verified.credential_id,
                public_key=verified.credential_public_key,
                sign_count=verified.sign_count,
                transports=created.transports,
                aaguid=None if verified.aaguid == rules.NO_AAGUID else verified.aaguid,
                backup_eligible=verified.credential_device_type.value == "multi_device",
                backed_up=verified.credential_backed_up,
                uv_initialized=verified.user_verified,
            )

    def start_proof(self, env: Env, account: Account, held: Sequence[Credential]) -> Prompt:
        """Options for `navigator.credentials.get()`; with nothing held, for whoever comes."""
        del account
        challenge = rules.to_text(secrets.token_bytes(rules.CHALLENGE_BYTES))
        options: dict[str, Any] = {
            "challenge": challenge,
            "timeout": limits.CEREMONY,
            "rpId": relying_party(env),
            "allowCredentials": descriptors(held),
            "userVerification": "required",
        }
        return Prompt(shown=options, kept={"challenge": challenge})

    def finish_proof(
        self, env: Env, held: Sequence[Credential], kept: Kept, answer: Answer
    ) -> AcceptedPasskey:
        """Verify an assertion of one of the `held` passkeys.

        Where none of them is meant, another key is tried in vain, so that the time taken does
        not tell. Raises `InvalidPasskey`, `InvalidRequest`.
        """
        asserted = rules.read_asserted(answer["credential"])
        meant = [one for one in held if isinstance(one, HeldPasskey) and is_meant(one, asserted)]
        found = meant[0] if meant else NOBODYS
        with one_answer():
            verified = verify_authentication_response(
                credential=AuthenticationCredential(
                    id=rules.to_text(asserted.credential_id),
                    raw_id=asserted.credential_id,
                    response=AuthenticatorAssertionResponse(
                        client_data_json=asserted.client_data,
                        authenticator_data=asserted.authenticator_data,
                        signature=asserted.signature,
                        user_handle=asserted.user_handle,
                    ),
                    type=PublicKeyCredentialType.PUBLIC_KEY,
                ),
                expected_challenge=rules.to_bytes(kept["challenge"]),
                expected_rp_id=relying_party(env),
                expected_origin=list(env.origins),
                credential_public_key=found.public_key,
                credential_current_sign_count=NO_COUNTER,
                require_user_verification=True,
            )
            flags = parse_authenticator_data(asserted.authenticator_data).flags
        if found is NOBODYS or flags.at or flags.be != found.backup_eligible:
            raise InvalidPasskey
        return AcceptedPasskey(
            kind=self.kind,
            credential_id=found.id,
            sign_count=verified.new_sign_count,
            backed_up=verified.credential_backed_up,
            uv_initialized=found.uv_initialized,
            regressed=rules.is_regression(found.sign_count, verified.new_sign_count),
        )


def relying_party(env: Env) -> str:
    """Our relying party's id. Raises `NotConfigured` without one."""
    if not env.settings.mfa_rp_id or not env.origins:
        raise NotConfigured
    return env.settings.mfa_rp_id


def is_meant(passkey: HeldPasskey, asserted: rules.Asserted) -> bool:
    """Whether an assertion names this passkey, and its account where it names one (§7.2 step 6)."""
    return passkey.credential_id == asserted.credential_id and asserted.user_handle in (
        None,
        passkey.handle,
    )


def descriptors(held: Sequence[Credential]) -> list[dict[str, Any]]:
    """Passkeys as options name them."""
    return [
        {
            "type": "public-key",
            "id": rules.to_text(one.credential_id),
            **({"transports": list(one.transports)} if one.transports else {}),
        }
        for one in held
        if isinstance(one, HeldPasskey)
    ]


def check_attestation(created: rules.Created) -> None:
    """What the library reads past. Raises `InvalidPasskey`."""
    whole = parse_cbor(created.attestation)
    if not isinstance(whole, dict) or not isinstance(whole.get("attStmt"), dict):
        raise InvalidPasskey
    if whole.get("fmt") == "none" and whole["attStmt"]:
        raise InvalidPasskey


def check_key(key: bytes) -> None:
    """Whether a COSE key is one that we can rely on (RFC 9052 §7, RFC 9053 §7, RFC 8230 §4).

    An offered algorithm with the key type and curve that belong to it, nothing missing and
    nothing beside it, numbers of the right length, a point on the curve. Raises
    `InvalidPasskey`, or whatever the library raises.
    """
    found = parse_cbor(key)
    parts = found.items() if isinstance(found, dict) else ()
    # By exact type: to Python, true is the number 1.
    if not parts or not all(type(name) is int and type(one) in (int, bytes) for name, one in parts):
        raise InvalidPasskey
    shape = {name: one for name, one in parts if type(one) is int}
    numbers = {name: one for name, one in parts if type(one) is bytes}
    match shape, numbers:
        case ({1: 2, 3: -7, -1: 1}, {-2: x, -3: y}):
            sound = len(x) == len(y) == 32
        case ({1: 1, 3: -8, -1: 6}, {-2: x}):
            sound = ed25519.is_sound(x)
        case ({1: 3, 3: -257}, {-1: n, -2: e}):
            sound = is_sound_rsa(n, e)
        case _:
            sound = False
    if not sound or len(found) != SIZES[found[KEY_TYPE]]:
        raise InvalidPasskey
    decoded_public_key_to_cryptography(decode_credential_public_key(key))


def is_sound_rsa(n: bytes, e: bytes) -> bool:
    """An odd modulus of a usual length, and an exponent that browsers' authenticators use."""
    modulus, exponent = int.from_bytes(n, "big"), int.from_bytes(e, "big")
    return (
        modulus.bit_length() in RSA_BITS
        and n[0] != 0
        and modulus % 2 == 1
        and exponent in (3, 17, 65537)
    )


NOBODYS = HeldPasskey(
    id="",
    kind=FactorKind.PASSKEY,
    credential_id=b"",
    public_key=rules.ANY_KEY,
    sign_count=0,
)
