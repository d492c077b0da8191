"""jupyter_client straight on a kernel of the gateway, beside the gateway's own clients."""

import contextlib
import json
import os
import pathlib
import queue
import stat
import subprocess
import time
import unittest

import websocket
import zmq
from jupyter_client import BlockingKernelClient

import places
from peers import unreliable_on
from server import Server
from wire import Wire, execute_request, is_idle, parent_of, text_of

SECONDS = 60


class ConnectionFileTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.kernel = self.server.request("POST", "/api/kernels", {"name": "python3"})[2]["id"]
        self.addCleanup(self.server.request, "DELETE", f"/api/kernels/{self.kernel}")
        self.wire = Wire(self.server, self.kernel)
        self.addCleanup(self.wire.close)
        self.wire.execute("import os, time")  # it has come up
        self.client = self.connect()

    def connection_file(self):
        if self.server.kind != "perijove":
            return pathlib.Path(
                self.server.environment["JUPYTER_RUNTIME_DIR"], f"kernel-{self.kernel}.json"
            )
        listed = subprocess.run(
            [places.perijove_binary(), "kernel", "list", "--json"],
            env=self.server.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
        kernels = {each["id"]: each for each in json.loads(listed.stdout)}
        return pathlib.Path(kernels[self.kernel]["perijove"]["connection_file"])

    def connect(self):
        client = BlockingKernelClient()
        client.load_connection_file(str(self.connection_file()))
        client.start_channels()
        self.addCleanup(client.stop_channels)
        client.wait_for_ready(timeout=SECONDS)
        return client

    def execute(self, code, **options):
        """The outputs and the reply that jupyter_client gets."""
        outputs = []
        reply = self.client.execute_interactive(
            code, timeout=SECONDS, output_hook=outputs.append, **options
        )
        return [each for each in outputs if each["msg_type"] != "status"], reply

    def state(self):
        return self.server.request("GET", f"/api/kernels/{self.kernel}")[2]["execution_state"]

    def test_only_the_owner_can_read_the_file(self):
        path = self.connection_file()
        self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0)
        self.assertEqual(path.stat().st_uid, os.getuid())

    def test_state_is_shared_with_the_gateways_clients(self):
        self.wire.execute("x = 20")
        outputs, reply = self.execute("x + 22")
        self.assertEqual(outputs[-1]["content"]["data"]["text/plain"], "42")
        self.assertEqual(reply["content"]["status"], "ok")
        self.execute("y = 'from outside'")
        self.assertEqual(text_of(self.wire.execute("print(y)")), "from outside\n")

    def test_each_sees_the_output_of_the_other_and_no_reply_goes_astray(self):
        self.execute("print('from outside')")
        seen = self.wire.receive_until(
            lambda each: is_idle(each) and each["parent_header"]["msg_type"] == "execute_request"
        )
        self.assertEqual(text_of(seen), "from outside\n")
        self.assertEqual({each["channel"] for each in seen}, {"iopub"})

        msg_id = self.wire.send(execute_request("print('from inside')"))
        self.wire.answers_to(msg_id)
        text = ""
        while True:
            received = self.client.get_iopub_msg(timeout=SECONDS)
            if received["parent_header"].get("msg_id") != msg_id:
                continue
            if received["msg_type"] == "stream":
                text += received["content"]["text"]
            elif received["content"].get("execution_state") == "idle":
                break
        self.assertEqual(text, "from inside\n")
        with self.assertRaises(queue.Empty):
            self.client.get_shell_msg(timeout=0.2)

    def test_requests_of_both_at_the_same_time_are_each_answered(self):
        asked = [self.wire.send(execute_request(f"{n}")) for n in range(20)]
        direct = [self.client.execute(f"{n}") for n in range(20)]
        replied = [
            self.client.get_shell_msg(timeout=SECONDS)["parent_header"]["msg_id"] for _ in direct
        ]
        self.assertEqual(replied, direct)
        replies = []

        def all_replied(received):
            if received["channel"] == "shell":
                replies.append(parent_of(received))
            return len(replies) == len(asked)

        self.wire.receive_until(all_replied)
        self.assertEqual(replies, asked)

    def test_the_gateway_knows_that_the_kernel_is_busy_with_somebody_elses_code(self):
        self.client.execute("print('on', flush=True)\nwhile True: time.sleep(0.05)")
        self.wire.receive_until(lambda each: each["msg_type"] == "stream")
        self.assertEqual(self.state(), "busy")
        self.assertEqual(
            self.server.request("POST", f"/api/kernels/{self.kernel}/interrupt")[0], 204
        )
        reply = self.client.get_shell_msg(timeout=SECONDS)
        self.assertEqual(reply["content"]["ename"], "KeyboardInterrupt")
        self.wire.receive_until(
            lambda each: is_idle(each) and each["parent_header"]["msg_type"] == "execute_request"
        )
        self.assertEqual(self.state(), "idle")

    def test_input_is_asked_of_the_one_that_executes(self):
        outputs, _ = self.execute(
            "print(input('who? '))",
            allow_stdin=True,
            stdin_hook=lambda asked: self.client.input("outside"),
        )
        self.assertEqual(
            "".join(
                each["content"].get("text", "") for each in outputs if each["msg_type"] == "stream"
            ),
            "outside\n",
        )
        received = self.wire.execute("1")
        self.assertNotIn("stdin", {each["channel"] for each in received})

    def test_q21_the_heart_beats(self):
        with zmq.Context() as context, context.socket(zmq.REQ) as heart:
            heart.linger = 0
            heart.connect(self.client._make_url("hb"))
            for beat in (b"one", b"two"):
                heart.send(beat)
                self.assertTrue(heart.poll(SECONDS * 1000), "no answer")
                self.assertEqual(heart.recv(), beat)

    @unreliable_on(jupyter_server="leaves the websocket deaf")
    def test_a_restart_gives_a_connection_that_works_again(self):
        status, _, _ = self.server.request("POST", f"/api/kernels/{self.kernel}/restart")
        self.assertEqual(status, 200)
        self.assertEqual(text_of(self.wire.execute("print('os' in globals())")), "False\n")
        self.client = self.connect()
        outputs, _ = self.execute("6 * 7")
        self.assertEqual(outputs[-1]["content"]["data"]["text/plain"], "42")

    def test_a_kernel_that_another_shuts_down_is_gone_or_new_but_never_left_for_dead(self):
        self.client.shutdown()
        deadline = time.monotonic() + SECONDS
        while True:
            self.assertLess(time.monotonic(), deadline, "neither gone nor new")
            if self.server.request("GET", f"/api/kernels/{self.kernel}")[0] == 404:
                break
            with contextlib.suppress(websocket.WebSocketException, ConnectionError, TimeoutError):
                with Wire(self.server, self.kernel) as wire:
                    msg_id = wire.send(execute_request("print('os' in globals())"))
                    answers = wire.receive_until(
                        lambda each: is_idle(each) and parent_of(each) == msg_id, 5
                    )
                    if "False\n" in text_of(answers):
                        break


if __name__ == "__main__":
    unittest.main()
