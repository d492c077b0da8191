"""A Docker daemon behind TCP and TLS, which shares no files with the gateway: one of the test's own, on the
loopback."""

import pathlib
import subprocess
import tempfile
import unittest

from gateway import Gateway
from isolated import IMAGE
from docker_daemon import Daemon
from server import free_port


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """Makes certificates in directories: ca.pem, cert.pem and key.pem."""

    def __init__(self, directory):
        self.key, self.certificate = directory / "ca-key.pem", directory / "ca.pem"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests",
                "-keyout", self.key, "-out", self.certificate)

    def make(self, directory, *extensions):
        directory.mkdir()
        key, request = directory / "key.pem", directory / "request.pem"
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-keyout", key, "-out", request)
        (directory / "extensions").write_text("\n".join(extensions))
        openssl("x509", "-req", "-days", "2", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                "-CAcreateserial", "-extfile", directory / "extensions", "-out", directory / "cert.pem")
        (directory / "ca.pem").write_bytes(self.certificate.read_bytes())
        return directory


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        authority = Authority(cls.directory)
        cls.ours = authority.make(cls.directory / "ours", "extendedKeyUsage=clientAuth")
        (cls.directory / "other").mkdir()
        cls.strangers = Authority(cls.directory / "other").make(cls.directory / "strangers",
                                                                "extendedKeyUsage=clientAuth")
        cls.port = free_port()
        cls.daemon = cls.enterClassContext(Daemon(
            "--bridge", f"--tls={cls.port}",
            prepare=lambda place: authority.make(place / "tls", "subjectAltName=IP:127.0.0.1",
                                                 "extendedKeyUsage=serverAuth")))
        cls.daemon.make_image("kernels", IMAGE)

    def result(self, certificates, host="127.0.0.1", code="print(6 * 7)"):
        environ = {"DOCKER_HOST": f"tcp://{host}:{self.port}"}
        if certificates:
            environ.update(DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(certificates))
        with Gateway(arguments=["--isolation", "docker", "--isolation-networks", "bridge"],
                     environ=environ) as gateway:
            status, _, session = gateway.ask("POST", "/v1/sessions", {
                "kernel": "python3", "docker": {"image": IMAGE, "network": "bridge"}})
            self.assertEqual(status, 201, session)
            return gateway.ask("POST", f"/v1/sessions/{session['session_id']}/execute", {"code": code})[2]

    def test_kernels_run_there(self):
        result = self.result(self.ours, code="import os; print(os.getcwd(), open('/etc/hostname').read())")
        self.assertEqual(result["status"], "ok", result)
        self.assertIn("/workspace", result["stdout"])

    def test_a_client_that_the_daemon_does_not_know_is_told(self):
        result = self.result(self.strangers)
        self.assertEqual(result["status"], "kernel_died", result)
        self.assertIn("TLS", result["note"] or result["error"]["message"])

    def test_a_daemon_that_is_somebody_else_is_not_spoken_to(self):
        result = self.result(self.ours, host="localhost")  # its certificate is for the address
        self.assertIn("TLS", result["error"]["message"])

    def test_without_certificates_the_reason_is_told(self):
        self.assertIn("HTTPS", self.result(None)["error"]["message"])


if __name__ == "__main__":
    unittest.main()
