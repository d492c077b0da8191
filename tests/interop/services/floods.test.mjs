// Much output: nothing is dropped, whole messages of any size pass.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { knownToFailOn } from '../support/gateway.mjs';
import { execute, expectWorking, framings, startWorld, textOf } from './client.mjs';

let world;
before(async () => (world = await startWorld()));
after(() => world.stop());

const dropped = { jupyter_server: 'drops output beyond 1,000 messages or 1 MB a second' };

const numbered = (count) => Array.from({ length: count }, (_, n) => `${n}\n`).join('');

// ipykernel drops what exceeds its own queue of 1,000 messages when its sender thread gets no
// processor time. After this it waits, and what is missing then was lost on the way.
const waitWhenFull = `import zmq
from ipykernel.kernelapp import IPKernelApp
iopub = IPKernelApp.instance().iopub_thread
iopub.schedule(lambda: iopub.socket.setsockopt(zmq.XPUB_NODROP, 1))`;

for (const framing of framings) {
  describe(framing, () => {
    let kernel;
    before(async () => {
      kernel = await world.startKernel({ framing });
      assert.equal((await execute(kernel, waitWhenFull)).reply.status, 'ok');
      await expectWorking(kernel);
    });
    after(() => kernel.shutdown());

    test('20,000 prints arrive as 20,000 lines in order', knownToFailOn(dropped), async () => {
      const { outputs } = await execute(kernel, 'for n in range(20_000): print(n)', {
        seconds: 90,
      });
      assert.equal(textOf(outputs), numbered(20_000));
    });

    test('5,000 displays arrive as 5,000 displays in order', knownToFailOn(dropped), async () => {
      const { outputs } = await execute(
        kernel,
        'from IPython.display import display\nfor n in range(5_000): display(n)',
        { seconds: 90 },
      );
      assert.deepEqual(
        outputs.map((message) => Number(message.content.data?.['text/plain'])),
        Array.from({ length: 5_000 }, (_, n) => n),
      );
    });

    test('50 MB of printed text arrive', knownToFailOn(dropped), async () => {
      const { outputs } = await execute(
        kernel,
        'line = "0123456789abcdef" * 64\nfor n in range(50): print("\\n".join([line] * 1_000), flush=True)',
        { seconds: 90 },
      );
      assert.equal(textOf(outputs), `${'0123456789abcdef'.repeat(64)}\n`.repeat(50_000));
    });

    test('one output of 50 MB arrives whole', async () => {
      const { outputs } = await execute(
        kernel,
        'from IPython.display import display\ndisplay({"text/plain": "x" * 25_000_000 + "y" * 25_000_000}, raw=True)',
        { seconds: 90 },
      );
      const text = outputs[0].content.data['text/plain'];
      assert.equal(text.length, 50_000_000);
      assert.equal(text, 'x'.repeat(25_000_000) + 'y'.repeat(25_000_000));
    });

    test(
      'code of 20 MB is executed',
      knownToFailOn({ jupyter_server: 'closes a websocket that sends more than 10 MB' }),
      async () => {
        const { outputs } = await execute(kernel, `len("${'z'.repeat(20_000_000)}")`, {
          seconds: 60,
        });
        assert.equal(outputs[0].content.data['text/plain'], '20000000');
      },
    );
  });
}

test(
  '100,000 lines, each its own message, of a kernel that never drops any',
  knownToFailOn(dropped),
  async (t) => {
    const name = 'perijove-echo';
    const { kernelspecs } = await (await world.server.request('GET', '/api/kernelspecs')).json();
    if (!(name in kernelspecs)) {
      t.skip(`JUPYTER_PATH has no kernelspec ${name}`);
      return;
    }
    const kernel = await world.startKernel({ name });
    const { outputs } = await execute(kernel, 'lines 100000', { seconds: 90 });
    // Of a Python kernel this cannot be asked: its socket holds 1,000 messages and drops the rest.
    assert.equal(textOf(outputs), Array.from({ length: 100_000 }, (_, n) => `${n + 1}\n`).join(''));
    await kernel.shutdown();
  },
);
