"""The JavaScript kernel: state, results, errors, interrupts, and what it leaves behind."""

import os
import signal
import subprocess
import tempfile

from guest_tests import GuestKernelTestCase, is_alive


class JavascriptKernelTestCase(GuestKernelTestCase):
    kernel_name = "javascript"

    def setUp(self):
        self.js = self.started()

    def result(self, code):
        run = self.js.run(code)
        self.assertEqual((run.error, run.text), (None, ""), code)
        return run.results[0] if run.results else None


class State(JavascriptKernelTestCase):
    def test_persists_and_can_be_declared_again(self):
        self.assertIsNone(self.result("let a = 1; const b = 2; var c = 3"))
        self.result("function f() { return a + b + c } class K { m() { return 'one' } }")
        self.assertEqual(self.result("f()"), "6")
        self.result("let a = 10; const b = 20; class K { m() { return 'two' } }")
        self.assertEqual(self.result("f()"), "33")
        self.assertEqual(self.result("new K().m()"), "'two'")

    def test_await_at_the_top_level(self):
        self.assertEqual(self.result("const x = await Promise.resolve(42); x + 1"), "43")
        self.assertEqual(self.result("x"), "42")
        self.assertEqual(
            self.js.run("await Promise.reject(new RangeError('no'))").error, ("RangeError", "no")
        )

    def test_modules_are_found_from_the_work_directory(self):
        with tempfile.TemporaryDirectory() as directory:
            with open(directory + "/mine.js", "w") as file:
                file.write("exports.answer = 42")
            js = self.started(cwd=directory)
            self.assertEqual(js.run("require('./mine').answer").results, ["42"])
        self.assertEqual(self.result("require('path').join('a', 'b')"), "'a/b'")


class Outputs(JavascriptKernelTestCase):
    def test_streams_are_apart(self):
        run = self.js.run("console.log('out'); console.error('err'); process.stdout.write('é€😀')")
        self.assertEqual((run.stdout, run.stderr, run.results), ("out\né€😀", "err\n", ["true"]))

    def test_results_are_inspected(self):
        for code, text in (
            ("({a: [1, 'x'], m: new Map([[1, 2]])})", "{ a: [ 1, 'x' ], m: Map(1) { 1 => 2 } }"),
            ("null", "null"),
            ("undefined", None),
            ("let q = 1", None),
            ("-0", "-0"),
            ("10n", "10n"),
            ("NaN", "NaN"),
            ("Symbol('s')", "Symbol(s)"),
            ("({})", "{}"),
            ("// none", None),
            ("", None),
        ):
            with self.subTest(code):
                self.assertEqual(self.result(code), text)

    def test_displays(self):
        run = self.js.run(
            "console.log(1); display('text/html', '<b>x</b>'); console.log(2); display('image/png', Buffer.from([1, 2, 3])); display('application/json', {a: 1})"
        )
        self.assertEqual(run.stdout, "1\n2\n")
        self.assertEqual(
            [c["data"] for c in run.contents("display_data")],
            [{"text/html": "<b>x</b>"}, {"image/png": "AQID"}, {"application/json": {"a": 1}}],
        )
        self.assertEqual(self.js.run("display('x')").error[0], "TypeError")

    def test_of_timers_come_with_the_last_block(self):
        msg_id = self.js.client.execute("setTimeout(() => console.log('late'), 200); 0")
        self.js.finish(msg_id)
        for message in self.js.iopub(msg_id, until_idle=False):
            self.assertEqual(message["content"], {"name": "stdout", "text": "late\n"})
            break

    def test_nothing_printed_can_pass_for_the_end(self):
        run = self.js.run(
            """console.log('{"done":{}}\\n'); await new Promise(r => setTimeout(r, 100)); 'end'"""
        )
        self.assertEqual(run.results, ["'end'"])

    def test_a_large_output(self):
        run = self.js.run("console.log('x'.repeat(20_000_000))")
        self.assertEqual(len(run.stdout), 20_000_001)


class Errors(JavascriptKernelTestCase):
    def test_frames_name_the_block(self):
        run = self.js.run("let before = 1;\nfunction f() {\n  null.x\n}\nf()")
        self.assertEqual(run.error, ("TypeError", "Cannot read properties of null (reading 'x')"))
        number = run.reply["execution_count"]
        frames = run.reply["traceback"][1:]
        self.assertEqual(frames, [f"    at f (<cell {number}>:3:8)", f"    at <cell {number}>:5:1"])
        again = self.js.run("\nf()")
        self.assertIn(f"    at f (<cell {number}>:3:8)", again.reply["traceback"])

    def test_syntax_errors_have_a_place(self):
        run = self.js.run("let ok = 1;\na b c")
        self.assertEqual(run.error[0], "SyntaxError")
        self.assertRegex(run.traceback, r"at <cell \d+>:2:3")
        for code in ("(", "'open", "`open", "/* open", "}", "{"):
            with self.subTest(code):
                self.assertEqual(self.js.run(code).error[0], "SyntaxError")
        self.assertEqual(self.result("1"), "1")

    def test_anything_can_be_thrown(self):
        for code, message in (
            ("throw 3", "3"),
            ("throw null", "null"),
            ("throw {a: 1}", "{ a: 1 }"),
            ("throw undefined", "undefined"),
        ):
            with self.subTest(code):
                self.assertEqual(self.js.run(code).error, ("Error", message))

    def test_late_ones_are_told_and_survived(self):
        run = self.js.run(
            "setTimeout(() => { throw new Error('late') }); Promise.reject(new Error('rejected')); await new Promise(r => setTimeout(r, 100))"
        )
        self.assertIsNone(run.error)
        self.assertIn("Uncaught Error: late", run.stderr)
        self.assertIn("Uncaught Error: rejected", run.stderr)

    def test_state_survives(self):
        self.js.run("let kept = 1; throw new Error('x')")
        self.assertEqual(self.result("kept"), "1")


class Exit(JavascriptKernelTestCase):
    def test_process_exit(self):
        self.result("var x = 1")
        run = self.js.run("console.log('a'); process.exit(3)")
        self.assertEqual((run.error, run.stdout), (("SystemExit", "3"), "a\n"))
        self.assertIn("fresh", run.stderr)
        self.assertEqual(self.result("typeof x"), "'undefined'")

    def test_zero_is_no_error(self):
        self.assertIsNone(self.js.run("process.exit()").error)

    def test_a_killed_node(self):
        self.assertEqual(
            self.js.run("process.kill(process.pid, 'SIGKILL'); while (true);").error,
            ("CalledProcessError", "exit status 137"),
        )
        self.assertEqual(self.result("1"), "1")


class Interrupts(JavascriptKernelTestCase):
    FOR_EVER = (
        "while (true) {}",
        "await new Promise(() => {})",
        "await 1; while (true) {}",
        "await new Promise(r => setTimeout(r, 600_000))",
        "require('child_process').execSync('sleep 600')",
        "for (;;) await null",
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
    )

    def ended(self, code, interrupt):
        msg_id = self.js.start("var state = 'kept'; console.log('go'); " + code, until="go\n")
        interrupt()
        self.assertEqual(self.js.finish(msg_id).error, ("KeyboardInterrupt", ""))
        self.assertEqual(self.result("state"), "'kept'")

    def test_by_message(self):
        for code in self.FOR_EVER:
            with self.subTest(code):
                self.ended(code, self.js.interrupt)

    def test_by_signal_to_the_group(self):
        for code in self.FOR_EVER:
            with self.subTest(code):
                self.ended(code, lambda: os.killpg(self.js.pid, signal.SIGINT))


class End(JavascriptKernelTestCase):
    def test_shutdown_leaves_no_process(self):
        for last in ("0", "while (true) {}", "await new Promise(() => {})"):
            with self.subTest(last):
                js = self.started()
                js.start(
                    "require('child_process').spawn('sleep', ['600'], {detached: true}); console.log('go');"
                    + last,
                    until="go\n",
                )
                pids = js.descendants()
                self.assertEqual(len(pids), 2)
                for pid in pids:
                    self.end_later(pid)
                js.manager.shutdown_kernel()
                self.wait_until(lambda: not any(map(is_alive, pids)))

    def test_a_killed_kernel_takes_node_along(self):
        for code in ("0", "while (true) {}", "require('child_process').execSync('sleep 600')"):
            with self.subTest(code):
                js = self.started()
                js.start("console.log('go'); " + code, until="go\n")
                if "sleep" in code:
                    self.wait_until(lambda: len(js.descendants()) > 1)
                pids = js.descendants()
                for pid in pids:
                    self.end_later(pid)
                self.assertGreater(len(pids), 0)
                os.kill(js.pid, signal.SIGKILL)
                self.wait_until(lambda: not any(map(is_alive, pids)))


class Requests(JavascriptKernelTestCase):
    def test_kernel_info(self):
        self.assertEqual(self.js.ask("kernel_info")["language_info"]["name"], "javascript")

    def test_is_complete(self):
        for status, codes in {
            "complete": ("1", "await 1", ""),
            "incomplete": ("{", "f(", "`a", "if (a) {"),
            "invalid": ("a b", "}"),
        }.items():
            for code in codes:
                with self.subTest(code):
                    self.assertEqual(self.js.ask("is_complete", code)["status"], status)

    def test_completion(self):
        self.result("const my_object = {alpha: 1, beta: {gamma: 2}}; var my_other = 1")
        for code, matches in (
            ("my_o", ["my_object", "my_other"]),
            ("é; my_object.al", ["alpha"]),
            ("my_object.beta.g", ["gamma"]),
            ("nothing.x", []),
            ("x = Math.sqr", ["sqrt"]),
        ):
            with self.subTest(code):
                reply = self.js.ask("complete", code, len(code))
                self.assertEqual(reply["matches"], matches)
                self.assertEqual(reply["cursor_end"], len(code))


class WithoutNode(JavascriptKernelTestCase):
    def setUp(self):
        pass

    def test_it_says_so(self):
        from jupyter_client.kernelspec import get_kernel_spec

        executable = get_kernel_spec("javascript").argv[0]
        run = subprocess.run(
            [executable, "-f", "/none"], env={"PATH": "/none"}, capture_output=True, text=True
        )
        self.assertEqual(run.returncode, 1)
        self.assertIn("there is no 'node' on PATH; install Node.js", run.stderr)
