// A TCP relay between a client and the server, to lose connections with.

import { once } from 'node:events';
import net from 'node:net';

/**
 * Ends a connection with a reset, as a lost network does. Not where its end was already on its way:
 * there libuv refuses the reset, Node.js 20 forgets that it did not close the socket, and at its exit
 * waits for that in a busy loop.
 */
const reset = (socket) => (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy());

/** Listens on a port of its own and relays to `port`; `cut()` resets all connections. */
export async function startRelay(port) {
  const pairs = new Set();
  const held = new Set();
  let holding = false;
  const relay = (client) => {
    if (client.destroyed) {
      return;
    }
    const server = net.connect(port, '127.0.0.1');
    const pair = { client, server };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('close', end);
      socket.on('error', end);
    }
    client.pipe(server);
    server.pipe(client);
  };
  const listener = net.createServer((client) => {
    client.on('error', () => {});
    holding ? held.add(client) : relay(client);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: listener.address().port,
    /** Loses every connection; new ones are accepted but get no further until `mend()`. */
    cut() {
      holding = true;
      for (const { client, server } of pairs) {
        reset(client);
        reset(server);
      }
    },
    mend() {
      holding = false;
      held.forEach(relay);
      held.clear();
    },
    async stop() {
      this.cut();
      held.forEach((client) => client.destroy());
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
