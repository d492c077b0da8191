"""smolagents' DockerExecutor, the real one; only Docker itself is stood in for."""

import unittest

import requests
from smolagents.agents import AgentLogger
from smolagents.default_tools import FinalAnswerTool
from smolagents.monitoring import LogLevel
from smolagents.remote_executors import DockerExecutor
from smolagents.utils import AgentError

import local_gateway
import server
from wire import wait_until_code_is_taken


@unittest.skipUnless(local_gateway.can_be_started(), "the peer has no such name")
class SmolagentsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(local_gateway.installed())
        cls.docker = local_gateway.Docker()
        cls.enterClassContext(cls.docker.patched())
        cls.executor = DockerExecutor([], AgentLogger(level=LogLevel.OFF), port=server.free_port())
        cls.addClassCleanup(cls.executor.cleanup)

    def test_q16_the_token_is_taken_from_the_environment(self):
        kernels = f"{self.executor.base_url}/api/kernels"
        self.assertIn(requests.get(kernels, timeout=10).status_code, (401, 403))

    def test_q2_q3_q6_state_is_kept_though_each_step_has_its_own_connection(self):
        self.executor("count = 1")
        output = self.executor("count += 1\nprint('counted')\ncount")
        self.assertEqual(
            (output.output, output.logs, output.is_final_answer), ("2", "counted\n", False)
        )

    def test_an_error_is_raised_with_its_traceback(self):
        with self.assertRaisesRegex(AgentError, "ZeroDivisionError"):
            self.executor("1 / 0")
        wait_until_code_is_taken(self.executor.ws_url)
        self.assertEqual(self.executor("'usable'").output, "'usable'")

    def test_variables_are_sent(self):
        self.executor.send_variables({"table": [{"a": 1, "b": None}, {"a": 2.5, "b": "ä"}]})
        self.assertEqual(self.executor("table[1]['b']").output, "'ä'")

    def test_q20_a_final_answer_comes_back_as_it_was_sent(self):
        self.executor.send_tools({"final_answer": FinalAnswerTool()})
        answer = self.executor(
            'final_answer({"text": "\\x1b[31mred\\x1b[0m ä" * 20_000, "n": [1, 2.5, None]})'
        )
        self.assertTrue(answer.is_final_answer)
        wait_until_code_is_taken(self.executor.ws_url)
        self.assertEqual(
            answer.output, {"text": "\x1b[31mred\x1b[0m ä" * 20_000, "n": [1, 2.5, None]}
        )

    def test_logs_of_many_lines_are_complete(self):
        output = self.executor("for n in range(3000): print(n)")
        self.assertEqual(output.logs, "".join(f"{n}\n" for n in range(3000)))


if __name__ == "__main__":
    unittest.main()
