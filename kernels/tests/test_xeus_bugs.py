"""The bugs of xeus 2.4.1 that kernels/README.md numbers: none of them reaches a kernel of ours.

One test for each bug, and each with every kernel.
"""

import json
import os
import shutil
import signal
import tempfile

import zmq
from jupyter_client.kernelspec import KernelSpecManager
from support import DEADLINE, KernelTestCase


class Language:
    """How code says it; None where a language cannot."""

    def __init__(self, hello, endless, error, ask=None, ask_secretly=None):
        self.hello, self.endless, self.error = hello, endless, error
        self.ask, self.ask_secretly = ask, ask_secretly


KERNELS = {
    "perijove-echo": Language(
        "print hello", "sleep 600", ("error ValueError no", "ValueError", "no"),
        ask="input ?", ask_secretly="password ?"),
    "bash": Language(
        "echo hello", "sleep 600", ("(exit 3)", "CalledProcessError", "exit status 3")),
    "javascript": Language(
        "console.log('hello')", "while (true) {}", ("throw new TypeError('no')", "TypeError", "no")),
    "perijove-python": Language(
        "print('hello')", "import time; time.sleep(600)", ("raise KeyError(1)", "KeyError", "1"),
        ask="input('?')", ask_secretly="import getpass; getpass.getpass('?')"),
    "perl": Language("print qq(hello\\n)", "sleep 600", ("die 'no'", "PerlError", "no")),
}
# What the protocol has on iopub, and the broadcast of shutdown_reply, which ipykernel has as well.
IOPUB = {
    "status", "stream", "display_data", "update_display_data", "execute_input", "execute_result",
    "error", "clear_output", "comm_open", "comm_msg", "comm_close", "iopub_welcome",
    "shutdown_reply",
}


def with_each(only=lambda language: True, **connection):
    """The test gets a kernel of each kind and its language; `only` chooses, `connection` is for the
    connection file."""

    def decorate(test):
        def run(self):
            for name, language in KERNELS.items():
                if not only(language) or name == "javascript" and not shutil.which("node"):
                    continue
                spec = KernelSpecManager().get_kernel_spec(name)
                argv = [each.replace("{resource_dir}", spec.resource_dir) for each in spec.argv]
                with self.subTest(name), tempfile.TemporaryDirectory(prefix="xeus-") as directory:
                    changed = {
                        key: value(directory) if callable(value) else value
                        for key, value in connection.items()
                    }
                    kernel = self.started(argv=argv, **changed)
                    test(self, kernel, language)
                    kernel.close()

        return run

    return decorate


def longest_path(directory):
    """As long as a socket's address holds, with the `-5` of a channel."""
    return f"{directory}/".ljust(107 - len("-5"), "k")


class XeusBugsKernelTestCase(KernelTestCase):
    def assert_works(self, kernel, language):
        self.assertIsNone(kernel.process.poll())
        self.assertEqual(kernel.run(language.hello).text, "hello\n")


class XeusBugs(XeusBugsKernelTestCase):
    @with_each()
    def test_bug_01_a_message_of_two_frames_ends_nothing(self, kernel, language):
        for channel in ("shell", "control", "stdin"):
            for frames in ([b"<IDS|MSG>", b"x"], [b"<IDS|MSG>"], [b""], [b"x"] * 3):
                kernel.sockets[channel].send_multipart(frames)
            self.assertEqual(kernel.ask("control", "kernel_info_request")["status"], "ok")
        self.assert_works(kernel, language)

    @with_each()
    def test_bug_02_the_length_of_a_signature_counts(self, kernel, language):
        for size in (0, 1, 32, 63):
            delimiter, signature, *parts = kernel.signed_frames("kernel_info_request")
            kernel.sockets["shell"].send_multipart([delimiter, signature[:size], *parts])
        asked = kernel.send("shell", "kernel_info_request")
        self.assertEqual(kernel.receive("shell")["parent_header"]["msg_id"], asked)
        self.assert_works(kernel, language)

    @with_each()
    def test_bug_03_signals_do_not_end_an_idle_kernel(self, kernel, language):
        self.assert_works(kernel, language)  # idle by now, and waiting
        for _ in range(20):
            os.kill(kernel.process.pid, signal.SIGINT)
            self.assertEqual(kernel.ask("shell", "kernel_info_request")["status"], "ok")
        self.assert_works(kernel, language)

    @with_each(ip=longest_path)
    def test_bug_04_long_ipc_paths(self, kernel, language):
        self.assertEqual(len(kernel.endpoint("shell")), len("ipc://") + 107)
        self.assert_works(kernel, language)

    @with_each(key="")
    def test_bug_05_an_empty_key_means_unsigned(self, kernel, language):
        self.assert_works(kernel, language)
        delimiter, *_ = frames = kernel.signed_frames("kernel_info_request")
        self.assertEqual(frames[1], b"")

    @with_each()
    def test_bug_06_a_request_that_fails_is_answered(self, kernel, language):
        for msg_type, content in (
            ("execute_request", {"code": 5}),
            ("execute_request", {}),
            ("complete_request", {"code": "a", "cursor_pos": "1"}),
            ("inspect_request", {"code": "a", "cursor_pos": 1 << 40}),
            ("history_request", {"hist_access_type": 1}),
        ):
            reply = kernel.ask("shell", msg_type, content)
            self.assertIn(reply["status"], ("ok", "error"))
        self.assertEqual(kernel.ask("shell", "execute_request", {"code": 5})["status"], "error")
        self.assert_works(kernel, language)

    @with_each()
    def test_bug_07_an_interrupt_ends_the_cell_that_runs(self, kernel, language):
        running = kernel.start(language.endless)
        kernel.interrupt()
        self.assertEqual(kernel.finish(running).error[0], "KeyboardInterrupt")
        self.assert_works(kernel, language)

    @with_each()
    def test_bug_08_replies_on_control_have_a_status(self, kernel, _):
        self.assertEqual(kernel.interrupt()["status"], "ok")
        self.assertEqual(kernel.shutdown(), {"status": "ok", "restart": False})
        self.assertEqual(kernel.wait(), 0)

    @with_each()
    def test_bug_09_a_shutdown_does_not_wait_for_the_cell(self, kernel, language):
        kernel.start(language.endless)
        self.assertEqual(kernel.shutdown()["status"], "ok")
        kernel.wait()  # much sooner than the cell ends

    @with_each()
    def test_bug_10_after_an_error_cells_are_aborted_and_others_answered(self, kernel, language):
        # Several at once: the first is at work while the others arrive.
        failing = kernel.execute(language.error[0], stop_on_error=True)
        queued = [kernel.execute(language.hello) for _ in range(10)]
        asked = kernel.send("shell", "kernel_info_request")
        replies = {}
        while asked not in replies:
            message = kernel.receive("shell")
            self.assertTrue(message["msg_type"].endswith("_reply"))
            replies[message["parent_header"]["msg_id"]] = message
        self.assertEqual(replies[failing]["content"]["status"], "error")
        self.assertEqual(replies[asked]["msg_type"], "kernel_info_reply")
        self.assertEqual(replies[asked]["content"]["status"], "ok")
        # Those that came too late to be in its queue have been run.
        self.assertLessEqual(
            {replies[each]["content"]["status"] for each in queued}, {"aborted", "ok"})
        self.assertEqual({replies[each]["msg_type"] for each in queued}, {"execute_reply"})

    @with_each(lambda language: language.ask_secretly)
    def test_bug_11_a_password_is_asked_for_as_the_protocol_has_it(self, kernel, language):
        running = kernel.start(language.ask_secretly)
        question = kernel.receive("stdin")["content"]
        self.assertEqual(question, {"prompt": "?", "password": True})
        kernel.send("stdin", "input_reply", {"value": "x"})
        kernel.finish(running)

    @with_each()
    def test_bug_12_name_and_value_of_an_error_are_not_swapped(self, kernel, language):
        code, ename, evalue = language.error
        self.assertEqual(kernel.run(code).error, (ename, evalue))

    @with_each()
    def test_bug_13_history_has_the_form_of_the_protocol(self, kernel, language):
        kernel.run(language.hello)
        kernel.run(language.error[0])
        for output in (False, True):
            reply = kernel.ask("shell", "history_request", {
                "hist_access_type": "tail", "n": 2, "raw": True, "output": output})
            self.assertEqual(len(reply["history"]), 2)
            for expected, entry in zip((language.hello, language.error[0]), reply["history"]):
                session, line, code = entry
                self.assertEqual((type(session), type(line)), (int, int))
                self.assertEqual(code[0] if output else code, expected)
                self.assertTrue(not output or len(code) == 2)
            self.assertEqual([entry[1] for entry in reply["history"]], [1, 2])

    @with_each(lambda language: language.ask)
    def test_bug_14_a_question_can_be_interrupted_and_takes_no_stale_answer(self, kernel, language):
        running = kernel.start(language.ask)
        kernel.receive("stdin")
        kernel.interrupt()
        self.assertEqual(kernel.finish(running).error[0], "KeyboardInterrupt")
        kernel.send("stdin", "input_reply", {"value": "stale"})
        kernel.ask("control", "kernel_info_request")  # by now it has arrived
        running = kernel.start(language.ask)
        kernel.receive("stdin")
        kernel.send("stdin", "input_reply", {"value": "fresh"})
        run = kernel.finish(running)
        self.assertIn("fresh", run.text + "".join(run.results))

    @with_each()
    def test_bug_15_dates_have_six_digits_after_the_point(self, kernel, language):
        delimiter, _, *parts = kernel.signed_frames("execute_request", {"code": language.hello})
        kernel.sockets["shell"].send_multipart([delimiter, kernel.session.sign(parts), *parts])
        frames = kernel.sockets["shell"].recv_multipart()
        for _ in range(3):
            header = json.loads(frames[frames.index(b"<IDS|MSG>") + 2])
            self.assertRegex(header["date"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
            frames = kernel.sockets["iopub"].recv_multipart()

    @with_each()
    def test_bug_16_unknown_requests_are_answered(self, kernel, language):
        for channel in ("shell", "control"):
            for msg_type in ("no_such_request", "create_subshell_request"):
                self.assertEqual(kernel.ask(channel, msg_type)["status"], "error")
        debug = {"type": "request", "seq": 1, "command": "no such command", "arguments": {}}
        self.assertIsNotNone(kernel.ask("control", "debug_request", debug))
        self.assert_works(kernel, language)

    @with_each()
    def test_bug_17_a_message_counts_once(self, kernel, language):
        frames = kernel.signed_frames("execute_request", {"code": language.hello})
        kernel.sockets["shell"].send_multipart(frames)
        self.assertEqual(kernel.receive("shell")["content"]["execution_count"], 1)
        for channel in ("shell", "control"):
            kernel.sockets[channel].send_multipart(frames)
        kernel.ask("control", "kernel_info_request")
        self.assertEqual(kernel.run(language.hello).reply["execution_count"], 2)

    @with_each()
    def test_bug_18_nothing_on_iopub_that_the_protocol_does_not_have(self, kernel, language):
        raw = kernel.socket(zmq.SUB, "iopub")
        raw.rcvtimeo = DEADLINE * 1000
        kernel.sockets["raw"] = raw
        self.assertEqual(json.loads(raw.recv_multipart()[3])["msg_type"], "iopub_welcome")
        running = kernel.start(language.endless)
        kernel.interrupt()
        kernel.finish(running)
        kernel.shutdown()
        kernel.wait()
        seen = []
        while raw.poll(200):
            topic, *_ = frames = raw.recv_multipart()
            seen.append(json.loads(frames[frames.index(b"<IDS|MSG>") + 2])["msg_type"])
            self.assertNotIn(b"kernel_core", topic)
        self.assertLessEqual(set(seen), IOPUB)
        self.assertIn("error", seen)
