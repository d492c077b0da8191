"""Executors that start a kernel by themselves, the real ones, on a kernel of the gateway.

AutoGen's JupyterCodeExecutor does it with nbclient, AG2's EmbeddedIPythonCodeExecutor with
jupyter_client. Neither can be told of a server; a kernelspec whose program passes everything on
(proxy_kernel.py) brings them to it unchanged.
"""

import json
import os
import pathlib
import sys
import tempfile
import unittest
import warnings
from unittest import mock

from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock
from autogen_ext.code_executors.jupyter import JupyterCodeExecutor

import local_gateway
from server import Server

HERE = pathlib.Path(__file__).resolve().parent
PICTURE = """from IPython.display import Image, HTML, display
import base64
display(HTML("<table></table>"))
Image(base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="))"""


class WithProxyKernel:
    insists_on_a_gateway = False  # on this machine, by its name, without ever using it

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        if cls.insists_on_a_gateway:
            cls.enterClassContext(local_gateway.installed())
        share = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        kernel = share / "kernels" / "of-gateway"
        kernel.mkdir(parents=True)
        (kernel / "kernel.json").write_text(json.dumps({
            "display_name": "Python of a gateway",
            "language": "python",
            "argv": [sys.executable, "-B", str(HERE / "proxy_kernel.py"), "{connection_file}",
                     f"http://127.0.0.1:{cls.server.port}", cls.server.token, "python3"],
        }))
        runtime = share / "runtime"
        runtime.mkdir()
        cls.enterClassContext(mock.patch.dict(os.environ, JUPYTER_PATH=str(share),
                                              JUPYTER_RUNTIME_DIR=str(runtime)))

    def kernels(self):
        return self.server.request("GET", "/api/kernels")[2]


class AutoGenTest(WithProxyKernel, unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        output = tempfile.TemporaryDirectory()
        self.addCleanup(output.cleanup)
        self.executor = JupyterCodeExecutor("of-gateway", timeout=60, output_dir=output.name)
        await self.executor.start()
        self.addAsyncCleanup(self.executor.stop)

    async def run_code(self, *codes):
        blocks = [CodeBlock(code=code, language="python") for code in codes]
        return await self.executor.execute_code_blocks(blocks, CancellationToken())

    async def test_state_is_kept_between_blocks_and_calls(self):
        result = await self.run_code("x = 20", "print(x + 1)")
        self.assertEqual((result.exit_code, result.output.strip()), (0, "21"))
        result = await self.run_code("x * 2")
        self.assertEqual((result.exit_code, result.output), (0, "40"))
        self.assertEqual(len(self.kernels()), 1, "it runs in the gateway's kernel")

    async def test_an_error_ends_the_blocks(self):
        result = await self.run_code("1 / 0", "print('never')")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("ZeroDivisionError", result.output)
        self.assertNotIn("never", result.output)

    async def test_pictures_and_tables_become_files(self):
        result = await self.run_code(PICTURE)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertEqual(sorted(path.suffix for path in result.output_files), [".html", ".png"])

    async def test_a_restart_forgets_the_state(self):
        await self.run_code("x = 1")
        await self.executor.restart()
        result = await self.run_code("print('x' in globals())")
        self.assertEqual((result.exit_code, result.output.strip()), (0, "False"))


@unittest.skipUnless(local_gateway.can_be_started(), "the peer has no such name")
class Ag2EmbeddedTest(WithProxyKernel, unittest.TestCase):
    insists_on_a_gateway = True

    def test_state_is_kept_and_pictures_become_files(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from autogen.coding.base import CodeBlock as Ag2Block
            from autogen.coding.jupyter.embedded_ipython_code_executor import (
                EmbeddedIPythonCodeExecutor)
        output = tempfile.TemporaryDirectory()
        self.addCleanup(output.cleanup)
        executor = EmbeddedIPythonCodeExecutor(
            timeout=60, kernel_name="of-gateway", output_dir=output.name)
        # It has no method for its end.
        self.addCleanup(executor._kernel_manager.shutdown_kernel)
        self.addCleanup(executor._kernel_client.stop_channels)

        def run(*codes):
            return executor.execute_code_blocks(
                [Ag2Block(code=code, language="python") for code in codes])

        result = run("x = 41", "print(x + 1)")
        self.assertEqual((result.exit_code, result.output.strip()), (0, "42"))
        self.assertEqual(len(self.kernels()), 1)
        result = run(PICTURE)
        self.assertEqual(sorted(pathlib.Path(path).suffix for path in result.output_files),
                         [".html", ".png"])
        result = run("1 / 0", "x = 0")
        self.assertEqual(result.exit_code, 1)
        self.assertEqual(run("x").output.strip(), "41")


if __name__ == "__main__":
    unittest.main()
