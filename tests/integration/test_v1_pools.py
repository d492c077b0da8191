"""Sessions that are ready before they are asked for, through /v1/pools."""

import json
import pathlib
import unittest

from gateway import Gateway, WithGateway, wait_until

ECHO = "perijove-echo"


class Pools(WithGateway):
    def ask(self, method, path, body=None):
        return self.gateway.request(method, f"/v1/{path}", body)

    def pool(self, name="warm", **options):
        status, _, pool = self.ask("PUT", f"pools/{name}", {"session": {"kernel": ECHO}, **options})
        self.assertIn(status, (200, 201), pool)
        self.addCleanup(self.ask, "DELETE", f"pools/{name}")
        return pool

    def wait_until_ready(self, count, name="warm"):
        wait_until(lambda: self.ask("GET", f"pools/{name}")[2]["ready"] == count, f"{count} are ready")

    def take(self, **more):
        status, headers, session = self.ask("POST", "sessions", {"pool": "warm", **more})
        self.assertEqual(status, 201, session)
        self.addCleanup(self.ask, "DELETE", f"sessions/{session['session_id']}")
        return session

    def refused(self, status, code, method, path, body=None):
        answer = self.ask(method, path, body)
        problem = answer[2] if isinstance(answer[2], dict) else json.loads(answer[2])
        self.assertEqual((answer[0], problem["code"]), (status, code), problem)
        return problem["detail"]

    # rows: H17
    def test_a_session_of_a_pool_is_ready_when_it_is_taken(self):
        self.pool(size=2)
        self.wait_until_ready(2)
        self.assertEqual(self.ask("GET", "sessions")[2]["sessions"], [])
        session = self.take(key="mine", labels={"team": "a"})
        self.assertEqual([kernel["execution_state"] for kernel in session["kernels"]], ["idle"])
        self.assertEqual((session["key"], session["labels"], session["pool"]), ("mine", {"team": "a"}, "warm"))
        _, _, result = self.ask("POST", "sessions/mine/execute", {"code": "print here"})
        self.assertEqual(result["stdout"], "here\n")
        self.wait_until_ready(2)

    # rows: H17
    def test_nothing_of_a_released_session_is_left(self):
        self.pool(size=1)
        session = self.take(key="mine")
        directory = pathlib.Path(session["work_dir"])
        self.assertEqual(self.ask("PUT", "sessions/mine/files/deep/secret", b"bytes")[0], 201)
        self.assertTrue((directory / "deep/secret").exists())
        self.assertEqual(self.ask("POST", "sessions/mine/release")[0], 204)
        self.assertFalse(directory.exists())
        self.refused(404, "session_not_found", "GET", "sessions/mine")

    def test_the_same_key_gets_the_same_session(self):
        self.pool(size=1)
        status, _, first = self.ask("PUT", "sessions/by-key/agent", {"pool": "warm"})
        self.assertEqual(status, 201, first)
        self.addCleanup(self.ask, "DELETE", "sessions/agent")
        status, _, again = self.ask("PUT", "sessions/by-key/agent", {"pool": "warm"})
        self.assertEqual((status, again["session_id"]), (200, first["session_id"]))

    def test_a_pool_at_its_maximum_says_so(self):
        self.pool(size=1, max=1)
        self.take()
        self.assertIn("'warm'", self.refused(429, "resource_exhausted", "POST", "sessions", {"pool": "warm"}))

    def test_files_and_environment_are_there_already(self):
        self.pool(size=1, session={"kernel": ECHO, "files": {"data/in.csv": "a,b\n"}, "env": {"COLOUR": "blue"}})
        self.wait_until_ready(1)
        session = self.take()
        path = f"sessions/{session['session_id']}"
        self.assertEqual(self.ask("GET", f"{path}/files/data/in.csv")[2], "a,b\n")
        self.assertIn("blue", self.ask("POST", f"{path}/execute", {"code": "env COLOUR"})[2]["output"])

    def test_what_no_pool_can_keep_is_refused(self):
        for body, field in (({"size": -1}, "size"), ({"size": 3, "max": 2}, "max"), ({"sise": 1}, "sise"),
                            ({"session": []}, "session"), ({"session": {"key": "k"}}, "key"),
                            ({"session": {"work_dir": "x"}}, "work_dir"), ({"session": {"pool": "x"}}, "pool")):
            with self.subTest(body):
                self.assertIn(field, self.refused(400, "validation_failed", "PUT", "pools/bad", body))
        self.refused(404, "not_found", "PUT", "pools/bad", {"session": {"kernel": "nothing-of-the-kind"}})
        self.refused(400, "invalid_argument", "PUT", "pools/bad", {"session": {"mode": "restricted"}})
        self.refused(404, "pool_not_found", "GET", "pools/bad")
        self.refused(404, "pool_not_found", "DELETE", "pools/bad")
        self.refused(404, "pool_not_found", "POST", "sessions", {"pool": "bad"})
        self.pool(size=0)
        self.assertIn("kernel", self.refused(400, "validation_failed", "POST", "sessions",
                                             {"pool": "warm", "kernel": "python3"}))
        own = self.ask("POST", "sessions", {"kernel": ECHO})[2]["session_id"]
        self.addCleanup(self.ask, "DELETE", f"sessions/{own}")
        self.refused(409, "failed_precondition", "POST", f"sessions/{own}/release")


class FromTheBeginning(unittest.TestCase):
    def test_a_gateway_fills_its_pools_by_itself(self):
        gateway = Gateway(arguments=["--pool", f"{ECHO}=2"])
        self.addCleanup(gateway.stop)
        wait_until(lambda: gateway.request("GET", f"/v1/pools/{ECHO}")[2]["ready"] == 2, "two are ready")
        status, _, session = gateway.request("POST", "/v1/sessions", {"pool": ECHO})
        self.assertEqual((status, session["kernels"][0]["execution_state"]), (201, "idle"))


if __name__ == "__main__":
    unittest.main()
