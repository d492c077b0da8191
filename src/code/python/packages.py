"""Installs packages into the Python that runs this, which is that of a kernel, by its own pip.

Code of a session hands this text to exec() in a dictionary of its own and calls install(REQUEST),
REQUEST being the JSON request as a string: the user's names stay as they are.

    {"install": ["pandas>=2", ...], "names": ["pandas", ...], "upgrade": false}

Prints one line of JSON at the end, whatever pip says:
    {"installed": [{"name": "pandas", "version": "2.2.3"}], "failed": ["other"], "log_tail": "..."}
When pip refuses all of them together, each is tried by itself, so that one wrong name keeps no
other from being installed. Requirements have been checked: none is an option.

prepare(REQUEST) makes an isolated kernel ready that has just begun: it looks for packages below its
work directory from then on, which is the only place where it can keep some.

    {"install": ["pandas>=2", ...], "module": "functions", "keep": true}

`keep` is whether packages are kept there; what is to be installed is so when there are none yet.
The module, unless empty, is run once. The answer is the value's repr, one line of JSON:
    {"python_path": "/workspace/.perijove/packages"}, or {"error": "Pip install failed. ..."}
"""

import importlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys

LOG_CHARS_MAX = 4000
MODULE_TIME_MAX_S = 60
# Of a session, below its work directory.
OWN = os.path.join(".perijove", "packages")
# Of these pip says the same for every package.
HOPELESS = ("externally-managed-environment", "No module named pip")


def own_directory():
    """The session's own packages, where this Python looks for some."""
    return next((each for each in sys.path if each.endswith(os.sep + OWN)), None)


def records(directory):
    """What pip has noted there, one directory for each package."""
    names = os.listdir(directory) if directory and os.path.isdir(directory) else ()
    return [each for each in names if each.endswith(".dist-info")]


def package_of(record):
    return re.sub("[-_.]+", "-", record.rsplit("-", 2)[0]).lower()


def pip(requirements, upgrade):
    """(whether it went well, what was said)"""
    own = own_directory()
    # One -q: with three, as for pip within a program's output, errors are not told either.
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    command += ["--no-input", "--no-color"]
    # What a target has already is left as it is without --upgrade, whatever the version.
    command += ["--target", own] if own else []
    command += ["--upgrade"] if upgrade or own else []
    command += ["--", *requirements]
    before = set(records(own))
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    # pip replaces the files in a target, and leaves the record of the version that they were.
    new = set(records(own)) - before
    for each in before:
        if any(package_of(each) == package_of(other) for other in new):
            shutil.rmtree(os.path.join(own, each), ignore_errors=True)
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


class Answer:
    """What a kernel shows of it is the JSON, as it stands."""

    def __init__(self, **answer):
        self.text = json.dumps(answer)

    def __repr__(self):
        return self.text

    def _repr_pretty_(self, printer, _cycle):
        printer.text(self.text)


def keep_packages(requirements):
    """Looks below the work directory from now on; what pip said when it could not install there."""
    own = own_directory()
    if own is None:
        own = os.path.join(os.getcwd(), OWN)
        sys.path.insert(1 if sys.path[:1] == [""] else 0, own)
        others = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = own + os.pathsep + others if others else own
    if not os.path.isdir(own):
        os.makedirs(own)
        ok, log = pip(requirements, False) if requirements else (True, "")
        if not ok:
            shutil.rmtree(own)
            return log[-LOG_CHARS_MAX:]
    sys.path_importer_cache.pop(own, None)  # which remembers that it was not there
    importlib.invalidate_caches()
    return ""


def prepare(text):
    request = json.loads(text)
    try:
        if request["keep"]:
            said = keep_packages(request["install"])
            if said:
                return Answer(error="Pip install failed. " + said)
        if request["module"]:
            ran = subprocess.run(
                [sys.executable, request["module"] + ".py"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=MODULE_TIME_MAX_S,
            )
            if ran.returncode != 0:
                said = ran.stdout.decode("utf-8", "replace").strip()
                return Answer(error="Functions failed to load: " + said[-LOG_CHARS_MAX:])
    except (OSError, subprocess.TimeoutExpired) as error:
        return Answer(error=str(error))
    return Answer(python_path=os.environ.get("PYTHONPATH", ""))
