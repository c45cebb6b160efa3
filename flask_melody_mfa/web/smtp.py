"""Flask-Mail's connection, with a time limit, verified TLS, and no dialogue on the screen."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import time
from types import TracebackType
from typing import Any

import flask_mail


class Clock:
    """How long one operation, and all of them together, may take; in seconds."""

    def __init__(self, each: float, total: float) -> None:
        self.each = each
        self._ends = time.monotonic() + total

    def left(self) -> float:
        """What the next operation may take. Raises `TimeoutError` when nothing is left."""
        left = min(self.each, self._ends - time.monotonic())
        if left <= 0:
            raise TimeoutError
        return left

    def rest(self) -> float:
        """The same, where it is too early to give up."""
        return max(0.001, min(self.each, self._ends - time.monotonic()))


class Reader:
    """Replies, read in what time is left: a server cannot gain more by sending byte after byte."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self._sock = sock
        self._clock = clock
        self._held = b""

    def readline(self, limit: int) -> bytes:
        """A line with its end, or what came before the end of the stream."""
        while b"\n" not in self._held and len(self._held) < limit:
            self._sock.settimeout(self._clock.left())
            more = self._sock.recv(4096)
            if not more:
                break
            self._held += more
        end = min(self._held.find(b"\n") + 1 or limit, limit)
        line, self._held = self._held[:end], self._held[end:]
        return line

    def close(self) -> None:
        """The socket is its owner's to close."""


class Smtp(smtplib.SMTP):
    """`smtplib.SMTP` that keeps to a clock."""

    def __init__(self, clock: Clock, host: str, port: int) -> None:
        self.clock = clock
        super().__init__(host, port)

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        failed: OSError = OSError("the host has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self.clock.left())
                sock.connect(address)
                sock.settimeout(self.clock.rest())  # a TLS handshake may follow
            except OSError as error:
                sock.close()
                failed = error
            else:
                return sock
        raise failed

    def send(self, s: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(self.clock.left())
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = Reader(self.sock, self.clock)
        reply = super().getreply()
        if self.sock is not None:
            self.sock.settimeout(self.clock.rest())  # a TLS handshake may follow
        return reply


class SmtpOverTls(smtplib.SMTP_SSL, Smtp):
    """The same over TLS from the first byte."""

    def __init__(self, clock: Clock, host: str, port: int, tls: ssl.SSLContext) -> None:
        self.clock = clock
        smtplib.SMTP_SSL.__init__(self, host, port, context=tls)

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        plain = Smtp._get_socket(self, host, port, timeout)
        try:
            return self.context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise


class Connection(flask_mail.Connection):
    """One mail to the host's server. `MAIL_SUPPRESS_SEND` and `record_messages()` work as ever.

    `MAIL_DEBUG` is not heeded: smtplib would print the whole message, code included.
    """

    def __init__(self, mail: Any, clock: Clock, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(mail)
        self._clock = clock
        self._tls = tls

    def configure_host(self) -> smtplib.SMTP | smtplib.SMTP_SSL:
        """Connect, and sign in. Raises `OSError`, of which smtplib's and ssl's errors are kinds."""
        mail = self.mail
        server, port = str(mail.server or ""), int(mail.port or 0)
        tls = self._tls
        if tls is None and (mail.use_tls or mail.use_ssl):
            tls = ssl.create_default_context()
        host: Smtp | SmtpOverTls
        if mail.use_ssl and tls is not None:
            host = SmtpOverTls(self._clock, server, port, tls)
        else:
            host = Smtp(self._clock, server, port)
        try:
            if mail.use_tls and not mail.use_ssl:
                host.starttls(context=tls)
            if mail.username and mail.password:
                host.login(mail.username, mail.password)
        except BaseException:
            host.close()
            raise
        return host

    def send(self, message: flask_mail.Message, envelope_from: Any = None) -> None:
        """Send one mail."""
        # With MAIL_MAX_EMAILS = 1 Flask-Mail would connect anew after it; what fails then would
        # make an accepted mail look like a lost one.
        self.num_emails = -2
        super().send(message, envelope_from)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        host, self.host = self.host, None
        if host is None:
            return
        if exc_type is None:
            self._clock.each = min(self._clock.each, 1.0)
            with contextlib.suppress(OSError, ValueError):  # the mail is accepted already
                host.quit()
        host.close()
