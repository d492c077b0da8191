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

    `prepare` is called with its directory before it starts.
    """

    def __init__(self, *options, prepare=lambda directory: None):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can start a Docker daemon")
        self.options = options
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
        return subprocess.run([SCRIPTS / "dockerd", action, self.directory, *options],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
