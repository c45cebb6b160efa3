"""MelodyMFA: what a Flask developer holds in hand."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from flask import Blueprint, Flask, after_this_request, has_request_context
from flask_login import user_logged_in, user_logged_out
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.errors import MfaError
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import FactorKind, Method
from flask_melody_mfa.flows import people, sessions
from flask_melody_mfa.store import schema
from flask_melody_mfa.store.tables import attach
from flask_melody_mfa.web import arrivals, decorators, deletions, door, guard, notify
from flask_melody_mfa.web.pages import blueprint
from flask_melody_mfa.web.state import EXTENSION, Hooks, State, context, state
from flask_melody_mfa.web.users import Users, password_checker, unwrap

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
        app.extensions[EXTENSION] = State(
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
        app.url_value_preprocessors.setdefault(None, []).insert(0, guard.observe)
        app.before_request_funcs.setdefault(None, []).insert(0, decorators.at_the_door)
        app.context_processor(lambda: {"mfa_status": decorators.mfa_status})
        app.register_error_handler(MfaError, guard.fault)
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
        """Judge a second proof without a browser, with the same counters and single use."""
        kind = FactorKind(factor) if factor is not None else None
        return people.verify(context(), state().describe(user), code, factor=kind)

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
        blueprint.before_request(lambda: decorators.enforce(asked))

    def exempt(self, target: Any) -> Any:
        """Let the guard leave a view, a blueprint or an endpoint alone."""
        if isinstance(target, Blueprint):
            self._exempt.add(target.name)
        elif isinstance(target, str):
            self._exempt.add(target)
        else:
            self._exempt_views.add(target)
        return target

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

    def check_password_of(self, user: Any, password: str) -> bool | None:
        """Whether a password is right; None where the app has no way to tell."""
        hook = self._hooks.check_password
        if hook is not None:
            return bool(hook(unwrap(user), password))
        check = password_checker(unwrap(user))
        return None if check is None else bool(check(password))

    def describe_user(self, hook: H) -> H:
        """Hook: user → `Account`."""
        self._hooks.describe_user = hook
        return hook

    def load_user(self, hook: H) -> H:
        """Hook: key → user or None."""
        self._hooks.load_user = hook
        return hook

    def find_user(self, hook: H) -> H:
        """Hook: login text → user or None."""
        self._hooks.find_user = hook
        return hook

    def check_password(self, hook: H) -> H:
        """Hook: (user, password) → bool."""
        self._hooks.check_password = hook
        return hook

    def send_mail(self, hook: H) -> H:
        """Hook: sends a rendered mail (`to`, `subject`, `text`, `html`)."""
        self._hooks.send_mail = hook
        return hook

    def send_sms(self, hook: H) -> H:
        """Hook: sends a rendered SMS (`to`, `text`)."""
        self._hooks.send_sms = hook
        return hook

    def client_for(self, hook: H) -> H:
        """Hook: (request, account) → client id or None."""
        self._hooks.client_for = hook
        return hook

    def is_admin(self, hook: H) -> H:
        """Hook: user → bool."""
        self._hooks.is_admin = hook
        return hook

    def vouches_for(self, hook: H) -> H:
        """Hook: request → bool, for users of Flask-Login's request loader only."""
        self._hooks.vouches_for = hook
        return hook

    def deliver_later(self, hook: H) -> H:
        """Hook: takes a job (a callable) to run in the background."""
        self._hooks.deliver_later = hook
        return hook


__all__ = ["MelodyMFA", "door"]
