"""What the tests of the command line share.

By hand: PERIJOVE_BIN=build/release/perijove JUPYTER_PATH=build/release/share/jupyter \\
         /usr/bin/python3 -B -m unittest -v test_exec [test_run.Parameters ...]
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

BINARY = os.environ["PERIJOVE_BIN"]
SOURCES = pathlib.Path(__file__).resolve().parents[2]
ECHO = "perijove-echo"
DEADLINE_SECONDS = 60


class Outcome:
    """A command that has ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)


class Running:
    """A command that runs; its lines are read as they come, so that no pipe ever fills."""

    def __init__(self, process):
        self.process = process
        self._lines = {"out": [], "err": []}
        self._changed = threading.Condition()
        self._readers = []
        for name, pipe in (("out", process.stdout), ("err", process.stderr)):
            if pipe is None:
                continue
            reader = threading.Thread(target=self._read, args=(name, pipe), daemon=True)
            reader.start()
            self._readers.append(reader)

    def _read(self, name, pipe):
        for line in pipe:
            with self._changed:
                self._lines[name].append(line)
                self._changed.notify_all()
        pipe.close()

    def wait_for(self, text, stream="out"):
        """The first line with `text` in it."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        with self._changed:
            while True:
                for line in self._lines[stream]:
                    if text in line:
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or not any(reader.is_alive() for reader in self._readers):
                    raise AssertionError(
                        f"no line with {text!r} on std{stream}; so far: {self._lines}")
                self._changed.wait(min(left, 0.2))

    def so_far(self, stream="out"):
        with self._changed:
            return "".join(self._lines[stream])

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        code = self.process.wait(DEADLINE_SECONDS)
        for reader in self._readers:
            reader.join(DEADLINE_SECONDS)
        return Outcome(code, "".join(self._lines["out"]), "".join(self._lines["err"]))


class CliTestCase(unittest.TestCase):
    """Each test has a directory of its own to run in, and leaves no process behind."""

    def setUp(self):
        # Short: the paths of sockets lie in it.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pjcli-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.runtime = self.directory / "run"
        self.runtime.mkdir(mode=0o700)
        self.environment = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "JUPYTER_PATH", "LANG", "ASAN_OPTIONS", "TSAN_OPTIONS",
                         "UBSAN_OPTIONS")
            if name in os.environ
        }
        self.environment["XDG_RUNTIME_DIR"] = str(self.runtime)
        self.environment["XDG_STATE_HOME"] = str(self.directory / "state")
        self._commands = []
        self.addCleanup(self._end_commands)

    def _end_commands(self):
        for process in self._commands:
            if process.poll() is None:
                process.kill()
            process.wait()
        left = [path for path in (self.runtime / "perijove").glob("[0-9]*") if path.is_dir()]
        killed = any(process.returncode == -signal.SIGKILL for process in self._commands)
        if not killed:
            self.assertEqual(left, [], "a runtime directory was left behind")

    def write(self, name, text):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def begin(self, *arguments, environment=None, stdin=subprocess.DEVNULL,
              stdout=subprocess.PIPE, binary=BINARY):
        process = subprocess.Popen(
            [binary, *map(str, arguments)], cwd=self.directory, stdin=stdin, text=True,
            env={**self.environment, **(environment or {})},
            stdout=stdout, stderr=subprocess.PIPE)
        self._commands.append(process)
        return Running(process)

    def perijove(self, *arguments, stdin="", environment=None, binary=BINARY):
        running = self.begin(*arguments, environment=environment, stdin=subprocess.PIPE,
                             binary=binary)
        try:
            running.process.stdin.write(stdin)
            running.process.stdin.close()
        except BrokenPipeError:
            pass
        return running.wait()

    def leave_stray(self):
        """The process of a kernel whose gateway was killed; most end by themselves then, not it."""
        self.write("stray/kernels/stray/kernel.json", json.dumps(
            {"argv": ["sleep", "3600"], "display_name": "Stray", "language": "x"}))
        running = self.begin("exec", "-k", "stray", "-c", "x", environment={
            "JUPYTER_PATH": str(self.directory / "stray")})
        records = self.runtime / f"perijove/{running.process.pid}/processes"
        eventually(lambda: records.is_dir() and any(map(pathlib.Path.read_text, records.iterdir())),
                   "the kernel is launched and on record")
        [record] = records.iterdir()
        pid = int(record.name)
        self.addCleanup(lambda: is_running(pid) and os.kill(pid, signal.SIGKILL))
        running.signal(signal.SIGKILL)
        running.wait()
        return pid

    def exec_echo(self, *lines, options=()):
        """Runs one cell in the echo kernel, each line a command of it."""
        return self.perijove("exec", "-k", ECHO, *options, "-c", "\n".join(lines))

    def serve(self, *arguments, **keywords):
        """A gateway on a free port, and its URL with the token."""
        if "--isolation" not in arguments:
            arguments = ["--isolation", "none", *arguments]
        running = self.begin("serve", "--port", "0", *arguments, **keywords)
        line = running.wait_for(" is serving at ")
        return running, line.split(" is serving at ")[1].strip()


def notebook(*cells, kernel=ECHO):
    """The text of a notebook; a cell is its source, or (source, [tags])."""
    document = {
        "cells": [],
        "metadata": {"kernelspec": {"name": kernel, "display_name": kernel, "language": "x"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    for number, cell in enumerate(cells):
        source, tags = cell if isinstance(cell, tuple) else (cell, [])
        document["cells"].append({
            "cell_type": "code", "id": f"c{number}", "metadata": {"tags": tags} if tags else {},
            "source": source, "outputs": [], "execution_count": None})
    return json.dumps(document)


def get_json(url, path, method="GET", body=None):
    """What a gateway answers: (status, value). `url` may carry the token."""
    base, _, query = url.partition("?")
    request = urllib.request.Request(
        f"{base}{path}{'&' if '?' in path else '?'}{query}", method=method,
        data=None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
            return error.code, json.loads(text) if text else None


def eventually(condition, what):
    """Waits until `condition()` is true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {DEADLINE_SECONDS} s: {what}")
        time.sleep(0.01)


def is_running(pid):
    """Whether a process lives (a zombie does not)."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
