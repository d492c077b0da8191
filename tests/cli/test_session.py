"""`perijove session`: code that keeps its state in a gateway that is running, and its files."""

import json
import pathlib
import signal
import unittest

from support import ECHO, CliTestCase, eventually, get_json

PYTHON = pathlib.Path("/usr/share/jupyter/kernels/python3/kernel.json")


class WithGateway:
    def setUp(self):
        super().setUp()
        self.gateway, self.url = self.serve()

    def session(self, *arguments, **keywords):
        return self.perijove("session", *arguments, **keywords)

    def start(self, *arguments):
        done = self.session("start", *arguments)
        self.assertEqual(done.code, 0, done.err)
        return done.out.strip()

    def exec_echo(self, identifier, *lines, options=(), **keywords):
        return self.session("exec", identifier, *options, "-c", "\n".join(lines), **keywords)


class SessionLife(WithGateway, CliTestCase):
    def test_a_session_is_started_listed_shown_and_stopped(self):
        identifier = self.start(ECHO, "--key", "mine")
        self.assertRegex(self.session("list").out, rf"{identifier} +mine +{ECHO} +idle +0 ")
        [listed] = self.session("list", "--json").json
        self.assertEqual(listed["work_dir"], str(self.directory / "sessions/mine"))
        shown = self.session("show", identifier[:8])
        self.assertRegex(shown.out, r"key +mine")
        self.assertEqual(self.session("show", "mine", "--json").json["session_id"], identifier)
        stopped = self.session("stop", "mine")
        self.assertIn(f"{identifier} stopped", stopped.err)
        self.assertEqual(self.session("list").out, "")

    def test_a_key_is_taken_once_unless_it_is_reused(self):
        identifier = self.start("--key", "mine", ECHO)
        again = self.session("start", "--key", "mine", ECHO)
        self.assertEqual(again.code, 1)
        self.assertIn("'mine'", again.err)
        self.assertEqual(self.start("--key", "mine", "--reuse"), identifier)
        self.assertEqual(self.session("start", "--reuse").code, 64)

    def test_limits_reach_the_gateway(self):
        identifier = self.start(ECHO, "--timeout", "7", "--idle-timeout", "10m",
                                "--max-lifetime", "0")
        session = self.session("show", identifier, "--json").json
        self.assertEqual(session["timeout_s"], 7)
        self.assertEqual(session["idle_timeout_s"], 600)
        self.assertIsNone(session["max_lifetime_s"])

    def test_a_session_comes_ready_from_a_pool_and_goes_back(self):
        shown = self.perijove("pool", "set", "warm", ECHO, "--size", "2")
        self.assertRegex(shown.out, r"warm +2 ")
        eventually(lambda: self.perijove("pool", "list", "--json").json[0]["ready"] == 2,
                   "two are ready")
        identifier = self.start("--pool", "warm", "--key", "mine")
        shown = self.session("show", identifier, "--json").json
        self.assertEqual([kernel["execution_state"] for kernel in shown["kernels"]], ["idle"])
        self.assertTrue(pathlib.Path(shown["work_dir"]).is_dir())
        self.assertIn("released", self.session("release", "mine").err)
        self.assertFalse(pathlib.Path(shown["work_dir"]).exists())
        self.assertIn("warm removed", self.perijove("pool", "remove", "warm").err)
        missing = self.session("start", "--pool", "warm")
        self.assertEqual(missing.code, 66)
        self.assertIn("no pool 'warm'", missing.err)

    def test_an_environment_and_an_image_are_asked_for(self):
        refused = self.session("start", ECHO, "--virtual-env", self.directory)
        self.assertEqual(refused.code, 64, refused.err)
        self.assertIn("is no Python environment", refused.err)
        started = self.session("start", ECHO, "--image", "our:1")
        self.assertEqual(started.code, 0, started.err)
        config = self.session("show", started.out.strip(), "--json").json["config"]["config"]
        self.assertEqual((config["isolation"], config["docker"]), ("docker", {"image": "our:1"}))
        refused = self.session("start", ECHO, "--isolation", "sandbox", "--image", "our:1")
        self.assertEqual(refused.code, 64, refused.err)
        self.assertIn("--image is of a container", refused.err)

    def test_a_session_is_copied_with_its_variables(self):
        self.start("perijove-python", "--key", "base")
        self.session("exec", "base", "-c", "x = 41")
        forked = self.session("fork", "base", "--count", "2")
        self.assertEqual(forked.code, 0, forked.err)
        for copy in forked.out.split():
            self.assertEqual(self.session("exec", copy, "-c", "x += 1; print(x)").out, "42\n")
        self.assertEqual(self.session("fork", "base", "--count", "0").code, 64)
        self.start(ECHO, "--key", "other")
        self.exec_echo("other", "print x")
        forked = self.session("fork", "other")
        self.assertEqual((forked.code, len(forked.out.split())), (0, 1), forked.err)
        self.assertIn("variables of this language are not carried", forked.err)

    def test_a_session_takes_checkpoints_by_itself_and_recovers(self):
        base = self.start("perijove-python", "--key", "base", "--checkpoint-every", "2", "--checkpoint-idle", "1h",
                          "--checkpoint-before-risky", "standard", "--recover")
        shown = self.session("show", "base", "--json").json["auto_checkpoint"]
        self.assertEqual((shown["every"], shown["idle_s"], shown["before_risky"], shown["recover"]),
                         (2, 3600, "standard", True))
        first = self.session("exec", "base", "--checkpoint", "-c", "x = 41")
        self.assertRegex(first.err, "checkpoint c_[0-9a-f-]+")
        self.assertRegex(self.session("exec", "base", "-c", "y = 1").err, "checkpoint c_")
        died = self.session("exec", "base", "-c", "import os; os._exit(9)")
        self.assertEqual(died.code, 137)
        self.assertRegex(died.err, r"variables are those of checkpoint c_\S+ again, .*: 1 executions since then are lost")
        self.assertEqual(self.session("exec", "base", "-c", "print(x)").out, "41\n")
        wrong = self.session("start", "--checkpoint-every", "none")
        self.assertIn("--checkpoint-every", wrong.err)
        unknown = self.session("start", "--checkpoint-before-risky", "standart")
        self.assertIn("did you mean 'standard'", unknown.err)
        self.assertTrue(base)

    def test_a_checkpoint_is_taken_listed_restored_and_removed(self):
        base = self.start("perijove-python", "--key", "base")
        self.session("exec", "base", "-c", "x = 41; g = (i for i in [])")
        taken = self.session("checkpoint", "base", "--label", "good", "--keep")
        self.assertEqual(taken.code, 0, taken.err)
        self.assertIn("note: python: 'g' is left out: a generator", taken.err)
        checkpoint = taken.out.strip()
        self.session("exec", "base", "-c", "x = 0")
        self.assertRegex(self.session("checkpoints", "base").out,
                         rf"{checkpoint} +good +{base} +namespace\+files +\d+.* yes ")
        [listed] = self.session("checkpoints", "--json").json
        self.assertEqual(listed["saved"], ["x"])
        restored = self.session("restore", "base", "good")
        self.assertEqual(restored.code, 0, restored.err)
        self.assertIn("restored: 0 files, 1 names", restored.err)
        self.assertEqual(self.session("exec", "base", "-c", "print(x)").out, "41\n")
        self.assertEqual(self.session("restore", "base", checkpoint[:10], "--json").json["namespaces"][0]["restored"],
                         ["x"])
        self.session("stop", "base")
        self.start("--checkpoint", checkpoint, "--key", "tomorrow")
        self.assertEqual(self.session("exec", "tomorrow", "-c", "print(x)").out, "41\n")
        missing = self.session("restore", "tomorrow", "nothing")
        self.assertEqual(missing.code, 66)
        self.assertIn("perijove session checkpoints", missing.err)
        self.assertIn("removed", self.session("checkpoints", "--remove", "good").err)
        self.assertEqual(self.session("checkpoints").out, "")

    def test_only_a_session_of_a_pool_is_released(self):
        identifier = self.start(ECHO)
        refused = self.session("release", identifier)
        self.assertNotEqual(refused.code, 0)
        self.assertIn("of no pool", refused.err)

    def test_a_file_says_what_a_session_is_made_with(self):
        (self.directory / "config.json").write_text(json.dumps({"kernel": ECHO, "labels": {"team": "a"}}))
        identifier = self.start("--config", "config.json", "--timeout", "7")
        session = self.session("show", identifier, "--json").json
        self.assertEqual((session["labels"], session["timeout_s"]), ({"team": "a"}, 7))
        (self.directory / "config.json").write_text("[]")
        refused = self.session("start", "--config", "config.json")
        self.assertEqual(refused.code, 64)
        self.assertIn("config.json: must be a JSON object", refused.err)

    def test_an_idle_session_ends_by_itself(self):
        self.start(ECHO, "--idle-timeout", "50ms")
        eventually(lambda: self.session("list", "--json").json == [], "it has ended")

    def test_unknown_names_say_what_to_do(self):
        done = self.session("exec", "nothing", "-c", "print x")
        self.assertEqual(done.code, 66)
        self.assertIn("`perijove session list`", done.err)
        self.assertIn("--key nothing", done.err)
        self.assertEqual(self.session("start", "perijove-ecko").code, 66)
        self.assertIn("perijove-echo", self.session("start", "perijove-ecko").err)
        self.assertEqual(self.session("stop").code, 64)

    def test_all_sessions_are_restarted_and_stopped_at_once(self):
        first = self.start(ECHO)
        second = self.start(ECHO)
        self.exec_echo(first, "set x 1")
        done = self.session("restart", "--all", "--json")
        self.assertEqual(sorted(done.json), sorted([first, second]))
        self.assertEqual(self.exec_echo(first, "get x").code, 1)
        self.assertEqual(self.session("stop", "--all").err.count("stopped"), 2)

    def test_without_a_gateway_it_says_how_to_start_one(self):
        self.gateway.signal(signal.SIGTERM)
        self.gateway.wait()
        done = self.session("list")
        self.assertEqual(done.code, 66)
        self.assertIn("`perijove serve`", done.err)

    def test_a_wrong_token_is_said_to_be_one(self):
        done = self.session("list", "--url", self.url.partition("?")[0], "--token", "wrong")
        self.assertEqual(done.code, 77)
        self.assertIn("--token", done.err)


class SessionExec(WithGateway, CliTestCase):
    def test_state_is_kept_between_calls(self):
        identifier = self.start(ECHO)
        self.assertEqual(self.exec_echo(identifier, "set x 41").code, 0)
        self.assertEqual(self.exec_echo(identifier, "get x").out, "41\n")

    def test_what_code_prints_comes_apart_and_at_once(self):
        identifier = self.start(ECHO)
        running = self.begin("session", "exec", identifier, "-c",
                             "print to out\nstderr to err\nsleep 600")
        running.wait_for("to out")
        running.wait_for("to err", "err")
        self.assertEqual(self.session("show", identifier, "--json").json["state"], "busy")
        self.assertEqual(self.session("interrupt", identifier).code, 0)
        done = running.wait()
        self.assertEqual(done.code, 130)
        self.assertEqual(done.out, "to out\n")

    def test_the_gateway_interrupts_code_whose_caller_is_gone(self):
        identifier = self.start(ECHO)
        running = self.begin("session", "exec", identifier, "-c", "print begun\nsleep 600")
        running.wait_for("begun")
        running.signal(signal.SIGINT)
        self.assertEqual(running.wait().code, -signal.SIGINT)
        eventually(lambda: self.session("show", identifier, "--json").json["state"] == "idle",
                   "the code is interrupted")

    def test_the_exit_code_is_that_of_the_code(self):
        identifier = self.start(ECHO)
        done = self.exec_echo(identifier, "error ValueError not this time")
        self.assertEqual(done.code, 1)
        self.assertIn("ValueError: not this time", done.err)
        done = self.exec_echo(identifier, "sleep 600", options=["--timeout", "200ms"])
        self.assertEqual(done.code, 124)
        done = self.session("exec", identifier, "-l", "cobol", "-c", "DISPLAY 'x'.")
        self.assertEqual(done.code, 1)
        self.assertIn("cobol", done.err)

    def test_json_is_the_whole_result_and_nothing_else(self):
        identifier = self.start(ECHO)
        done = self.exec_echo(identifier, "print a", "stderr b", "png", options=["--json"])
        self.assertEqual(done.err, "")
        self.assertEqual(done.json["status"], "ok")
        self.assertEqual(done.json["stdout"], "a\n")
        self.assertEqual(done.json["stderr"], "b\n")
        self.assertEqual(done.json["output_files"][0]["mime"], "image/png")

    def test_saved_images_are_told_on_stderr(self):
        identifier = self.start(ECHO)
        done = self.exec_echo(identifier, "png")
        self.assertRegex(done.err, r"saved outputs/\S+\.png \(image/png, [0-9]+ bytes\)")
        self.assertEqual(self.exec_echo(identifier, "png", options=["-q"]).err, "")

    def test_code_is_read_from_files_pipes_and_markdown(self):
        identifier = self.start(ECHO)
        self.write("code.echo", "print from a file\n")
        self.assertEqual(self.session("exec", identifier, "code.echo").out, "from a file\n")
        done = self.session("exec", identifier, "-", stdin="print from a pipe\n")
        self.assertEqual(done.out, "from a pipe\n")
        self.write("text.md", "Words.\n\n```echo\nprint one\n```\n\n```echo\nprint two\n```\n")
        self.assertEqual(self.session("exec", identifier, "text.md").out, "one\ntwo\n")
        self.assertEqual(self.session("exec", identifier).code, 64)
        self.assertEqual(self.session("exec", identifier, "none.py").code, 66)

    def test_input_is_a_line_of_standard_input(self):
        identifier = self.start(ECHO)
        done = self.exec_echo(identifier, "input your name?", "print thanks", stdin="Galileo\n")
        self.assertEqual(done.code, 0, done.err)
        self.assertIn("your name?", done.out)
        self.assertIn("Galileo", done.out)

    @unittest.skipUnless(PYTHON.exists(), "python3-ipykernel is not installed")
    def test_python_tells_errors_exit_codes_and_files(self):
        identifier = self.start("python3")
        done = self.session("exec", identifier, "-c", "open('made.txt', 'w').write('x'); 40 + 2")
        self.assertEqual(done.out, "42\n")
        self.assertIn("created made.txt (text/plain, 1 bytes)", done.err)
        done = self.session("exec", identifier, "-c", "import sys; sys.exit(3)")
        self.assertEqual(done.code, 3)
        self.assertNotIn("Traceback", done.err)
        done = self.session("exec", identifier, "--env", "ANSWER=42", "-c",
                            "import os; print(os.environ['ANSWER'])")
        self.assertEqual(done.out, "42\n")
        done = self.session("exec", identifier, "-c", "import os; os.environ['ANSWER']")
        self.assertEqual(done.code, 1)
        self.assertIn("KeyError", done.err)


class SessionFiles(WithGateway, CliTestCase):
    def test_files_go_in_and_come_out(self):
        identifier = self.start(ECHO)
        self.write("sales.csv", "a,b\n1,2\n")
        self.assertEqual(self.session("put", identifier, "sales.csv").code, 0)
        self.assertEqual(self.session("put", identifier, "sales.csv", "data/").code, 0)
        done = self.session("put", identifier, "-", "notes ü.txt", stdin="hello")
        self.assertEqual(done.code, 0, done.err)
        listed = self.session("files", identifier, "-r")
        for path in ("data/sales.csv", "notes ü.txt", "sales.csv"):
            self.assertIn(path, listed.out)
        entries = self.session("files", identifier, "data", "--json").json["entries"]
        self.assertEqual([entry["path"] for entry in entries], ["data/sales.csv"])
        self.assertEqual(self.session("get", identifier, "notes ü.txt", "-").out, "hello")
        (self.directory / "back").mkdir()
        self.assertEqual(self.session("get", identifier, "data/sales.csv", "back").code, 0)
        self.assertEqual((self.directory / "back/sales.csv").read_text(), "a,b\n1,2\n")

    def test_bytes_are_not_changed_on_their_way(self):
        identifier = self.start(ECHO)
        contents = bytes(range(256)) * 4096
        (self.directory / "all.bin").write_bytes(contents)
        done = self.session("put", identifier, "all.bin", "--json")
        self.assertEqual(done.json, {"path": "all.bin", "size": len(contents)})
        self.assertEqual(self.session("get", identifier, "all.bin", "copy.bin").code, 0)
        self.assertEqual((self.directory / "copy.bin").read_bytes(), contents)

    def test_what_is_not_there_and_what_lies_outside_is_refused(self):
        identifier = self.start(ECHO)
        done = self.session("get", identifier, "none.txt")
        self.assertEqual(done.code, 66)
        self.assertIn("none.txt", done.err)
        self.assertEqual(self.session("get", identifier, "../../x").code, 77)
        self.assertEqual(self.session("put", identifier, "none.txt").code, 66)
        self.assertEqual(self.session("put", identifier, "-", stdin="x").code, 64)


class SessionSettings(CliTestCase):
    def test_sessions_begin_with_what_serve_was_told(self):
        _, url = self.serve("--session-timeout", "7", "--session-idle-timeout", "1h",
                            "--session-max-lifetime", "24h",
                            "--output-max-chars", "40")
        done = self.perijove("session", "start", ECHO, "--json")
        self.assertEqual(done.json["timeout_s"], 7)
        self.assertEqual(done.json["idle_timeout_s"], 3600)
        self.assertEqual(done.json["max_lifetime_s"], 86400)
        status, result = get_json(url, f"v1/sessions/{done.json['session_id']}/execute", "POST",
                                  {"code": "lines 100"})
        self.assertEqual(status, 200, json.dumps(result))
        self.assertIn("stdout", result["truncated"])
        self.assertLess(len(result["stdout"]), 200)
