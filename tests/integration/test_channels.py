"""The channels websocket: framings, routing, floods, lost connections, hostile peers."""

import json
import struct
import unittest

import websocket

import isolated
from gateway import V1, WithGateway, encode_v1, header, reply, result, stdout, wait_until


class WithChannels(WithGateway):
    def both_framings(self, kernel):
        for v1 in (False, True):
            with self.subTest(framing="v1" if v1 else "legacy"):
                yield self.open(kernel, v1=v1)


class Messages(WithChannels):
    def test_a_cell_answers_in_order_and_the_reply_comes_after_idle(self):
        for channels in self.both_framings(self.start()):
            answers = channels.run("print hello\nresult 42")
            self.assertEqual([m["msg_type"] for m in answers],
                             ["status", "execute_input", "stream", "execute_result", "status",
                              "execute_reply"])
            self.assertEqual((stdout(answers), result(answers)), ("hello\n", "42"))

    def test_messages_sent_before_the_kernel_is_ready_are_not_lost(self):
        channels = self.open(self.start("python3"))  # takes half a second to be ready
        answers = channels.run("print('early')")
        self.assertEqual([m["msg_type"] for m in answers],
                         ["status", "execute_input", "stream", "status", "execute_reply"])

    def test_what_it_takes_to_know_that_a_kernel_is_ready_is_not_seen(self):
        channels = self.open(self.start("python3"))  # slow enough to be asked several times
        msg_id = channels.execute("1")
        parents, done = set(), set()
        while done != {"reply", "idle"}:
            message = channels.receive()
            parents.add(message["parent_header"].get("msg_id"))
            if message["channel"] == "shell":
                done.add("reply")
            elif message["parent_header"] and message["content"].get("execution_state") == "idle":
                done.add("idle")
        self.assertLessEqual(parents, {msg_id, None})

    def test_buffers_go_both_ways_in_both_framings(self):
        buffers = [bytes(range(256)), b"", b"\xff" * 70_000]
        kernel = self.start()
        for channels in self.both_framings(kernel):
            comm = "comm-" + str(channels.v1)
            head = header("comm_open")
            if channels.v1:
                channels.send("shell", head, {"comm_id": comm, "target_name": "echo", "data": {}})
                head = header("comm_msg")
                channels.send("shell", head, {"comm_id": comm, "data": {"n": 1}}, buffers=buffers)
            else:
                channels.send("shell", head, {"comm_id": comm, "target_name": "echo", "data": {}})
                head = header("comm_msg")
                text = json.dumps({"header": head, "parent_header": {}, "metadata": {}, "channel": "shell",
                                   "content": {"comm_id": comm, "data": {"n": 1}}}).encode()
                offsets = [4 * (len(buffers) + 2)]
                for chunk in (text, *buffers[:-1]):
                    offsets.append(offsets[-1] + len(chunk))
                channels.socket.send_binary(struct.pack(f">{len(offsets) + 1}I", len(offsets), *offsets)
                                            + text + b"".join(buffers))
            echoed = channels.wait_for(lambda m: m["msg_type"] == "comm_msg")
            self.assertEqual(echoed["content"]["data"], {"n": 1})
            self.assertEqual(echoed["buffers"], buffers)

    def test_every_client_gets_iopub_and_only_the_asker_gets_replies(self):
        kernel = self.start()
        asker, other = self.open(kernel), self.open(kernel, v1=True)
        msg_id = asker.execute("print x")
        self.assertEqual(len([m for m in asker.until_idle(msg_id) if m["channel"] == "shell"]), 1)
        seen = []
        for message in other.messages():
            seen.append(message)
            if message["content"].get("execution_state") == "idle" and message["parent_header"]:
                break
        other.execute("1")  # whatever comes next belongs to this
        seen.append(other.receive())
        self.assertEqual({m["channel"] for m in seen}, {"iopub"})
        self.assertEqual(stdout(seen), "x\n")

    def test_replies_are_routed_by_msg_id_when_sessions_are_empty_or_shared(self):
        kernel = self.start()
        first, second = self.open(kernel), self.open(kernel)
        ids = {}
        for name, channels in (("first", first), ("second", second)):
            head = header("execute_request", session="")
            ids[name] = channels.send("shell", head, {"code": f"result {name}", "silent": False})
        for name, channels in (("first", first), ("second", second)):
            answers = channels.until_idle(ids[name])
            self.assertEqual((result(answers), reply(answers)["status"]), (name, "ok"))

    def test_stdin_is_asked_of_the_one_who_runs_the_cell(self):
        kernel = self.start()
        asker, other = self.open(kernel), self.open(kernel)
        msg_id = asker.execute("input Name?", allow_stdin=True)
        question = asker.wait_for(lambda m: m["channel"] == "stdin")
        self.assertEqual((question["msg_type"], question["content"]["prompt"]), ("input_request", "Name?"))
        asker.send("stdin", header("input_reply"), {"value": "Ada"}, parent=question["header"])
        self.assertEqual(stdout(asker.until_idle(msg_id)), "Ada\n")
        other.execute("1")
        self.assertNotIn("stdin", {other.receive()["channel"] for _ in range(5)})

    def test_unknown_types_and_header_members_reach_the_kernel(self):
        channels = self.open(self.start())
        head = header("kernel_info_request", subshell_id=None, something_new={"a": [1]})
        channels.send("shell", head, {})
        answer = channels.wait_for(lambda m: m["msg_type"] == "kernel_info_reply")
        self.assertEqual(answer["parent_header"], head)
        channels.send("control", header("create_subshell_request"), {})
        self.assertEqual(channels.wait_for(lambda m: m["channel"] == "control")["msg_type"],
                         "create_subshell_reply")

    def test_a_busy_kernel_still_tells_what_it_is(self):
        kernel = self.start()
        busy, newcomer = self.open(kernel), self.open(kernel)
        busy.run("1")
        msg_id = busy.execute("sleep 600")
        busy.wait_for(lambda m: m["content"].get("execution_state") == "busy")
        asked = newcomer.send("shell", header("kernel_info_request"), {})
        answer = newcomer.wait_for(lambda m: m["msg_type"] == "kernel_info_reply")
        self.assertEqual(answer["parent_header"]["msg_id"], asked)
        self.assertIn("language_info", answer["content"])
        self.gateway.request("POST", f"/api/kernels/{kernel}/interrupt", {})
        self.assertEqual(reply(busy.until_idle(msg_id))["status"], "error")

    def test_the_v1_subprotocol_is_chosen_only_when_offered(self):
        kernel = self.start()
        url = f"{self.gateway.websocket_url}/api/kernels/{kernel}/channels?token={self.gateway.token}"
        for offered, chosen in ((None, None), ("nonsense", None), (f"nonsense, {V1}", V1)):
            extra = [f"Sec-WebSocket-Protocol: {offered}"] if offered else []
            client = websocket.WebSocket()
            client.connect(url, header=extra, timeout=60)
            self.assertEqual(client.getheaders().get("sec-websocket-protocol"), chosen)
            client.close()

    def test_a_type_without_plain_text_gets_one_in_the_older_framing(self):
        answers = self.open(self.start()).run("display application/x-test abc")
        (data,) = [m["content"]["data"] for m in answers if m["msg_type"] == "display_data"]
        self.assertIn("text/plain", data)
        self.assertEqual(data["application/x-test"], "abc")

    def test_error_values_of_megabytes_arrive_verbatim(self):
        value = "safe:" + "x\\u00e9" * 500_000
        answers = self.open(self.start()).run("error FinalAnswerException " + value)
        self.assertEqual(reply(answers)["evalue"], value)

    @isolated.only_without("the image has no R", "docker", "gvisor")
    def test_other_languages_are_kernels_too(self):
        specs = self.gateway.request("GET", "/api/kernelspecs")[2]["kernelspecs"]
        if "ir" not in specs:
            self.skipTest("IRkernel (r-cran-irkernel) is not installed")
        answers = self.open(self.start("ir")).run("x <- 6 * 7; x")
        (data,) = [m["content"]["data"] for m in answers if m["msg_type"] == "display_data"]
        self.assertEqual(data["text/plain"], "[1] 42")


class Floods(WithChannels):
    def test_twenty_thousand_prints_arrive_as_twenty_thousand_lines(self):
        # ipykernel drops what exceeds its own queue of 1,000 messages when its own sender thread gets no
        # processor time; with this it waits, and what is missing then was lost by the gateway.
        wait_when_full = ("import zmq; from ipykernel.kernelapp import IPKernelApp as A; "
                          "t = A.instance().iopub_thread; "
                          "t.schedule(lambda: t.socket.setsockopt(zmq.XPUB_NODROP, 1))")
        for name, first, code in (
                ("perijove-echo", "1", "lines 20000"),
                ("python3", wait_when_full, "for i in range(1, 20001): print(i, flush=True)")):
            kernel = self.start(name)
            for channels in self.both_framings(kernel):
                channels.run(first)
                answers = channels.run(code)
                self.assertEqual(stdout(answers).split(), [str(i) for i in range(1, 20_001)])

    def test_fifty_megabytes_arrive_whole(self):
        kernel = self.start()
        for channels in self.both_framings(kernel):
            answers = channels.run("big 52428800 text/plain")
            (data,) = [m["content"]["data"] for m in answers if m["msg_type"] == "display_data"]
            self.assertEqual(len(data["text/plain"]), 52_428_800)

    def test_a_reader_that_stalls_gets_everything_later_and_holds_nobody_up(self):
        kernel = self.start()
        slow, quick = self.open(kernel), self.open(kernel)
        msg_id = quick.execute("flood 200000 300")
        self.assertEqual(len([m for m in quick.until_idle(msg_id) if m["msg_type"] == "stream"]), 200_000)
        self.assertEqual(reply(quick.run("1"))["status"], "ok")
        count = 0
        for message in slow.messages():
            count += message["msg_type"] == "stream"
            if message["content"].get("execution_state") == "idle" and \
                    message["parent_header"].get("msg_id") == msg_id:
                break
        self.assertEqual(count, 200_000)

    def test_a_client_that_sends_a_large_buffer_gets_it_back(self):
        channels = self.open(self.start(), v1=True)
        data = bytes(range(256)) * 131_072  # 32 MiB
        channels.send("shell", header("comm_open"), {"comm_id": "c", "target_name": "echo", "data": {}})
        channels.send("shell", header("comm_msg"), {"comm_id": "c", "data": {}}, buffers=[data])
        self.assertEqual(channels.wait_for(lambda m: m["msg_type"] == "comm_msg")["buffers"], [data])

    def test_what_a_kernel_writes_to_its_own_stdout_blocks_nothing(self):
        channels = self.open(self.start())
        self.assertEqual(reply(channels.run("os-write 1 50000000"))["status"], "ok")


class LostConnections(WithChannels):
    def test_everything_missed_comes_in_order_even_beside_another_client(self):
        kernel = self.start()
        lost, other = self.open(kernel, session_id="mine"), self.open(kernel, session_id="other")
        lost.run("1")
        msg_id = lost.execute("sleep 0.3\nlines 1000\nsleep 0.3\nlines 1000")
        lost.wait_for(lambda m: m["content"].get("execution_state") == "busy")
        lost.drop()
        other.wait_for(lambda m: m["content"].get("execution_state") == "idle"
                       and m["parent_header"].get("msg_id") == msg_id)
        back = self.open(kernel, session_id="mine")
        answers = back.until_idle(msg_id)
        expected = [str(i) for i in range(1, 1001)] * 2
        self.assertEqual(stdout(answers).split(), expected)
        self.assertEqual(reply(answers)["status"], "ok")

    def test_a_connection_lost_in_a_flood_goes_on_without_a_gap_or_a_repetition(self):
        kernel = self.start()
        channels = self.open(kernel, session_id="mine")
        msg_id = channels.execute("lines 50000")
        lines = []
        while len(lines) < 50_000:
            for _ in range(5_000):
                message = channels.receive()
                if message["msg_type"] == "stream":
                    lines.append(message["content"]["text"])
                if message["content"].get("execution_state") == "idle":
                    break
            # An orderly end, so that all that was sent before it has been read here.
            channels.socket.send_close()
            while (message := channels.receive()) is not None:
                if message["msg_type"] == "stream":
                    lines.append(message["content"]["text"])
            channels.close()
            channels = self.open(kernel, session_id="mine")
        self.assertEqual("".join(lines).split(), [str(i) for i in range(1, 50_001)])
        self.assertTrue(msg_id)

    def test_a_second_connection_of_a_session_takes_over(self):
        kernel = self.start()
        first = self.open(kernel, session_id="mine")
        first.run("1")
        second = self.open(kernel, session_id="mine")
        while first.receive() is not None:
            pass
        self.assertEqual(result(second.run("result here")), "here")

    def test_a_new_session_starts_with_what_happens_next(self):
        kernel = self.start()
        old = self.open(kernel, session_id="old")
        old.run("print past")
        new = self.open(kernel, session_id="new")
        self.assertEqual(stdout(new.run("print now")), "now\n")

    def test_a_kernel_survives_clients_that_vanish_in_the_middle_of_a_message(self):
        kernel = self.start()
        for _ in range(20):
            channels = self.gateway.channels(kernel)
            frame = websocket.ABNF.create_frame(b"x" * 100_000, websocket.ABNF.OPCODE_BINARY).format()
            channels.socket.sock.sendall(frame[:50_000])
            channels.drop()
        self.assertEqual(reply(self.open(kernel).run("1"))["status"], "ok")
        wait_until(lambda: self.gateway.model(kernel)["connections"] == 1, "the others are gone")


class HostileClients(WithChannels):
    arguments = ("--max-ws-message-size", "1MiB")

    def test_what_is_no_message_closes_its_websocket_with_1007_and_no_other(self):
        kernel = self.start()
        bystander = self.open(kernel)
        good = [header("execute_request"), {}, {}, {"code": "1"}]
        v1 = encode_v1("shell", good)
        texts = ["", "{", "[]", "null", '{"header": {}}', '{"header": []}', "nonsense",
                 json.dumps({"header": header("x"), "channel": "nowhere"}),
                 '{"header": {"msg_id": "a", "msg_type": "b"}, "content": ' + "[" * 5000 + "]" * 5000 + "}"]
        binaries = [b"", b"\0" * 7, b"\xff" * 64, v1[:-1], v1 + b"x", struct.pack("<Q", 2**64 - 1) + v1[8:],
                    struct.pack("<Q", 2**61) + v1[8:], encode_v1("nowhere", good),
                    encode_v1("shell", [b"{", b"{}", b"{}", b"{}"]),
                    encode_v1("shell", [good[0], {}, {}, b'{"code": ' + b"[" * 5000 + b"}"]),
                    encode_v1("shell", [{"msg_id": 1, "msg_type": "execute_request"}, {}, {}, {}])]
        for framing, bad in [(False, text) for text in texts] + [(True, data) for data in binaries]:
            with self.subTest(v1=framing, data=bad[:40]):
                channels = self.gateway.channels(kernel, v1=framing)
                (channels.socket.send_binary if framing else channels.socket.send)(bad)
                while channels.receive() is not None:
                    pass
                self.assertEqual(channels.close_code, 1007)
                channels.close()
        self.assertEqual(reply(bystander.run("1"))["status"], "ok")

    def test_a_message_over_the_limit_closes_with_1009(self):
        channels = self.open(self.start())
        channels.socket.send("x" * 2_000_000)
        while channels.receive() is not None:
            pass
        self.assertEqual(channels.close_code, 1009)

    def test_an_unmasked_frame_closes_with_1002(self):
        channels = self.open(self.start())
        channels.socket.sock.sendall(b"\x81\x02{}")
        while channels.receive() is not None:
            pass
        self.assertEqual(channels.close_code, 1002)

    def test_no_token_no_websocket(self):
        kernel = self.start()
        url = f"{self.gateway.websocket_url}/api/kernels/{kernel}/channels"
        for query in ("", "?token=", "?token=wrong"):
            with self.assertRaises(websocket.WebSocketBadStatusException) as caught:
                websocket.create_connection(url + query, timeout=60)
            self.assertEqual(caught.exception.status_code, 401)


class HostileKernels(WithChannels):
    def test_refused_messages_harm_nothing_and_are_counted(self):
        kernel = self.start()
        channels = self.open(kernel)
        for code in ("bad-signature wrong", "bad-signature short", "bad-signature long", "unsigned",
                     "malformed", "replay"):
            with self.subTest(code):
                answers = channels.run(code)
                self.assertEqual(reply(answers)["status"], "ok")
                streams = [m for m in answers if m["msg_type"] == "stream"]
                self.assertEqual(len(streams), 1 if code == "replay" else 0)
        text = self.gateway.request("GET", "/metrics")[2]
        for reason in ("signature", "frames", "replay"):
            self.assertRegex(text, rf'messages_refused_total{{reason="{reason}"}} [1-9]')

    def test_content_that_is_no_json_arrives_marked_and_the_frame_stays_valid(self):
        for channels in self.both_framings(self.start()):
            if channels.v1:
                continue  # there the parts travel verbatim, and it is the client that cannot read them
            msg_id = channels.execute("bad-json content\ndeep-json 100000\nprint after")
            answers = channels.until_idle(msg_id)
            self.assertEqual(stdout([m for m in answers if "name" in m["content"]]), "after\n")
            self.assertTrue(any("malformed" in m["content"] for m in answers))

    def test_a_forged_parent_reaches_nobody_but_iopub(self):
        kernel = self.start()
        channels, victim = self.open(kernel), self.open(kernel)
        channels.run("foreign-parent somebody-else")
        self.assertEqual(reply(victim.run("1"))["status"], "ok")

    def test_a_kernel_that_forgets_idle_or_reply_still_lets_go(self):
        channels = self.open(self.start())
        msg_id = channels.execute("no-idle")
        answer = channels.wait_for(lambda m: m["channel"] == "shell")  # not held for ever
        self.assertEqual(answer["parent_header"]["msg_id"], msg_id)
        channels.execute("no-reply")
        self.assertEqual(result(channels.run("result on")), "on")

    def test_a_socket_replaced_by_a_link_is_not_followed(self):
        kernel = self.start()
        channels = self.open(kernel)
        for channel in ("shell", "iopub", "control", "stdin"):
            channels.run(f"steal-socket {channel} /run/docker.sock")
        self.assertEqual(result(channels.run("result still")), "still")


if __name__ == "__main__":
    unittest.main()
