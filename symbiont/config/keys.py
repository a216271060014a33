"""The catalogue of settings: every scalar key of the schema with what it accepts, its default and its environment variable.

Guarantees: derived from `schema.py` alone, so that a field added there is a setting everywhere (file, environment, flags,
`config show`) without a word here; a refused value is told in the grammar of `domain/errors.py`.
Does not know where values come from: `load.py` does.
"""

import difflib
import math
from collections.abc import Iterable
from functools import cache

import msgspec
from msgspec import inspect

from symbiont.config.schema import Config
from symbiont.domain.errors import SymbiontError
from symbiont.domain.wording import did_you_mean

PREFIX = "SYMBIONT_"
CLASSIC_VARIABLES = {
    "SYMBIONT_HOST": "server.host",
    "SYMBIONT_PORT": "server.port",
    "SYMBIONT_DATA_DIR": "data_dir",
    "SYMBIONT_CLAUDE_CLI": "dispatch.claude_cli",
}
"""Short names that units and scripts have always set; where both are set, the long name of the key counts."""

MAX_SHOWN_CHARS = 80


class Key(msgspec.Struct, frozen=True):
    """One scalar setting: dotted name, type, that type in words, default."""

    name: str
    type: object
    expects: str
    default: object

    @property
    def variable(self) -> str:
        return PREFIX + self.name.replace(".", "_").upper()

    def read(self, value: object, source: str, *, strict: bool) -> object:
        """The value as the schema wants it; text is parsed unless `strict`. Raises `CONFIG_INVALID`, naming `source`."""
        try:
            converted: object = msgspec.convert(value, self.type, strict=strict)
        except msgspec.ValidationError as error:
            raise invalid(source, self.name, self.expects, value, hint=_meant(self.type, value)) from error
        # not a number is below no bound
        if isinstance(converted, float) and not math.isfinite(converted):
            raise invalid(source, self.name, self.expects, value)
        return converted


@cache
def catalogue() -> dict[str, Key]:
    """Every scalar key by its dotted name, in the order of the schema."""
    return {key.name: key for key in _keys(Config, "")}


@cache
def sections() -> tuple[str, ...]:
    """Names of the tables that hold scalar keys."""
    return tuple(field.name for field in msgspec.structs.fields(Config) if _is_section(field.type))


def dotted(config: Config) -> dict[str, object]:
    """Every scalar setting of a configuration by its dotted name, in the order of the schema."""
    return {name: _value(config, name) for name in catalogue()}


def invalid(source: str, key: str, expects: str, value: object, *, hint: str = "") -> SymbiontError:
    """The error for a value that a key does not accept."""
    return SymbiontError(
        "CONFIG_INVALID",
        f"{source}: expected {key} to be {expects}, got: {shown(value)}",
        hint=hint,
        details={"source": source, "key": key, "value": shown(value)},
    )


def unknown(source: str, what: str, name: str, value: object, known: Iterable[str]) -> SymbiontError:
    """The error for a name that is none, and its value; `what` is the kind of name."""
    nearest = closest(name, known)
    return SymbiontError(
        "CONFIG_INVALID",
        f"{source}: expected a known {what}, got: {name} = {shown(value)}",
        hint=f"did you mean {nearest}?" if nearest else "symbiont config show",
        details={"source": source, "key": name, "value": shown(value)},
    )


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was most likely meant: the same key of another section, else the one spelt most alike."""
    names = list(known)
    last = name.rpartition(".")[2]
    moved = [other for other in names if other.rpartition(".")[2] == last]
    alike = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return next(iter([*moved, *alike]), None)


def shown(value: object) -> str:
    """A value as an error text shows it, in the words of TOML: text in quotes, and never pages of it."""
    match value:
        case str():
            text = f'"{value}"'
        case bool():
            text = str(value).lower()
        case dict():
            text = "a table"
        case list():
            text = "an array"
        case _:
            text = str(value)
    return text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "…"


def _keys(struct: type[msgspec.Struct], prefix: str) -> Iterable[Key]:
    for field in msgspec.structs.fields(struct):
        if _is_section(field.type):
            yield from _keys(field.type, f"{field.name}.")
        elif not isinstance(inspect.type_info(field.type), inspect.VarTupleType):
            yield Key(prefix + field.name, field.type, in_words(field.type), field.default)


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


def in_words(annotation: object) -> str:
    """What a setting or a field of this type accepts."""
    return _in_words(inspect.type_info(annotation))


def _meant(annotation: object, value: object) -> str:
    kind = inspect.type_info(annotation)
    if not isinstance(kind, inspect.LiteralType) or not isinstance(value, str):
        return ""
    return did_you_mean(value, [str(one) for one in kind.values])


def _in_words(kind: inspect.Type) -> str:
    match kind:
        case inspect.IntType(ge=low, le=high):
            return _integer(low, high)
        case inspect.FloatType(gt=above, ge=low, le=high):
            return " and ".join(["a number", *_bounds(above, low, high)]).replace(" and ", " ", 1)
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(str(value) for value in values)}"
        case inspect.StrType():
            return "a text"
        case inspect.UnionType(types=kinds):
            return " or ".join(_in_words(one) for one in kinds if not isinstance(one, inspect.NoneType))
        case inspect.BoolType():
            return "true or false"
        case inspect.VarTupleType(item_type=inspect.StrType()):
            return "an array of texts"
        case _:
            raise TypeError(f"expected setting to be a text, number or literal, got: {kind}")


def _integer(low: int | None, high: int | None) -> str:
    if low is None:
        return "an integer"
    return f"an integer >= {low}" if high is None else f"an integer {low}..{high}"


def _bounds(above: float | None, low: float | None, high: float | None) -> list[str]:
    bounds = ((">", above), (">=", low), ("<=", high))
    return [f"{sign} {bound:.10g}" for sign, bound in bounds if bound is not None]


def _value(config: Config, name: str) -> object:
    section, _, key = name.rpartition(".")
    holder: object = getattr(config, section) if section else config
    return getattr(holder, key)
