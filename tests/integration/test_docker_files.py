"""Files of sessions whose Docker daemon does not see the gateway's directories: as when the gateway is in a
container itself, and the daemon is its host's, or when the daemon is on another machine."""

import json
import os
import pathlib
import tempfile
import unittest

from gateway import Gateway
from isolated import IMAGE
from docker_daemon import Daemon
from server import free_port
from test_docker_tls import Authority

CHART = ("import base64\nfrom IPython.display import Image, display\n"
         "open('table.csv', 'w').write('a,b')\n"
         "display(Image(base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk"
         "YAAAAAYAAjCB0C8AAAAASUVORK5CYII='), format='png'))")


class Files:
    """The tests, for classes that know a daemon which sees other files."""

    daemon_options = ()
    session_options = {"network": "bridge"}

    @classmethod
    def setUpClass(cls):
        # Everything that gateways of this class keep lies below a directory that the daemon sees empty.
        cls.apart = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="pjf-"))
        cls.daemon = cls.enterClassContext(Daemon("--bridge", *cls.daemon_options, blind_to=cls.apart,
                                                  prepare=cls.prepare))
        cls.daemon.make_image("kernels", IMAGE)
        cls.addClassCleanup(setattr, tempfile, "tempdir", tempfile.tempdir)
        tempfile.tempdir = cls.apart
        cls.gateway = cls.enterClassContext(Gateway(
            arguments=["--isolation", "docker", "--isolation-networks", "bridge"], environ=cls.environ()))

    @classmethod
    def prepare(cls, directory):
        """Of the daemon."""

    def create(self, kernel="python3", **options):
        return self.gateway.ask("POST", "/v1/sessions", {
            "kernel": kernel, "docker": {"image": IMAGE, **self.session_options, **options}})

    def make(self, kernel="python3", **options):
        status, _, session = self.create(kernel, **options)
        self.assertEqual(status, 201, session)
        path = f"/v1/sessions/{session['session_id']}"
        self.addCleanup(self.gateway.ask, "DELETE", path)
        return path, pathlib.Path(session["work_dir"])

    def blocks(self, path, *blocks):
        result = self.gateway.ask("POST", path + "/execute", {
            "blocks": [{"language": language, "code": code} for language, code in blocks]})[2]
        self.assertEqual(result.get("status"), "ok", result)
        return result

    @unittest.skipIf(os.environ.get("PERIJOVE_SANITIZED"), "no Python could load what a sanitizer is in")
    def test_a_kernel_that_is_in_its_kernelspec_comes_along(self):
        path, _ = self.make(kernel="perijove-python-any")
        result = self.blocks(path, ("python", "import os; print(os.listdir('/run/perijove-kernelspec'))"))
        self.assertIn("_perijove_kernel.abi3.so", result["stdout"])

    def test_files_go_there_and_come_back(self):
        path, directory = self.make()
        self.assertIn(self.gateway.ask("PUT", path + "/files/data/in.csv", b"1,2,3")[0], (201, 204))
        result = self.blocks(path, ("python", "import os\nprint(open('data/in.csv').read())\n"
                                              "os.makedirs('out')\nopen('out/made.txt', 'w').write('there')"))
        self.assertEqual(result["stdout"], "1,2,3\n")
        self.assertEqual([file["path"] for file in result["output_files"]], ["out/made.txt"])
        self.assertEqual((directory / "out/made.txt").read_text(), "there")
        self.assertEqual(self.gateway.ask("GET", path + "/files/out/made.txt")[2], "there")
        # and again, changed on both sides
        self.gateway.ask("PUT", path + "/files/data/in.csv", b"4")
        result = self.blocks(path, ("python", "print(open('data/in.csv').read())\n"
                                              "open('out/made.txt', 'a').write('!'); os.remove('data/in.csv')"))
        self.assertEqual(result["stdout"], "4\n")
        self.assertEqual((directory / "out/made.txt").read_text(), "there!")
        self.assertFalse((directory / "data/in.csv").exists())

    def test_what_is_displayed_and_written_is_reported(self):
        path, directory = self.make()
        result = self.blocks(path, ("python", CHART))
        files = {file["mime"]: file["path"] for file in result["output_files"]}
        self.assertEqual(set(files), {"image/png", "text/csv"}, result)
        self.assertEqual((directory / files["text/csv"]).read_text(), "a,b")
        self.assertTrue((directory / files["image/png"]).read_bytes().startswith(b"\x89PNG"))

    def test_programs_beside_the_kernel_have_the_files_too(self):
        path, directory = self.make()
        result = self.blocks(path, ("python", "open('x', 'w').write('python')"),
                             ("bash", "cat x; echo shell >y"), ("python", "print(open('y').read())"))
        self.assertEqual(result["stdout"], "pythonshell\n\n")
        self.assertEqual((directory / "y").read_text(), "shell\n")
        self.assertEqual(sorted(p.name for p in directory.iterdir() if p.name[0] != "."), ["x", "y"])

    def test_the_kernels_user_owns_its_directory_and_is_not_root(self):
        path, _ = self.make()
        result = self.blocks(path, ("python", "import os\nprint(os.getcwd(), os.stat('.').st_uid == os.getuid() != 0)"))
        self.assertEqual(result["stdout"], "/workspace True\n")

    def test_files_outlive_a_restart_of_the_kernel(self):
        path, _ = self.make()
        self.blocks(path, ("python", "open('kept', 'w').write('kept')"))
        self.assertLess(self.gateway.ask("POST", path + "/restart", {})[0], 300)
        self.assertEqual(self.blocks(path, ("python", "print(open('kept').read())"))["stdout"], "kept\n")

    def test_a_session_says_that_files_are_copied(self):
        path, _ = self.make()
        self.blocks(path, ("python", "1"))
        (kernel,) = self.gateway.ask("GET", path)[2]["kernels"]
        self.assertTrue(any("files are copied" in note for note in kernel["notes"]), kernel)

    def refusal(self, **options):
        status, _, answer = self.create(**options)
        if status == 201:
            answer = self.gateway.ask("POST", f"/v1/sessions/{answer['session_id']}/execute", {"code": "1"})[2]
            self.assertNotEqual(answer["status"], "ok", answer)
        return json.dumps(answer)

    def test_without_a_network_the_kernel_cannot_be_reached_and_that_is_told(self):
        self.assertIn("name a network of Docker's", self.refusal(network="none"))

    def test_who_wants_files_shared_is_told_why_they_are_not(self):
        self.assertRegex(self.refusal(files="mount"), "sees other files|does not exist")

    def test_a_read_only_container_is_refused_with_its_reason(self):
        self.assertIn("bind_dir", self.refusal(read_only=True))


class Blind(Files, unittest.TestCase):
    """A daemon on a unix socket, as in docker-in-docker."""

    @classmethod
    def environ(cls):
        return {"DOCKER_HOST": cls.daemon.host}


class Remote(Files, unittest.TestCase):
    """The same over TCP and TLS, as on another machine."""

    @classmethod
    def setUpClass(cls):
        cls.certificates = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.authority = Authority(cls.certificates)
        cls.ours = cls.authority.make(cls.certificates / "ours", "extendedKeyUsage=clientAuth")
        cls.port = free_port()
        cls.daemon_options = (f"--tls={cls.port}",)
        super().setUpClass()

    @classmethod
    def prepare(cls, directory):
        cls.authority.make(directory / "tls", "subjectAltName=IP:127.0.0.1", "extendedKeyUsage=serverAuth")

    @classmethod
    def environ(cls):
        return {"DOCKER_HOST": f"tcp://127.0.0.1:{cls.port}", "DOCKER_TLS_VERIFY": "1",
                "DOCKER_CERT_PATH": str(cls.ours)}


class Asked(Files, unittest.TestCase):
    """Files are copied because a session wants it so; the daemon sees them, but nobody may know."""

    session_options = {"files": "archive"}

    @classmethod
    def setUpClass(cls):
        cls.daemon = cls.enterClassContext(Daemon("--bridge"))
        cls.daemon.make_image("kernels", IMAGE)
        cls.gateway = cls.enterClassContext(Gateway(
            arguments=["--isolation", "docker"], environ={"DOCKER_HOST": cls.daemon.host}))

    # Its channels are unix sockets, for those can be shared.
    test_without_a_network_the_kernel_cannot_be_reached_and_that_is_told = None
    test_who_wants_files_shared_is_told_why_they_are_not = None


del Files  # not to be run by itself


if __name__ == "__main__":
    unittest.main()
