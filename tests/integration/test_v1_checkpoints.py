"""Checkpoints of sessions: files and variables on disk, and back."""

import contextlib
import json
import os
import pathlib
import threading
import unittest

import isolated
from gateway import Gateway, WithGateway, wait_until


NEEDS_ARRAYS = isolated.only_without("their image has no numpy", "docker", "gvisor")
NEEDS_BASH = isolated.only_without("the bash kernel needs pidfds, which gVisor has not", "gvisor")


class WithSessions(WithGateway):
    KERNEL = "python3"

    def setUp(self):
        self.session = self.make(kernel=self.KERNEL)

    def ask(self, method, path, body=None, gateway=None):
        return (gateway or self.gateway).ask(method, f"/v1/{path}", body)

    def make(self, **options):
        status, _, session = self.ask("POST", "sessions", options)
        self.assertEqual(status, 201, session)
        self.addCleanup(self.ask, "DELETE", f"sessions/{session['session_id']}")
        return session["session_id"]

    def run_code(self, code, session=None, **more):
        status, _, result = self.ask("POST", f"sessions/{session or self.session}/execute", {"code": code, **more})
        self.assertEqual(status, 200, result)
        return result

    def run_well(self, code, session=None, **more):
        result = self.run_code(code, session, **more)
        self.assertEqual(result["status"], "ok", result["output"])
        return result["stdout"]

    def value(self, expression, session=None):
        return json.loads(self.run_well(f"import json as _json\nprint(_json.dumps({expression}))", session))

    def take(self, session=None, **body):
        status, headers, checkpoint = self.ask("POST", f"sessions/{session or self.session}/checkpoints", body)
        self.assertEqual(status, 201, checkpoint)
        self.assertTrue(headers["Location"].endswith(checkpoint["checkpoint_id"]))
        if checkpoint["keep"]:
            self.addCleanup(self.ask, "DELETE", f"checkpoints/{checkpoint['checkpoint_id']}")
        return checkpoint

    def restore(self, checkpoint, session=None):
        path = f"sessions/{session or self.session}/checkpoints/{checkpoint['checkpoint_id']}/restore"
        status, _, answer = self.ask("POST", path)
        self.assertEqual(status, 200, answer)
        return answer

    def refused(self, status, code, method, path, body=None):
        answer = self.ask(method, path, body)
        self.assertEqual((answer[0], answer[2].get("code")), (status, code), answer[2])
        return answer[2]["detail"]

    def state_dir(self, gateway=None):
        return pathlib.Path((gateway or self.gateway).environment["XDG_STATE_HOME"]) / "perijove" / "checkpoints"

    def on_disk(self):
        """Everything that looks like a checkpoint, made or half made, or is left of one."""
        return [path.name for place in self.state_dir().iterdir() for path in place.iterdir()
                if path.name != "lock"]


class Namespaces:
    """On each Python kernel alike."""

    def test_variables_and_files_come_back(self):
        self.run_well("import os\nx = [1, 2]\ny = x\nopen('note', 'w').write('before')")
        checkpoint = self.take(label="first")
        self.assertEqual((checkpoint["method"], checkpoint["label"]), ("namespace+files", "first"))
        self.assertLessEqual({"os", "x", "y"}, set(checkpoint["saved"]))
        self.assertEqual(checkpoint["skipped"], [])
        self.assertGreater(checkpoint["bytes"], 0)
        self.run_well("x.append(3); z = 1; open('note', 'w').write('after'); open('more', 'w').close()")
        before = self.ask("GET", f"sessions/{self.session}")[2]["kernels"][0]["generation"]
        answer = self.restore(checkpoint)
        [python] = answer["namespaces"]
        self.assertEqual((python["problem"], python["failed"]), (None, []))
        self.assertEqual(answer["session"]["kernels"][0]["generation"], before + 1)
        self.assertEqual(self.value("[x, x is y, 'z' in globals(), open('note').read(), [n for n in os.listdir() if n[0] != '.']]"),
                         [[1, 2], True, False, "before", ["note"]])

    def test_it_can_be_restored_again_and_again(self):
        self.run_well("x = 1")
        checkpoint = self.take()
        for _ in range(2):
            self.run_well("x += 1")
            self.restore(checkpoint)
            self.assertEqual(self.value("x"), 1)

    def test_functions_use_the_new_globals_and_classes_keep_their_instances(self):
        self.run_well('''
import dataclasses, enum, functools
factor = 2
def times(n): return n * factor
def adder(k):
    def add(n): return n + k
    return add
plus = adder(10)
class Base:
    def who(self): return "base"
class Derived(Base):
    count = 0
    def who(self): return "derived of " + super().who()
thing = Derived(); thing.name = "it"; Derived.count = 5
@dataclasses.dataclass
class Point: x: int; tags: list = dataclasses.field(default_factory=list)
point = Point(1)
class Colour(enum.Enum): RED = 1
red = Colour.RED
@functools.lru_cache
def cached(n): return n
''')
        self.restore(self.take())
        self.run_well("factor = 100")
        self.assertEqual(
            self.value("[times(3), plus(1), thing.who(), thing.name, isinstance(thing, Derived), Derived.count, "
                       "point == Point(1), Point(2).tags, red is Colour.RED, cached(4)]"),
            [300, 11, "derived of base", "it", True, 5, True, [], True, 4])
        self.assertIn("return n * factor", self.run_well("import inspect; print(inspect.getsource(times))"))

    def test_what_cannot_be_carried_is_named_with_its_reason(self):
        self.run_well('''
import threading, socket, subprocess, sys
f = open("log", "w"); s = socket.socket(); g = (i for i in range(3)); lock = threading.Lock()
thread = threading.Thread(target=print); holder = {"deep": [f]}; fine = 1
program = subprocess.Popen([sys.executable, "-c", "pass"]); program.wait()
''')
        checkpoint = self.take()
        reasons = {each["name"]: each["reason"] for each in checkpoint["skipped"]}
        self.assertEqual(set(reasons), {"f", "s", "g", "lock", "thread", "holder", "program"})
        for name, word in {"f": "open file", "holder": "open file", "s": "socket", "g": "generator",
                           "lock": "lock", "thread": "thread", "program": "program"}.items():
            self.assertIn(word, reasons[name])
        self.assertIn("python: 'f' is left out: an open file belongs to its process", checkpoint["warnings"])
        self.restore(checkpoint)
        self.assertEqual(self.value("[fine, 'f' in globals()]"), [1, False])
        self.run_well("s = f = None")

    @NEEDS_ARRAYS
    def test_frames_figures_and_random_numbers(self):
        self.run_well('''
import matplotlib; matplotlib.use("agg")
import random, numpy as np, pandas as pd, matplotlib.pyplot as plt
frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
figure, axes = plt.subplots(); axes.plot([1, 2], [3, 4])
array = np.arange(100_000.0); same = array; part = {"array": array}
random.seed(1); np.random.seed(1)
''')
        checkpoint = self.take()
        expected = self.value("[random.random(), float(np.random.rand())]")
        self.restore(checkpoint)
        self.assertEqual(self.value("[random.random(), float(np.random.rand())]"), expected)
        self.run_well("array[0] = 7; figure.savefig('figure.png')")
        self.assertEqual(self.value("[float(same[0]), same is array is part['array'], frame.to_dict('list'), "
                                    "len(figure.axes[0].lines)]"),
                         [7.0, True, {"a": [1, 2], "b": ["x", "y"]}, 1])

    def test_a_module_that_has_gone_takes_only_its_own_names_along(self):
        self.run_well("open('mine.py', 'w').write('class Thing: pass\\n')\n"
                      "import mine\nthing = mine.Thing(); a = [1]; b = a")
        self.run_well("import os; os.remove('mine.py')")
        checkpoint = self.take()
        [python] = self.restore(checkpoint)["namespaces"]
        self.assertEqual({each["name"] for each in python["failed"]}, {"mine", "thing"})
        self.assertTrue(self.value("a is b"))

    def test_the_directory_of_code_comes_back(self):
        self.run_well("import os; os.makedirs('a/b'); os.chdir('a/b')")
        self.restore(self.take())
        self.assertTrue(self.value("__import__('os').getcwd()").endswith("/a/b"))

    def test_after_the_death_of_its_kernel(self):
        self.run_well("x = 41")
        checkpoint = self.take()
        self.assertEqual(self.run_code("import os; os._exit(5)")["status"], "kernel_died")
        self.restore(checkpoint)
        self.assertEqual(self.value("x + 1"), 42)

    def test_a_session_begins_with_what_another_one_had(self):
        self.run_well("x = 41; open('f', 'w').write('f')")
        checkpoint = self.take(keep=True)
        self.assertEqual(self.ask("DELETE", f"sessions/{self.session}")[0], 204)
        status, _, made = self.ask("POST", "sessions", {"checkpoint": checkpoint["checkpoint_id"], "key": "again"})
        self.assertEqual(status, 201, made)
        self.addCleanup(self.ask, "DELETE", "sessions/again")
        self.assertEqual((made["key"], made["kernel"]), ("again", checkpoint["kernel"]))
        self.assertIn("x", made["restored"]["namespaces"][0]["restored"])
        self.assertEqual(self.value("[x, open('f').read()]", "again"), [41, "f"])

    def test_names_of_the_kernel_itself_are_left_alone(self):
        self.run_well("x = 1")
        self.assertEqual([name for name in self.take()["saved"] if name.lower() in ("in", "out", "get_ipython")], [])
        self.run_well("shell = get_ipython() if 'get_ipython' in globals() else open('/dev/null')")
        self.assertEqual([each["name"] for each in self.take()["skipped"]], ["shell"])

    def test_no_trace_is_left_in_the_work_directory(self):
        self.run_well("x = 1; open('f', 'w').close()")
        place = pathlib.Path(self.ask("GET", f"sessions/{self.session}")[2]["work_dir"])
        self.restore(self.take())
        ours = [str(path.relative_to(place)) for path in place.rglob("*")
                if path.name.startswith(("state-", ".perijove-"))]
        self.assertEqual(ours, [])
        wait_until(lambda: not [name for name in self.on_disk() if name.startswith(".")], "nothing is half made")


class OnIpykernel(Namespaces, WithSessions):
    KERNEL = "python3"

    def test_a_session_that_cannot_be_forked_is_copied_by_way_of_a_checkpoint(self):
        self.run_well("x = [1]; y = x; f = open('log', 'w')")
        status, _, answer = self.ask("POST", f"sessions/{self.session}/fork", {"count": 2, "labels": {"try": "1"}})
        self.assertEqual(status, 201, answer)
        self.assertEqual(answer["method"], "namespace+files")
        self.assertIn("'f' is left out", "\n".join(answer["warnings"]))
        self.assertEqual(len(answer["sessions"]), 2)
        for number, each in enumerate(answer["sessions"]):
            branch = each["session_id"]
            self.addCleanup(self.ask, "DELETE", f"sessions/{branch}")
            self.assertEqual(each["labels"], {"try": "1"})
            self.run_well(f"x.append({number}); open('mine', 'w').close()", branch)
            self.assertEqual(self.value("y", branch), [1, number])
            history = self.ask("GET", f"sessions/{branch}/history")[2]["history"]
            self.assertIn("x = [1]", history[0]["code"])
        self.assertEqual(self.value("x"), [1])
        self.assertEqual(self.ask("GET", f"sessions/{self.session}/checkpoints")[2]["checkpoints"], [])


class OnPerijovePython(Namespaces, WithSessions):
    KERNEL = "perijove-python"

    @NEEDS_ARRAYS
    def test_a_gigabyte_of_arrays(self):
        if os.environ.get("PERIJOVE_SANITIZED"):
            self.skipTest("a sanitizer's kernels are another matter")
        free = os.statvfs(self.gateway.directory)
        if free.f_bavail * free.f_frsize < 4 << 30:
            self.skipTest("there are not 4 GiB on the disk")
        self.run_well("import numpy as np; a = np.ones(1 << 26); b = np.zeros(1 << 26, 'i8'); c = a")
        checkpoint = self.take()
        self.assertGreater(checkpoint["bytes"], 1 << 30)
        self.run_well("a[:] = 0")
        self.restore(checkpoint)
        self.assertEqual(self.value("[float(a.sum()), int(b.sum()), a is c]"), [float(1 << 26), 0, True])
        peak = self.value("[int(line.split()[1]) for line in open('/proc/self/status') "
                          "if line.startswith('VmHWM')][0]")
        self.assertLess(peak, 1.6 * (1 << 20), "KiB: the arrays were not held twice")


class OtherLanguages(WithSessions):
    KERNEL = "bash"

    @NEEDS_BASH
    def test_bash(self):
        self.run_well("x='it'\"'\"'s\n two lines'; declare -a list=(a 'b c'); declare -A map=([k]=v); export E=1\n"
                      "f() { echo \"f $1 $x\"; }; alias ll='ls -l'; set -eu -o noclobber; shopt -s nullglob; mkdir -p d; cd d")
        checkpoint = self.take()
        self.assertLessEqual({"x", "list", "map", "E", "f"}, set(checkpoint["saved"]), checkpoint)
        self.run_well("x=; unset list f; cd /; set +eu")
        [bash] = self.restore(checkpoint)["namespaces"]
        self.assertEqual(bash["failed"], [])
        shown = self.run_well("f 1; echo \"${list[1]} ${map[k]} ${#list[@]}\"; bash -c 'echo $E'; alias ll; "
                              "shopt nullglob || true; basename $PWD; for o in e u C; do [[ $- == *$o* ]] && echo $o; done")
        self.assertEqual(shown, "f 1 it's\n two lines\nb c v 2\n1\nalias ll='ls -l'\nnullglob       \ton\nd\ne\nu\nC\n")
        self.assertEqual(self.run_well("compgen -v __perijove_; compgen -A function __perijove_ | grep -v report"
                                       " || true").replace("__perijove_last\n", "").replace(
                                           "__perijove_failed\n", "").replace("__perijove_errexit\n", ""), "")

    @NEEDS_BASH
    def test_a_shell_is_copied_by_way_of_a_checkpoint(self):
        self.run_well("x=1; echo file >f")
        status, _, answer = self.ask("POST", f"sessions/{self.session}/fork", {})
        self.assertEqual((status, answer["method"]), (201, "namespace+files"), answer)
        branch = answer["sessions"][0]["session_id"]
        self.addCleanup(self.ask, "DELETE", f"sessions/{branch}")
        self.assertEqual(self.run_well("echo $x; cat f", branch), "1\nfile\n")

    @isolated.only_without("their image has no node", "docker", "gvisor")
    def test_javascript(self):
        session = self.make(kernel="javascript")
        self.run_well("let a = {n: 1}; const b = [a]; var c = new Map([['k', new Date(0)]]);\n"
                      "function twice(n) { return 2 * n; } class P { who() { return 'p'; } } let p = new P();\n"
                      "let later = Promise.resolve(1);", session)
        checkpoint = self.take(session)
        self.assertLessEqual({"a", "b", "c", "twice", "P"}, set(checkpoint["saved"]), checkpoint)
        self.assertEqual({each["name"] for each in checkpoint["skipped"]}, {"p", "later"})
        self.run_well("a.n = 5; c = null", session)
        [script] = self.restore(checkpoint, session)["namespaces"]
        self.assertEqual(script["failed"], [])
        self.assertEqual(self.run_well("b[0].n += 1; console.log(a.n, b[0] === a, c.get('k').getTime(), twice(2), "
                                       "new P().who())", session), "2 true 0 4 p\n")

    @NEEDS_BASH
    def test_each_language_of_a_session_is_saved(self):
        session = self.make(kernel=OnIpykernel.KERNEL)
        blocks = [{"language": "python", "code": "x = 1"}, {"language": "bash", "code": "y=2"}]
        self.assertEqual(self.ask("POST", f"sessions/{session}/execute", {"blocks": blocks})[2]["status"], "ok")
        checkpoint = self.take(session)
        self.assertEqual([each["language"] for each in checkpoint["namespaces"]], ["bash", "python"])
        self.restore(checkpoint, session)
        self.assertEqual(self.run_well("echo $y", session, language="bash"), "2\n")
        self.assertEqual(self.value("x", session), 1)

    def test_of_other_languages_only_files_are_saved_and_that_is_said(self):
        session = self.make(kernel="perijove-echo")
        self.run_well("print x", session)
        self.ask("PUT", f"sessions/{session}/files/f", b"1")
        checkpoint = self.take(session)
        self.assertEqual(checkpoint["method"], "files")
        self.assertIn("not carried", "\n".join(checkpoint["warnings"]))
        self.ask("DELETE", f"sessions/{session}/files/f")
        self.assertIn("not carried", self.restore(checkpoint, session)["namespaces"][0]["problem"])
        self.assertEqual(self.ask("GET", f"sessions/{session}/files/f")[2], b"1")


    @isolated.only_without("the kernelspec comes after the gateway's start", "docker", "gvisor")
    def test_of_a_kernel_that_is_not_ours_files_are_saved_when_variables_cannot_be(self):
        session = self.make(kernel=self.gateway.add_kernelspec("other-script", language="javascript"))
        self.run_well("print x", session)
        checkpoint = self.take(session)
        self.assertEqual((checkpoint["method"], checkpoint["saved"]), ("files", []))
        self.assertIn("not what it was asked for", checkpoint["namespaces"][0]["problem"])


class Files(WithSessions):
    KERNEL = "perijove-python"

    @isolated.only_without("gVisor keeps pipes to itself", "gvisor")
    def test_links_modes_and_trees(self):
        self.run_well('''
import os
os.makedirs("a/b"); open("a/b/f", "w").write("1"); os.symlink("a/b/f", "link"); os.symlink("/etc/passwd", "out")
open("run", "w").write("#!/bin/sh\\n"); os.chmod("run", 0o750); os.link("a/b/f", "hard"); os.mkfifo("pipe")
os.symlink("nowhere", "dangling")
''')
        checkpoint = self.take()
        self.assertEqual(checkpoint["files"]["left_out"], ["pipe: no file, link or directory"])
        stored = next(self.state_dir().glob(f"*/{checkpoint['checkpoint_id']}/files"))
        self.assertTrue((stored / "out").is_symlink(), "what links lead to is not copied")
        self.assertNotEqual((stored / "hard").stat().st_ino, (stored / "a/b/f").stat().st_ino)
        self.run_well("import shutil; shutil.rmtree('a'); os.remove('run'); open('hard', 'w').write('2')")
        self.restore(checkpoint)
        self.assertEqual(
            self.value("[os.readlink('link'), os.readlink('out'), os.readlink('dangling'), open('a/b/f').read(), "
                       "open('hard').read(), oct(os.stat('run').st_mode), os.path.exists('pipe')]"),
            ["a/b/f", "/etc/passwd", "nowhere", "1", "1", "0o100750", False])

    def test_a_link_in_place_of_a_directory_is_not_followed(self):
        """Code swaps directories for links while they are copied: nothing of elsewhere gets in."""
        secret = self.gateway.directory / "secret"
        secret.mkdir()
        (secret / "f").write_text("secret")
        self.run_well(f'''
import os, threading
os.makedirs("d"); open("d/f", "w").write("mine"); stop = False
def swap():
    while not stop:
        os.rename("d", "e"); os.symlink({str(secret)!r}, "d"); os.remove("d"); os.rename("e", "d")
thread = threading.Thread(target=swap, daemon=True); thread.start()
''')
        for _ in range(20):
            status, _, checkpoint = self.ask("POST", f"sessions/{self.session}/checkpoints", {})
            if status != 201:
                continue  # a name that was there a moment ago
            [place] = self.state_dir().glob(f"*/{checkpoint['checkpoint_id']}/files")
            found = [path.read_text() for path in place.rglob("f") if not path.is_symlink()
                     and not any(parent.is_symlink() for parent in path.parents)]
            self.assertNotIn("secret", found)
            self.ask("DELETE", f"checkpoints/{checkpoint['checkpoint_id']}")
        self.run_well("stop = True; thread.join()")

    def test_without_a_kernel_there_are_only_files(self):
        self.ask("PUT", f"sessions/{self.session}/files/f", b"1")
        checkpoint = self.take()
        self.assertEqual((checkpoint["method"], checkpoint["files"]["count"]), ("files", 1))
        self.assertIn("no kernel", checkpoint["warnings"][0])
        self.ask("DELETE", f"sessions/{self.session}/files/f")
        self.restore(checkpoint)
        self.assertEqual(self.ask("GET", f"sessions/{self.session}/files/f")[2], b"1")

    def test_read_only_directories(self):
        self.run_well("import os; os.mkdir('d'); open('d/f', 'w').close(); os.chmod('d', 0o500)")
        checkpoint = self.take()
        self.restore(checkpoint)
        self.assertEqual(self.value("[oct(__import__('os').stat('d').st_mode), __import__('os').listdir('d')]"),
                         ["0o40500", ["f"]])
        self.run_well("import os; os.chmod('d', 0o700)")


class Keeping(WithSessions):
    KERNEL = "perijove-python"

    def test_they_are_listed_and_removed(self):
        self.run_well("x = 1")
        first, second = self.take(label="a"), self.take(label="b", keep=True)
        listed = self.ask("GET", f"sessions/{self.session}/checkpoints")[2]["checkpoints"]
        self.assertEqual([each["label"] for each in listed], ["a", "b"])
        every = self.ask("GET", "checkpoints")[2]["checkpoints"]
        self.assertLessEqual({"a", "b"}, {each["label"] for each in every})
        path = f"sessions/{self.session}/checkpoints/{first['checkpoint_id']}"
        self.assertEqual(self.ask("GET", path)[2]["label"], "a")
        self.assertEqual(self.ask("DELETE", path)[0], 204)
        self.refused(404, "checkpoint_not_found", "GET", path)
        self.assertEqual(self.ask("DELETE", f"checkpoints/{second['checkpoint_id']}")[0], 204)
        wait_until(lambda: self.on_disk() == [], "both are gone from the disk")

    def test_they_go_with_their_session_unless_they_are_kept(self):
        self.run_well("x = 1")
        goes, stays = self.take(), self.take(keep=True)
        self.ask("DELETE", f"sessions/{self.session}")
        self.refused(404, "checkpoint_not_found", "GET", f"checkpoints/{goes['checkpoint_id']}")
        self.assertEqual(self.ask("GET", f"checkpoints/{stays['checkpoint_id']}")[2]["saved"], ["x"])
        wait_until(lambda: self.on_disk() == [stays["checkpoint_id"]], "one is left on the disk")

    def test_what_is_wrong_is_refused(self):
        self.run_well("x = 1")
        base = f"sessions/{self.session}/checkpoints"
        self.refused(404, "checkpoint_not_found", "GET", f"{base}/c_nobody")
        self.refused(404, "checkpoint_not_found", "POST", f"{base}/c_nobody/restore")
        self.refused(404, "checkpoint_not_found", "DELETE", "checkpoints/c_..")
        self.refused(404, "session_not_found", "POST", "sessions/s_nobody/checkpoints")
        self.refused(404, "checkpoint_not_found", "POST", "sessions", {"checkpoint": "c_nobody"})
        self.refused(400, "validation_failed", "POST", "sessions", {"checkpoint": 1})
        self.assertIn("labl", self.refused(400, "validation_failed", "POST", base, {"labl": "x"}))
        self.refused(400, "validation_failed", "POST", base, {"keep": "yes"})
        checkpoint = self.take()
        other = self.make(kernel="bash")
        self.assertIn("speaks bash", self.refused(
            409, "failed_precondition", "POST", f"sessions/{other}/checkpoints/{checkpoint['checkpoint_id']}/restore"))
        self.refused(404, "checkpoint_not_found", "GET",
                     f"sessions/{other}/checkpoints/{checkpoint['checkpoint_id']}")
        begun = self.ask("POST", f"sessions/{self.session}/execute",
                         {"code": "import time; time.sleep(600)", "mode": "async"})[2]
        self.assertIn("busy", self.refused(409, "kernel_busy", "POST", base))
        self.assertIn("busy", self.refused(409, "kernel_busy", "POST",
                                           f"{base}/{checkpoint['checkpoint_id']}/restore"))
        self.ask("POST", f"executions/{begun['execution_id']}/cancel")

    @NEEDS_ARRAYS
    def test_code_waits_while_a_checkpoint_is_taken(self):
        self.run_well("import numpy as np; a = np.ones(1 << 22); n = 0")
        taken = []

        def take():
            while not taken:  # between two pieces of code, so not at the first try perhaps
                status, _, checkpoint = self.ask("POST", f"sessions/{self.session}/checkpoints", {})
                if status != 409:
                    taken.append((status, checkpoint))

        thread = threading.Thread(target=take)
        thread.start()
        count = 0
        while thread.is_alive():
            self.run_well("n += 1")
            count += 1
        self.assertEqual(taken[0][0], 201, taken)
        self.assertEqual(self.value("n"), count)

    def test_a_session_has_no_more_than_its_share(self):
        gateway = Gateway(arguments=["--checkpoint-bytes", "1M"])
        self.addCleanup(gateway.stop)
        session = self.ask("POST", "sessions", {"kernel": self.KERNEL}, gateway)[2]["session_id"]
        run = f"sessions/{session}/execute"
        self.ask("POST", run, {"code": "open('big', 'wb').write(b'x' * 2**21)"}, gateway)
        answer = self.ask("POST", f"sessions/{session}/checkpoints", {}, gateway)
        self.assertEqual((answer[0], answer[2]["code"]), (429, "resource_exhausted"), answer[2])
        self.ask("POST", run, {"code": "import os; os.remove('big'); b = bytes(2**21)"}, gateway)
        answer = self.ask("POST", f"sessions/{session}/checkpoints", {}, gateway)
        self.assertEqual((answer[0], answer[2]["code"]), (429, "resource_exhausted"), answer[2])
        self.ask("POST", run, {"code": "del b"}, gateway)
        for _ in range(32):
            self.assertEqual(self.ask("POST", f"sessions/{session}/checkpoints", {}, gateway)[0], 201)
        answer = self.ask("POST", f"sessions/{session}/checkpoints", {}, gateway)
        self.assertEqual(answer[0], 429)
        self.assertIn("32 checkpoints", answer[2]["detail"])
        own = [path for path in self.state_dir(gateway).glob("gateway-*/*") if path.name != "lock"]
        wait_until(lambda: len([path for path in own if path.exists()]) == 32, "those that failed left nothing")

    def test_those_that_are_kept_outlive_the_gateway(self):
        self.run_well("x = 41")
        kept, other = self.take(keep=True), self.take()
        gateway = Gateway(environ={"XDG_STATE_HOME": self.gateway.environment["XDG_STATE_HOME"]})
        with contextlib.closing(contextlib.ExitStack()) as stack:
            stack.callback(gateway.stop)
            listed = self.ask("GET", "checkpoints", None, gateway)[2]["checkpoints"]
            self.assertEqual([each["checkpoint_id"] for each in listed], [kept["checkpoint_id"]])
            status, _, made = self.ask("POST", "sessions", {"checkpoint": kept["checkpoint_id"]}, gateway)
            self.assertEqual(status, 201, made)
            result = self.ask("POST", f"sessions/{made['session_id']}/execute", {"code": "print(x + 1)"}, gateway)[2]
            self.assertEqual(result["stdout"], "42\n")
            own = next(path for path in self.state_dir().glob("gateway-*")
                       if not (path / other["checkpoint_id"]).exists())
            self.ask("POST", f"sessions/{made['session_id']}/checkpoints", {}, gateway)
            gateway.kill()
        self.assertTrue(own.exists(), "it was killed")
        third = Gateway(environ={"XDG_STATE_HOME": self.gateway.environment["XDG_STATE_HOME"]})
        self.addCleanup(third.stop)
        self.ask("GET", "checkpoints", None, third)
        self.assertFalse(own.exists(), "what a gateway that was killed has left goes")
        self.assertEqual(self.ask("GET", f"checkpoints/{other['checkpoint_id']}")[0], 200, "others have theirs")

    def test_a_work_directory_that_holds_the_state_has_no_checkpoints(self):
        gateway = Gateway(arguments=["--state-dir", "state"])
        self.addCleanup(gateway.stop)
        session = self.ask("POST", "sessions", {"kernel": self.KERNEL, "work_dir": "."}, gateway)[2]["session_id"]
        answer = self.ask("POST", f"sessions/{session}/checkpoints", {}, gateway)
        self.assertEqual((answer[0], answer[2]["code"]), (409, "failed_precondition"), answer[2])
        self.assertIn("--state-dir", answer[2]["detail"])
        answer = self.ask("POST", "sessions", {"kernel": self.KERNEL, "work_dir": "state/checkpoints/kept"}, gateway)
        self.assertEqual((answer[0], answer[2]["code"]), (403, "permission_denied"), answer[2])


class Hostile(WithSessions):
    KERNEL = "perijove-python"

    def damaged(self, checkpoint, name):
        [place] = self.state_dir().glob(f"*/{checkpoint['checkpoint_id']}/{name}")
        return place

    @isolated.only_without("another session's code shares its directory")
    def test_a_file_that_is_swapped_on_its_way_is_noticed(self):
        """Code of another session in the same directory changes what the fresh kernel is to read."""
        place = self.ask("GET", f"sessions/{self.session}")[2]["work_dir"]
        victim = self.gateway.directory / "pwned"
        self.run_well("x = 1; open('keep', 'w').close()")
        checkpoint = self.take()
        attacker = self.make(kernel=self.KERNEL, work_dir=os.path.relpath(place, self.gateway.work_dir))
        self.run_well(f'''
import glob, os, pickle, threading
class Evil:
    def __reduce__(self): return os.mknod, ({str(victim)!r},)
evil = pickle.dumps(Evil()); stop = False
def swap():
    while not stop:
        for name in glob.glob({place!r} + "/.perijove/state-*"):
            if name.endswith("report"): continue
            try:
                with open(name + "x", "wb") as file: file.write(evil)
                os.rename(name + "x", name)
            except OSError: pass
thread = threading.Thread(target=swap, daemon=True); thread.start()
''', attacker)
        path = f"sessions/{self.session}/checkpoints/{checkpoint['checkpoint_id']}/restore"
        status, _, answer = self.ask("POST", path)
        self.run_well("stop = True; thread.join()", attacker)
        self.assertEqual((status, answer["code"]), (503, "unavailable"), answer)
        self.assertIn("changed on its way", answer["detail"])
        self.assertIn("the files are those of the checkpoint, and no variables are there", answer["detail"])
        self.assertFalse(victim.exists(), "nothing of it was unpickled")
        self.restore(checkpoint)
        self.assertEqual(self.value("x"), 1)

    @isolated.only_without("this starts from a gateway that isolates nothing")
    def test_code_of_a_sandbox_stays_in_one(self):
        if reason := isolated.why_no_sandbox():
            self.skipTest(reason)
        status, _, session = self.ask("POST", "sessions", {"kernel": self.KERNEL, "isolation": "sandbox"})
        self.assertEqual(status, 201, session)
        session = session["session_id"]
        self.addCleanup(self.ask, "DELETE", f"sessions/{session}")
        self.run_well("x = 41; open('f', 'w').write('f')", session)
        self.assertFalse(self.value(f"__import__('os').path.exists({str(self.state_dir())!r})", session))
        checkpoint = self.take(session)
        self.assertEqual(checkpoint["isolation"], "sandbox")
        self.run_well("x = 0; open('f', 'w').write('g')", session)
        self.restore(checkpoint, session)
        self.run_well("open('f', 'a').write('h')", session)
        self.assertEqual(self.value("[x, open('f').read()]", session), [41, "fh"])
        self.refused(403, "permission_denied", "POST",
                     f"sessions/{self.session}/checkpoints/{checkpoint['checkpoint_id']}/restore")
        body = {"checkpoint": checkpoint["checkpoint_id"]}
        self.refused(403, "permission_denied", "POST", "sessions", {**body, "isolation": "none"})
        status, _, made = self.ask("POST", "sessions", body)
        self.assertEqual((status, made.get("isolation")), (201, "sandbox"), made)
        self.addCleanup(self.ask, "DELETE", f"sessions/{made['session_id']}")
        self.run_well("open('f', 'a').write('i')", made["session_id"])
        self.assertEqual(self.value("[x, open('f').read()]", made["session_id"]), [41, "fi"])

    def test_a_kernel_that_answers_nonsense(self):
        self.run_well("import json\nreal = json.dumps\njson.dumps = lambda value, *a, **k: "
                      "'[' * 100_000 if 'groups' in value else real(value, *a, **k)")
        detail = self.refused(503, "unavailable", "POST", f"sessions/{self.session}/checkpoints")
        self.assertIn("not what it was asked for", detail)
        self.assertEqual(self.run_well("print(1)"), "1\n")

    def test_a_kernel_that_dies_meanwhile(self):
        self.run_well("import os\nclass Dies:\n def __reduce__(self): os._exit(3)\nd = Dies()")
        answer = self.ask("POST", f"sessions/{self.session}/checkpoints", {})
        self.assertEqual(answer[0], 503, answer[2])
        self.assertEqual(self.run_well("print(2)"), "2\n")

    def test_damage_of_what_is_stored_is_noticed(self):
        self.run_well("x = 1")
        checkpoint = self.take()
        stored = self.damaged(checkpoint, "namespace-python")
        stored.write_bytes(stored.read_bytes()[:-1] + b"?")
        detail = self.refused(500, "data_loss", "POST",
                              f"sessions/{self.session}/checkpoints/{checkpoint['checkpoint_id']}/restore")
        self.assertIn("damaged", detail)
        self.assertEqual(self.run_well("print(3)"), "3\n")

    def test_links_where_files_are_handed_over(self):
        place = pathlib.Path(self.ask("GET", f"sessions/{self.session}")[2]["work_dir"])
        elsewhere = self.gateway.directory / "elsewhere"
        elsewhere.mkdir()
        self.run_well(f"import os, shutil; x = 1; shutil.rmtree('.perijove', True); "
                      f"os.symlink({str(elsewhere)!r}, '.perijove')")
        self.refused(403, "permission_denied", "POST", f"sessions/{self.session}/checkpoints")
        self.assertEqual(list(elsewhere.iterdir()), [])
        (place / ".perijove").unlink()
        self.take()


class Paths(WithSessions):
    def test_first_files_that_lead_outside_are_named_so(self):
        for path in ("../up", "/etc/up", "a/../../up"):
            self.refused(403, "path_outside_work_dir", "POST", "sessions",
                         {"kernel": self.KERNEL, "files": {path: "x"}})


del Namespaces  # it has no kernel of its own


if __name__ == "__main__":
    unittest.main()
