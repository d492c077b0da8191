"""`perijove run`: notebooks in one kernel."""

import json
import os
import pty
import signal
import subprocess
import time

from support import BINARY, ECHO, SOURCES, CliTestCase, is_running, notebook


class RunSteps:
    """What the tests of `run` do, mixed into each class of them."""

    def run_notebook(self, *cells, options=(), **keywords):
        self.write("n.ipynb", notebook(*cells, **keywords))
        return self.perijove("run", "n.ipynb", *options)

    def executed(self, path="out/n/n.ipynb"):
        return json.loads((self.directory / path).read_text())

    def outputs(self, index, path="out/n/n.ipynb"):
        return self.executed(path)["cells"][index]["outputs"]


class RunNotebook(RunSteps, CliTestCase):
    def test_cells_share_one_kernel_and_the_notebook_keeps_their_outputs(self):
        done = self.run_notebook("set x 41", "get x", "print end")
        self.assertEqual((done.code, done.out), (0, "41\nend\n"))
        cells = self.executed()["cells"]
        self.assertEqual([cell["execution_count"] for cell in cells], [1, 2, 3])
        self.assertEqual(cells[2]["outputs"],
                         [{"name": "stdout", "output_type": "stream", "text": ["end\n"]}])

    def test_the_notebook_names_the_kernel_that_ran_it(self):
        self.run_notebook("print x", kernel="echo")
        metadata = self.executed()["metadata"]
        self.assertEqual(metadata["kernelspec"]["name"], ECHO)
        self.assertEqual(metadata["language_info"]["name"], "echo")

    def test_it_is_a_valid_notebook(self):
        try:
            import nbformat
        except ImportError:
            self.skipTest("python3-nbformat is not installed")
        self.run_notebook("png", "traceback E bad", options=["--allow-errors"])
        nbformat.validate(nbformat.read(self.directory / "out/n/n.ipynb", as_version=4))

    def test_the_notebook_itself_is_not_touched(self):
        path = self.write("n.ipynb", notebook("print x"))
        before = path.read_bytes()
        self.perijove("run", path)
        self.assertEqual(path.read_bytes(), before)

    def test_output_names_the_file_and_may_be_the_notebook(self):
        self.run_notebook("print x", options=["-o", "deep/er/o.ipynb"])
        self.assertTrue(self.outputs(0, "deep/er/o.ipynb"))
        self.run_notebook("print x", options=["-o", "n.ipynb"])
        self.assertTrue(self.outputs(0, "n.ipynb"))

    def test_files_are_named_after_notebook_cell_and_output(self):
        done = self.run_notebook("print x", "", "print y\npng\nhtml <b>", options=["--work-dir", "w"])
        names = sorted(path.name for path in (self.directory / "w").iterdir())
        self.assertEqual(names, ["n-002-01.png", "n-002-02.html", "n.ipynb"])
        self.assertIn("2 files in w", done.err)

    def test_earlier_outputs_are_gone_and_other_cells_stay(self):
        document = json.loads(notebook("print x", "print y"))
        document["cells"][1]["outputs"] = [
            {"output_type": "stream", "name": "stdout", "text": "old"}]
        document["cells"].insert(1, {"cell_type": "markdown", "id": "m", "metadata": {},
                                     "source": "# Words"})
        document["cells"][0]["source"] = "error E x"
        self.write("n.ipynb", json.dumps(document))
        self.perijove("run", "n.ipynb")
        cells = self.executed()["cells"]
        self.assertEqual(cells[1]["source"], ["# Words"])
        self.assertEqual(cells[2]["outputs"], [])

    def test_a_display_that_a_later_cell_updates_is_kept_as_it_was_last(self):
        self.run_notebook("display-id a first", "update-display a last")
        self.assertEqual(self.outputs(0)[0]["data"]["text/plain"], ["last"])
        self.assertEqual(self.outputs(1), [])

    def test_clear_output_clears(self):
        self.run_notebook("print one\nclear\nprint two")
        self.assertEqual(self.outputs(0)[0]["text"], ["two\n"])

    def test_the_kernel_runs_beside_its_notebook(self):
        self.write("sub/n.ipynb", notebook("cwd"))
        done = self.perijove("run", "sub/n.ipynb")
        self.assertEqual(done.out, f"{self.directory}/sub\n")
        self.assertEqual(self.perijove("run", "sub/n.ipynb", "--cwd", ".").out,
                         f"{self.directory}\n")

    def test_json_is_all_there_is_on_stdout(self):
        done = self.run_notebook("print one", "png", options=["--json"])
        summary = done.json
        self.assertEqual(summary["status"], "ok")
        self.assertEqual(summary["notebook"], f"{self.directory}/out/n/n.ipynb")
        self.assertEqual([block["cell"] for block in summary["blocks"]], [0, 1])
        self.assertEqual(summary["files"][0]["mime_type"], "image/png")
        self.assertEqual(summary["files"][0]["block"], 2)

    def test_quiet_leaves_what_the_code_prints(self):
        done = self.run_notebook("print one", options=["--quiet"])
        self.assertEqual((done.code, done.out, done.err), (0, "one\n", ""))

    def test_standard_input_can_be_the_notebook(self):
        done = self.perijove("run", "-", "-o", "o.ipynb", stdin=notebook("print x"))
        self.assertEqual((done.code, done.out), (0, "x\n"))


class RunParameters(RunSteps, CliTestCase):
    def python_notebook(self):
        return notebook(("a = 1\nb = 'x'", ["parameters"]), "print(a, b)", kernel="python3")

    def test_values_go_into_a_cell_behind_the_tagged_one(self):
        self.write("n.ipynb", self.python_notebook())
        self.write("p.json", '{"a": 5, "b": "from file"}')
        done = self.perijove("run", "n.ipynb", "--params-file", "p.json", "-p", "a", "6")
        if done.code == 66:
            self.skipTest("no python3 kernelspec is installed (Debian: python3-ipykernel)")
        self.assertEqual((done.code, done.out), (0, "6 from file\n"))
        injected = self.executed()["cells"][1]
        self.assertEqual(injected["metadata"]["tags"], ["injected-parameters"])

    def test_a_language_without_parameters_says_so(self):
        done = self.run_notebook("print x", options=["-p", "a", "1"])
        self.assertEqual(done.code, 1)
        self.assertIn("echo", done.err)

    def test_mistakes_are_explained(self):
        self.write("n.ipynb", notebook("print x"))
        self.write("list.json", "[1]")
        self.write("deep.json", '{"a": {"b": 1}}')
        for options, words in (
                (["--params-file", "gone.json"], "gone.json"),
                (["--params-file", "list.json"], "must be a JSON object"),
                (["--params-file", "deep.json"], "'a' must be a string"),
                (["-p", "a"], "--parameter"),
        ):
            with self.subTest(options):
                done = self.perijove("run", "n.ipynb", *options)
                self.assertIn(done.code, (64, 66))
                self.assertIn(words, done.err)


class RunEndings(RunSteps, CliTestCase):
    def test_the_first_error_ends_it_and_what_ran_is_kept(self):
        done = self.run_notebook("print one", "print two\ntraceback ValueError bad", "print three")
        self.assertEqual((done.code, done.out), (1, "one\ntwo\n"))
        self.assertIn("cell 2 of 3 failed", done.err)
        self.assertEqual(self.outputs(1)[1]["ename"], "ValueError")
        self.assertEqual(self.executed()["cells"][2]["execution_count"], None)

    def test_allowed_errors_do_not_end_it(self):
        done = self.run_notebook("error E x", "print on", options=["--allow-errors"])
        self.assertEqual((done.code, done.out), (0, "on\n"))
        self.assertIn("1 failed", done.err)

    def test_a_cell_out_of_time_is_124_and_says_so_in_the_notebook(self):
        done = self.run_notebook("print begun\nsleep 60", "print never",
                                 options=["--timeout", "0.2"])
        self.assertEqual((done.code, done.out), (124, "begun\n"))
        self.assertEqual(self.outputs(0)[1]["ename"], "KeyboardInterrupt")

    def test_a_kernel_that_dies_stands_in_the_notebook_as_an_error(self):
        done = self.run_notebook("print one", "die 7")
        self.assertEqual(done.code, 1)
        [error] = self.outputs(1)
        self.assertEqual(error["ename"], "KernelDied")
        self.assertIn("exited with code 7", error["evalue"])

    def test_ctrl_c_keeps_what_ran(self):
        self.write("n.ipynb", notebook("print one", "pid\nprint two\nsleep 60"))
        running = self.begin("run", "n.ipynb")
        running.wait_for("two")
        running.signal(signal.SIGINT)
        done = running.wait()
        self.assertEqual(done.code, 130)
        self.assertIn("interrupted after 2 cells", done.err)
        pid, printed = self.outputs(1)[:2]
        self.assertEqual(printed["text"], ["two\n"])
        self.assertFalse(is_running(int(pid["data"]["text/plain"][0])))

    def test_ctrl_c_twice_keeps_what_the_running_cell_put_out(self):
        self.write("n.ipynb", notebook("print one", "ignore-interrupt on\nprint two\nsleep 600"))
        running = self.begin("run", "n.ipynb")
        running.wait_for("two")
        running.signal(signal.SIGINT)
        running.signal(signal.SIGTERM)
        self.assertIn(running.wait().code, (130, 143))
        self.assertEqual(self.outputs(1)[0]["text"], ["two\n"])

    def test_a_kill_loses_no_finished_cell(self):
        self.write("n.ipynb", notebook("print one", "print two\nsleep 60"))
        running = self.begin("run", "n.ipynb")
        running.wait_for("two")
        running.signal(signal.SIGKILL)
        running.wait()
        self.assertEqual(self.outputs(0)[0]["text"], ["one\n"])
        self.perijove("exec", "-k", ECHO, "-c", "print ends the stray")

    def test_an_output_that_cannot_be_written_ends_it(self):
        (self.directory / "file").write_text("")
        done = self.run_notebook("print x", "print y", options=["-o", "file/o.ipynb"])
        self.assertEqual((done.code, done.out), (73, ""))
        self.assertIn(f"{self.directory}/file", done.err)
        self.assertEqual(done.err.count("error:"), 1)

    def test_mistakes_are_explained(self):
        self.write("text.ipynb", "not json")
        self.write("old.ipynb", '{"nbformat": 3, "worksheets": []}')
        self.write("other.ipynb", notebook("x", kernel="perijove-ecko"))
        for arguments, code, words in (
                ([], 64, "NOTEBOOK"),
                (["gone.ipynb"], 66, "gone.ipynb"),
                (["text.ipynb"], 64, "text.ipynb"),
                (["old.ipynb"], 64, "nbconvert"),
                (["other.ipynb"], 66, "--kernel NAME runs it in another"),
                (["."], 66, "directory"),
        ):
            with self.subTest(arguments):
                done = self.perijove("run", *arguments)
                self.assertEqual(done.code, code, done.err)
                self.assertIn(words, done.err)


class RunOnATerminal(RunSteps, CliTestCase):
    def on_terminal(self, command, typed="", environment=None):
        """What a person sees: the command under a pseudo terminal."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.directory)
            os.execve(command[0], command, {**self.environment, **(environment or {})})
        seen = b""
        deadline = time.monotonic() + 60
        if typed:
            while b"?" not in seen and time.monotonic() < deadline:
                seen += os.read(terminal, 4096)
            os.write(terminal, typed.encode())
        while time.monotonic() < deadline:
            try:
                chunk = os.read(terminal, 4096)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            seen += chunk
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        return os.waitstatus_to_exitcode(status), seen.decode()

    def test_progress_is_coloured_and_changes_in_place(self):
        self.write("n.ipynb", notebook("sleep 1.5"))
        command = [BINARY, "run", "n.ipynb"]
        code, seen = self.on_terminal(command, environment={"TERM": "xterm"})
        self.assertEqual(code, 0)
        self.assertIn("\x1b[2m[1/1] sleep 1.5\x1b[0m", seen)
        self.assertIn("\r\x1b[K", seen)
        _, seen = self.on_terminal(command, environment={"TERM": "xterm", "NO_COLOR": "1"})
        self.assertNotIn("\x1b[2m", seen)

    def test_code_can_ask_who_sits_there(self):
        code, seen = self.on_terminal([BINARY, "exec", "-k", ECHO, "-c", "input who?"],
                                      typed="bob\n")
        self.assertEqual(code, 0)
        self.assertIn("bob\r\nbob\r\n", seen.replace("who?", ""))

    def test_a_password_is_not_shown(self):
        _, seen = self.on_terminal([BINARY, "exec", "-k", ECHO, "-c", "password secret?\nprint end"],
                                   typed="hidden\n")
        # Once, for the kernel prints it; typing it left no trace.
        self.assertEqual(seen.count("hidden"), 1)


class RunSalesNotebook(RunSteps, CliTestCase):
    def test_the_sample_gives_its_table_chart_and_text(self):
        probe = subprocess.run(["/usr/bin/python3", "-c", "import ipykernel, pandas, matplotlib"],
                               capture_output=True)
        if probe.returncode != 0:
            self.skipTest("python3-ipykernel, -pandas or -matplotlib is not installed")
        done = self.perijove("run", SOURCES / "notebooks/01-sales-analysis.ipynb",
                             "--work-dir", "o", "-p", "region", "North")
        self.assertEqual(done.code, 0, done.err)
        self.assertIn("region: North", done.out)
        suffixes = {path.suffix for path in (self.directory / "o").iterdir()}
        self.assertEqual(suffixes, {".png", ".html", ".ipynb"})
        png = next((self.directory / "o").glob("*.png")).read_bytes()
        self.assertTrue(png.startswith(b"\x89PNG\r\n\x1a\n"))
