"""JSON that a model wrote among other words."""

from typing import Any, cast

import msgspec


def object_in(text: str) -> dict[str, Any] | None:
    """What stands between the outermost braces of a text, None if that is no JSON object: models like to wrap one in a code fence
    or in a sentence.
    """
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        found: object = msgspec.json.decode(text[start : end + 1].encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None
