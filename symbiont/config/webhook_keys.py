"""The keys that sign webhooks, read from where the configuration says: a file or an environment variable.

Guarantees: a secret that cannot be used is refused when Symbiont starts, and no error ever shows one. They are read once; a new
secret is in force from the next start.
"""

from collections.abc import Mapping
from pathlib import Path

from symbiont.config.schema import Webhooks
from symbiont.domain.errors import SymbiontError
from symbiont.domain.webhook import TASK_HOOK, key_of

MOST_SECRETS = 8


def webhook_keys(webhooks: Webhooks, env: Mapping[str, str]) -> dict[str, tuple[bytes, ...]]:
    """Keys by the name of the endpoint, newest first. Raises `SymbiontError("CONFIG_INVALID")`."""
    keys = {one.name: _keys(one.name, one.secret_file, one.secret_env, env) for one in webhooks.endpoints}
    if webhooks.allow_task_urls:
        keys[TASK_HOOK] = _keys(TASK_HOOK, webhooks.task_secret_file, webhooks.task_secret_env, env)
    return keys


def _keys(name: str, file: str, variable: str, env: Mapping[str, str]) -> tuple[bytes, ...]:
    place = f"file {file}" if file else f"variable {variable}" if variable else "webhooks.task_secret_file"
    secrets = (_read(Path(file), place) if file else env.get(variable, "")).split()
    if not 1 <= len(secrets) <= MOST_SECRETS:
        raise _refused(name, place, f"1..{MOST_SECRETS} secrets (whsec_…)", f"{len(secrets)} of them")
    try:
        return tuple(map(key_of, secrets))
    except ValueError as error:
        raise _refused(name, place, str(error).removeprefix("expected "), "something else") from None


def _read(file: Path, place: str) -> str:
    try:
        return file.expanduser().read_text("ascii")
    except OSError as error:
        raise SymbiontError("CONFIG_INVALID", f"expected {place} to be readable, got: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SymbiontError("CONFIG_INVALID", f"expected {place} to be ASCII text, got: other bytes") from None


def _refused(name: str, place: str, expected: str, got: str) -> SymbiontError:
    hint = 'echo "whsec_$(openssl rand -base64 32)" > webhook.secret; chmod 600 webhook.secret'
    return SymbiontError(
        "CONFIG_INVALID", f"webhook {name}: expected {place} to hold {expected}, got: {got}", hint=hint
    )
