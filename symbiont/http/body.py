"""Reading a request body: bounded in size and time, decoded into one JSON object.

Guarantees that a body ends as a dict of decoded JSON or as a SymbiontError that says where it went wrong; nothing a
client sends (endless chunks, broken UTF-8, a million brackets) ends in anything else. A key given twice is refused: which of
the two was meant, nobody knows. Does not judge what the object means: that is `parse.py`.
"""

import asyncio
import codecs
import json
import re
from contextlib import suppress
from typing import cast

import msgspec
from aiohttp import web

from symbiont.domain.errors import SymbiontError
from symbiont.domain.wording import quoted

BODY_TIMEOUT_S = 30.0
_EXAMPLE = 'expected something like {"task": "Summarise this text: …"}'
_POSITION = re.compile(r" \(byte ([0-9]+)\)$")
_TRUNCATED = "Input data was truncated"
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


async def read(request: web.Request, limit: int, *, within_s: float = BODY_TIMEOUT_S) -> bytes:
    """The whole body, at most `limit` bytes, which must arrive within `within_s` seconds.

    Raises BODY_TOO_LARGE (before reading, when the length is announced), REQUEST_TIMEOUT, or BAD_HTTP when the
    connection or the chunking breaks off. The bound on a body without a length is the application's `client_max_size`.
    """
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit, request.content_length)
    try:
        async with asyncio.timeout(within_s):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large(limit, None) from None
    except TimeoutError:
        text = f"expected the body to arrive within {within_s:g} s, got: a part of it"
        raise SymbiontError("REQUEST_TIMEOUT", text) from None
    except (web.RequestPayloadError, ConnectionError) as broken:
        text = f"expected the body to arrive whole, got: {type(broken).__name__}"
        raise SymbiontError("BAD_HTTP", text) from None


def decode_object(body: bytes) -> dict[str, object]:
    """The JSON object a body holds. Raises BAD_JSON with line, column and byte, or WRONG_TYPE for any other value."""
    if not body.strip():
        raise SymbiontError("BAD_JSON", "expected the body to be a JSON object, got: nothing", hint=_EXAMPLE)
    if body.startswith(codecs.BOM_UTF8):
        message = "expected the body to be JSON, got: a byte order mark before it"
        raise SymbiontError("BAD_JSON", message, hint="send UTF-8 without one")
    value = _decode(body)
    _refuse_doubles(body)
    if not isinstance(value, dict):
        message = f"expected the body to be a JSON object, got: {quoted(value)}"
        raise SymbiontError("WRONG_TYPE", message, hint=_EXAMPLE)
    return cast("dict[str, object]", value)


def _decode(body: bytes) -> object:
    try:
        # The decoder itself checks only the strings it meets, and then reports a position within the string.
        body.decode("utf-8")
        return msgspec.json.decode(body)
    except UnicodeDecodeError as error:
        raise _bad_json(body, f"byte 0x{body[error.start]:02x}, which is no UTF-8", error.start) from None
    except msgspec.DecodeError as error:
        raise _malformed(body, str(error)) from None
    except RecursionError:
        message = "expected the body to be a JSON object of a few levels, got: nesting too deep to read"
        raise SymbiontError("BAD_JSON", message, hint=_EXAMPLE) from None


def _refuse_doubles(body: bytes) -> None:
    """The decoder itself takes the last of several."""
    with suppress(ValueError, RecursionError):  # what Python does not read though the decoder did
        json.loads(body, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, object]]) -> None:
    seen = set[str]()
    for key, _ in pairs:
        if key in seen:
            raise SymbiontError("BAD_JSON", f"expected every key once, got: {quoted(key)} twice")
        seen.add(key)


def _malformed(body: bytes, complaint: str) -> SymbiontError:
    found = _POSITION.search(complaint)
    reason = _POSITION.sub("", complaint).removeprefix("JSON is malformed: ")
    hint = r"a surrogate escape needs its partner, as in \ud83d\ude00" if _SURROGATE_ESCAPE.search(body) else ""
    ends_early = complaint == _TRUNCATED
    byte = int(found[1]) if found else len(body) if ends_early else None
    return _bad_json(body, "an end too early" if ends_early else reason, byte, hint)


def _bad_json(body: bytes, reason: str, byte: int | None, hint: str = "") -> SymbiontError:
    if byte is None:
        return SymbiontError("BAD_JSON", f"expected the body to be JSON, got: {_lower(reason)}", hint=hint)
    before = body[:byte].decode("utf-8", "replace")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return SymbiontError(
        "BAD_JSON",
        f"expected the body to be JSON, got: {reason} at line {line}, column {column}",
        hint=hint,
        details={"line": line, "column": column, "byte": byte},
    )


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _too_large(limit: int, length: int | None) -> SymbiontError:
    got = "more" if length is None else f"{length}"
    return SymbiontError(
        "BODY_TOO_LARGE",
        f"expected the body to be at most {limit} bytes, got: {got}",
        hint="raise server.max_body_bytes in symbiont.toml, or send less",
        details={"limit": limit, "length": length},
    )
