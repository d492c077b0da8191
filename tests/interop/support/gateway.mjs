// Starts the server under test (see server.py) for tests that run in Node.js.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

export const support = path.dirname(fileURLToPath(import.meta.url));
export const serverKind = process.env.PERIJOVE_TEST_PEER || 'perijove';

/** The directory that tests/interop/setup fills. */
export const cache =
  process.env.PERIJOVE_TEST_CACHE ??
  path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'perijove-tests');

/**
 * Test options for what a peer is known to fail at, by the peer's name: there the test runs all the
 * same and its failure is reported, but does not count. `{ jupyter_server: 'why' }`
 */
export function knownToFailOn(peers) {
  return { todo: peers[serverKind] ?? false };
}

/** A promise that must settle within some seconds, or the test fails and says what it waited for. */
export function within(seconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${seconds} s for ${what}`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Starts the server; the result's `stop()` ends it, and throws when it ended badly. */
export async function startServer(...args) {
  const child = spawn('/usr/bin/python3', ['-B', path.join(support, 'server.py'), '--', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines = readline.createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, 'line'), exited.then(() => undefined)]);
  if (!first) {
    throw new Error('the server under test did not start');
  }
  const server = JSON.parse(first[0]);
  const request = (method, url, body) =>
    fetch(server.url + url, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: { Authorization: `token ${server.token}` },
    });
  const stop = async () => {
    child.stdin.end();
    const [code] = await within(60, 'the server under test to end', exited);
    if (code !== 0) {
      throw new Error(`the server under test ended badly (${code})`);
    }
  };
  return { ...server, request, stop };
}
