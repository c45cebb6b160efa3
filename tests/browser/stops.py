"""The pages that are looked at, as data: a line for each says how to come there.

A new page is one more `Stop`. `reach` drives a `Visitor` (see `tests.browser.site`), who holds
`holds`; `config` are settings of the host, where they are not the defaults; `user` are values of
the host's user. The walk (`test_walk.py`) does the rest: languages, schemes, widths, axe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.browser.site import UNREACHABLE, Visitor


@dataclass(frozen=True, kw_only=True)
class Stop:
    """One page, and how to come there."""

    name: str
    reach: Callable[[Visitor], Any]
    holds: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    user: dict[str, Any] = field(default_factory=dict)
    is_mail: bool = False


ALL = ("otp", "email", "sms")
SMS = {"ENFORCE_ONE_MFA_ENROLLMENT": ["otp", "email", "sms"]}
LATER = {**SMS, "MFA_REQUIRED_FROM": "2100-01-01"}
STUCK = {"ENFORCE_ONE_MFA_ENROLLMENT": ["email"]}
CODES = {"ENABLE_RECOVERY_CODE": True}
ENOUGH = {**CODES, "MFA_RECOVERY_CODE_IS_ENOUGH": True}
DEVICE = {"ENABLE_MFA_REMEMBER_DEVICE": True}
PASSKEYS = {"ALLOW_PASSKEY_ENROLLMENT": True}
NONE = {"ENFORCE_ONE_MFA_ENROLLMENT": []}
PASSKEYS = {**NONE, "ALLOW_PASSKEY_ENROLLMENT": True}


def without_passkeys(visitor: Visitor) -> None:
    """Have a browser that cannot use passkeys."""
    visitor.page.add_init_script("delete window.PublicKeyCredential")


STOPS = (
    Stop(name="challenge-otp", reach=lambda v: v.sign_in(), holds=("otp",)),
    Stop(name="challenge-otp-others", reach=lambda v: v.sign_in(), holds=ALL),
    Stop(name="challenge-otp-wrong", reach=lambda v: v.sign_in().wrong(), holds=("otp",)),
    Stop(
        name="challenge-long-names",
        reach=lambda v: v.sign_in(),
        holds=("otp", "email"),
        config={"MFA_ISSUER": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbau"},
    ),
    Stop(name="challenge-email", reach=lambda v: v.sign_in_by_get(), holds=("email",)),
    Stop(name="challenge-email-sent", reach=lambda v: v.sign_in(), holds=("email",)),
    Stop(name="challenge-email-now", reach=lambda v: v.sign_in_by_get().send(), holds=("email",)),
    Stop(name="challenge-email-wrong", reach=lambda v: v.sign_in().wrong(), holds=("email",)),
    Stop(
        name="challenge-email-throttled",
        reach=lambda v: v.sign_in().send_at_once(),
        holds=("email",),
    ),
    Stop(
        name="challenge-backup",
        reach=lambda v: v.sign_in().go("/mfa/challenge/email"),
        holds=("otp",),
    ),
    Stop(name="challenge-sms", reach=lambda v: v.sign_in_by_get(), holds=("sms",)),
    Stop(name="challenge-sms-sent", reach=lambda v: v.sign_in(), holds=("sms",)),
    Stop(name="challenge-sms-wrong", reach=lambda v: v.sign_in().wrong(), holds=("sms",)),
    Stop(
        name="challenge-sms-undelivered",
        reach=lambda v: v.sign_in().send(),
        holds=("sms",),
        user={"phone": UNREACHABLE},
    ),
    Stop(
        name="step-up",
        reach=lambda v: v.sign_in().go("/mfa/challenge/email").send().code().go("/with-otp"),
        holds=ALL,
    ),
    Stop(name="expired", reach=lambda v: v.sign_in().wrong(5), holds=("otp",)),
    Stop(
        name="locked",
        reach=lambda v: v.sign_in().wrong(5).sign_in().wrong(5),
        holds=("otp",),
    ),
    Stop(name="error", reach=lambda v: v.sign_in().spoil(), holds=("otp",)),
    Stop(
        name="stuck",
        reach=lambda v: v.without_email().sign_in_by_get(),
        config=STUCK,
    ),
    Stop(name="enroll-choose", reach=lambda v: v.sign_in(), config=SMS),
    Stop(name="enroll-choose-later", reach=lambda v: v.sign_in(), config=LATER),
    Stop(name="enroll-otp", reach=lambda v: v.sign_in().choose("otp"), config=SMS),
    Stop(
        name="enroll-otp-key",
        reach=lambda v: v.sign_in().choose("otp").page.click("summary"),
        config=SMS,
    ),
    Stop(name="enroll-otp-wrong", reach=lambda v: v.sign_in().choose("otp").wrong(), config=SMS),
    Stop(name="enroll-email", reach=lambda v: v.sign_in().choose("email"), config=SMS),
    Stop(name="enroll-email-sent", reach=lambda v: v.sign_in().choose("email").send(), config=SMS),
    Stop(
        name="enroll-email-wrong",
        reach=lambda v: v.sign_in().choose("email").send().wrong(),
        config=SMS,
    ),
    Stop(name="enroll-sms", reach=lambda v: v.sign_in().choose("sms"), config=SMS),
    Stop(
        name="enroll-sms-refused",
        reach=lambda v: v.sign_in().choose("sms").number("+33 6 12 34 56 78"),
        config=SMS,
    ),
    Stop(name="enroll-sms-sent", reach=lambda v: v.sign_in().choose("sms").number(), config=SMS),
    Stop(
        name="enroll-sms-wrong",
        reach=lambda v: v.sign_in().choose("sms").number().wrong(),
        config=SMS,
    ),
    Stop(name="challenge-remember", reach=lambda v: v.sign_in(), holds=("otp",), config=DEVICE),
    Stop(
        name="devices-none",
        reach=lambda v: v.sign_in().otp().go("/mfa/devices"),
        holds=("otp",),
        config=DEVICE,
    ),
    Stop(
        name="devices",
        reach=lambda v: v.sign_in().remember().otp().go("/mfa/devices"),
        holds=("otp",),
        config=DEVICE,
    ),
    Stop(
        name="recovery-codes-intro",
        reach=lambda v: v.sign_in().otp(),
        holds=("otp",),
        config=CODES,
    ),
    Stop(
        name="recovery-codes",
        reach=lambda v: v.sign_in().otp().make_codes(),
        holds=("otp",),
        config=CODES,
    ),
    Stop(
        name="challenge-recovery-code",
        reach=lambda v: v.with_codes().sign_in().go("/mfa/challenge/recovery-code"),
        holds=("otp",),
        config=CODES,
    ),
    Stop(
        name="challenge-recovery-code-wrong",
        reach=lambda v: v.with_codes().sign_in().go("/mfa/challenge/recovery-code").code("0" * 24),
        holds=("otp",),
        config=CODES,
    ),
    Stop(
        name="replace",
        reach=lambda v: v.with_codes().sign_in().go("/mfa/challenge/recovery-code").spend(),
        holds=("otp",),
        config=CODES,
    ),
    Stop(name="recover", reach=lambda v: v.go("/mfa/recover"), config=CODES),
    Stop(name="recover-wrong", reach=lambda v: v.recover("0" * 24), config=CODES),
    Stop(
        name="recovered",
        reach=lambda v: v.with_codes().recover(),
        holds=("otp",),
        config=ENOUGH,
    ),
    Stop(
        name="account",
        reach=lambda v: v.sign_in().remember().otp().save_codes().go("/mfa/account"),
        holds=ALL,
        config={**CODES, **DEVICE},
    ),
    Stop(name="account-bare", reach=lambda v: v.sign_in().go("/mfa/account"), config=NONE),
    Stop(name="account-rename", reach=lambda v: v.account("/rename"), holds=("otp",)),
    Stop(name="account-remove", reach=lambda v: v.account("/remove"), holds=ALL),
    Stop(name="account-replace", reach=lambda v: v.account("/replace"), holds=ALL),
    Stop(
        name="account-remove-last",
        reach=lambda v: v.account("/rename").go(v.path.replace("/rename", "/remove")),
        holds=("otp",),
    ),
    Stop(
        name="account-end-others",
        reach=lambda v: v.account().go("/mfa/account/sessions/end-others"),
        holds=("otp",),
    ),
    Stop(
        name="challenge-password",
        reach=lambda v: v.sign_in().go("/mfa/challenge/password"),
        config=NONE,
    ),
    Stop(name="passkey-prompt", reach=lambda v: v.sign_in(), config=PASSKEYS),
    Stop(
        name="passkey-add",
        reach=lambda v: v.sign_in().otp().go("/mfa/enroll/passkey"),
        holds=("otp", "passkey"),
        config=PASSKEYS,
    ),
    Stop(
        name="challenge-passkey",
        reach=lambda v: v.sign_in().go("/mfa/challenge/passkey"),
        holds=("otp", "passkey"),
        config={**PASSKEYS, **DEVICE},
    ),
    Stop(
        name="challenge-passkey-refused",
        reach=lambda v: v.sign_in().then(without_passkeys).go("/mfa/challenge/passkey").refused(),
        holds=("passkey",),
        config=PASSKEYS,
    ),
    Stop(
        name="passkey-sign-in",
        reach=lambda v: v.go("/mfa/passkey/sign-in"),
        config=PASSKEYS,
    ),
    Stop(
        name="account-passkeys",
        reach=lambda v: v.sign_in().otp().go("/mfa/account"),
        holds=("otp", "passkey", "passkey"),
        config=PASSKEYS,
    ),
    Stop(name="policy-reset", reach=lambda v: v.policy("reset_mfa"), holds=ALL),
    Stop(
        name="policy-reset-wrong",
        reach=lambda v: v.policy("reset_mfa").press(".mfa-button-danger"),
        holds=ALL,
    ),
    Stop(
        name="policy-reset-nothing",
        reach=lambda v: v.sign_in().go("/mfa/policy/reset_mfa?redirect_uri=/secret"),
        config=NONE,
    ),
    Stop(
        name="policy-passkeys",
        reach=lambda v: v.policy("manage_passkey"),
        holds=("otp",),
        config=PASSKEYS,
    ),
    Stop(
        name="policy-bad-address",
        reach=lambda v: v.go("/mfa/policy/reset_mfa?redirect_uri=//elsewhere.example"),
    ),
    Stop(
        name="policy-recovery-codes",
        reach=lambda v: v.with_codes().policy("manage_recovery_code"),
        holds=("otp",),
        config=CODES,
    ),
    Stop(
        name="policy-devices",
        reach=lambda v: v.policy("manage_device"),
        holds=("otp",),
        config=DEVICE,
    ),
    Stop(name="not-me", reach=lambda v: v.sign_in().wrong(3).not_me(), holds=("otp",)),
    Stop(
        name="not-me-done",
        reach=lambda v: v.sign_in().wrong(3).not_me().press(".mfa-card form button"),
        holds=("otp",),
    ),
    Stop(name="not-me-over", reach=lambda v: v.go("/mfa/not-me/x")),
    Stop(name="mail-code", reach=lambda v: v.sign_in().mail(), holds=("email",), is_mail=True),
    Stop(
        name="mail-confirm",
        reach=lambda v: v.sign_in().choose("email").send().mail(),
        config=SMS,
        is_mail=True,
    ),
    Stop(
        name="mail-notice",
        reach=lambda v: v.sign_in().wrong(3).mail(),
        holds=("otp",),
        is_mail=True,
    ),
)
