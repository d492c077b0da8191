"""AutoGen's, AG2's and smolagents' executors in Docker, the real ones, with the gateway's own image.

A daemon of the test's own runs the image that scripts/images makes, with a network whose ports are on
this machine's loopback. Skipped where such a daemon cannot be started.
"""

import contextlib
import os
import pathlib
import tempfile
import time
import unittest
from unittest import mock

import docker
import requests

import local_gateway
import places
import server
from docker_daemon import Daemon

IMAGE = "perijove:test"
REMOVAL_SECONDS = 30


def setUpModule():
    if places.server_kind() != "perijove":
        raise unittest.SkipTest("the image is the gateway's own")
    cache = os.environ.get("PERIJOVE_IMAGE_CACHE") or places.INTEROP.parent.parent / "build" / "images"
    if not list(pathlib.Path(cache).glob("debian-*.tar")):
        raise unittest.SkipTest("scripts/images has no root file system yet, which takes it minutes; "
                                "./test integration has it made")
    daemon = unittest.enterModuleContext(Daemon("--bridge"))
    unittest.enterModuleContext(mock.patch.dict(os.environ, DOCKER_HOST=daemon.host))
    daemon.make_image("gateway", IMAGE, "--program", places.perijove_binary())


class WithDaemon:
    def setUp(self):
        self.docker = docker.from_env()
        self.addCleanup(self.docker.close)
        self.addCleanup(self.nothing_is_left)

    def nothing_is_left(self):
        deadline = time.monotonic() + REMOVAL_SECONDS
        # Not containers.list(), which looks at each, and fails for one that has gone meanwhile.
        while left := [each["Id"] for each in self.docker.api.containers(all=True)]:
            if time.monotonic() > deadline:
                for container in left:
                    self.docker.api.remove_container(container, force=True)
                self.fail(f"containers are left: {left}")
            time.sleep(0.1)


class ImageTest(WithDaemon, unittest.TestCase):
    def run_image(self, **options):
        container = self.docker.containers.run(IMAGE, detach=True, publish_all_ports=True, **options)
        self.addCleanup(lambda: container.remove(force=True))
        container.reload()
        return container

    def test_it_listens_within_a_second_and_wants_the_token(self):
        for name in ("TOKEN", "KG_AUTH_TOKEN"):
            with self.subTest(name):
                begun = time.monotonic()
                container = self.run_image(environment={name: "secret"})
                kernels = f"http://127.0.0.1:{container.ports['8888/tcp'][0]['HostPort']}/api/kernels"
                answer = None
                while answer is None:
                    with contextlib.suppress(requests.ConnectionError):
                        answer = requests.get(kernels, timeout=10)
                    self.assertLess(time.monotonic() - begun, 60)
                print(f"{name}: it answers {time.monotonic() - begun:.2f} s after it was run")
                self.assertEqual(answer.status_code, 401)
                allowed = {"Authorization": "token secret"}
                self.assertEqual(requests.get(kernels, headers=allowed, timeout=10).json(), [])

    def test_without_a_token_it_does_not_serve(self):
        container = self.run_image()
        self.assertEqual(container.wait(timeout=60)["StatusCode"], 64)
        self.assertIn(b"set TOKEN", container.logs())


class AutoGenTest(WithDaemon, unittest.IsolatedAsyncioTestCase):
    # It waits for the server to be ready, as long as it thinks right, and removes it in the end.
    # rows: K01 K08 K09 Q26
    async def test_its_server_runs_the_image(self):
        from autogen_core import CancellationToken
        from autogen_core.code_executor import CodeBlock
        from autogen_ext.code_executors.docker_jupyter import (
            DockerJupyterCodeExecutor, DockerJupyterServer)

        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        jupyter = DockerJupyterServer(custom_image_name=IMAGE, bind_dir=work.name)
        try:
            async with DockerJupyterCodeExecutor(jupyter, timeout=60) as executor:
                for code, expected in (("x = 41; open('made.txt', 'w').write('inside')", ""),
                                       ("print(x + 1)", "42\n")):
                    result = await executor.execute_code_blocks(
                        [CodeBlock(code=code, language="python")], CancellationToken())
                    self.assertEqual(result.exit_code, 0, result.output)
                self.assertEqual(result.output, expected)
                self.assertEqual(pathlib.Path(work.name, "made.txt").read_text(), "inside")
        finally:
            await jupyter.stop()


class Ag2Test(WithDaemon, unittest.TestCase):
    def test_its_server_runs_the_image(self):
        host = os.environ["DOCKER_HOST"]
        self.enterContext(local_gateway.installed())  # without which it cannot be imported
        os.environ["DOCKER_HOST"] = host
        from autogen.coding.base import CodeBlock
        from autogen.coding.jupyter import DockerJupyterServer, JupyterCodeExecutor

        with DockerJupyterServer(custom_image_name=IMAGE) as jupyter:
            with JupyterCodeExecutor(jupyter, timeout=60) as executor:
                result = executor.execute_code_blocks(
                    [CodeBlock(code="x = 41", language="python"),
                     CodeBlock(code="print(x + 1)", language="python")])
                self.assertEqual((result.exit_code, result.output.strip()), (0, "42"))
                executor._jupyter_kernel_client.stop()


class SmolagentsTest(WithDaemon, unittest.TestCase):
    def test_its_executor_runs_the_image(self):
        from smolagents.agents import AgentLogger
        from smolagents.monitoring import LogLevel
        from smolagents.remote_executors import DockerExecutor

        executor = DockerExecutor([], AgentLogger(level=LogLevel.OFF), port=server.free_port(),
                                  image_name=IMAGE, build_new_image=False)
        self.addCleanup(executor.client.close)
        try:
            executor("x = 41")
            output = executor("print('said')\nx + 1")
            self.assertEqual((output.output, output.logs), ("42", "said\n"))
        finally:
            executor.cleanup()


if __name__ == "__main__":
    unittest.main()
