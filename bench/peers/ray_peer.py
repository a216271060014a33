"""ray: a process an actor, on this machine only. Rings, floods and crowds of actors are beyond a machine of two cores."""

import logging
import os
import time
from collections.abc import Mapping
from time import perf_counter

os.environ |= {"RAY_DEDUP_LOGS": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}

import ray
from harness import main, percentiles, scaled, seconds_each

ASYNC_AT_A_TIME = 100
RESTARTS = 2


@ray.remote(num_cpus=0, max_restarts=-1)
class Server:
    def ask(self, _message: object = None) -> int:
        return 1

    def crash(self) -> None:
        os._exit(1)


def up() -> "ray.actor.ActorHandle":
    server = Server.remote()
    ray.get(server.ask.remote())
    return server


def call() -> float:
    server, count = up(), scaled(500)
    start = perf_counter()
    for _ in range(count):
        ray.get(server.ask.remote())
    return seconds_each(start, count)


def call_100() -> float:
    """A hundred calls under way at a time, from one driver: clients of their own would be processes."""
    server, rounds = up(), scaled(10, 3)
    start = perf_counter()
    for _ in range(rounds):
        ray.get([server.ask.remote() for _ in range(ASYNC_AT_A_TIME)])
    return seconds_each(start, rounds * ASYNC_AT_A_TIME)


def cast() -> float:
    server, count = up(), scaled(1_000, 100)
    start = perf_counter()
    for _ in range(count):
        server.ask.remote(1)
    ray.get(server.ask.remote())
    return seconds_each(start, count)


def spawn_stop() -> float:
    count = 3
    start = perf_counter()
    for _ in range(count):
        ray.kill(up())
    return seconds_each(start, count)


def restart() -> Mapping[str, float]:
    server, found = up(), []
    for _ in range(RESTARTS):
        start = perf_counter()
        server.crash.remote()
        _answer(server)
        found.append(perf_counter() - start)
    return percentiles("restart", found)


def _answer(server: "ray.actor.ActorHandle") -> None:
    time.sleep(0.01)  # the first answers may still be those of the process that is about to end
    while True:
        try:
            ray.get(server.ask.remote())
        except ray.exceptions.RayActorError:
            time.sleep(0.001)
        else:
            return


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    main({"call": call, "call_100": call_100, "cast": cast, "spawn_stop": spawn_stop, "restart": restart})
    ray.shutdown()
