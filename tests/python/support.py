"""What the tests of the embedded Python scripts share.

A script is a file of src/code/python, or a folder whose parts, in the order of their names, make up
one text; so does cmake/EmbedText.cmake. By hand: /usr/bin/python3 -B -m unittest -v test_check_code
"""

import json
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "src" / "code" / "python"
DEADLINE_SECONDS = 30


def script_text(name):
    path = FOLDER / name
    parts = sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    return "".join(part.read_text(encoding="utf-8") for part in parts)


def namespace(name):
    """The script's own names, without running its main()."""
    names = {"__name__": name}
    exec(compile(script_text(name), name, "exec"), names)
    return names


def run(name, request, options=()):
    """What the script answers to a request, started as the gateway starts it."""
    text = request if isinstance(request, bytes) else json.dumps(request).encode()
    done = subprocess.run(
        [sys.executable, "-I", *options, "-c", script_text(name)],
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{name} ended with {done.returncode}: {done.stderr.decode()}")
    return json.loads(done.stdout)
