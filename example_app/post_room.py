"""Mail and text messages while developing: two small servers in this process, on loopback.

A receiver that speaks SMTP, and a gateway that speaks Twilio's Messages API over plain HTTP. What
they take is kept in memory, newest last, for `/outbox`; nothing leaves this machine.
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import contextlib
import hmac
import json
import secrets
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode

from aiosmtpd.smtp import SMTP
from flask import Flask

EXTENSION = "fernleaf_post_room"
KEPT = 200
LARGEST_TEXT = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A message that arrived. `html` is empty for a text message."""

    number: int
    channel: str
    to: str
    sender: str
    subject: str
    text: str
    html: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class PostRoom:
    """The two servers of one app, and what they have taken. Each runs in a thread of its own."""

    def __init__(self) -> None:
        self.account = "AC" + secrets.token_hex(16)
        self.token = secrets.token_hex(16)
        self._arrived: deque[Arrived] = deque(maxlen=KEPT)
        self._count = 0
        self._changed = threading.Condition()
        self._mail: MailReceiver | None = None
        self._texts: TextGateway | None = None

    @property
    def mail_port(self) -> int:
        """Where the receiver listens, on 127.0.0.1; it is started if it was not yet."""
        with self._changed:
            if self._mail is None:
                self._mail = MailReceiver(self)
            return self._mail.port

    @property
    def texts_port(self) -> int:
        """Where the gateway listens, on 127.0.0.1; it is started if it was not yet."""
        with self._changed:
            if self._texts is None:
                self._texts = TextGateway(self)
            return self._texts.port

    @property
    def messages(self) -> list[Arrived]:
        """What has arrived, oldest first."""
        with self._changed:
            return list(self._arrived)

    def wait_for(self, count: int, *, channel: str = "", timeout: float = 10.0) -> list[Arrived]:
        """What arrived on a channel, once there are `count` messages or `timeout` has passed."""

        def found() -> list[Arrived]:
            return [message for message in self._arrived if channel in ("", message.channel)]

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= count, timeout)
            return found()

    def keep(
        self, channel: str, *, to: str, sender: str, text: str, subject: str = "", html: str = ""
    ) -> Arrived:
        """Keep a message. `channel`: `email` or `sms`."""
        with self._changed:
            self._count += 1
            arrived = Arrived(
                number=self._count,
                channel=channel,
                to=to,
                sender=sender,
                subject=subject,
                text=text,
                html=html,
            )
            self._arrived.append(arrived)
            self._changed.notify_all()
        return arrived

    def stop(self) -> None:
        """Stop both servers, and wait until they have."""
        with self._changed:
            running, self._mail, self._texts = (self._mail, self._texts), None, None
        for server in running:
            if server is not None:
                server.stop()


class MailReceiver:
    """aiosmtpd on a free port of 127.0.0.1."""

    def __init__(self, room: PostRoom) -> None:
        self._room = room
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="fernleaf-mail", daemon=True
        )
        self._thread.start()
        self._ready.wait()

    async def _serve(self) -> None:
        def session() -> SMTP:
            return SMTP(self, hostname="localhost", enable_SMTPUTF8=True)

        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        server = await self._loop.create_server(session, sock=self._socket)
        self._ready.set()
        await self._over.wait()
        server.close()  # asyncio.run cancels the sessions that are still open

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Take a mail."""
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)  # noqa: S101 - what policy.default makes
        self._room.keep(
            "email",
            to=", ".join(envelope.rcpt_tos),
            sender=str(mail["From"] or envelope.mail_from),
            subject=str(mail["Subject"] or ""),
            text=part(mail, "plain"),
            html=part(mail, "html"),
        )
        return "250 Taken"

    def stop(self) -> None:
        """Stop listening."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()


def part(mail: EmailMessage, kind: str) -> str:
    """The text of the part `plain` or `html`, or nothing."""
    found = mail.get_body((kind,))
    return "" if found is None else str(found.get_content()).replace("\r\n", "\n")


class TextGateway:
    """`POST /2010-04-01/Accounts/{account}/Messages.json` on a free port of 127.0.0.1."""

    def __init__(self, room: PostRoom) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(room))
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="fernleaf-texts", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def handler_for(room: PostRoom) -> type[BaseHTTPRequestHandler]:
    """The gateway's handler, which knows the account that may send."""
    path = f"/2010-04-01/Accounts/{room.account}/Messages.json"
    basic = base64.b64encode(f"{room.account}:{room.token}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take a text message."""
            allowed = self.headers.get("Authorization", "").encode()
            if self.path != path or not hmac.compare_digest(allowed, f"Basic {basic}".encode()):
                return self.answer(401, code=20003, message="Authenticate")
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > LARGEST_TEXT:
                return self.answer(400, code=20001, message="Invalid length")
            fields = parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace"))
            to, sender, body = (fields.get(name, [""])[0] for name in ("To", "From", "Body"))
            if not to.startswith("+") or not body:
                return self.answer(400, code=21211, message="Invalid 'To' or 'Body'")
            kept = room.keep("sms", to=to, sender=sender, text=body)
            return self.answer(201, sid=f"SM{kept.number:032x}", to=to, status="queued")

        def answer(self, code: int, /, **values: object) -> None:
            """Answer with JSON."""
            content = json.dumps(values).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


class TextProvider:
    """Sends text messages to the post room's gateway."""

    def __init__(self, app: Flask) -> None:
        self._room: PostRoom = app.extensions[EXTENSION]

    def send(self, to: str, text: str, *, timeout: float) -> None:
        """Hand over one message. Raises `OSError` when it was not taken."""
        room = self._room
        basic = base64.b64encode(f"{room.account}:{room.token}".encode()).decode()
        path = f"/2010-04-01/Accounts/{room.account}/Messages.json"
        body = urlencode({"To": to, "From": "Fernleaf", "Body": text})
        headers = {
            "Authorization": f"Basic {basic}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection = HTTPConnection("127.0.0.1", room.texts_port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request("POST", path, body, headers)
            status = connection.getresponse().status
        if status != 201:
            raise OSError(f"the gateway answered {status}")


def open_for(app: Flask) -> None:
    """Carry what the app has no server for. The servers start when they are first needed."""
    room = app.extensions[EXTENSION] = PostRoom()
    atexit.register(room.stop)
    if not app.config.get("MFA_SMS_PROVIDER"):
        app.config["MFA_SMS_PROVIDER"] = "example_app.post_room.TextProvider"
    if app.config.get("MAIL_SERVER"):
        return
    app.config["MAIL_SERVER"] = "127.0.0.1"
    if not app.config.get("MAIL_DEFAULT_SENDER"):
        app.config["MAIL_DEFAULT_SENDER"] = "Fernleaf <post@fernleaf.example>"

    @app.before_request
    def start() -> None:
        app.config["MAIL_PORT"] = room.mail_port
