// What the tests of this suite share: the real @jupyterlab/services, and waiting for what it tells.

import { createRequire } from 'node:module';
import path from 'node:path';
import { cache, startServer, within } from '../support/gateway.mjs';

const require = createRequire(path.join(cache, 'services', 'package.json'));
export const services = require('@jupyterlab/services');
const NodeWebSocket = require('ws');
const { ServerConnection, KernelManager, KernelSpecManager } = services;

// The library tells each message and reconnection; a test's own words are what should be seen.
console.debug = () => {};
console.warn = () => {};

// The library leaves timers behind, for up to five minutes: of polls that were disposed of, of
// connections that were lost. They must not keep a finished test from ending.
const { setTimeout: setAnyTimeout } = globalThis;
globalThis.setTimeout = (callback, milliseconds, ...more) => {
  const timer = setAnyTimeout(callback, milliseconds, ...more);
  return milliseconds > 5_000 ? timer.unref() : timer;
};

/** How a websocket may carry messages: as the library prefers, or as servers did before 2022. */
export const framings = ['v1.kernel.websocket.jupyter.org', 'legacy'];

class LegacyWebSocket extends NodeWebSocket {
  constructor(url, _protocols, options) {
    super(url, [], options);
  }
}

export function settingsFor(
  server,
  { port = server.url.split(':').pop(), framing = framings[0] } = {},
) {
  return ServerConnection.makeSettings({
    baseUrl: `http://127.0.0.1:${port}/`,
    wsUrl: `ws://127.0.0.1:${port}/`,
    token: server.token,
    appendToken: true,
    WebSocket: framing === 'legacy' ? LegacyWebSocket : NodeWebSocket,
  });
}

/** A server and whatever was made with it, all ended by `stop()`. */
export async function startWorld() {
  const server = await startServer();
  const disposables = [];
  const keep = (thing) => (disposables.push(thing), thing);
  const managerFor = (options) => {
    const serverSettings = settingsFor(server, options);
    return keep(new KernelManager({ serverSettings, standby: 'never' }));
  };
  const manager = managerFor();
  return {
    server,
    keep,
    manager,
    /** Starts a kernel and connects to it. Options: name, and those of settingsFor. */
    async startKernel({ name = 'python3', ...options } = {}) {
      const starter = Object.keys(options).length ? managerFor(options) : manager;
      return keep(await starter.startNew({ name }, { handleComms: true }));
    },
    /** Connects one more client, as another browser would, to a running kernel. */
    connect(kernel, options) {
      const { id, name } = kernel;
      return keep(managerFor(options).connectTo({ model: { id, name }, handleComms: false }));
    },
    specManager() {
      return keep(new KernelSpecManager({ serverSettings: settingsFor(server), standby: 'never' }));
    },
    async stop() {
      // Connections before the managers that made them.
      disposables.reverse().forEach((thing) => thing.dispose());
      await server.stop();
    },
  };
}

/** The first emission of a Lumino signal for which `accept` holds. */
export function emitted(signal, what, accept = () => true, seconds = 30) {
  let slot;
  const seen = new Promise((resolve) => {
    slot = (_, value) => accept(value) && resolve(value);
    signal.connect(slot);
  });
  return within(seconds, what, seen).finally(() => signal.disconnect(slot));
}

/**
 * Executes code. The result: `reply` (its content), `messages` (all on iopub that answer it) and
 * `outputs` (those of them that are outputs). Options: `onStdin`, `seconds`, the request's content.
 */
export async function execute(kernel, code, { onStdin, onMessage, seconds = 60, ...content } = {}) {
  const future = kernel.requestExecute({ code, ...content });
  const messages = [];
  future.onIOPub = (message) => {
    messages.push(message);
    onMessage?.(message);
  };
  if (onStdin) {
    future.onStdin = onStdin;
  }
  const reply = await within(seconds, `an answer to ${code.slice(0, 60)}`, future.done);
  const outputs = messages.filter((message) => outputTypes.has(message.header.msg_type));
  return { reply: reply.content, messages, outputs };
}

const outputTypes = new Set([
  'stream',
  'display_data',
  'update_display_data',
  'execute_result',
  'error',
  'clear_output',
]);

export const typesOf = (messages) => messages.map((message) => message.header.msg_type);

/** The text of a stream, its chunks joined. */
export function textOf(messages, name = 'stdout') {
  return messages
    .filter((message) => message.header.msg_type === 'stream' && message.content.name === name)
    .map((message) => message.content.text)
    .join('');
}

/** Holds once everything the kernel was asked so far is answered, and it takes new code. */
export async function expectWorking(kernel) {
  const { outputs } = await execute(kernel, 'print(6 * 7)');
  if (textOf(outputs) !== '42\n') {
    throw new Error(
      `the kernel answered ${JSON.stringify(outputs.map((output) => output.content))}`,
    );
  }
}
