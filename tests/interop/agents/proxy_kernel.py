"""A kernel that stands for one of a gateway's: for clients that start kernels by themselves.

    proxy_kernel.py CONNECTION_FILE GATEWAY_URL TOKEN KERNELSPEC

It speaks Jupyter's protocol on the ports of its connection file, as any kernel does, and passes every
message on to a kernel of the gateway, over a websocket, and back. SIGINT interrupts that kernel.
"""

import asyncio
import hashlib
import hmac
import json
import pathlib
import signal
import sys
import urllib.request

import websockets
import zmq
import zmq.asyncio

DELIMITER = b"<IDS|MSG>"
PARTS = ("header", "parent_header", "metadata", "content")


class ProxyKernel:
    def __init__(self, connection_file, url, token, kernelspec):
        self.info = json.loads(pathlib.Path(connection_file).read_text())
        self.url, self.token = url, token
        self.kernel = self.ask("POST", "/api/kernels", {"name": kernelspec})["id"]
        context = zmq.asyncio.Context.instance()
        kinds = {"shell": zmq.ROUTER, "control": zmq.ROUTER, "stdin": zmq.ROUTER, "iopub": zmq.PUB,
                 "hb": zmq.REP}
        self.sockets = {}
        for channel, kind in kinds.items():
            self.sockets[channel] = context.socket(kind)
            self.sockets[channel].linger = 1000
            self.sockets[channel].bind(f"tcp://{self.info['ip']}:{self.info[channel + '_port']}")
        self.senders = {}  # of requests, by msg_id

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": f"token {self.token}"},
            data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def signature(self, parts):
        digest = hmac.new(self.info["key"].encode(), digestmod=hashlib.sha256)
        for part in parts:
            digest.update(part)
        return digest.hexdigest().encode()

    async def run(self):
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        loop.add_signal_handler(signal.SIGINT, lambda: loop.run_in_executor(
            None, self.ask, "POST", f"/api/kernels/{self.kernel}/interrupt", {}))
        address = self.url.replace("http", "ws", 1) + f"/api/kernels/{self.kernel}/channels"
        async with websockets.connect(f"{address}?token={self.token}", max_size=None) as websocket:
            tasks = [asyncio.create_task(task) for task in (
                self.echo(), self.backward(websocket),
                *(self.forward(channel, websocket, ended) for channel in ("shell", "control", "stdin")))]
            waiter = asyncio.create_task(ended.wait())
            await asyncio.wait([waiter, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in [waiter, *tasks]:
                task.cancel()
        self.ask("DELETE", f"/api/kernels/{self.kernel}")

    async def echo(self):
        while True:
            await self.sockets["hb"].send(await self.sockets["hb"].recv())

    async def forward(self, channel, websocket, ended):
        while True:
            frames = await self.sockets[channel].recv_multipart()
            start = frames.index(DELIMITER)
            parts = frames[start + 2:start + 6]
            if not hmac.compare_digest(frames[start + 1], self.signature(parts)):
                continue
            message = dict(zip(PARTS, map(json.loads, parts)), channel=channel, buffers=[])
            self.senders[message["header"]["msg_id"]] = frames[:start]
            if message["header"]["msg_type"] == "shutdown_request":
                self.reply(channel, {"header": {**message["header"], "msg_type": "shutdown_reply"},
                                     "parent_header": message["header"], "metadata": {},
                                     "content": {"status": "ok", "restart": False}})
                ended.set()
            else:
                await websocket.send(json.dumps(message))

    async def backward(self, websocket):
        async for text in websocket:
            message = json.loads(text)
            self.reply(message["channel"], message)

    def reply(self, channel, message):
        parts = [json.dumps(message[name]).encode() for name in PARTS]
        if channel == "iopub":
            route = [message["header"]["msg_type"].encode()]
        else:
            route = self.senders.get(message["parent_header"].get("msg_id"))
        if route is not None:
            self.sockets[channel].send_multipart([*route, DELIMITER, self.signature(parts), *parts])


if __name__ == "__main__":
    # Behind them stand what nbclient passes to every kernel, options of IPython.
    asyncio.run(ProxyKernel(*sys.argv[1:5]).run())
