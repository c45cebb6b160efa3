"""Two operations that every face of JSON may have: its OpenAPI document, and a page to read it.

The page loads nothing from elsewhere, and no script from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import make_response, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.web import answers, openapi
from flask_melody_mfa.web.operation import Call, Face, Operation
from flask_melody_mfa.web.page import OWN_CSP

DOCUMENT, PAGE = "/openapi.json", "/docs"
HTML = "text/html"


def operations(face: Callable[[], Face]) -> tuple[Operation, ...]:
    """The two operations; `face()` is asked for when they are called."""
    return (
        Operation(
            name="openapi",
            method="GET",
            path=DOCUMENT,
            summary="This document (OpenAPI 3.1).",
            function=partial(show_document, face),
            tag="about",
            status=200,
            answer=openapi.AnyObject,
        ),
        Operation(
            name="docs",
            method="GET",
            path=PAGE,
            summary="This document as a page.",
            function=partial(show_page, face),
            tag="about",
            media_type=HTML,
        ),
    )


def server_of(path: str) -> str:
    """Where the face is that this request went to. `path`: of the operation."""
    return (request.script_root + request.path).removesuffix(path)


def show_document(face: Callable[[], Face], call: Call) -> BaseResponse:
    """The document, with the address of this app."""
    return answers.as_json(openapi.at_server(face(), server_of(call.operation.path)))


def show_page(face: Callable[[], Face], call: Call) -> BaseResponse:
    """The document as a page."""
    server = server_of(call.operation.path)
    document = openapi.at_server(face(), server)
    response = make_response(
        render_template(
            "mfa/api.html",
            title=face().title,
            description=face().description,
            server=server,
            version=document["info"]["version"],
            groups=groups(document),
            schemas=[shape(name, found) for name, found in schemas(document)],
            document_url=server + DOCUMENT,
            style_url=url_for("mfa.static", filename="mfa.css"),
            page_style_url=url_for("mfa.static", filename="api.css"),
        )
    )
    response.headers["Content-Security-Policy"] = OWN_CSP
    return response


def schemas(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The document's shapes by name."""
    return sorted(document["components"]["schemas"].items())


def groups(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations by their tags, in the order of the document."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = operation.get("tags", [""])[0]
            found.setdefault(tag, []).append(readable(path, method, operation))
    return [{"tag": tag, "operations": listed} for tag, listed in found.items()]


def readable(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    """One operation for the page."""
    security = operation.get("security", [])
    body = operation.get("requestBody", {}).get("content", {})
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "public": not security,
        "scopes": [scope for scheme in security for scope in scheme.get(openapi.SECURITY, [])],
        "parameters": [
            {**field(one["name"], one["schema"], one["required"]), "where": one["in"]}
            for one in operation.get("parameters", ())
        ],
        "body": [{"type": kind, "shape": name_of(one["schema"])} for kind, one in body.items()],
        "answers": [answer(status, one) for status, one in operation["responses"].items()],
    }


def answer(status: str, told: dict[str, Any]) -> dict[str, Any]:
    """One answer for the page."""
    contents = told.get("content", {}).values()
    return {
        "status": status,
        "description": told["description"],
        "shapes": [name_of(content["schema"]) for content in contents],
    }


def shape(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """One shape for the page."""
    required = schema.get("required", ())
    return {
        "name": name,
        "description": schema.get("description", ""),
        "fields": [
            field(one, part, one in required) for one, part in schema.get("properties", {}).items()
        ],
    }


def field(name: str, schema: dict[str, Any], required: bool) -> dict[str, Any]:
    """One field for the page."""
    return {
        "name": name,
        "type": type_of(schema),
        "required": required,
        "description": schema.get("description", ""),
    }


def name_of(schema: dict[str, Any]) -> str:
    """The name of the shape that is referred to, or nothing."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def type_of(schema: dict[str, Any]) -> str:
    """A type in a few words."""
    if "$ref" in schema:
        return name_of(schema)
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    if "const" in schema:
        return str(schema["const"]).lower()
    if "anyOf" in schema:
        return " or ".join(type_of(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    known = schema.get("format") or schema.get("type", "any")
    return str(known)
