// Comms, the channel of widgets: opened from either side, binary buffers in both directions.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { within } from '../support/gateway.mjs';
import { execute, expectWorking, framings, startWorld } from './client.mjs';

// Answers each message with what it carried, its buffers in reverse order and each reversed.
const mirror = `
from __main__ import get_ipython
def on_open(comm, opened):
    @comm.on_msg
    def on_message(message):
        buffers = [bytes(buffer)[::-1] for buffer in message["buffers"]][::-1]
        comm.send({"got": message["content"]["data"], "sizes": [len(b) for b in buffers]}, buffers=buffers)
    comm.send({"opened with": opened["content"]["data"], "buffers": len(opened["buffers"])})
get_ipython().kernel.comm_manager.register_target("mirror", on_open)
`;

const bytesOf = (buffer) =>
  Buffer.from(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength);

/** Collects what a comm receives; `next()` waits for one message more. */
function inboxOf(comm) {
  const messages = [];
  let wake = () => {};
  comm.onMsg = (message) => {
    messages.push(message);
    wake();
  };
  let taken = 0;
  return async function next() {
    while (messages.length === taken) {
      await within(20, 'a message on the comm', new Promise((resolve) => (wake = resolve)));
    }
    return messages[taken++];
  };
}

/**
 * The library sends on the main shell until its subshell for the target is there; what is sent
 * meanwhile may be overtaken.
 */
async function settled(kernel, comm) {
  if (kernel.supportsSubshells) {
    await within(20, 'a subshell', comm.subshellStarted);
  }
}

/**
 * Closes a comm without waiting for an answer: the library deletes the comm's subshell at the same
 * time, on another channel, and the kernel may do that first.
 */
function closeUnseen(comm) {
  comm.close().done.catch(() => {});
}

let world;
before(async () => (world = await startWorld()));
after(() => world.stop());

// A current kernel takes comms on subshells, which this library asks for on the control channel.
for (const [name, framing] of [
  ['python3', framings[0]],
  ['python3', framings[1]],
  ['python-current', framings[0]],
  ['python-current', framings[1]],
]) {
  describe(`${name}, ${framing}`, () => {
    let kernel;
    before(async () => {
      kernel = await world.startKernel({ name, framing });
      await execute(kernel, mirror);
    });
    after(() => kernel.shutdown());

    async function openMirror(data = {}, buffers = []) {
      const comm = kernel.createComm('mirror');
      const next = inboxOf(comm);
      await settled(kernel, comm);
      await within(20, 'the comm to open', comm.open(data, {}, buffers).done);
      return { comm, next };
    }

    test('a comm opened by the client is answered', async () => {
      const { comm, next } = await openMirror({ hello: ['w', 1, null] });
      const message = await next();
      assert.deepEqual(message.content.data, {
        'opened with': { hello: ['w', 1, null] },
        buffers: 0,
      });
      closeUnseen(comm);
    });

    test('buffers pass in both directions, byte by byte and in order', async () => {
      const { comm, next } = await openMirror({}, [Uint8Array.of(1).buffer, new ArrayBuffer(0)]);
      assert.equal((await next()).content.data.buffers, 2);
      const all = Uint8Array.from({ length: 256 }, (_, index) => index);
      const few = Uint8Array.of(0xff, 0x00, 0x0a);
      comm.send({ n: 1 }, {}, [all.buffer, new ArrayBuffer(0), few.buffer]);
      const message = await next();
      assert.deepEqual(message.content.data, { got: { n: 1 }, sizes: [3, 0, 256] });
      assert.deepEqual(
        message.buffers.map((buffer) => bytesOf(buffer)),
        [Buffer.from(few).reverse(), Buffer.alloc(0), Buffer.from(all).reverse()],
      );
      closeUnseen(comm);
    });

    test('a buffer of 8 MB passes there and back', async () => {
      const { comm, next } = await openMirror();
      await next();
      const big = Buffer.alloc(8_000_000);
      for (let at = 0; at < big.length; at += 4) {
        big.writeUInt32LE(at, at);
      }
      comm.send({}, {}, [new Uint8Array(big).buffer]);
      const message = await next();
      assert.ok(bytesOf(message.buffers[0]).equals(big.reverse()));
      closeUnseen(comm);
    });

    test('messages without buffers between those with buffers keep their order', async () => {
      const { comm, next } = await openMirror();
      await next();
      for (let n = 0; n < 100; n++) {
        comm.send({ n }, {}, n % 3 ? [] : [Uint8Array.of(n).buffer]);
      }
      for (let n = 0; n < 100; n++) {
        const message = await next();
        assert.equal(message.content.data.got.n, n);
        assert.equal(message.buffers?.length ?? 0, n % 3 ? 0 : 1);
      }
      closeUnseen(comm);
    });

    test('a comm opened by the kernel arrives with its buffers, and its closing too', async () => {
      const arrived = new Promise((resolve) => {
        kernel.registerCommTarget('from-kernel', (comm, opened) => resolve({ comm, opened }));
      });
      await execute(
        kernel,
        `import ipykernel
if ipykernel.version_info >= (6, 18):
    from comm import create_comm
else:  # the package may be there, but it is not this kernel's
    from ipykernel.comm import Comm as create_comm
own = create_comm(target_name="from-kernel", data={"a": 1}, buffers=[b"\\x00\\x01", b"\\xfe"])`,
      );
      const { comm, opened } = await within(20, 'the comm', arrived);
      assert.deepEqual(opened.content.data, { a: 1 });
      assert.deepEqual(opened.buffers.map(bytesOf), [Buffer.from([0, 1]), Buffer.from([0xfe])]);
      const listed = await kernel.requestCommInfo({ target_name: 'from-kernel' });
      assert.deepEqual(Object.keys(listed.content.comms), [comm.commId]);
      const closed = new Promise((resolve) => (comm.onClose = resolve));
      await execute(kernel, 'own.close({"bye": 1})');
      assert.deepEqual((await within(20, 'the closing', closed)).content.data, { bye: 1 });
      await expectWorking(kernel);
    });
  });
}

test('a comm is served while code runs, on a subshell of a current kernel', async () => {
  const kernel = await world.startKernel({ name: 'python-current' });
  await execute(kernel, mirror);
  assert.ok(kernel.supportsSubshells);
  let started;
  const running = new Promise((resolve) => (started = resolve));
  const result = execute(
    kernel,
    'import time\nprint("runs", flush=True)\nwhile not "released" in globals(): time.sleep(0.02)',
    {
      onMessage: (message) => message.header.msg_type === 'stream' && started(),
    },
  );
  await within(30, 'the code to run', running);
  const comm = kernel.createComm('mirror');
  const next = inboxOf(comm);
  await settled(kernel, comm);
  comm.open({});
  await next();
  comm.send({ during: 'execution' });
  assert.equal((await next()).content.data.got.during, 'execution');
  await kernel.interrupt();
  assert.equal((await result).reply.ename, 'KeyboardInterrupt');
  await kernel.shutdown();
});
