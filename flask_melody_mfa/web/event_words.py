"""What happened to an account, in words for its owner: type of the event → sentence.

Sentences may use `%(factor)s`: one factor, or several, in words. A type that is not listed is not
shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from babel import Locale
from babel.lists import format_list

from flask_melody_mfa.web.notices import FACTOR_LABELS
from flask_melody_mfa.web.words import Texts, mfa_lazy

SENTENCES: Mapping[str, str] = {
    "signed_in": mfa_lazy("Signed in"),
    "proof_refused": mfa_lazy("A wrong code or password was given"),
    "proofs_failing": mfa_lazy("Several wrong codes in a row"),
    "locked": mfa_lazy("Too many wrong codes: the account was locked for a while"),
    "unlocked": mfa_lazy("The lock was lifted"),
    "factor_enrolled": mfa_lazy("Set up: %(factor)s"),
    "factor_removed": mfa_lazy("Removed: %(factor)s"),
    "factor_reset": mfa_lazy("Reset: %(factor)s"),
    "factor_disabled": mfa_lazy("Disabled after very many wrong codes: %(factor)s"),
    "email_backup_used": mfa_lazy("An email code was used in place of: %(factor)s"),
    "passkey_added": mfa_lazy("A passkey was added"),
    "passkey_removed": mfa_lazy("A passkey was removed"),
    "passkey_clone_suspected": mfa_lazy("A passkey may have been copied"),
    "recovery_codes_made": mfa_lazy("New recovery codes were made"),
    "recovery_code_used": mfa_lazy("A recovery code was used"),
    "device_remembered": mfa_lazy("A device was remembered"),
    "device_revoked": mfa_lazy("Remembered devices were forgotten"),
    "device_reuse_detected": mfa_lazy("A remembered device may have been copied"),
    "session_revoked": mfa_lazy("A session was ended"),
    "sessions_ended": mfa_lazy("Signed out everywhere else"),
    "admin_viewed_user": mfa_lazy("An administrator looked at your account"),
}

WORRYING = frozenset(
    {
        "proof_refused",
        "proofs_failing",
        "locked",
        "factor_disabled",
        "passkey_clone_suspected",
        "device_reuse_detected",
    }
)

BY_OTHERS = mfa_lazy("by an administrator")
ACTORS = frozenset({"user", "system"})


def sentence(texts: Texts, type_: str, detail: Mapping[str, Any]) -> str | None:
    """An event in words; None for one that is of no interest here."""
    text = SENTENCES.get(type_)
    if text is None:
        return None
    return texts.mfa_text(text, factor=factors(texts, detail))


def factors(texts: Texts, detail: Mapping[str, Any]) -> str:
    """The factors that an event is about, in words."""
    named = detail.get("factors") or [detail.get("factor")]
    labels = [
        texts.mfa_text(FACTOR_LABELS[kind]) for kind in map(str, named) if kind in FACTOR_LABELS
    ]
    if not labels:
        return texts.mfa_text("all sign-in steps")
    return format_list(labels, locale=Locale.parse(texts.locale.replace("-", "_")))
