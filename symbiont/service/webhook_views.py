"""The views about webhooks. Times are RFC 3339 UTC with a `Z`; of an address only as much is shown as is no secret."""

import msgspec


class WebhookView(msgspec.Struct, frozen=True):
    """One endpoint. `status`: `enabled` or `disabled`. `failing_since`: nothing but failures from then on."""

    name: str
    url: str
    status: str
    events: tuple[str, ...]
    projects: tuple[str, ...]
    pending: int
    delivered: int
    failed: int
    failing_since: str | None
    disabled_at: str | None
    disabled_reason: str
    last_at: str | None
    last_status: int | None
    last_error: str


class WebhookList(msgspec.Struct, frozen=True):
    """`GET /webhooks`: those of the configuration, in its order; `task` stands for addresses that tasks bring."""

    webhooks: tuple[WebhookView, ...]
    count: int


class WebhookTested(msgspec.Struct, frozen=True):
    """`POST /webhooks/{name}/test`. `http_status` None: there was no answer, and `error` says why."""

    webhook: str
    webhook_id: str
    success: bool
    http_status: int | None
    error: str
    elapsed_seconds: float


class DeliveryView(msgspec.Struct, frozen=True):
    """One message for one endpoint. `status`: `pending`, `delivered` or `failed`; `next_at` is when it is tried again."""

    id: str
    webhook: str
    webhook_id: str
    event: str
    task_id: str
    status: str
    attempts: int
    created_at: str
    next_at: str | None
    last_at: str | None
    last_status: int | None
    last_error: str


class DeliveryList(msgspec.Struct, frozen=True):
    """`GET /webhooks/deliveries`: newest last, at most `limit` of `total`."""

    deliveries: tuple[DeliveryView, ...]
    count: int
    total: int
