"""What is not needed is not imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

SERVES = """
import sys
from tests.benchmarks.apps import Browser, new_email, with_mfa
site = with_mfa({url!r}, ENFORCE_ONE_MFA_ENROLLMENT=["otp"])
browser = Browser(site.app)
browser.sign_in(site.user(new_email()))
assert "<svg" in browser.body
print(*sorted(name for name in sys.modules if "." not in name))
"""

SELDOM = ("webauthn", "twilio", "redis", "limits", "phonenumbers", "pydantic")
"""What serves passkeys, SMS, Redis and the JSON faces."""

TOOLS = ("alembic", "flask_migrate", "pytest", "asgiref", "requests")
"""What serves migrations, tests, and hosts with async views."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What a process has imported that led somebody from the login form to a QR code."""
    url = f"sqlite:///{tmp_path_factory.mktemp('imports') / 'imports.sqlite'}"
    command = [sys.executable, "-c", SERVES.format(url=url)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("package", SELDOM + TOOLS)
def test_a_process_that_does_not_need_a_package_does_not_import_it(
    imported: set[str], package: str
) -> None:
    assert package not in imported


def test_what_is_needed_was_looked_for_under_its_own_name(imported: set[str]) -> None:
    assert {"flask_melody_mfa", "cryptography", "pyotp", "segno"} <= imported
