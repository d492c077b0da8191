"""The command kernel: languages that ship with it, what a language file can say, and what is left behind."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

from guest_tests import GuestKernelTestCase, is_alive

LANGUAGES = pathlib.Path(__file__).parents[1] / "languages"
# `sh` gets its code on standard input.
SHELL = {
    "display_name": "A shell",
    "executable": "sh",
    "arguments": ["-s", "argument"],
    "code": "stdin",
    "environment": {"PERIJOVE_TEST": "from the language file"},
    "errors": [
        {"pattern": "^fatal: (.*)$", "name": "Fatal", "message": 1},
        {"pattern": "^([A-Z]\\w+): (.*) in ([0-9]+)$", "name": 1, "message": 2, "line": 3},
    ],
    "language_info": {"name": "sh", "file_extension": ".sh"},
}


def program():
    """The kernel's executable, as the kernelspec of a language names it that is always there."""
    from jupyter_client.kernelspec import KernelSpecManager

    return KernelSpecManager().get_kernel_spec("perl").argv[0]


def ask_for_kernelspec(file, **environ):
    return subprocess.run(
        [program(), "--kernelspec", file], env={**os.environ, **environ}, text=True,
        capture_output=True, timeout=60,
    )


class CommandKernelTestCase(GuestKernelTestCase):
    kernel_name = "perl"

    def setUp(self):
        self.kernel = self.started()

    def out(self, code):
        run = self.kernel.run(code)
        self.assertEqual((run.error, run.stderr), (None, ""), code)
        return run.stdout

    def own_kernel(self, language, **environ):
        """A kernel of a language file that is made here."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        place = pathlib.Path(directory.name, "kernels/own")
        place.mkdir(parents=True)
        file = place / "language.json"
        file.write_text(json.dumps(language))
        spec = ask_for_kernelspec(file)
        self.assertEqual((spec.returncode, spec.stderr), (0, ""))
        (place / "kernel.json").write_text(spec.stdout)
        before = os.environ["JUPYTER_PATH"]
        self.addCleanup(os.environ.__setitem__, "JUPYTER_PATH", before)
        os.environ["JUPYTER_PATH"] = directory.name
        self.kernel_name = "own"
        return self.started(**environ)


class Blocks(CommandKernelTestCase):
    def test_are_programs_of_their_own(self):
        self.assertEqual(self.out("our $x = 41; print $x + 1, qq(\\n);"), "42\n")
        self.assertEqual(self.out("print defined $x ? 'kept' : 'not kept';"), "not kept")
        self.assertNotEqual(self.out("print $$"), self.out("print $$"))

    def test_run_in_the_directory_of_the_kernel(self):
        with tempfile.TemporaryDirectory() as directory:
            kernel = self.started(cwd=directory)
            kernel.run("open my $f, '>', 'made' or die; print $f 'x'")
            self.assertEqual(os.listdir(directory), ["made"])

    def test_leave_no_file_behind(self):
        with tempfile.TemporaryDirectory() as directory:
            kernel = self.started(TMPDIR=directory)
            run = kernel.run("print $0; print -s $0")
            self.assertRegex(run.stdout, rf"^{directory}/perijove-\w+/block\.pl21$")
            self.assertEqual(os.listdir(directory), [])

    def test_take_code_of_any_size_and_kind(self):
        self.assertEqual(self.out(""), "")
        self.assertEqual(self.out("print 'é€😀'"), "é€😀")
        self.assertEqual(self.out("print length '" + "y" * 3_000_000 + "'"), "3000000")

    def test_stream_their_outputs_while_they_run(self):
        msg_id = self.kernel.start("$| = 1; print qq(first\\n); sleep 600", until="first\n")
        self.kernel.interrupt()
        self.assertEqual(self.kernel.finish(msg_id).error, ("KeyboardInterrupt", ""))

    def test_have_an_empty_stdin(self):
        self.assertEqual(self.out("print defined <STDIN> ? 'a line' : 'the end'"), "the end")

    @unittest.skipIf(os.environ.get("PERIJOVE_SANITIZED"), "a sanitizer keeps what was freed")
    def test_hold_no_memory_for_a_flood(self):
        megabytes = 100
        before = self.resident_memory()
        msg_id = self.kernel.client.execute(
            f"print STDERR 'x' x 1_000_000 for 1..{megabytes}; die 'at the end'"
        )
        size = 0
        for message in self.kernel.iopub(msg_id):
            if message["msg_type"] == "stream":
                size += len(message["content"]["text"])
        self.assertGreater(size, megabytes * 1_000_000)
        self.assertEqual(self.kernel.reply(msg_id)["ename"], "CalledProcessError")  # one endless line
        self.assertLess(self.resident_memory() - before, 50 << 20)

    def resident_memory(self):
        with open(f"/proc/{self.kernel.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Errors(CommandKernelTestCase):
    def test_are_read_from_what_the_program_says(self):
        run = self.kernel.run("print qq(before\\n);\nwarn 'careful';\ndie 'all is lost'")
        self.assertEqual(run.error, ("PerlError", "all is lost"))
        self.assertEqual(
            run.reply["traceback"], ["perl: line 3: PerlError: all is lost", "perl: exit status 255"]
        )
        self.assertEqual(run.stdout, "before\n")
        self.assertIn("careful at ", run.stderr)

    def test_syntax_errors_have_a_line(self):
        run = self.kernel.run("print 1;\nif {")
        self.assertEqual(run.error[0], "PerlError")
        self.assertIn("perl: line 2: PerlError: ", run.traceback)

    def test_a_status_alone(self):
        run = self.kernel.run("exit 3")
        self.assertEqual(run.error, ("CalledProcessError", "exit status 3"))
        self.assertEqual(run.reply["traceback"], ["perl: exit status 3"])

    def test_warnings_are_no_errors(self):
        run = self.kernel.run("warn 'careful'")
        self.assertIsNone(run.error)

    def test_a_program_that_a_signal_ends(self):
        run = self.kernel.run("warn 'careful'; kill 'KILL', $$; sleep 600")
        self.assertEqual(run.error, ("CalledProcessError", "exit status 137"))

    def test_a_program_that_is_gone(self):
        with tempfile.TemporaryDirectory() as directory:
            copy = shutil.copy(shutil.which("sh"), directory + "/sh")
            kernel = self.own_kernel({**SHELL, "executable": copy})
            self.assertEqual(kernel.run("echo here").stdout, "here\n")
            os.remove(copy)
            ename, evalue = kernel.run("echo here").error
            self.assertEqual(ename, "InternalError")
            self.assertIn("cannot start " + copy, evalue)


class Interrupts(CommandKernelTestCase):
    def ended(self, code, interrupt):
        msg_id = self.kernel.start("$| = 1; print qq(go\\n);" + code, until="go\n")
        interrupt()
        run = self.kernel.finish(msg_id)
        self.assertEqual(run.error, ("KeyboardInterrupt", ""))
        self.assertEqual(self.kernel.descendants(), [])
        self.assertEqual(self.out("print 'alive'"), "alive")

    def test_end_the_group_of_the_program(self):
        for code in ("sleep 600", "1 while 1", "system 'sleep 600'; sleep 600", "fork; fork; sleep 600"):
            with self.subTest(code):
                self.ended(code, self.kernel.interrupt)
                self.ended(code, lambda: os.kill(self.kernel.pid, signal.SIGINT))

    def test_end_what_does_not_listen(self):
        self.ended("$SIG{INT} = 'IGNORE'; sleep 1 while 1", self.kernel.interrupt)
        self.ended("$SIG{INT} = sub {}; system 'setsid sleep 600' while 1", self.kernel.interrupt)

    def test_a_program_may_clean_up(self):
        msg_id = self.kernel.start(
            "$| = 1; $SIG{INT} = sub { print qq(cleaned\\n); exit 0 }; print qq(go\\n); sleep 600",
            until="go\n",
        )
        self.kernel.interrupt()
        run = self.kernel.finish(msg_id)
        self.assertEqual((run.error, run.stdout), (None, "cleaned\n"))

    def test_an_idle_kernel_is_not_disturbed(self):
        os.kill(self.kernel.pid, signal.SIGINT)
        self.kernel.interrupt()
        self.kernel.client.get_control_msg(timeout=60)  # or the next block would be interrupted
        self.assertEqual(self.out("print 'alive'"), "alive")


class End(CommandKernelTestCase):
    STARTED = "for (1..3) { unless (fork) { setpgrp if $_ == 2; sleep 600; exit } } "

    def test_of_a_block_is_the_end_of_what_it_started(self):
        self.out(self.STARTED + "system 'setsid -f sleep 600'; select undef, undef, undef, 0.1;")
        self.assertEqual(self.kernel.descendants(), [])
        with os.popen(f"ps --ppid {self.kernel.pid} -o stat=") as pipe:
            self.assertEqual(pipe.read(), "")  # no zombie either

    def test_of_a_busy_kernel_leaves_no_process(self):
        msg_id = self.kernel.start("$| = 1;" + self.STARTED + "print qq(go\\n); sleep 600", "go\n")
        self.assertTrue(msg_id)
        pids = self.kernel.descendants()
        self.assertEqual(len(pids), 4)
        for pid in pids:
            self.end_later(pid)
        self.kernel.manager.shutdown_kernel()
        self.wait_until(lambda: not any(map(is_alive, pids)))


class Requests(CommandKernelTestCase):
    def test_kernel_info_says_that_it_is_stateless(self):
        info = self.kernel.ask("kernel_info")
        self.assertEqual(info["language_info"]["name"], "perl")
        self.assertRegex(info["language_info"]["version"], r"^5\.\d+\.\d+$")
        self.assertEqual(info["language_info"]["file_extension"], ".pl")
        self.assertIn("Stateless: each block is a program of its own", info["banner"])

    def test_kernelspec_says_that_it_is_stateless(self):
        settings = self.kernel.manager.kernel_spec.metadata["perijove"]
        self.assertIs(settings["stateless"], True)

    def test_others(self):
        self.assertEqual(self.kernel.ask("is_complete", "print 1")["status"], "unknown")
        self.assertEqual(self.kernel.ask("complete", "pri", 3)["matches"], [])
        self.assertFalse(self.kernel.ask("inspect", "print", 3)["found"])


class LanguageFiles(CommandKernelTestCase):
    def test_may_pass_code_on_stdin(self):
        kernel = self.own_kernel(SHELL)
        run = kernel.run("echo $PERIJOVE_TEST; echo $1; read line || echo done")
        self.assertEqual(run.stdout, "from the language file\nargument\ndone\n")
        self.assertIsNone(run.error)

    def test_say_how_errors_are_read(self):
        kernel = self.own_kernel(SHELL)
        for code, error, traceback in (
            ("echo 'fatal: a'; exit 1", ("CalledProcessError", "exit status 1"), "sh: exit status 1"),
            ("echo 'fatal: a' >&2; exit 1", ("Fatal", "a"), "sh: Fatal: a\nsh: exit status 1"),
            ("echo 'fatal: a' >&2; echo 'fatal: b' >&2; exit 2", ("Fatal", "b"),
             "sh: Fatal: b\nsh: exit status 2"),
            ("echo 'Odd: one in 7' >&2; exit 1", ("Odd", "one"), "sh: line 7: Odd: one\nsh: exit status 1"),
            ("echo 'fatal: a' >&2; echo 'Odd: one in 7' >&2; exit 1", ("Fatal", "a"),
             "sh: line 7: Fatal: a\nsh: exit status 1"),
        ):
            with self.subTest(code):
                run = kernel.run(code)
                self.assertEqual((run.error, run.traceback), (error, traceback))

    def test_that_are_wrong_say_what_and_where(self):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory, "own.json")
            without = lambda name: {key: value for key, value in SHELL.items() if key != name}
            for language, complaint in (
                ([], "it must be an object"),
                (without("display_name"), "display_name is missing"),
                (without("executable"), "executable is missing"),
                (without("language_info"), "language_info must be an object"),
                ({**SHELL, "code": "file"}, "arguments must have {file}"),
                ({**SHELL, "arguments": [1]}, "arguments must be a list of texts"),
                ({**SHELL, "argument": []}, "argument is not known here"),
                ({**SHELL, "environment": {"A": 1}}, "environment.A must be a text"),
                ({**SHELL, "errors": [{"pattern": "("}]}, "errors[0].pattern is no regular expression"),
                ({**SHELL, "errors": [{"pattern": "x", "line": 1}]}, "errors[0].line"),
                ({**SHELL, "errors": [{"pattern": "x", "which": "all"}]}, 'must be "first" or "last"'),
                ({**SHELL, "language_info": {"name": "x", "file_extension": "/x"}}, "slash"),
            ):
                with self.subTest(complaint):
                    file.write_text(json.dumps(language))
                    spec = ask_for_kernelspec(file)
                    self.assertEqual((spec.returncode, spec.stdout), (1, ""))
                    self.assertIn(f"{file}: ", spec.stderr)
                    self.assertIn(complaint, spec.stderr)

    def test_name_a_remedy_for_a_program_that_is_not_there(self):
        with tempfile.TemporaryDirectory() as directory:
            spec = ask_for_kernelspec(LANGUAGES / "perl.json", PATH=directory)
            self.assertEqual((spec.returncode, spec.stdout), (3, ""))
            self.assertEqual(
                spec.stderr,
                "there is no perl on PATH, which Perl needs: apt-get install perl\n")
            kernel = subprocess.run(
                [program(), "--language", LANGUAGES / "perl.json", "-f", "/nowhere"],
                env={"PATH": directory}, capture_output=True, text=True, timeout=60)
            self.assertEqual(kernel.returncode, 1)
            self.assertIn("there is no perl on PATH", kernel.stderr)

    def test_a_version_that_does_not_come_is_none(self):
        kernel = self.own_kernel(
            {**SHELL, "version": {"arguments": ["-c", "sleep 600"]}})
        self.assertEqual(kernel.ask("kernel_info")["language_info"]["version"], "")


# What each language that ships does with a block that fails in its second line, at `line`.
FAILING = {
    "perl": ("print 'out';\ndie 'boom'", ("PerlError", "boom")),
    "lua": ("io.write('out')\nerror('boom')", ("LuaError", "boom")),
    "ruby": ("print 'out'\nraise ArgumentError, 'boom'", ("ArgumentError", "boom")),
    "php": ("echo 'out';\nthrow new LogicException('boom');", ("LogicException", "boom")),
    "tcl": ("puts -nonewline out\nerror boom", ("TclError", "boom")),
    "go": ('package main; import "os"; func main() { os.Stdout.WriteString("out")\npanic("boom") }',
           ("panic", "boom")),
    "julia": ('print("out")\nthrow(ArgumentError("boom"))', ("ArgumentError", "boom")),
    "powershell": ('[Console]::Write("out")\nthrow "boom"', ("Exception", "boom")),
}


class Shipped(CommandKernelTestCase):
    def setUp(self):
        pass

    def test_all_languages_that_are_here(self):
        from jupyter_client.kernelspec import KernelSpecManager

        installed = KernelSpecManager().find_kernel_specs()
        self.assertEqual(sorted(FAILING), sorted(file.stem for file in LANGUAGES.glob("*.json")))
        for language, (code, error) in FAILING.items():
            spec = ask_for_kernelspec(LANGUAGES / f"{language}.json")
            with self.subTest(language):
                self.assertEqual(language in installed, spec.returncode == 0, spec.stderr)
                if spec.returncode == 3:
                    print(f"not here: {spec.stderr.strip()}")
                    continue
                self.kernel_name = language
                run = self.started().run(code)
                self.assertEqual((run.stdout, run.error), ("out", error))
                self.assertIn(": line 2: ", run.reply["traceback"][0])

    def test_php_with_or_without_its_opening(self):
        spec = ask_for_kernelspec(LANGUAGES / "php.json")
        if spec.returncode == 3:
            self.skipTest(spec.stderr.strip())
        self.kernel_name = "php"
        kernel = self.started()
        self.assertEqual(kernel.run("\n <?php echo 1;").stdout, "\n 1")
        run = kernel.run("<?php\n\nnone();")
        self.assertIn("php: line 3: Error: Call to undefined function none()", run.traceback)

    def test_powershell_by_what_it_is_known_to_write(self):
        """There is no PowerShell in Debian: a program that writes as it does stands in for it."""
        with tempfile.TemporaryDirectory() as directory:
            fake = pathlib.Path(directory, "pwsh")
            fake.write_text(
                '#!/bin/sh\n[ "$1" = --version ] && { echo PowerShell 7.4.6; exit; }\n'
                'printf "%s\\n" "$*"\n'
                "for file; do :; done\n"
                "cat >&2 <<END\nException: $file:2\nLine |\n   2 |  throw \"boom\"\n"
                "     |  ~~~~~~~~~~~~\n     | boom\nEND\nexit 1\n")
            fake.chmod(0o755)
            language = json.loads((LANGUAGES / "powershell.json").read_text())
            language["executable"] = str(fake)
            kernel = self.own_kernel(language)
            self.assertEqual(kernel.ask("kernel_info")["language_info"]["version"], "7.4.6")
            run = kernel.run("whatever")
            self.assertRegex(run.stdout, r"^-NoLogo -NoProfile -NonInteractive -File \S+/block\.ps1\n$")
            self.assertEqual(run.error, ("Exception", "boom"))
            self.assertEqual(run.reply["traceback"][0], "powershell: line 2: Exception: boom")
