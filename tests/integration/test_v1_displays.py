"""What code displays, as events of its execution while it runs and afterwards, and as files."""

import base64
import http.client
import json
import pathlib
import struct
import unittest
import zlib

from gateway import PATIENCE, WithGateway


def png(width, height):
    """A picture of one colour."""
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))
    rows = zlib.compress((b"\0" + b"\0" * width) * height)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def show(picture):
    return (f"from IPython.display import Image\n"
            f"Image(data=__import__('base64').b64decode({base64.b64encode(picture).decode()!r}))")


class Displays(WithGateway):
    def setUp(self):
        status, _, session = self.gateway.ask("POST", "/v1/sessions", {"kernel": "python3"})
        self.assertEqual(status, 201, session)
        self.path = "/v1/sessions/" + session["session_id"]
        self.directory = pathlib.Path(session["work_dir"])
        self.addCleanup(self.gateway.ask, "DELETE", self.path)

    def run_code(self, code, **more):
        status, _, result = self.gateway.ask("POST", self.path + "/execute", {"code": code, **more})
        self.assertEqual((status, result["status"]), (200, "ok"), result)
        return result

    def follow(self, code, accept):
        """The events of code as they come, in one of the two framings, and the execution's id."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request("POST", self.path + "/execute", json.dumps({"code": code}),
                           {"Authorization": f"token {self.gateway.token}", "Accept": accept})
        answer = connection.getresponse()
        return self.read(answer.read().decode()), answer.headers["X-Execution-Id"]

    def read(self, text):
        lines = [line.removeprefix("data: ") for line in text.splitlines()]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def shown(self, events):
        """What of them is about displays."""
        return [(e["type"], e.get("display_id"), e.get("text", e.get("wait"))) for e in events
                if e["type"] in ("display", "result", "update_display", "clear")]

    CODE = """
import time
from IPython.display import display, clear_output, HTML
handle = display('first', display_id='a{0}')
time.sleep(0.2)
handle.update('second')
time.sleep(0.2)
clear_output(wait=True)
display('third', display_id='b{0}')
print('text')
'fourth'
"""

    def test_updates_and_clears_are_told_while_the_code_runs_and_afterwards(self):
        for number, accept in enumerate(("application/x-ndjson", "text/event-stream")):
            events, execution = self.follow(self.CODE.format(number), accept)
            self.assertEqual(self.shown(events), [
                ("display", f"a{number}", "'first'"), ("update_display", f"a{number}", "'second'"),
                ("clear", None, True), ("display", f"b{number}", "'third'"),
                ("result", None, "'fourth'")])
            self.assertEqual([r["text"] for r in events[-1]["result"]["blocks"][0]["results"]],
                             ["'third'", "'fourth'"], "what was cleared is no result")
            _, _, text = self.gateway.request("GET", f"/v1/executions/{execution}/events")
            after = self.read(text.decode() if isinstance(text, bytes) else text)
            self.assertEqual(self.shown(after), self.shown(events))

    def test_the_file_of_a_display_follows_an_update_by_a_later_call(self):
        result = self.run_code("from IPython.display import display, HTML\n"
                               "handle = display(HTML('<b>1</b>'), display_id='table')")
        (made,) = result["output_files"]
        self.assertEqual((self.directory / made["path"]).read_text(), "<b>1</b>")
        result = self.run_code("handle.update(HTML('<b>22</b>'))")
        (updated,) = result["output_files"]
        self.assertEqual((updated["path"], updated["source"], updated["change"], updated["size"]),
                         (made["path"], "display", "changed", 9))
        self.assertNotEqual(updated["sha256"], made["sha256"])
        self.assertEqual((self.directory / made["path"]).read_text(), "<b>22</b>")
        events = self.read(self.gateway.request(
            "GET", f"/v1/executions/{result['execution_id']}/events")[2].decode())
        (event,) = [e for e in events if e["type"] == "update_display"]
        self.assertEqual((event["display_id"], event["mimes"]["text/html"]["file"]),
                         ("table", made["path"]))

    def test_an_animation_leaves_its_last_picture(self):
        result = self.run_code("from IPython.display import display, clear_output, HTML\n"
                               "for i in range(20):\n  clear_output(wait=True)\n"
                               "  display(HTML(f'<b>{i}</b>'))")
        (file,) = result["output_files"]
        self.assertEqual((self.directory / file["path"]).read_text(), "<b>19</b>")
        self.assertEqual([p.name for p in (self.directory / "outputs").iterdir()],
                         [pathlib.Path(file["path"]).name])

    def test_images_are_files_or_inline_or_left_out(self):
        picture = png(640, 480)
        result = self.run_code(show(picture))
        image = result["blocks"][0]["results"][0]["mimes"]["image/png"]
        self.assertEqual((image["width"], image["height"]), (640, 480))
        self.assertNotIn("data", image)
        self.assertEqual((self.directory / image["file"]).read_bytes(), picture)
        result = self.run_code(show(picture), output={"images": "inline"})
        image = result["blocks"][0]["results"][0]["mimes"]["image/png"]
        self.assertEqual(base64.b64decode(image["data"]), picture)
        result = self.run_code(show(picture), output={"images": "none"})
        self.assertEqual((result["output_files"], result["blocks"][0]["results"][0]["mimes"]), ([], {}))

    def test_an_image_that_is_too_large_for_a_model_is_a_file_and_says_why(self):
        for picture in (png(1569, 3), png(3, 1569)):
            result = self.run_code(show(picture), output={"images": "inline"})
            image = result["blocks"][0]["results"][0]["mimes"]["image/png"]
            self.assertNotIn("data", image)
            self.assertIn("1568", image["not_inline"])
            self.assertEqual((self.directory / image["file"]).read_bytes(), picture)
            result = self.run_code(show(picture), output={"images": "inline", "image_max_px": 1569})
            self.assertIn("data", result["blocks"][0]["results"][0]["mimes"]["image/png"])

    def test_caches_that_python_leaves_are_no_output(self):
        result = self.run_code("import pathlib\npathlib.Path('helper.py').write_text('x = 1')\n"
                               "import sys\nsys.dont_write_bytecode = False\nimport helper\n"
                               "pathlib.Path('.ipynb_checkpoints').mkdir()\n"
                               "pathlib.Path('.ipynb_checkpoints/a.ipynb').write_text('{}')\n"
                               "print(*pathlib.Path('__pycache__').iterdir())")
        self.assertIn("helper", result["stdout"], "there is a cache")
        self.assertEqual([f["path"] for f in result["output_files"]], ["helper.py"])


if __name__ == "__main__":
    unittest.main()
