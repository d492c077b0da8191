"""Kernels whose language runs in a process of its own, started by their kernelspecs and driven by
jupyter_client."""

import os
import shutil
import signal
import sys
import tempfile
import time
import unittest

# Generous: sanitizers and loaded machines are slow. No test waits that long unless it fails.
DEADLINE = 60


def main(missing=None):
    """Runs the tests named on the command line; `missing` says why they cannot be run."""
    try:
        import jupyter_client
    except ImportError:
        missing = f"{sys.executable} has no jupyter_client (Debian: python3-jupyter-client)"
    if missing:
        print(f"skipped: {missing}")
        sys.exit(77)
    unittest.main(module=None, argv=sys.argv + ["-v"])


class Run:
    """One execute_request with everything that came of it."""

    def __init__(self, reply, messages):
        self.reply = reply
        self.messages = messages

    def contents(self, msg_type):
        return [m["content"] for m in self.messages if m["msg_type"] == msg_type]

    def stream(self, *names):
        return "".join(c["text"] for c in self.contents("stream") if c["name"] in names)

    @property
    def stdout(self):
        return self.stream("stdout")

    @property
    def stderr(self):
        return self.stream("stderr")

    @property
    def text(self):
        """Both streams in the order in which they arrived."""
        return self.stream("stdout", "stderr")

    @property
    def results(self):
        return [c["data"]["text/plain"] for c in self.contents("execute_result")]

    @property
    def error(self):
        """(ename, evalue), or None; the published error and the reply must agree."""
        published = self.contents("error")
        if self.reply["status"] == "ok":
            assert not published, published
            return None
        [content] = published
        for field in ("ename", "evalue", "traceback"):
            assert self.reply[field] == content[field], (self.reply, content)
        return content["ename"], content["evalue"]

    @property
    def traceback(self):
        return "\n".join(self.reply["traceback"])


class Kernel:
    def __init__(self, name, environ, cwd):
        from jupyter_client import KernelManager

        self.directory = tempfile.mkdtemp(prefix=name + "-")
        self.manager = KernelManager(
            kernel_name=name,
            transport="ipc",
            ip=self.directory + "/k",
            connection_file=self.directory + "/connection.json",
        )
        self.client = None
        try:
            self.manager.start_kernel(
                env={**os.environ, "JPY_PARENT_PID": str(os.getpid()), **environ}, cwd=cwd
            )
            self.client = self.manager.client()
            self.client.start_channels()
            self.client.wait_for_ready(timeout=DEADLINE)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self):
        return self.manager.provisioner.process.pid

    def close(self):
        # Whatever a failed test has left running.
        started = self.descendants() if self.manager.is_alive() else []
        if self.client is not None:
            self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        for pid in started:
            end_process(pid)
        shutil.rmtree(self.directory, ignore_errors=True)

    def iopub(self, msg_id, until_idle=True):
        """Messages that answer this request; the last one is its idle status."""
        while True:
            message = self.client.get_iopub_msg(timeout=DEADLINE)
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            yield message
            if until_idle and message["content"].get("execution_state") == "idle":
                return

    def reply(self, msg_id):
        while True:
            message = self.client.get_shell_msg(timeout=DEADLINE)
            if message["parent_header"].get("msg_id") == msg_id:
                return message["content"]

    def start(self, code, until=None):
        """Starts a block; returns once it runs, or once it has printed `until`."""
        msg_id = self.client.execute(code)
        seen = ""
        for message in self.iopub(msg_id):
            if message["msg_type"] == "stream":
                seen += message["content"]["text"]
            if until is None and message["msg_type"] == "execute_input" or until and until in seen:
                return msg_id
        raise AssertionError(f"the block ended too early, with {seen!r}")

    def finish(self, msg_id):
        messages = list(self.iopub(msg_id))
        return Run(self.reply(msg_id), messages)

    def run(self, code, **options):
        return self.finish(self.client.execute(code, **options))

    def ask(self, method, *arguments):
        return self.reply(getattr(self.client, method)(*arguments))

    def interrupt(self):
        self.client.control_channel.send(self.client.session.msg("interrupt_request", {}))

    def descendants(self):
        """The ids of the processes that this kernel has started, zombies left out."""
        return descendants_of(self.pid)


def process_table():
    """{pid: (parent, state)}"""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            table[int(name)] = (int(fields[1]), fields[0])
    return table


def descendants_of(pid):
    table = process_table()
    found = [pid]
    for each in found:
        found += [p for p, (parent, state) in table.items() if parent == each and state != "Z"]
    return found[1:]


def is_alive(pid):
    return process_table().get(pid, (0, "Z"))[1] != "Z"


def end_process(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class GuestKernelTestCase(unittest.TestCase):
    kernel_name = None
    maxDiff = None

    def started(self, cwd=None, **environ):
        kernel = Kernel(self.kernel_name, environ, cwd)
        self.addCleanup(kernel.close)
        return kernel

    def wait_until(self, condition):
        end = time.monotonic() + DEADLINE
        while not condition():
            self.assertLess(time.monotonic(), end, "it did not happen in time")
            time.sleep(0.005)

    def end_later(self, pid):
        """Whatever happens, this process does not outlive the test."""
        self.addCleanup(end_process, pid)
