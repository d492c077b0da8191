"""The kernel as a peer: channels, requests, and messages that it must not believe."""

import json
import socket

import zmq

from support import CHANNELS, DEADLINE, KernelTestCase


class Requests(KernelTestCase):
    def setUp(self):
        self.echo = self.started()

    def test_kernel_info_on_shell_and_control(self):
        for channel in ("shell", "control"):
            info = self.echo.ask(channel, "kernel_info_request")
            self.assertEqual(info["status"], "ok")
            self.assertEqual(info["protocol_version"], "5.3")
            self.assertEqual(info["implementation"], "perijove-echo")
            self.assertEqual(info["language_info"]["name"], "echo")
            self.assertEqual(info["supported_features"], [])

    def test_complete_offers_commands(self):
        reply = self.echo.ask(
            "shell", "complete_request", {"code": "print é\nfor", "cursor_pos": 11}
        )
        self.assertEqual(sorted(reply["matches"]), ["foreign-parent", "fork-child", "fork-daemon"])
        self.assertEqual((reply["cursor_start"], reply["cursor_end"]), (8, 11))
        reply = self.echo.ask("shell", "complete_request", {"code": "cle print", "cursor_pos": 2})
        self.assertEqual((reply["matches"], reply["cursor_start"]), (["clear"], 0))

    def test_inspect_explains_commands(self):
        reply = self.echo.ask(
            "shell", "inspect_request", {"code": "1\nclear wait", "cursor_pos": 9}
        )
        self.assertTrue(reply["found"])
        self.assertIn("clear [wait]", reply["data"]["text/plain"])
        self.assertFalse(
            self.echo.ask("shell", "inspect_request", {"code": "1", "cursor_pos": 0})["found"]
        )

    def test_is_complete(self):
        states = {"print a": "complete", "print a\\": "incomplete", "!ls": "invalid"}
        for code, status in states.items():
            self.assertEqual(
                self.echo.ask("shell", "is_complete_request", {"code": code})["status"], status
            )

    def test_history(self):
        for code in ("print a", "print b", "print a"):
            self.echo.run(code)
        self.echo.run("1", store_history=False)

        def history(**request):
            return self.echo.ask(
                "shell", "history_request", {"raw": True, "output": False, **request}
            )["history"]

        self.assertEqual(
            history(hist_access_type="tail", n=2), [[1, 2, "print b"], [1, 3, "print a"]]
        )
        self.assertEqual(
            history(hist_access_type="range", session=0, start=1, stop=2), [[1, 1, "print a"]]
        )
        self.assertEqual(
            history(hist_access_type="search", pattern="*a", n=5, unique=True), [[1, 3, "print a"]]
        )
        self.assertEqual(
            history(hist_access_type="tail", n=1, output=True), [[1, 3, ["print a", None]]]
        )

    def test_debugger_and_subshells_are_declined(self):
        reply = self.echo.ask(
            "control", "debug_request", {"type": "request", "seq": 7, "command": "debugInfo"}
        )
        self.assertEqual(
            (reply["success"], reply["request_seq"], reply["command"]), (False, 7, "debugInfo")
        )
        self.assertEqual(
            self.echo.ask("control", "list_subshell_request"), {"status": "ok", "subshell_id": []}
        )
        for request in ("create_subshell_request", "delete_subshell_request"):
            self.assertEqual(self.echo.ask("control", request)["status"], "error")

    def test_unknown_requests_get_an_error_and_other_unknown_messages_nothing(self):
        self.assertEqual(self.echo.ask("shell", "juggle_request")["status"], "error")
        self.assertEqual(
            self.echo.ask("control", "execute_request", {"code": "1"})["status"], "error"
        )
        msg_id = self.echo.send("shell", "greeting")
        self.assertEqual(
            [m["content"]["execution_state"] for m in self.echo.iopub(msg_id)], ["busy", "idle"]
        )
        self.assert_lives(self.echo)

    def test_requests_of_the_wrong_form_get_an_error(self):
        wrong = [
            ("execute_request", {}),
            ("execute_request", {"code": 5}),
            ("execute_request", {"code": "1", "silent": "no"}),
            ("execute_request", {"code": "1", "user_expressions": []}),
            ("complete_request", {"code": "1", "cursor_pos": "end"}),
            ("is_complete_request", {}),
            ("history_request", {"n": "all"}),
            ("comm_info_request", {"target_name": 1}),
        ]
        for msg_type, content in wrong:
            with self.subTest(msg_type, content=content):
                reply = self.echo.ask("shell", msg_type, content)
                self.assertEqual((reply["status"], reply["ename"]), ("error", "UnsupportedRequest"))
        self.assert_lives(self.echo)

    def test_parent_header_is_the_header_of_the_request_with_all_it_held(self):
        message = self.echo.session.msg("kernel_info_request")
        message["header"]["subshell_id"] = None
        message["header"]["x"] = [1, {"y": "é"}]
        self.echo.session.send(self.echo.sockets["shell"], message)
        reply = self.echo.receive("shell")
        self.assertEqual(reply["parent_header"]["x"], [1, {"y": "é"}])
        self.assertIn("subshell_id", reply["parent_header"])

    def test_heartbeat_echoes(self):
        beat = self.echo.socket(zmq.REQ, "hb")
        self.addCleanup(beat.close)
        for text in (b"ping", b"", b"x" * 100000):
            beat.send(text)
            self.assertEqual(beat.recv(), text)

    def test_another_client_is_welcomed_and_sees_everything_from_there_on(self):
        late = self.echo.subscriber()
        self.assertEqual(late()["content"], {"subscription": ""})
        run = self.echo.run("print a")
        seen = [late()["msg_type"] for _ in range(4)]
        self.assertEqual(seen, ["status", "execute_input", "stream", "status"])
        self.assertEqual(run.text, "a\n")


class AbortOnError(KernelTestCase):
    def test_queued_cells_are_aborted_and_other_requests_answered(self):
        echo = self.started()
        failing = echo.start("input go on?\nerror")
        queued = [
            echo.execute("print never"),
            echo.send("shell", "kernel_info_request"),
            echo.execute("print never either"),
        ]
        # An answer here means that what was sent on shell before has arrived, too.
        echo.ask("control", "kernel_info_request")
        echo.receive("stdin")
        echo.send("stdin", "input_reply", {"value": "yes"})
        self.assertEqual(echo.finish(failing).reply["status"], "error")
        statuses = {}
        for _ in queued:
            message = echo.receive("shell")
            statuses[message["parent_header"]["msg_id"]] = message["content"]["status"]
        self.assertEqual([statuses[msg_id] for msg_id in queued], ["aborted", "ok", "aborted"])
        self.assert_lives(echo)

    def test_cells_sent_upon_the_failure_are_run(self):
        echo = self.started()
        for _ in range(300):
            self.assertEqual(echo.reply("shell", echo.execute("error"))["status"], "error")
            self.assertEqual(echo.reply("shell", echo.execute("1"))["status"], "ok")

    def test_not_when_the_client_says_so(self):
        echo = self.started()
        failing = echo.start("input go on?\nerror", stop_on_error=False)
        following = echo.execute("print after all")
        echo.receive("stdin")
        echo.send("stdin", "input_reply", {"value": "yes"})
        self.assertEqual(echo.finish(failing).reply["status"], "error")
        self.assertEqual(echo.finish(following).text, "after all\n")

    def test_each_aborted_cell_is_told_busy_and_idle(self):
        echo = self.started()
        echo.start("input go on?\nerror")
        aborted = echo.execute("print never")
        echo.ask("control", "kernel_info_request")
        echo.receive("stdin")
        echo.send("stdin", "input_reply", {"value": "yes"})
        self.assertEqual(
            [m["content"]["execution_state"] for m in echo.iopub(aborted)], ["busy", "idle"]
        )


class Stdin(KernelTestCase):
    def setUp(self):
        self.echo = self.started()

    def test_the_answer_reaches_the_cell(self):
        msg_id = self.echo.start("input Your name: ")
        question = self.echo.receive("stdin")
        self.assertEqual(
            (question["msg_type"], question["content"]),
            ("input_request", {"prompt": "Your name: ", "password": False}),
        )
        self.assertEqual(question["parent_header"]["msg_id"], msg_id)
        self.echo.send("stdin", "input_reply", {"value": "Galileo é"})
        self.assertEqual(self.echo.finish(msg_id).text, "Galileo é\n")

    def test_a_password_is_asked_for_as_such(self):
        msg_id = self.echo.start("password Secret: ")
        self.assertEqual(
            self.echo.receive("stdin")["content"], {"prompt": "Secret: ", "password": True}
        )
        self.echo.send("stdin", "input_reply", {"value": "x"})
        self.echo.finish(msg_id)

    def test_refused_when_the_client_has_no_stdin(self):
        self.assertEqual(
            self.echo.run("input ?", allow_stdin=False).error[0], "StdinNotImplementedError"
        )

    def answer(self, code, value):
        msg_id = self.echo.start(code)
        self.echo.receive("stdin")
        self.echo.send("stdin", "input_reply", {"value": value})
        return self.echo.finish(msg_id).text

    def test_answers_nobody_asked_for_are_forgotten(self):
        self.answer("input ?", "the connection stands")
        self.echo.send("stdin", "input_reply", {"value": "stale"})
        self.echo.ask("control", "kernel_info_request")  # by now it has arrived
        self.assertEqual(self.answer("input ?", "fresh"), "fresh\n")

    def test_only_the_client_that_was_asked_may_answer(self):
        other = self.echo.context.socket(zmq.DEALER)
        self.addCleanup(other.close)
        other.connect(self.echo.endpoint("stdin"))
        msg_id = self.echo.start("input ?")
        self.echo.receive("stdin")
        other.send_multipart(self.echo.signed_frames("input_reply", {"value": "an intruder's"}))
        self.echo.send("stdin", "input_reply", {})  # without a value: not an answer either
        self.echo.send("stdin", "input_reply", {"value": "mine"})
        self.assertEqual(self.echo.finish(msg_id).text, "mine\n")


class Comms(KernelTestCase):
    def setUp(self):
        self.echo = self.started()

    def answers(self, msg_id):
        return [m for m in self.echo.iopub(msg_id) if m["msg_type"] != "status"]

    def open(self, comm_id, target="echo"):
        return self.answers(
            self.echo.send(
                "shell", "comm_open", {"comm_id": comm_id, "target_name": target, "data": {}}
            )
        )

    def test_messages_come_back_with_their_buffers(self):
        self.assertEqual(self.open("c"), [])
        [message] = self.answers(
            self.echo.send(
                "shell",
                "comm_msg",
                {"comm_id": "c", "data": {"a": [1]}},
                buffers=[b"\0\xff" * 1000, b""],
            )
        )
        self.assertEqual(message["content"], {"comm_id": "c", "data": {"a": [1]}})
        self.assertEqual([bytes(buffer) for buffer in message["buffers"]], [b"\0\xff" * 1000, b""])

    def test_comm_info_lists_open_comms(self):
        self.open("c")
        self.open("d")
        self.answers(self.echo.send("shell", "comm_close", {"comm_id": "c", "data": {}}))
        self.assertEqual(
            self.echo.ask("shell", "comm_info_request")["comms"], {"d": {"target_name": "echo"}}
        )
        self.assertEqual(
            self.echo.ask("shell", "comm_info_request", {"target_name": "other"})["comms"], {}
        )

    def test_a_closed_comm_can_be_opened_again(self):
        for _ in range(3):
            self.open("c")
            self.answers(self.echo.send("shell", "comm_close", {"comm_id": "c", "data": {}}))
        self.open("c")
        self.open("c")
        self.assertEqual(
            len(self.answers(self.echo.send("shell", "comm_msg", {"comm_id": "c", "data": 1}))), 1
        )

    def test_an_unknown_target_is_closed_at_once(self):
        [message] = self.open("c", target="nothing")
        self.assertEqual((message["msg_type"], message["content"]["comm_id"]), ("comm_close", "c"))

    def test_comm_messages_of_the_wrong_form_are_ignored(self):
        for content in (
            {},
            {"comm_id": 1},
            {"comm_id": "x" * 56},
            {"comm_id": "unknown", "data": {}},
        ):
            for msg_type in ("comm_open", "comm_msg", "comm_close"):
                self.assertEqual(self.answers(self.echo.send("shell", msg_type, content)), [])
        self.assert_lives(self.echo)


class UntrustedMessages(KernelTestCase):
    """Whatever arrives: only well signed, new messages are heard, and the kernel lives on."""

    def setUp(self):
        self.echo = self.started()

    def dealer(self, channel):
        dealer = self.echo.context.socket(zmq.DEALER)
        dealer.rcvtimeo = DEADLINE * 1000
        self.addCleanup(dealer.close)
        dealer.connect(self.echo.endpoint(channel))
        return dealer

    def assert_ignored(self, frames, channel="shell"):
        """Nothing answers these frames, and what follows them is answered."""
        dealer = self.dealer(channel)
        dealer.send_multipart(frames)
        request = self.echo.session.msg("kernel_info_request")
        dealer.send_multipart(self.echo.session.serialize(request))
        reply = dealer.recv_multipart()
        self.assertEqual(json.loads(reply[3])["msg_id"], request["header"]["msg_id"])
        self.assertFalse(dealer.poll(0))

    def test_broken_frames(self):
        whole = self.echo.signed_frames("kernel_info_request")
        cases = [whole[:size] for size in range(1, len(whole))]
        cases += [
            [b""],
            [b"<IDS|MSG>", b"x"],
            [b""] * 6,
            whole[1:],
            [b"<IDS|MSG>"] * 6,
            [b"<IDS|MSG>"] + whole,
            whole[:2] + whole[:1:-1],
            [b"\xff" * 100] * 7,
        ]
        for frames in cases:
            for channel in ("shell", "control"):
                with self.subTest(frames=frames, channel=channel):
                    self.assert_ignored(frames, channel)
        self.assert_lives(self.echo)

    def test_bad_signatures(self):
        delimiter, good, *parts = self.echo.signed_frames("kernel_info_request")
        flipped = bytes([good[0] ^ 1]) + good[1:]
        for bad in (
            b"",
            flipped,
            good[:-1],
            good[:32],
            good + b"0",
            good + good,
            good.upper(),
            b"\0" * 64,
        ):
            with self.subTest(signature=bad):
                if bad != good:  # a signature without letters has no upper case
                    self.assert_ignored([delimiter, bad, *parts])

    def test_signatures_with_another_key(self):
        stranger = type(self.echo.session)(key=b"another key")
        self.assert_ignored(
            stranger.serialize(stranger.msg("shutdown_request", {"restart": False})), "control"
        )
        self.assert_lives(self.echo)

    def test_changed_parts(self):
        frames = self.echo.signed_frames("kernel_info_request")
        for position in range(2, 6):
            changed = list(frames)
            changed[position] = changed[position].replace(b"}", b" }", 1)
            self.assert_ignored(changed)

    def test_replayed_messages(self):
        frames = self.echo.signed_frames("execute_request", {"code": "count"})
        dealer = self.dealer("shell")
        dealer.send_multipart(frames)
        dealer.recv_multipart()
        self.assert_ignored(frames)
        self.assert_ignored(frames, "control")
        self.assertEqual(self.echo.run("count").results, ["2"])

    def test_signed_but_not_json(self):
        delimiter, _, *good = self.echo.signed_frames("kernel_info_request")
        for position in (0, 2, 3):
            for text in (
                b"",
                b"{",
                b"[]",
                b"nonsense",
                b"\xff\xfe",
                b"{}" if position == 0 else b"null",
            ):
                parts = list(good)
                parts[position] = text
                with self.subTest(position=position, text=text):
                    self.assert_ignored([delimiter, self.echo.session.sign(parts), *parts])

    def test_deeply_nested_json(self):
        delimiter, _, *parts = self.echo.signed_frames("execute_request")
        for depth in (201, 1_000_000):
            parts[3] = b'{"code":"1","x":' + b"[" * depth + b"]" * depth + b"}"
            self.assert_ignored([delimiter, self.echo.session.sign(parts), *parts])
        self.assert_lives(self.echo)

    def test_strange_heartbeats(self):
        dealer = self.dealer("hb")
        for frames in ([b""], [b"a", b"b", b"c"], [b"", b"x"]):
            dealer.send_multipart(frames)
            self.assertEqual(dealer.recv_multipart(), frames)

    def test_strange_subscriptions(self):
        subscriber = self.echo.context.socket(zmq.XSUB)
        self.addCleanup(subscriber.close)
        subscriber.connect(self.echo.endpoint("iopub"))
        for event in (b"\1" + b"\xff\0", b"\1" + b"x" * 10000, b"\0unknown", b"junk", b""):
            subscriber.send(event)
        self.assert_lives(self.echo)

    def test_peers_that_do_not_speak_zeromq(self):
        for channel in CHANNELS:
            for junk in (
                b"",
                b"GET / HTTP/1.1\r\n\r\n",
                b"\xff" + b"\0" * 8 + b"\x7f" + b"junk" * 100,
            ):
                with socket.socket(socket.AF_UNIX) as peer:
                    peer.connect(self.echo.endpoint(channel).removeprefix("ipc://"))
                    peer.sendall(junk)
        self.assert_lives(self.echo)


class Signing(KernelTestCase):
    def test_other_digests(self):
        for scheme in ("hmac-sha512", "hmac-sha1", "hmac-md5"):
            with self.subTest(scheme):
                self.assert_lives(self.started(signature_scheme=scheme))

    def test_without_a_key_messages_are_not_signed(self):
        echo = self.started(key="")
        self.assert_lives(echo)

    def test_an_unknown_scheme_is_refused(self):
        for scheme in ("hmac-rot13", "sha256", "hmac-"):
            kernel = self.kernel(only_for_kernel={"signature_scheme": scheme})
            self.assertEqual(kernel.wait(), 1)
            self.assertIn(
                f"the signature scheme '{scheme}' is not known",
                kernel.process.stderr.read().decode(),
            )
