"""The test vectors of WebAuthn Level 3, §16: each is taken or refused as our policy says.

`vectors/webauthn_level_3.json` holds their bytes (hex). They are signed for the relying party
`example.org`; whether the user was verified differs from one to the next.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest

from flask_melody_mfa.core import passkeys as rules
from flask_melody_mfa.core.errors import InvalidPasskey
from flask_melody_mfa.core.passkeys import AcceptedPasskey, HeldPasskey, NewPasskey
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import Account, FactorKind
from flask_melody_mfa.factors import FACTORS
from flask_melody_mfa.factors.base import Env
from tests.authenticator import BE, BS, UV, text

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors" / "webauthn_level_3.json").read_text()
)
ORIGIN = "https://example.org"

# What our policy has against each, beside user verification that is missing.
REFUSED = {
    "none-es256-crossOrigin": "made in a frame of another origin",
    "none-es256-topOrigin": "made in a frame of another origin",
    "packed-es384": "an algorithm that is not offered",
    "packed-es512": "an algorithm that is not offered",
    "packed-ed448": "an algorithm that is not offered",
    "tpm-es256": "a statement of a maker that is not known",
    "android-key-es256": "a statement of a maker that is not known",
    "apple-es256": "a statement of a maker that is not known",
    "fido-u2f-es256": "a U2F key, which has no AAGUID, with one",
}
TAKEN = set(VECTORS) - set(REFUSED)


def env() -> Env:
    settings = Settings.load(
        {"SECRET_KEY": "k" * 40, "MFA_BASE_URL": ORIGIN, "ALLOW_PASSKEY_ENROLLMENT": True}
    )
    return Env(
        settings=settings,
        now=0,
        subject="",
        digest=lambda *parts: b"",
        origins=(ORIGIN,),
    )


def given(found: dict[str, str], credential_id: str) -> str:
    """A vector as a browser would have posted it."""
    response = {
        name: text(bytes.fromhex(one)) for name, one in found.items() if name != "challenge"
    }
    shown = text(bytes.fromhex(credential_id))
    return json.dumps({"id": shown, "rawId": shown, "type": "public-key", "response": response})


def register(name: str, ceremony: str) -> NewPasskey:
    """Finish the registration of a vector. `ceremony`: made by a person, or without asking."""
    vector = VECTORS[name]
    answer = {"credential": given(vector["registration"], vector["credential_id"])}
    created = rules.read_created(answer["credential"])
    challenge = rules.challenge_of(created.client_data, ceremony, (ORIGIN,))
    assert challenge.hex() == vector["registration"]["challenge"]
    new = FACTORS[FactorKind.PASSKEY].finish_enrollment(
        env(), {"challenge": text(challenge)}, {**answer, "ceremony": ceremony}
    )
    assert isinstance(new, NewPasskey)
    return new


def flags(name: str) -> tuple[int, int]:
    """The flags of registration and authentication."""
    whole = cbor2.loads(bytes.fromhex(VECTORS[name]["registration"]["attestationObject"]))
    shown = bytes.fromhex(VECTORS[name]["authentication"]["authenticatorData"])
    return whole["authData"][32], shown[32]


@pytest.mark.check("W14")
def test_all_fifteen_are_here() -> None:
    assert len(VECTORS) == 15
    assert set(REFUSED) < set(VECTORS)


@pytest.mark.check("W14", "W07", "W04")
@pytest.mark.parametrize("name", sorted(VECTORS))
def test_a_registration_is_taken_as_the_policy_says(name: str) -> None:
    if name in REFUSED:
        for ceremony in (rules.CREATE, rules.AUTOMATIC):
            with pytest.raises(InvalidPasskey):
                register(name, ceremony)
        return
    made, _ = flags(name)
    new = register(name, rules.AUTOMATIC)
    assert new.credential_id.hex() == VECTORS[name]["credential_id"]
    assert new.uv_initialized is bool(made & UV)
    assert (new.backup_eligible, new.backed_up) == (bool(made & BE), bool(made & BS))
    if made & UV:
        assert register(name, rules.CREATE) == new
    else:
        with pytest.raises(InvalidPasskey):
            register(name, rules.CREATE)


@pytest.mark.check("W14", "W25")
@pytest.mark.parametrize("name", sorted(TAKEN))
def test_an_authentication_is_taken_where_the_user_was_verified(name: str) -> None:
    vector, new = VECTORS[name], register(name, rules.AUTOMATIC)
    held = HeldPasskey(
        id="1",
        kind=FactorKind.PASSKEY,
        credential_id=new.credential_id,
        public_key=new.public_key,
        sign_count=new.sign_count,
        backup_eligible=new.backup_eligible,
        uv_initialized=new.uv_initialized,
    )
    answer = {"credential": given(vector["authentication"], vector["credential_id"])}
    asserted = rules.read_asserted(answer["credential"])
    challenge = rules.challenge_of(asserted.client_data, rules.GET, (ORIGIN,))
    kept = {"challenge": text(challenge)}
    factor = FACTORS[FactorKind.PASSKEY]
    _, shown = flags(name)
    if shown & UV:
        accepted = factor.finish_proof(env(), [held], kept, answer)
        assert isinstance(accepted, AcceptedPasskey)
        assert (accepted.credential_id, accepted.backed_up) == ("1", bool(shown & BS))
    else:
        with pytest.raises(InvalidPasskey):
            factor.finish_proof(env(), [held], kept, answer)


def test_the_options_need_an_account_only_to_make_one() -> None:
    prompt = FACTORS[FactorKind.PASSKEY].start_proof(env(), Account(key=""), ())
    assert prompt.shown["rpId"] == "example.org"
