// Kernelspecs, authentication and what the library's own managers need to become ready.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { within } from '../support/gateway.mjs';
import { services, settingsFor, startWorld } from './client.mjs';

const { KernelSpecAPI, KernelAPI, ServiceManager } = services;

let world;
before(async () => (world = await startWorld()));
after(() => world.stop());

test('kernelspecs are listed with a default that is one of them', async () => {
  const specs = await KernelSpecAPI.getSpecs(settingsFor(world.server));
  assert.ok(specs.default in specs.kernelspecs);
  const { python3, ir } = specs.kernelspecs;
  assert.equal(python3.language, 'python');
  assert.equal(python3.display_name, "Python 3 (Debian's ipykernel)");
  assert.ok(python3.argv.includes('{connection_file}'));
  assert.deepEqual(python3.metadata, { debugger: true });
  assert.equal(ir.language, 'R');
});

test('a broken kernelspec hides no other', async () => {
  const specs = await KernelSpecAPI.getSpecs(settingsFor(world.server));
  assert.ok('unstartable' in specs.kernelspecs);
  assert.ok(!('broken' in specs.kernelspecs));
});

test('the resources of a kernelspec can be fetched', async () => {
  const response = await world.server.request('GET', '/api/kernelspecs');
  const { kernelspecs } = await response.json();
  for (const [name, { resources }] of Object.entries(kernelspecs)) {
    for (const url of Object.values(resources)) {
      const resource = await world.server.request('GET', url);
      assert.equal(resource.status, 200, `${name}: ${url}`);
      assert.ok((await resource.arrayBuffer()).byteLength > 0);
    }
  }
});

test('the kernelspec manager becomes ready', async () => {
  const manager = world.specManager();
  await within(20, 'the kernelspec manager', manager.ready);
  assert.ok(manager.specs.kernelspecs.python3);
});

test('the service manager of a whole front end becomes ready', async () => {
  const serverSettings = settingsFor(world.server);
  const manager = new ServiceManager({ serverSettings, standby: 'never' });
  try {
    await within(20, 'the service manager', manager.ready);
    assert.ok(manager.isReady);
  } finally {
    manager.dispose();
    // These it forgets, and their polling would go on.
    [manager.kernels, manager.kernelspecs, manager.user].forEach((part) => part.dispose());
  }
});

for (const token of ['', 'wrong', 'interop-token2', 'interop-toke']) {
  test(`the token '${token}' is refused`, async () => {
    const settings = settingsFor({ ...world.server, token });
    await assert.rejects(KernelAPI.listRunning(settings), (error) => {
      assert.ok([401, 403].includes(error.response.status), `${error.response.status}`);
      return true;
    });
  });
}
