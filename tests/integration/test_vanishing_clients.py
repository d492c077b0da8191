"""Clients that vanish in the middle of something: nothing stays open, and nobody else notices."""

import contextlib
import json
import socket
import struct
import unittest

import websocket

from gateway import WithGateway, descriptors, header, reply, result, wait_until

PATIENCE = 30


def reset(connection):
    """As when the client's machine was switched off and comes back: RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def leave(connection):
    """As when the client's process ends: FIN, and RST when something is still sent to it."""
    connection.close()


class WithVanishingClients(WithGateway):
    """Every test begins and ends with one kernel, one bystander, and the same descriptors."""

    def setUp(self):
        self.kernel = self.start()
        self.bystander = self.open(self.kernel)
        self.bystander.run("set x 41")
        self.before = self.settled_count()

    def count(self):
        return len(descriptors(self.gateway.pid))

    def settled_count(self):
        counts = []
        wait_until(lambda: counts.append(self.count()) or len(counts) > 20 and len(set(counts[-20:])) == 1,
                   "the number of descriptors settles", PATIENCE)
        return counts[-1]

    def everything_is_as_before(self):
        self.gateway.model(self.kernel)  # connections are accepted in order: those before have been
        wait_until(lambda: self.count() == self.before,
                   f"{self.before} descriptors, not {self.count()}", PATIENCE)
        self.assertEqual(self.gateway.model(self.kernel)["connections"], 1)
        self.assertEqual(result(self.bystander.run("get x")), "41")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.gateway.port), timeout=60)

    def every_way(self, begin, times=5):
        """Lets clients begin something and vanish, by FIN and by RST."""
        for vanish in (leave, reset):
            for _ in range(times):
                vanish(begin())
        self.everything_is_as_before()


class Http(WithVanishingClients):
    def sending(self, text):
        def begin():
            connection = self.connect()
            connection.sendall(text.encode() if isinstance(text, str) else text)
            return connection
        return begin

    def test_before_a_word(self):
        self.every_way(self.connect, 50)

    def test_in_the_request_line_and_in_the_header(self):
        for text in ("G", "GET /api/ker", "GET /api HTTP/1.1\r\nHost: x\r\nAuthoriz",
                     "GET / HTTP/1.1\r\n" + "X: y\r\n" * 900):
            self.every_way(self.sending(text))

    def test_in_the_body(self):
        head = f"POST /api/kernels HTTP/1.1\r\nHost: x\r\nAuthorization: token {self.gateway.token}\r\n"
        for body in ('Content-Length: 1000\r\n\r\n{"name": "perij', "Transfer-Encoding: chunked\r\n\r\n40\r\n{",
                     "Transfer-Encoding: chunked\r\n\r\n4", "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
                     "Content-Length: 10000000\r\n\r\n" + "x" * 1_000_000):
            self.every_way(self.sending(head + body))
        self.assertEqual(len(self.gateway.request("GET", "/api/kernels")[2]), 1)

    def test_in_the_middle_of_tls_on_a_port_that_speaks_none(self):
        self.every_way(self.sending(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))

    def test_in_an_answer_that_they_do_not_read(self):
        ask = f"GET /api/kernelspecs?token={self.gateway.token} HTTP/1.1\r\nHost: x\r\n\r\n"
        self.every_way(self.sending(ask * 5000), 2)

    def test_while_a_kernel_starts_restarts_or_ends_for_them(self):
        auth = f"Host: x\r\nAuthorization: token {self.gateway.token}\r\n"
        for vanish in (leave, reset):
            victim = self.start()
            vanish(self.sending(f"POST /api/kernels/{victim}/restart HTTP/1.1\r\n{auth}\r\n")())
            wait_until(lambda: self.gateway.model(victim)["execution_state"] == "idle", "the victim is idle")
            vanish(self.sending(f"DELETE /api/kernels/{victim} HTTP/1.1\r\n{auth}\r\n")())
            wait_until(lambda: not self.gateway.exists(victim), "the victim has ended")
        self.everything_is_as_before()

    def test_beside_one_that_sends_a_byte_now_and_then(self):
        slow = [self.connect() for _ in range(20)]
        for connection in slow:
            self.addCleanup(connection.close)
            connection.sendall(b"GET /api HTTP/1.1\r\nHo")
        wait_until(lambda: self.count() == self.before + len(slow), "all are connected", PATIENCE)
        self.assertEqual(self.gateway.request("GET", "/api/status")[0], 200)  # nobody waits for them
        for connection in slow:
            connection.sendall(b"s")
        for connection in slow:
            connection.close()
        self.everything_is_as_before()


class Websockets(WithVanishingClients):
    def opening(self, *pieces, kernel=None, **options):
        """Opens a websocket and sends bytes as they are: what a frame is cut out of."""
        def begin():
            channels = self.gateway.channels(kernel or self.kernel, **options)
            for piece in pieces:
                channels.socket.sock.sendall(piece)
            return channels.socket.sock
        return begin

    def test_in_the_handshake(self):
        ask = (f"GET /api/kernels/{self.kernel}/channels?token={self.gateway.token} HTTP/1.1\r\nHost: x\r\n"
               "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()
        for cut in (10, len(ask) // 2, len(ask) - 1, len(ask)):
            def begin():
                connection = self.connect()
                connection.sendall(ask[:cut])
                return connection
            self.every_way(begin)

    def test_in_a_frame(self):
        request = json.dumps({"header": header("execute_request"), "parent_header": {}, "metadata": {},
                              "channel": "shell", "content": {"code": "set x 0", "silent": False}}).encode()
        frame = websocket.ABNF.create_frame(request, websocket.ABNF.OPCODE_TEXT).format()
        large = websocket.ABNF.create_frame(b"x" * 5_000_000, websocket.ABNF.OPCODE_BINARY).format()
        unfinished = websocket.ABNF.create_frame(request[:50], websocket.ABNF.OPCODE_TEXT, fin=0).format()
        for pieces in ((frame[:1],), (frame[:3],), (frame[:6],), (frame[:-1],), (large[:2_000_000],), (unfinished,),
                       (unfinished, b"\x80"), (b"\x88",), (b"\x88\x82\0\0\0\0\x03",), (b"\x89\xfe",)):
            with self.subTest(pieces=[piece[:12] for piece in pieces]):
                self.every_way(self.opening(*pieces))

    def test_right_after_a_whole_message_which_is_run_all_the_same(self):
        for v1 in (False, True):
            for number, vanish in enumerate((leave, reset)):
                value = f"{int(v1)}{number}"
                channels = self.gateway.channels(self.kernel, v1=v1)
                channels.run("1")
                channels.execute(f"set y {value}")
                self.bystander.wait_for(lambda m: m["msg_type"] == "execute_input" and value in m["content"]["code"])
                vanish(channels.socket.sock)
                self.assertEqual(result(self.bystander.run("get y")), value)
        self.everything_is_as_before()

    def test_with_a_close_frame_and_nothing_after_it(self):
        self.every_way(self.opening(b"\x88\x82\0\0\0\0\x03\xe8"))

    def test_who_ends_only_its_own_side_gets_the_end_of_the_other(self):
        sockets = [self.opening()() for _ in range(5)]
        for each in sockets:
            self.addCleanup(each.close)
            each.shutdown(socket.SHUT_WR)
        for each in sockets:
            with contextlib.suppress(ConnectionResetError):
                while each.recv(65536):
                    pass
            each.close()
        self.everything_is_as_before()

    def test_while_their_code_runs_which_goes_on(self):
        for vanish in (leave, reset):
            kernel = self.start()
            channels = self.gateway.channels(kernel, session_id="mine")
            msg_id = channels.execute("sleep 1\nset z done")
            channels.wait_for(lambda m: m["content"].get("execution_state") == "busy")
            vanish(channels.socket.sock)
            wait_until(lambda: self.gateway.model(kernel)["connections"] == 0, "the client is gone")
            with self.gateway.channels(kernel, session_id="mine") as back:
                self.assertEqual(reply(back.until_idle(msg_id))["status"], "ok")
                self.assertEqual(result(back.run("get z")), "done")
            self.gateway.delete(kernel)
        self.everything_is_as_before()

    def test_in_a_flood_that_they_do_not_read(self):
        kernel = self.start()
        watcher = self.open(kernel)
        for vanish in (leave, reset):
            channels = self.gateway.channels(kernel)
            channels.run("1")
            msg_id = channels.execute("flood 20000 1000")
            wait_until(lambda: self.gateway.model(kernel)["execution_state"] == "busy", "the flood")
            vanish(channels.socket.sock)
            answers = watcher.until(lambda m: m["content"].get("execution_state") == "idle"
                                    and m["parent_header"].get("msg_id") == msg_id)
            flood = [m for m in answers if m["msg_type"] == "stream" and m["parent_header"]["msg_id"] == msg_id]
            self.assertEqual(len(flood), 20_000)
        watcher.close()
        self.gateway.delete(kernel)
        self.everything_is_as_before()

    def test_while_the_kernel_waits_for_their_answer(self):
        kernel = self.start()
        channels = self.gateway.channels(kernel)
        channels.execute("input Name?", allow_stdin=True)
        channels.wait_for(lambda m: m["msg_type"] == "input_request")
        reset(channels.socket.sock)
        self.assertEqual(self.gateway.interrupt(kernel), 204)
        self.gateway.wait_for_state(kernel, "idle")
        with self.gateway.channels(kernel) as after:
            self.assertEqual(result(after.run("result free")), "free")
        self.gateway.delete(kernel)
        self.everything_is_as_before()

    def test_with_the_kernel_they_talk_to(self):
        kernel = self.start()
        sockets = [self.opening(b"\x81", kernel=kernel)() for _ in range(5)]
        self.gateway.delete(kernel)
        for each in sockets:
            reset(each)
        self.everything_is_as_before()

    def test_subscribers_of_events(self):
        def begin():
            client = websocket.create_connection(
                f"{self.gateway.websocket_url}/api/events/subscribe?token={self.gateway.token}", timeout=60)
            client.sock.sendall(b"\x81")
            return client.sock
        self.every_way(begin)


if __name__ == "__main__":
    unittest.main()
