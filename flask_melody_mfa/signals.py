"""Signals: one per event. Handlers get the app as sender, and `event` and `account`.

They are sent after what they tell is committed; what a handler raises is logged and changes
nothing.
"""

from __future__ import annotations

from types import MappingProxyType

from blinker import NamedSignal, Namespace

_signals = Namespace()

challenge_started = _signals.signal("challenge_started", "A sign-in or step-up owes a proof.")
proof_accepted = _signals.signal("proof_accepted", "A proof was accepted.")
proof_refused = _signals.signal("proof_refused", "A proof was wrong.")
proofs_failing = _signals.signal("proofs_failing", "Several proofs failed after a password.")
locked = _signals.signal("locked", "An account was locked.")
unlocked = _signals.signal("unlocked", "A lock was lifted by hand.")
factor_enrolled = _signals.signal("factor_enrolled", "A factor was set up.")
factor_removed = _signals.signal("factor_removed", "A factor was removed by its user.")
factor_reset = _signals.signal("factor_reset", "Factors were reset.")
factor_disabled = _signals.signal("factor_disabled", "A factor failed too often in a row.")
email_backup_used = _signals.signal("email_backup_used", "An email code stood in for a factor.")
passkey_added = _signals.signal("passkey_added", "A passkey was added.")
passkey_removed = _signals.signal("passkey_removed", "A passkey was removed.")
passkey_clone_suspected = _signals.signal(
    "passkey_clone_suspected", "A passkey's counter went back."
)
recovery_codes_made = _signals.signal("recovery_codes_made", "New recovery codes were made.")
recovery_code_used = _signals.signal("recovery_code_used", "A recovery code was spent.")
device_remembered = _signals.signal("device_remembered", "A device was remembered.")
device_revoked = _signals.signal("device_revoked", "A remembered device was forgotten.")
device_reuse_detected = _signals.signal(
    "device_reuse_detected", "An old token of a remembered device was used."
)
signed_in = _signals.signal("signed_in", "A sign-in was completed.")
signed_out = _signals.signal("signed_out", "A session was ended by its user.")
session_revoked = _signals.signal("session_revoked", "A session was ended from elsewhere.")
sessions_ended = _signals.signal("sessions_ended", "The sessions of an account were ended.")
client_changed = _signals.signal("client_changed", "A client was changed.")
client_secret_made = _signals.signal("client_secret_made", "A client got a new secret.")
keys_rotated = _signals.signal("keys_rotated", "Secrets were sealed with a new key.")
admin_viewed_user = _signals.signal("admin_viewed_user", "An admin looked at a user.")
message_sent = _signals.signal("message_sent", "A code was handed to its provider.")
message_failed = _signals.signal("message_failed", "A message was not sent.")

BY_NAME: MappingProxyType[str, NamedSignal] = MappingProxyType(
    {name: signal for name, signal in _signals.items() if isinstance(signal, NamedSignal)}
)
