"""Cells: state, values, counts, magics, await, errors, questions to the client."""

from support import PythonKernelTestCase


class Cells(PythonKernelTestCase):
    def test_state_stays(self):
        self.assertIsNone(self.result("import math; x = 20"))
        self.assertEqual(self.result("def f(): return x + 1\nf()"), "21")
        self.assertEqual(self.result("__name__"), "'__main__'")
        self.assertEqual(
            self.result("_ + ' ' + In[2][:5] + ' ' + str(Out[2])"), "'__main__ def f 21'"
        )
        self.assertEqual(self.result("x;"), None)

    def test_know_where_they_run(self):
        self.assertEqual(self.result("get_ipython().__class__.__name__"), "'ZMQInteractiveShell'")
        self.assertEqual(self.result("'IPKernelApp' in get_ipython().config"), "True")
        self.assertEqual(self.result("import sys; len(sys.argv), sys.argv[1]"), "(3, '-f')")
        self.assertEqual(
            self.result(
                "import subprocess; subprocess.check_output([sys.executable, '-c', 'print(1)'])"
            ),
            "b'1\\n'",
        )

    def test_are_counted_when_they_are_stored(self):
        counts = []
        for options in ({}, {"store_history": False}, {"silent": True}, {}):
            run = self.py.run("1", **options)
            counts.append(run.reply["execution_count"])
        self.assertEqual((counts[0], counts[-1]), (1, 2))

    def test_that_are_silent_publish_no_input_and_no_result(self):
        run = self.py.run("7", silent=True)
        self.assertEqual([m["msg_type"] for m in run.messages], ["status", "status"])

    def test_evaluate_user_expressions(self):
        run = self.py.run(
            "a = 6", user_expressions={"good": "a * 7", "bad": "nothing_there", "worse": "1/"}
        )
        values = run.reply["user_expressions"]
        self.assertEqual(values["good"]["data"]["text/plain"], "42")
        self.assertEqual((values["bad"]["status"], values["bad"]["ename"]), ("error", "NameError"))
        self.assertEqual(values["worse"]["ename"], "SyntaxError")

    def test_behind_one_that_fails_are_aborted(self):
        first = self.py.client.execute("import time; time.sleep(0.3); 1/0")
        second = self.py.client.execute("print('second')")
        third = self.py.client.execute("print('third')")
        self.assertEqual(self.py.reply(first)["ename"], "ZeroDivisionError")
        self.assertEqual(self.py.reply(second)["status"], "aborted")
        self.assertEqual(self.py.reply(third)["status"], "aborted")

    def test_behind_one_that_may_fail_are_run(self):
        first = self.py.client.execute("import time; time.sleep(0.3); 1/0", stop_on_error=False)
        second = self.py.client.execute("1")
        self.assertEqual(self.py.reply(first)["status"], "error")
        self.assertEqual(self.py.reply(second)["status"], "ok")

    def test_magics(self):
        self.assertIn("per loop", self.py.run("%timeit -n1 -r1 pass").stdout)
        self.assertEqual(self.py.run("!printf one; printf two >&2").text, "onetwo")
        self.assertEqual(self.result("files = !echo a; echo b\nfiles"), "['a', 'b']")
        run = self.py.run("%%bash\necho out\necho err >&2\n")
        self.assertEqual((run.stdout, run.stderr), ("out\n", "err\n"))
        self.assertEqual(self.py.run("%%bash\nexit 3").error[0], "CalledProcessError")
        self.assertEqual(self.result("%cd -q /\nimport os; os.getcwd()"), "'/'")
        self.assertEqual(self.py.run("%%capture kept\nprint('kept')").text, "")
        self.assertEqual(self.result("kept.stdout"), "'kept\\n'")

    def test_send_payloads(self):
        page = self.py.run("zip?").reply["payload"]
        self.assertEqual([p["source"] for p in page], ["page"])
        self.assertIn("text/plain", page[0]["data"])
        [payload] = self.py.run("get_ipython().set_next_input('x = 1')").reply["payload"]
        self.assertEqual((payload["source"], payload["text"]), ("set_next_input", "x = 1"))
        self.assertEqual(self.py.run("1").reply["payload"], [])

    def test_exit_ends_the_kernel_after_its_reply(self):
        self.py.client.execute("exit")
        self.assertEqual(self.py.client.get_shell_msg(timeout=60)["content"]["status"], "ok")
        self.wait_until(lambda: not self.py.manager.is_alive())

    def test_at_the_end_exit_handlers_run(self):
        import tempfile

        with tempfile.NamedTemporaryFile() as file:
            self.result(
                f"import atexit; atexit.register(lambda: open({file.name!r}, 'w').write('bye'));"
            )
            self.py.client.shutdown()
            self.wait_until(lambda: not self.py.manager.is_alive())
            self.assertEqual(file.read(), b"bye")


class Await(PythonKernelTestCase):
    def test_stands_at_the_top_level(self):
        self.assertEqual(self.result("import asyncio\nawait asyncio.sleep(0.01, 'done')"), "'done'")
        self.assertEqual(
            self.failed("async def f(): raise KeyError(1)\nawait f()"), ("KeyError", "1")
        )
        self.result("async def count():\n    yield 1; yield 2")
        self.assertEqual(self.result("[x async for x in count()]"), "[1, 2]")

    def test_tasks_go_on_between_cells(self):
        self.result("import asyncio, threading; seen = threading.Event(); n = []")
        self.result("async def later():\n    await asyncio.sleep(0.05); n.append(1); seen.set()")
        self.result("task = asyncio.create_task(later())")
        # Nothing awaits the task but the idle kernel; a thread waits for it and says so.
        msg_id = self.py.client.execute(
            "threading.Thread(target=lambda: (seen.wait(), print('seen'))).start()"
        )
        for message in self.py.iopub(msg_id, until_idle=False):
            if message["msg_type"] == "stream":
                self.assertEqual(message["content"]["text"], "seen\n")
                break
        self.assertEqual(self.result("n, task.done()"), "([1], True)")

    def test_cells_run_inside_the_loop(self):
        self.assertEqual(
            self.result("import asyncio; asyncio.get_running_loop().is_running()"), "True"
        )
        self.assertEqual(self.failed("asyncio.run(asyncio.sleep(0))")[0], "RuntimeError")

    def test_a_task_cannot_end_the_kernel(self):
        self.result("import asyncio, sys\nasync def end(): sys.exit(1)")
        run = self.py.run(
            "task = asyncio.get_running_loop().create_task(end())\nawait asyncio.sleep(0.05)\n1"
        )
        self.assertEqual(run.results, ["1"])
        self.assertIn("SystemExit: 1", run.stderr)


class Errors(PythonKernelTestCase):
    def test_have_name_value_and_traceback(self):
        run = self.py.run("def f():\n    return [][1]\nf()")
        self.assertEqual(run.error, ("IndexError", "list index out of range"))
        self.assertIn("line 2", run.traceback)
        self.assertIn("line 3", run.traceback)

    def test_in_syntax_have_a_place(self):
        run = self.py.run("x = (1,\ny = 2")
        self.assertEqual(run.error[0], "SyntaxError")
        self.assertIn("line 1", run.traceback)

    def test_exits_keep_the_kernel(self):
        self.assertEqual(self.failed("import sys; sys.exit(3)"), ("SystemExit", "3"))
        self.assertEqual(self.result("1"), "1")

    def test_in_threads_are_printed(self):
        run = self.py.run(
            "import threading; t = threading.Thread(target=lambda: 1/0); t.start(); t.join()"
        )
        self.assertIn("ZeroDivisionError", run.stderr)
        self.assertEqual(run.reply["status"], "ok")

    def test_can_be_shown_again(self):
        self.failed("1/0")
        [again] = self.py.run("%tb").contents("error")
        self.assertEqual(again["ename"], "ZeroDivisionError")


class Questions(PythonKernelTestCase):
    def test_reach_the_client_and_come_back(self):
        msg_id = self.py.client.execute("print('before'); name = input('name? ')", allow_stdin=True)
        question = self.answer_question(self.py, msg_id, "Ada")
        self.assertEqual((question["prompt"], question["password"]), ("name? ", False))
        self.assertEqual(self.py.finish(msg_id).stdout, "before\n")
        self.assertEqual(self.result("name"), "'Ada'")

    def test_for_passwords_say_so(self):
        msg_id = self.py.client.execute("import getpass; p = getpass.getpass('pw')")
        question = self.answer_question(self.py, msg_id, "secret é€")
        self.assertEqual((question["prompt"], question["password"]), ("pw", True))
        self.py.finish(msg_id)
        self.assertEqual(self.result("p"), "'secret é€'")

    def test_are_refused_where_nobody_answers(self):
        run = self.py.run("input()", allow_stdin=False)
        self.assertEqual(run.error[0], "StdinNotImplementedError")
        self.assertIn("does not support input requests", run.error[1])

    def test_of_the_debugger(self):
        self.failed("def f():\n    secret = 41\n    1/0\nf()")
        msg_id = self.py.client.execute("%debug")
        self.answer_question(self.py, msg_id, "p secret + 1")
        self.answer_question(self.py, msg_id, "q")
        self.assertIn("42", self.py.finish(msg_id).stdout)


class Help(PythonKernelTestCase):
    def test_completes(self):
        self.result("import os; variable_of_mine = {'key': 1}")
        reply = self.py.ask("complete", "os.pat", 6)
        self.assertIn("path", [m.rpartition(".")[2] for m in reply["matches"]])
        self.assertEqual((reply["status"], reply["cursor_end"]), ("ok", 6))
        self.assertIn("variable_of_mine", self.py.ask("complete", "é = variable_o")["matches"])
        types = reply["metadata"]["_jupyter_types_experimental"]
        self.assertEqual(types[0]["text"], reply["matches"][0])

    def test_inspects(self):
        reply = self.py.ask("inspect", "zip(", 4)
        self.assertTrue(reply["found"])
        self.assertIn("zip", reply["data"]["text/plain"])
        self.assertFalse(self.py.ask("inspect", "not_there")["found"])

    def test_says_whether_code_is_complete(self):
        for code, status in (("x = 1", "complete"), ("if x:", "incomplete"), ("x ===", "invalid")):
            self.assertEqual(self.py.ask("is_complete", code)["status"], status, code)
        self.assertEqual(self.py.ask("is_complete", "if x:")["indent"], "    ")

    def test_remembers_inputs(self):
        self.py.run("a = 1")
        self.py.run("b = 2", store_history=False)
        self.py.run("c = 3")
        items = self.py.reply(self.py.client.history(hist_access_type="tail", n=5))["history"]
        self.assertEqual([item[2] for item in items], ["a = 1", "c = 3"])
        self.assertIn("a = 1", self.py.run("%history").stdout)
