"""What hostile code comes to in a container: the suite of test_sandbox.py in a real Docker daemon."""

import os
import unittest

from isolated import IMAGE, why_no_docker
from test_sandbox import Hostile, WithSessions


class HostileInDocker(Hostile, WithSessions):
    kind = "docker"
    options = {}

    @classmethod
    def why_not(cls):
        if not why_no_docker():
            cls.environ = {**cls.environ, "DOCKER_HOST": os.environ["DOCKER_HOST"]}
        return why_no_docker()

    def session(self, status=201, **body):
        return super().session(status, docker={"image": IMAGE, **self.options, **body.pop("docker", {})},
                               **body)


del Hostile, WithSessions  # not to be run by themselves


if __name__ == "__main__":
    unittest.main()
