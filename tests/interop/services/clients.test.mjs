// Several clients on one kernel.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { within } from '../support/gateway.mjs';
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

let world;
let one;
let two;
before(async () => {
  world = await startWorld();
  one = await world.startKernel();
  await expectWorking(one);
  // Two that speak differently: what one sends is told to the other in its own framing.
  two = world.connect(one, { framing: framings[1] });
  await expectWorking(two);
});
after(() => world.stop());

/** What a client receives until the execution that `parent` names is idle. */
function receivedBy(client, isDone) {
  const messages = [];
  const idle = emitted(
    client.anyMessage,
    'the other client to see it end',
    ({ msg, direction }) => {
      if (direction === 'recv') {
        messages.push(msg);
      }
      return msg.channel === 'iopub' && msg.content.execution_state === 'idle' && isDone(messages);
    },
  );
  return idle.then(() => messages);
}

test('each sees the outputs of what the other executes, replies go to the one that asked', async () => {
  for (const [asking, watching] of [
    [one, two],
    [two, one],
  ]) {
    const watched = receivedBy(watching, (messages) => textOf(messages) === 'seen by both\n');
    const { outputs } = await execute(asking, 'print("seen by both")');
    assert.equal(textOf(outputs), 'seen by both\n');
    const messages = await watched;
    assert.ok(
      messages.every((message) => message.channel === 'iopub'),
      'a reply went astray',
    );
    const input = messages.find((message) => message.header.msg_type === 'execute_input');
    assert.equal(input.content.code, 'print("seen by both")');
    assert.equal(input.parent_header.session, asking.clientId);
  }
});

test('requests of both at the same time are each answered once', async () => {
  const rounds = Array.from({ length: 25 }, (_, n) => n);
  const results = await Promise.all(
    rounds.flatMap((n) => [execute(one, `"one ${n}"`), execute(two, `"two ${n}"`)]),
  );
  assert.deepEqual(
    results.map(({ outputs }) => outputs[0].content.data['text/plain']),
    rounds.flatMap((n) => [`'one ${n}'`, `'two ${n}'`]),
  );
});

test('input is asked of the one that executes', async () => {
  const astray = [];
  one.anyMessage.connect((_, { msg }) => msg.channel === 'stdin' && astray.push(msg));
  const { outputs } = await execute(two, 'print(input("who? "))', {
    onStdin: (message) => two.sendInputReply({ status: 'ok', value: 'two' }, message.header),
  });
  assert.equal(textOf(outputs), 'two\n');
  assert.deepEqual(astray, []);
});

test('one interrupts what the other executes', async () => {
  let started;
  const running = new Promise((resolve) => (started = resolve));
  const result = execute(
    two,
    'import time\nprint("go", flush=True)\nwhile True: time.sleep(0.05)',
    {
      onMessage: (message) => message.header.msg_type === 'stream' && started(),
    },
  );
  await within(20, 'the code to run', running);
  await one.interrupt();
  assert.equal((await result).reply.ename, 'KeyboardInterrupt');
});

test('the kernel tells how many are connected', async () => {
  const model = await services.KernelAPI.getKernelModel(one.id, settingsFor(world.server));
  assert.equal(model.connections, 2);
});

test('one that leaves while its code runs does not disturb the other', async () => {
  const third = world.connect(one);
  await expectWorking(third);
  const watched = receivedBy(one, (messages) => textOf(messages) === 'start\nend\n');
  const future = third.requestExecute({
    code: 'import time\nprint("start", flush=True)\ntime.sleep(0.5)\nprint("end")',
  });
  await within(
    20,
    'the code to run',
    new Promise((resolve) => {
      future.onIOPub = (message) => message.header.msg_type === 'stream' && resolve();
    }),
  );
  third.dispose();
  await watched;
  await expectWorking(one);
});

test('twenty clients all see the same output once', async () => {
  const crowd = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const client = world.connect(one);
      await within(20, 'kernel info', client.info);
      return client;
    }),
  );
  const line = 'to all of you\n';
  const watched = crowd.map((client) =>
    receivedBy(client, (messages) => textOf(messages).includes(line)),
  );
  await execute(one, `print(${JSON.stringify(line.trim())})`);
  for (const messages of await Promise.all(watched)) {
    assert.equal(textOf(messages), line);
  }
  crowd.forEach((client) => client.dispose());
  await expectWorking(one);
});
