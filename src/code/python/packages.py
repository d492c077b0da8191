"""Installs packages into the Python that runs this, which is that of a kernel, by its own pip.

Code of a session hands this text to exec() in a dictionary of its own and calls install(REQUEST),
REQUEST being the JSON request as a string: the user's names stay as they are.

    {"install": ["pandas>=2", ...], "names": ["pandas", ...], "upgrade": false}

Prints one line of JSON at the end, whatever pip says:
    {"installed": [{"name": "pandas", "version": "2.2.3"}], "failed": ["other"], "log_tail": "..."}
When pip refuses all of them together, each is tried by itself, so that one wrong name keeps no
other from being installed. Requirements have been checked: none is an option.
"""

import importlib
import importlib.metadata
import json
import subprocess
import sys

LOG_CHARS_MAX = 4000
# Of these pip says the same for every package.
HOPELESS = ("externally-managed-environment", "No module named pip")


def pip(requirements, upgrade):
    """(whether it went well, what was said)"""
    # One -q: with three, as for pip within a program's output, errors are not told either.
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    command += ["--no-input", "--no-color", *(["--upgrade"] if upgrade else []), "--", *requirements]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode == 0, done.stdout.decode("utf-8", "replace")


def version_of(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def install(text):
    request = json.loads(text)
    wanted, upgrade = request["install"], request.get("upgrade", False)
    ok, log = pip(wanted, upgrade)
    failed = [] if ok else list(wanted)
    if not ok and len(wanted) > 1 and not any(word in log for word in HOPELESS):
        log, failed = "", []
        for each in wanted:
            ok, said = pip([each], upgrade)
            log += said
            if not ok:
                failed.append(each)
    importlib.invalidate_caches()
    installed = [
        {"name": name, "version": version_of(name)}
        for each, name in zip(wanted, request["names"])
        if each not in failed
    ]
    answer = {"installed": installed, "failed": failed, "log_tail": log[-LOG_CHARS_MAX:]}
    print(json.dumps(answer))
