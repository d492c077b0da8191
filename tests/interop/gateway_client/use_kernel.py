"""use_kernel.py URL TOKEN: uses a kernel of a notebook server over REST and its websocket.

Needs only tornado, which every release of jupyter_server brings.
"""

import asyncio
import json
import sys
import uuid

import tornado.httpclient
import tornado.websocket

url, token = sys.argv[1:]
headers = {"Authorization": f"token {token}"}


def fetch(method, path, body=None):
    return tornado.httpclient.AsyncHTTPClient().fetch(
        url + path,
        method=method,
        headers=headers,
        body=None if body is None else json.dumps(body),
        request_timeout=60,
    )


class Kernel:
    async def connect(self, kernel_id):
        self.session = uuid.uuid4().hex
        address = f"ws{url[4:]}/api/kernels/{kernel_id}/channels?session_id={self.session}"
        request = tornado.httpclient.HTTPRequest(address, headers=headers)
        self.socket = await tornado.websocket.websocket_connect(request)

        # As front ends do. The older release loses what comes before its own websocket is open.
        while True:
            asked = await self.send("kernel_info_request", {})
            try:
                await asyncio.wait_for(self.answers_to(asked), 2)
                return
            except asyncio.TimeoutError:
                pass

    async def send(self, msg_type, content, channel="shell"):
        msg_id = uuid.uuid4().hex
        header = {
            "msg_id": msg_id,
            "msg_type": msg_type,
            "session": self.session,
            "username": "",
            "version": "5.3",
            "date": "2026-11-21T07:34:00.123456Z",
        }
        await self.socket.write_message(
            json.dumps(
                {
                    "header": header,
                    "parent_header": {},
                    "metadata": {},
                    "content": content,
                    "channel": channel,
                    "buffers": [],
                }
            )
        )
        return msg_id

    async def receive(self):
        message = await self.socket.read_message()
        assert message is not None, "the websocket was closed"
        return json.loads(message)

    async def answers_to(self, msg_id):
        """All answers, until the reply and idle have been seen."""
        answers, missing = [], {"idle", "reply"}
        while missing:
            message = await self.receive()
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            answers.append(message)
            if message["msg_type"].endswith("_reply"):
                missing.discard("reply")
            elif message["content"].get("execution_state") == "idle":
                missing.discard("idle")
        return answers

    async def execute(self, code):
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": True,
            "stop_on_error": False,
        }
        return await self.send("execute_request", content)


def text(messages):
    return "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream")


def errors(messages):
    return [m["content"]["ename"] for m in messages if m["msg_type"] == "error"]


async def main():
    response = await fetch("POST", "/api/kernels", {"name": "python3"})
    assert response.code == 201
    model = json.loads(response.body)
    path = f"/api/kernels/{model['id']}"
    kernel = Kernel()
    await kernel.connect(model["id"])

    assert text(await kernel.answers_to(await kernel.execute("x = 6 * 7\nprint(x)"))) == "42\n"
    print("executed")

    asked = await kernel.execute("print(input('? '))")
    while (message := await kernel.receive())["msg_type"] != "input_request":
        pass
    assert message["channel"] == "stdin"
    await kernel.send("input_reply", {"value": "typed"}, "stdin")
    assert text(await kernel.answers_to(asked)) == "typed\n"
    print("asked for input")

    running = await kernel.execute(
        "import time\nprint('on', flush=True)\nwhile True: time.sleep(0.05)"
    )
    while (await kernel.receive())["msg_type"] != "stream":
        pass
    assert (await fetch("POST", f"{path}/interrupt", {})).code == 204
    assert errors(await kernel.answers_to(running)) == ["KeyboardInterrupt"]
    print("interrupted")

    response = await fetch("POST", f"{path}/restart", {})
    assert response.code == 200 and json.loads(response.body)["id"] == model["id"]
    again = Kernel()
    await again.connect(model["id"])
    assert errors(await again.answers_to(await again.execute("x"))) == ["NameError"]
    print("restarted")

    lines = "".join(f"line {n}\n" for n in range(2000))
    assert (
        text(await again.answers_to(await again.execute("for n in range(2000): print('line', n)")))
        == lines
    )
    print("printed much")

    models = json.loads((await fetch("GET", "/api/kernels")).body)
    assert model["id"] in [each["id"] for each in models]
    assert (await fetch("DELETE", path)).code == 204
    models = json.loads((await fetch("GET", "/api/kernels")).body)
    assert model["id"] not in [each["id"] for each in models]
    print("ended")


asyncio.run(asyncio.wait_for(main(), 90))
