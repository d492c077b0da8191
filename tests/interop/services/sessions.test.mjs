// Sessions: a name for the kernel of a notebook.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { execute, expectWorking, services, settingsFor, startWorld, textOf } from './client.mjs';

const { KernelAPI, ServerConnection, SessionAPI, SessionManager } = services;

let world;
let settings;
let manager;
before(async () => {
  world = await startWorld();
  settings = settingsFor(world.server);
  manager = world.keep(
    new SessionManager({
      kernelManager: world.manager,
      serverSettings: settings,
      standby: 'never',
    }),
  );
});
after(() => world.stop());

const start = (path, options = {}) =>
  manager.startNew({
    name: path.split('/').pop(),
    path,
    type: 'notebook',
    kernel: { name: 'python3' },
    ...options,
  });

test('a session is started with a kernel, found by its path, and ends with it', async () => {
  const session = await start('a dir/näme.ipynb');
  assert.equal(session.path, 'a dir/näme.ipynb');
  assert.equal(session.type, 'notebook');
  await expectWorking(session.kernel);
  const found = await manager.findByPath('a dir/näme.ipynb');
  assert.equal(found.id, session.id);
  assert.equal(found.kernel.id, session.kernel.id);
  const { id } = session;
  const kernelId = session.kernel.id;
  await session.shutdown();
  const running = await SessionAPI.listRunning(settings);
  assert.ok(running.every((model) => model.id !== id));
  assert.equal(await KernelAPI.getKernelModel(kernelId, settings), undefined);
});

test('a second session of the same path is the first', async () => {
  const body = { name: 'n', path: 'same.ipynb', type: 'notebook', kernel: { name: 'python3' } };
  const first = await SessionAPI.startSession(body, settings);
  const second = await SessionAPI.startSession(body, settings);
  assert.equal(second.id, first.id);
  assert.equal(second.kernel.id, first.kernel.id);
  await SessionAPI.shutdownSession(first.id, settings);
});

test('path, name and type can be changed', async () => {
  const session = await start('old.ipynb');
  await session.setPath('dir/new.ipynb');
  await session.setName('new');
  await session.setType('console');
  const model = await SessionAPI.getSessionModel(session.id, settings);
  assert.deepEqual([model.path, model.name, model.type], ['dir/new.ipynb', 'new', 'console']);
  assert.equal(model.kernel.id, session.kernel.id);
  await session.shutdown();
});

test('a session can change to a kernel of another kind, and the old one ends', async () => {
  const session = await start('change.ipynb');
  await expectWorking(session.kernel);
  const old = session.kernel.id;
  const kernel = await session.changeKernel({ name: 'ir' });
  assert.notEqual(kernel.id, old);
  assert.equal(textOf((await execute(kernel, 'cat(R.version$language)')).outputs), 'R');
  assert.equal(await KernelAPI.getKernelModel(old, settings), undefined);
  await session.shutdown();
});

test('a session can change to a kernel that already runs, with its state', async () => {
  const kernel = await world.startKernel();
  await execute(kernel, 'kept = "state"');
  const session = await start('adopt.ipynb');
  await session.changeKernel({ id: kernel.id });
  assert.equal(session.kernel.id, kernel.id);
  assert.equal(textOf((await execute(session.kernel, 'print(kept)')).outputs), 'state\n');
  await session.shutdown();
});

test('two sessions may share one kernel', async () => {
  const first = await start('first.ipynb');
  await execute(first.kernel, 'shared = 1');
  const second = await start('second.ipynb', { kernel: { id: first.kernel.id } });
  assert.equal(second.kernel.id, first.kernel.id);
  assert.equal((await execute(second.kernel, 'shared')).outputs[0].content.data['text/plain'], '1');
  const paths = (await SessionAPI.listRunning(settings)).map((model) => model.path);
  assert.ok(paths.includes('first.ipynb') && paths.includes('second.ipynb'), `${paths}`);
  await SessionAPI.shutdownSession(second.id, settings);
  await SessionAPI.shutdownSession(first.id, settings);
});

test('the shutdown of the kernel ends its session', async () => {
  const session = await start('short.ipynb');
  await KernelAPI.shutdownKernel(session.kernel.id, settings);
  const running = await SessionAPI.listRunning(settings);
  assert.ok(running.every((model) => model.id !== session.id));
});

test('a session survives the restart of its kernel', async () => {
  const session = await start('restart.ipynb');
  await expectWorking(session.kernel);
  await session.kernel.restart();
  await expectWorking(session.kernel);
  const model = await SessionAPI.getSessionModel(session.id, settings);
  assert.equal(model.kernel.id, session.kernel.id);
  await session.shutdown();
});

test('a shutdown of what is already gone is no error', async () => {
  const session = await start('gone.ipynb');
  const { id } = session;
  await session.shutdown();
  await SessionAPI.shutdownSession(id, settings);
});

test('a kernelspec that does not exist is an error that names it, and leaves no session', async () => {
  await assert.rejects(
    SessionAPI.startSession(
      { name: 'n', path: 'bad.ipynb', type: 'notebook', kernel: { name: 'pyhton3' } },
      settings,
    ),
    (error) => {
      assert.ok(error instanceof ServerConnection.ResponseError);
      assert.match(error.message, /pyhton3/);
      return true;
    },
  );
  const running = await SessionAPI.listRunning(settings);
  assert.ok(running.every((model) => model.path !== 'bad.ipynb'));
});
