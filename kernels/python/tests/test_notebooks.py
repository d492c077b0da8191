"""Notebooks as people write them, executed by nbclient on ipykernel and here: the same must come out.

Compared are all outputs of every cell, what it says to widgets, tracebacks included but for the frames of the kernel itself, and execution counts.
What may differ: normal_form.py says it. And streams: which
prints come in one message is a matter of time, so the texts of a stream are joined up to the next
output of another kind; between the two streams there is no order.
"""

import pathlib
import re
import shutil
import tempfile
import unittest

from normal_form import normal_bundle, normal_state, normal_text
from guest_tests import GuestKernelTestCase
from test_outputs import installed

FOLDER = pathlib.Path(__file__).parent / "notebooks"
SECONDS = 300

# What a traceback and a clock say differently each time.
VARYING = (
    (re.compile(r"(?m)^(CPU times:|Wall time:).*$"), r"\1"),
    (re.compile(r"\(\d+ times\)"), "(... times)"),  # of a frame, as deep as the stack went
    (re.compile(r"<(Task|Lock|asyncio\.locks\.Lock)[^>]*>"), r"<\1>"),
)


def normal_lines(text):
    text = normal_text(text)
    for pattern, replacement in VARYING:
        text = pattern.sub(replacement, text)
    return text


def without_own_frames(traceback):
    """The frames of the kernel itself, which are of its own making."""
    own = re.compile(r"File (/\S+/ipykernel/|<perijove_kernel/)")
    return "\n\n".join(part for part in traceback.split("\n\n") if not own.match(part))


def normal_cell(cell):
    outputs, streams = [], {}

    def end_streams():
        outputs.extend(("stream", name, normal_lines(streams.pop(name))) for name in sorted(streams))

    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
            continue
        end_streams()
        if output["output_type"] == "error":
            traceback = without_own_frames(normal_lines("\n".join(output["traceback"])))
            outputs.append(("error", output["ename"], normal_lines(output["evalue"]), traceback))
        else:
            outputs.append((output["output_type"], normal_bundle(output["data"]),
                            normal_state(output["metadata"]), output.get("execution_count")))
    end_streams()
    return outputs, cell["execution_count"], cell.get("comms")


def recording_client(*arguments, **options):
    """An nbclient that keeps what a cell says to comms, as `comms` of the cell, in place of the
    models that it would make of that: it cannot make any of Debian's ipywidgets 6."""
    import nbclient

    class RecordingClient(nbclient.NotebookClient):
        def handle_comm_msg(self, outs, msg, cell_index):
            content = {key: value for key, value in msg["content"].items() if value is not None}
            buffers = [bytes(each) for each in msg["buffers"]]
            self.nb["cells"][cell_index].setdefault("comms", []).append(
                (msg["msg_type"], normal_state(content), msg["metadata"], buffers))

    return RecordingClient(*arguments, **options)


@unittest.skipUnless(installed("ipykernel"), "there is no ipykernel (Debian: python3-ipykernel)")
@unittest.skipUnless(installed("nbclient"), "there is no nbclient (Debian: python3-nbclient)")
class NotebookKernelTestCase(GuestKernelTestCase):
    def executed(self, name, kernel):
        import nbformat

        notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
        directory = tempfile.mkdtemp(prefix="notebook-")
        self.addCleanup(shutil.rmtree, directory)
        recording_client(
            notebook, kernel_name=kernel, timeout=SECONDS, allow_errors=True,
            resources={"metadata": {"path": directory}},
        ).execute()
        return notebook

    def assert_same(self, name, *needed):
        for module in needed:
            if not installed(module):
                self.skipTest(f"there is no {module} (Debian: python3-{module})")
        theirs = self.executed(name, "python3")
        ours = self.executed(name, "perijove-python")
        for mine, other in zip(ours["cells"], theirs["cells"]):
            if mine["cell_type"] == "code":
                with self.subTest(source=mine["source"]):
                    self.assertEqual(normal_cell(mine), normal_cell(other))


class Notebooks(NotebookKernelTestCase):
    def test_pandas(self):
        self.assert_same("pandas", "pandas")

    def test_matplotlib(self):
        self.assert_same("matplotlib", "matplotlib")

    def test_widgets(self):
        self.assert_same("widgets", "ipywidgets")

    def test_asyncio(self):
        self.assert_same("asyncio")

    def test_processes(self):
        self.assert_same("processes")

    def test_shell_magics(self):
        self.assert_same("shell-magics")

    def test_exceptions(self):
        self.assert_same("exceptions")

    def test_large_output(self):
        self.assert_same("large-output")

    def test_input(self):
        self.assert_same("input")
