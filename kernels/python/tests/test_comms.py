"""Comms, from both ends, with binary buffers, and widgets on them."""

from support import PythonKernelTestCase


class Comms(PythonKernelTestCase):
    def send(self, msg_type, content, buffers=None):
        client = self.py.client
        message = client.session.msg(msg_type, content)
        client.session.send(client.shell_channel.socket, message, buffers=buffers)
        return list(self.py.iopub(message["header"]["msg_id"]))

    def of_type(self, messages, msg_type):
        return [m for m in messages if m["msg_type"] == msg_type]

    def test_of_clients_reach_their_target(self):
        self.py.run(
            "from comm import get_comm_manager\n"
            "def opened(comm, message):\n"
            "    comm.on_msg(lambda m: comm.send({'echo': m['content']['data']}, buffers=m['buffers']))\n"
            "    comm.on_close(lambda m: print('closed'))\n"
            "    comm.send({'hello': message['content']['data']})\n"
            "get_ipython().kernel.comm_manager.register_target('mine', opened)\n"
            "assert get_comm_manager() is get_ipython().kernel.comm_manager"
        )
        opened = self.send("comm_open", {"comm_id": "c1", "target_name": "mine", "data": {"a": 1}})
        [hello] = self.of_type(opened, "comm_msg")
        self.assertEqual(hello["content"], {"comm_id": "c1", "data": {"hello": {"a": 1}}})
        answered = self.send("comm_msg", {"comm_id": "c1", "data": {"b": 2}}, [b"\x00\xff", b""])
        [echo] = self.of_type(answered, "comm_msg")
        self.assertEqual(echo["content"]["data"], {"echo": {"b": 2}})
        self.assertEqual([bytes(b) for b in echo["buffers"]], [b"\x00\xff", b""])
        info = self.py.reply(self.py.client.comm_info())
        self.assertEqual(info["comms"], {"c1": {"target_name": "mine"}})
        self.assertEqual(self.py.reply(self.py.client.comm_info("other"))["comms"], {})
        closed = self.send("comm_close", {"comm_id": "c1", "data": {}})
        self.assertEqual(self.of_type(closed, "stream")[0]["content"]["text"], "closed\n")
        self.assertEqual(self.py.reply(self.py.client.comm_info())["comms"], {})

    def test_for_an_unknown_target_are_closed(self):
        messages = self.send("comm_open", {"comm_id": "c2", "target_name": "nobody", "data": {}})
        self.assertEqual(
            [m["content"]["comm_id"] for m in self.of_type(messages, "comm_close")], ["c2"]
        )

    def test_of_the_kernel_reach_clients(self):
        run = self.py.run(
            "from comm import create_comm\n"
            "c = create_comm(target_name='theirs', data={'x': 1}, metadata={'v': '2'}, buffers=[b'abc'])\n"
            "c.send({'y': 2}); c.close()"
        )
        [opened] = [m for m in run.messages if m["msg_type"] == "comm_open"]
        self.assertEqual(
            (opened["content"]["target_name"], opened["content"]["data"]), ("theirs", {"x": 1})
        )
        self.assertEqual(
            (opened["metadata"], [bytes(b) for b in opened["buffers"]]), ({"v": "2"}, [b"abc"])
        )
        self.assertEqual(len(run.contents("comm_msg")), 1)
        self.assertEqual(len(run.contents("comm_close")), 1)

    def test_callbacks_may_fail_and_are_interrupted(self):
        self.py.run(
            "import time\ndef opened(comm, message): comm.on_msg(lambda m: work(m['content']['data']))\n"
            "def work(data):\n    if 'fail' in data: 1/0\n    print('on', flush=True); time.sleep(600)\n"
            "get_ipython().kernel.comm_manager.register_target('t', opened)"
        )
        self.send("comm_open", {"comm_id": "c3", "target_name": "t", "data": {}})
        failed = self.send("comm_msg", {"comm_id": "c3", "data": {"fail": 1}})
        self.assertIn(
            "ZeroDivisionError",
            "".join(m["content"]["text"] for m in self.of_type(failed, "stream")),
        )
        client = self.py.client
        message = client.session.msg("comm_msg", {"comm_id": "c3", "data": {}})
        client.session.send(client.shell_channel.socket, message)
        for answer in self.py.iopub(message["header"]["msg_id"], until_idle=True):
            if answer["msg_type"] == "stream" and "on" in answer["content"]["text"]:
                self.py.interrupt()
        self.assertEqual(self.result("1"), "1")

    def test_older_libraries_find_them_where_they_look(self):
        run = self.py.run(
            "from ipykernel.comm import Comm, CommManager\nimport comm\n"
            "Comm('old').__class__ is comm.create_comm('new').__class__"
        )
        self.assertEqual(run.results, ["True"])
