"""What agent frameworks send that no specification asks for; by their numbers in README.md."""

import base64
import http.client
import json
import os
import struct
import time
import unittest
import uuid

import websocket

from peers import known_to_fail_on, unreliable_on
from server import Server
from wire import (DEADLINE_SECONDS, Wire, execute_request, header, is_idle, message, one_of_type,
                  parent_of, text_of)

PNG = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5Erk"
       "Jggg==")


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


class MessageQuirks(QuirkTest):
    def test_q1_buffers_may_be_an_object(self):
        self.assert_answers(self.connect(), execute_request("print(42)", buffers={}))

    def test_q2_buffers_and_channel_may_be_missing(self):
        self.assert_answers(self.connect(), execute_request("print(42)", channel=None))

    def test_q3_the_date_may_be_missing(self):
        self.assert_answers(self.connect(), execute_request("print(42)", header_changes={"date": None}))

    def test_q4_the_date_may_be_naive_or_have_a_space(self):
        wire = self.connect()
        for date in ("2026-11-21T07:34:00.123456", "2026-11-21 07:34:00.123456+00:00"):
            with self.subTest(date):
                self.assert_answers(wire, execute_request("print(42)", header_changes={"date": date}))

    def test_q5_session_and_username_may_be_empty(self):
        wire = self.connect()
        other = self.connect(query="?session_id=")
        nobody = {"session": "", "username": "", "date": None}
        # Two such clients at once: the reply belongs to the one that asked.
        for asking, watching in ((wire, other), (other, wire)):
            self.assert_answers(asking, execute_request("print(42)", header_changes=nobody, buffers={}))
            seen = watching.receive_until(lambda each: each["msg_type"] == "status" and is_idle(each))
            self.assertEqual({each["channel"] for each in seen}, {"iopub"})

    def test_q6_each_message_may_have_a_new_session_and_connection(self):
        for n in range(3):
            with self.connect() as wire:
                self.assert_answers(wire, execute_request(f"count = {n}; print(42)"))
                self.assert_answers(wire, execute_request("print(count)"), f"{n}\n")
        with self.connect() as wire:
            self.assert_answers(wire, execute_request("print(count)"), "2\n")

    def test_q7_any_5_x_version_is_taken(self):
        wire = self.connect()
        for version in ("5.0", "5.1", "5.2", "5.3", "5.4", "5.5"):
            with self.subTest(version):
                self.assert_answers(wire, execute_request("print(42)", header_changes={"version": version}))

    def test_q11_a_client_that_takes_only_1_mib_leaves_the_kernel_as_it_was(self):
        import websockets.exceptions
        from websockets.sync.client import connect

        url = f"{self.server.websocket_url}/api/kernels/{self.kernel}/channels"
        headers = {"Authorization": f"token {self.server.token}"}
        with connect(url, additional_headers=headers) as socket:  # max_size is 1 MiB
            socket.send(json.dumps(execute_request("kept = 42; print('x' * 2_000_000)")))
            with self.assertRaises(websockets.exceptions.ConnectionClosed):
                while True:
                    socket.recv(DEADLINE_SECONDS)
        self.assert_answers(self.connect(), execute_request("print(kept)"))

    def test_q17_code_sent_before_the_kernel_has_come_up_is_kept(self):
        kernel = self.start_kernel()
        wire = self.connect(kernel)
        self.assert_answers(wire, execute_request("print(42)"))
        self.server.request("DELETE", f"/api/kernels/{kernel}")

    @known_to_fail_on(jupyter_server="sends the reply as soon as it has it",
                      jupyter_kernel_gateway="sends the reply as soon as it has it")
    def test_q18_the_reply_comes_after_idle(self):
        wire = self.connect()
        for code in ["print(42)", "1 / 0", "x = 1", "print('x' * 100_000)"] * 5:
            received = wire.execute(code)
            self.assertEqual(received[-1]["msg_type"], "execute_reply")
            self.assertTrue(is_idle(received[-2]))

    @known_to_fail_on(jupyter_server="passes on what the kernel said",
                      jupyter_kernel_gateway="passes on what the kernel said")
    def test_q19_every_display_has_a_text(self):
        code = f"""from IPython.display import display
display({{"image/png": "{PNG}"}}, raw=True)
display({{"text/html": "<b>b</b>"}}, raw=True)
class Picture:
    def _repr_mimebundle_(self, **_): return {{"image/svg+xml": "<svg/>"}}
get_ipython().display_formatter.formatters["text/plain"].enabled = True
display({{"application/json": {{"a": 1}}}}, raw=True)"""
        shown = [each for each in self.connect().execute(code) if each["msg_type"] == "display_data"]
        self.assertEqual(len(shown), 3)
        for each in shown:
            self.assertIsInstance(each["content"]["data"].get("text/plain"), str, each["content"])

    def test_q20_the_value_of_an_error_is_passed_verbatim(self):
        value = "safe:" + json.dumps({"answer": "\u001b[31mred\u001b[0m \\ \" ä 🪐\n" * 1000}) + "e" * 3_000_000
        code = f"""import base64
class FinalAnswerException(BaseException): pass
raise FinalAnswerException(base64.b64decode("{base64.b64encode(value.encode()).decode()}").decode())"""
        error = one_of_type(self.connect().execute(code), "error")
        self.assertEqual(error["content"]["ename"], "FinalAnswerException")
        self.assertTrue(error["content"]["evalue"] == value, "the value was changed")

    @known_to_fail_on(jupyter_server="drops what exceeds its rate limit",
                      jupyter_kernel_gateway="drops what exceeds its rate limit")
    def test_q29_no_output_is_dropped_for_its_rate(self):
        code = "from IPython.display import display\nfor n in range(5_000): display(n)\nprint('y' * 5_000_000)"
        received = self.connect().execute(code)
        shown = [each["content"]["data"]["text/plain"] for each in received if each["msg_type"] == "display_data"]
        self.assertEqual(shown, [str(n) for n in range(5_000)])
        self.assertEqual(len(text_of(received)), 5_000_001)

    def test_q32_replies_go_by_message_where_clients_share_a_session(self):
        first, second = self.connect(), self.connect()
        shared = {"session": "the same"}
        asked = {wire: [wire.send(execute_request(f"{n}", header_changes=shared)) for n in range(10)]
                 for wire in (first, second)}
        for wire, own in asked.items():
            replies, idles = [], set()
            everything = set(asked[first] + asked[second])

            def all_seen(received):
                if received["channel"] == "shell":
                    replies.append(parent_of(received))
                elif is_idle(received):
                    idles.add(parent_of(received))
                return len(replies) >= len(own) and idles >= everything

            wire.receive_until(all_seen)
            self.assertEqual(replies, own)


class HttpQuirks(QuirkTest):
    def test_q13_an_empty_body_starts_the_default_kernel(self):
        status, headers, model = self.server.request("POST", "/api/kernels")
        self.assertEqual(status, 201)
        default = self.server.request("GET", "/api/kernelspecs")[2]["default"]
        self.assertEqual(model["name"], default)
        self.assertTrue(headers["Location"].endswith(f"/api/kernels/{model['id']}"))
        self.server.request("DELETE", f"/api/kernels/{model['id']}")

    def test_q14_python_means_python3(self):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _, model = self.server.request("POST", "/api/kernels", {"name": "python"}, headers=form)
        self.assertEqual(status, 201, model)
        self.assertEqual(model["name"], "python3")
        self.server.request("DELETE", f"/api/kernels/{model['id']}")

    def test_q14_json_may_be_declared_a_form(self):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _, model = self.server.request("POST", "/api/kernels", {"name": "python3"}, headers=form)
        self.assertEqual((status, model["name"]), (201, "python3"))
        path = f"/api/kernels/{model['id']}"
        wire = self.connect(model["id"])
        msg_id = wire.send(execute_request("import time\nprint('on', flush=True)\nwhile True: time.sleep(0.05)"))
        wire.receive_until(lambda each: each["msg_type"] == "stream")
        status, _, answer = self.server.request("POST", f"{path}/interrupt", {"kernel_id": model["id"]}, headers=form)
        self.assertEqual(status, 204, answer)
        error = one_of_type(wire.receive_until(lambda each: is_idle(each) and parent_of(each) == msg_id), "error")
        self.assertEqual(error["content"]["ename"], "KeyboardInterrupt")
        self.server.request("DELETE", path)

    @known_to_fail_on(jupyter_kernel_gateway="knows neither Bearer nor TOKEN")
    def test_q15_the_token_is_taken_in_all_its_forms(self):
        token = self.server.token
        for value in (f"token {token}", f"Bearer {token}", f"bearer {token}", f"Token {token}"):
            with self.subTest(value):
                status, _, _ = self.server.request("GET", "/api/kernels", token=False, headers={"Authorization": value})
                self.assertEqual(status, 200)
                with self.connect(token=False, header={"Authorization": value}) as wire:
                    self.assert_answers(wire, execute_request("print(42)"))
        self.assertEqual(self.server.request("GET", f"/api/kernels?token={token}", token=False)[0], 200)
        with self.connect(token=False, query=f"?token={token}") as wire:
            self.assert_answers(wire, execute_request("print(42)"))
        both = {"Authorization": f"Bearer {token}"}
        with self.connect(token=False, query=f"?token={token}&session_id={uuid.uuid4()}", header=both) as wire:
            self.assert_answers(wire, execute_request("print(42)"))

    def test_q15_no_token_and_a_wrong_token_are_refused(self):
        for headers in ({}, {"Authorization": "token wrong"}, {"Authorization": "Bearer"}, {"Authorization": ""}):
            with self.subTest(headers):
                status, _, _ = self.server.request("GET", "/api/kernels", token=False, headers=headers)
                self.assertIn(status, (401, 403))
                with self.assertRaises(websocket.WebSocketBadStatusException) as refused:
                    self.connect(token=False, header=headers)
                self.assertIn(refused.exception.status_code, (401, 403))

    def test_q24_a_session_may_have_any_path(self):
        body = {"path": str(uuid.uuid4()), "kernel": {"name": "python3"}, "type": "notebook", "name": str(uuid.uuid4())}
        status, _, session = self.server.request("POST", "/api/sessions", body)
        self.assertEqual(status, 201, session)
        wire = self.connect(session["kernel"]["id"])
        self.assert_answers(wire, execute_request("print(42)"))
        self.assertEqual(self.server.request("DELETE", f"/api/sessions/{session['id']}")[0], 204)
        self.wait_until_gone(session["kernel"]["id"])

    def test_q30_kernels_are_listed(self):
        status, _, models = self.server.request("GET", "/api/kernels")
        self.assertEqual(status, 200)
        self.assertIn(self.kernel, [model["id"] for model in models])

    @known_to_fail_on(jupyter_server="passes on no environment")
    def test_q30_the_environment_of_a_request_reaches_its_kernel(self):
        kernel = self.start_kernel({"name": "python3", "env": {"KERNEL_OWN": "first ä=$HOME"}})
        code = "import os; print(os.environ.get('KERNEL_OWN'), end='')"
        self.assert_answers(self.connect(kernel), execute_request(code), "first ä=$HOME")
        self.assert_answers(self.connect(), execute_request(code), "None")
        self.server.request("DELETE", f"/api/kernels/{kernel}")

    def test_q31_a_deleted_kernel_is_not_found(self):
        kernel = self.start_kernel()
        self.assert_answers(self.connect(kernel), execute_request("print(42)"))
        self.assertEqual(self.server.request("DELETE", f"/api/kernels/{kernel}")[0], 204)
        status, _, answer = self.server.request("GET", f"/api/kernels/{kernel}")
        self.assertEqual((status, answer["message"]), (404, f"Kernel does not exist: {kernel}"))
        self.assertEqual(self.server.request("DELETE", f"/api/kernels/{kernel}")[0], 404)

    @known_to_fail_on(jupyter_server="takes it for a death, and starts the kernel again",
                      jupyter_kernel_gateway="takes it for a death, and starts the kernel again")
    def test_q31_a_kernel_that_was_asked_to_shut_down_is_not_found(self):
        kernel = self.start_kernel()
        wire = self.connect(kernel)
        self.assert_answers(wire, execute_request("print(42)"))
        wire.send(message("shutdown_request", {"restart": False}, channel="control"))
        deadline = time.monotonic() + 10
        while self.server.request("GET", f"/api/kernels/{kernel}")[0] != 404:
            self.assertLess(time.monotonic(), deadline, "the kernel is still there")
            time.sleep(0.05)
        # Gone for good, and not because it is between two lives.
        time.sleep(0.5)
        self.assertEqual(self.server.request("GET", f"/api/kernels/{kernel}")[0], 404)

    @unreliable_on(jupyter_server="leaves the old websocket deaf", jupyter_kernel_gateway="leaves the old websocket deaf")
    def test_q34_after_a_restart_the_old_websocket_and_a_new_one_work_at_once(self):
        kernel = self.start_kernel()
        old = self.connect(kernel)
        self.assert_answers(old, execute_request("lost = 1; print(42)"))
        status, _, model = self.server.request("POST", f"/api/kernels/{kernel}/restart")
        self.assertEqual((status, model["id"]), (200, kernel))
        new = self.connect(kernel)
        self.assert_answers(new, execute_request("print('lost' in globals())"), "False\n")
        self.assert_answers(old, execute_request("print(42)"))
        self.server.request("DELETE", f"/api/kernels/{kernel}")


class ConnectionQuirks(QuirkTest):
    def test_q8_a_websocket_of_the_same_origin_is_taken(self):
        with self.connect(origin=self.server.url) as wire:
            self.assert_answers(wire, execute_request("print(42)"))

    def test_q8_a_page_of_another_site_gets_nowhere_without_the_token(self):
        with self.assertRaises(websocket.WebSocketBadStatusException) as refused:
            self.connect(token=False, origin="http://elsewhere.example")
        self.assertIn(refused.exception.status_code, (401, 403))

    @known_to_fail_on(jupyter_kernel_gateway="drops it")
    def test_q9_a_client_that_answers_no_ping_is_not_dropped(self):
        # It neither reads nor answers for longer than several of the server's pings.
        server = Server(arguments=PING_EACH_SECOND.get(self.server.kind, ()))
        with server:
            _, _, model = server.request("POST", "/api/kernels", {"name": "python3"})
            wire = Wire(server, model["id"])
            self.assert_answers(wire, execute_request("print(42)"))
            wire.socket.pong = lambda payload: None
            with self.assertRaises(TimeoutError):
                wire.receive(6)
            self.assert_answers(wire, execute_request("print(42)"))
            wire.close()
            if self.server.kind in PING_EACH_SECOND:
                self.assertGreaterEqual(wire.pings, 3)

    def test_q10_offered_compression_is_declined_or_works(self):
        from websockets.sync.client import connect

        url = f"{self.server.websocket_url}/api/kernels/{self.kernel}/channels?token={self.server.token}"
        with connect(url, compression="deflate", max_size=None) as socket:
            request = execute_request("print('compressible ' * 100_000, end='')")
            socket.send(json.dumps(request))
            received = []
            while not received or not (is_idle(received[-1]) and parent_of(received[-1]) == request["header"]["msg_id"]):
                received.append(json.loads(socket.recv(DEADLINE_SECONDS)))
            self.assertEqual(text_of(received), "compressible " * 100_000)
            # A message of the client's that compresses well, and one that does not.
            for code in (f"len('{'z' * 500_000}')", f"len('{os.urandom(50_000).hex()}')"):
                request = execute_request(code)
                socket.send(json.dumps(request))
                while True:
                    reply = json.loads(socket.recv(DEADLINE_SECONDS))
                    if parent_of(reply) == request["header"]["msg_id"] and reply["msg_type"] == "execute_reply":
                        break
                self.assertEqual(reply["content"]["status"], "ok")

    def test_q10_a_client_may_ping(self):
        wire = self.connect()
        wire.socket.ping(b"are you there")
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            opcode, data = wire.socket.recv_data(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_PONG:
                break
        self.assertEqual((opcode, data), (websocket.ABNF.OPCODE_PONG, b"are you there"))

    def test_q33_without_a_subprotocol_none_is_chosen_and_buffers_are_big_endian(self):
        wire = self.connect()
        self.assertIsNone(wire.socket.getsubprotocol())
        self.define_mirror(wire)
        opened = message("comm_open", {"comm_id": "c1", "target_name": "mirror", "data": {}})
        body = json.dumps(opened).encode()
        frame = struct.pack("!3I", 2, 12, 12 + len(body)) + body + b"\x01\x02"
        wire.socket.send_binary(frame)
        answer = self.receive_binary(wire)
        count, *offsets = struct.unpack_from("!4I", answer)
        self.assertEqual(count, 3)
        self.assertEqual(offsets[0], 16)
        parsed = json.loads(answer[offsets[0]:offsets[1]])
        self.assertEqual((parsed["channel"], parsed["msg_type"]), ("iopub", "comm_msg"))
        self.assertEqual(parsed["msg_id"], parsed["header"]["msg_id"])
        self.assertEqual(answer[offsets[1]:offsets[2]], b"\x01\x02")
        self.assertEqual(answer[offsets[2]:], b"\x02\x01")

    def test_q33_only_unknown_subprotocols_are_answered_with_none(self):
        # By hand: what no library would ask for.
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=DEADLINE_SECONDS)
        self.addCleanup(connection.close)
        connection.request("GET", f"/api/kernels/{self.kernel}/channels?token={self.server.token}", headers={
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "v9.unknown, v8"})
        answer = connection.getresponse()
        self.assertEqual(answer.status, 101)
        self.assertEqual(answer.headers["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        self.assertNotIn("Sec-WebSocket-Protocol", answer.headers)

    def test_q33_in_v1_every_frame_is_binary_and_little_endian(self):
        name = "v1.kernel.websocket.jupyter.org"
        wire = self.connect(subprotocols=["v9.unknown", name], query=f"?session_id={uuid.uuid4()}")
        self.assertEqual(wire.socket.getsubprotocol(), name)
        with self.connect() as plain:
            self.define_mirror(plain)
        content = {"comm_id": "c2", "target_name": "mirror", "data": {}}
        parts = [b"shell", json.dumps(header("comm_open")).encode(), b"{}", b"{}", json.dumps(content).encode(),
                 b"\x01\x02"]
        offsets = [8 * (len(parts) + 2)]
        for part in parts:
            offsets.append(offsets[-1] + len(part))
        wire.socket.send_binary(struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts))
        while True:
            answer = self.receive_binary(wire)
            count = struct.unpack_from("<Q", answer)[0]
            at = struct.unpack_from(f"<{count}Q", answer, 8)
            self.assertEqual(at[0], 8 * (count + 1))
            self.assertEqual(at[-1], len(answer))
            channel, head, parent, metadata, content, *buffers = (answer[a:b] for a, b in zip(at, at[1:]))
            for part in (head, parent, metadata, content):
                json.loads(part)
            if json.loads(head)["msg_type"] == "comm_msg":
                break
        self.assertEqual((channel, buffers), (b"iopub", [b"\x01\x02", b"\x02\x01"]))

    def define_mirror(self, wire):
        received = wire.execute("""
def on_open(comm, opened):
    buffer = bytes(opened["buffers"][0])
    comm.send({}, buffers=[buffer, buffer[::-1]])
get_ipython().kernel.comm_manager.register_target("mirror", on_open)""")
        self.assertEqual(one_of_type(received, "execute_reply")["content"]["status"], "ok")

    def receive_binary(self, wire):
        while True:
            opcode, data = wire.receive_frame()
            if opcode == websocket.ABNF.OPCODE_BINARY:
                return data


# How each server is made to ping that often.
PING_EACH_SECOND = {
    "perijove": ["--ws-ping-interval", "1"],
    "jupyter_kernel_gateway": ["--KernelGatewayApp.ws_ping_interval=1"],
}

if __name__ == "__main__":
    unittest.main()
