"""The files of a session through /v1: bytes, ranges, preconditions, forms, archives, and no way out."""

import gzip
import hashlib
import http.client
import io
import json
import os
import pathlib
import tarfile
import unittest
import urllib.parse

from gateway import PATIENCE, Gateway, descriptors, wait_until


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def form(files, boundary="a-boundary"):
    """A multipart/form-data body: [(filename, bytes)] or, for anything else, whole part headers."""
    body = b""
    for name, data in files:
        head = name if "\r\n" in name or ":" in name else (
            f'Content-Disposition: form-data; name="file"; filename="{name}"')
        body += f"--{boundary}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"}


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(arguments=["--max-body-size", "64MiB"])
        cls.addClassCleanup(cls.gateway.stop)

    def setUp(self):
        status, _, session = self.gateway.request("POST", "/v1/sessions", {"kernel": "perijove-echo"})
        self.assertEqual(status, 201, session)
        self.id = session["session_id"]
        self.directory = pathlib.Path(session["work_dir"])
        self.addCleanup(self.gateway.request, "DELETE", f"/v1/sessions/{self.id}")

    def ask(self, method, path, body=None, **headers):
        """`path` behind the session's."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.gateway.request(method, f"/v1/sessions/{self.id}/{path}", body, headers=headers)

    def refused(self, status, code, method, path, body=None, **headers):
        answer = self.ask(method, path, body, **headers)
        self.assertEqual(answer[0], status, answer[2])
        self.assertEqual(answer[1].get_content_type(), "application/problem+json")
        problem = json.loads(answer[2]) if isinstance(answer[2], bytes) else answer[2]
        self.assertEqual((problem["code"], problem["status"]), (code, status))
        return problem

    def put(self, path, data, status=201, **headers):
        answer = self.ask("PUT", f"files/{path}", data, **headers)
        self.assertEqual(answer[0], status, answer[2])
        return answer

    # Bytes

    # rows: Z06
    def test_what_is_put_is_got(self):
        data = bytes(range(256)) * 10
        self.assertEqual(self.put("a/b/data.bin", data)[1]["ETag"], f'"{sha256(data)}"')
        self.assertEqual((self.directory / "a/b/data.bin").read_bytes(), data)
        status, headers, body = self.ask("GET", "files/a/b/data.bin")
        self.assertEqual((status, body), (200, data))
        self.assertEqual(headers["ETag"], f'"{sha256(data)}"')
        self.assertEqual(headers["Content-Length"], str(len(data)))
        self.assertEqual(headers["Accept-Ranges"], "bytes")
        self.assertEqual(headers["Content-Type"], "application/octet-stream")
        self.assertTrue(headers["Content-Disposition"].startswith("attachment"))
        self.put("a/b/data.bin", b"new", status=204)
        self.assertEqual((self.directory / "a/b/data.bin").read_bytes(), b"new")

    def test_names_may_be_anything_that_a_file_system_takes(self):
        for name in ("größe 1.txt", "a%b?#&.txt", "..dots", "...", "new\nline"):
            self.put(urllib.parse.quote(name), name.encode())
            self.assertEqual((self.directory / name).read_bytes(), name.encode())
            self.assertEqual(self.ask("GET", "files/" + urllib.parse.quote(name))[0], 200)
        self.refused(400, "validation_failed", "PUT", "files/" + "x" * 256, b"")

    def test_an_empty_file_is_a_file(self):
        self.put("empty", b"")
        status, headers, body = self.ask("GET", "files/empty")
        self.assertEqual((status, headers["Content-Length"], body), (200, "0", None))

    def test_head_tells_without_sending(self):
        self.put("a.csv", b"x,y\n")
        status, headers, body = self.ask("HEAD", "files/a.csv", Range="bytes=1-2")
        self.assertEqual((status, body), (200, None))
        self.assertEqual(headers["Content-Length"], "4")
        self.assertEqual(headers["ETag"], '"' + sha256(b"x,y\n") + '"')
        self.assertEqual(headers.get_content_type(), "text/csv")
        self.assertEqual(self.ask("HEAD", "files/missing")[0], 404)
        self.assertEqual(self.ask("HEAD", "files:archive")[0], 200)

    def test_a_range_is_a_part(self):
        self.put("digits", b"0123456789")
        for wanted, part, told in (("bytes=2-4", b"234", "bytes 2-4/10"),
                                   ("bytes=7-", b"789", "bytes 7-9/10"),
                                   ("bytes=-3", b"789", "bytes 7-9/10"),
                                   ("bytes=0-99", b"0123456789", "bytes 0-9/10")):
            status, headers, body = self.ask("GET", "files/digits", Range=wanted)
            self.assertEqual((status, body, headers["Content-Range"]), (206, part, told))
            self.assertEqual(headers["Content-Length"], str(len(part)))
        status, headers, _ = self.ask("GET", "files/digits", Range="bytes=10-")
        self.assertEqual((status, headers["Content-Range"]), (416, "bytes */10"))
        for whole in ("bytes=1-2,4-5", "lines=1-2", "nonsense"):
            self.assertEqual(self.ask("GET", "files/digits", Range=whole)[0], 200)
        etag = sha256(b"0123456789")
        self.assertEqual(self.ask("GET", "files/digits", Range="bytes=1-2", If_Range=f'"{etag}"')[0], 206)
        self.assertEqual(self.ask("GET", "files/digits", Range="bytes=1-2", If_Range='"other"')[0], 200)

    def test_the_etag_answers_who_has_the_file_already(self):
        etag = self.put("a", b"one")[1]["ETag"]
        status, headers, body = self.ask("GET", "files/a", If_None_Match=f'"x", W/{etag}')
        self.assertEqual((status, body, headers["ETag"]), (304, None, etag))
        self.put("a", b"two", status=204)
        self.assertEqual(self.ask("GET", "files/a", If_None_Match=etag)[2], b"two")
        self.refused(412, "precondition_failed", "GET", "files/a", If_Match=etag)

    def test_a_lost_update_is_refused(self):
        etag = self.put("a", b"one")[1]["ETag"]
        self.put("a", b"two", status=204, If_Match=etag)
        self.refused(412, "precondition_failed", "PUT", "files/a", b"three", If_Match=etag)
        self.refused(412, "precondition_failed", "DELETE", "files/a", If_Match=etag)
        self.refused(412, "precondition_failed", "PUT", "files/a", b"three", If_None_Match="*")
        self.refused(412, "precondition_failed", "PUT", "files/new", b"", If_Match="*")
        self.put("new", b"x", If_None_Match="*")
        self.assertEqual((self.directory / "a").read_bytes(), b"two")
        self.assertEqual(self.ask("DELETE", "files/a", If_Match=sha256(b"two"))[0], 204)

    def read_large_file(self):
        size = 200 << 20
        with open(self.directory / "large", "wb") as file:
            for number in range(size >> 20):
                file.write(bytes([number % 256]) * (1 << 20))
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request("GET", f"/v1/sessions/{self.id}/files/large",
                           headers={"Authorization": f"token {self.gateway.token}"})
        response = connection.getresponse()
        self.assertEqual(response.headers["Content-Length"], str(size))
        digest = hashlib.sha256(response.read(1 << 20))
        self.assertEqual(self.gateway.request("GET", "/api/status")[0], 200)  # others are served
        while piece := response.read(1 << 20):
            digest.update(piece)
        self.assertEqual(f'"{digest.hexdigest()}"', response.headers["ETag"])

    def test_a_large_file_arrives_whole_while_others_are_served(self):
        self.read_large_file()

    @unittest.skipIf(os.environ.get("PERIJOVE_SANITIZED"), "a sanitizer keeps what was freed")
    def test_a_large_file_and_a_slow_reader_cost_no_memory(self):
        self.read_large_file()
        status = pathlib.Path(f"/proc/{self.gateway.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0])
        self.assertLess(peak, 150 << 10, "kB at most")

    def test_a_reader_that_leaves_leaves_nothing_open(self):
        with open(self.directory / "large", "wb") as file:
            file.truncate(100 << 20)
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)
        connection.request("GET", f"/v1/sessions/{self.id}/files/large",
                           headers={"Authorization": f"token {self.gateway.token}"})
        response = connection.getresponse()
        response.read(1000)
        response.close()
        connection.close()
        path = str(self.directory / "large")
        wait_until(lambda: path not in descriptors(self.gateway.pid).values(), "the file is closed")

    # Directories

    # rows: Z06
    def test_listings_say_what_is_there(self):
        self.put("b.csv", b"1")
        self.put("sub/c.txt", b"22")
        os.symlink("b.csv", self.directory / "link")
        status, _, listing = self.ask("GET", "files")
        self.assertEqual(status, 200)
        self.assertEqual([(e["path"], e["type"], e.get("size")) for e in listing["entries"]],
                         [("b.csv", "file", 1), ("link", "other", None), ("sub", "directory", None)])
        self.assertEqual(listing["entries"][0]["mime"], "text/csv")
        self.assertRegex(listing["entries"][0]["modified"], r"^\d{4}-\d\d-\d\dT.*Z$")
        paths = [e["path"] for e in self.ask("GET", "files?recursive=1")[2]["entries"]]
        self.assertEqual(paths, ["b.csv", "link", "sub", "sub/c.txt"])
        below = self.ask("GET", "files/sub?list=1")[2]
        self.assertEqual((below["path"], [e["path"] for e in below["entries"]]), ("sub", ["sub/c.txt"]))
        self.refused(409, "is_a_directory", "GET", "files/sub")
        self.refused(409, "already_exists", "GET", "files/b.csv?list=1")
        self.refused(404, "file_not_found", "GET", "files/missing?list=1")

    def test_a_directory_is_removed_with_all_that_is_in_it_only_when_asked(self):
        self.put("sub/deep/c.txt", b"22")
        self.refused(409, "directory_not_empty", "DELETE", "files/sub")
        self.assertEqual(self.ask("DELETE", "files/sub?recursive=1")[0], 204)
        self.refused(404, "file_not_found", "DELETE", "files/sub")
        self.assertEqual(self.ask("DELETE", "files")[0], 405)
        self.assertEqual(self.ask("POST", "files/x", b"")[0], 405)

    def test_what_is_in_the_way_stays(self):
        self.put("file", b"1")
        self.refused(409, "already_exists", "PUT", "files/file/below", b"2")
        (self.directory / "dir").mkdir()
        self.refused(409, "already_exists", "PUT", "files/dir", b"2")

    def test_a_listing_has_a_limit(self):
        (self.directory / "many").mkdir()
        for number in range(10_001):
            (self.directory / "many" / str(number)).touch()
        self.refused(413, "resource_exhausted", "GET", "files/many?list=1")

    # No way out

    # rows: L11
    def test_nothing_leads_out_of_the_directory(self):
        outside = self.gateway.directory / "secret"
        outside.write_text("kept")
        os.symlink(outside, self.directory / "link")
        os.symlink(self.gateway.directory, self.directory / "up")
        os.mkfifo(self.directory / "pipe")
        for path in ("files/%2e%2e/secret", "files/a/%2e%2e/%2e%2e/secret", "files/..%2fsecret",
                     "files/link", "files/up/secret"):
            self.refused(403, "path_outside_work_dir", "GET", path)
        for path in ("files/%2e%2e/secret", "files/up/secret"):
            self.refused(403, "path_outside_work_dir", "PUT", path, b"lost")
            self.refused(403, "path_outside_work_dir", "DELETE", path)
        self.refused(403, "path_outside_work_dir", "GET", "files/up?list=1")
        self.refused(403, "path_outside_work_dir", "GET", "files:archive?path=up")
        self.refused(403, "permission_denied", "GET", "files/pipe")
        body, headers = form([("../secret", b"lost")])
        self.refused(403, "path_outside_work_dir", "POST", "files:upload", body,
                     Content_Type=headers["Content-Type"])
        self.put("link", b"own", status=201)  # takes the link's place
        self.assertEqual(outside.read_text(), "kept")
        self.assertEqual((self.directory / "link").read_bytes(), b"own")

    def test_a_body_beyond_the_limit_is_refused(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.putrequest("PUT", f"/v1/sessions/{self.id}/files/x")
        connection.putheader("Authorization", f"token {self.gateway.token}")
        connection.putheader("Content-Length", str(65 << 20))
        connection.endheaders()
        self.assertEqual(connection.getresponse().status, 413)
        self.assertFalse((self.directory / "x").exists())

    def test_a_session_that_is_not_there_has_no_files(self):
        status, _, body = self.gateway.request("GET", "/v1/sessions/nobody/files")
        self.assertEqual((status, json.loads(body)["code"]), (404, "session_not_found"))

    # Forms

    def upload(self, body, headers, query=""):
        return self.ask("POST", f"files:upload{query}", body, Content_Type=headers["Content-Type"])

    def test_a_form_brings_several_files(self):
        status, _, answer = self.upload(*form([("a.txt", b"one\r\n--a-bound"), ("sub/b.bin", b"\0\xff")]),
                                        query="?path=in")
        self.assertEqual(status, 201, answer)
        self.assertEqual([(f["path"], f["size"], f["sha256"], f["change"]) for f in answer["files"]],
                         [("in/a.txt", 14, sha256(b"one\r\n--a-bound"), "created"),
                          ("in/sub/b.bin", 2, sha256(b"\0\xff"), "created")])
        self.assertEqual((self.directory / "in/sub/b.bin").read_bytes(), b"\0\xff")
        answer = self.upload(*form([("in/a.txt", b"")]))[2]
        self.assertEqual(answer["files"][0]["change"], "changed")

    def test_a_form_that_is_none_writes_nothing(self):
        body, headers = form([("a.txt", b"1")])
        self.refused(415, "unsupported_media_type", "POST", "files:upload", body,
                     Content_Type="text/plain")
        self.refused(400, "validation_failed", "POST", "files:upload", body[:-6],
                     Content_Type=headers["Content-Type"])
        body, headers = form([("a.txt", b"1"), ('Content-Disposition: form-data; name="field"', b"2")])
        self.refused(400, "validation_failed", "POST", "files:upload", body,
                     Content_Type=headers["Content-Type"])
        self.assertEqual(list(self.directory.iterdir()), [])

    # Archives

    def test_an_archive_has_every_file(self):
        long = "d" * 120 + "/" + "n" * 150 + "/größe.txt"
        files = {"a.txt": b"one", "sub/b.bin": os.urandom(700_000), "sub/empty": b"", long: b"x" * 512}
        for path, data in files.items():
            (self.directory / path).parent.mkdir(parents=True, exist_ok=True)
            (self.directory / path).write_bytes(data)
        (self.directory / "a.txt").chmod(0o751)
        os.symlink("/etc/passwd", self.directory / "link")
        for query, kind in (("", "application/gzip"), ("?format=tar.gz", "application/gzip"),
                            ("?format=tar", "application/x-tar")):
            status, headers, body = self.ask("GET", f"files:archive{query}")
            self.assertEqual((status, headers.get_content_type()), (200, kind))
            if kind == "application/gzip":
                body = gzip.decompress(body)
            self.assertEqual(len(body) % 512, 0)
            with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as archive:
                found = {m.name: m for m in archive.getmembers()}
                self.assertEqual({n for n, m in found.items() if m.isfile()}, set(files))
                for path, data in files.items():
                    self.assertEqual(archive.extractfile(path).read(), data)
                self.assertTrue(found["sub"].isdir())
                self.assertEqual(found["a.txt"].mode, 0o751)
                self.assertEqual(found["a.txt"].mtime, int((self.directory / "a.txt").stat().st_mtime))
        _, _, body = self.ask("GET", "files:archive?format=tar&path=sub")
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            self.assertEqual(archive.getnames(), ["sub/b.bin", "sub/empty"])
        self.refused(400, "validation_failed", "GET", "files:archive?format=zip")
        self.refused(404, "file_not_found", "GET", "files:archive?path=missing")

    def test_an_archive_of_nothing_is_an_archive(self):
        _, _, body = self.ask("GET", "files:archive?format=tar")
        self.assertEqual(body, bytes(1024))


if __name__ == "__main__":
    unittest.main()
