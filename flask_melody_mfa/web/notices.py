"""What each notice says: event → subject, sentence, what to do.

Texts may use `%(issuer)s` and `%(factor)s` (one factor, or several, in words). An event that is
not listed is not told by mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask_melody_mfa.web.words import mfa_lazy


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The texts of one notice, in English; translated where they are rendered.

    `few`: what is added where the event tells that few (`left`) are left.
    """

    subject: str
    sentence: str
    what_to_do: str
    few: str = ""


FACTOR_LABELS: Mapping[str, str] = {
    "otp": mfa_lazy("Authenticator app"),
    "email": mfa_lazy("Email code"),
    "sms": mfa_lazy("Text message"),
    "passkey": mfa_lazy("Passkey"),
    "recovery_code": mfa_lazy("Recovery codes"),
}

_IF_NOT_YOU = mfa_lazy(
    "If this was you, there is nothing to do. If not, change your password at once and ask the "
    "people who run %(issuer)s for help."
)
_CHANGE_PASSWORD = mfa_lazy(
    "If this was not you, someone knows your password: change it at once, here and wherever else "
    "you use it."
)

NOTICES: Mapping[str, Notice] = {
    "factor_enrolled": Notice(
        subject=mfa_lazy("A sign-in step was added to your %(issuer)s account"),
        sentence=mfa_lazy("This was set up for your %(issuer)s account: %(factor)s."),
        what_to_do=_IF_NOT_YOU,
    ),
    "factor_removed": Notice(
        subject=mfa_lazy("A sign-in step was removed from your %(issuer)s account"),
        sentence=mfa_lazy("This was removed from your %(issuer)s account: %(factor)s."),
        what_to_do=_IF_NOT_YOU,
    ),
    "factor_reset": Notice(
        subject=mfa_lazy("The sign-in steps of your %(issuer)s account were reset"),
        sentence=mfa_lazy(
            "This was reset for your %(issuer)s account: %(factor)s. You may be asked to set it up "
            "again when you next sign in."
        ),
        what_to_do=mfa_lazy(
            "If you did not ask for this, change your password at once and ask the people who run "
            "%(issuer)s for help."
        ),
    ),
    "factor_disabled": Notice(
        subject=mfa_lazy("A sign-in step of your %(issuer)s account was disabled"),
        sentence=mfa_lazy(
            "After very many wrong codes in a row, this was disabled for your %(issuer)s account: "
            "%(factor)s."
        ),
        what_to_do=mfa_lazy(
            "Someone may be guessing your codes. Change your password, then sign in another way or "
            "ask the people who run %(issuer)s for help."
        ),
    ),
    "passkey_added": Notice(
        subject=mfa_lazy("A passkey was added to your %(issuer)s account"),
        sentence=mfa_lazy(
            "A new passkey can now be used to sign in to your %(issuer)s account, without your "
            "password."
        ),
        what_to_do=mfa_lazy(
            "If this was you, there is nothing to do. If not, remove the passkey, change your "
            "password at once, and ask the people who run %(issuer)s for help."
        ),
    ),
    "passkey_removed": Notice(
        subject=mfa_lazy("A passkey was removed from your %(issuer)s account"),
        sentence=mfa_lazy(
            "A passkey can no longer be used to sign in to your %(issuer)s account. You may want "
            "to delete it from your device, too."
        ),
        what_to_do=_IF_NOT_YOU,
    ),
    "passkey_clone_suspected": Notice(
        subject=mfa_lazy("A passkey of your %(issuer)s account may have been copied"),
        sentence=mfa_lazy(
            "Someone used a passkey of your %(issuer)s account in a way that points to a copy of "
            "it. We did not accept it."
        ),
        what_to_do=mfa_lazy(
            "Remove this passkey from your account, and make a new one. If you do not know why "
            "this happened, ask the people who run %(issuer)s for help."
        ),
    ),
    "locked": Notice(
        subject=mfa_lazy("Your %(issuer)s account is locked for a while"),
        sentence=mfa_lazy(
            "There were too many wrong codes for your %(issuer)s account. It unlocks by itself "
            "after a while."
        ),
        what_to_do=_CHANGE_PASSWORD,
    ),
    "proofs_failing": Notice(
        subject=mfa_lazy("Wrong codes for your %(issuer)s account"),
        sentence=mfa_lazy(
            "Someone gave the right password for your %(issuer)s account, and then several wrong "
            "codes."
        ),
        what_to_do=_CHANGE_PASSWORD,
    ),
    "email_backup_used": Notice(
        subject=mfa_lazy("An email code was used for your %(issuer)s account"),
        sentence=mfa_lazy(
            "Someone signed in to your %(issuer)s account with an email code in place of another "
            "sign-in step."
        ),
        what_to_do=mfa_lazy(
            "If this was not you, someone knows your password and reads your mail: change both "
            "passwords at once."
        ),
    ),
    "recovery_codes_made": Notice(
        subject=mfa_lazy("New recovery codes for your %(issuer)s account"),
        sentence=mfa_lazy(
            "New recovery codes were made for your %(issuer)s account. The ones before no longer "
            "work."
        ),
        what_to_do=_IF_NOT_YOU,
    ),
    "recovery_code_used": Notice(
        subject=mfa_lazy("A recovery code was used for your %(issuer)s account"),
        sentence=mfa_lazy("One of the recovery codes of your %(issuer)s account was used."),
        few=mfa_lazy("Few are left: make new ones soon."),
        what_to_do=mfa_lazy(
            "If this was not you, someone has your recovery codes: change your password at once, "
            "make new codes, and ask the people who run %(issuer)s for help."
        ),
    ),
    "device_reuse_detected": Notice(
        subject=mfa_lazy("A remembered device of your %(issuer)s account was copied"),
        sentence=mfa_lazy(
            "Someone gave the right password for your %(issuer)s account in a browser that held an "
            "old copy of what a remembered device keeps. That device is forgotten now: a code is "
            "asked for again."
        ),
        what_to_do=_CHANGE_PASSWORD,
    ),
    "sessions_ended": Notice(
        subject=mfa_lazy("You were signed out of %(issuer)s everywhere"),
        sentence=mfa_lazy("All other sessions of your %(issuer)s account were ended."),
        what_to_do=_IF_NOT_YOU,
    ),
}
