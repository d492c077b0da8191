// A person's way: JupyterLab in a browser, in front of the gateway, a notebook run from its menu.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { once } from 'node:events';
import { cache, startServer, within } from '../support/gateway.mjs';

const require = createRequire(path.join(cache, 'jupyterlab', 'package.json'));
const { chromium } = require('playwright-core');
const here = path.dirname(fileURLToPath(import.meta.url));
const second = 1000;

let gateway;
let lab;
let directory;
let browser;
let page;

async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Starts JupyterLab with the gateway behind it; the result's `url` opens it. */
async function startLab() {
  const port = await freePort();
  const root = path.join(directory, 'root');
  await fs.mkdir(root);
  await fs.copyFile(path.join(here, 'plot.ipynb'), path.join(root, 'plot.ipynb'));
  const places = ['config', 'data', 'runtime', 'home'].map((name) => path.join(directory, name));
  await Promise.all(places.map((place) => fs.mkdir(place, { mode: 0o700 })));
  const [JUPYTER_CONFIG_DIR, JUPYTER_DATA_DIR, JUPYTER_RUNTIME_DIR, HOME] = places;
  const child = spawn(
    path.join(cache, 'jupyter', 'bin', 'python'),
    [
      '-m',
      'jupyterlab',
      '--allow-root',
      '--no-browser',
      '--ServerApp.ip=127.0.0.1',
      `--ServerApp.port=${port}`,
      '--ServerApp.port_retries=0',
      '--IdentityProvider.token=lab',
      `--ServerApp.root_dir=${root}`,
      `--gateway-url=${gateway.url}`,
      `--GatewayClient.auth_token=${gateway.token}`,
      '--LabApp.news_url=',
      '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate',
    ],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env.PATH,
        JUPYTER_CONFIG_DIR,
        JUPYTER_DATA_DIR,
        JUPYTER_RUNTIME_DIR,
        HOME,
      },
    },
  );
  const exited = once(child, 'exit');
  const said = [];
  const accepts = new Promise((resolve, reject) => {
    readline.createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line);
      if (line.includes(`http://127.0.0.1:${port}/lab`)) {
        resolve();
      }
    });
    exited.then(() => reject(new Error(`JupyterLab ended\n${said.join('\n')}`)));
  });
  await within(60, 'JupyterLab', accepts);
  return {
    url: `http://127.0.0.1:${port}/lab/tree/plot.ipynb?token=lab`,
    root,
    said,
    async stop() {
      child.kill('SIGTERM');
      await within(30, 'JupyterLab to end', exited);
    },
  };
}

before(async () => {
  directory = await fs.mkdtemp(path.join(os.tmpdir(), 'pji-lab-'));
  gateway = await startServer();
  lab = await startLab();
  browser = await chromium.launchPersistentContext(path.join(directory, 'profile'), {
    executablePath: '/usr/bin/chromium',
    headless: false, // that would be another browser; see the first argument
    viewport: { width: 1280, height: 1100 },
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  page = browser.pages()[0] ?? (await browser.newPage());
  page.setDefaultTimeout(45 * second);
});

after(async () => {
  await browser?.close();
  await lab?.stop();
  await gateway?.stop();
  await fs.rm(directory, { recursive: true, force: true });
});

/** Keeps a picture of the page where the build wants it. */
async function screenshot(name) {
  const place = process.env.PERIJOVE_TEST_OUTPUT;
  if (place) {
    await fs.mkdir(place, { recursive: true });
    await page.screenshot({ path: path.join(place, `${name}.png`) });
  }
}

const menu = async (name, item) => {
  await page.getByRole('menuitem', { name, exact: true }).first().click();
  await page.locator('.lm-Menu-item', { hasText: item }).first().click();
};

test('a notebook with a plot is run by clicking, and asks for input', async () => {
  await page.goto(lab.url);
  const notebook = page.locator('.jp-NotebookPanel');
  await notebook.waitFor();
  // The indicator in the notebook says idle before there is a kernel; the status bar does not.
  await page
    .locator('#jp-main-statusbar')
    .getByText(/Python 3 .*\| Idle/)
    .waitFor();
  try {
    await menu('Run', 'Run All Cells');
    const cells = notebook.locator('.jp-CodeCell');

    const first = cells.nth(0).locator('.jp-OutputArea-output');
    await first.nth(1).waitFor();
    assert.equal((await first.nth(0).innerText()).trim(), 'total 60');
    assert.match(await first.nth(1).innerText(), /month\s+revenue/);
    assert.equal(await first.nth(1).locator('table tbody tr').count(), 3);

    const image = cells.nth(1).locator('.jp-RenderedImage img');
    await image.waitFor();
    const { width, src } = await image.evaluate(async (element) => {
      await element.decode();
      return { width: element.naturalWidth, src: element.src };
    });
    assert.match(src, /^data:image\/png;base64,/);
    assert.ok(width > 200, `the picture is ${width} wide`);

    const question = cells.nth(2).locator('input.jp-Stdin-input');
    await question.waitFor();
    await question.fill('Galileo');
    await question.press('Enter');
    const answer = cells.nth(2).locator('.jp-OutputArea-output', { hasText: 'Hello Galileo' });
    await answer.waitFor();
    assert.equal(
      await notebook
        .locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]')
        .count(),
      0,
    );
  } finally {
    await screenshot('jupyterlab-plot');
  }
});

test('a restart from the menu forgets the state, and the notebook runs again', async () => {
  const count = page.locator('.jp-NotebookPanel .jp-CodeCell .jp-InputPrompt');
  assert.equal(await count.nth(0).innerText(), '[1]:');
  await menu('Kernel', 'Restart Kernel and Clear Outputs of All Cells');
  await page.locator('.jp-Dialog .jp-mod-accept').click();
  await page.waitForFunction(
    () => document.querySelectorAll('.jp-NotebookPanel .jp-RenderedImage img').length === 0,
  );
  await menu('Run', 'Run All Cells');
  await page.locator('.jp-NotebookPanel .jp-RenderedImage img').waitFor();
  assert.equal(await count.nth(0).innerText(), '[1]:');
  const question = page.locator('.jp-NotebookPanel input.jp-Stdin-input');
  await question.waitFor();
  await question.fill('Io');
  await question.press('Enter');
  await page.locator('.jp-OutputArea-output', { hasText: 'Hello Io' }).waitFor();
  await screenshot('jupyterlab-restarted');
});

test('the kernel ran at the gateway, and a shutdown from the menu ends it there', async () => {
  const kernels = async () => (await gateway.request('GET', '/api/kernels')).json();
  assert.equal((await kernels()).length, 1);
  await menu('Kernel', 'Shut Down Kernel');
  await within(
    30,
    'the kernel to be gone',
    (async () => {
      while ((await kernels()).length > 0) {
        await page.waitForTimeout(100);
      }
    })(),
  );
});
