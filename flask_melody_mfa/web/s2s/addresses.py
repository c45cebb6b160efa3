"""The patterns of what a client's fields may say through the API.

Narrower than what `MFA_CLIENTS` may say (no IPv6 host, no plain http but on loopback), so that
whatever fits the document is accepted.
"""

from __future__ import annotations

PORT = "(:(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?"
HOST = r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*"
LOOPBACK = r"([a-z0-9_-]{1,63}\.)?localhost|127\.0\.0\.1"
REST = r"(/[A-Za-z0-9._~:/?!$&'()+,;=@%-]*)?"
PRIVATE = r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:[A-Za-z0-9._~/?!$&'()+,;=%-]*"

ORIGIN = f"^(https://({HOST})|http://({LOOPBACK})){PORT}$"
LONGEST_ORIGIN = 255

REDIRECT_URI = f"^((https://({HOST})|http://({LOOPBACK})){PORT}{REST}|{PRIVATE})$"
LONGEST_REDIRECT_URI = 255

NAME = (
    r"^[^\s\x00-\x1f\x7f-\x9f]"
    r"([^\x00-\x1f\x7f-\x9f\u2028\u2029]*[^\s\x00-\x1f\x7f-\x9f])?$"
)
IDEMPOTENCY_KEY = r"^[!-~]([ -~]*[!-~])?$"
