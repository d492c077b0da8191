"""REST requests as agent frameworks send them.

The numbers are those of ../README.md.
"""

import time
import unittest
import uuid

import websocket

from peers import known_to_fail_on, unreliable_on
from quirk import QuirkTest
from wire import execute_request, is_idle, message, one_of_type, parent_of


class HttpQuirks(QuirkTest):
    def test_q13_an_empty_body_starts_the_default_kernel(self):
        status, headers, model = self.server.request("POST", "/api/kernels")
        self.assertEqual(status, 201)
        default = self.server.request("GET", "/api/kernelspecs")[2]["default"]
        self.assertEqual(model["name"], default)
        self.assertTrue(headers["Location"].endswith(f"/api/kernels/{model['id']}"))
        self.server.request("DELETE", f"/api/kernels/{model['id']}")

    def test_q14_python_means_python3(self):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _, model = self.server.request(
            "POST", "/api/kernels", {"name": "python"}, headers=form
        )
        self.assertEqual(status, 201, model)
        self.assertEqual(model["name"], "python3")
        self.server.request("DELETE", f"/api/kernels/{model['id']}")

    def test_q14_json_may_be_declared_a_form(self):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _, model = self.server.request(
            "POST", "/api/kernels", {"name": "python3"}, headers=form
        )
        self.assertEqual((status, model["name"]), (201, "python3"))
        path = f"/api/kernels/{model['id']}"
        wire = self.connect(model["id"])
        msg_id = wire.send(
            execute_request("import time\nprint('on', flush=True)\nwhile True: time.sleep(0.05)")
        )
        wire.receive_until(lambda each: each["msg_type"] == "stream")
        status, _, answer = self.server.request(
            "POST", f"{path}/interrupt", {"kernel_id": model["id"]}, headers=form
        )
        self.assertEqual(status, 204, answer)
        error = one_of_type(
            wire.receive_until(lambda each: is_idle(each) and parent_of(each) == msg_id), "error"
        )
        self.assertEqual(error["content"]["ename"], "KeyboardInterrupt")
        self.server.request("DELETE", path)

    @known_to_fail_on(jupyter_kernel_gateway="knows neither Bearer nor TOKEN")
    def test_q15_the_token_is_taken_in_all_its_forms(self):
        token = self.server.token
        for value in (f"token {token}", f"Bearer {token}", f"bearer {token}", f"Token {token}"):
            with self.subTest(value):
                status, _, _ = self.server.request(
                    "GET", "/api/kernels", token=False, headers={"Authorization": value}
                )
                self.assertEqual(status, 200)
                with self.connect(token=False, header={"Authorization": value}) as wire:
                    self.assert_answers(wire, execute_request("print(42)"))
        self.assertEqual(
            self.server.request("GET", f"/api/kernels?token={token}", token=False)[0], 200
        )
        with self.connect(token=False, query=f"?token={token}") as wire:
            self.assert_answers(wire, execute_request("print(42)"))
        both = {"Authorization": f"Bearer {token}"}
        with self.connect(
            token=False, query=f"?token={token}&session_id={uuid.uuid4()}", header=both
        ) as wire:
            self.assert_answers(wire, execute_request("print(42)"))

    def test_q15_no_token_and_a_wrong_token_are_refused(self):
        for headers in (
            {},
            {"Authorization": "token wrong"},
            {"Authorization": "Bearer"},
            {"Authorization": ""},
        ):
            with self.subTest(headers):
                status, _, _ = self.server.request(
                    "GET", "/api/kernels", token=False, headers=headers
                )
                self.assertIn(status, (401, 403))
                with self.assertRaises(websocket.WebSocketBadStatusException) as refused:
                    self.connect(token=False, header=headers)
                self.assertIn(refused.exception.status_code, (401, 403))

    def test_q24_a_session_may_have_any_path(self):
        body = {
            "path": str(uuid.uuid4()),
            "kernel": {"name": "python3"},
            "type": "notebook",
            "name": str(uuid.uuid4()),
        }
        status, _, session = self.server.request("POST", "/api/sessions", body)
        self.assertEqual(status, 201, session)
        wire = self.connect(session["kernel"]["id"])
        self.assert_answers(wire, execute_request("print(42)"))
        self.assertEqual(self.server.request("DELETE", f"/api/sessions/{session['id']}")[0], 204)
        self.wait_until_gone(session["kernel"]["id"])

    def test_q30_kernels_are_listed(self):
        status, _, models = self.server.request("GET", "/api/kernels")
        self.assertEqual(status, 200)
        self.assertIn(self.kernel, [model["id"] for model in models])

    @known_to_fail_on(jupyter_server="passes on no environment")
    def test_q30_the_environment_of_a_request_reaches_its_kernel(self):
        kernel = self.start_kernel({"name": "python3", "env": {"KERNEL_OWN": "first ä=$HOME"}})
        code = "import os; print(os.environ.get('KERNEL_OWN'), end='')"
        self.assert_answers(self.connect(kernel), execute_request(code), "first ä=$HOME")
        self.assert_answers(self.connect(), execute_request(code), "None")
        self.server.request("DELETE", f"/api/kernels/{kernel}")

    def test_q31_a_deleted_kernel_is_not_found(self):
        kernel = self.start_kernel()
        self.assert_answers(self.connect(kernel), execute_request("print(42)"))
        self.assertEqual(self.server.request("DELETE", f"/api/kernels/{kernel}")[0], 204)
        status, _, answer = self.server.request("GET", f"/api/kernels/{kernel}")
        self.assertEqual((status, answer["message"]), (404, f"Kernel does not exist: {kernel}"))
        self.assertEqual(self.server.request("DELETE", f"/api/kernels/{kernel}")[0], 404)

    @known_to_fail_on(
        jupyter_server="takes it for a death, and starts the kernel again",
        jupyter_kernel_gateway="takes it for a death, and starts the kernel again",
    )
    def test_q31_a_kernel_that_was_asked_to_shut_down_is_not_found(self):
        kernel = self.start_kernel()
        wire = self.connect(kernel)
        self.assert_answers(wire, execute_request("print(42)"))
        wire.send(message("shutdown_request", {"restart": False}, channel="control"))
        deadline = time.monotonic() + 10
        while self.server.request("GET", f"/api/kernels/{kernel}")[0] != 404:
            self.assertLess(time.monotonic(), deadline, "the kernel is still there")
            time.sleep(0.05)
        # Gone for good, and not because it is between two lives.
        time.sleep(0.5)
        self.assertEqual(self.server.request("GET", f"/api/kernels/{kernel}")[0], 404)

    @unreliable_on(
        jupyter_server="leaves the old websocket deaf",
        jupyter_kernel_gateway="leaves the old websocket deaf",
    )
    def test_q34_after_a_restart_the_old_websocket_and_a_new_one_work_at_once(self):
        kernel = self.start_kernel()
        old = self.connect(kernel)
        self.assert_answers(old, execute_request("lost = 1; print(42)"))
        status, _, model = self.server.request("POST", f"/api/kernels/{kernel}/restart")
        self.assertEqual((status, model["id"]), (200, kernel))
        new = self.connect(kernel)
        self.assert_answers(new, execute_request("print('lost' in globals())"), "False\n")
        self.assert_answers(old, execute_request("print(42)"))
        self.server.request("DELETE", f"/api/kernels/{kernel}")


if __name__ == "__main__":
    unittest.main()
