"""What a configuration stands for where it leaves something open: the built-in tiers, prices, template and places.

Guarantees: the installed package needs no file of the repository; `defaults/` ships with it, and the files of the same
names in `config/` are copies. A prices file that cannot be used is refused whole, never half read.
"""

import re
import tomllib
from pathlib import Path

import msgspec
import platformdirs

from symbiont.config.keys import invalid
from symbiont.config.schema import Config
from symbiont.domain.errors import SymbiontError
from symbiont.domain.price import LongPrompt, ModelPrice, PriceTable, Rates, nanos_per_token
from symbiont.domain.tier import Tier, TierTable

_DEFAULTS = Path(__file__).parent / "defaults"

BUILT_IN_TIERS = (
    Tier(
        name="haiku",
        rank=1,
        model="haiku",
        price_model="claude-haiku-5-5",
        suits="classification, extraction, simple formatting",
        planning_cost_usd=0.008,
        context_tokens=50_000,
    ),
    Tier(
        name="sonnet",
        rank=2,
        model="sonnet",
        price_model="claude-sonnet-5-5",
        suits="writing, code, analysis, moderate reasoning",
        planning_cost_usd=0.04,
        context_tokens=200_000,
    ),
    Tier(
        name="opus",
        rank=3,
        model="opus",
        price_model="claude-opus-5-5",
        suits="complex reasoning, strategy, whole-context checks",
        planning_cost_usd=0.15,
        context_tokens=200_000,
    ),
)


def data_dir(config: Config) -> Path:
    """Where the ledger and the queue live: `data_dir`, or the platform's state directory. Does not create it."""
    return Path(config.data_dir).expanduser() if config.data_dir else platformdirs.user_state_path("symbiont")


def tier_table(config: Config) -> TierTable:
    """The configured tiers, or the built-in ones if none are."""
    return TierTable.of(config.tiers or BUILT_IN_TIERS)


def template() -> str:
    """A `symbiont.toml` with every key commented out, its default beside it and its meaning above it."""
    return (_DEFAULTS / "symbiont.toml").read_text("utf-8")


def price_table(config: Config) -> PriceTable:
    """The prices of `prices_file`, or the built-in ones. Raises `SymbiontError("CONFIG_INVALID")` naming file and model."""
    path = Path(config.prices_file).expanduser() if config.prices_file else _DEFAULTS / "prices.toml"
    file = _read_prices(path)
    return PriceTable(file.version, {model_id: _price(model_id, row, path) for model_id, row in file.models.items()})


class _UsdPerMillion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input: float
    output: float
    cache_read: float
    cache_write_5m: float
    cache_write_1h: float


class _LongPromptRow(_UsdPerMillion, frozen=True):
    above_prompt_tokens: int


class _PriceRow(_UsdPerMillion, frozen=True):
    long_prompt: _LongPromptRow | None = None


class _PriceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    models: dict[str, _PriceRow]


def _read_prices(path: Path) -> _PriceFile:
    document = read_toml(path, hint="prices_file names this file; empty means the built-in table")
    try:
        return msgspec.convert(document, _PriceFile)
    except msgspec.ValidationError as error:
        place = re.sub(r"\s+- at `\$\.?(.*)`", r" (at \1)", str(error))
        raise SymbiontError(
            "CONFIG_INVALID",
            f"{path}: expected prices to be in the form of the built-in table, got: {place}",
            hint="compare with config/prices.toml",
            details={"source": str(path)},
        ) from error


def _price(model_id: str, row: _PriceRow, path: Path) -> ModelPrice:
    rates = _rates(model_id, row, path)
    if row.long_prompt is None:
        return ModelPrice(rates)
    above = row.long_prompt.above_prompt_tokens
    return ModelPrice(rates, LongPrompt(above, _rates(f"{model_id} (long prompt)", row.long_prompt, path)))


def _rates(model_id: str, row: _UsdPerMillion, path: Path) -> Rates:
    nanos: dict[str, int] = {}
    for name in Rates.__struct_fields__:
        price: float = getattr(row, name)
        try:
            nanos[name] = nanos_per_token(price)
        except ValueError as error:
            expects = "a multiple of 0.001 USD per million tokens"
            raise invalid(str(path), f"{name} of {model_id}", expects, price) from error
    return msgspec.convert(nanos, Rates)


def read_toml(path: Path, *, hint: str = "") -> dict[str, object]:
    """A TOML file as plain data. Raises `SymbiontError("CONFIG_INVALID")` naming the file and, in bad TOML, the line."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        reason = f"expected {path} to be a readable file, got: {error.strerror}"
    except UnicodeDecodeError:
        reason = f"expected {path} to be UTF-8 text, got: other bytes"
    except tomllib.TOMLDecodeError as error:
        reason = f"{path}: expected valid TOML, got: {error}"
    raise SymbiontError("CONFIG_INVALID", reason, hint=hint, details={"source": str(path)})
