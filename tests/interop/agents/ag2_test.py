"""AG2's JupyterCodeExecutor and LocalJupyterServer, the real ones, on the gateway."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import local_gateway
from server import Server


def run(executor, *codes):
    from autogen.coding.base import CodeBlock

    return executor.execute_code_blocks([CodeBlock(code=code, language="python") for code in codes])


class Ag2Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        from autogen.coding.jupyter import JupyterCodeExecutor, JupyterConnectionInfo

        output = tempfile.TemporaryDirectory()
        self.addCleanup(output.cleanup)
        info = JupyterConnectionInfo(
            host="127.0.0.1", use_https=False, port=self.server.port, token=self.server.token
        )
        self.executor = JupyterCodeExecutor(info, timeout=30, output_dir=output.name)
        self.addCleanup(self.executor.stop)
        self.addCleanup(lambda: self.executor._jupyter_kernel_client.stop())

    # rows: J04 J09
    def test_state_is_kept_between_blocks_and_calls(self):
        result = run(self.executor, "x = 20", "print(x + 1)")
        self.assertEqual((result.exit_code, result.output), (0, "\n21\n"))
        self.assertEqual(run(self.executor, "x * 2").output, "40")

    def test_an_error_ends_the_blocks(self):
        result = run(self.executor, "1 / 0", "print('never')")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("ERROR: ERROR: ZeroDivisionError: division by zero", result.output)

    # rows: K04 J07
    def test_pictures_become_files(self):
        code = """from IPython.display import Image, HTML, display
display(Image(data=b"\\x89PNG\\r\\n\\x1a\\n", format="png"), HTML("<b>b</b>"))"""
        result = run(self.executor, code)
        self.assertEqual(result.exit_code, 0, result.output)
        picture, page = result.output_files
        self.assertEqual(pathlib.Path(picture).read_bytes(), b"\x89PNG\r\n\x1a\n")
        self.assertEqual(pathlib.Path(page).read_text(), "<b>b</b>")

    def test_code_that_outlasts_the_timeout_leaves_a_kernel_that_can_be_restarted(self):
        self.executor._timeout = 1
        result = run(self.executor, "import time; time.sleep(60)")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("Timeout", result.output)
        self.executor._timeout = 30
        self.executor._jupyter_kernel_client.stop()
        self.executor.restart()
        self.assertEqual(run(self.executor, "print(42)").output, "42\n")


@unittest.skipUnless(local_gateway.can_be_started(), "the peer has no such name")
class Ag2LocalServerTest(unittest.TestCase):
    def setUp(self):
        self.enterContext(local_gateway.installed())

    def test_q27_the_version_can_be_asked(self):
        for command in (
            ["jupyter", "kernelgateway"],
            [sys.executable, "-m", "jupyter", "kernelgateway"],
        ):
            with self.subTest(command):
                answer = subprocess.run(
                    [*command, "--version"], capture_output=True, text=True, timeout=60
                )
                self.assertEqual(answer.returncode, 0, answer.stderr)
                self.assertRegex(answer.stdout, r"\d+\.\d+")

    # rows: J13
    def test_q27_it_is_started_found_by_its_words_and_stopped(self):
        # Asks for the program while it is imported.
        from autogen.coding.jupyter import JupyterCodeExecutor, LocalJupyterServer

        for token in (LocalJupyterServer.GenerateToken(), "chosen-token"):
            server = LocalJupyterServer(token=token)
            try:
                with JupyterCodeExecutor(server, timeout=30) as executor:
                    self.assertEqual(run(executor, "print(6 * 7)").output, "42\n")
                    executor._jupyter_kernel_client.stop()
            finally:
                server.stop()
                server._subprocess.stdout.close()
                server._subprocess.stderr.close()
            self.assertEqual(server._subprocess.returncode, 0)

    def test_q27_a_port_that_is_taken_is_told_at_once(self):
        import socket

        from autogen.coding.jupyter import LocalJupyterServer

        with socket.create_server(("127.0.0.1", 0)) as taken:
            with self.assertRaisesRegex(ValueError, "failed to start"):
                LocalJupyterServer(port=taken.getsockname()[1])


if __name__ == "__main__":
    unittest.main()
