"""Multi-factor authentication for Flask apps that use Flask-Login."""

from flask_melody_mfa.core.errors import ConfigError, MfaError
from flask_melody_mfa.core.types import Account, FactorKind
from flask_melody_mfa.core.version import VERSION
from flask_melody_mfa.extension import MelodyMFA
from flask_melody_mfa.flows.policies import PolicyResult
from flask_melody_mfa.web.decorators import mfa_exempt, mfa_required, mfa_status

__version__ = VERSION

__all__ = [
    "Account",
    "ConfigError",
    "FactorKind",
    "MelodyMFA",
    "MfaError",
    "PolicyResult",
    "mfa_exempt",
    "mfa_required",
    "mfa_status",
]
