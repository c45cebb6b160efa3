"""The hooks, as the extension's own docstrings tell them."""

from __future__ import annotations

import inspect
import re

from flask_melody_mfa import MelodyMFA
from flask_melody_mfa.web.state import Hooks
from tests.documentation.words import table

OPENING = """\
# Hooks

A hook is a function of yours that the extension calls. Each has a working default; set it with a
decorator on the extension, before the first request:

<!-- run: from tests.documentation.sample import User, mfa -->
```python
@mfa.find_user
def find_user(login):
    return User.query.filter_by(username=login.lower()).one_or_none()
```

One extension object may serve several apps; its hooks serve them all. A hook that raises closes
the gate: whoever signs in gets 503, nobody gets in.

"""

CLOSING = """
`Account` has the fields `key`, `login`, `email`, `email_verified`, `phone`, `name`, `locale` and
`active`; import it from `flask_melody_mfa`. `key` is what the extension's rows carry, so it must
never change and never be given to another user.

A rendered mail has `to`, `subject`, `text` and `html`, a rendered SMS `to` and `text`. Whatever
`send_mail` or `send_sms` raises counts as not sent; the user is told so, and may try again at
once.
"""


def described(name: str) -> tuple[str, str]:
    """What a hook is called with and answers, and its default, from its docstring."""
    text = " ".join((inspect.getdoc(getattr(MelodyMFA, name)) or "").split())
    found = re.fullmatch(r"Hook: (.*?)(?: Default: (.*))?", text)
    if found is None:
        raise ValueError(f"The docstring of the hook {name} must read `Hook: … Default: …`.")
    return found[1].rstrip("."), (found[2] or "").rstrip(".")


def page() -> str:
    """docs/hooks.md"""
    rows = [(f"`@mfa.{name}`", *described(name)) for name in Hooks.__dataclass_fields__]
    return OPENING + table(("hook", "what it does", "without it"), rows) + CLOSING
