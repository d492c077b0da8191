// Executing code, and each kind of output and request a front end knows.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { execute, framings, startWorld, textOf, typesOf } from './client.mjs';

let world;
before(async () => (world = await startWorld()));
after(() => world.stop());

for (const [name, framing] of [
  ['python3', framings[0]],
  ['python3', framings[1]],
  ['python-current', framings[0]],
]) {
  describe(`${name}, ${framing}`, () => {
    let kernel;
    before(async () => (kernel = await world.startKernel({ name, framing })));
    after(() => kernel.shutdown());

    test('code is executed at once, before the kernel has come up', async () => {
      const { reply, outputs } = await execute(kernel, 'print("first")');
      assert.equal(reply.status, 'ok');
      assert.equal(textOf(outputs), 'first\n');
    });

    test('an execution is told from busy to idle, with its code and its count', async () => {
      const { reply, messages } = await execute(kernel, 'a = 1; a + 1');
      assert.deepEqual(typesOf(messages), ['status', 'execute_input', 'execute_result', 'status']);
      assert.equal(messages[0].content.execution_state, 'busy');
      assert.equal(messages.at(-1).content.execution_state, 'idle');
      assert.equal(messages[1].content.code, 'a = 1; a + 1');
      assert.equal(messages[1].content.execution_count, reply.execution_count);
      assert.deepEqual(messages[2].content.data, { 'text/plain': '2' });
    });

    test('state is kept from one execution to the next', async () => {
      await execute(kernel, 'kept = [1, 2]');
      const { outputs } = await execute(kernel, 'kept.append(3); kept');
      assert.equal(outputs[0].content.data['text/plain'], '[1, 2, 3]');
    });

    test('outputs of all types arrive in the order in which they were made', async () => {
      const { reply, outputs } = await execute(
        kernel,
        `
import sys
from IPython.display import display, HTML, JSON, SVG, Markdown, Latex
print("out", flush=True)
print("err", file=sys.stderr, flush=True)
display(HTML("<b>bold</b>"))
display(JSON({"a": [1, None, 2.5]}))
display(SVG('<svg xmlns="http://www.w3.org/2000/svg"/>'))
display(Markdown("*m*"), Latex("$x$"))
display({"application/x-own+json": {"deep": {"er": True}}, "text/plain": "own"}, raw=True)
1 / 0`,
      );
      assert.equal(reply.status, 'error');
      assert.deepEqual(typesOf(outputs), [
        'stream',
        'stream',
        'display_data',
        'display_data',
        'display_data',
        'display_data',
        'display_data',
        'display_data',
        'error',
      ]);
      const [out, err, html, json, svg, markdown, latex, own, error] = outputs.map(
        (m) => m.content,
      );
      assert.deepEqual(out, { name: 'stdout', text: 'out\n' });
      assert.deepEqual(err, { name: 'stderr', text: 'err\n' });
      assert.equal(html.data['text/html'], '<b>bold</b>');
      assert.deepEqual(json.data['application/json'], { a: [1, null, 2.5] });
      assert.match(svg.data['image/svg+xml'], /^<svg/);
      assert.equal(markdown.data['text/markdown'], '*m*');
      assert.equal(latex.data['text/latex'], '$x$');
      assert.deepEqual(own.data['application/x-own+json'], { deep: { er: true } });
      assert.equal(error.ename, 'ZeroDivisionError');
      assert.ok(error.traceback.length > 0);
    });

    test('a PNG arrives byte by byte', async () => {
      const png = Buffer.from(
        'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==',
        'base64',
      );
      const { outputs } = await execute(
        kernel,
        `from IPython.display import Image, display
display(Image(data=bytes.fromhex("${png.toString('hex')}"), format="png"))`,
      );
      assert.deepEqual(typesOf(outputs), ['display_data']);
      assert.deepEqual(Buffer.from(outputs[0].content.data['image/png'], 'base64'), png);
      assert.ok('text/plain' in outputs[0].content.data);
    });

    test('text of every plane of Unicode passes both ways', async () => {
      const text = 'ä ß 你好 🪐 \u2028 "quoted" \u{10ffff}';
      const { outputs } = await execute(kernel, `print('${text}', chr(0), chr(0x1fa90))`);
      assert.equal(textOf(outputs), `${text} \0 🪐\n`);
    });

    test('a display is updated by later code', async () => {
      const first = kernel.requestExecute(
        {
          code: 'from IPython.display import display\nhandle = display("one", display_id="shown")',
        },
        false,
      );
      const seen = [];
      first.onIOPub = (message) => seen.push(message);
      await first.done;
      await execute(kernel, 'handle.update("two")');
      const shown = seen.filter((message) => message.content.transient?.display_id === 'shown');
      assert.deepEqual(typesOf(shown), ['display_data', 'update_display_data']);
      assert.equal(shown[1].content.data['text/plain'], "'two'");
      first.dispose();
    });

    test('clear_output passes with its wait flag', async () => {
      const { outputs } = await execute(
        kernel,
        `from IPython.display import clear_output
print("a", flush=True)
clear_output(wait=True)
clear_output()`,
      );
      assert.deepEqual(typesOf(outputs), ['stream', 'clear_output', 'clear_output']);
      assert.deepEqual(
        outputs.slice(1).map((message) => message.content.wait),
        [true, false],
      );
    });

    test('input is asked for and answered, also for passwords', async () => {
      const asked = [];
      const { reply, outputs } = await execute(
        kernel,
        `name = input("name? ")
import getpass
print(name, getpass.getpass("secret? "))`,
        {
          onStdin: (message) => {
            asked.push(message.content);
            kernel.sendInputReply(
              { status: 'ok', value: `answer ${asked.length}` },
              message.header,
            );
          },
        },
      );
      assert.equal(reply.status, 'ok');
      assert.deepEqual(asked, [
        { prompt: 'name? ', password: false },
        { prompt: 'secret? ', password: true },
      ]);
      assert.equal(textOf(outputs), 'answer 1 answer 2\n');
    });

    test('code that asks for input where none is allowed ends with an error', async () => {
      const { reply } = await execute(kernel, 'input()', { allow_stdin: false });
      assert.equal(reply.ename, 'StdinNotImplementedError');
    });

    test('user expressions are answered, silent code leaves no trace', async () => {
      const { reply } = await execute(kernel, 'u = 20', {
        user_expressions: { twice: 'u * 2', bad: 'nope' },
      });
      assert.equal(reply.user_expressions.twice.data['text/plain'], '40');
      assert.equal(reply.user_expressions.bad.status, 'error');
      const silent = await execute(kernel, 'u + 1', { silent: true });
      assert.deepEqual(silent.outputs, []);
      assert.equal(silent.reply.execution_count, reply.execution_count);
    });

    test('after an error the executions already asked for are aborted', async () => {
      const wrong = kernel.requestExecute({
        code: 'import time; time.sleep(0.5); raise ValueError("stop")',
        stop_on_error: true,
      });
      const queued = kernel.requestExecute({ code: 'never = 1', stop_on_error: true });
      assert.equal((await wrong.done).content.status, 'error');
      assert.equal((await queued.done).content.status, 'aborted');
      // So may be what comes right after, for a moment.
      while ((await execute(kernel, 'pass')).reply.status === 'aborted');
    });

    test('the other requests of a front end are answered', async () => {
      const info = await kernel.info;
      assert.equal(info.language_info.name, 'python');
      await execute(kernel, 'completable = {"key": 1}');
      const complete = await kernel.requestComplete({ code: 'completab', cursor_pos: 9 });
      assert.ok(complete.content.matches.includes('completable'), `${complete.content.matches}`);
      const inspect = await kernel.requestInspect({
        code: 'print',
        cursor_pos: 5,
        detail_level: 0,
      });
      assert.equal(inspect.content.found, true);
      const open = await kernel.requestIsComplete({ code: 'for x in y:' });
      assert.equal(open.content.status, 'incomplete');
      const history = await kernel.requestHistory({
        output: false,
        raw: true,
        hist_access_type: 'tail',
        n: 1,
      });
      assert.equal(history.content.history.length, 1);
      const comms = await kernel.requestCommInfo({});
      assert.deepEqual(comms.content.comms, {});
    });

    test('a debugger request on the control channel is answered while code runs', async () => {
      const running = execute(kernel, 'import time\nfor _ in range(20): time.sleep(0.05)');
      const reply = await kernel.requestDebug({ type: 'request', seq: 1, command: 'debugInfo' })
        .done;
      assert.equal(reply.channel, 'control');
      assert.equal(reply.content.command, 'debugInfo');
      await running;
    });
  });
}

describe('a kernel that is not Python', () => {
  let kernel;
  before(async () => (kernel = await world.startKernel({ name: 'ir' })));
  after(() => kernel.shutdown());

  test('R executes, displays and reports errors', async () => {
    const { reply, outputs } = await execute(
      kernel,
      'x <- c(1, 2, 3); cat("sum", sum(x), "\\n"); x * 2',
    );
    assert.equal(reply.status, 'ok');
    assert.equal(textOf(outputs), 'sum 6 \n');
    const shown = outputs.find((message) => message.header.msg_type !== 'stream');
    assert.match(shown.content.data['text/plain'], /2 4 6/);
    const wrong = await execute(kernel, 'stop("no")');
    assert.equal(wrong.reply.status, 'error');
  });

  test('R tells its kind', async () => {
    assert.equal((await kernel.info).language_info.name, 'R');
  });
});
