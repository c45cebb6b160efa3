"""The panel's first page: who holds what, and what happened in the last weeks."""

from __future__ import annotations

from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.types import FactorKind
from flask_melody_mfa.flows import statistics
from flask_melody_mfa.web import answers, words
from flask_melody_mfa.web.admin import charts
from flask_melody_mfa.web.admin.door import Admin
from flask_melody_mfa.web.moments import Moments
from flask_melody_mfa.web.notices import FACTOR_LABELS
from flask_melody_mfa.web.pages import common

SERIES = {
    "enrolled": words.mfa_lazy("Sign-in steps set up"),
    "passed": words.mfa_lazy("Right codes"),
    "refused": words.mfa_lazy("Wrong codes"),
    "recovered": words.mfa_lazy("Recovery codes used"),
    "locked": words.mfa_lazy("Accounts locked"),
    "sent": words.mfa_lazy("Codes sent"),
    "not_sent": words.mfa_lazy("Messages not sent"),
}
CHARTS = {
    "adoption": (words.mfa_lazy("Set up by day"), ("enrolled",)),
    "proofs": (words.mfa_lazy("Codes by day"), ("passed", "refused")),
    "trouble": (words.mfa_lazy("Locks and recovery by day"), ("locked", "recovered")),
    "messages": (words.mfa_lazy("Messages by day"), ("sent", "not_sent")),
}


def show(admin: Admin) -> BaseResponse:
    """Everything at a glance, the numbers as tables beside the charts."""
    found = statistics.read(admin.ctx)
    say = answers.texts()
    times = Moments(say.locale)
    return common.render(
        "mfa/admin/overview.html",
        here="overview",
        known=found.known,
        locked=found.locked,
        held=[
            {
                "label": say.mfa_text(FACTOR_LABELS[kind.value]),
                "count": found.held.get(kind.value, 0),
                "share": share(found.held.get(kind.value, 0), found.known),
            }
            for kind in FactorKind
        ],
        totals=[
            {"label": say.mfa_text(label), "count": found.total(name)}
            for name, label in SERIES.items()
        ],
        charts=[
            {
                "name": name,
                "heading": say.mfa_text(heading),
                "drawn": charts.measured(
                    [moment.text if (moment := times.day(day)) else "" for day in found.days],
                    [found.counts[one] for one in series],
                ),
                "columns": [say.mfa_text(SERIES[one]) for one in series],
                "rows": [
                    (times.day(day), [found.counts[one][at] for one in series])
                    for at, day in enumerate(found.days)
                    if any(found.counts[one][at] for one in series)
                ],
            }
            for name, (heading, series) in CHARTS.items()
        ],
        days=statistics.DAYS,
    )


def share(part: int, whole: int) -> int:
    """A part in hundredths."""
    return round(100 * part / whole) if whole else 0
