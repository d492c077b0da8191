"""A kernel under test, and what the tests say to it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import zmq
from jupyter_client.session import Session

ECHO = [os.environ["PERIJOVE_ECHO"], "-f", "{connection_file}"]
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
# Generous: sanitizers and loaded machines are slow. No test waits that long unless it fails.
DEADLINE = 60


def held_ports():
    """Sockets that keep a port each from everybody but the kernel.

    A port whose holder does not listen can be bound once more by who sets SO_REUSEADDR, as libzmq
    does; nobody is given it by chance.
    """
    holders = [socket.socket() for _ in CHANNELS]
    for holder in holders:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
    return holders


class Run:
    """One execute_request with everything that came of it."""

    def __init__(self):
        self.reply = None
        self.messages = []

    @property
    def outputs(self):
        """(msg_type, content) of what the cell itself brought forth."""
        return [
            (m["msg_type"], m["content"])
            for m in self.messages
            if m["msg_type"] not in ("status", "execute_input")
        ]

    @property
    def text(self):
        return "".join(content["text"] for kind, content in self.outputs if kind == "stream")

    @property
    def results(self):
        return [
            content["data"]["text/plain"]
            for kind, content in self.outputs
            if kind == "execute_result"
        ]

    @property
    def error(self):
        """(ename, evalue); the published error and the reply must agree."""
        [content] = [content for kind, content in self.outputs if kind == "error"]
        assert self.reply["status"] == "error", self.reply
        assert self.reply["ename"] == content["ename"]
        assert self.reply["evalue"] == content["evalue"]
        return content["ename"], content["evalue"]


class Kernel:
    """A kernel process and a client on its sockets.

    Keyword arguments end up in the connection file, the one that the client uses as well;
    `only_for_kernel` changes what the kernel reads. `environ` is added to the environment. `argv` is
    that of a kernelspec.
    """

    def __init__(
        self,
        *options,
        argv=ECHO,
        transport="ipc",
        environ=None,
        cwd=None,
        only_for_kernel=None,
        **connection,
    ):
        if not os.access(argv[0], os.X_OK):
            raise FileNotFoundError(f"no executable: {argv[0]}")
        self.directory = tempfile.mkdtemp(prefix="echo-")
        self.context = zmq.Context()
        self.sockets = {}
        self.port_holders = held_ports() if transport == "tcp" else []
        ports = [holder.getsockname()[1] for holder in self.port_holders] or range(1, 6)
        self.connection = {
            "transport": transport,
            "ip": "127.0.0.1" if transport == "tcp" else self.directory + "/k",
            "key": "a secret of this test",
            "signature_scheme": "hmac-sha256",
            **{channel + "_port": port for channel, port in zip(CHANNELS, ports)},
            **connection,
        }
        self.session = Session(
            key=self.connection["key"].encode(),
            signature_scheme=self.connection["signature_scheme"],
        )
        self.connection_file = os.path.join(self.directory, "connection.json")
        with open(self.connection_file, "w") as file:
            json.dump({**self.connection, **(only_for_kernel or {})}, file)
        self.process = subprocess.Popen(
            [each.replace("{connection_file}", self.connection_file) for each in argv] + [*options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, **(environ or {})},
        )

    def endpoint(self, channel):
        joint = ":" if self.connection["transport"] == "tcp" else "-"
        return (
            f"{self.connection['transport']}://{self.connection['ip']}{joint}"
            f"{self.connection[channel + '_port']}"
        )

    def connect(self, welcome=True):
        """Ready: the client is connected, and subscribed if there is a welcome to tell."""
        for channel, kind in (
            ("shell", zmq.DEALER),
            ("stdin", zmq.DEALER),
            ("control", zmq.DEALER),
            ("iopub", zmq.SUB),
        ):
            self.sockets[channel] = self.socket(kind, channel)
        while welcome and self.receive("iopub")["msg_type"] != "iopub_welcome":
            pass
        return self

    def close(self):
        self.context.destroy(linger=0)
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        for holder in self.port_holders:
            holder.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # Requests.

    def receive(self, channel):
        """The next message; jupyter_client checks its signature and its form."""
        _, message = self.session.recv(self.sockets[channel], mode=0)
        assert message is not None, f"nothing came on {channel} for {DEADLINE} s"
        return message

    def has_message(self, channel):
        return self.sockets[channel].poll(0) != 0

    def send(self, channel, msg_type, content=None, buffers=None):
        """Sends on one of the client's channels and returns the msg_id."""
        message = self.session.msg(msg_type, content or {})
        self.session.send(self.sockets[channel], message, buffers=buffers)
        return message["header"]["msg_id"]

    def reply(self, channel, msg_id):
        """The content of the reply to this request."""
        while True:
            message = self.receive(channel)
            if message["parent_header"].get("msg_id") == msg_id:
                return message["content"]

    def ask(self, channel, msg_type, content=None):
        return self.reply(channel, self.send(channel, msg_type, content))

    def iopub(self, msg_id):
        """Messages that answer this request, up to its idle status."""
        while True:
            message = self.receive("iopub")
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            yield message
            if message["content"].get("execution_state") == "idle":
                return

    def execute(self, code, **options):
        return self.send("shell", "execute_request", {"code": code, "allow_stdin": True, **options})

    def start(self, code, **options):
        """Starts a cell and returns once it is running."""
        msg_id = self.execute(code, **options)
        for message in self.iopub(msg_id):
            if message["msg_type"] == "execute_input":
                return msg_id
        raise AssertionError("the cell ended before it began")

    def finish(self, msg_id):
        run = Run()
        run.messages = list(self.iopub(msg_id))
        run.reply = self.reply("shell", msg_id)
        return run

    def run(self, code, **options):
        return self.finish(self.execute(code, **options))

    def interrupt(self):
        return self.ask("control", "interrupt_request")

    def shutdown(self, restart=False):
        return self.ask("control", "shutdown_request", {"restart": restart})

    def wait(self):
        """The exit status, as subprocess says it."""
        return self.process.wait(timeout=DEADLINE)

    # For what a client would not do.

    def socket(self, kind, channel):
        opened = self.context.socket(kind)
        opened.rcvtimeo = DEADLINE * 1000
        opened.reconnect_ivl = 5  # the kernel may not have bound yet
        if kind == zmq.SUB:
            opened.rcvhwm = 0
            opened.subscribe(b"")
        else:
            # The kernel addresses its questions on stdin to the client that it knows from shell.
            opened.identity = self.session.bsession
        opened.connect(self.endpoint(channel))
        return opened

    def subscriber(self):
        """A further subscriber, with its own memory of what it has received: () -> message."""
        opened = self.socket(zmq.SUB, "iopub")
        self.sockets[len(self.sockets)] = opened
        session = self.session.clone()
        return lambda: session.recv(opened, mode=0)[1]

    def signed_frames(self, msg_type, content=None):
        """The frames of a well signed request: delimiter, signature, four parts."""
        return self.session.serialize(self.session.msg(msg_type, content or {}))


class KernelTestCase(unittest.TestCase):
    maxDiff = None

    def kernel(self, *options, **connection):
        kernel = Kernel(*options, **connection)
        self.addCleanup(kernel.close)
        return kernel

    def started(self, *options, **connection):
        return self.kernel(*options, **connection).connect()

    def assert_lives(self, kernel):
        self.assertIsNone(kernel.process.poll())
        self.assertEqual(kernel.run("still here").results, ["still here"])

    def end_later(self, pid):
        """Whatever happens, this process does not outlive the test."""

        def kill():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

        self.addCleanup(kill)

    def wait_until(self, condition):
        end = time.monotonic() + DEADLINE
        while not condition():
            self.assertLess(time.monotonic(), end, "it did not happen in time")
            time.sleep(0.005)
