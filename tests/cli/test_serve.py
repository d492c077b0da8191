"""`perijove serve`: from its first line to its end. What it serves is tested elsewhere."""

import json
import os
import signal
import socket
import stat

from support import ECHO, CliTestCase, eventually, get_json, is_running


class ServeStart(CliTestCase):
    def test_one_line_says_where_and_the_token_in_it_opens(self):
        _, url = self.serve()
        self.assertRegex(url, r"^http://127\.0\.0\.1:[0-9]+/\?token=[0-9a-f]{48}$")
        self.assertEqual(get_json(url, "api/kernels"), (200, []))
        self.assertEqual(get_json(url.split("?")[0], "api/kernels")[0], 401)

    def test_the_token_comes_from_the_flag_before_the_variable(self):
        _, url = self.serve(environment={"PERIJOVE_TOKEN": "from-variable"})
        self.assertTrue(url.endswith("?token=from-variable"))
        _, url = self.serve("--token", "from flag", environment={"PERIJOVE_TOKEN": "x"})
        self.assertTrue(url.endswith("?token=from%20flag"))

    def test_a_base_url_is_part_of_it(self):
        _, url = self.serve("--base-url", "deep/er")
        self.assertIn("/deep/er/?token=", url)
        self.assertEqual(get_json(url, "api/kernels"), (200, []))

    def test_no_token_is_for_loopback_only(self):
        _, url = self.serve("--no-auth")
        self.assertNotIn("token", url)
        self.assertEqual(get_json(url, "api/kernels"), (200, []))
        done = self.perijove("serve", "--port", "0", "--no-auth", "--ip", "0.0.0.0")
        self.assertEqual(done.code, 77)
        self.assertIn("PERIJOVE_ALLOW_NO_AUTH=1", done.err)
        running, url = self.serve("--no-auth", "--ip", "0.0.0.0",
                                  environment={"PERIJOVE_ALLOW_NO_AUTH": "1"})
        self.assertTrue(url.startswith("http://127.0.0.1:"), url)
        running.wait_for("no_authentication", "err")

    def test_a_port_that_is_taken_is_said_or_passed_over(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = self.perijove("serve", "--port", port)
            self.assertEqual(done.code, 73)
            self.assertIn(f"127.0.0.1:{port}", done.err)
            running = self.begin("serve", "--port", port, "--port-retries", "100")
            self.assertNotIn(f":{port}/", running.wait_for(" is serving at "))

    def test_its_file_is_for_its_user_only(self):
        running, url = self.serve()
        [path] = (self.runtime / "perijove/servers").iterdir()
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        entry = json.loads(path.read_text())
        self.assertEqual(f"{entry['url']}?token={entry['token']}", url)
        running.signal(signal.SIGTERM)
        running.wait()
        self.assertFalse(path.exists())

    def test_kernels_do_not_inherit_the_token(self):
        _, url = self.serve("--inherit-env", "*", environment={"PERIJOVE_TOKEN": "secret"})
        _, kernel = get_json(url, "api/kernels?perijove=1", "POST", {"name": ECHO})
        pid = self.pid_of(url, kernel["id"])
        with open(f"/proc/{pid}/environ", "rb") as file:
            self.assertNotIn(b"secret", file.read())

    def pid_of(self, url, kernel_id):
        def process():
            return get_json(url, f"api/kernels/{kernel_id}?perijove=1")[1]["perijove"]["process"]
        eventually(lambda: process().startswith("pid "), "the kernel has a process")
        return int(process().split()[1])

    def test_mistakes_are_explained(self):
        for arguments, code, words in (
                (["--prot", "1"], 64, "did you mean '--port'"),
                (["--port", "70000"], 64, "--port: the value must be a whole number"),
                (["--ip", "nowhere"], 64, "'nowhere' is not an IP address"),
                (["--token", "t", "--no-auth"], 64, "contradict"),
                (["--work-dir", "gone"], 66, "no such directory"),
                (["--auto-restart", "sometimes"], 64, "never or always"),
                (["--config", "gone.toml"], 66, "gone.toml"),
                (["--runtime-dir", "/tmp/" + "x" * 100], 64, "is too long by"),
        ):
            with self.subTest(arguments):
                done = self.perijove("serve", "--port", "0", *arguments)
                self.assertEqual(done.code, code, done.err)
                self.assertIn(words, done.err)
                self.assertEqual(done.out, "")


class ServeSettings(CliTestCase):
    def url_of(self, *arguments, **environment):
        running, url = self.serve(*arguments, environment=environment)
        running.signal(signal.SIGTERM)
        running.wait()
        return url

    def test_flags_win_over_variables_and_these_over_the_file(self):
        config = self.write("c.toml", '[serve]\ntoken = "file"\nbase-url = "/file/"\n')
        self.assertIn("/file/?token=file", self.url_of("--config", config))
        self.assertIn("/file/?token=variable",
                      self.url_of("--config", config, PERIJOVE_TOKEN="variable"))
        self.assertIn("/flag/?token=variable",
                      self.url_of("--base-url", "flag", PERIJOVE_TOKEN="variable",
                                  PERIJOVE_CONFIG=str(config)))

    def test_an_unknown_key_is_an_error_with_a_hint(self):
        config = self.write("c.toml", "max_kernel = 3\n")
        done = self.perijove("serve", "--config", config)
        self.assertEqual(done.code, 64)
        self.assertIn("did you mean 'max-kernels'?", done.err)

    def test_a_variable_that_looks_mistyped_is_warned_of(self):
        running, _ = self.serve(environment={"PERIJOVE_TOKN": "x"})
        running.wait_for("did you mean PERIJOVE_TOKEN?", "err")

    def test_max_kernels_is_kept(self):
        _, url = self.serve("--max-kernels", "1")
        self.assertEqual(get_json(url, "api/kernels", "POST", {"name": ECHO})[0], 201)
        self.assertEqual(get_json(url, "api/kernels", "POST", {"name": ECHO})[0], 403)


class ServeEnd(CliTestCase):
    def start_kernel(self, url):
        _, kernel = get_json(url, "api/kernels", "POST", {"name": ECHO})
        path = f"api/kernels/{kernel['id']}?perijove=1"
        eventually(lambda: get_json(url, path)[1]["execution_state"] == "idle", "kernel is ready")
        return int(get_json(url, path)[1]["perijove"]["process"].split()[1])

    def test_sigterm_ends_the_kernels_and_then_the_gateway(self):
        running, url = self.serve()
        pid = self.start_kernel(url)
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait().code, 0)
        self.assertFalse(is_running(pid))

    def test_while_it_drains_no_kernel_starts(self):
        running, url = self.serve("--client-env", "PERIJOVE_ECHO_OPTIONS")
        # A kernel that is stopped does not hear of its end, so draining takes until SIGKILL.
        pid = self.start_kernel(url)
        os.kill(pid, signal.SIGSTOP)
        running.signal(signal.SIGTERM)
        running.wait_for("draining", "err")
        status, answer = get_json(url, "api/kernels", "POST", {"name": ECHO})
        self.assertEqual(status, 503)
        self.assertIn("shutting down", answer["message"])
        self.assertEqual(running.wait().code, 0)
        self.assertFalse(is_running(pid))

    def test_the_second_signal_ends_it_at_once(self):
        running, url = self.serve("--shutdown-timeout", "600")
        pid = self.start_kernel(url)
        os.kill(pid, signal.SIGSTOP)
        running.signal(signal.SIGINT)
        running.wait_for("draining", "err")
        running.signal(signal.SIGINT)
        self.assertEqual(running.wait().code, 0)
        self.assertFalse(is_running(pid))

    def test_what_a_killed_gateway_left_is_swept_by_the_next(self):
        pid = self.leave_stray()
        self.assertTrue(is_running(pid))
        running, _ = self.serve()
        running.wait_for("stray_removed", "err")
        eventually(lambda: not is_running(pid), "the stray kernel has ended")
