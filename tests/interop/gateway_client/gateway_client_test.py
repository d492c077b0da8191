"""`jupyter server --gateway-url` in front of the gateway: an older release and the current one.

What a notebook server does for its users it then does through the gateway: kernelspecs, kernels,
sessions, websockets. Notebooks are executed with nbclient and nbconvert on that server's own
kernel managers, as its extensions do.
"""

import base64
import json
import os
import pathlib
import subprocess
import tempfile
import unittest
import urllib.request

import places
import server

# Who stands in front: a Python with jupyter_server, nbclient and nbconvert.
FRONTS = {
    "debian": lambda: places.DEBIAN_PYTHON,
    "current": lambda: places.installed("jupyter", "bin", "python"),
}

NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
    },
    "cells": [
        {
            "cell_type": "code",
            "id": name,
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for name, source in {
            "state": "import os\nx = 20\nprint('printed')",
            "result": "x + 22",
            "table": "import pandas\npandas.DataFrame({'month': ['Jan', 'Feb'], 'revenue': [10, 20]})",
            "chart": "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);",
            "display": "from IPython.display import display, HTML\nh = display(HTML('<i>old</i>'), display_id='d')",
            "update": "display(HTML('<b>new</b>'), display_id='d', update=True)",
        }.items()
    ],
}


class FrontTest:
    """The same tests for each front; `python` names it."""

    python = None

    @classmethod
    def setUpClass(cls):
        cls.gateway = server.Server()
        cls.addClassCleanup(cls.gateway.stop)
        cls.directory = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory(prefix="pji-"))
        )
        cls.environment = server.environment(cls.directory)
        cls.environment["PYTHONPATH"] = os.pathsep.join(
            [str(places.INTEROP / "support"), str(pathlib.Path(__file__).parent)]
        )
        cls.port = server.free_port()
        cls.front = server.Process(
            [
                str(cls.python()),
                "-m",
                "jupyter_server",
                "--allow-root",
                "--no-browser",
                "--ServerApp.ip=127.0.0.1",
                f"--ServerApp.port={cls.port}",
                "--ServerApp.token=front",
                "--ServerApp.port_retries=0",
                f"--gateway-url={cls.gateway.url}",
                f"--GatewayClient.auth_token={cls.gateway.token}",
                f"--ServerApp.root_dir={cls.directory}",
            ],
            ready=r"http://127\.0\.0\.1:\d+/\S*token=",
            environment=cls.environment,
            directory=cls.directory,
        )
        cls.addClassCleanup(cls.front.stop)

    def request(self, method, path, body=None):
        target = server.Remote(f"http://127.0.0.1:{self.port}", "front")
        return target.request(method, path, body)

    def run_program(self, *arguments, seconds=120):
        result = subprocess.run(
            [str(self.python()), *map(str, arguments)],
            env=self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        self.assertEqual(result.returncode, 0, f"{result.stdout}\n{result.stderr}")
        return result.stdout

    def test_kernelspecs_are_those_of_the_gateway(self):
        status, _, specs = self.request("GET", "/api/kernelspecs")
        self.assertEqual(status, 200)
        own = self.gateway.request("GET", "/api/kernelspecs")[2]
        self.assertEqual(set(specs["kernelspecs"]), set(own["kernelspecs"]))
        self.assertEqual(specs["default"], own["default"])

    def test_a_logo_is_fetched_through_both(self):
        _, _, specs = self.request("GET", "/api/kernelspecs")
        resources = [
            url
            for spec in specs["kernelspecs"].values()
            for url in spec["resources"].values()
            if url.endswith(".png")
        ]
        self.assertNotEqual(resources, [])
        for url in resources:
            # As bytes: the older release calls a picture JSON.
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{url}?token=front", timeout=60
            ) as answer:
                self.assertEqual((answer.status, answer.read(4)), (200, b"\x89PNG"), url)

    def test_a_kernel_is_started_used_restarted_interrupted_and_ended(self):
        said = self.run_program(
            pathlib.Path(__file__).with_name("use_kernel.py"),
            f"http://127.0.0.1:{self.port}",
            "front",
        )
        self.assertTrue(said.endswith("ended\n"), said)

    def test_a_session_starts_a_kernel_at_the_gateway_and_ends_it(self):
        body = {"path": "s.ipynb", "type": "notebook", "name": "s", "kernel": {"name": "python3"}}
        status, _, session = self.request("POST", "/api/sessions", body)
        self.assertEqual(status, 201, session)
        path = f"/api/kernels/{session['kernel']['id']}"
        self.assertEqual(self.gateway.request("GET", path)[0], 200)
        self.assertEqual(self.request("DELETE", f"/api/sessions/{session['id']}")[0], 204)
        self.assertEqual(self.gateway.request("GET", path)[0], 404)

    def check_outputs(self, notebook):
        outputs = {cell["id"]: cell["outputs"] for cell in notebook["cells"]}
        self.assertEqual(outputs["state"][0]["text"], "printed\n")
        self.assertEqual(outputs["result"][0]["data"]["text/plain"], "42")
        self.assertIn("<table", outputs["table"][0]["data"]["text/html"])
        chart = outputs["chart"][-1]["data"]["image/png"]
        self.assertTrue(base64.b64decode(chart).startswith(b"\x89PNG\r\n"))
        self.assertEqual(outputs["display"][0]["data"]["text/html"], "<b>new</b>")

    def execute(self, how, kernel="python3"):
        source, target = self.directory / "source.ipynb", self.directory / f"{how}.ipynb"
        source.write_text(json.dumps(NOTEBOOK))
        # Both releases' GatewayKernelClient opens its websocket without any token.
        with server.Server(token="") as gateway:
            self.run_program(
                pathlib.Path(__file__).with_name("execute_notebook.py"),
                how,
                kernel,
                gateway.url,
                source,
                target,
            )
            self.assertEqual(gateway.request("GET", "/api/kernels")[2], [], "a kernel was left")
        notebook = json.loads(target.read_text())
        for cell in notebook["cells"]:
            for output in cell["outputs"]:
                for key in ("text", "data"):
                    if isinstance(output.get(key), list):
                        output[key] = "".join(output[key])
                for mime, value in output.get("data", {}).items():
                    if isinstance(value, list):
                        output["data"][mime] = "".join(value)
        self.check_outputs(notebook)

    def test_nbclient_executes_a_notebook_on_the_gateway(self):
        self.execute("nbclient")

    def test_nbclient_waits_for_a_kernel_that_takes_its_time(self):
        # Its client asks once a second whether the kernel lives, and falls over its own feet in
        # doing so; a server that opens the websocket when the kernel has come up never sees it ask.
        self.execute("nbclient", "slow")

    def test_nbconvert_executes_a_notebook_on_the_gateway(self):
        self.execute("nbconvert")


class DebianFrontTest(FrontTest, unittest.TestCase):
    python = staticmethod(FRONTS["debian"])


class CurrentFrontTest(FrontTest, unittest.TestCase):
    python = staticmethod(FRONTS["current"])


if __name__ == "__main__":
    unittest.main()
