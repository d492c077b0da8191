"""OpenHands' Jupyter plugin, by its messages: the package brings a whole agent along.

Its server is started without a token on 0.0.0.0; here on loopback, where that is allowed.
"""

import asyncio
import json
import subprocess
import unittest
import uuid

import tornado.httpclient
import tornado.websocket

import local_gateway
import server
from peers import known_to_fail_on
from wire import is_idle, wait_until_code_is_taken

SECONDS = 60
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5Erk"
    "Jggg=="
)


class JupyterKernel:
    """As openhands/runtime/plugins/jupyter/execute_server.py speaks."""

    def __init__(self, url):
        self.base_url = url
        self.client = tornado.httpclient.AsyncHTTPClient()
        self.heartbeats = None

    async def initialize(self):
        body = tornado.escape.json_encode({"name": "python"})
        response = await self.client.fetch(f"{self.base_url}/api/kernels", method="POST", body=body)
        self.kernel_id = tornado.escape.json_decode(response.body)["id"]
        self.socket_url = (
            f"ws{self.base_url.removeprefix('http')}/api/kernels/{self.kernel_id}/channels"
        )
        request = tornado.httpclient.HTTPRequest(url=self.socket_url)
        self.socket = await tornado.websocket.websocket_connect(request)
        await self.execute(r"%colors nocolor")

    async def execute(self, code, seconds=SECONDS):
        self.msg_id = msg_id = uuid.uuid4().hex
        await self.socket.write_message(
            json.dumps(
                {
                    "header": {
                        "username": "",
                        "version": "5.0",
                        "session": "",
                        "msg_id": msg_id,
                        "msg_type": "execute_request",
                    },
                    "parent_header": {},
                    "channel": "shell",
                    "content": {
                        "code": code,
                        "silent": False,
                        "store_history": False,
                        "user_expressions": {},
                        "allow_stdin": False,
                    },
                    "metadata": {},
                    "buffers": {},
                }
            )
        )
        outputs = []
        self.seen_idle = False
        while True:
            text = await asyncio.wait_for(self.socket.read_message(), seconds)
            message = json.loads(text)
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            self.seen_idle = self.seen_idle or is_idle(message)
            kind, content = message["msg_type"], message["content"]
            if kind == "error":
                outputs.append("\n".join(content["traceback"]))
                break
            if kind == "stream":
                outputs.append(content["text"])
            elif kind in ("execute_result", "display_data"):
                outputs.append(content["data"]["text/plain"])
                if "image/png" in content["data"]:
                    outputs.append(
                        f"\n![image](data:image/png;base64,{content['data']['image/png']})\n"
                    )
            elif kind == "execute_reply":
                break
        return "".join(outputs)

    async def interrupt(self):
        body = json.dumps({"kernel_id": self.kernel_id})
        await self.client.fetch(
            f"{self.base_url}/api/kernels/{self.kernel_id}/interrupt", method="POST", body=body
        )

    async def think(self):
        await asyncio.to_thread(wait_until_code_is_taken, self.socket_url)

    async def shutdown(self):
        await self.client.fetch(f"{self.base_url}/api/kernels/{self.kernel_id}", method="DELETE")
        self.socket.close()


@unittest.skipUnless(local_gateway.can_be_started(), "the peer has no such name")
class OpenHandsTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        environment = cls.enterClassContext(local_gateway.installed())
        cls.port = server.free_port()
        # Q28: it waits for a line with "at" in it.
        cls.gateway = server.Process(
            [
                "python",
                "-m",
                "jupyter",
                "kernelgateway",
                "--KernelGatewayApp.ip=127.0.0.1",
                f"--KernelGatewayApp.port={cls.port}",
            ],
            ready=r"\bat\b",
            environment=environment,
            directory=None,
        )
        cls.addClassCleanup(cls.gateway.stop)

    async def asyncSetUp(self):
        self.kernel = JupyterKernel(f"http://127.0.0.1:{self.port}")
        await self.kernel.initialize()
        self.addAsyncCleanup(self.kernel.shutdown)

    async def test_q5_q14_q28_code_is_executed_for_a_nameless_client(self):
        await self.kernel.execute("x = 20")
        self.assertEqual(await self.kernel.execute("print(x + 1)"), "21\n")
        self.assertIn("ZeroDivisionError", await self.kernel.execute("1 / 0"))
        await self.kernel.think()
        self.assertEqual(await self.kernel.execute("x"), "20")

    @known_to_fail_on(jupyter_kernel_gateway="sends the reply as soon as it has it")
    async def test_q18_output_is_complete_when_the_reply_comes(self):
        for n in range(20):
            self.assertEqual(await self.kernel.execute(f"print({n})"), f"{n}\n")
            self.assertTrue(self.kernel.seen_idle)

    @known_to_fail_on(jupyter_kernel_gateway="passes on what the kernel said")
    async def test_q19_a_picture_without_a_text_has_one(self):
        output = await self.kernel.execute(
            f'from IPython.display import display\ndisplay({{"image/png": "{PNG}"}}, raw=True)'
        )
        self.assertIn(f"data:image/png;base64,{PNG}", output)

    async def test_q14_code_that_takes_too_long_is_interrupted(self):
        with self.assertRaises(asyncio.TimeoutError):
            await self.kernel.execute("import time\nwhile True: time.sleep(0.05)", seconds=1)
        await self.kernel.interrupt()
        await self.kernel.think()
        self.assertEqual(await self.kernel.execute("print(42)"), "42\n")


@unittest.skipUnless(local_gateway.can_be_started(), "the peer has no such name")
class OpenToTheWorldTest(unittest.TestCase):
    @known_to_fail_on(jupyter_kernel_gateway="serves everybody")
    def test_q16_without_a_token_it_does_not_serve_the_whole_network_unasked(self):
        with local_gateway.installed() as environment:
            refused = subprocess.run(
                [
                    "jupyter-kernelgateway",
                    "--KernelGatewayApp.ip=0.0.0.0",
                    f"--KernelGatewayApp.port={server.free_port()}",
                ],
                env=environment,
                capture_output=True,
                text=True,
                timeout=20,
            )
            self.assertNotEqual(refused.returncode, 0)
            self.assertRegex(refused.stderr, "(?i)token")


if __name__ == "__main__":
    unittest.main()
