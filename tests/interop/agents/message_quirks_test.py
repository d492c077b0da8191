"""Messages as agent frameworks write them: not by the book.

The numbers are those of ../README.md.
"""

import base64
import json
import unittest

from peers import known_to_fail_on
from quirk import PNG, WAIT_WHEN_FULL, QuirkTest
from wire import DEADLINE_SECONDS, execute_request, is_idle, one_of_type, parent_of, text_of


class MessageQuirks(QuirkTest):
    def test_q1_buffers_may_be_an_object(self):
        self.assert_answers(self.connect(), execute_request("print(42)", buffers={}))

    def test_q2_buffers_and_channel_may_be_missing(self):
        self.assert_answers(self.connect(), execute_request("print(42)", channel=None))

    def test_q3_the_date_may_be_missing(self):
        self.assert_answers(
            self.connect(), execute_request("print(42)", header_changes={"date": None})
        )

    def test_q4_the_date_may_be_naive_or_have_a_space(self):
        wire = self.connect()
        for date in ("2026-11-21T07:34:00.123456", "2026-11-21 07:34:00.123456+00:00"):
            with self.subTest(date):
                self.assert_answers(
                    wire, execute_request("print(42)", header_changes={"date": date})
                )

    def test_q5_session_and_username_may_be_empty(self):
        wire = self.connect()
        other = self.connect(query="?session_id=")
        nobody = {"session": "", "username": "", "date": None}
        # Two such clients at once: the reply belongs to the one that asked.
        for asking, watching in ((wire, other), (other, wire)):
            self.assert_answers(
                asking, execute_request("print(42)", header_changes=nobody, buffers={})
            )
            seen = watching.receive_until(
                lambda each: each["msg_type"] == "status" and is_idle(each)
            )
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
                self.assert_answers(
                    wire, execute_request("print(42)", header_changes={"version": version})
                )

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

    @known_to_fail_on(
        jupyter_server="sends the reply as soon as it has it",
        jupyter_kernel_gateway="sends the reply as soon as it has it",
    )
    def test_q18_the_reply_comes_after_idle(self):
        wire = self.connect()
        for code in ["print(42)", "1 / 0", "x = 1", "print('x' * 100_000)"] * 5:
            received = wire.execute(code)
            self.assertEqual(received[-1]["msg_type"], "execute_reply")
            self.assertTrue(is_idle(received[-2]))

    @known_to_fail_on(
        jupyter_server="passes on what the kernel said",
        jupyter_kernel_gateway="passes on what the kernel said",
    )
    def test_q19_every_display_has_a_text(self):
        code = f"""from IPython.display import display
display({{"image/png": "{PNG}"}}, raw=True)
display({{"text/html": "<b>b</b>"}}, raw=True)
class Picture:
    def _repr_mimebundle_(self, **_): return {{"image/svg+xml": "<svg/>"}}
get_ipython().display_formatter.formatters["text/plain"].enabled = True
display({{"application/json": {{"a": 1}}}}, raw=True)"""
        shown = [
            each for each in self.connect().execute(code) if each["msg_type"] == "display_data"
        ]
        self.assertEqual(len(shown), 3)
        for each in shown:
            self.assertIsInstance(each["content"]["data"].get("text/plain"), str, each["content"])

    def test_q20_the_value_of_an_error_is_passed_verbatim(self):
        value = (
            "safe:"
            + json.dumps({"answer": '\u001b[31mred\u001b[0m \\ " ä 🪐\n' * 1000})
            + "e" * 3_000_000
        )
        code = f"""import base64
class FinalAnswerException(BaseException): pass
raise FinalAnswerException(base64.b64decode("{base64.b64encode(value.encode()).decode()}").decode())"""
        error = one_of_type(self.connect().execute(code), "error")
        self.assertEqual(error["content"]["ename"], "FinalAnswerException")
        self.assertTrue(error["content"]["evalue"] == value, "the value was changed")

    @known_to_fail_on(
        jupyter_server="drops what exceeds its rate limit",
        jupyter_kernel_gateway="drops what exceeds its rate limit",
    )
    def test_q29_no_output_is_dropped_for_its_rate(self):
        code = "from IPython.display import display\nfor n in range(5_000): display(n)\nprint('y' * 5_000_000)"
        wire = self.connect()
        wire.execute(WAIT_WHEN_FULL)
        received = wire.execute(code)
        shown = [
            each["content"]["data"]["text/plain"]
            for each in received
            if each["msg_type"] == "display_data"
        ]
        self.assertEqual(shown, [str(n) for n in range(5_000)])
        self.assertEqual(len(text_of(received)), 5_000_001)

    def test_q32_replies_go_by_message_where_clients_share_a_session(self):
        first, second = self.connect(), self.connect()
        shared = {"session": "the same"}
        asked = {
            wire: [wire.send(execute_request(f"{n}", header_changes=shared)) for n in range(10)]
            for wire in (first, second)
        }
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


if __name__ == "__main__":
    unittest.main()
