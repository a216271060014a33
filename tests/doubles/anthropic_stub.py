"""A loopback stand-in of the Messages API, good enough for the real Claude Code CLI. Standard library only.

    with StandIn() as stand_in:
        stand_in.scenario(name="429", times=1)     # what the next requests get; sticky, or so many times and then "ok"
        …                                          # point ANTHROPIC_BASE_URL at stand_in.url
        stand_in.requests()                        # what was really sent, oldest first

Scenarios by name, with their options:

    ok               the answer `text`, or an echo of the model's name
    429              rate_limit_error; `retry_after` seconds, `should_retry`
    429_unified      what a subscription gets: `claim` (five_hour, seven_day_opus …), `resets_in` seconds
    529 500 503 401 403 404 413 400 400_long 400_credit          that error; `message`
    sse_error        the stream begins, then an error event       sse_cut   … then the connection is dropped
    hang             headers, then silence                        hang_noheaders   silence from the start
    slow             `first_byte_s` before the first event, `chunk_s` before every 20 characters
    max_tokens refusal   an answer that stops for that reason
    structured       calls the tool StructuredOutput with `object`, once, or every time with `again`; with `each`, a text before
                     every request of a call for several, as such a call wants it

`models` (words) restricts a scenario to requests whose model contains one of them. A hanging scenario ends with `close`.
"""

import gzip
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Json = dict[str, Any]

ERRORS: dict[str, tuple[int, str, str]] = {
    "529": (529, "overloaded_error", "Overloaded"),
    "500": (500, "api_error", "Internal server error"),
    "503": (503, "api_error", "Service unavailable"),
    "401": (401, "authentication_error", "invalid x-api-key"),
    "403": (403, "permission_error", "Your API key does not have permission to use the specified resource."),
    "404": (404, "not_found_error", "model: no such model"),
    "413": (413, "request_too_large", "Request exceeds the maximum size"),
    "400": (400, "invalid_request_error", "messages: bad request"),
    "400_long": (400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum"),
    "400_credit": (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
    "429": (429, "rate_limit_error", "This request would exceed your organization's rate limit."),
    "429_unified": (429, "rate_limit_error", "This request would exceed your account's rate limit."),
}


@dataclass
class Book:
    """What the server shares between its threads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)
    scenario: Json = field(default_factory=lambda: {"name": "ok"})
    requests: list[Json] = field(default_factory=list)

    def next_scenario(self, model: str) -> Json:
        with self.lock:
            scenario = dict(self.scenario)
            words = scenario.get("models")
            if words and not any(word in model for word in words):
                return {"name": "ok"}
            if scenario.get("times", 1) <= 0:
                return {"name": "ok"}
            if "times" in scenario:
                self.scenario["times"] -= 1
            return scenario

    def record(self, request: Json) -> int:
        with self.lock:
            self.requests.append(request)
            return len(self.requests)

    def pause(self, seconds: float) -> None:
        """Wait; the end of the server wakes every waiter."""
        self.closing.wait(seconds)


class StandIn:
    """The server, on a free port of the loopback interface, in threads of its own."""

    def __init__(self) -> None:
        self._book = Book()
        handler = type("BoundHandler", (_Handler,), {"book": self._book})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def scenario(self, **options: Any) -> None:
        """Set what the next requests get: `name` and its options."""
        with self._book.lock:
            self._book.scenario = {"name": "ok"} | options

    def requests(self) -> list[Json]:
        """The calls of the Messages API so far: `bytes`, `model`, `auth`, `user` (the texts), `body`, …"""
        with self._book.lock:
            return list(self._book.requests)

    def close(self) -> None:
        self._book.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address) -> None:
        """A client that goes away is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "stand-in"
    book: Book

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name is the base class's
        pass

    def do_HEAD(self) -> None:
        self.send_json(200, {})

    def do_GET(self) -> None:
        self.send_json(200, {"data": [], "has_more": False, "first_id": None, "last_id": None})

    def do_POST(self) -> None:
        raw = self.body()
        path = self.path.partition("?")[0]
        if path != "/v1/messages":
            self.send_json(200, {"input_tokens": len(raw) // 4} if path.endswith("count_tokens") else {})
            return
        request: Json = json.loads(raw)
        scenario = self.book.next_scenario(request.get("model", ""))
        number = self.book.record(self.summary(request, scenario, len(raw)))
        _Answer(self, request, scenario, number).give()

    def summary(self, request: Json, scenario: Json, size: int) -> Json:
        headers = self.headers
        return {
            "bytes": size,
            "model": request.get("model"),
            "scenario": scenario["name"],
            "auth": "x-api-key" if headers.get("x-api-key") else "bearer" if headers.get("authorization") else None,
            "tools": [tool.get("name") for tool in request.get("tools") or []],
            "system": text_of(request.get("system")),
            "user": [text_of(said["content"]) for said in request.get("messages", ()) if said.get("role") == "user"],
            "body": request,
        }

    def body(self) -> bytes:
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            whole = b"".join(iter(self.chunk, b""))
        else:
            whole = self.rfile.read(int(self.headers.get("content-length") or 0))
        return gzip.decompress(whole) if self.headers.get("content-encoding") == "gzip" else whole

    def chunk(self) -> bytes:
        size = int(self.rfile.readline().partition(b";")[0] or b"0", 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def send_json(self, status: int, answer: Any, headers: Json | None = None) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": len(data), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


class _Answer:
    """One answer of the Messages API."""

    def __init__(self, http: _Handler, request: Json, scenario: Json, number: int) -> None:
        self.http, self.request, self.scenario = http, request, scenario
        self.name = scenario["name"]
        self.id = f"{number:06}"

    def give(self) -> None:
        if self.name in ERRORS:
            self.error(*ERRORS[self.name])
        elif self.name.startswith("hang"):
            self.hang()
        elif self.request.get("stream"):
            self.stream()
        else:
            blocks, stop = self.content()
            self.http.send_json(200, self.message(blocks, stop), self.headers())

    def error(self, status: int, kind: str, message: str) -> None:
        error = {"type": kind, "message": self.scenario.get("message", message)}
        self.http.send_json(status, {"type": "error", "error": error}, self.headers())

    def headers(self) -> Json:
        headers: Json = {"request-id": f"req_{self.id}"}
        if self.name == "429_unified":
            headers |= unified(self.scenario)
        for option, name in (("retry_after", "retry-after"), ("should_retry", "x-should-retry")):
            if option in self.scenario:
                headers[name] = self.scenario[option]
        return headers

    def hang(self) -> None:
        if self.name == "hang":
            self.open_stream()
        self.http.book.pause(3600)
        self.http.close_connection = True

    def content(self) -> tuple[list[Json], str]:
        schema = any(tool.get("name") == "StructuredOutput" for tool in self.request.get("tools") or [])
        if self.name == "refusal":
            return [], "refusal"
        if schema and self.name == "structured" and (self.scenario.get("again") or not self.answered()):
            tool = {"type": "tool_use", "id": f"toolu_{self.id}", "name": "StructuredOutput"}
            return [
                tool | {"input": self.of_several() if "each" in self.scenario else self.scenario.get("object", {})}
            ], "tool_use"
        text = self.scenario.get("text", f"the stand-in speaks as {self.request.get('model')}")
        return [{"type": "text", "text": text}], "max_tokens" if self.name == "max_tokens" else "end_turn"

    def of_several(self) -> Json:
        contents = [message["content"] for message in self.request.get("messages", ())]
        texts = [each if isinstance(each, str) else block.get("text", "") for each in contents for block in each]
        asked = next(text[text.index('[{"id":') :] for text in texts if '[{"id":' in text)
        requests, _ = json.JSONDecoder().raw_decode(asked)
        return {
            "answers": [{"id": one["id"], "answer": f"{self.scenario['each']} {one['request']}"} for one in requests]
        }

    def answered(self) -> bool:
        """Whether the tool has been called already; newer releases add reminders after its result."""
        said = [block for message in self.request.get("messages", ()) for block in message["content"]]
        return any(isinstance(block, dict) and block.get("type") == "tool_result" for block in said)

    def message(self, blocks: list[Json], stop: str | None) -> Json:
        head = {"id": f"msg_{self.id}", "type": "message", "role": "assistant", "model": self.request.get("model")}
        return head | {"content": blocks, "stop_reason": stop, "stop_sequence": None, "usage": self.usage(blocks)}

    def usage(self, blocks: list[Json]) -> Json:
        counted = {
            "input_tokens": max(1, len(json.dumps(self.request)) // 4),
            "output_tokens": 1 + sum(len(json.dumps(block)) // 4 for block in blocks),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
        }
        return counted | self.scenario.get("usage", {})

    # The stream

    def stream(self) -> None:
        self.http.book.pause(self.scenario.get("first_byte_s", 0))
        self.open_stream()
        blocks, stop = self.content()
        self.event("message_start", message=self.message([], None))
        for index, block in enumerate(blocks):
            if not self.block(index, block):
                return
        self.event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=self.usage(blocks))
        self.event("message_stop")

    def block(self, index: int, block: Json) -> bool:
        """Send one block; False if the stream broke in it."""
        empty = {"text": ""} if block["type"] == "text" else {"input": {}}
        self.event("content_block_start", index=index, content_block=block | empty)
        for delta in deltas_of(block):
            self.http.book.pause(self.scenario.get("chunk_s", 0))
            self.event("content_block_delta", index=index, delta=delta)
            if self.name == "sse_error":
                self.event("error", error={"type": "overloaded_error", "message": "Overloaded"})
            if self.name in {"sse_error", "sse_cut"}:
                return False
        self.event("content_block_stop", index=index)
        return True

    def open_stream(self) -> None:
        http = self.http
        http.send_response(200)
        http.close_connection = True
        for name, value in {"content-type": "text/event-stream", "connection": "close", **self.headers()}.items():
            http.send_header(name, str(value))
        http.end_headers()
        http.wfile.flush()

    def event(self, kind: str, **data: Any) -> None:
        self.http.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode())
        self.http.wfile.flush()


def deltas_of(block: Json) -> list[Json]:
    if block["type"] != "text":
        return [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    text = block["text"]
    return [{"type": "text_delta", "text": text[start : start + 20]} for start in range(0, len(text), 20)]


def unified(scenario: Json) -> Json:
    """The headers by which a subscription's limits are told."""
    resets_at = int(time.time() + scenario.get("resets_in", 3600))
    prefix = "anthropic-ratelimit-unified"
    return {
        f"{prefix}-status": "rejected",
        f"{prefix}-reset": resets_at,
        f"{prefix}-representative-claim": scenario.get("claim", "five_hour"),
        f"{prefix}-5h-status": "rejected",
        f"{prefix}-5h-reset": resets_at,
        f"{prefix}-5h-utilization": "1.0",
        f"{prefix}-7d-status": "allowed",
        f"{prefix}-7d-reset": resets_at + 86_400,
        f"{prefix}-7d-utilization": "0.42",
        f"{prefix}-fallback": "unavailable",
        f"{prefix}-overage-status": "rejected",
        f"{prefix}-overage-disabled-reason": "org_level_disabled",
        "retry-after": scenario.get("resets_in", 3600),
        "x-should-retry": "false",
    }


def text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text", "") for block in content or [] if block.get("type") == "text")
