"""A work directory whose file system is full: everything says so, and nothing else breaks."""

import os
import subprocess
import unittest

import isolated
from gateway import Gateway, WithGateway, wait_until

MEGABYTE = 1 << 20
PICTURE = ("import os\nfrom IPython.display import Image, display\n"
           "display(Image(data=b'\\x89PNG\\r\\n\\x1a\\n' + os.urandom(9000), format='png'))")


@unittest.skipIf(os.geteuid() != 0, "only root mounts a file system")
class DiskFull(WithGateway):
    def setUp(self):
        self.mount(self.gateway.work_dir / "small")
        status, _, session = self.gateway.ask("POST", "/v1/sessions",
                                              {"kernel": "python3", "work_dir": "small"})
        self.assertEqual(status, 201, session)
        self.path = f"/v1/sessions/{session['session_id']}"
        self.addCleanup(self.gateway.ask, "DELETE", self.path)

    def mount(self, directory):
        directory.mkdir(exist_ok=True)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTE},mode=755", "none",
                                  directory], capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"no file system can be mounted here: {mounted.stderr}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", directory], check=True)

    def execute(self, code):
        return self.gateway.ask("POST", self.path + "/execute", {"code": code})[2]

    def test_it_is_told_and_the_state_stays(self):
        result = self.execute("x = 41\nwith open('big', 'wb') as file:\n"
                              "  while True: file.write(b'1' * 4096); file.flush()")
        self.assertEqual((result["status"], result["error"]["type"]), ("error", "OSError"))
        self.assertIn("No space left on device", result["error"]["message"])
        result = self.execute(PICTURE)
        self.assertEqual((result["status"], result["output_files"]), ("ok", []), result)
        self.assertIn("No space left on device", result["warnings"][0]["message"])
        status, _, problem = self.gateway.ask("PUT", self.path + "/files/more", b"x" * 20_000)
        self.assertEqual((status, problem["code"]), (507, "disk_full"), problem)
        self.assertIn("No space left on device", problem["detail"])
        entries = self.gateway.ask("GET", self.path + "/files")[2]["entries"]
        self.assertNotIn("more", [entry["path"] for entry in entries], "no half of it is left")
        self.assertIn("yyy", self.execute(f"print('y' * {3 * MEGABYTE})")["stdout"])
        self.assertEqual(self.execute("os.remove('big'); print(x + 1)")["stdout"], "42\n")
        self.assertEqual([file["mime"] for file in self.execute(PICTURE)["output_files"]], ["image/png"])

    def test_a_checkpoint_that_finds_no_room_changes_nothing(self):
        self.execute(f"x = 41; open('big', 'w').write('1' * {6 * MEGABYTE // 10})")
        status, _, checkpoint = self.gateway.ask("POST", self.path + "/checkpoints", {})
        self.assertEqual(status, 201, checkpoint)
        status, _, problem = self.gateway.ask(
            "POST", f"{self.path}/checkpoints/{checkpoint['checkpoint_id']}/restore")
        self.assertEqual((status, problem["code"]), (429, "resource_exhausted"), problem)
        self.assertIn("nothing was changed", problem["detail"])
        self.assertEqual(self.execute("import os; print(x, os.path.getsize('big'), os.listdir('.perijove'))")["stdout"],
                         f"41 {6 * MEGABYTE // 10} []\n")
        left = [path.name for path in (self.gateway.work_dir / "small").glob(".perijove-*")]
        self.assertEqual(left, [])

    def test_a_full_disk_of_checkpoints_keeps_those_that_are_there(self):
        state = self.gateway.directory / "full"
        self.mount(state)
        gateway = Gateway(arguments=["--state-dir", str(state)])
        self.addCleanup(gateway.stop)
        session = gateway.ask("POST", "/v1/sessions", {"kernel": "python3"})[2]["session_id"]
        path = f"/v1/sessions/{session}"
        gateway.ask("POST", path + "/execute", {"code": f"open('half', 'w').write('1' * {MEGABYTE // 2})"})
        first = gateway.ask("POST", path + "/checkpoints", {})
        self.assertEqual(first[0], 201, first[2])
        gateway.ask("POST", path + "/execute", {"code": f"open('more', 'w').write('1' * {MEGABYTE // 2})"})
        status, _, problem = gateway.ask("POST", path + "/checkpoints", {})
        self.assertEqual((status, problem["code"]), (429, "resource_exhausted"), problem)
        self.assertIn("No space left on device", problem["detail"])
        wait_until(lambda: len(list(state.glob("checkpoints/gateway-*/*"))) == 2, "the lock and the first are left")
        status, _, restored = gateway.ask("POST", f"{path}/checkpoints/{first[2]['checkpoint_id']}/restore")
        self.assertEqual(status, 200, restored)

    def test_a_kernel_starts_where_nothing_can_be_written(self):
        (self.gateway.work_dir / "small" / "big").write_bytes(b"1" * (MEGABYTE // 2))
        with self.assertRaises(OSError):
            (self.gateway.work_dir / "small" / "rest").write_bytes(b"1" * MEGABYTE)
        self.assertEqual(self.execute("print(6 * 7)")["stdout"], "42\n", isolated.KIND)


if __name__ == "__main__":
    unittest.main()
