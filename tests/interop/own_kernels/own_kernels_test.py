"""Perijove's kernels in a plain jupyter_server: an older release and the current one, no gateway.

They are installed into an empty prefix by `perijove kernelspec install` and started, used,
interrupted, restarted and ended over HTTP and websockets, as JupyterLab does; and nbclient executes
a notebook in each.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

import places
import server
from wire import Wire, execute_request, is_idle, message, one_of_type, parent_of, text_of

SECONDS = 60


class Cells:
    """What a language is asked to do. `state` is None where a kernel keeps none."""

    def __init__(self, hello, error, endless, state=None, result=None):
        self.hello, self.error, self.endless = hello, error, endless
        self.state, self.result = state, result


KERNELS = {
    "perijove-echo": Cells(
        hello="print hello",
        error=("error ValueError no", "ValueError"),
        endless="print go\nsleep 600",
        state=("set x 41", "get x", "41"),
        result=("this comes back", "this comes back"),
    ),
    "bash": Cells(
        hello="echo hello",
        error=("(exit 3)", "CalledProcessError"),
        endless="echo go; sleep 600",
        state=("x=41", "echo $x", "41"),
    ),
    "javascript": Cells(
        hello="console.log('hello')",
        error=("null.x", "TypeError"),
        endless="console.log('go'); while (true) {}",
        state=("let x = 41", "console.log(x)", "41"),
        result=("6 * 7", "42"),
    ),
    "perijove-python": Cells(
        hello="print('hello')",
        error=("1/0", "ZeroDivisionError"),
        endless="print('go', flush=True)\nwhile True: pass",
        state=("x = 41", "print(x)", "41"),
        result=("6 * 7", "42"),
    ),
    "perijove-python-any": Cells(  # run by the Python of the server
        hello="print('hello')",
        error=("1/0", "ZeroDivisionError"),
        endless="print('go', flush=True)\nwhile True: pass",
        state=("x = 41", "print(x)", "41"),
        result=("6 * 7", "42"),
    ),
    "perl": Cells(
        hello="print qq(hello\\n)",
        error=("die 'no'", "PerlError"),
        endless="$| = 1; print qq(go\\n); sleep 600",
    ),
}

EXECUTE = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=60).execute()
nbformat.write(notebook, sys.argv[1])
"""


class PlainJupyter:
    """The same tests for each release; `python` names it."""

    python = None

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory(prefix="pji-"))
        )
        prefix = cls.directory / "prefix"
        subprocess.run(
            [places.perijove_binary(), "kernelspec", "install", "--prefix", prefix, *KERNELS],
            env={"PATH": os.environ["PATH"]},
            check=True,
            capture_output=True,
            timeout=SECONDS,
        )
        cls.environment = server.environment(cls.directory)
        cls.environment["JUPYTER_PATH"] = str(prefix / "share/jupyter")
        cls.work = cls.directory / "work"
        cls.work.mkdir()
        port = server.free_port()
        cls.server = server.Process(
            [
                str(cls.python()),
                "-m",
                "jupyter_server",
                "--allow-root",
                "--no-browser",
                "--ServerApp.ip=127.0.0.1",
                f"--ServerApp.port={port}",
                "--ServerApp.token=plain",
                "--ServerApp.port_retries=0",
                f"--ServerApp.root_dir={cls.work}",
            ],
            ready=r"http://127\.0\.0\.1:\d+/\S*token=",
            environment=cls.environment,
            directory=cls.work,
        )
        cls.addClassCleanup(cls.server.stop)
        server.wait_until_it_accepts(port)
        cls.remote = server.Remote(f"http://127.0.0.1:{port}", "plain")
        cls.remote.websocket_url = f"ws://127.0.0.1:{port}"

    def request(self, method, path, body=None, expected=200):
        status, _, answer = self.remote.request(method, path, body)
        self.assertEqual(status, expected, answer)
        return answer

    def wire(self, kernel_id):
        """Connected, with every channel open: the older release loses what comes before that."""
        wire = Wire(self.remote, kernel_id)
        self.addCleanup(wire.close)
        while True:
            asked = wire.send(message("kernel_info_request", {}))
            try:
                wire.receive_until(
                    lambda each: each["msg_type"] == "kernel_info_reply"
                    and each["parent_header"].get("msg_id") == asked,
                    2,
                )
                return wire
            except TimeoutError:
                pass

    def test_they_are_listed_with_their_logos(self):
        specs = self.request("GET", "/api/kernelspecs")["kernelspecs"]
        self.assertLessEqual(set(KERNELS), set(specs))
        for name in KERNELS:
            self.assertIn("logo-64x64", specs[name]["resources"])

    def use(self, name):
        cells = KERNELS[name]
        kernel = self.request("POST", "/api/kernels", {"name": name}, expected=201)["id"]
        path = f"/api/kernels/{kernel}"
        wire = self.wire(kernel)
        self.assertEqual(text_of(wire.execute(cells.hello)), "hello\n")
        if cells.result:
            code, value = cells.result
            result = one_of_type(wire.execute(code), "execute_result")
            self.assertEqual(result["content"]["data"]["text/plain"], value)
        code, ename = cells.error
        failed = wire.execute(code)
        self.assertEqual(one_of_type(failed, "error")["content"]["ename"], ename)
        self.assertEqual(one_of_type(failed, "execute_reply")["content"]["status"], "error")

        if cells.state:
            wire.execute(cells.state[0])
            self.assertIn(cells.state[2], self.shown(wire.execute(cells.state[1])))
        running = wire.send(execute_request(cells.endless))
        wire.receive_until(lambda each: each["msg_type"] == "stream")
        self.request("POST", f"{path}/interrupt", expected=204)
        error = one_of_type(wire.answers_to(running), "error")
        self.assertEqual(error["content"]["ename"], "KeyboardInterrupt")
        if cells.state:
            self.assertIn(cells.state[2], self.shown(wire.execute(cells.state[1])))

        self.request("POST", f"{path}/restart")
        wire = self.wire(kernel)
        if cells.state:
            self.assertNotIn(cells.state[2], self.shown(wire.execute(cells.state[1])))
        self.assertEqual(text_of(wire.execute(cells.hello)), "hello\n")
        self.request("DELETE", path, expected=204)
        self.assertEqual(self.kernels_left(), [])

    def shown(self, messages):
        """What a cell printed or returned."""
        results = [
            each["content"]["data"]["text/plain"]
            for each in messages
            if each["msg_type"] == "execute_result"
        ]
        return text_of(messages) + "".join(results)

    def kernels_left(self):
        """Processes of kernels below this server, once those that are ending have ended."""
        deadline = time.monotonic() + SECONDS
        while True:
            children = subprocess.run(
                ["ps", "--ppid", str(self.server.pid), "-o", "stat=,args="],
                capture_output=True,
                text=True,
            ).stdout.splitlines()
            left = [each for each in children if not each.startswith("Z")]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.05)

    def test_echo(self):
        self.use("perijove-echo")

    def test_bash(self):
        self.use("bash")

    def test_javascript(self):
        self.use("javascript")

    def test_python(self):
        self.use("perijove-python")

    def test_python_of_any_environment(self):
        self.use("perijove-python-any")

    def test_the_command_kernel(self):
        self.use("perl")

    def test_python_asks_for_input(self):
        kernel = self.request("POST", "/api/kernels", {"name": "perijove-python"}, 201)["id"]
        wire = self.wire(kernel)
        asked = wire.send(execute_request("print(input('? '))", allow_stdin=True))
        wire.receive_until(lambda each: each["msg_type"] == "input_request")
        wire.send(message("input_reply", {"value": "typed"}, channel="stdin"))
        self.assertEqual(text_of(wire.answers_to(asked)), "typed\n")
        self.request("DELETE", f"/api/kernels/{kernel}", expected=204)

    def test_python_is_debugged(self):
        kernel = self.request("POST", "/api/kernels", {"name": "perijove-python"}, 201)["id"]
        wire = self.wire(kernel)
        numbers = iter(range(1, 100))
        received = []  # all of it: what the cell prints may come before the reply to `continue`

        def receive_until(accept):
            while not any(map(accept, received)):
                received.append(wire.receive())
            return next(filter(accept, received))["content"]

        def debug(command, **arguments):
            request = message(
                "debug_request",
                {
                    "type": "request",
                    "seq": next(numbers),
                    "command": command,
                    "arguments": arguments,
                },
                channel="control",
            )
            asked = wire.send(request)
            reply = receive_until(
                lambda each: each["msg_type"] == "debug_reply" and parent_of(each) == asked
            )
            self.assertTrue(reply["success"], reply)
            return reply.get("body", {})

        code = "x = 41\ny = x + 1\nprint(y)"
        debug("initialize", clientID="test", adapterID="", pathFormat="path")
        debug("attach")
        path = debug("dumpCell", code=code)["sourcePath"]
        debug("setBreakpoints", source={"path": path}, breakpoints=[{"line": 3}])
        debug("configurationDone")
        running = wire.send(execute_request(code))
        stopped = receive_until(
            lambda each: each["msg_type"] == "debug_event" and each["content"]["event"] == "stopped"
        )["body"]
        frame = debug("stackTrace", threadId=stopped["threadId"])["stackFrames"][0]
        self.assertEqual((frame["line"], frame["source"]["path"]), (3, path))
        self.assertEqual(debug("evaluate", expression="y", frameId=frame["id"])["result"], "42")
        debug("setBreakpoints", source={"path": path}, breakpoints=[])
        debug("continue", threadId=stopped["threadId"])
        receive_until(lambda each: is_idle(each) and parent_of(each) == running)
        self.assertEqual(text_of(received), "42\n")
        self.request("DELETE", f"/api/kernels/{kernel}", expected=204)

    def test_nbclient_executes_a_notebook_in_each(self):
        for name, cells in KERNELS.items():
            with self.subTest(name):
                sources = [cells.hello, *(cells.state or ())[:2]]
                notebook = {
                    "nbformat": 4,
                    "nbformat_minor": 5,
                    "metadata": {"kernelspec": {"name": name, "display_name": name}},
                    "cells": [
                        {
                            "cell_type": "code",
                            "id": f"c{number}",
                            "metadata": {},
                            "execution_count": None,
                            "outputs": [],
                            "source": source,
                        }
                        for number, source in enumerate(sources)
                    ],
                }
                file = self.work / f"{name}.ipynb"
                file.write_text(json.dumps(notebook))
                done = subprocess.run(
                    [str(self.python()), "-c", EXECUTE, str(file)],
                    env=self.environment,
                    cwd=self.work,
                    capture_output=True,
                    text=True,
                    timeout=120,
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                executed = json.loads(file.read_text())["cells"]
                self.assertEqual("".join(executed[0]["outputs"][0]["text"]), "hello\n")
                if cells.state:
                    self.assertIn(cells.state[2], json.dumps(executed[2]["outputs"]))


class DebianJupyterTest(PlainJupyter, unittest.TestCase):
    python = staticmethod(lambda: places.DEBIAN_PYTHON)


class CurrentJupyterTest(PlainJupyter, unittest.TestCase):
    python = staticmethod(lambda: places.installed("jupyter", "bin", "python"))


if __name__ == "__main__":
    unittest.main()
