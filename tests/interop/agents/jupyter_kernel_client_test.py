"""jupyter-kernel-client, which jupyter-mcp-server uses, the real one, on the gateway."""

import unittest
from unittest import mock

import requests
from jupyter_kernel_client import JupyterKernelClient

import places
from peers import known_to_fail_on
from server import Server


@unittest.skipIf(places.server_kind() == "jupyter_kernel_gateway", "the peer does not know Bearer")
class KernelClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)

    def client(self, **options):
        # The timeout is how long its end may wait for its own thread, which at times sleeps on.
        return JupyterKernelClient(
            server_url=self.server.url,
            token=self.server.token,
            client_kwargs={"timeout": 2},
            **options,
        )

    def test_q15_code_is_executed_with_its_outputs(self):
        with self.client() as kernel:
            reply = kernel.execute("import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7")
            self.assertEqual((reply["status"], reply["execution_count"]), ("ok", 1))
            streams = {
                each["name"]: each["text"]
                for each in reply["outputs"]
                if each["output_type"] == "stream"
            }
            self.assertEqual(streams, {"stdout": "out\n", "stderr": "err\n"})
            self.assertEqual(reply["outputs"][-1]["data"], {"text/plain": "42"})

    def test_q33_state_errors_and_displays(self):
        with self.client() as kernel:
            kernel.execute("x = [1, 2]")
            self.assertEqual(kernel.execute("x")["outputs"][0]["data"]["text/plain"], "[1, 2]")
            reply = kernel.execute("1 / 0", stop_on_error=False)
            self.assertEqual(reply["status"], "error")
            self.assertEqual(reply["outputs"][0]["ename"], "ZeroDivisionError")
            shown = kernel.execute("from IPython.display import HTML; HTML('<b>b</b>')")["outputs"][
                0
            ]
            self.assertEqual(shown["data"]["text/html"], "<b>b</b>")

    def test_variables_pass_both_ways(self):
        with self.client() as kernel:
            kernel.execute("answer = 42")
            self.assertIn("answer", [each["name"] for each in kernel.list_variables()])

    def test_input_is_asked_for(self):
        with self.client() as kernel:
            reply = kernel.execute(
                "print(input('name? '))",
                allow_stdin=True,
                stdin_hook=lambda asked: kernel._manager.client.input(
                    f"to {asked['content']['prompt']}"
                ),
            )
            self.assertEqual(reply["outputs"][-1]["text"].strip(), "to name?")

    def test_a_second_client_joins_a_running_kernel(self):
        with self.client() as kernel:
            kernel.execute("shared = 1")
            with self.client(kernel_id=kernel.id) as other:
                self.assertEqual(other.execute("shared")["outputs"][0]["data"]["text/plain"], "1")
            self.assertTrue(kernel.is_alive())

    def test_interrupt_and_restart(self):
        with self.client() as kernel:
            kernel.execute("x = 1")
            kernel.interrupt()
            kernel.restart()
            self.assertEqual(kernel.execute("x")["outputs"][0]["ename"], "NameError")

    @known_to_fail_on(jupyter_server="starts a kernel again that was asked to shut down")
    def test_q31_after_its_shutdown_request_the_kernel_is_not_found(self):
        with self.client() as kernel:
            kernel.execute("1")
            url = f"{self.server.url}/api/kernels/{kernel.id}"
            with mock.patch("requests.delete") as delete:
                kernel._manager.shutdown_kernel(now=False)
            delete.assert_not_called()  # or the client had lost patience
        self.assertEqual(
            requests.get(url, params={"token": self.server.token}, timeout=10).status_code, 404
        )

    def test_the_state_of_a_kernel_can_be_read(self):
        with self.client() as kernel:
            kernel.execute("1")
            self.assertIn(kernel.id, [each["id"] for each in kernel.list_kernels()])
            self.assertIn(kernel.execution_state, ("idle", "busy", "starting"))
            self.assertIsNotNone(kernel.last_activity)


if __name__ == "__main__":
    unittest.main()
