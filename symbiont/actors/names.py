"""The names processes are registered under; how actors address one another."""

from typing import Final

TASKS: Final = "task_supervisor"
LEDGER: Final = "ledger"
QUEUE: Final = "queue"
DISPATCHER: Final = "dispatcher"
HEARTBEAT: Final = "heartbeat"
SCHEDULES: Final = "schedules"
WEBHOOKS: Final = "webhooks"
HTTP_SERVER: Final = "http_server"
