"""The REST table, row by row: status codes, models and messages, and bad input."""

import base64
import concurrent.futures
import json
import socket
import unittest

import websocket

from gateway import Gateway, wait_until

UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Rest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(arguments=["--max-body-size", "1MiB"])
        cls.addClassCleanup(cls.gateway.stop)

    def ask(self, method, path, body=None, **more):
        return self.gateway.request(method, path, body, **more)

    def tearDown(self):
        for model in self.ask("GET", "/api/kernels")[2]:
            self.gateway.delete(model["id"])

    # Server

    def test_the_version_is_told_without_a_token(self):
        status, headers, body = self.ask("GET", "/api", token=False)
        self.assertEqual((status, list(body)), (200, ["version"]))
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")

    def test_status_counts_kernels_and_connections(self):
        kernel = self.gateway.start()
        with self.gateway.channels(kernel):
            status, _, body = self.ask("GET", "/api/status")
        self.assertEqual((status, body["kernels"], body["connections"]), (200, 1, 1))
        for name in ("started", "last_activity"):
            self.assertRegex(body[name], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")

    def test_me_answers_permissions_that_are_asked_for(self):
        status, _, body = self.ask("GET", "/api/me?permissions=%7B%22kernels%22%3A%5B%22read%22%5D%7D")
        self.assertEqual(status, 200)
        self.assertEqual(body["permissions"]["kernels"], ["read"])
        for name in ("username", "name", "display_name", "initials", "avatar_url", "color"):
            self.assertIn(name, body["identity"])
        self.assertEqual(self.ask("GET", "/api/me?permissions=nonsense")[0], 400)

    def test_metrics_name_running_kernels_by_kernelspec(self):
        self.gateway.start()
        status, _, text = self.ask("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertIn('kernel_currently_running_total{type="perijove-echo"} 1\n', text)

    def test_metrics_count_requests_and_tell_the_last_activity(self):
        self.ask("GET", f"/api/kernels/{UNKNOWN}")
        text = self.ask("GET", "/metrics")[2]
        self.assertRegex(
            text, r'http_request_duration_seconds_count\{method="GET",status_code="404"\} [1-9]')
        self.assertRegex(text, r"(?m)^jupyter_server_last_activity_timestamp_seconds \d{10}")
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) .+|[a-z_]+(\{(\w+="[^"]*",?)+\})? [-+.e\d]+)$')

    def test_an_event_is_passed_on_to_every_subscriber(self):
        subscribers = [websocket.create_connection(
            f"{self.gateway.websocket_url}/api/events/subscribe?token={self.gateway.token}", timeout=60)
            for _ in range(2)]
        for each in subscribers:
            self.addCleanup(each.close)
        event = {"schema_id": "https://example.com/mine/v1", "version": 1, "data": {"any": ["thing"]}}
        self.assertEqual(self.ask("POST", "/api/events", event)[0], 204)
        for each in subscribers:
            self.assertEqual(json.loads(each.recv()), {"schema_id": event["schema_id"], "any": ["thing"]})
        for wrong in (b"{", {}, {"schema_id": "x"}, {"schema_id": 1, "data": {}}, {"schema_id": "x", "data": 1}):
            self.assertEqual(self.ask("POST", "/api/events", wrong)[0], 400, wrong)
        self.assertEqual(self.ask("GET", "/api/events/subscribe")[0], 400)

    # Access

    def test_every_form_of_the_token_opens_and_any_other_does_not(self):
        token = self.gateway.token
        basic = base64.b64encode(f"me:{token}".encode()).decode()
        for value in (f"token {token}", f"Bearer {token}", f"bearer {token}", f"TOKEN {token}",
                      f"Basic {basic}"):
            self.assertEqual(self.ask("GET", "/api/kernels", token=False,
                                      headers={"Authorization": value})[0], 200, value)
        self.assertEqual(self.ask("GET", f"/api/kernels?token={token}", token=False)[0], 200)
        for value in (f"token {token}x", "token", "Bearer ", "Basic !!!", f"Digest {token}"):
            status, _, body = self.ask("GET", "/api/kernels", token=False,
                                       headers={"Authorization": value})
            self.assertEqual(status, 401, value)
            self.assertEqual(sorted(body), ["message", "reason"])
        self.assertEqual(self.ask("GET", "/api/kernels?token=", token=False)[0], 401)
        self.assertNotIn(token, self.gateway.output.replace(f"token={token}", "", 1))

    def test_a_preflight_needs_no_token_and_names_methods(self):
        status, headers, _ = self.ask("OPTIONS", "/api/kernels", token=False,
                                      headers={"Origin": "http://elsewhere.example"})
        self.assertIn(status, (200, 204))
        self.assertIn("DELETE", headers["Access-Control-Allow-Methods"])
        self.assertIn("authorization", headers["Access-Control-Allow-Headers"])

    def test_a_page_of_another_site_that_has_the_token_may_read(self):
        _, headers, _ = self.ask("GET", "/api/kernels", headers={"Origin": "http://elsewhere.example"})
        self.assertEqual(headers["Access-Control-Allow-Origin"], "http://elsewhere.example")
        self.assertEqual(headers["Access-Control-Expose-Headers"], "Location")

    # Kernels

    def test_a_kernel_is_started_listed_shown_and_deleted(self):
        status, headers, model = self.ask("POST", "/api/kernels", {"name": "perijove-echo"})
        self.assertEqual(status, 201)
        self.assertEqual(headers["Location"], f"/api/kernels/{model['id']}")
        self.assertEqual(model["execution_state"], "starting")
        self.assertRegex(model["last_activity"], r"\.\d{6}Z$")
        path = f"/api/kernels/{model['id']}"
        wait_until(lambda: self.ask("GET", path)[2]["execution_state"] == "idle", "idle")
        self.assertEqual([m["id"] for m in self.ask("GET", "/api/kernels")[2]], [model["id"]])
        self.assertEqual(self.ask("POST", path + "/interrupt", {})[0], 204)
        status, _, restarted = self.ask("POST", path + "/restart")
        self.assertEqual((status, restarted["id"], restarted["name"]), (200, model["id"], "perijove-echo"))
        self.assertEqual(self.ask("DELETE", path)[0], 204)
        status, _, body = self.ask("GET", path)
        self.assertEqual((status, body["message"]), (404, f"Kernel does not exist: {model['id']}"))

    def test_an_empty_body_starts_the_default_kernel(self):
        for body in (None, b"", b"{}", b'{"name": null}'):
            status, _, model = self.ask("POST", "/api/kernels", body)
            self.assertEqual((status, model["name"]), (201, "python3"), body)
            self.gateway.delete(model["id"])

    def test_a_kernel_may_be_named_by_its_language_and_in_any_case(self):
        for name in ("python", "Python3"):
            status, _, model = self.ask("POST", "/api/kernels", {"name": name})
            self.assertEqual((status, model["name"]), (201, "python3"))
            self.gateway.delete(model["id"])

    def test_a_chosen_id_is_kept_and_starting_it_again_returns_the_same_kernel(self):
        chosen = "12345678-1234-4234-8234-123456789abc"
        first = self.ask("POST", "/api/kernels", {"name": "perijove-echo", "kernel_id": chosen})
        again = self.ask("POST", "/api/kernels", {"name": "perijove-echo", "kernel_id": chosen})
        self.assertEqual((first[0], first[2]["id"], again[0], again[2]["id"]), (201, chosen, 201, chosen))
        self.assertEqual(len(self.ask("GET", "/api/kernels")[2]), 1)

    def test_an_unknown_kernelspec_is_named_with_the_nearest_one(self):
        status, _, body = self.ask("POST", "/api/kernels", {"name": "pyhton3"})
        self.assertEqual(status, 404)
        self.assertIn("did you mean 'python3'", body["message"])

    def test_wrong_bodies_are_refused_with_400_and_start_nothing(self):
        for body in (b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"name": 1}',
                     b'{"env": []}', b'{"env": {"A": 1}}', b'{"env": {"A=B": "x"}}',
                     b'{"env": {"KERNEL_X": "a\\nb"}}', b'{"env": {"KERNEL_X": "a\\u0000b"}}',
                     b'{"kernel_id": "../../etc"}', b'{"path": 5}'):
            status, _, answer = self.ask("POST", "/api/kernels", body)
            self.assertEqual(status, 400, body[:40])
            self.assertTrue(answer["message"])
            self.assertNotIn("Traceback", json.dumps(answer))
        self.assertEqual(self.ask("GET", "/api/kernels")[2], [])

    def test_a_body_over_the_limit_is_refused_with_413(self):
        with socket.create_connection(("127.0.0.1", self.gateway.port)) as client:
            client.sendall(b"POST /api/kernels HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
            self.assertIn(b" 413 ", client.makefile("rb").readline())

    def test_unknown_kernels_answer_404_on_every_action(self):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/interrupt"), ("POST", "/restart"),
                             ("GET", "/channels")):
            status, _, body = self.ask(method, f"/api/kernels/{UNKNOWN}{path}")
            self.assertEqual((status, body["message"]), (404, f"Kernel does not exist: {UNKNOWN}"), path)

    def test_other_methods_answer_405_and_other_paths_404(self):
        kernel = self.gateway.start()
        for method, path in (("PUT", "/api/kernels"), ("GET", f"/api/kernels/{kernel}/restart"),
                             ("POST", f"/api/kernels/{kernel}"), ("DELETE", "/api/kernelspecs")):
            status, headers, body = self.ask(method, path)
            self.assertEqual((status, body["message"]), (405, "Method Not Allowed"))
            self.assertTrue(headers["Allow"])
        for path in ("/api/kernels/not-an-id", f"/api/kernels/{kernel}/nothing", "/api/contents", "/lab",
                     "/api/kernels/..%2f..%2fetc"):
            self.assertEqual(self.ask("GET", path)[0], 404, path)

    def test_a_slash_at_the_end_is_redirected_with_the_query(self):
        for asked, place in (("/api/kernels/", "/api/kernels"), ("/api//", "/api"),
                             ("/api/kernels///?a=1&b=%2F%20", "/api/kernels?a=1&b=%2F%20"),
                             ("/api/?x=/", "/api?x=/"), ("/api/%C3%A4/", "/api/%C3%A4")):
            head = self.raw(f"GET {asked}").partition(b"\r\n\r\n")[0].decode()
            self.assertRegex(head, r"^HTTP/1.1 302 ")
            self.assertIn(f"\r\nLocation: {place}\r\n", head + "\r\n")
        _, _, body = self.ask("GET", f"/api/kernels/?token={self.gateway.token}", token=False)  # followed
        self.assertEqual(body, [])

    def test_nobody_is_redirected_to_another_site(self):
        for path in ("//evil.example/", "//evil.example/%2f..//", "/\\evil.example/", "\\\\evil.example/", "///",
                     "/api\\..\\/", "http://evil.example/api/", "/%0d%0aSet-Cookie:x/", "evil.example/"):
            answer = self.raw(f"GET {path}").partition(b"\r\n\r\n")[0].decode()
            if " 302 " in answer.partition("\r\n")[0]:
                self.assertRegex(answer, r"\r\nLocation: /[^/\\\s]\S*(\r\n|$)", path)
                self.assertNotIn("\r\nSet-Cookie", answer)
            else:
                self.assertRegex(answer, r"^HTTP/1.1 40[04] ", path)

    def test_the_head_of_what_is_no_file_cannot_be_asked_for(self):
        for path in ("/api", "/api/kernels", "/api/kernelspecs", "/api/sessions"):
            self.assertEqual(self.ask("HEAD", path)[0], 405, path)

    def test_channels_without_an_upgrade_answer_400(self):
        status, _, body = self.ask("GET", f"/api/kernels/{self.gateway.start()}/channels")
        self.assertEqual((status, body["message"]), (400, 'Can "Upgrade" only to "WebSocket".'))

    def test_a_kernel_that_cannot_start_is_dead_with_its_own_words(self):
        kernel = self.gateway.start("unstartable")
        model = wait_until(lambda: (m := self.gateway.model(kernel))["execution_state"] == "dead" and m,
                           "dead")
        self.assertIn("exited with code 3", model["reason"])
        self.assertIn("no such luck", model["reason"])

    # Kernelspecs

    def test_kernelspecs_have_the_model_front_ends_check(self):
        status, _, body = self.ask("GET", "/api/kernelspecs")
        self.assertEqual((status, body["default"]), (200, "python3"))
        self.assertNotIn("broken", body["kernelspecs"])
        for name, model in body["kernelspecs"].items():
            self.assertEqual((name, sorted(model)), (model["name"], ["name", "resources", "spec"]))
            for key in ("argv", "display_name", "language", "env", "interrupt_mode", "metadata"):
                self.assertIn(key, model["spec"])
        status, _, one = self.ask("GET", "/api/kernelspecs/PYTHON3")
        self.assertEqual((status, one), (200, body["kernelspecs"]["python3"]))
        status, _, body = self.ask("GET", "/api/kernelspecs/nothing-like-it")
        self.assertEqual((status, body["message"]), (404, "Kernel spec nothing-like-it not found"))

    def test_the_user_whom_notebook_servers_name_changes_nothing(self):
        self.assertEqual(self.ask("GET", "/api/kernelspecs?user=ada")[2], self.ask("GET", "/api/kernelspecs")[2])

    def test_resources_are_no_pages_of_the_gateway(self):
        raw = self.raw("HEAD /kernelspecs/perijove-echo/kernel.json").decode()
        head, _, body = raw.partition("\r\n\r\n")
        self.assertRegex(head, r"^HTTP/1.1 200 ")
        self.assertEqual(body, "")
        self.assertRegex(head, r"(?i)\r\ncontent-security-policy: sandbox; default-src 'none'(\r\n|$)")
        self.assertRegex(head, r"(?i)\r\nx-content-type-options: nosniff(\r\n|$)")

    def test_resources_are_served_and_nothing_beside_them(self):
        logo = self.ask("GET", "/api/kernelspecs/perijove-echo")[2]["resources"]["logo-64x64"]
        raw = self.raw(f"GET {logo}")
        self.assertIn(b" 200 ", raw.partition(b"\r\n")[0])
        self.assertIn(b"\x89PNG", raw)
        self.assertRegex(raw, rb"(?i)cache-control: max-age=2592000")
        for path in ("../python3/kernel.json", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "a/../../b",
                     "%00", "....//kernel.json"):
            status = int(self.raw(f"GET /kernelspecs/perijove-echo/{path}").split()[1])
            self.assertIn(status, (400, 403, 404), path)

    # Sessions

    def session(self, **more):
        return self.ask("POST", "/api/sessions", {"path": "a/b.ipynb", "type": "notebook", "name": "b",
                                                  "kernel": {"name": "perijove-echo"}, **more})

    def test_a_session_is_made_once_per_path_and_ends_with_its_kernel(self):
        status, headers, model = self.session()
        self.assertEqual(status, 201)
        self.assertEqual(headers["Location"], f"/api/sessions/{model['id']}")
        self.assertEqual(model["notebook"], {"path": "a/b.ipynb", "name": "b"})
        self.assertEqual(self.session()[2]["id"], model["id"])
        self.assertEqual([s["id"] for s in self.ask("GET", "/api/sessions")[2]], [model["id"]])
        path = f"/api/sessions/{model['id']}"
        self.assertEqual(self.ask("GET", path)[2]["kernel"]["id"], model["kernel"]["id"])
        self.assertEqual(self.ask("DELETE", path)[0], 204)
        self.assertEqual(self.ask("GET", f"/api/kernels/{model['kernel']['id']}")[0], 404)
        status, _, body = self.ask("GET", path)
        self.assertEqual((status, body["message"]), (404, f"Session not found: session_id='{model['id']}'"))

    def test_a_session_whose_kernel_was_deleted_answers_410_once(self):
        model = self.session()[2]
        self.gateway.delete(model["kernel"]["id"])
        self.assertEqual(self.ask("DELETE", f"/api/sessions/{model['id']}")[0], 410)
        self.assertEqual(self.ask("DELETE", f"/api/sessions/{model['id']}")[0], 404)

    def test_sessions_that_share_a_kernel_end_together(self):
        first = self.session()[2]
        _, _, second = self.ask("POST", "/api/sessions", {"path": "b.ipynb", "type": "notebook",
                                                          "kernel": {"id": first["kernel"]["id"]}})
        self.assertEqual(second["kernel"]["id"], first["kernel"]["id"])
        self.assertEqual(self.ask("DELETE", f"/api/sessions/{first['id']}")[0], 204)
        self.assertEqual(self.ask("GET", "/api/sessions")[2], [])
        self.assertEqual(self.ask("DELETE", f"/api/sessions/{second['id']}")[0], 404)

    def test_a_session_can_be_renamed_and_given_another_kernel(self):
        model = self.session()[2]
        path = f"/api/sessions/{model['id']}"
        status, _, renamed = self.ask("PATCH", path, {"path": "c.ipynb", "name": "c"})
        self.assertEqual((status, renamed["path"], renamed["name"]), (200, "c.ipynb", "c"))
        self.assertEqual(renamed["kernel"]["id"], model["kernel"]["id"])
        changed = self.ask("PATCH", path, {"kernel": {"name": "perijove-echo"}})[2]
        self.assertNotEqual(changed["kernel"]["id"], model["kernel"]["id"])
        wait_until(lambda: self.ask("GET", f"/api/kernels/{model['kernel']['id']}")[0] == 404, "old one gone")
        status, _, body = self.ask("PATCH", path, {"kernel": {"id": UNKNOWN}})
        self.assertEqual((status, body["message"]), (400, f"No such kernel: {UNKNOWN}"))

    def test_a_session_attaches_to_a_kernel_that_runs(self):
        kernel = self.gateway.start()
        self.assertEqual(self.session(kernel={"id": kernel})[2]["kernel"]["id"], kernel)

    def test_a_session_may_choose_the_id_of_its_kernel(self):
        model = self.session(kernel={"id": UNKNOWN, "name": "perijove-echo"})[2]
        self.assertEqual(model["kernel"]["id"], UNKNOWN)
        self.assertEqual(self.ask("GET", f"/api/kernels/{UNKNOWN}")[0], 200)

    def test_a_session_whose_kernel_has_gone_is_not_listed(self):
        model = self.session()[2]
        self.gateway.delete(model["kernel"]["id"])
        self.assertEqual(self.ask("GET", "/api/sessions")[2], [])
        self.assertEqual(self.ask("GET", f"/api/sessions/{model['id']}")[0], 404)

    def test_a_change_of_a_session_that_cannot_be_made_changes_nothing(self):
        before = self.session()[2]
        path = f"/api/sessions/{before['id']}"
        for body, expected, message in (
                (None, 400, "No JSON data provided"), (b"{", 400, "Invalid JSON in body of request"),
                ({"path": 1}, 400, "'path' must be a string"), ({"kernel": []}, 400, "'kernel' must be an object"),
                ({"kernel": {"id": "../x"}}, 400, "'kernel.id' must be a UUID"),
                ({"kernel": {"name": "nothing-like-it"}}, 501, "kernelspec 'nothing-like-it' not found")):
            status, _, answer = self.ask("PATCH", path, body)
            self.assertEqual(status, expected, body)
            self.assertIn(message, answer["message"])
            self.assertEqual(self.without_activity(self.ask("GET", path)[2]), self.without_activity(before))
        self.assertEqual(self.ask("PATCH", f"/api/sessions/{UNKNOWN}", {"path": "x"})[0], 404)
        self.assertEqual(self.ask("GET", f"/api/sessions/{UNKNOWN}")[0], 404)

    def test_an_id_wins_over_a_name_and_the_older_body_changes_a_path(self):
        other = self.gateway.start()
        path = f"/api/sessions/{self.session()[2]['id']}"
        changed = self.ask("PATCH", path, {"kernel": {"id": other, "name": "nothing-like-it"}})[2]
        self.assertEqual(changed["kernel"]["id"], other)
        self.assertEqual(self.ask("PATCH", path, {"notebook": {"path": "moved.ipynb"}})[2]["path"], "moved.ipynb")

    @staticmethod
    def without_activity(session):
        kernel = {key: session["kernel"][key] for key in ("id", "name")}
        return dict(session, kernel=kernel)

    def test_the_older_body_of_a_session_is_understood(self):
        status, _, model = self.ask("POST", "/api/sessions", {"notebook": {"path": "old.ipynb"},
                                                              "kernel": {"name": "perijove-echo"}})
        self.assertEqual((status, model["type"], model["path"]), (201, "notebook", "old.ipynb"))

    def test_wrong_sessions_are_refused(self):
        self.assertEqual(self.ask("POST", "/api/sessions")[2]["message"], "No JSON data provided")
        for body, message in (({"type": "notebook"}, "Missing field in JSON data: path"),
                              ({"path": "x"}, "Missing field in JSON data: type")):
            status, _, answer = self.ask("POST", "/api/sessions", body)
            self.assertEqual((status, answer["message"]), (400, message))
        status, _, answer = self.session(kernel={"name": "nothing-like-it"})
        self.assertEqual(status, 501)
        self.assertTrue(answer["short_message"])
        for body in ({"path": 1, "type": "x"}, {"path": "x", "type": "y", "kernel": []}):
            self.assertEqual(self.ask("POST", "/api/sessions", body)[0], 400)

    # Bytes that are no HTTP

    def raw(self, request_line):
        with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=30) as client:
            client.sendall(f"{request_line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                           f"Authorization: token {self.gateway.token}\r\n\r\n".encode())
            return client.makefile("rb").read()

    def test_what_is_no_http_is_answered_400_or_431_and_harms_nobody(self):
        for data, expected in ((b"\x16\x03\x01\x02\x00nonsense\r\n\r\n", b" 400 "),
                               (b"GET / HTTP/9.9\r\n\r\n", b" 400 "),
                               (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b" 400 "),
                               (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b" 400 "),
                               (b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000, b" 431 ")):
            with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=30) as client:
                client.sendall(data)
                self.assertIn(expected, client.makefile("rb").readline(), data[:40])
        self.assertEqual(self.ask("GET", "/api/status")[0], 200)


class Configured(unittest.TestCase):
    """The same rows where an option changes the answer."""

    def launch(self, *arguments):
        gateway = Gateway(arguments=list(arguments))
        self.addCleanup(gateway.stop)
        return gateway

    def test_lists_can_be_turned_off_and_everything_else_works(self):
        gateway = self.launch("--list-kernels", "false")
        kernel = gateway.start()
        for path in ("/api/kernels", "/api/sessions"):
            status, _, body = gateway.request("GET", path)
            self.assertEqual((status, body["message"]), (403, "Forbidden"))
        self.assertEqual(gateway.request("GET", f"/api/kernels/{kernel}")[0], 200)

    def test_one_kernel_too_many_is_refused_until_another_has_ended(self):
        gateway = self.launch("--max-kernels", "2")
        kernels = [gateway.start(), gateway.start()]
        for method, path, body in (
                ("POST", "/api/kernels", {"name": "perijove-echo"}),
                ("POST", "/api/sessions", {"path": "x", "type": "file", "kernel": {"name": "perijove-echo"}})):
            status, _, answer = gateway.request(method, path, body)
            self.assertEqual(status, 403)
            self.assertIn("Resource Limit", answer["message"])
        gateway.delete(kernels[0])
        self.assertTrue(gateway.start())

    def test_many_starts_at_once_never_exceed_the_limit(self):
        gateway = self.launch("--max-kernels", "3")
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            statuses = list(pool.map(
                lambda _: gateway.request("POST", "/api/kernels", {"name": "perijove-echo"})[0], range(10)))
        self.assertEqual(sorted(statuses), [201] * 3 + [403] * 7)

    def test_everything_stands_below_a_base_url_that_is_percent_encoded(self):
        gateway = self.launch("--base-url", "/a%40b/")
        for base in ("/a%40b", "/a@b"):
            status, headers, model = gateway.request("POST", f"{base}/api/kernels", {"name": "perijove-echo"})
            self.assertEqual(status, 201)
            self.assertEqual(headers["Location"], f"/a%40b/api/kernels/{model['id']}")
            resources = gateway.request("GET", f"{base}/api/kernelspecs/perijove-echo")[2]["resources"]
            self.assertEqual(resources["logo-64x64"], "/a%40b/kernelspecs/perijove-echo/logo-64x64.png")
            self.assertEqual(gateway.request("GET", resources["logo-64x64"])[0], 200)
            self.assertEqual(gateway.request("GET", f"{base}/api/")[0], 200)  # redirected
            channels = websocket.create_connection(
                f"{gateway.websocket_url}{base}/api/kernels/{model['id']}/channels?token={gateway.token}", timeout=60)
            channels.close()
        for path in ("/api", "/api/kernels", "/", "/a%40bc/api"):
            self.assertEqual(gateway.request("GET", path)[0], 404, path)


if __name__ == "__main__":
    unittest.main()
