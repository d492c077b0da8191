// A TCP relay between a client and the server, to lose connections with.

import { once } from 'node:events';
import net from 'node:net';

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
        client.resetAndDestroy();
        server.resetAndDestroy();
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
