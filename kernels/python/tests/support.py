"""What the tests of the Python kernel share."""

import itertools
import json
import os
import tempfile

from guest_tests import DEADLINE, GuestKernelTestCase, Kernel

numbers = itertools.count()


class Attached(Kernel):
    """A kernel that somebody else has started, by its connection file."""

    def __init__(self, connection_file, pid):
        from jupyter_client import BlockingKernelClient

        self.process_id = pid
        self.client = BlockingKernelClient(connection_file=connection_file)
        self.client.load_connection_file()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=DEADLINE)

    @property
    def pid(self):
        return self.process_id

    def close(self):
        self.client.stop_channels()


def new_connection_file(directory):
    """For a kernel on sockets in this directory."""
    from jupyter_client import write_connection_file

    name = f"{directory}/{next(numbers)}"
    file, _ = write_connection_file(
        name + ".json", transport="ipc", ip=name, key=os.urandom(16).hex().encode()
    )
    return file


def open_files(pid):
    """What the descriptors of a process refer to."""
    found = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.add(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
        except OSError:
            pass  # the one that reads the directory
    return found


def executable():
    """The kernel's program, as its kernelspec names it."""
    from jupyter_client.kernelspec import KernelSpecManager

    return KernelSpecManager().get_kernel_spec("perijove-python").argv[0]


class PythonKernelTestCase(GuestKernelTestCase):
    kernel_name = "perijove-python"

    def setUp(self):
        self.py = self.started()

    def result(self, code, **options):
        """The text/plain of the value of a cell that does nothing else."""
        run = self.py.run(code, **options)
        self.assertEqual((run.error, run.text), (None, ""), code)
        return run.results[0] if run.results else None

    def failed(self, code):
        """(ename, evalue) of a cell that must fail."""
        error = self.py.run(code).error
        self.assertIsNotNone(error, code)
        return error

    def answer_question(self, kernel, msg_id, value):
        """Waits for an input_request of this cell, answers, and returns its content."""
        while True:
            question = kernel.client.get_stdin_msg(timeout=DEADLINE)
            if question["parent_header"].get("msg_id") == msg_id:
                kernel.client.input(value)
                return question["content"]

    def kernelspec_of(self, argv, env):
        """The name of a new kernelspec."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        name = f"perijove-python-{next(numbers)}"
        os.makedirs(f"{directory.name}/kernels/{name}")
        spec = {
            "argv": argv,
            "display_name": name,
            "language": "python",
            "interrupt_mode": "message",
            "env": env,
        }
        with open(f"{directory.name}/kernels/{name}/kernel.json", "w") as file:
            json.dump(spec, file)
        before = os.environ["JUPYTER_PATH"]
        self.addCleanup(os.environ.__setitem__, "JUPYTER_PATH", before)
        os.environ["JUPYTER_PATH"] = directory.name + os.pathsep + before
        return name


class PlainKernelTestCase(PythonKernelTestCase):
    """The same without IPython."""

    def setUp(self):
        argv = [executable(), "--plain", "-f", "{connection_file}"]
        self.kernel_name = self.kernelspec_of(argv, {})
        super().setUp()
