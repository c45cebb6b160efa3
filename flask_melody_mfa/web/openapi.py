"""The OpenAPI 3.1 document of a face, made from the same records as its routes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from flask_melody_mfa.core import errors
from flask_melody_mfa.core.errors import MfaError
from flask_melody_mfa.core.version import VERSION
from flask_melody_mfa.web.operation import FORM, JSON, LONGEST_KEY, Face, Operation, Told
from flask_melody_mfa.web.shapes import PLAIN, Problem

PROBLEM = "application/problem+json"
REF = "#/components/schemas/{model}"
SECURITY = "credential"

_PART = re.compile(r"{(\w+)}")

RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    }
}
HEADERS: dict[int, dict[str, Any]] = {429: RETRY_AFTER, 503: RETRY_AFTER}


class AnyObject(BaseModel):
    """Any JSON object."""

    model_config = ConfigDict(extra="allow")


Mode = Literal["validation", "serialization"]


@lru_cache(maxsize=8)
def document(face: Face) -> dict[str, Any]:
    """The document, without `servers`: those depend on where the app is. Not to be changed."""
    first: tuple[type[BaseModel], Mode] = (Problem, "serialization")
    shapes = list(dict.fromkeys([first, *used(face)]))
    names, schemas = models_json_schema(shapes, ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for operation in face.operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = entry(
            face, operation, names
        )
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": face.title, "version": VERSION, "description": face.description},
        "paths": paths,
        "components": {"schemas": schemas.get("$defs", {})},
    }
    return found


def at_server(face: Face, server: str) -> dict[str, Any]:
    """The document of a face whose operations are at an address."""
    found = {**document(face), "servers": [{"url": server}]}
    if face.security is not None:
        schemes = {SECURITY: face.security(server)}
        found["components"] = {**found["components"], "securitySchemes": schemes}
    return found


def used(face: Face) -> Iterator[tuple[type[BaseModel], Mode]]:
    """Every shape of a face, and which way it goes."""
    for operation in face.operations:
        if operation.body is not None:
            yield operation.body, "validation"
        if operation.answer is not None:
            yield operation.answer, "serialization"
        for told in operation.told:
            if told.shape is not None:
                yield told.shape, "serialization"


def entry(face: Face, operation: Operation, names: Any) -> dict[str, Any]:
    """One operation."""
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": responses(operation, names),
    }
    if operation.tag:
        found["tags"] = [operation.tag]
    if operation.description:
        found["description"] = operation.description
    listed = [*path_parts(operation.path), *query_parts(operation), *header_parts(operation)]
    if listed:
        found["parameters"] = listed
    if operation.body is not None:
        found["requestBody"] = {
            "required": not operation.body_optional,
            "content": {
                FORM if operation.form else JSON: {"schema": names[operation.body, "validation"]}
            },
        }
    if face.security is not None:
        found["security"] = [] if operation.access is None else [security(face, operation)]
    return found


def security(face: Face, operation: Operation) -> dict[str, list[str]]:
    """What an operation asks for, by the names of OpenAPI."""
    scheme = face.security("") if face.security is not None else {}
    scopes = scheme.get("flows", {}).get("clientCredentials", {}).get("scopes", {})
    access = operation.access
    return {SECURITY: [access] if access is not None and access in scopes else []}


def path_parts(path: str) -> list[dict[str, Any]]:
    """The parameters that stand in the address."""
    schema = {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_KEY,
        "pattern": PLAIN.replace("[^", "[^/"),
    }
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name in _PART.findall(path)
    ]


def query_parts(operation: Operation) -> list[dict[str, Any]]:
    """The parameters that stand in the query."""
    if operation.query is None:
        return []
    schema = operation.query.model_json_schema()
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": without_null(part)}
        for name, part in schema["properties"].items()
    ]


def header_parts(operation: Operation) -> list[dict[str, Any]]:
    """The parameters that stand in headers; all can be left out."""
    return [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": header.what,
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": LONGEST_KEY,
                "pattern": header.pattern,
            },
        }
        for name, header in operation.headers.items()
    ]


def without_null(part: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema: one that is left out is not null."""
    kept = [one for one in part.get("anyOf", ()) if one != {"type": "null"}]
    rest = {name: value for name, value in part.items() if name not in ("anyOf", "default")}
    return rest | kept[0] if len(kept) == 1 else part


def responses(operation: Operation, names: Any) -> dict[str, Any]:
    """Every answer that an operation may give."""
    found: dict[int, dict[str, Any]] = {}
    for status, codes in problems(operation).items():
        found[status] = {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}",
            "content": {PROBLEM: {"schema": names[Problem, "serialization"]}},
        }
        if status in HEADERS:
            found[status]["headers"] = HEADERS[status]
    success = success_of(operation)
    found[success.status] = told(success, names)
    for one in operation.told:
        found[one.status] = told(one, names)
    return {str(status): found[status] for status in sorted(found)}


def success_of(operation: Operation) -> Told:
    """The answer when all goes well."""
    if operation.answer is None and operation.media_type == JSON and operation.status == 200:
        return Told(status=204, description="Done.")
    return Told(
        status=operation.status,
        description=HTTPStatus(operation.status).phrase,
        shape=operation.answer,
        media_type=operation.media_type,
    )


def told(one: Told, names: Any) -> dict[str, Any]:
    """An answer as OpenAPI says it."""
    if one.status == 204:
        return {"description": one.description}
    schema = names[one.shape, "serialization"] if one.shape is not None else {}
    return {"description": one.description, "content": {one.media_type: {"schema": schema}}}


def problems(operation: Operation) -> dict[int, list[str]]:
    """Status → the codes of problems that an operation may answer with."""
    possible: list[type[MfaError]] = [errors.InvalidRequest, errors.Unavailable]
    if operation.access is not None:
        possible += [errors.NotAuthenticated, errors.Forbidden]
    if "{" in operation.path:
        possible.append(errors.NotFound)
    if operation.body is not None:
        possible += [errors.TooLarge, errors.UnsupportedType]
    found: dict[int, list[str]] = {}
    for error in (*possible, *operation.errors):
        codes = found.setdefault(error.status, [])
        if error.code not in codes:
            codes.append(error.code)
    return found
