"""A JSON endpoint as data: from one record come its route, its checks and its documentation.

A *face* is a set of operations under one prefix. Whatever goes wrong below the prefix is answered
as a problem document, also where no operation is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from flask import Blueprint, current_app, request
from flask.blueprints import BlueprintSetupState
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException, NotFound, RequestEntityTooLarge
from werkzeug.exceptions import MethodNotAllowed as WrongMethod
from werkzeug.routing import Map, RequestRedirect, Rule
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import errors
from flask_melody_mfa.core.errors import (
    InvalidRequest,
    MethodNotAllowed,
    MfaError,
    TooLarge,
    Unavailable,
    UnsupportedType,
)
from flask_melody_mfa.core.limits import LARGEST_BODY
from flask_melody_mfa.web import answers
from flask_melody_mfa.web.shapes import Query

log = logging.getLogger("flask_melody_mfa")

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

MOST_FIELDS = 20
LONGEST_KEY = 255
ELSEWHERE = "elsewhere"

REASONS = {
    "missing": "missing",
    "extra_forbidden": "unknown",
    "string_too_long": "too_long",
    "too_long": "too_long",
    "string_too_short": "too_short",
    "too_short": "too_short",
    "literal_error": "choose",
    "enum": "choose",
}
"""pydantic's type of an error → a key of `words.REASONS`; others are `type` or `invalid`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, checked: what an operation's function gets.

    `path`: the parts of the address. `body`, `query`: instances of the operation's shapes.
    `caller`: what the face's `admit` answered.
    """

    operation: Operation
    path: Mapping[str, str]
    body: Any = None
    query: Any = None
    caller: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header that an operation reads, and that can be left out. `what`: it is for."""

    what: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer that is documented apart: instead of what the record would say, or beside it."""

    status: int
    description: str
    shape: type[BaseModel] | None = None
    media_type: str = JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One endpoint.

    `name`: endpoint and operationId. `path`: below the face's prefix, with `{parts}`.
    `access`: what the face's `admit` asks of the caller (a scope, say); None: nobody is asked.
    `function` returns a shape (answered with `status`), None (204), or a response of its own.
    `errors`: what it may raise beside what every operation may. `form`: the body is a form.
    `told`: answers that the document tells in other words. `headers`: those that it reads, by
    name.
    """

    name: str
    method: str
    path: str
    summary: str
    function: Callable[[Call], Any] = field(repr=False)
    access: str | None = None
    tag: str = ""
    description: str = ""
    body: type[BaseModel] | None = None
    body_optional: bool = False
    form: bool = False
    query: type[Query] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    errors: tuple[type[MfaError], ...] = ()
    media_type: str = JSON
    told: tuple[Told, ...] = ()
    headers: Mapping[str, Header] = field(default_factory=dict, hash=False)

    @property
    def rule(self) -> str:
        """The path as Flask writes it."""
        return self.path.replace("{", "<").replace("}", ">")


def nobody(operation: Operation) -> None:
    """Admit whoever comes."""
    del operation


@dataclass(frozen=True, kw_only=True)
class Face:
    """A set of operations under one prefix.

    `enabled()`: whether the face answers at all; else 404. `admit(operation)`: who calls, for an
    operation with `access`; raises. `refuse(error, operation)`: the answer to an error.
    `finish(response)`: a last touch to every answer (CORS, say). `preflight()`: the answer to
    OPTIONS, where the face has one. `security(server)`: OpenAPI's security scheme, for a face
    at that address.
    """

    name: str
    title: str
    description: str
    path: str
    operations: tuple[Operation, ...]
    enabled: Callable[[], bool]
    admit: Callable[[Operation], Any] = nobody
    refuse: Callable[[MfaError, Operation | None], BaseResponse] = lambda error, _: answers.problem(
        error
    )
    finish: Callable[[BaseResponse], BaseResponse] = lambda response: response
    preflight: Callable[[], BaseResponse] | None = None
    security: Callable[[str], dict[str, Any]] | None = None

    def blueprint(self, url_prefix: str) -> Blueprint:
        """A new blueprint, for one app. `url_prefix`: of all our addresses."""
        found = Blueprint(self.name, __name__, url_prefix=url_prefix + self.path)
        for operation in self.operations:
            found.add_url_rule(
                operation.rule,
                operation.name,
                lambda operation=operation, **path: serve(self, operation, path),
                methods=[operation.method],
                provide_automatic_options=False,
            )
        found.record_once(lambda setup: self._add_elsewhere(setup))
        return found

    @cached_property
    def addresses(self) -> Map:
        """What is where, below the face's prefix."""
        return Map(
            [
                Rule(operation.rule, endpoint=operation.name, methods=[operation.method])
                for operation in self.operations
            ],
            merge_slashes=False,
        )

    def answer(self, rest: str) -> BaseResponse:
        """Answer a request to an address below the face's prefix, without routes of its own."""
        try:
            name, path = self.addresses.bind("").match("/" + rest, method=request.method)
        except (HTTPException, RequestRedirect):
            return elsewhere(self, self.addresses, rest)
        operation = next(one for one in self.operations if one.name == name)
        request.view_args = dict(path)
        return serve(self, operation, path)

    def _add_elsewhere(self, setup: BlueprintSetupState) -> None:
        """Route what no operation answers here, whatever its method: 404, 405, OPTIONS."""
        addresses = self.addresses
        prefix = setup.url_prefix or ""
        endpoint = f"{self.name}.{ELSEWHERE}"
        app = setup.app
        for below in ("", "/", "/<path:rest>"):
            rule = app.url_rule_class(prefix + below, endpoint=endpoint, strict_slashes=True)
            rule.merge_slashes = False
            rule.provide_automatic_options = False  # type: ignore[attr-defined]
            app.url_map.add(rule)
        app.view_functions[endpoint] = lambda rest="": elsewhere(self, addresses, rest)


def serve(face: Face, operation: Operation, path: Mapping[str, str]) -> BaseResponse:
    """Answer one request: who calls, then what is asked, then the operation itself."""
    try:
        check_enabled(face)
        caller = face.admit(operation) if operation.access is not None else None
        check_path(path)
        call = Call(
            operation=operation,
            path=path,
            query=read_query(operation),
            body=read_body(operation),
            caller=caller,
        )
        response = respond(operation, operation.function(call))
    except Exception as error:
        response = face.refuse(known(error), operation)
    return no_store(face.finish(response))


def elsewhere(face: Face, addresses: Map, rest: str) -> BaseResponse:
    """Answer a request that no operation is for."""
    try:
        check_enabled(face)
        if request.method == "OPTIONS" and face.preflight is not None:
            response = face.preflight()
        else:
            raise missing(addresses, rest)
    except Exception as error:
        response = face.refuse(known(error), None)
    return no_store(face.finish(response))


def check_enabled(face: Face) -> None:
    """Raises `NotFound` while the face is switched off."""
    if not face.enabled():
        raise errors.NotFound


def missing(addresses: Map, rest: str) -> MfaError:
    """Whether an address is wrong, or only its method."""
    try:
        addresses.bind("").match("/" + rest, method=request.method)
    except WrongMethod as wrong:
        return MethodNotAllowed(sorted(wrong.valid_methods or ()))
    except (NotFound, RequestRedirect):
        pass
    return errors.NotFound()


def known(error: Exception) -> MfaError:
    """An error as one of ours. Our own mistakes are logged, answered 503, and raised in tests."""
    if isinstance(error, RequestEntityTooLarge):
        return TooLarge()
    if isinstance(error, HTTPException) and error.code == 400:
        return InvalidRequest()
    if not isinstance(error, MfaError):
        if current_app.testing:
            raise error
        log.error("An endpoint failed", exc_info=error)
        return Unavailable()
    if isinstance(error, Unavailable):
        log.error("An endpoint answered 503: %s", type(error).__name__)
    return error


def respond(operation: Operation, result: Any) -> BaseResponse:
    """An operation's result as a response."""
    if isinstance(result, BaseResponse):
        return result
    if result is None:
        return current_app.response_class(status=204)
    assert isinstance(result, BaseModel)  # noqa: S101
    text = result.model_dump_json(by_alias=True)
    return current_app.response_class(text, status=operation.status, mimetype=JSON)


def no_store(response: BaseResponse) -> BaseResponse:
    """The headers of every answer."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'")
    return response


def check_path(path: Mapping[str, str]) -> None:
    """Raises `NotFound` for parts that nothing of ours is named by."""
    for part in path.values():
        if len(part) > LONGEST_KEY or not part.isprintable():
            raise errors.NotFound


def read_query(operation: Operation) -> Any:
    """The query, checked. Raises `InvalidRequest`."""
    given = request.args
    twice = {name: "invalid" for name in given if len(given.getlist(name)) > 1}
    if twice:
        raise InvalidRequest(shortened(twice))
    if operation.query is None:
        if given:
            raise InvalidRequest(shortened(dict.fromkeys(given, "unknown")))
        return None
    try:
        return operation.query.model_validate(given.to_dict())
    except ValidationError as error:
        raise InvalidRequest(reasons(error)) from None


def read_body(operation: Operation) -> Any:
    """The body, checked. Raises `InvalidRequest`, `TooLarge`, `UnsupportedType`."""
    if operation.body is None:
        return None
    raw = read_bytes()
    if not raw and operation.body_optional:
        return operation.body()
    check_type(FORM if operation.form else JSON)
    try:
        if operation.form:
            return operation.body.model_validate(read_form(raw))
        return operation.body.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidRequest(reasons(error)) from None


def read_bytes() -> bytes:
    """The bytes of the body, never more than the limit. Raises `TooLarge`."""
    length = request.content_length
    if length is not None and length > LARGEST_BODY:
        raise TooLarge
    if length is not None:
        return request.get_data(cache=True)
    raw: bytes = request.stream.read(LARGEST_BODY + 1)
    if len(raw) > LARGEST_BODY:
        raise TooLarge
    return raw


def check_type(wanted: str) -> None:
    """Raises `UnsupportedType` for another type, or text in another encoding than UTF-8."""
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != wanted or charset not in ("utf-8", "utf8"):
        raise UnsupportedType


def read_form(raw: bytes) -> dict[str, str]:
    """The fields of a form: each once (RFC 6749 §3.1); one without a value is left out."""
    if "form" in request.__dict__:  # somebody of the host's read it before us
        pairs = list(request.form.items(multi=True))
    else:
        try:
            pairs = parse_qsl(
                raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50
            )
        except ValueError:
            raise InvalidRequest({"form": "invalid"}) from None
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise InvalidRequest({"form": "invalid"})
    return {name: value for name, value in pairs if value}


def reasons(error: ValidationError) -> dict[str, str]:
    """Field → reason, without what was sent."""
    found: dict[str, str] = {}
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part) for part in one["loc"]) or "body"
        kind = one["type"]
        found[name] = REASONS.get(kind, "type" if kind.endswith("_type") else "invalid")
    return shortened(found)


def shortened(found: Mapping[str, str]) -> dict[str, str]:
    """At most so many fields, with names that fit on a line."""
    listed = list(found.items())[:MOST_FIELDS]
    return {name[:64]: reason for name, reason in listed}
