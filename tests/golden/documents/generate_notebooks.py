"""Writes notebooks/*.expected.ipynb, outputs.json and parameters.json: what the real peers make of
the same input.

Run with a Python that has nbformat >= 5.1, nbclient, papermill (without black), ipykernel, pandas
and matplotlib:
    python tests/golden/documents/generate_notebooks.py
"""

import glob
import itertools
import json
import os

import nbformat
import nbformat.v4.convert
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

HERE = os.path.dirname(os.path.abspath(__file__))

# Each list of sources runs in one kernel, one cell after the other.
EXECUTIONS = {
    "prints are joined": ["for i in range(3): print(i, flush=True)\nprint('last', flush=True)"],
    "streams keep their order": [
        "import sys\n"
        "print('a', flush=True); print('b', file=sys.stderr, flush=True); print('c', flush=True)"],
    "a value is a result": ["1 + 1", "'text'"],
    "an error keeps what came before it": ["print('before')\n1 / 0"],
    "displays of several types": [
        "from IPython.display import display, HTML, JSON, Markdown, SVG, Javascript\n"
        "display(HTML('<b>x</b>'), JSON({'a': [1, None, 2.5]}), Markdown('# t'))\n"
        "display(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'), Javascript('1'))"],
    "a display is updated": [
        "from IPython.display import display\n"
        "handle = display('first', display_id='fixed')\n"
        "print('between', flush=True)\n"
        "handle.update('second')"],
    "the same display_id again updates the earlier display": [
        "from IPython.display import display\n"
        "_ = display('first', display_id='fixed')\n"
        "_ = display('second', display_id='fixed')"],
    "outputs are cleared at once": [
        "from IPython.display import clear_output\n"
        "print('gone', flush=True); clear_output(); print('stays', flush=True)"],
    "outputs are cleared before the next one": [
        "from IPython.display import clear_output\n"
        "print('gone', flush=True); clear_output(wait=True); print('stays', flush=True)"],
    "outputs stay when nothing follows the clearing": [
        "from IPython.display import clear_output\n"
        "print('stays', flush=True); clear_output(wait=True)"],
    "a data frame": ["import pandas\npandas.DataFrame({'a': [1, 2], 'b': ['x', 'y']})"],
    "a figure": [
        "%matplotlib inline\nimport matplotlib.pyplot as plt\n"
        "_ = plt.figure(figsize=(0.2, 0.2)); plt.show()"],
}


def joined(outputs):
    """As front ends do: neighbouring pieces of the same stream are one output."""
    result = []
    for output in outputs:
        last = result[-1] if result else {}
        if (output["output_type"] == "stream" and last.get("output_type") == "stream"
                and last["name"] == output["name"]):
            last["text"] += output["text"]
        else:
            result.append(dict(output))
    return result


def executions():
    for name, sources in EXECUTIONS.items():
        manager, client = start_new_kernel(kernel_name="python3")
        try:
            for source in sources:
                cell = nbformat.v4.new_code_cell(source)
                judge = NotebookClient(nbformat.v4.new_notebook(cells=[cell]), record_timing=False)
                judge.reset_execution_trackers()
                judge.clear_before_next_output = False
                parent = client.execute(source)
                messages = []
                while True:
                    message = client.get_iopub_msg(timeout=60)
                    if message["parent_header"].get("msg_id") != parent:
                        continue
                    content = message["content"]
                    if message["msg_type"] == "status":
                        if content["execution_state"] == "idle":
                            break
                        continue
                    messages.append({"type": message["msg_type"], "content": content})
                    judge.process_message(json.loads(json.dumps(message, default=str)), cell, 0)
                yield {"name": name, "messages": messages,
                       "execution_count": cell["execution_count"],
                       "outputs": joined(cell["outputs"])}
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def notebooks():
    for path in sorted(glob.glob(os.path.join(HERE, "notebooks", "*.input.ipynb"))):
        ids = itertools.count(1)
        nbformat.v4.convert.random_cell_id = lambda: f"cell-{next(ids)}"
        notebook = nbformat.v4.upgrade(nbformat.read(path, as_version=4))
        nbformat.write(notebook, path.replace(".input.", ".expected."))


def parameters():
    from papermill.cli import _resolve_type
    from papermill.translators import translate_parameters

    values = {
        "integer": "42", "plus": "+7", "zeros": "007", "grouped": "1_000", "spaced": " 5 ",
        "negative": "-3", "decimal": "2.50", "exponent": "1e20", "small": "1e-7", "point": ".5",
        "yes": "True", "no": "False", "nothing": "None", "word": "true", "empty": "",
        "text": "it's \"quoted\" \\ and more", "lines": "a\nb\tc", "date": "2024-01-31",
        "version": "1.2.3", "under": "1__0", "hex": "0x10", "huge": "123456789012345678901234567890",
    }
    typed = {name: _resolve_type(value) for name, value in values.items()}
    for language in ["python", "R", "julia", "bash"]:
        yield {"language": language, "parameters": list(values.items()),
               "source": translate_parameters("", language, typed)}


def write(name, rows):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
        json.dump(list(rows), file, indent=1, ensure_ascii=False)
        file.write("\n")


if __name__ == "__main__":
    notebooks()
    write("parameters.json", parameters())
    write("outputs.json", executions())
