"""Reads the body and query of a request; what is wrong with them is refused with the field's name."""

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from runtime.http import bounds
from runtime.http.checks import MOST_ERRORS, submission
from runtime.http.problems import FieldError, InvalidJsonError, InvalidRequestError
from runtime.http.requests import Call, ExecuteBody
from runtime.http.unknown_fields import Shape
from runtime.languages.registry import Registry
from runtime.settings import Settings

Body = TypeVar("Body")

_decoder = msgspec.json.Decoder(ExecuteBody)
_shape = Shape(ExecuteBody)
_PLACE = re.compile(r" - at `\$(.*)`$")


def decode(data: bytes, settings: Settings, registry: Registry, *, strict: bool = False) -> Call:
    """The body of `POST /execute` as a submission; raises Refusal, with `strict` also for fields that are not known."""
    body = decode_as(_decoder, data)
    unknown = _shape.unknown(data, MOST_ERRORS)
    checked = submission(body, settings, registry, refused=unknown if strict else ())
    return Call(checked, body.user_id, body.question_id, warnings=unknown)


def is_strict(query: Mapping[str, str]) -> bool:
    """Whether a request with this query wants fields refused that are not known; raises InvalidRequestError."""
    given = query.get("strict", "0")
    if given not in bounds.STRICT:
        raise InvalidRequestError(
            "The query is not valid.", (FieldError("strict", f"must be one of {', '.join(bounds.STRICT)}"),)
        )
    return bounds.STRICT[given]


def decode_as(decoder: msgspec.json.Decoder[Body], data: bytes) -> Body:
    """The body as its type; raises InvalidJsonError or InvalidRequestError with the field."""
    try:
        # The decoder passes over the bytes of fields that are not known.
        if not data.isascii():
            data.decode()
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise InvalidRequestError("A field is missing or of the wrong type.", (_located(str(error)),)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJsonError(f"{error}") from error


def _located(message: str) -> FieldError:
    place = _PLACE.search(message)
    words = _PLACE.sub("", message)
    missing = re.search(r"missing required field `(\w+)`", words)
    field = place[1].lstrip(".") if place else ""
    if missing:
        return FieldError(f"{field}.{missing[1]}".lstrip("."), "is required")
    return FieldError(field or "(body)", words[:1].lower() + words[1:])
