"""The fork server: kernels in milliseconds, that share nothing they should not share."""

import array
import json
import os
import signal
import socket
import subprocess
import tempfile
import uuid

from guest_tests import is_alive, process_table
from support import (
    DEADLINE,
    Attached,
    PythonKernelTestCase,
    executable,
    new_connection_file,
    open_files,
)


class Zygote:
    """A fork server and the peer's end of its socket."""

    def __init__(self, *options):
        self.peer, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.peer.settimeout(DEADLINE)
        self.mark = str(uuid.uuid4())
        with theirs:
            self.process = subprocess.Popen(
                [executable(), "--zygote", str(theirs.fileno()), *options],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**os.environ, "SECRET_OF_THE_ZYGOTE": self.mark},
            )

    def marked(self):
        """Itself and what it has forked."""
        found = []
        for pid, (_, state) in process_table().items():
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if state != "Z" and self.mark.encode() in file.read():
                        found.append(pid)
            except OSError:
                pass  # it has ended
        return found

    def receive(self):
        packet = self.peer.recv(1 << 20)
        return json.loads(packet) if packet else None

    def send(self, request, descriptors=()):
        rights = array.array("i", descriptors)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else []
        self.peer.sendmsg([json.dumps(request).encode()], ancillary)

    def close(self):
        self.peer.close()
        self.process.wait(timeout=DEADLINE)
        self.process.stderr.close()


class ZygoteKernelTestCase(PythonKernelTestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.null = os.open("/dev/null", os.O_WRONLY)
        self.addCleanup(os.close, self.null)

    def zygote(self, *options):
        zygote = Zygote(*options)
        self.addCleanup(zygote.close)
        return zygote

    def ready(self, *options):
        zygote = self.zygote(*options)
        self.report = zygote.receive()
        self.assertTrue(self.report["ready"])
        return zygote

    def request(self, **fields):
        return {
            "id": 7,
            "connection_file": new_connection_file(self.directory),
            "cwd": self.directory,
            "env": {"PATH": os.environ["PATH"], "JPY_PARENT_PID": str(os.getpid())},
            **fields,
        }

    def fork(self, zygote, stderr=None, **fields):
        """The answer to a request, and the request."""
        request = self.request(**fields)
        zygote.send(request, [self.null, self.null if stderr is None else stderr])
        answer = zygote.receive()
        if "pid" in answer:
            self.end_later(answer["pid"])
        return answer, request

    def kernel(self, zygote, **fields):
        answer, request = self.fork(zygote, **fields)
        self.assertNotIn("error", answer)
        kernel = Attached(request["connection_file"], answer["pid"])
        self.addCleanup(kernel.close)
        return kernel

    def value(self, kernel, code):
        run = kernel.run(code)
        self.assertIsNone(run.error, code)
        return run.results[0]


class KernelsOfAZygote(ZygoteKernelTestCase):
    def test_have_what_the_request_says(self):
        zygote = self.ready()
        kernel = self.kernel(
            zygote,
            env={"PATH": os.environ["PATH"], "MINE": "é", "JPY_PARENT_PID": str(os.getpid())},
            limits={"open_files": 200, "file_bytes": 10_000_000},
        )
        self.assertEqual(self.value(kernel, "import os; os.getcwd()"), repr(self.directory))
        self.assertEqual(self.value(kernel, "os.environ['MINE']"), "'é'")
        self.assertEqual(self.value(kernel, "'SECRET_OF_THE_ZYGOTE' in os.environ"), "False")
        self.assertEqual(kernel.run("!echo $MINE${SECRET_OF_THE_ZYGOTE}").stdout.strip(), "é")
        self.assertEqual(
            self.value(
                kernel,
                "import resource as r; r.getrlimit(r.RLIMIT_NOFILE), r.getrlimit(r.RLIMIT_FSIZE)",
            ),
            "((200, 200), (10000000, 10000000))",
        )
        self.assertEqual(self.value(kernel, "os.getsid(0) == os.getpid() == os.getpgrp()"), "True")
        with open(self.directory + "/mine.py", "w") as file:
            file.write("answer = 42")
        self.assertEqual(self.value(kernel, "import mine; mine.answer"), "42")

    def test_work_like_others(self):
        kernel = self.kernel(self.ready())
        self.assertEqual(
            kernel.run("print(1)\nimport sys; print(2, file=sys.stderr)").text, "1\n2\n"
        )
        self.assertEqual(
            kernel.run("import subprocess; subprocess.run(['echo', 'x'])").stdout, "x\n"
        )
        self.assertEqual(self.value(kernel, "import asyncio; await asyncio.sleep(0.01, 5)"), "5")
        self.assertEqual(
            self.value(
                kernel, "import threading; threading.current_thread() is threading.main_thread()"
            ),
            "True",
        )
        self.assertEqual(self.value(kernel, "threading.current_thread().name"), "'MainThread'")
        self.assertEqual(kernel.run("1/0").error[0], "ZeroDivisionError")
        for interrupt in (kernel.interrupt, lambda: os.kill(kernel.pid, signal.SIGINT)):
            for code in (
                "import time; print('on', flush=True); time.sleep(600)",
                "print('on', flush=True)\nwhile True: pass",
            ):
                msg_id = kernel.start(code, until="on")
                interrupt()
                self.assertEqual(kernel.finish(msg_id).error[0], "KeyboardInterrupt")
        self.assertEqual(
            self.value(
                kernel,
                "import multiprocessing as m\ndef f(x): return x * 2\nwith m.Pool(2) as p: r = p.map(f, [1, 2])\nr",
            ),
            "[2, 4]",
        )

    def test_inherit_no_descriptor(self):
        leak = os.open("/dev/zero", os.O_RDONLY)
        self.addCleanup(os.close, leak)
        kernel = self.kernel(self.ready())
        self.assertNotIn("/dev/zero", open_files(kernel.pid))
        self.assertEqual(os.readlink(f"/proc/{kernel.pid}/fd/0"), "/dev/null")
        cold = self.started()
        count = [len(os.listdir(f"/proc/{pid}/fd")) for pid in (kernel.pid, cold.pid)]
        self.assertLessEqual(*count)

    def test_throw_their_own_dice(self):
        zygote = self.ready("--preload", "random,numpy")
        code = "import random, sys\n[random.random()] + (list(sys.modules['numpy'].random.rand(1)) if 'numpy' in sys.modules else [])"
        self.assertNotEqual(*(self.value(self.kernel(zygote), code) for _ in range(2)))

    def test_have_modules_imported_already(self):
        zygote = self.ready("--preload", "colorsys,no_such_module")
        self.assertEqual(self.report["preloaded"], ["colorsys"])
        self.assertIn("ModuleNotFoundError", self.report["skipped"]["no_such_module"])
        self.assertIn(b"no_such_module", zygote.process.stderr.readline())
        self.assertEqual(
            self.value(self.kernel(zygote), "import sys; 'colorsys' in sys.modules"), "True"
        )

    def test_know_nothing_of_what_has_warmed_it_up(self):
        code = (
            "import sys\n(sorted(set(globals()) - {'sys'}), In, Out, hasattr(sys, 'last_value'), "
            "get_ipython().execution_count, type(exit).__name__, __name__)"
        )
        cold = self.value(self.started(), code)
        for options in ((), ("--preload", "numpy,pandas,matplotlib.pyplot")):
            kernel = self.kernel(self.ready(*options))
            run = kernel.run(code)
            self.assertEqual((run.error, run.stdout, run.stderr), (None, "", ""))
            self.assertEqual(run.results, [cold])
            self.assertEqual(kernel.run("1/0").error[0], "ZeroDivisionError")

    def test_do_without_ipython_where_they_should(self):
        kernel = self.kernel(self.ready("--plain"))
        self.assertEqual(self.value(kernel, "import sys; 'IPython' in sys.modules"), "False")

    def test_are_reported_when_they_end(self):
        zygote = self.ready()
        first, second = self.kernel(zygote), self.kernel(zygote)
        first.client.shutdown()
        self.assertEqual(zygote.receive(), {"exited": first.pid, "code": 0})
        os.kill(second.pid, signal.SIGKILL)
        self.assertEqual(zygote.receive(), {"exited": second.pid, "signal": signal.SIGKILL})
        self.assertFalse(is_alive(first.pid))

    def test_can_be_left_to_others(self):
        mark = "PERIJOVE_PROCESS"
        os.environ[mark] = "0123"
        self.addCleanup(os.environ.pop, mark)
        zygote = self.ready()
        env = {mark: "4567", "JPY_PARENT_PID": str(os.getpid())}
        kernel = self.kernel(zygote, orphan=True, env=env)
        with open(f"/proc/{kernel.pid}/stat") as file:
            parent = int(file.read().rpartition(")")[2].split()[1])
        self.assertNotEqual(parent, zygote.process.pid)
        with open(f"/proc/{kernel.pid}/environ", "rb") as file:
            self.assertIn(b"PERIJOVE_PROCESS=4567", file.read().split(b"\0"))
        self.assertEqual(self.value(kernel, "1"), "1")
        kernel.client.shutdown()
        self.wait_until(lambda: not is_alive(kernel.pid))
        # Its end is nothing to the server, which goes on.
        self.assertEqual(self.value(self.kernel(zygote), "1"), "1")

    def test_are_forked_ahead_where_others_adopt_them(self):
        zygote = self.ready()
        first = self.kernel(zygote, orphan=True)
        known = [zygote.process.pid, first.pid]
        spare = self.spare(zygote, known)
        second = self.kernel(zygote, orphan=True, env={**self.request()["env"], "MINE": "1"})
        self.assertEqual(second.pid, spare)
        self.assertEqual(
            self.value(second, "import os; os.environ['MINE'], os.getcwd(), os.getsid(0) == os.getpid()"),
            repr(("1", self.directory, True)),
        )
        self.assertEqual(self.value(first, "'MINE' in __import__('os').environ"), "False")
        # One that has gone is no loss.
        known.append(second.pid)
        spare = self.spare(zygote, known)
        os.kill(spare, signal.SIGKILL)
        self.wait_until(lambda: not is_alive(spare))
        third = self.kernel(zygote, orphan=True)
        self.assertNotEqual(third.pid, spare)
        self.assertEqual(self.value(third, "1"), "1")
        # It ends with its zygote, and kernels do not.
        known.append(third.pid)
        spare = self.spare(zygote, known)
        zygote.close()
        self.wait_until(lambda: not is_alive(spare))
        self.assertEqual(self.value(third, "2"), "2")

    def spare(self, zygote, known):
        """The process with the mark of the zygote that is none of these, and an orphan."""

        def found():
            return [pid for pid in zygote.marked() if pid not in known and len(open_files(pid)) < 6]

        self.wait_until(found)
        (spare,) = found()
        return spare

    def test_outlive_it(self):
        zygote = self.ready()
        kernel = self.kernel(zygote)
        self.value(kernel, "x = 5; x")
        zygote.close()
        self.assertEqual(zygote.process.returncode, 0)
        self.assertEqual(self.value(kernel, "x"), "5")

    def test_end_with_the_process_that_owns_them(self):
        owner = subprocess.Popen(["sleep", "600"])
        self.addCleanup(owner.wait)
        self.addCleanup(owner.kill)
        zygote = self.ready()
        kernel = self.kernel(zygote, env={"JPY_PARENT_PID": str(owner.pid)})
        owner.kill()
        self.assertEqual(zygote.receive(), {"exited": kernel.pid, "code": 0})

    def test_are_many(self):
        zygote = self.ready()
        kernels = [self.kernel(zygote) for _ in range(10)]
        for number, kernel in enumerate(kernels):
            self.value(kernel, f"x = {number}; x")
        self.assertEqual([self.value(k, "x") for k in kernels], [str(n) for n in range(10)])


class Requests(ZygoteKernelTestCase):
    def test_that_are_faulty_are_refused(self):
        zygote = self.ready()
        for fields, fault in (
            ({"cwd": "relative"}, "cwd"),
            ({"connection_file": 1}, "connection_file"),
            ({"env": {"A": 1}}, "env"),
            ({"env": {"A=B": "1"}}, "env"),
            ({"env": None}, "env"),
            ({"limits": {"speed": 1}}, "speed"),
            ({"limits": {"open_files": -1}}, "open_files"),
            ({"limits": []}, "limits"),
            ({"orphan": 1}, "orphan"),
            ({"sandbox": 1}, "sandbox"),
            ({"sandbox": {"uid": 1}}, "cgroups"),
            ({"sandbox": {"cgroups": -1}}, "cgroups"),
            ({"sandbox": {"cgroups": 0}}, "orphan"),
            ({"sandbox": {"cgroups": 0}, "orphan": True}, "2 descriptors"),
        ):
            with self.subTest(fields):
                answer, _ = self.fork(zygote, **fields)
                self.assertEqual(answer["id"], 7)
                self.assertIn(fault, answer["error"])
        zygote.send(self.request(), [self.null])
        self.assertIn("1 descriptors", zygote.receive()["error"])
        # Not one of these is a namespace, and what cannot be entered is not answered with a kernel.
        zygote.send(self.request(orphan=True, sandbox={"cgroups": 0}), [self.null] * 4)
        self.assertIn("cannot enter its namespaces", zygote.receive()["error"])
        zygote.send([1, 2])
        self.assertEqual(zygote.receive()["id"], None)
        zygote.peer.send(b"no json")
        self.assertEqual(zygote.receive()["id"], None)
        self.assertEqual(self.value(self.kernel(zygote), "1"), "1")
        self.assertEqual(len(os.listdir(f"/proc/{zygote.process.pid}/fd")), 9)

    def test_that_cannot_be_fulfilled_end_the_kernel(self):
        zygote = self.ready()
        for fields, complaint in (
            ({"cwd": "/no/such/directory"}, b"/no/such/directory"),
            ({"connection_file": "/no/such/file"}, b"/no/such/file"),
        ):
            with self.subTest(fields):
                reader, writer = os.pipe()
                with open(reader, "rb") as stderr:
                    answer, _ = self.fork(zygote, stderr=writer, **fields)
                    os.close(writer)
                    self.assertEqual(zygote.receive(), {"exited": answer["pid"], "code": 1})
                    self.assertIn(complaint, stderr.read())


class ZygoteOfAContainer(ZygoteKernelTestCase):
    def begin(self):
        """One that listens at a path; it has its own environment and output."""
        path = self.directory + "/socket"
        process = subprocess.Popen(
            [executable(), "--zygote", path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OF_THE_CONTAINER": "1", "JPY_PARENT_PID": str(os.getpid())},
        )
        self.addCleanup(process.wait, timeout=DEADLINE)
        self.peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(self.peer.close)
        self.peer.settimeout(DEADLINE)
        self.wait_until(lambda: self.peer.connect_ex(path) == 0)
        self.assertTrue(self.receive()["ready"])
        return process

    def receive(self):
        return json.loads(self.peer.recv(1 << 20))

    def ask(self, **request):
        self.peer.send(json.dumps(request).encode())

    def next_kernel(self):
        file = new_connection_file(self.directory)
        self.ask(id=1, connection_file=file, cwd=self.directory)
        answer = self.receive()
        self.end_later(answer["pid"])
        kernel = Attached(file, answer["pid"])
        self.addCleanup(kernel.close)
        return kernel

    def test_forks_one_kernel_after_another(self):
        zygote = self.begin()
        code = "import os; os.environ['OF_THE_CONTAINER'], os.getppid()"
        for _ in range(2):
            kernel = self.next_kernel()
            self.assertEqual(self.value(kernel, code), f"('1', {zygote.pid})")
            kernel.client.execute("os._exit(5)")  # which may end it before it says that it runs
            self.assertEqual(self.receive(), {"exited": kernel.pid, "code": 5})

    def test_ends_what_its_kernel_has_left(self):
        self.begin()
        kernel = self.next_kernel()
        left = self.value(
            kernel,
            "import subprocess\n"
            "p = subprocess.Popen(['sh', '-c', 'sleep 600 & echo $!'], stdout=-1, start_new_session=True)\n"
            "int(p.stdout.readline())",
        )
        self.end_later(int(left))
        self.assertTrue(is_alive(int(left)))
        self.ask(signal=signal.SIGKILL)
        self.assertEqual(self.receive(), {"exited": kernel.pid, "signal": signal.SIGKILL})
        self.assertFalse(is_alive(int(left)))
        self.assertEqual(self.value(self.next_kernel(), "1"), "1")

    def test_refuses_what_is_no_signal(self):
        self.begin()
        for wrong in ("KILL", 0, 1000, None, True):
            self.ask(signal=wrong)
            self.assertIn("signal", self.receive()["error"])

    def test_ends_with_its_peer(self):
        zygote = self.begin()
        self.peer.close()
        self.assertEqual(zygote.wait(timeout=DEADLINE), 0)


class Start(ZygoteKernelTestCase):
    def test_is_refused_where_imports_have_started_threads(self):
        with open(self.directory + "/threaded.py", "w") as file:
            file.write(
                "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
            )
        os.environ["PYTHONPATH"] = self.directory
        self.addCleanup(os.environ.pop, "PYTHONPATH")
        zygote = self.zygote("--preload", "threaded")
        self.assertEqual(zygote.process.wait(timeout=DEADLINE), 3)
        self.assertIn(b"threads", zygote.process.stderr.read())

    def test_ends_on_SIGTERM(self):
        zygote = self.ready()
        zygote.process.terminate()
        self.assertEqual(zygote.process.wait(timeout=DEADLINE), 0)
