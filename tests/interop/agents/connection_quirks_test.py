"""Websockets as agent frameworks open and leave them.

The numbers are those of ../README.md.
"""

import http.client
import json
import os
import struct
import time
import unittest
import uuid

import websocket

from peers import known_to_fail_on
from quirk import QuirkTest
from server import Server
from wire import (
    DEADLINE_SECONDS,
    Wire,
    execute_request,
    header,
    is_idle,
    message,
    one_of_type,
    parent_of,
    text_of,
)

# How each server is made to ping that often.
PING_EACH_SECOND = {
    "perijove": ["--ws-ping-interval", "1"],
    "jupyter_kernel_gateway": ["--KernelGatewayApp.ws_ping_interval=1"],
}


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
            while not received or not (
                is_idle(received[-1]) and parent_of(received[-1]) == request["header"]["msg_id"]
            ):
                received.append(json.loads(socket.recv(DEADLINE_SECONDS)))
            self.assertEqual(text_of(received), "compressible " * 100_000)
            # A message of the client's that compresses well, and one that does not.
            for code in (f"len('{'z' * 500_000}')", f"len('{os.urandom(50_000).hex()}')"):
                request = execute_request(code)
                socket.send(json.dumps(request))
                while True:
                    reply = json.loads(socket.recv(DEADLINE_SECONDS))
                    if (
                        parent_of(reply) == request["header"]["msg_id"]
                        and reply["msg_type"] == "execute_reply"
                    ):
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
        parsed = json.loads(answer[offsets[0] : offsets[1]])
        self.assertEqual((parsed["channel"], parsed["msg_type"]), ("iopub", "comm_msg"))
        self.assertEqual(parsed["msg_id"], parsed["header"]["msg_id"])
        self.assertEqual(answer[offsets[1] : offsets[2]], b"\x01\x02")
        self.assertEqual(answer[offsets[2] :], b"\x02\x01")

    def test_q33_only_unknown_subprotocols_are_answered_with_none(self):
        # By hand: what no library would ask for.
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.port, timeout=DEADLINE_SECONDS
        )
        self.addCleanup(connection.close)
        connection.request(
            "GET",
            f"/api/kernels/{self.kernel}/channels?token={self.server.token}",
            headers={
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Protocol": "v9.unknown, v8",
            },
        )
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
        parts = [
            b"shell",
            json.dumps(header("comm_open")).encode(),
            b"{}",
            b"{}",
            json.dumps(content).encode(),
            b"\x01\x02",
        ]
        offsets = [8 * (len(parts) + 2)]
        for part in parts:
            offsets.append(offsets[-1] + len(part))
        wire.socket.send_binary(
            struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)
        )
        while True:
            answer = self.receive_binary(wire)
            count = struct.unpack_from("<Q", answer)[0]
            at = struct.unpack_from(f"<{count}Q", answer, 8)
            self.assertEqual(at[0], 8 * (count + 1))
            self.assertEqual(at[-1], len(answer))
            channel, head, parent, metadata, content, *buffers = (
                answer[a:b] for a, b in zip(at, at[1:])
            )
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


if __name__ == "__main__":
    unittest.main()
