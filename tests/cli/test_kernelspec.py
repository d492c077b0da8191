"""`perijove kernelspec install` and `remove`: our kernels become known to Jupyter."""

import json
import os
import pathlib
import shutil
import unittest

from support import BINARY, CliTestCase

BUILT = pathlib.Path(BINARY).resolve().parent / "share/jupyter/kernels"
OWN = ["bash", "javascript", "perijove-python", "perl"]  # perl is in every Debian
FOR_TESTS = ["perijove-echo", "perijove-echo-signal", "perijove-echo-tcp"]
LANGUAGE = {
    "display_name": "Mine",
    "executable": "sh",
    "arguments": ["{file}"],
    "language_info": {"name": "mine", "file_extension": ".mine"},
}


class WithHome:
    def setUp(self):
        super().setUp()
        self.home = self.directory / "home"
        self.kernels = self.home / ".local/share/jupyter/kernels"
        self.home.mkdir()
        del self.environment["JUPYTER_PATH"]
        self.environment["HOME"] = str(self.home)

    def kernelspec(self, *arguments, **keywords):
        return self.perijove("kernelspec", *arguments, **keywords)

    def done(self, *arguments, **keywords):
        """What a command reports that succeeds: {name: row}."""
        done = self.kernelspec(*arguments, "--json", **keywords)
        self.assertEqual((done.code, done.err), (0, ""))
        return {row["name"]: row for row in done.json["kernelspecs"]}

    def spec(self, name, kernels=None):
        return json.loads(((kernels or self.kernels) / name / "kernel.json").read_text())

    def foreign(self, name):
        return self.write(f"home/.local/share/jupyter/kernels/{name}/kernel.json", json.dumps(
            {"argv": ["/bin/true"], "display_name": "Somebody's", "language": "x"}))


class KernelspecInstall(WithHome, CliTestCase):
    def test_without_a_name_all_that_this_machine_can_run(self):
        rows = self.done("install")
        installed = sorted(name for name, row in rows.items() if row["status"] == "installed")
        self.assertEqual(sorted(path.name for path in self.kernels.iterdir()), installed)
        self.assertLessEqual(set(OWN), set(installed))
        self.assertFalse(set(FOR_TESTS) & set(rows))
        for name in installed:
            with self.subTest(name):
                self.assertEqual(rows[name]["path"], str(self.kernels / name))
                program = self.spec(name)["argv"][0]
                if program == "python3":  # anybody's, which finds the kernel beside its kernelspec
                    self.assertTrue((self.kernels / name / "_perijove_kernel.abi3.so").exists())
                else:
                    self.assertTrue(os.path.isabs(program) and os.access(program, os.X_OK), program)
                self.assertTrue((self.kernels / name / "logo-64x64.png").exists())
        for name, row in rows.items():
            if row["status"] != "installed":
                self.assertEqual(row["status"], "skipped")
                self.assertRegex(row["reason"], r"there is no .* on PATH, which .* needs: ")
        listed = self.kernelspec("list", "--json").json["kernelspecs"]
        self.assertLessEqual(set(installed), set(listed))

    def test_they_run(self):
        self.done("install", "bash", "perl", "perijove-echo")
        for name, code in (("bash", "echo 42"), ("perl", "print 6 * 7, qq(\\n)"),
                           ("perijove-echo", "print 42")):
            done = self.perijove("exec", "-k", name, "-c", code)
            self.assertEqual((done.code, done.out), (0, "42\n"), done.err)

    def test_for_people_it_is_a_table(self):
        done = self.kernelspec("install", "bash")
        self.assertEqual(done.out.split(), ["bash", "installed", str(self.kernels / "bash")])
        done = self.kernelspec("install", "bash")
        self.assertEqual(done.out.split(), ["bash", "unchanged", str(self.kernels / "bash")])

    def test_another_place(self):
        prefix = self.directory / "prefix"
        done = self.kernelspec("install", "bash", "--prefix", "prefix")
        self.assertEqual(done.code, 0)
        self.assertIn(f"JUPYTER_PATH={prefix}/share/jupyter ", done.err)
        self.spec("bash", prefix / "share/jupyter/kernels")
        environment = {"VIRTUAL_ENV": str(self.directory / "venv")}
        rows = self.done("install", "bash", "--sys-prefix", environment=environment)
        self.assertEqual(rows["bash"]["path"],
                         f"{self.directory}/venv/share/jupyter/kernels/bash")
        data = {"JUPYTER_DATA_DIR": str(self.directory / "data")}
        rows = self.done("install", "bash", "--user", environment=data)
        self.assertEqual(rows["bash"]["path"], f"{self.directory}/data/kernels/bash")
        self.assertFalse(self.kernels.exists())

    def test_a_place_that_there_is_not(self):
        self.write("file", "")
        for arguments, words in ((("--sys-prefix",), "activate one"),
                                 (("--prefix", "file"), "cannot write"),
                                 (("--user", "--sys-prefix"), "excludes")):
            with self.subTest(arguments):
                done = self.kernelspec("install", "bash", *arguments)
                self.assertNotEqual(done.code, 0)
                self.assertIn(words, done.err)

    def test_a_dry_run_writes_nothing(self):
        rows = self.done("install", "--dry-run")
        self.assertEqual(rows["bash"]["status"], "to be installed")
        self.assertEqual(list(self.home.iterdir()), [])

    def test_what_is_there_already_is_replaced_when_told_to(self):
        foreign = self.foreign("bash")
        before = foreign.read_text()
        done = self.kernelspec("install", "bash", "perl")
        self.assertEqual(done.code, 73)
        self.assertIn(f"{self.kernels}/bash is there already", done.err)
        self.assertIn("--replace", done.err)
        self.assertEqual(foreign.read_text(), before)
        self.spec("perl")  # the others are installed
        rows = self.done("install", "bash", "--replace")
        self.assertEqual(rows["bash"]["status"], "replaced")
        self.assertIn("perijove-kernel-bash", self.spec("bash")["argv"][0])
        self.assertEqual(sorted(path.name for path in self.kernels.iterdir()), ["bash", "perl"])
        self.assertEqual(self.done("install", "bash")["bash"]["status"], "unchanged")

    def test_names_that_there_are_not(self):
        done = self.kernelspec("install", "bsh")
        self.assertNotEqual(done.code, 0)
        self.assertRegex(done.err, "bsh: no kernel .* did you mean 'bash'")

    def test_a_language_whose_program_is_not_there(self):
        path = self.directory / "empty"
        path.mkdir()
        done = self.kernelspec("install", "perl", environment={"PATH": str(path)})
        self.assertNotEqual(done.code, 0)
        self.assertIn("perl: there is no perl on PATH, which Perl needs: apt-get install perl",
                      done.err)
        self.assertFalse(self.kernels.exists())

    def test_a_language_file_of_ones_own(self):
        self.write("mine.json", json.dumps(LANGUAGE))
        self.assertEqual(self.done("install", "mine.json")["mine"]["status"], "installed")
        self.assertIs(self.spec("mine")["metadata"]["perijove"]["stateless"], True)
        done = self.perijove("exec", "-k", "mine", "-c", "echo 42")
        self.assertEqual((done.code, done.out), (0, "42\n"), done.err)
        self.write("wrong.json", json.dumps({**LANGUAGE, "arguments": []}))
        done = self.kernelspec("install", "./wrong.json", "./none.json")
        self.assertNotEqual(done.code, 0)
        self.assertIn("arguments must have {file}", done.err)
        self.assertIn("none.json: cannot read", done.err)

    def test_a_tree_that_was_moved_names_its_own_programs(self):
        tree = self.directory / "moved"
        (tree / "bin").mkdir(parents=True)
        for program in (BINARY, self.built_program("bash"), self.built_program("perl")):
            shutil.copy(program, tree / "bin")
        shutil.copytree(BUILT.parents[1], tree / "share")
        for name in ("bash", "javascript"):
            stale = {**self.spec(name, BUILT), "argv": [f"/nowhere/perijove-kernel-{name}"]}
            self.write(f"moved/share/jupyter/kernels/{name}/kernel.json", json.dumps(stale))
        rows = self.done("install", "bash", "perl", binary=str(tree / "bin/perijove"))
        self.assertEqual(rows["bash"]["status"], "installed")
        self.assertEqual(self.spec("bash")["argv"][0], f"{tree}/bin/perijove-kernel-bash")
        self.assertEqual(self.spec("perl")["argv"][0], f"{tree}/bin/perijove-kernel-command")
        done = self.kernelspec("install", "javascript", binary=str(tree / "bin/perijove"))
        self.assertNotEqual(done.code, 0)
        self.assertIn("javascript: its program is missing: perijove-kernel-javascript", done.err)
        shutil.rmtree(tree / "share")
        done = self.kernelspec("install", binary=str(tree / "bin/perijove"))
        self.assertNotEqual(done.code, 0)
        self.assertIn("cmake --install", done.err)

    def built_program(self, name):
        return self.spec(name, BUILT)["argv"][0]

    def test_completion_knows_it(self):
        script = self.perijove("completion", "bash").out
        self.assertIn("'kernelspec/install') path='kernelspec install'", script)
        for option in ("--prefix", "--sys-prefix", "--user", "--replace", "--dry-run", "--json"):
            self.assertRegex(script, rf"'kernelspec install'\) words='[^']*{option}[ ']")


class OwnKernels(WithHome, CliTestCase):
    """Without anything installed, and with none of the system's kernelspecs in sight."""

    SYSTEM = pathlib.Path("/usr/share/jupyter/kernels")

    def alone(self, *arguments):
        hidden = self.directory / "hidden"
        hidden.mkdir(exist_ok=True)
        script = self.write("alone", f"#!/bin/sh\nmount --bind {hidden} {self.SYSTEM} && exec {BINARY} \"$@\"\n")
        script.chmod(0o755)
        if not self.SYSTEM.is_dir():
            return self.perijove(*arguments)
        return self.perijove("--map-root-user", "--mount", script, *arguments, binary="unshare")

    def test_they_are_there_all_the_same_and_one_is_python3(self):
        listed = self.alone("kernelspec", "list", "--json")
        self.assertEqual(listed.code, 0, listed.err)
        self.assertLessEqual(set(OWN) | {"python3"}, set(listed.json["kernelspecs"]))
        self.assertFalse(set(FOR_TESTS) & set(listed.json["kernelspecs"]))
        self.assertEqual(listed.json["default"], "python3")
        done = self.alone("exec", "-c", "import sys\nprint('IPython' in sys.modules)\n6 * 7")
        self.assertEqual((done.code, done.out.split()[-1]), (0, "42"), done.err)
        self.assertEqual(self.alone("exec", "-l", "bash", "-c", "echo $((6 * 7))").out, "42\n")

    def test_those_of_others_go_first(self):
        self.foreign("bash")
        listed = self.perijove("kernelspec", "list", "--json").json["kernelspecs"]
        self.assertEqual(listed["bash"]["path"], str(self.kernels / "bash"))
        self.assertEqual(listed["perijove-python"]["path"], str(BUILT / "perijove-python"))


class KernelspecRemove(WithHome, CliTestCase):
    def test_undoes_it(self):
        self.done("install", "bash", "perl")
        self.assertEqual(self.done("remove", "bash", "--dry-run")["bash"]["status"],
                         "to be removed")
        self.spec("bash")
        self.assertEqual(self.done("remove", "bash")["bash"]["status"], "removed")
        self.assertEqual([path.name for path in self.kernels.iterdir()], ["perl"])

    def test_from_one_place(self):
        self.done("install", "bash")
        self.kernelspec("install", "bash", "--prefix", "prefix")
        self.done("remove", "bash", "--prefix", "prefix")
        self.spec("bash")
        done = self.kernelspec("remove", "bash", "--prefix", "prefix")
        self.assertNotEqual(done.code, 0)
        self.assertIn(f"searched: {self.directory}/prefix/share/jupyter/kernels", done.err)

    def test_leaves_the_kernels_of_others_alone(self):
        foreign = self.foreign("xeus")
        done = self.kernelspec("remove", "xeus")
        self.assertNotEqual(done.code, 0)
        self.assertIn("jupyter kernelspec remove xeus", done.err)
        self.assertTrue(foreign.exists())

    def test_names_that_there_are_not(self):
        done = self.kernelspec("remove", "nosuch", "../kernels")
        self.assertNotEqual(done.code, 0)
        self.assertIn("there is no kernelspec 'nosuch' to remove; searched: ", done.err)
        self.assertIn("there is no kernelspec '../kernels'", done.err)


if __name__ == "__main__":
    unittest.main()
