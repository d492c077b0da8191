// The life of a kernel: start, interrupt, restart, death, shutdown.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { knownToFailOn, within } from '../support/gateway.mjs';
import {
  emitted,
  execute,
  expectWorking,
  framings,
  services,
  settingsFor,
  startWorld,
  textOf,
} from './client.mjs';

const { KernelAPI, ServerConnection } = services;

let world;
let settings;
before(async () => {
  world = await startWorld();
  settings = settingsFor(world.server);
});
after(() => world.stop());

const processOf = async (kernel) =>
  textOf((await execute(kernel, 'import os; print(os.getpid())')).outputs).trim();

const sleeping = 'import time\nprint("asleep", flush=True)\nwhile True: time.sleep(0.05)';

/** Executes code that does not end; resolves, once it has said so, with what will be its result. */
async function startSleeping(kernel) {
  let asleep;
  const started = new Promise((resolve) => (asleep = resolve));
  const result = execute(kernel, sleeping, {
    onMessage: (message) => message.header.msg_type === 'stream' && asleep(),
  });
  result.catch(() => {}); // a restart or death disposes of it, which is no error here
  await within(30, 'the code to run', started);
  return { result };
}

test('a kernel is started, listed, found, and gone after its shutdown', async () => {
  const kernel = await world.startKernel();
  const listed = await KernelAPI.listRunning(settings);
  assert.ok(listed.some((model) => model.id === kernel.id && model.name === 'python3'));
  const model = await KernelAPI.getKernelModel(kernel.id, settings);
  assert.match(model.last_activity, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z$/);
  assert.ok(['starting', 'idle', 'busy'].includes(model.execution_state));
  await expectWorking(kernel);
  assert.equal((await KernelAPI.getKernelModel(kernel.id, settings)).connections, 1);
  await kernel.shutdown();
  assert.equal(await KernelAPI.getKernelModel(kernel.id, settings), undefined);
  assert.ok(kernel.isDisposed);
});

test('a shutdown of what is already gone is no error', async () => {
  const kernel = await world.startKernel();
  const { id } = kernel;
  await kernel.shutdown();
  await KernelAPI.shutdownKernel(id, settings);
});

test('the kernel manager sees kernels that others started and ended', async () => {
  const { id } = await KernelAPI.startNew({ name: 'python3' }, settings);
  await world.manager.refreshRunning();
  assert.equal((await world.manager.findById(id)).name, 'python3');
  await KernelAPI.shutdownKernel(id, settings);
  await world.manager.refreshRunning();
  assert.equal(await world.manager.findById(id), undefined);
});

test(
  'a kernelspec that does not exist is named in the error',
  knownToFailOn({ jupyter_server: 'answers "Unhandled error"' }),
  async () => {
    await assert.rejects(KernelAPI.startNew({ name: 'pyhton3' }, settings), (error) => {
      assert.ok(error instanceof ServerConnection.ResponseError);
      assert.match(error.message, /pyhton3/);
      return true;
    });
  },
);

test('the status goes from starting to idle, to busy, to idle', async () => {
  const kernel = await world.startKernel();
  const seen = [];
  kernel.statusChanged.connect((_, status) => seen.push(status));
  await expectWorking(kernel);
  assert.deepEqual(seen.slice(-2), ['busy', 'idle']);
  assert.ok(
    seen.every((status) => ['starting', 'idle', 'busy', 'unknown'].includes(status)),
    `${seen}`,
  );
  await kernel.shutdown();
});

for (const framing of framings) {
  test(`an interrupt ends the running code and nothing else (${framing})`, async () => {
    const kernel = await world.startKernel({ framing });
    await execute(kernel, 'kept = "kept"');
    const { result } = await startSleeping(kernel);
    await kernel.interrupt();
    assert.equal((await result).reply.ename, 'KeyboardInterrupt');
    assert.equal(textOf((await execute(kernel, 'print(kept)')).outputs), 'kept\n');
    await kernel.shutdown();
  });
}

test('an interrupt also ends the waiting for input', async () => {
  const kernel = await world.startKernel();
  let asked;
  const waiting = new Promise((resolve) => (asked = resolve));
  const result = execute(kernel, 'input("? ")', { onStdin: asked });
  await within(30, 'the question', waiting);
  await kernel.interrupt();
  assert.equal((await result).reply.ename, 'KeyboardInterrupt');
  await expectWorking(kernel);
  await kernel.shutdown();
});

test('an interrupt of an idle kernel does nothing', async () => {
  const kernel = await world.startKernel();
  await expectWorking(kernel);
  await kernel.interrupt();
  await expectWorking(kernel);
  await kernel.shutdown();
});

for (const framing of framings) {
  test(`a restart keeps the id, loses the state, and works at once (${framing})`, async () => {
    const kernel = await world.startKernel({ framing });
    const { id } = kernel;
    await execute(kernel, 'lost = 1');
    const before = await processOf(kernel);
    await kernel.restart();
    assert.equal(kernel.id, id);
    const { reply } = await execute(kernel, 'lost');
    assert.equal(reply.ename, 'NameError');
    assert.notEqual(await processOf(kernel), before);
    assert.equal(
      (await KernelAPI.listRunning(settings)).filter((model) => model.id === id).length,
      1,
    );
    await kernel.shutdown();
  });
}

test('a restart ends code that runs', async () => {
  const kernel = await world.startKernel();
  await startSleeping(kernel);
  await kernel.restart();
  await expectWorking(kernel);
  await kernel.shutdown();
});

test('a restart leaves the websocket of another client usable', async () => {
  const kernel = await world.startKernel();
  await expectWorking(kernel);
  const other = world.connect(kernel);
  await expectWorking(other);
  const connections = [];
  other.connectionStatusChanged.connect((_, status) => connections.push(status));
  await kernel.restart();
  await expectWorking(kernel);
  await expectWorking(other);
  assert.deepEqual(connections, [], 'the other client was disconnected');
  await kernel.shutdown();
});

test('several restarts one after another leave one working kernel', async () => {
  const { id, name } = await KernelAPI.startNew({ name: 'python3' }, settings);
  for (let round = 0; round < 3; round++) {
    await KernelAPI.restartKernel(id, settings);
  }
  const kernel = world.connect({ id, name });
  await expectWorking(kernel);
  await kernel.shutdown();
});

test('a kernel that dies is restarted, which every client is told', async () => {
  const kernel = await world.startKernel();
  await execute(kernel, 'lost = 1');
  const { id } = kernel;
  const other = world.connect(kernel);
  await expectWorking(other);
  const told = [kernel, other].map((client, index) =>
    emitted(
      client.statusChanged,
      `autorestarting at client ${index}`,
      (s) => s === 'autorestarting',
    ),
  );
  execute(kernel, 'import os; os._exit(7)').catch(() => {});
  await Promise.all(told);
  const { reply } = await execute(kernel, 'lost');
  assert.equal(reply.ename, 'NameError');
  assert.equal(kernel.id, id);
  await expectWorking(other);
  await kernel.shutdown();
});

test('what a kernel printed just before it died arrives', async () => {
  const kernel = await world.startKernel();
  await expectWorking(kernel);
  const received = [];
  kernel.anyMessage.connect((_, { msg, direction }) => direction === 'recv' && received.push(msg));
  const told = emitted(
    kernel.statusChanged,
    'autorestarting',
    (status) => status === 'autorestarting',
  );
  // The kernel writes to its iopub socket from a thread: give that a moment before it is gone.
  execute(
    kernel,
    'import os, sys, time\nprint("last words", flush=True)\ntime.sleep(0.3)\nos._exit(1)',
  ).catch(() => {});
  await told;
  assert.equal(textOf(received), 'last words\n');
  await expectWorking(kernel);
  await kernel.shutdown();
});

test(
  'a kernel can be shut down while it is being restarted after its death',
  knownToFailOn({
    jupyter_server: 'answers 500, later restarts the kernel and cannot stop itself',
  }),
  async () => {
    const kernel = await world.startKernel();
    const { id } = kernel;
    await expectWorking(kernel);
    // The library reconnects when it is told, and nobody handles that this may come to nothing.
    const reconnect = kernel.reconnect.bind(kernel);
    kernel.reconnect = () =>
      reconnect().catch((error) => assert.equal(error.message, 'Kernel connection disconnected'));
    const told = emitted(kernel.statusChanged, 'autorestarting', (s) => s === 'autorestarting');
    execute(kernel, 'import os; os._exit(1)').catch(() => {});
    await told;
    const dead = emitted(kernel.statusChanged, 'dead', (status) => status === 'dead');
    await KernelAPI.shutdownKernel(id, settings);
    assert.equal(await KernelAPI.getKernelModel(id, settings), undefined);
    await dead;
  },
);

test(
  'a kernel that cannot start is told dead, and why',
  knownToFailOn({
    jupyter_server: 'its process is gone before the client can ask; says nothing of why',
  }),
  async () => {
    const model = await KernelAPI.startNew({ name: 'unstartable' }, settings);
    const kernel = world.keep(world.manager.connectTo({ model }));
    const seen =
      kernel.status === 'dead' ||
      (await emitted(kernel.statusChanged, 'dead', (s) => s === 'dead'));
    assert.ok(seen);
    const response = await world.server.request('GET', `/api/kernels/${model.id}`);
    const answer = await response.json();
    assert.match(JSON.stringify(answer), /no such luck/);
    if (response.status === 200) {
      assert.equal(answer.execution_state, 'dead');
    }
  },
);

test('a kernel that another client shuts down is told dead', async () => {
  const kernel = await world.startKernel();
  const other = world.connect(kernel);
  await expectWorking(other);
  const dead = emitted(other.statusChanged, 'dead', (status) => status === 'dead');
  await KernelAPI.shutdownKernel(kernel.id, settings);
  await dead;
});
