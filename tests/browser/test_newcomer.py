"""A newcomer runs the README's command and, in a browser, joins, sets up a second step and uses it.

The QR code is read off a screenshot by `zbarimg`, codes are computed by `oathtool`; mail arrives
over SMTP and text messages at a gateway, and both are read where a person would: in `/outbox`.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.browser.site import listen
from tests.databases import absent

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent.parent
PASSWORD = "a quiet evening with a book"
READY = "Press Ctrl+C to stop."


def free_port() -> int:
    """A port of localhost that nobody listens on."""
    with socket.create_server(("localhost", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def fernleaf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`python -m example_app` on a free port, with an instance folder of its own; its address."""
    folder = tmp_path_factory.mktemp("fernleaf")
    port = free_port()
    command = [sys.executable, "-m", "example_app", "--port", str(port), "--instance", str(folder)]
    command += ["--partner-port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "FLASK_ALLOW_PASSKEY_ENROLLMENT": "0"}
    log = folder / "log"
    with log.open("w") as output:
        running = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=output, text=True
        )
    assert running.stdout is not None
    try:
        said = next((line for line in running.stdout if READY in line), "")
        assert READY in said, log.read_text()
        yield f"http://localhost:{port}"
    finally:
        running.send_signal(signal.SIGINT)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:  # a shell's background job is born deaf to Ctrl+C
            running.terminate()
            running.wait(20)
        running.stdout.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A browser's window; whatever a page's own policy blocks is a failure."""
    context = chromium.new_context(locale="en", viewport={"width": 1100, "height": 900})
    context.set_default_timeout(15_000)
    page = context.new_page()
    said: list[str] = []
    listen(page, said)
    yield page
    context.close()
    assert said == []


def join(page: Any, base: str, name: str) -> None:
    """Become a member, through the front page."""
    page.goto(base)
    page.get_by_role("link", name="Join the club").click()
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Email address").fill(f"{name.lower()}@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url(base + "/mfa/enroll?**")
    assert page.get_by_role("heading", level=1).inner_text() == "Protect your account"


def sign_out_and_in(page: Any, base: str, name: str) -> None:
    """Sign out, and give the password again."""
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(base + "/")
    page.get_by_role("link", name="Sign in").first.click()
    page.get_by_label("Email address").fill(f"{name.lower()}@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(base + "/mfa/challenge/**")


def is_in(page: Any, base: str, name: str) -> None:
    """The member's shelf is shown, once the recovery codes that are offered are left for later."""
    page.wait_for_url(base + "/mfa/enroll/recovery-codes?**")
    page.get_by_role("link", name="Not now").click()
    page.wait_for_url(base + "/shelf")
    assert page.get_by_role("heading", level=1).inner_text() == f"{name}’s shelf"


def give(page: Any, code: str) -> None:
    """Enter a code."""
    page.get_by_label("6-digit code").fill(code)
    page.get_by_role("button", name="Continue").click()


def read_qr_code(page: Any, folder: Path) -> str:
    """What a camera sees in the QR code of the page."""
    if shutil.which("zbarimg") is None:
        absent("no zbarimg on the PATH")
    file = folder / "page.png"
    page.screenshot(path=file)
    command = ["zbarimg", "--quiet", "--raw", str(file)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def oathtool(secret: str, *, steps: int = 0) -> str:
    """The code that another tool computes, `steps` of 30 seconds from now."""
    if shutil.which("oathtool") is None:
        absent("no oathtool on the PATH")
    when = ["--now", f"{30 * steps:+d} seconds"] if steps else []
    command = ["oathtool", "--totp", "-b", *when, secret]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def newest_code(page: Any, base: str, to: str) -> str:
    """The code in the newest message to an address or number, as `/outbox` shows it."""
    outbox = page.context.new_page()
    outbox.goto(base + "/outbox")
    messages = outbox.locator("li", has_text=to)
    code = re.search(r"\b\d{6}\b", messages.first.locator("pre").inner_text())
    outbox.close()
    assert code is not None
    return code[0]


def test_with_an_authenticator(page: Any, fernleaf: str, tmp_path: Path) -> None:
    join(page, fernleaf, "Dorothea")
    page.get_by_role("button", name="Authenticator app").click()
    uri = urlsplit(read_qr_code(page, tmp_path))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == "/Fernleaf:dorothea@example.org"
    (secret,) = parse_qs(uri.query)["secret"]
    give(page, oathtool(secret))
    is_in(page, fernleaf, "Dorothea")
    sign_out_and_in(page, fernleaf, "Dorothea")
    give(page, oathtool(secret, steps=1))  # the code of the set-up is used up
    is_in(page, fernleaf, "Dorothea")


def test_with_codes_by_mail(page: Any, fernleaf: str) -> None:
    join(page, fernleaf, "Rosamond")
    page.get_by_role("button", name="Email code").click()
    page.get_by_role("button", name="Send code").click()
    page.wait_for_selector("text=The code is on its way")
    give(page, newest_code(page, fernleaf, "rosamond@example.org"))
    is_in(page, fernleaf, "Rosamond")
    sign_out_and_in(page, fernleaf, "Rosamond")
    give(page, newest_code(page, fernleaf, "rosamond@example.org"))
    is_in(page, fernleaf, "Rosamond")


def test_with_codes_by_text_message(page: Any, fernleaf: str) -> None:
    join(page, fernleaf, "Celia")
    page.get_by_role("button", name="Text message").click()
    page.get_by_label("Mobile number").fill("+44 7400 123456")
    page.get_by_role("button", name="Send code").click()
    page.wait_for_selector("text=The code is on its way")
    give(page, newest_code(page, fernleaf, "+447400123456"))
    is_in(page, fernleaf, "Celia")
    sign_out_and_in(page, fernleaf, "Celia")
    give(page, newest_code(page, fernleaf, "+447400123456"))
    is_in(page, fernleaf, "Celia")
