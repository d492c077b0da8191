"""A gateway under test and a client of its wire, without anybody's Jupyter library."""

import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import struct
import sys
import time
import unittest
import uuid

import websocket  # python3-websocket
import websocket._abnf

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop" / "support"))
import isolated  # noqa: E402
from server import Server  # noqa: E402

PATIENCE = 60  # seconds that anything may take on a busy machine before it counts as lost
V1 = "v1.kernel.websocket.jupyter.org"
websocket._abnf.VALID_CLOSE_STATUS += (1012,)  # registered later than Debian's version knows


def wait_until(condition, what, seconds=PATIENCE):
    """Polls: for facts that only the outside can see, such as a process that is gone."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def process_runs(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def children(pid):
    """Processes that one has started and not yet waited for."""
    found = set()
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found.update(int(child) for child in (task / "children").read_text().split())
    return found


def descriptors(pid):
    """What the process has open: numbers to files, sockets and pipes, as /proc names them."""
    opened = {}
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            opened[int(link.name)] = os.readlink(link)
    return opened


def header(msg_type, session="test", **more):
    return {"msg_id": uuid.uuid4().hex, "msg_type": msg_type, "session": session, "username": "",
            "version": "5.3", "date": "2026-11-21T00:00:00Z", **more}


def encode_v1(channel, parts, buffers=()):
    chunks = [channel.encode(), *[part if isinstance(part, bytes) else json.dumps(part).encode()
                                  for part in parts], *buffers]
    offsets = [8 * (len(chunks) + 2)]
    for chunk in chunks:
        offsets.append(offsets[-1] + len(chunk))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(chunks)


def decode_v1(data):
    (count,) = struct.unpack_from("<Q", data)
    offsets = struct.unpack_from(f"<{count}Q", data, 8)
    chunks = [data[a:b] for a, b in zip(offsets, offsets[1:])]
    names = ("header", "parent_header", "metadata", "content")
    message = {name: json.loads(chunk) for name, chunk in zip(names, chunks[1:5])}
    return dict(message, channel=chunks[0].decode(), buffers=chunks[5:],
                msg_type=message["header"]["msg_type"])


class Channels:
    """One channels websocket. Messages are dictionaries in the shape of the older framing."""

    def __init__(self, gateway, kernel_id, *, session_id=None, v1=False, **options):
        query = f"token={gateway.token}" + (f"&session_id={session_id}" if session_id else "")
        self.v1 = v1
        self.socket = websocket.create_connection(
            f"{gateway.websocket_url}/api/kernels/{kernel_id}/channels?{query}", timeout=PATIENCE,
            subprotocols=[V1] if v1 else None, **options)
        self.close_code = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        with contextlib.suppress(Exception):
            self.socket.close(timeout=5)
        with contextlib.suppress(Exception):
            self.socket.shutdown()

    def drop(self):
        """As when the network goes away: no closing handshake."""
        self.socket.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.sock.close()

    def send(self, channel, head, content, *, parent=None, buffers=()):
        if self.v1:
            self.socket.send_binary(encode_v1(channel, (head, parent or {}, {}, content), buffers))
        else:
            self.socket.send(json.dumps({"header": head, "parent_header": parent or {},
                                         "metadata": {}, "content": content, "channel": channel}))
        return head["msg_id"]

    def execute(self, code, **content):
        return self.send("shell", header("execute_request"),
                         {"code": code, "silent": False, "store_history": True,
                          "user_expressions": {}, "allow_stdin": False, **content})

    def receive(self):
        """The next message; None when the websocket was closed, and then close_code is set."""
        deadline = time.monotonic() + PATIENCE
        while True:
            opcode, data = self.socket.recv_data(control_frame=True)
            if opcode not in (websocket.ABNF.OPCODE_PING, websocket.ABNF.OPCODE_PONG):
                break
            if time.monotonic() > deadline:
                raise AssertionError(f"no message within {PATIENCE} s")
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.close_code = struct.unpack(">H", data[:2])[0] if data else 1005
            return None
        if opcode == websocket.ABNF.OPCODE_TEXT:
            return json.loads(data)
        if self.v1:
            return decode_v1(data)
        (count,) = struct.unpack_from(">I", data)
        offsets = [*struct.unpack_from(f">{count}I", data, 4), len(data)]
        message = json.loads(data[offsets[0]:offsets[1]])
        message["buffers"] = [data[a:b] for a, b in zip(offsets[1:], offsets[2:])]
        return message

    def messages(self):
        while (message := self.receive()) is not None:
            yield message

    def until_idle(self, msg_id):
        """All messages that answer the request, up to reply and idle, whichever comes last."""
        answers, missing = [], {"reply", "idle"}
        for message in self.messages():
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            answers.append(message)
            if message["channel"] == "shell":
                missing.discard("reply")
            if message["content"].get("execution_state") == "idle":
                missing.discard("idle")
            if not missing:
                return answers
        raise AssertionError(f"closed with {self.close_code} before reply and idle")

    def run(self, code, **content):
        return self.until_idle(self.execute(code, **content))

    def until(self, condition):
        """All messages up to the first that meets the condition."""
        seen = []
        for message in self.messages():
            seen.append(message)
            if condition(message):
                return seen
        raise AssertionError(f"closed with {self.close_code}")

    def wait_for(self, condition):
        return self.until(condition)[-1]

    def until_closed(self):
        """What comes until the gateway closes the websocket; then close_code is set."""
        return list(self.messages())


def stdout(messages):
    return "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream"
                   and m["content"]["name"] == "stdout")


def reply(messages):
    (found,) = [m["content"] for m in messages if m["channel"] == "shell"]
    return found


def result(messages):
    (found,) = [m["content"]["data"]["text/plain"] for m in messages
                if m["msg_type"] == "execute_result"]
    return found


def is_kernel_state(state):
    """A condition: the kernel as a whole came to be in this state, not one request in it."""
    return lambda m: m["content"].get("execution_state") == state and not m["parent_header"]


def kernel_states(messages):
    """The states of the kernel as a whole, in order."""
    return [m["content"]["execution_state"] for m in messages
            if m["msg_type"] == "status" and not m["parent_header"]]


class Gateway(Server):
    """The gateway, with verbs for kernels."""

    killed = False

    def __init__(self, *, arguments=(), environ=None, **more):
        self.left = []  # processes that it left when it was killed
        if "--isolation" not in arguments:
            arguments = [*isolated.argument_list(), *arguments]
            environ = {**isolated.environ(), **(environ or {})}
        super().__init__(arguments=arguments, environ=environ, **more)

    def write_kernelspecs(self, directory):
        super().write_kernelspecs(directory)
        isolated.write_kernelspecs(directory)

    @property
    def work_dir(self):
        return self.directory / "work"

    @property
    def runtime_dir(self):
        return self._runtime_base / str(self.pid)

    def runtime_files(self):
        """Everything that this gateway and those beside it keep while they run."""
        return [path for path in self._runtime_base.rglob("*") if path != self._runtime_base / "servers"]

    @property
    def _runtime_base(self):
        return pathlib.Path(self.environment["XDG_RUNTIME_DIR"]) / "perijove"

    def ask(self, method, path, body=None, **more):
        """As request(), with problem documents and notebooks read, too."""
        status, headers, answer = self.request(method, path, body, **more)
        if isinstance(answer, bytes) and headers.get_content_subtype().endswith("json"):
            answer = json.loads(answer)
        return status, headers, answer

    def signal(self, number):
        os.kill(self.pid, number)

    def exit_code(self):
        """Of a gateway that ends by itself."""
        wait_until(lambda: not process_runs(self.pid), "the gateway's end")
        return self._process.stop()

    def kill(self):
        """Takes it away without a chance to clean up. What it leaves behind ends with stop(), at the
        latest."""
        self.killed = True
        for child in children(self.pid):
            with contextlib.suppress(ProcessLookupError):
                self.left.append(os.pidfd_open(child))
        self.signal(signal.SIGKILL)
        self.exit_code()

    def stop(self):
        for process in self.left:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)
            select.select([process], [], [], PATIENCE)
            os.close(process)
        with contextlib.suppress(RuntimeError) if self.killed else contextlib.nullcontext():
            super().stop()

    def add_kernelspec(self, name, *options, launcher=(), **members):
        """The echo kernel under another name, with options of its own."""
        spec = self.request("GET", "/api/kernelspecs/perijove-echo")[2]["spec"]
        spec.update(members, argv=[*launcher, *spec["argv"], *options])
        directory = self.directory / "share" / "kernels" / name
        directory.mkdir()
        (directory / "kernel.json").write_text(json.dumps(spec))
        return name

    def start(self, name="perijove-echo", **body):
        status, _, model = self.request("POST", "/api/kernels", {"name": name, **body})
        assert status == 201, model
        return model["id"]

    def channels(self, kernel_id, **options):
        return Channels(self, kernel_id, **options)

    def model(self, kernel_id):
        return self.request("GET", f"/api/kernels/{kernel_id}?perijove=1")[2]

    def delete(self, kernel_id):
        return self.request("DELETE", f"/api/kernels/{kernel_id}")[0]

    def kernel_process(self, kernel_id):
        """What runs the kernel, in the gateway's words: `pid 4711`, `container perijove-12ab`."""
        return wait_until(lambda: self.model(kernel_id)["perijove"]["process"], "the kernel's process")

    def kernel_pid(self, kernel_id):
        """Of a kernel that runs, on this machine: of a container, its main process."""
        def find():
            kind, _, which = self.kernel_process(kernel_id).partition(" ")
            if kind == "container":
                return int(isolated.docker("inspect", "--format", "{{.State.Pid}}", which, check=False) or 0)
            return int(which.split()[0]) if kind == "pid" else 0

        return wait_until(find, "the kernel's process")

    def pids_outside(self, kernel_id, inside):
        """The machine's numbers of processes that the kernel's code knows by others."""
        if isolated.KIND == "none":
            return list(inside)
        namespace = os.readlink(f"/proc/{self.kernel_pid(kernel_id)}/ns/pid")
        outside = {}
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended, or is nobody's to look at
                if os.readlink(process / "ns" / "pid") == namespace:
                    numbers = re.search("NSpid:.*\n", (process / "status").read_text())[0].split()
                    outside[int(numbers[-1])] = int(process.name)
        return [outside[pid] for pid in inside]

    def interrupt(self, kernel_id):
        return self.request("POST", f"/api/kernels/{kernel_id}/interrupt", {})[0]

    def restart(self, kernel_id):
        """(status, model) of the answer, which comes when the new process runs."""
        status, _, model = self.request("POST", f"/api/kernels/{kernel_id}/restart", {})
        return status, model

    def exists(self, kernel_id):
        return self.request("GET", f"/api/kernels/{kernel_id}")[0] == 200

    def wait_for_state(self, kernel_id, state):
        """The model of the kernel, once it is in this state."""
        return wait_until(lambda: (m := self.model(kernel_id)).get("execution_state") == state and m,
                          f"kernel {kernel_id} is {state}")

    def run(self, kernel_id, code):
        """One cell through a websocket of its own."""
        with self.channels(kernel_id) as channels:
            return channels.run(code)


class WithGateway(unittest.TestCase):
    """Tests that share one gateway, and each clean up their kernels and websockets."""

    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(arguments=list(cls.arguments))
        cls.addClassCleanup(cls.gateway.stop)

    def start(self, name="perijove-echo", **body):
        kernel = self.gateway.start(name, **body)
        self.addCleanup(self.gateway.delete, kernel)
        return kernel

    def open(self, kernel, **options):
        channels = self.gateway.channels(kernel, **options)
        self.addCleanup(channels.close)
        return channels
