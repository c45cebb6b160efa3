"""Servers that the tests send to: mail with TLS by a test authority, and Twilio's Messages API."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

MailMode = Literal["ok", "refuse", "later", "drop", "hang", "dribble"]
ApiMode = Literal["ok", "4xx", "429", "5xx", "hang"]


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the tests, and a certificate for localhost that it signed."""

    ca: Path
    certificate: Path
    key: Path

    def client(self) -> ssl.SSLContext:
        """A client's context that trusts this authority, and no other."""
        return ssl.create_default_context(cafile=str(self.ca))

    def server(self) -> ssl.SSLContext:
        """The server's context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_authority(folder: Path, *, host: str = "localhost") -> Authority:
    """Make an authority and a certificate for `host` and 127.0.0.1, good for a day."""
    now = datetime.datetime.now(datetime.UTC)

    def build(name: str, issuer: str, key: Any) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = (
        build("Test authority", "Test authority", ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    if host == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = (
        build(host, "Test authority", key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    made = Authority(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    made.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


@dataclass
class Received:
    """One mail as it arrived."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    encrypted: bool

    def part(self, kind: str) -> str:
        """The text of the part `plain` or `html`."""
        found = self.message.get_body((kind,))
        assert found is not None
        return str(found.get_content()).replace("\r\n", "\n")


@dataclass
class MailServer:
    """A running mail server: where it listens, and what it has got."""

    port: int
    mails: list[Received] = field(default_factory=list)


class MailHandler:
    """What the server does with a mail, by mode."""

    def __init__(self, mode: MailMode, mails: list[Received]) -> None:
        self.mode = mode
        self.mails = mails

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if self.mode == "refuse":
            return "550 5.1.1 No such user here"
        if self.mode == "later":
            return "451 4.7.1 Come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(
            Received(
                sender=envelope.mail_from,
                recipients=list(envelope.rcpt_tos),
                message=message,
                encrypted=server.transport.get_extra_info("ssl_object") is not None,
            )
        )
        if self.mode == "drop":
            server.transport.abort()
            await asyncio.sleep(0.05)
        return "250 Taken"


class Receiver(Controller):
    """aiosmtpd's controller, STARTTLS demanded where there is a certificate."""

    def __init__(self, handler: MailHandler, starttls: ssl.SSLContext | None, **options: Any):
        self.starttls = starttls
        super().__init__(handler, hostname="127.0.0.1", port=0, **options)

    def factory(self) -> SMTP:
        return SMTP(
            self.handler,
            hostname="test.invalid",
            tls_context=self.starttls,
            require_starttls=self.starttls is not None,
        )

    def _trigger_server(self) -> None:
        """Port 0: learn the port before the controller connects to it."""
        running: Any = self.server
        self.port = running.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def mail_server(
    mode: MailMode = "ok",
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[MailServer]:
    """Run a mail server on 127.0.0.1.

    `refuse` and `later`: the recipient, with 550 and 451; `drop`: the connection after the mail
    has come in; `hang`: says nothing; `dribble`: a byte of a greeting, over and over.
    """
    if mode in ("hang", "dribble"):
        with stubborn(b"2" if mode == "dribble" else b"") as port:
            yield MailServer(port)
        return
    mails: list[Received] = []
    options = {"ssl_context": tls} if tls is not None else {}
    receiver = Receiver(MailHandler(mode, mails), starttls, **options)
    receiver.start()
    try:
        yield MailServer(receiver.port, mails)
    finally:
        receiver.stop()


@contextlib.contextmanager
def stubborn(drip: bytes) -> Iterator[int]:
    """Listen on a port, take connections, and send `drip` every 0.2 s, or nothing at all."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    held: list[socket.socket] = []

    def run() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                held.append(listener.accept()[0])
            for taken in held if drip else ():
                with contextlib.suppress(OSError):
                    taken.sendall(drip)
            if drip:
                time.sleep(0.1)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        thread.join()
        for taken in (*held, listener):
            taken.close()


@dataclass
class TwilioApi:
    """A running stand-in for Twilio's API: its address, and the messages that it has taken."""

    url: str
    mode: ApiMode
    messages: list[dict[str, str]] = field(default_factory=list)
    requests: int = 0
    over: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def twilio_api(
    mode: ApiMode = "ok", *, account: str = "AC" + "0" * 32, token: str = "t" * 32
) -> Iterator[TwilioApi]:
    """Run a server that speaks `POST /2010-04-01/Accounts/{sid}/Messages.json`.

    `hang`: takes the message and never answers. Others: what its status says.
    """
    import base64

    wanted = "Basic " + base64.b64encode(f"{account}:{token}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            api.requests += 1
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            fields = {name: values[0] for name, values in parse_qs(body).items()}
            if self.path != f"/2010-04-01/Accounts/{account}/Messages.json":
                return self.answer(404, code=20404)
            if self.headers.get("Authorization") != wanted:
                return self.answer(401, code=20003)
            match api.mode:
                case "ok":
                    api.messages.append(fields)
                    return self.answer(201, sid="SM" + "1" * 32, to=fields["To"])
                case "hang":
                    api.messages.append(fields)
                    api.over.wait(30)
                    self.close_connection = True
                    return None
                case "4xx":
                    return self.answer(400, code=21211, to=fields["To"])
                case "429":
                    return self.answer(429, code=20429)
                case "5xx":
                    return self.answer(503, code=20503)

        def answer(self, status: int, *, to: str = "", **values: Any) -> None:
            content = json.dumps(
                {"status": status, "message": f"The number {to} …", **values}
            ).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api = TwilioApi(url=f"http://127.0.0.1:{server.server_port}", mode=mode)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield api
    finally:
        api.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
