"""What hostile code comes to in a container: the suite of test_sandbox.py in a real Docker daemon."""

import os
import unittest

from test_docker import IMAGE, why_not
from test_sandbox import Hostile, WithSessions


class HostileInDocker(Hostile, WithSessions):
    kind = "docker"

    @classmethod
    def why_not(cls):
        if not why_not():
            cls.environ = {**cls.environ, "DOCKER_HOST": os.environ["DOCKER_HOST"]}
        return why_not()

    def session(self, status=201, **body):
        return super().session(status, docker={"image": IMAGE, **body.pop("docker", {})}, **body)


del Hostile, WithSessions  # not to be run by themselves


if __name__ == "__main__":
    unittest.main()
