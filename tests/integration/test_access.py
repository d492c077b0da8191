"""Who is let in: token, Host and Origin, asked over HTTP and with websockets, which must agree."""

import socket
import unittest

from gateway import Gateway, WithGateway

TRUSTED = "http://trusted.example.com"
STRANGERS = ("http://evil.example", "null", "http://trusted.example.com.evil.com", "trusted.example.com",
             "http://eviltrusted.example.com", "http://trusted.example.com:81", "https://trusted.example.com",
             "http://trusted.example.com@evil.com", "http://127.0.0.1", "http://127.0.0.1:1",
             "http://localhost.evil.com", "https://a/.pages.example", "https://pages.example",
             "https://x.pages.example.evil.com")


class WithRawRequests(WithGateway):
    """Requests whose every header is chosen, which HTTP libraries do not allow."""

    def ask(self, path, *headers, method="GET", host="127.0.0.1:{port}", version="1.1"):
        """(status, headers: {name in small letters: value})."""
        lines = [f"{method} {path} HTTP/{version}", *([] if host is None else [f"Host: {host}"]), *headers,
                 "Content-Length: 0"]
        text = "\r\n".join(lines).replace("{port}", str(self.gateway.port)) + "\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=60) as client:
            client.sendall(text.encode())
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(65536)
                self.assertTrue(piece, f"closed in the middle of the answer's head: {head}")
                head += piece
        status, *fields = head.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        return int(status.split()[1]), {name.lower(): value for name, _, value in
                                        (field.partition(": ") for field in fields)}

    def every_way(self, *headers, query="", **options):
        """The statuses of one and the same sender at everything that must be guarded alike."""
        kernel = self.kernel
        upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
        statuses = {path: self.ask(path + query, *headers, **options)[0]
                    for path in ("/api/kernels", "/api/sessions", "/api/status", "/api/me", "/metrics",
                                 "/api/kernelspecs", "/kernelspecs/perijove-echo/logo-64x64.png",
                                 f"/api/kernels/{kernel}", "/v1/sessions")}
        for path in (f"/api/kernels/{kernel}/channels", "/api/events/subscribe"):
            statuses[f"upgrade of {path}"] = self.ask(path + query, *headers, *upgrade, **options)[0]
        return statuses

    def assert_let_in(self, *headers, **options):
        for what, status in self.every_way(*headers, **options).items():
            self.assertEqual(status, 101 if what.startswith("upgrade") else 200, (what, headers, options))

    def assert_refused(self, expected, *headers, **options):
        for what, status in self.every_way(*headers, **options).items():
            self.assertEqual(status, expected, (what, headers, options))

    @property
    def kernel(self):
        kernels = self.gateway.request("GET", "/api/kernels")[2]
        return kernels[0]["id"] if kernels else self.start()


class WithoutAToken(WithRawRequests):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(token="", arguments=[
            "--allow-origin", f"{TRUSTED},https://*.pages.example", "--allow-host", "gateway.example"])
        cls.addClassCleanup(cls.gateway.stop)

    def test_programs_which_send_no_origin_are_let_in(self):
        self.assert_let_in()
        self.assert_let_in(host=None, version="1.0")

    def test_pages_of_the_gateways_own_address_and_of_allowed_origins_are_let_in(self):
        for origin in ("http://127.0.0.1:{port}", TRUSTED, "https://one.pages.example"):
            self.assert_let_in(f"Origin: {origin}")
        self.assert_let_in("Origin: http://localhost:{port}", host="localhost:{port}")

    def test_pages_of_other_sites_are_refused(self):
        for origin in STRANGERS:
            self.assert_refused(403, f"Origin: {origin}")

    def test_a_site_that_put_our_address_under_its_own_name_is_refused(self):
        for host in ("evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}",
                     "localhost.evil.example", "gateway.example.evil.com", "trusted.example.com"):
            self.assert_refused(403, f"Origin: http://{host}", host=host)
            self.assert_refused(403, host=host)
            self.assert_refused(403, f"Origin: {TRUSTED}", host=host)

    def test_the_names_of_this_machine_and_allowed_hosts_are_answered(self):
        for host in ("localhost", "LOCALHOST:{port}", "127.0.0.1", "[::1]:{port}", "gateway.example:80"):
            self.assert_let_in(host=host)
            self.assert_let_in(f"Origin: http://{host}", host=host)

    def test_nothing_happens_for_a_request_that_is_refused(self):
        self.assertTrue(self.kernel)
        before = self.gateway.request("GET", "/api/kernels")[2]
        for sender in (dict(origin="http://evil.example"), dict(origin="null"),
                       dict(origin="http://evil.example", host="evil.example")):
            origin = f"Origin: {sender.pop('origin')}"
            self.assertEqual(self.ask("/api/kernels", origin, method="POST", **sender)[0], 403)
            for method, path in (("DELETE", ""), ("POST", "/restart"), ("POST", "/interrupt")):
                path = f"/api/kernels/{before[0]['id']}{path}"
                self.assertEqual(self.ask(path, origin, method=method, **sender)[0], 403)
        after = self.gateway.request("GET", "/api/kernels")[2]
        self.assertEqual([model["id"] for model in after], [model["id"] for model in before])

    def test_browsers_are_told_who_may_read(self):
        for origin in (TRUSTED, "https://one.pages.example"):
            for method in ("GET", "OPTIONS"):
                _, headers = self.ask("/api/kernels", f"Origin: {origin}", method=method)
                self.assertEqual((headers["access-control-allow-origin"], headers["vary"]), (origin, "Origin"))
        for origin in STRANGERS:
            for method in ("GET", "OPTIONS"):
                _, headers = self.ask("/api/kernels", f"Origin: {origin}", method=method)
                self.assertNotIn("access-control-allow-origin", headers, origin)


class WithAToken(WithRawRequests):
    def test_a_sender_that_has_it_is_let_in_from_anywhere_by_any_name(self):
        token = self.gateway.token
        for sent in ({"query": f"?token={token}"}, {"headers": f"Authorization: token {token}"},
                     {"headers": f"Authorization: Bearer {token}"}):
            headers = [sent.pop("headers")] if "headers" in sent else []
            for origin in ([], ["Origin: null"], ["Origin: http://evil.example"]):
                self.assert_let_in(*headers, *origin, **sent)
            self.assert_let_in(*headers, **sent, host="gateway.behind.a.proxy")

    def test_a_sender_that_has_it_not_is_refused_even_from_here(self):
        for headers in ((), ("Origin: http://127.0.0.1:{port}",), ("Authorization: token wrong",),
                        ("Origin: http://127.0.0.1:{port}", "Cookie: token=" + self.gateway.token)):
            self.assert_refused(401, *headers)
            self.assert_refused(401, *headers, query="?token=wrong")

    def test_a_page_is_told_that_it_may_read_only_when_it_had_the_token(self):
        token, page = f"?token={self.gateway.token}", "Origin: http://page.example"
        self.assertEqual(self.ask("/api/kernels" + token, page)[1]["access-control-allow-origin"],
                         "http://page.example")
        self.assertNotIn("access-control-allow-origin", self.ask("/api/kernels", page)[1])

    def test_a_preflight_which_carries_no_token_is_answered_for_every_path(self):
        for path in ("/api/kernels", "/api/sessions", f"/api/kernels/{self.kernel}/restart", "/v1/sessions", "/x"):
            status, headers = self.ask(path, "Origin: http://page.example", "Access-Control-Request-Method: POST",
                                       method="OPTIONS")
            self.assertEqual((status, headers["access-control-allow-origin"]), (204, "http://page.example"), path)
            self.assertEqual(headers["access-control-allow-methods"], "GET, PUT, POST, PATCH, DELETE, OPTIONS")
            self.assertEqual(headers["access-control-allow-headers"],
                             "accept, content-type, authorization, x-xsrftoken")


class Configured(WithRawRequests):
    arguments = ("--allow-origin", "*", "--allow-credentials", "true", "--allow-headers", "x-mine", "--allow-methods",
                 "GET", "--expose-headers", "x-theirs", "--max-age", "600")

    def test_what_is_configured_is_sent_word_by_word(self):
        _, headers = self.ask("/api/kernels", "Origin: http://page.example", method="OPTIONS")
        for name, value in {"origin": "http://page.example", "credentials": "true", "headers": "x-mine",
                            "methods": "GET"}.items():
            self.assertEqual(headers[f"access-control-allow-{name}"], value)
        self.assertEqual(headers["access-control-expose-headers"], "x-theirs")
        self.assertEqual(headers["access-control-max-age"], "600")

    def test_any_origin_is_let_in_and_still_needs_the_token(self):
        self.assert_let_in("Origin: http://any.example", query=f"?token={self.gateway.token}")
        self.assert_refused(401, "Origin: http://any.example")


if __name__ == "__main__":
    unittest.main()
