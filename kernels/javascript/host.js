// Runs inside node, for perijove-kernel-javascript.
//
// Requests come as lines of JSON on descriptor 3, one at a time; answers go out on descriptor 4: any
// number of {display: ...} and then one {done: ...}. A byte on descriptor 5 is an interrupt.
//
// Code is evaluated by an inspector session of this thread in its REPL mode: let, const and class
// can be declared again in a later block, await stands at the top level.
'use strict';
(() => {
  const fs = require('fs');
  const inspector = require('inspector');
  const { createRequire } = require('module');
  const net = require('net');
  const util = require('util');
  const vm = require('vm');
  const { Worker } = require('worker_threads');

  const REQUESTS = 3;
  const ANSWERS = 4;
  const COMPLETIONS_MAX = 500;

  // Otherwise node keeps what a full pipe does not take, and loses it at process.exit().
  for (const stream of [process.stdout, process.stderr]) stream._handle?.setBlocking?.(true);

  const session = new inspector.Session();
  session.connect();
  const post = (method, parameters) =>
    new Promise((resolve, reject) =>
      session.post(method, parameters, (error, result) => (error ? reject(error) : resolve(result))));

  function answer(message) {
    const bytes = Buffer.from(JSON.stringify(message) + '\n');
    for (let at = 0; at < bytes.length; ) at += fs.writeSync(ANSWERS, bytes, at);
  }

  // ---- what user code finds ----

  const hidden = { configurable: true, enumerable: false, writable: true };
  const bundleOf = (mime, data) => ({
    [mime]: data instanceof Uint8Array ? Buffer.from(data).toString('base64') : data,
  });
  Object.defineProperties(globalThis, {
    require: { ...hidden, value: createRequire(process.cwd() + '/') },
    display: {
      ...hidden,
      value: function display(mime, data) {
        if (typeof mime !== 'string' || !mime.includes('/')) {
          throw new TypeError('display(mime, data): mime is a type such as "text/html"');
        }
        if (data === undefined) throw new TypeError('display(mime, data): there are no data');
        answer({ display: bundleOf(mime, data) });
      },
    },
  });

  // ---- blocks ----

  // Only the frames of the user's code, and the blocks by the names that users know.
  const cellNames = (text) => text.replace(/<cell_(\d+)>/g, '<cell $1>');
  function stackOf(stack) {
    const lines = stack.split('\n');
    const end = lines.findIndex((line) => /^ +at .*\(?(node:inspector|\[eval\]|\[worker eval\])/.test(line));
    return cellNames((end < 0 ? lines : lines.slice(0, end)).join('\n'));
  }

  // Called through the inspector, with values that are only known to it.
  const kShow = Symbol('show');
  Object.defineProperty(globalThis, kShow, {
    value: {
      value: (value) => (value === undefined ? {} : { text: util.inspect(value) }),
      error: (value) => {
        if (!util.types.isNativeError(value) && !(value instanceof Error)) {
          const text = util.inspect(value);
          return { name: 'Error', message: text, stack: 'Uncaught ' + text };
        }
        const stack = typeof value.stack === 'string' ? value.stack : String(value);
        return { name: String(value.name), message: String(value.message), stack: stackOf(stack) };
      },
      members: (value) => {
        const names = new Set();
        for (let each = Object(value); each !== null; each = Object.getPrototypeOf(each)) {
          for (const name of Object.getOwnPropertyNames(each)) names.add(name);
        }
        return [...names];
      },
    },
  });
  let showId;
  async function show(how, remote) {
    const argument = remote.objectId
      ? { objectId: remote.objectId }
      : remote.unserializableValue
        ? { unserializableValue: remote.unserializableValue }
        : { value: remote.value };
    const shown = await post('Runtime.callFunctionOn', {
      objectId: showId,
      functionDeclaration: `function (value) { return this.${how}(value); }`,
      arguments: [argument],
      returnByValue: true,
    });
    if (shown.exceptionDetails) {
      return { text: '[it cannot be shown]', name: 'Error', message: '', stack: 'Error' };
    }
    return shown.result.value;
  }

  let interruptPending = () => {};
  const kInterrupted = Symbol('interrupted');

  async function execute({ code, number }) {
    const interrupted = new Promise((resolve) => (interruptPending = () => resolve(kInterrupted)));
    const evaluated = post('Runtime.evaluate', {
      expression: `${code}\n//# sourceURL=<cell_${number}>`,
      replMode: true,
      awaitPromise: true,
      objectGroup: 'block',
    }).catch((error) => error);
    const outcome = await Promise.race([evaluated, interrupted]);
    interruptPending = () => {};
    if (outcome === kInterrupted || outcome instanceof Error || !outcome.result) {
      return { interrupted: true };
    }
    const details = outcome.exceptionDetails;
    if (!details) return show('value', outcome.result);
    if (!details.exception) return { interrupted: true };
    const error = await show('error', details.exception);
    // A syntax error has no frame of the code: it was not run.
    if (error.name === 'SyntaxError' && !error.stack.includes('<cell ')) {
      error.stack += `\n    at <cell ${number}>:${details.lineNumber + 1}:${details.columnNumber + 1}`;
    }
    return { error };
  }

  // ---- completion ----

  async function complete({ code }) {
    const [, object, , prefix] = /(?:((?:[\w$]+\??\.)*[\w$]+)(\??\.))?([\w$]*)$/.exec(code);
    let names;
    if (object !== undefined) {
      const found = await post('Runtime.evaluate', {
        expression: object,
        throwOnSideEffect: true,
        objectGroup: 'block',
      });
      names = found.exceptionDetails || ['undefined'].includes(found.result.type) || found.result.subtype === 'null'
        ? []
        : await show('members', found.result);
    } else {
      const scope = await post('Runtime.globalLexicalScopeNames', {});
      names = [...scope.names, ...Object.getOwnPropertyNames(globalThis)];
    }
    const matches = [...new Set(names)].filter(
      (name) => name.startsWith(prefix) && /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name));
    return { matches: matches.sort().slice(0, COMPLETIONS_MAX), prefix };
  }

  function isComplete({ code }) {
    try {
      new vm.Script(code);
    } catch (error) {
      const text = String(error.message);
      if (/end of input|Unterminated template|missing \) after|Missing initializer/.test(text)) {
        return { status: 'incomplete' };
      }
      if (!/await is only valid|import statement outside/.test(text)) return { status: 'invalid' };
    }
    return { status: 'complete' };
  }

  // ---- interrupts and what comes late ----

  // A thread, because this one may be busy: it asks this one first, which ends a pending await; where
  // there is no answer, code is running, and is terminated.
  const acknowledged = new Int32Array(new SharedArrayBuffer(4));
  const watcher = new Worker(
    `
    const inspector = require('inspector');
    const net = require('net');
    const { parentPort, workerData } = require('worker_threads');
    const session = new inspector.Session();
    session.connectToMainThread();
    parentPort.postMessage('connected');
    const PATIENCE_MILLISECONDS = 50;
    // Not fs.read(): nothing could end a read that is under way, and process.exit() waits for this thread.
    const interrupts = new net.Socket({ fd: 5, readable: true, writable: false });
    // The kernel is gone; this process and its programs go too, however busy they are.
    const end = () => process.kill(-process.pid, 'SIGKILL');
    interrupts.on('end', end).on('error', end);
    interrupts.on('data', () => {
      Atomics.store(workerData, 0, 0);
      parentPort.postMessage('interrupt');
      if (Atomics.wait(workerData, 0, 0, PATIENCE_MILLISECONDS) === 'timed-out') {
        session.post('Runtime.terminateExecution', () => parentPort.postMessage('interrupt'));
      }
    });
    `,
    { eval: true, workerData: acknowledged });
  // No code before that: a process.exit() would wait for a thread that waits for this one.
  const connected = new Promise((resolve) =>
    watcher.once('message', () => {
      watcher.unref();
      watcher.on('message', () => {
        Atomics.store(acknowledged, 0, 1);
        Atomics.notify(acknowledged, 0);
        interruptPending();
      });
      resolve();
    }));
  process.on('SIGINT', () => {}); // for the programs that this process runs

  const late = (error) => {
    const text = error instanceof Error ? stackOf(String(error.stack)) : util.inspect(error);
    process.stderr.write(`Uncaught ${text}\n`);
  };
  process.on('uncaughtException', late);
  process.on('unhandledRejection', late);

  // ---- requests ----

  const handlers = { execute, complete, isComplete };
  async function handle(line) {
    const request = JSON.parse(line);
    let done;
    try {
      done = await handlers[request.type](request);
    } catch (error) {
      done = { error: { name: 'InternalError', message: String(error), stack: String(error) } };
    }
    answer({ done });
    session.post('Runtime.releaseObjectGroup', { objectGroup: 'block' });
  }

  (async () => {
    let contextId;
    session.once('Runtime.executionContextCreated', ({ params }) => (contextId = params.context.id));
    await post('Runtime.enable');
    await post('Runtime.disable'); // otherwise the session keeps what is logged
    globalThis.__perijove = globalThis[kShow];
    const found = await post('Runtime.evaluate', { expression: '__perijove', contextId });
    delete globalThis.__perijove;
    showId = found.result.objectId;
    await connected;

    let partial = '';
    const requests = new net.Socket({ fd: REQUESTS, readable: true, writable: false });
    requests.setEncoding('utf8');
    requests.on('data', (text) => {
      const lines = (partial + text).split('\n');
      partial = lines.pop();
      lines.forEach(handle);
    });
    requests.on('end', () => process.exit(0));
  })();
})();
