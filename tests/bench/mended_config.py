"""A Jupyter configuration that mends what costs jupyter_server and jupyter_kernel_gateway most.

Both leave Nagle's algorithm on for websockets, so that every execute waits for the client's delayed
acknowledgement, and both discard output above 1000 messages a second. This is what an administrator who knew
could do without touching their code.
"""
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

open_stock = KernelWebsocketHandler.open


async def open_with_nodelay(self, *arguments, **keywords):
    self.set_nodelay(True)
    return await open_stock(self, *arguments, **keywords)


KernelWebsocketHandler.open = open_with_nodelay

c = get_config()  # noqa: F821, given by traitlets
c.ZMQChannelsWebsocketConnection.limit_rate = False
