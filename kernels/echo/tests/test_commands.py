"""Every command of a cell that is not about the process itself."""

import base64
import json
import os
import struct
import zlib

import zmq
from support import KernelTestCase


class Outputs(KernelTestCase):
    def setUp(self):
        self.echo = self.started()

    def outputs(self, code):
        run = self.echo.run(code)
        self.assertEqual(run.reply["status"], "ok")
        return run.outputs

    def test_what_is_no_command_is_the_result(self):
        self.assertEqual(
            self.outputs("1+1"),
            [
                (
                    "execute_result",
                    {"execution_count": 1, "data": {"text/plain": "1+1"}, "metadata": {}},
                )
            ],
        )

    def test_a_cell_combines_commands(self):
        run = self.echo.run("# a comment\n\nprint a\r\nstderr b\nresult c")
        self.assertEqual(
            run.outputs[:2],
            [
                ("stream", {"name": "stdout", "text": "a\n"}),
                ("stream", {"name": "stderr", "text": "b\n"}),
            ],
        )
        self.assertEqual(run.results, ["c"])

    def test_messages_come_in_the_order_of_the_protocol(self):
        run = self.echo.run("print a")
        self.assertEqual(
            [(m["msg_type"], m["content"].get("execution_state")) for m in run.messages],
            [("status", "busy"), ("execute_input", None), ("stream", None), ("status", "idle")],
        )
        self.assertEqual(run.messages[1]["content"], {"code": "print a", "execution_count": 1})

    def test_unicode_passes(self):
        self.assertEqual(self.echo.run('print "é" \U0001fa90 \\').text, '"é" \U0001fa90 \\\n')

    def test_write_knows_escapes_and_adds_no_newline(self):
        self.assertEqual(
            self.echo.run(r"write 10%\r\e[1m20%\t\\n\q").text, "10%\r\x1b[1m20%\t\\n\\q"
        )

    def test_display_of_text_and_of_json(self):
        self.assertEqual(
            self.outputs('display image/svg+xml <svg/>\ndisplay application/json {"a": [1]}'),
            [
                (
                    "display_data",
                    {"data": {"image/svg+xml": "<svg/>"}, "metadata": {}, "transient": {}},
                ),
                (
                    "display_data",
                    {"data": {"application/json": {"a": [1]}}, "metadata": {}, "transient": {}},
                ),
            ],
        )
        self.assertEqual(self.echo.run("display application/json {").error[0], "UsageError")

    def test_html(self):
        [(kind, content)] = self.outputs("html <b>x</b>")
        self.assertEqual((kind, content["data"]["text/html"]), ("display_data", "<b>x</b>"))

    def test_png_is_a_png(self):
        [(kind, content)] = self.outputs("png")
        data = base64.b64decode(content["data"]["image/png"])
        self.assertEqual((kind, data[:8]), ("display_data", b"\x89PNG\r\n\x1a\n"))
        position, kinds = 8, []
        while position < len(data):
            size, chunk = struct.unpack(">I4s", data[position : position + 8])
            body = data[position + 4 : position + 8 + size]
            self.assertEqual(
                struct.unpack(">I", data[position + 8 + size : position + 12 + size])[0],
                zlib.crc32(body),
            )
            kinds.append(chunk)
            position += 12 + size
        self.assertEqual(kinds, [b"IHDR", b"IDAT", b"IEND"])

    def test_displays_can_be_updated(self):
        self.assertEqual(
            self.outputs("display-id bar 0 %\nupdate-display bar 100 %"),
            [
                (
                    "display_data",
                    {
                        "data": {"text/plain": "0 %"},
                        "metadata": {},
                        "transient": {"display_id": "bar"},
                    },
                ),
                (
                    "update_display_data",
                    {
                        "data": {"text/plain": "100 %"},
                        "metadata": {},
                        "transient": {"display_id": "bar"},
                    },
                ),
            ],
        )

    def test_clear(self):
        self.assertEqual(
            self.outputs("clear\nclear wait"),
            [("clear_output", {"wait": False}), ("clear_output", {"wait": True})],
        )

    def test_publish_sends_any_message(self):
        self.assertEqual(self.outputs('publish x_custom {"a": null}'), [("x_custom", {"a": None})])

    def test_payloads(self):
        reply = self.echo.run("payload page a long text\npayload next 2 + 2").reply
        self.assertEqual(
            reply["payload"],
            [
                {"source": "page", "data": {"text/plain": "a long text"}, "start": 0},
                {"source": "set_next_input", "text": "2 + 2", "replace": False},
            ],
        )

    def test_error_ends_the_cell(self):
        run = self.echo.run("error ValueError not this\nprint never")
        self.assertEqual(run.error, ("ValueError", "not this"))
        self.assertEqual(run.text, "")
        self.assertEqual(run.reply["traceback"], ["ValueError: not this"])

    def test_traceback_has_colours(self):
        run = self.echo.run("traceback KeyError 'x'")
        self.assertEqual(run.error, ("KeyError", "'x'"))
        self.assertIn("\x1b[0;31mKeyError\x1b[0m: 'x'", run.reply["traceback"])

    def test_bad_arguments_show_the_usage(self):
        self.assertEqual(
            self.echo.run("sleep soon").error,
            ("UsageError", "SECONDS must be a number that is not negative; usage: sleep SECONDS"),
        )
        for code in (
            "flood",
            "flood -1",
            "flood 5x",
            "die 256",
            "clear now",
            "ignore-interrupt",
            "bad-signature strange",
            "payload",
            "display",
            "os-write 3 1",
        ):
            with self.subTest(code):
                self.assertEqual(self.echo.run(code).error[0], "UsageError")


class Load(KernelTestCase):
    def setUp(self):
        self.echo = self.started()

    def test_lines_are_one_message_each(self):
        outputs = self.echo.run("lines 20000").outputs
        self.assertEqual(
            outputs, [("stream", {"name": "stdout", "text": f"{i}\n"}) for i in range(1, 20001)]
        )

    def test_flood_loses_nothing_of_a_reader_that_comes_late(self):
        msg_id = self.echo.execute("flood 20000 200")
        self.assertEqual(self.echo.reply("shell", msg_id)["status"], "ok")
        texts = [m["content"]["text"] for m in self.echo.iopub(msg_id) if m["msg_type"] == "stream"]
        self.assertEqual([int(text.rstrip("\n.")) for text in texts], list(range(1, 20001)))
        self.assertEqual({len(text) for text in texts}, {200})

    def test_big(self):
        [(kind, content)] = self.echo.run("big 10000000 image/png").outputs
        self.assertEqual((kind, list(content["data"])), ("display_data", ["image/png"]))
        self.assertEqual(content["data"]["image/png"], "A" * 10_000_000)

    def test_buffers(self):
        run = self.echo.run("buffers 2 300")
        opened, sent, closed = [m for m in run.messages if m["msg_type"].startswith("comm_")]
        self.assertEqual(
            [m["msg_type"] for m in (opened, sent, closed)], ["comm_open", "comm_msg", "comm_close"]
        )
        self.assertEqual(len({m["content"]["comm_id"] for m in (opened, sent, closed)}), 1)
        self.assertEqual(
            [bytes(buffer) for buffer in sent["buffers"]],
            [bytes((n + i) % 256 for i in range(300)) for n in range(2)],
        )

    def test_os_write_goes_to_the_descriptors_of_the_process(self):
        self.echo.run("os-write 1 5000\nos-write 2 10")
        self.assertEqual(os.read(self.echo.process.stdout.fileno(), 10000), b"x" * 5000)
        self.assertTrue(os.read(self.echo.process.stderr.fileno(), 10000).endswith(b"x" * 10))

    def test_sleep_and_busy_end_by_themselves(self):
        self.assertEqual(self.echo.run("sleep 0.01\nbusy 0.01").reply["status"], "ok")


class StateOfTheKernel(KernelTestCase):
    def test_values_persist_until_the_kernel_ends(self):
        echo = self.started()
        echo.run("set x a b")
        self.assertEqual(echo.run("get x").results, ["a b"])
        self.assertEqual(self.started().run("get x").error, ("NameError", "name 'x' is not set"))

    def test_environment_directory_and_process(self):
        with_variable = self.started(environ={"ECHO_TEST": "yes = no"}, cwd="/usr/lib")
        self.assertEqual(with_variable.run("env ECHO_TEST").results, ["yes = no"])
        self.assertIn("\nECHO_TEST=yes = no\n", "\n" + with_variable.run("env").text)
        self.assertEqual(with_variable.run("env NOT_THERE").error, ("KeyError", "NOT_THERE"))
        self.assertEqual(with_variable.run("cwd").results, ["/usr/lib"])
        self.assertEqual(with_variable.run("pid").results, [str(with_variable.process.pid)])

    def test_cells_are_counted(self):
        echo = self.started()
        self.assertEqual(echo.run("count").results, ["1"])
        run = echo.run("count")
        self.assertEqual((run.results, run.reply["execution_count"]), (["2"], 2))

    def test_user_expressions_are_names(self):
        echo = self.started()
        reply = echo.run("set x 1", user_expressions={"a": "x", "b": "y"}).reply
        self.assertEqual(
            reply["user_expressions"]["a"],
            {"status": "ok", "data": {"text/plain": "1"}, "metadata": {}},
        )
        self.assertEqual(reply["user_expressions"]["b"]["status"], "error")

    def test_a_silent_cell_is_neither_counted_nor_shown(self):
        echo = self.started()
        run = echo.run("1", silent=True)
        self.assertEqual([m["msg_type"] for m in run.messages], ["status", "status"])
        self.assertEqual(echo.run("count").results, ["1"])


class Hostility(KernelTestCase):
    """What the kernel sends amiss, read from the frames."""

    def setUp(self):
        self.echo = self.started()
        self.raw = self.echo.socket(zmq.SUB, "iopub")
        self.addCleanup(self.raw.close)
        self.raw.recv_multipart()  # its welcome: from here on it misses nothing

    def frames_of(self, code):
        """The frames between execute_input and what ends the cell."""
        msg_id = self.echo.execute(code)
        found = []
        while True:
            frames = self.raw.recv_multipart()
            if frames[0].endswith(b".execute_input"):
                found.clear()
            elif frames[0].endswith(b".status"):
                if b'"idle"' in frames[-1] and msg_id.encode() in frames[4]:
                    return found
            else:
                found.append(frames)

    def content(self, frames):
        return json.loads(frames[6])

    def signature_fits(self, frames):
        return self.echo.session.sign(frames[3:7]) == frames[2]

    def test_frames_are_as_assumed_here(self):
        [frames] = self.frames_of("print a")
        self.assertEqual((len(frames), frames[1]), (7, b"<IDS|MSG>"))
        self.assertTrue(self.signature_fits(frames))

    def test_bad_signatures(self):
        lengths = {"wrong": 64, "short": 32, "long": 66, "none": 0}
        for kind, length in lengths.items():
            with self.subTest(kind):
                [frames] = self.frames_of("bad-signature " + kind)
                self.assertEqual(len(frames[2]), length)
                self.assertFalse(self.signature_fits(frames))
                json.loads(frames[6])
        [short] = self.frames_of("bad-signature short")
        self.assertTrue(self.echo.session.sign(short[3:7]).startswith(short[2]))
        [unsigned] = self.frames_of("unsigned")
        self.assertEqual(unsigned[2], b"")

    def test_malformed(self):
        found = self.frames_of("malformed\nprint after")
        *cut, undelimited, swapped, after = found
        self.assertEqual([len(frames) for frames in cut], [1, 2, 3, 4, 5, 6])
        self.assertNotIn(b"<IDS|MSG>", undelimited)
        self.assertIn("text", json.loads(swapped[3]))
        self.assertEqual(self.content(after)["text"], "after\n")

    def test_bad_json_is_well_signed(self):
        for part, position in {"header": 3, "parent": 4, "metadata": 5, "content": 6}.items():
            with self.subTest(part):
                [frames] = self.frames_of("bad-json " + part)
                self.assertTrue(self.signature_fits(frames))
                with self.assertRaises(json.JSONDecodeError):
                    json.loads(frames[position])

    def test_deep_json(self):
        [frames] = self.frames_of("deep-json 100000")
        self.assertTrue(self.signature_fits(frames))
        self.assertIn(b"[" * 100000 + b"]" * 100000, frames[6])

    def test_replay_sends_the_same_bytes_twice(self):
        first, second = self.frames_of("replay")
        self.assertEqual(first, second)

    def test_foreign_parent(self):
        [frames] = self.frames_of("foreign-parent abc")
        self.assertTrue(self.signature_fits(frames))
        self.assertEqual(json.loads(frames[4])["msg_id"], "abc")


class ReplyTricks(KernelTestCase):
    def setUp(self):
        self.echo = self.started()

    def next_run_is_normal(self):
        self.assertEqual(self.echo.run("next").results, ["next"])

    def test_no_reply(self):
        msg_id = self.echo.execute("no-reply")
        self.assertEqual(len(list(self.echo.iopub(msg_id))), 3)  # busy, input, idle
        self.next_run_is_normal()
        self.assertFalse(self.echo.has_message("shell"))

    def test_no_idle(self):
        msg_id = self.echo.execute("no-idle")
        self.assertEqual(self.echo.reply("shell", msg_id)["status"], "ok")
        following = self.echo.execute("next")
        states = []
        for _ in range(5):  # busy, input | busy, input, result of the next
            message = self.echo.receive("iopub")
            states.append(
                (message["parent_header"]["msg_id"], message["content"].get("execution_state"))
            )
        self.assertEqual([state for parent, state in states if parent == msg_id], ["busy", None])
        self.echo.reply("shell", following)

    def test_late_idle_comes_after_the_reply(self):
        msg_id = self.echo.start("late-idle 600")
        self.assertEqual(self.echo.reply("shell", msg_id)["status"], "ok")
        self.assertFalse(self.echo.has_message("iopub"))
        self.echo.interrupt()  # ends the delay
        states = [m["content"]["execution_state"] for m in self.echo.iopub(msg_id)]
        self.assertEqual(states, ["idle"])
        self.next_run_is_normal()

    def test_late_reply_comes_after_idle(self):
        msg_id = self.echo.start("late-reply 600")
        self.assertEqual(
            [m["content"]["execution_state"] for m in self.echo.iopub(msg_id)], ["idle"]
        )
        self.assertFalse(self.echo.has_message("shell"))
        self.echo.interrupt()
        self.assertEqual(self.echo.reply("shell", msg_id)["status"], "ok")
        self.next_run_is_normal()
