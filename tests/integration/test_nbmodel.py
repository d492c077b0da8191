"""Code run over REST alone, in the shape of jupyter-server-nbmodel."""

import json
import unittest

from gateway import WithGateway, wait_until

UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Execute(WithGateway):
    def ask(self, method, path, body=None):
        return self.gateway.request(method, path, body)

    def setUp(self):
        self.kernel = self.start("python3")
        self.path = f"/api/kernels/{self.kernel}"

    def execute(self, code, **more):
        """The address of the request."""
        status, headers, model = self.ask("POST", self.path + "/execute", {"code": code, **more})
        self.assertEqual(status, 202, model)
        self.assertEqual(headers["Location"], f"{self.path}/requests/{model['request_id']}")
        self.assertEqual(model["request_url"], headers["Location"])
        self.assertEqual((model["pending"], model["request_status"], model["outputs"]),
                         (True, "queued", "[]"))
        return headers["Location"]

    def until(self, request, condition):
        def met():
            answer = self.ask("GET", request)
            return answer if condition(*answer) else None
        return wait_until(met, request)

    def result(self, request):
        status, _, model = self.until(request, lambda status, *_: status not in (202, 300))
        return status, model

    def test_code_is_run_and_its_result_is_kept(self):
        request = self.execute("print('a'); 6 * 7", metadata={"cell_id": "c1", "document_path": "x.ipynb"})
        status, model = self.result(request)
        self.assertEqual((status, model["status"], model["execution_count"]), (200, "ok", 1))
        outputs = json.loads(model["outputs"])
        self.assertEqual(outputs[0], {"output_type": "stream", "name": "stdout", "text": "a\n"})
        self.assertEqual((outputs[1]["output_type"], outputs[1]["data"]["text/plain"]),
                         ("execute_result", "42"))
        self.assertEqual((model["cell_id"], model["document_path"], model["pending"],
                          model["request_status"]), ("c1", "x.ipynb", False, "complete"))
        self.assertEqual(self.result(request), (status, model))

    def test_requests_run_in_order_and_share_state(self):
        requests = [self.execute(code) for code in ("x = 1", "x += 1", "print(x)")]
        self.assertEqual(json.loads(self.result(requests[2])[1]["outputs"])[0]["text"], "2\n")
        self.assertEqual([self.result(r)[1]["execution_count"] for r in requests], [1, 2, 3])

    def test_an_exception_is_a_result(self):
        status, model = self.result(self.execute("print('before'); 1/0"))
        self.assertEqual((status, model["status"]), (200, "error"))
        outputs = json.loads(model["outputs"])
        self.assertEqual([o["output_type"] for o in outputs], ["stream", "error"])
        self.assertEqual(outputs[1]["ename"], "ZeroDivisionError")

    def test_what_was_printed_so_far_is_shown(self):
        request = self.execute("import time\nprint('half', flush=True)\nwhile True: time.sleep(0.01)")
        status, _, model = self.until(request, lambda s, h, m: "half" in m.get("outputs", ""))
        self.assertEqual((status, model["request_status"]), (202, "running"))
        active = self.ask("GET", self.path + "/execute")[2]
        self.assertEqual([r["request_url"] for r in active["requests"]], [request])
        self.assertEqual(self.ask("DELETE", request)[0], 204)
        status, model = self.result(request)
        self.assertEqual((status, model["status"]), (200, "error"))
        self.assertEqual(self.ask("GET", self.path + "/execute")[2]["requests"], [])

    def test_input_is_asked_for_and_answered(self):
        request = self.execute("import getpass\nname = input('name? ')\ngetpass.getpass('word? ')")
        status, headers, model = self.until(request, lambda status, *_: status == 300)
        self.assertEqual(headers["Location"], self.path + "/input")
        self.assertEqual(model["input_request"], {"prompt": "name? ", "password": False})
        self.assertEqual((model["pending"], model["request_status"]), (True, "input"))
        self.assertEqual(self.ask("POST", self.path + "/input", {"input": "Ada"})[0], 201)
        _, _, model = self.until(request, lambda s, h, m: m.get("input_request", {}).get("password"))
        self.assertEqual(self.ask("POST", self.path + "/input", {"input": "secret"})[0], 201)
        self.assertEqual(self.result(request)[1]["status"], "ok")
        self.assertIn("Ada", self.result(self.execute("name"))[1]["outputs"])

    def test_a_time_limit_ends_the_code_and_keeps_its_state(self):
        self.result(self.execute("y = 5"))
        request = self.execute("import time\ntime.sleep(600)", timeout=0.3)
        self.assertEqual(self.result(request)[1]["status"], "error")
        self.assertIn("5", self.result(self.execute("y"))[1]["outputs"])

    def test_a_kernel_that_dies_ends_the_request_with_500(self):
        status, model = self.result(self.execute("import os; os._exit(1)"))
        self.assertEqual(status, 500)
        self.assertTrue(model["error"])

    def test_a_request_that_waits_is_cancelled_without_being_run(self):
        first = self.execute("input()")
        second = self.execute("print('never')")
        self.assertEqual(self.ask("DELETE", second)[0], 204)
        self.assertEqual(self.result(second)[0], 500)
        self.until(first, lambda status, *_: status == 300)
        self.ask("POST", self.path + "/input", {"input": ""})
        self.assertEqual(self.result(first)[1]["status"], "ok")

    def test_wrong_requests_are_refused(self):
        for body in (b"{", {}, {"code": 1}, {"code": None, "document_id": "x"},
                     {"code": "1", "server": {"url": "http://elsewhere.example"}}):
            self.assertEqual(self.ask("POST", self.path + "/execute", body)[0], 400, body)
        self.assertEqual(self.ask("POST", self.path + "/input", {})[0], 400)
        self.assertEqual(self.ask("GET", f"{self.path}/requests/{UNKNOWN}")[0], 404)
        for method, action in (("POST", "/execute"), ("GET", "/execute"), ("POST", "/input"),
                               ("GET", f"/requests/{UNKNOWN}")):
            status, _, body = self.ask(method, f"/api/kernels/{UNKNOWN}{action}", {} if method == "POST" else None)
            self.assertEqual((status, body["message"]), (404, f"Unknown kernel with id: {UNKNOWN}"))
        self.assertEqual(self.ask("PUT", self.path + "/execute", {})[0], 405)

    def test_requests_go_with_their_kernel(self):
        request = self.execute("1")
        self.result(request)
        self.gateway.delete(self.kernel)
        self.assertEqual(self.ask("GET", request)[0], 404)


if __name__ == "__main__":
    unittest.main()
