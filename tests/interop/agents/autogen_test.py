"""AutoGen's docker_jupyter executor, the real one, on the gateway."""

import pathlib
import tempfile
import unittest

from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock
from autogen_ext.code_executors.docker_jupyter import DockerJupyterCodeExecutor, DockerJupyterServer
from autogen_ext.code_executors.docker_jupyter._jupyter_server import JupyterConnectionInfo

import local_gateway
from server import Server

CHART = """
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
from IPython.display import display, HTML
import io, base64
figure = plt.figure()
plt.plot([1, 2, 3])
buffer = io.BytesIO()
figure.savefig(buffer, format="png")
display({"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": "<Figure>"}, raw=True)
display(HTML("<table><tr><td>1</td></tr></table>"))
"""


async def run(executor, *codes):
    blocks = [CodeBlock(code=code, language="python") for code in codes]
    return await executor.execute_code_blocks(blocks, CancellationToken())


class AutoGenTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)

    async def asyncSetUp(self):
        output = tempfile.TemporaryDirectory()
        self.addCleanup(output.cleanup)
        info = JupyterConnectionInfo(
            host="127.0.0.1", use_https=False, port=self.server.port, token=self.server.token
        )
        self.executor = DockerJupyterCodeExecutor(
            info, timeout=30, output_dir=pathlib.Path(output.name)
        )
        await self.executor.start()
        self.addAsyncCleanup(self.executor.stop)

    async def test_state_is_kept_between_blocks_and_calls(self):
        result = await run(self.executor, "x = 20", "print(x + 1)")
        self.assertEqual((result.exit_code, result.output), (0, "\n21\n"))
        result = await run(self.executor, "x * 2")
        self.assertEqual((result.exit_code, result.output), (0, "40"))

    async def test_an_error_ends_the_blocks(self):
        result = await run(self.executor, "print('before')", "1 / 0", "print('never')")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("before", result.output)
        self.assertIn("ERROR: ERROR: ZeroDivisionError: division by zero", result.output)
        self.assertNotIn("never", result.output)

    async def test_pictures_and_tables_become_files(self):
        result = await run(self.executor, CHART)
        self.assertEqual(result.exit_code, 0, result.output)
        picture, table = result.output_files
        self.assertTrue(picture.read_bytes().startswith(b"\x89PNG\r\n"))
        self.assertIn("<table>", table.read_text())

    async def test_a_restart_forgets_the_state_and_works_at_once(self):
        await run(self.executor, "x = 1")
        await self.executor.restart()
        result = await run(self.executor, "print('x' in globals())")
        self.assertEqual((result.exit_code, result.output), (0, "False\n"))

    async def test_the_second_of_two_executors_knows_nothing_of_the_first(self):
        await run(self.executor, "x = 1")
        info = JupyterConnectionInfo("127.0.0.1", False, self.server.port, self.server.token)
        async with DockerJupyterCodeExecutor(info, timeout=30) as other:
            result = await run(other, "x")
            self.assertIn("NameError", result.output)

    async def test_a_kernel_that_does_not_exist_is_named(self):
        info = JupyterConnectionInfo("127.0.0.1", False, self.server.port, self.server.token)
        executor = DockerJupyterCodeExecutor(info, kernel_name="nope")
        with self.assertRaisesRegex(ValueError, "nope"):
            await executor.start()


@unittest.skipUnless(local_gateway.can_be_started(), "the peer has no such name")
class AutoGenServerTest(unittest.IsolatedAsyncioTestCase):
    async def test_q12_q16_the_command_of_its_image_starts_the_gateway(self):
        engine = local_gateway.Docker()
        with local_gateway.installed(), engine.patched():
            server = DockerJupyterServer()
            try:
                async with DockerJupyterCodeExecutor(server, timeout=30) as executor:
                    result = await run(executor, "print(6 * 7)")
                    self.assertEqual((result.exit_code, result.output), (0, "42\n"))
            finally:
                await server.stop()


if __name__ == "__main__":
    unittest.main()
