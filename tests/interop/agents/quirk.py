"""What the tests of the quirks share."""

import time
import unittest

from server import Server
from wire import DEADLINE_SECONDS, Wire, text_of

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5Erk"
    "Jggg=="
)


# ipykernel drops what exceeds its own queue of 1,000 messages when its sender thread gets no
# processor time. After this it waits, and what is missing then was lost on the way.
WAIT_WHEN_FULL = """
import zmq
from ipykernel.kernelapp import IPKernelApp
iopub = IPKernelApp.instance().iopub_thread
iopub.schedule(lambda: iopub.socket.setsockopt(zmq.XPUB_NODROP, 1))
"""


class QuirkTest(unittest.TestCase):
    """One server and one kernel for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.kernel = cls.start_kernel()

    @classmethod
    def start_kernel(cls, body=None):
        status, _, model = cls.server.request("POST", "/api/kernels", body or {"name": "python3"})
        if status != 201:
            raise AssertionError(f"{status} {model}")
        return model["id"]

    def connect(self, kernel=None, **options):
        wire = Wire(self.server, kernel or self.kernel, **options)
        self.addCleanup(wire.close)
        return wire

    def assert_answers(self, wire, request, expected="42\n"):
        self.assertEqual(text_of(wire.answers_to(wire.send(request))), expected)

    def wait_until_gone(self, kernel):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.server.request("GET", f"/api/kernels/{kernel}")[0] != 404:
            self.assertLess(time.monotonic(), deadline, "the kernel is still there")
            time.sleep(0.05)
