"""The events, each a row, a signal, and sometimes a mail."""

from __future__ import annotations

from flask_melody_mfa.signals import BY_NAME
from flask_melody_mfa.web.notices import NOTICES
from tests.documentation.words import table

OPENING = """\
# Events and signals

Whatever happens to an account is one event: a row in `mfa_event`, a signal of the same name in
`flask_melody_mfa.signals`, and, where marked ✉, a mail to every verified address of the user.
A row holds the time (UTC), the user's key, who acted, the client, the network address, the
browser, the outcome and details; never a secret.

Signals are sent after what they tell is committed. What a handler raises is logged and changes
nothing.

```python
from flask_melody_mfa import signals


@signals.locked.connect
def tell_the_operators(app, event, account):
    app.logger.warning("MFA lock for user %s", event.user_key)
```

"""


def page() -> str:
    """docs/events.md"""
    rows = [
        (f"`{name}`", "✉" if name in NOTICES else "", signal.__doc__ or "")
        for name, signal in BY_NAME.items()
    ]
    return OPENING + table(("event", "mail", "what happened"), rows)
