// Writes the variables of the JavaScript kernel to a file, and reads them back into a fresh one. The
// gateway puts this text into parentheses, calls it with 'save' or 'load', a request {file, report,
// directories, text} and the kernel's require, and waits for it.
//
// A saved file is a line of JSON, {format, saved, skipped, lexical, sources}, and a line of base64: what
// v8.serialize makes of the values together, so that they share afterwards what they share now. Functions
// and classes go as their source text, without what they have closed over.
async (what, request, require) => {
  const fs = require('fs');
  const inspector = require('inspector');
  const path = require('path');
  const v8 = require('v8');

  const kPlace = Symbol.for('perijove.namespace');
  const kNodesOwn = new Set(
    ('global globalThis clearImmediate setImmediate clearInterval clearTimeout setInterval setTimeout ' +
      'queueMicrotask structuredClone atob btoa performance fetch navigator crypto require display module exports ' +
      '__filename __dirname').split(' '),
  );
  const kPlain = new Set(
    [Object, Array, Map, Set, Date, RegExp, ArrayBuffer, DataView, Boolean, Number, String, BigInt,
      Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, Buffer,
      Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
      Float32Array, Float64Array, BigInt64Array, BigUint64Array].map((each) => each.prototype),
  );

  const session = new inspector.Session();
  session.connect();
  const post = (method, parameters) =>
    new Promise((resolve, reject) =>
      session.post(method, parameters, (error, result) => (error ? reject(error) : resolve(result))));
  // In the REPL mode that blocks are run in: what is declared so can be declared again.
  const evaluate = async (expression) => {
    const thrown = (await post('Runtime.evaluate', { expression, replMode: true, awaitPromise: true })).exceptionDetails;
    if (thrown) throw new Error(thrown.exception?.description?.split('\n')[0] ?? thrown.text);
  };
  const place = { values: {} };
  const find = (file) => {
    for (const directory of request.directories) {
      const found = path.join(directory, file);
      if (fs.existsSync(found)) return found;
    }
    throw new Error('the kernel does not see the work directory');
  };

  // Serializing would make a plain object of an instance, without a word.
  function check(value, seen = new Set()) {
    if (typeof value === 'function') throw new Error('it holds a function');
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== null && !kPlain.has(prototype)) {
      throw new Error(`it is or holds an instance of ${prototype.constructor?.name || 'a class'}`);
    }
    if (ArrayBuffer.isView(value)) return;
    if (value instanceof Map) for (const [key, each] of value) check(key, seen), check(each, seen);
    if (value instanceof Set) for (const each of value) check(each, seen);
    for (const key of Object.keys(value)) check(value[key], seen);
  }

  async function save() {
    const lexical = (await post('Runtime.globalLexicalScopeNames')).names;
    const globals = Object.keys(globalThis).filter((name) => !kNodesOwn.has(name) && !lexical.includes(name));
    const saved = [], skipped = [], sources = {};
    for (const name of [...lexical, ...globals]) {
      try {
        const value = (0, eval)(name);
        if (typeof value === 'function') {
          const source = Function.prototype.toString.call(value);
          if (/\{\s*\[native code\]\s*\}$/.test(source)) throw new Error('it is a function of the engine');
          new Function(`return (${source})`);
          sources[name] = source;
        } else {
          check(value);
          v8.serialize(value);
          place.values[name] = value;
        }
        saved.push(name);
      } catch (error) {
        skipped.push({ name, reason: String(error?.message ?? error) });
      }
    }
    const header = { format: 1, saved, skipped, lexical, sources };
    const bytes = v8.serialize(place.values).toString('base64');
    fs.writeFileSync(find(request.file), JSON.stringify(header) + '\n' + bytes + '\n');
  }

  async function load() {
    const [header, bytes] = request.text.split('\n');
    const { saved, lexical, sources } = JSON.parse(header);
    const restored = [], failed = [];
    Object.assign(place.values, v8.deserialize(Buffer.from(bytes, 'base64')));
    const set = async (name, value) => {
      try {
        await evaluate(lexical.includes(name) ? `let ${name} = ${value}` : `globalThis.${name} = ${value}`);
        restored.push(name);
      } catch (error) {
        failed.push({ name, reason: String(error?.message ?? error) });
      }
    };
    for (const name of saved) {
      if (name in place.values) await set(name, `globalThis[Symbol.for('perijove.namespace')].values.${name}`);
    }
    for (const name of saved) if (name in sources) await set(name, `(${sources[name]})`);
    fs.writeFileSync(find(request.report), JSON.stringify({ restored, failed }));
  }

  Object.defineProperty(globalThis, kPlace, { value: place, configurable: true });
  try {
    await (what === 'save' ? save() : load());
  } finally {
    delete globalThis[kPlace];
    session.disconnect();
  }
}
