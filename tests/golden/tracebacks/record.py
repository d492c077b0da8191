"""Records the error messages that real kernels send, as data for code_error_test.cpp.

    python3 record.py KERNELSPEC > python_8.json

Each case is a list of blocks that run one after the other in a fresh kernel; the last one fails.
Needs jupyter_client and the kernel; recorded once per IPython version that formats in its own way.
"""

import json
import os
import sys
import tempfile

from jupyter_client.manager import start_new_kernel

HELPER = "def reciprocal(x):\n    y = x\n    return 1 / y\n"

PYTHON = {
    "top_level": ["x = 1\n\n1 / 0"],
    "nested": ["def divide(a, b):\n    return a / b\n\ndef outer(x):\n    return divide(x, 0)\n\nouter(5)"],
    "earlier_cell": ["def late(x):\n    # a comment\n    return [][x]", "print('a')\n\nlate(3)"],
    "own_module": ["import helper\n\nhelper.reciprocal(0)"],
    "library": ["import json\n\njson.loads('{')"],
    "syntax": ["x = 1\nif True:\n    y = = 2"],
    "syntax_from_import": ["x = 1\nimport broken"],
    "indentation": ["if True:\nprint(1)"],
    "chained": ["def f():\n    try:\n        {}['k']\n    except KeyError as e:\n        raise ValueError('outer') from e\n\n\nf()"],
    "exit": ["import sys\nsys.exit(3)"],
    "deep": ["\n".join(f"def f{i}(): return f{i + 1}()" for i in range(15)) + "\ndef f15(): raise RuntimeError('deep')\nf0()"],
    "message_lines": ["raise ValueError('first\\n\\nCell In[1], line 99\\nlast')"],
    "assertion": ["assert 1 == 2"],
    "name": ["print(undefined_name)"],
    "magic": ["%%time\nx = 1\n1 / 0"],
}
R = {
    "top_level": ["x <- 1\nstop('boom')"],
    "nested": ["f <- function(x) {\n  g(x)\n}\ng <- function(y) {\n  stop('inner')\n}\nf(1)"],
    "library": ["x <- 1\nlog('a')"],
    "syntax": ["x <- 1\ny <- )"],
    "unknown": ["undefined_name + 1"],
}


def run(name, blocks, directory):
    manager, client = start_new_kernel(kernel_name=name, cwd=directory)
    errors = []

    def keep_error(message):
        if message["msg_type"] == "error":
            errors.append(message["content"])

    try:
        for block in blocks:
            client.execute_interactive(block, output_hook=keep_error, timeout=60)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    if not errors:
        return None  # this version prints the traceback instead
    content = errors[-1]
    return {
        "code": blocks[-1],
        "execution_count": len(blocks),
        "ename": content["ename"],
        "evalue": content["evalue"],
        "traceback": content["traceback"],
    }


def main():
    name = sys.argv[1]
    with tempfile.TemporaryDirectory() as directory:
        for file, text in {"helper.py": HELPER, "broken.py": "a = 1\nb = = 2\n"}.items():
            with open(os.path.join(directory, file), "w") as out:
                out.write(text)
        cases = R if name == "ir" else PYTHON
        recorded = {case: run(name, blocks, directory) for case, blocks in cases.items()}
    recorded = {case: error for case, error in recorded.items() if error}
    text = json.dumps(recorded, indent=1, ensure_ascii=False)
    for path, name in {os.path.realpath(directory): "/home/user/project", sys.prefix: "/usr"}.items():
        text = text.replace(path, name)
    print(text)


main()
