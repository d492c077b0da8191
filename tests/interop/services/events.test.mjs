// The event stream, which a front end of today subscribes to before anything else.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { emitted, expectWorking, services, settingsFor, startWorld } from './client.mjs';

let world;
before(async () => (world = await startWorld()));
after(() => world.stop());

test('what happens to kernels is told to subscribers', async () => {
  const events = world.keep(
    new services.EventManager({ serverSettings: settingsFor(world.server), standby: 'never' }),
  );
  const seen = [];
  const isAction = (event) =>
    event.schema_id === 'https://events.jupyter.org/jupyter_server/kernel_actions/v1';
  events.stream.connect((_, event) => isAction(event) && seen.push(event));
  // Nothing tells when the subscription holds; the start of some kernel will.
  let told;
  for (let attempt = 0; !told && attempt < 10; attempt++) {
    const started = emitted(events.stream, 'the start of a kernel', isAction, 2).catch(() => {});
    const kernel = await world.startKernel();
    told = await started;
    if (!told) {
      await kernel.shutdown();
    } else {
      assert.equal(told.action, 'start');
      assert.equal(told.kernel_id, kernel.id);
      assert.equal(told.kernel_name, 'python3');
      assert.equal(told.status, 'success');
      await expectWorking(kernel);
      for (const [action, act] of [
        ['interrupt', () => kernel.interrupt()],
        ['restart', () => kernel.restart()],
        ['shutdown', () => kernel.shutdown()],
      ]) {
        const event = emitted(
          events.stream,
          `the ${action}`,
          (e) => isAction(e) && e.action === action,
        );
        await act();
        assert.equal((await event).kernel_id, told.kernel_id);
      }
    }
  }
  assert.ok(told, 'no event came');
});
