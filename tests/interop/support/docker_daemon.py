"""A Docker daemon of one test's own, by scripts/dockerd; with images by scripts/images."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import places

SCRIPTS = places.INTEROP.parent.parent / "scripts"


class Daemon:
    """Starting it skips the test where that cannot be done. A context manager.

    `prepare` is called with its directory before it starts. With `blind_to`, a directory, it has a mount
    name space of its own, in which that is empty: it does not see what a gateway keeps there.
    """

    def __init__(self, *options, prepare=lambda directory: None, blind_to=None):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can start a Docker daemon")
        self.options = options
        self.prefix = [] if blind_to is None else [
            "unshare", "--mount", "--propagation", "private", "sh", "-c",
            'mount -t tmpfs none "$0" && exec "$@"', blind_to]
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pji-"))  # short: holds socket paths
        prepare(self.directory)
        started = self._run("start", *options)
        if started.returncode != 0:
            self.stop()
            raise unittest.SkipTest(f"no Docker daemon can be started here: {started.stderr}")
        self.host = started.stdout.strip().partition("=")[2]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()

    def restart(self):
        restarted = self._run("restart", *self.options)
        if restarted.returncode != 0:
            raise AssertionError(restarted.stderr)

    def make_image(self, kind, tag, *more):
        subprocess.run([SCRIPTS / "images", kind, "--tag", tag, *more], check=True,
                       stdin=subprocess.DEVNULL, env={**os.environ, "DOCKER_HOST": self.host})

    def stop(self):
        stopped = self._run("stop")
        shutil.rmtree(self.directory, ignore_errors=True)
        if stopped.returncode != 0:
            raise AssertionError(stopped.stderr)

    def _run(self, action, *options):
        prefix = self.prefix if action != "stop" else []
        return subprocess.run([*prefix, SCRIPTS / "dockerd", action, self.directory, *options],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
