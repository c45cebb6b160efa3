"""MelodyMFA: what a Flask developer holds in hand."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from flask import Blueprint, Flask, after_this_request, has_request_context
from flask_login import user_logged_in, user_logged_out
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.codes import clean_code
from flask_melody_mfa.core.errors import InvalidRequest, MfaError
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import FactorKind, Method
from flask_melody_mfa.flows import people, policies, sessions
from flask_melody_mfa.flows.policies import PolicyResult
from flask_melody_mfa.store import schema
from flask_melody_mfa.store.tables import attach
from flask_melody_mfa.web import (
    arrivals,
    decorators,
    deletions,
    faces,
    fresh_sign_in,
    guard,
    notify,
    policy_links,
)
from flask_melody_mfa.web.pages import blueprint, passkey
from flask_melody_mfa.web.passkey_ui import passkey_ui
from flask_melody_mfa.web.state import EXTENSION, Hooks, State, context, state
from flask_melody_mfa.web.users import Users

log = logging.getLogger("flask_melody_mfa")

H = TypeVar("H", bound=Callable[..., Any])


class MelodyMFA:
    """Multi-factor authentication for an app that uses Flask-Login.

    `db`: the app's Flask-SQLAlchemy. `user_model`: a class, a dotted name, or a callable that
    returns the class; without it, users are known by Flask-Login alone.
    """

    def __init__(self, app: Flask | None = None, db: Any = None, *, user_model: Any = None) -> None:
        self._hooks = Hooks()
        self._required: dict[str, sessions.Requirement] = {}
        self._exempt: set[str] = set()
        self._exempt_views: set[Any] = set()
        if app is not None:
            self.init_app(app, db, user_model=user_model)

    def init_app(self, app: Flask, db: Any, *, user_model: Any = None) -> None:
        """Set an app up, before or after its other extensions. Raises `ConfigError`."""
        if EXTENSION in app.extensions:
            raise RuntimeError(
                "This app has a MelodyMFA already. Call init_app once per app; to reach it "
                "later, use app.extensions['melody_mfa']."
            )
        if db is None:
            raise TypeError("init_app needs the app's Flask-SQLAlchemy: mfa.init_app(app, db)")
        settings = Settings.load(app.config, app_name=app.name)
        if settings.secret_keys_from_app and not (app.debug or app.testing):
            log.warning(
                "MFA_SECRET_KEYS is not set; secrets are sealed with keys from SECRET_KEY. "
                "Set it, so that changing SECRET_KEY cannot lock anyone out."
            )
        app.extensions[EXTENSION] = here = State(
            app=app,
            db=db,
            hooks=self._hooks,
            users=Users(db, user_model),
            deliver=notify.deliver,
            tell=notify.tell,
            required=self._required,
            exempt=self._exempt,
            exempt_views=self._exempt_views,
        )
        attach(db.metadata)
        schema.mark_created(db.metadata)
        deletions.watch(db, user_model)
        app.register_blueprint(blueprint(settings.mfa_url_prefix))
        faces.register(app, settings)
        if settings.related_origins:
            app.add_url_rule(
                "/.well-known/webauthn", "mfa.related_origins", passkey.related_origins
            )
        app.jinja_env.globals["mfa_passkey"] = passkey_ui
        app.url_value_preprocessors.setdefault(None, []).insert(
            0, partial(fresh_sign_in.observe, here)
        )
        app.before_request_funcs.setdefault(None, []).insert(
            0, partial(decorators.at_the_door, here)
        )
        app.jinja_env.globals.setdefault("mfa_status", decorators.mfa_status)
        app.register_error_handler(MfaError, guard.answer)
        user_logged_in.connect(arrivals.arrived, app, weak=False)
        user_logged_out.connect(arrivals.departed, app, weak=False)

    # Signing in

    def sign_in(
        self,
        user: Any,
        *,
        remember: bool = False,
        next_url: str | None = None,
        client: str | None = None,
        method: str = "password",
    ) -> BaseResponse:
        """What a login view may return in place of `login_user(…); redirect(…)`.

        `method`: `password`, `external` (SSO, social) or `trusted` (the host vouches; no MFA).
        """
        if method not in (Method.PASSWORD, Method.EXTERNAL, Method.TRUSTED):
            raise ValueError("method: password, external or trusted")
        return arrivals.sign_in_now(
            user, remember=remember, next_url=next_url, client=client, method=method
        )

    def password_is_enough(self, user: Any, *, client: str | None = None) -> bool:
        """Whether a password alone would satisfy the gate. For endpoints outside Flask-Login."""
        account = state().describe(user)
        step = sessions.would_owe(context(client), account)
        return account.active and isinstance(step, gate.Satisfied)

    def verify(self, user: Any, code: str, *, factor: str | None = None) -> bool:
        """Judge a second proof without a browser, with the same counters and single use.

        Only an authenticator has a code that nobody sent: `factor` is `otp`. Raises `Locked`,
        `Throttled`, `Unavailable`; where a view does not catch them, they are answered as such.
        """
        if factor not in (None, FactorKind.OTP):
            raise ValueError("factor: otp; the codes of the others are sent by a challenge")
        try:
            plain = clean_code(code)
        except InvalidRequest:
            return False
        return people.verify(context(), state().describe(user), plain)

    # Views

    def required_for(
        self,
        blueprint: Blueprint,
        *,
        factors: Iterable[str] | None = None,
        max_age: int | None = None,
        client: str | None = None,
        phishing_resistant: bool = False,
    ) -> None:
        """`@mfa_required` for every view of a blueprint."""
        asked = decorators.requirement(factors, max_age, client, phishing_resistant)
        self._required[blueprint.name] = asked
        # The guard finds the client; a view's own comes before the blueprint's.
        here = replace(asked, client=None)
        blueprint.before_request(lambda: decorators.enforce(here))

    def exempt(self, target: Any) -> Any:
        """Let the guard leave a view, a blueprint or an endpoint alone."""
        if isinstance(target, Blueprint):
            self._exempt.add(target.name)
        elif isinstance(target, str):
            self._exempt.add(target)
        else:
            self._exempt_views.add(target)
        return target

    # Policies

    def url_for_policy(
        self,
        name: str,
        *,
        redirect_uri: str,
        client_id: str | None = None,
        state: str | None = None,
        locale: str | None = None,
    ) -> str:
        """Where to send a user for `reset_mfa`, `manage_recovery_code`, `manage_passkey` or
        `manage_device`.

        `redirect_uri`: where the user comes back to: one that is registered for the client, or
        without a client a path of this app. A path within a request; outside of one it begins
        with `MFA_BASE_URL`. Raises `ValueError` for what the page would refuse.
        """
        return policy_links.url(
            name, redirect_uri=redirect_uri, client_id=client_id, state=state, locale=locale
        )

    def read_policy_result(self, token: str, max_age: int = 300) -> PolicyResult | None:
        """How a visit ended; None for a token that is not ours, or older than `max_age` seconds.

        Compare `state` and `user_key` with what belongs to the session at hand: a token says what
        happened, not who brings it.
        """
        return policies.read_result(context(), token, max_age=max_age)

    # Life cycle

    def password_changed(self, user: Any) -> None:
        """The host changed a password: other sessions and pending challenges end."""
        account = state().describe(user)
        current = guard.look().standing if has_request_context() else None
        mine = current is not None and current.row.user_key == account.key
        but = current.row.id if current is not None and mine else None
        self._soon(lambda: people.password_changed(context(), account, but=but))

    def email_changed(self, user: Any) -> None:
        """The host changed an address: pending challenges end; codes go to the proven one."""
        account = state().describe(user)
        self._soon(lambda: people.email_changed(context(), account))

    def reset(self, user: Any, factors: Iterable[str] | None = None) -> None:
        """Take factors away (all without `factors`), with sessions and pending challenges."""
        account = state().describe(user)
        kinds = None if factors is None else [FactorKind(kind) for kind in factors]
        self._soon(lambda: people.reset(context(actor="host"), account, kinds))

    def unlock(self, user: Any) -> None:
        """Lift an account's lock."""
        account = state().describe(user)
        self._soon(lambda: people.unlock(context(actor="host"), account))

    def erase(self, user: Any) -> None:
        """Delete everything that is known of a user. ORM deletes do it by themselves."""
        key = state().describe(user).key
        self._soon(lambda: people.erase(context(), key))
        state().cache.drop_user(key)

    def adopt_otp(self, user: Any, secret: bytes | str, *, name: str | None = None) -> None:
        """Take over an authenticator secret that the host already has (bytes, or base 32)."""
        account = state().describe(user)
        self._soon(lambda: people.adopt_otp(context(actor="host"), account, secret, name=name))

    @staticmethod
    def _soon(work: Callable[[], Any]) -> None:
        """Now; or after the view, where the host's own writes are still open on SQLite."""
        if not (has_request_context() and state().host_writes()):
            work()
            return

        @after_this_request
        def later(response: Any) -> Any:
            try:
                work()
            except MfaError as error:
                return guard.fault(error)
            return response

    # Hooks

    def describe_user(self, hook: H) -> H:
        """Hook: user → `Account`.

        Default: the primary key as text, and the model's `email`, `phone` or `phone_number`, `name`
        or `username`, `locale`, `is_active`; the address counts as verified where `email_verified`,
        `email_verified_at`, `email_confirmed_at` or `confirmed` says so.
        """
        self._hooks.describe_user = hook
        return hook

    def load_user(self, hook: H) -> H:
        """Hook: key → user or None.

        Default: `user_model` by primary key; without a model, Flask-Login's user loader.
        """
        self._hooks.load_user = hook
        return hook

    def find_user(self, hook: H) -> H:
        """Hook: login text → user or None.

        Default: `user_model` by `email`, then `username`, as the database compares them.
        """
        self._hooks.find_user = hook
        return hook

    def check_password(self, hook: H) -> H:
        """Hook: (user, password) → bool.

        Default: the model's `check_password` or `verify_password`.
        """
        self._hooks.check_password = hook
        return hook

    def send_mail(self, hook: H) -> H:
        """Hook: sends a rendered mail (`to`, `subject`, `text`, `html`).

        Default: Flask-Mail, with a timeout and verified TLS.
        """
        self._hooks.send_mail = hook
        return hook

    def send_sms(self, hook: H) -> H:
        """Hook: sends a rendered SMS (`to`, `text`).

        Default: the provider of `MFA_SMS_PROVIDER`.
        """
        self._hooks.send_sms = hook
        return hook

    def client_for(self, hook: H) -> H:
        """Hook: (request, account) → client id or None, where a view names no client of its own.

        Default: no client; the app's own settings apply.
        """
        self._hooks.client_for = hook
        return hook

    def is_admin(self, hook: H) -> H:
        """Hook: user → bool, whether this is an admin.

        Default: nobody is, and the admin panel answers 404.
        """
        self._hooks.is_admin = hook
        return hook

    def vouches_for(self, hook: H) -> H:
        """Hook: request → bool, for users of Flask-Login's request loader only: this credential
        (an API key, mutual TLS) needs no MFA.

        Default: no credential does.
        """
        self._hooks.vouches_for = hook
        return hook

    def issue_token(self, hook: H) -> H:
        """Hook: (user, client, proofs) → what an embedded sign-in ends in, JSON-able.

        Default: it ends in Flask-Login's session.
        """
        self._hooks.issue_token = hook
        return hook

    def identify_token(self, hook: H) -> H:
        """Hook: request → the user whose token it carries, or None.

        Default: Flask-Login's cookie says who manages an account through the embedded API.
        """
        self._hooks.identify_token = hook
        return hook

    def set_password_url(self, hook: H) -> H:
        """Hook: user → URL of the page where a new password is set, for after a recovery code.

        Default: the page says that the password is unchanged.
        """
        self._hooks.set_password_url = hook
        return hook

    def list_users(self, hook: H) -> H:
        """Hook: (query, cursor) → (users, next cursor or None), for the API and the panel.

        Default: `user_model`, searched by email, name and key.
        """
        self._hooks.list_users = hook
        return hook

    def deliver_later(self, hook: H) -> H:
        """Hook: takes a job (a callable) to run in the background.

        Default: a bounded pool of threads in each process.
        """
        self._hooks.deliver_later = hook
        return hook


__all__ = ["MelodyMFA"]
