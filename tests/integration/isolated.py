"""What keeps the kernels of a run of the tests from the machine: the same tests for all kinds.

PERIJOVE_TEST_ISOLATION says it: none (which is the default), sandbox, docker, or gvisor for containers
of Docker whose runtime is runsc. Where such kernels cannot be had, starting a gateway skips the test.
"""

import json
import os
import pathlib
import shutil
import subprocess
import unittest

KIND = os.environ.get("PERIJOVE_TEST_ISOLATION") or "none"
IMAGE = "perijove-kernels:test"
DOCKER_OPTIONS = {"docker": {}, "gvisor": {"runtime": "runsc"}}
IN_CONTAINERS = KIND in DOCKER_OPTIONS
DEFAULT = "docker" if IN_CONTAINERS else KIND  # what the gateway is started with
REPORTED = "docker+gvisor" if KIND == "gvisor" else KIND  # what a kernel says that it has


def docker(*arguments, check=True):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60)
    if check and done.returncode != 0:
        raise AssertionError(f"docker {arguments}: {done.stderr}")
    return done.stdout.strip()


def why_no_docker():
    """Why there can be no kernels in containers here; empty when there can."""
    if not os.environ.get("DOCKER_HOST"):
        return "DOCKER_HOST is not set: scripts/dockerd starts a daemon for tests"
    if not docker("image", "ls", "--quiet", IMAGE, check=False):
        return f"the daemon has no image {IMAGE}: scripts/images kernels --tag {IMAGE}"
    return ""


def why_no_gvisor():
    reason = why_no_docker()
    if not reason and "runsc" not in docker("info", "--format", "{{json .Runtimes}}"):
        reason = "the daemon has no runtime runsc (gVisor)"
    return reason


def why_no_sandbox():
    if not shutil.which("bwrap"):
        return "bubblewrap is not installed"
    tried = subprocess.run(
        ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "true"],
        capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"bubblewrap cannot make a sandbox: {tried.stderr}"


WHY_NOT = {"none": lambda: "", "sandbox": why_no_sandbox, "docker": why_no_docker,
           "gvisor": why_no_gvisor}


def only_without(why, *kinds):
    """For a test that needs what kernels of these kinds (without any: of every other than none) cannot
    have or do."""
    return unittest.skipIf(KIND in kinds if kinds else KIND != "none", f"kernels are isolated ({KIND}): {why}")


def argument_list():
    """Of a gateway whose kernels are to be of this kind."""
    if KIND == "none":
        return []
    lent = ["--isolation-mounts", ",".join(sorted(_programs()))] if IN_CONTAINERS and _programs() else []
    return ["--isolation", DEFAULT, *lent]


def environ():
    reason = WHY_NOT[KIND]()
    if reason:
        raise unittest.SkipTest(reason)
    return {"DOCKER_HOST": os.environ["DOCKER_HOST"]} if IN_CONTAINERS else {}


def write_kernelspecs(directory):
    """Has the kernelspecs below `directory`, and those of the build, run in the image of the tests; what
    they run of the build is lent to their containers."""
    if not IN_CONTAINERS:
        return
    own = pathlib.Path(directory) / "kernels"
    for place in [*_built(), *own.glob("*/kernel.json")]:
        try:
            spec = json.loads(place.read_text())
        except ValueError:
            continue  # broken on purpose
        lent = _programs() & {str(parent) for parent in pathlib.Path(spec["argv"][0]).parents}
        options = {"image": IMAGE, **DOCKER_OPTIONS[KIND],
                   "volumes": [f"{path}:{path}:ro" for path in lent]}
        spec.setdefault("metadata", {}).setdefault("perijove", {})["docker"] = options
        target = own / place.parent.name
        if target != place.parent:
            shutil.copytree(place.parent, target)
        (target / "kernel.json").write_text(json.dumps(spec))


def _built():
    path = os.environ.get("JUPYTER_PATH")
    return sorted(pathlib.Path(path).glob("kernels/*/kernel.json")) if path else []


def _programs():
    """The directories of the build that kernels are in."""
    programs = [pathlib.Path(json.loads(place.read_text())["argv"][0]) for place in _built()]
    return {str(program.parent) for program in programs if program.is_absolute()}
