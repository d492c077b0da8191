"""Websocket messages as agent frameworks send them: by hand, and not by the book."""

import contextlib
import json
import time
import uuid

import websocket

DEADLINE_SECONDS = 60


def header(msg_type, **changes):
    """A header as jupyter_client writes it; `changes` replace fields, None removes them."""
    result = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": msg_type,
        "session": uuid.uuid4().hex,
        "username": "agent",
        "version": "5.3",
        "date": "2026-11-21T07:34:00.123456Z",
    }
    result.update(changes)
    return {name: value for name, value in result.items() if value is not None}


def message(msg_type, content, *, header_changes=None, channel="shell", buffers=None):
    """A whole message of the JSON framing. `channel` and `buffers` None are left out."""
    result = {
        "header": header(msg_type, **(header_changes or {})),
        "parent_header": {},
        "metadata": {},
        "content": content,
    }
    if channel is not None:
        result["channel"] = channel
    if buffers is not None:
        result["buffers"] = buffers
    return result


def execute_request(code, *, allow_stdin=False, silent=False, **kwargs):
    content = {
        "code": code,
        "silent": silent,
        "store_history": not silent,
        "user_expressions": {},
        "allow_stdin": allow_stdin,
        "stop_on_error": True,
    }
    return message("execute_request", content, **kwargs)


class Wire:
    """One websocket to a kernel's channels."""

    def __init__(self, server, kernel_id, *, query="", token=True, **options):
        headers = {"Authorization": f"token {server.token}"} if token else {}
        headers.update(options.pop("header", {}))
        self._open(
            f"{server.websocket_url}/api/kernels/{kernel_id}/channels{query}",
            header=headers,
            **options,
        )

    def _open(self, url, **options):
        self.socket = websocket.create_connection(url, timeout=DEADLINE_SECONDS, **options)
        self.pings = 0

    @classmethod
    def at(cls, url):
        """To a URL with all that is needed in it."""
        wire = cls.__new__(cls)
        wire._open(url)
        return wire

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()

    def close(self):
        with contextlib.suppress(Exception):
            self.socket.close(timeout=1)
        with contextlib.suppress(Exception):
            self.socket.shutdown()

    def send(self, request):
        """Sends a message and returns its msg_id."""
        self.socket.send(json.dumps(request))
        return request["header"]["msg_id"]

    def receive_frame(self, seconds=DEADLINE_SECONDS):
        """(opcode, bytes) of the next message. Pings, which are counted, do not prolong the wait."""
        deadline = time.monotonic() + seconds
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError(f"no message in {seconds} s")
            self.socket.settimeout(remaining)
            try:
                opcode, data = self.socket.recv_data(control_frame=True)
            except websocket.WebSocketTimeoutException:
                continue
            if opcode == websocket.ABNF.OPCODE_PING:
                self.pings += 1
            elif opcode == websocket.ABNF.OPCODE_CLOSE:
                raise ConnectionError(f"closed by the server: {data!r}")
            elif opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
                return opcode, data

    def receive(self, seconds=DEADLINE_SECONDS):
        return json.loads(self.receive_frame(seconds)[1])

    def receive_until(self, accept, seconds=DEADLINE_SECONDS):
        """All messages up to and with the first for which `accept` holds."""
        deadline = time.monotonic() + seconds
        received = []
        while True:
            received.append(self.receive(max(0.01, deadline - time.monotonic())))
            if accept(received[-1]):
                return received

    def execute(self, code, **kwargs):
        """Executes code and returns the messages that answer it, in the order of arrival."""
        return self.answers_to(self.send(execute_request(code, **kwargs)))

    def answers_to(self, msg_id):
        """The messages that answer a request, until both its reply and idle were seen."""
        seen = set()

        def is_complete(received):
            if parent_of(received) == msg_id:
                if received["channel"] in ("shell", "control"):
                    seen.add("reply")
                elif is_idle(received):
                    seen.add("idle")
            return seen == {"reply", "idle"}

        return [each for each in self.receive_until(is_complete) if parent_of(each) == msg_id]


def wait_until_code_is_taken(url):
    """After an error ipykernel aborts what comes at once. An agent takes its time; tests do not."""
    with Wire.at(url) as wire:
        while (
            one_of_type(wire.execute("None", silent=True), "execute_reply")["content"]["status"]
            == "aborted"
        ):
            pass


def parent_of(received):
    return received["parent_header"].get("msg_id")


def is_idle(received):
    return received["msg_type"] == "status" and received["content"]["execution_state"] == "idle"


def text_of(messages, name="stdout"):
    return "".join(
        each["content"]["text"]
        for each in messages
        if each["msg_type"] == "stream" and each["content"]["name"] == name
    )


def one_of_type(messages, msg_type):
    found = [each for each in messages if each["msg_type"] == msg_type]
    if len(found) != 1:
        raise AssertionError(
            f"{len(found)} of {msg_type} in {[each['msg_type'] for each in messages]}"
        )
    return found[0]
