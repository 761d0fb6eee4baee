// The vocabulary of these tests: a sandbox with its gateway, gateways of other configurations, and a page in a browser.

const { spawn } = require('node:child_process');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { chromium } = require('playwright-core');

const PATIENCE = 20000; // ms; no wait is meant to take this long
const APPID = 'wx0000000000sandbox';
const SECRET = '5a6e7d05a6e7d05a6e7d05a6e7d05a6e';

// A program that runs until `stop`.
class Program {
  constructor(args, options = {}) {
    this.child = spawn(process.env.WXGATE, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    this.text = '';
    this.waiting = [];
    const take = (bytes) => {
      this.text += bytes;
      this.waiting.forEach((look) => look());
    };
    this.child.stdout.on('data', take);
    this.child.stderr.on('data', take);
    this.ended = new Promise((resolve) => this.child.on('exit', resolve));
    process.on('exit', () => this.child.kill('SIGKILL')); // a test that failed has left it running
  }

  // What it says at some time that matches.
  says(pattern) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`it did not say ${pattern}, but:\n${this.text}`)), PATIENCE);
      const look = () => {
        const match = pattern.exec(this.text);
        if (match) {
          clearTimeout(timer);
          resolve(match);
        }
      };
      this.waiting.push(look);
      look();
    });
  }

  async stop() {
    this.child.kill('SIGTERM');
    await this.ended;
  }
}

// `wxgate sandbox` on free ports.
async function sandbox(...more) {
  const program = new Program(['sandbox', '--port', '0', '--wechat-port', '0', '--admin-port', '0', ...more]);
  const [, gateway, wechat] = await program.says(/A gateway at (http:\S+), and .* simulated WeChat at (http:\S+?)\. /);
  const [, page] = await program.says(/in a browser\s+(http:\S+)/);
  return { program, gateway, wechat, page, ...driving(gateway, wechat, page), stop: () => program.stop() };
}

// A gateway of this configuration, at free ports where nothing else is said.
async function gateway(wechat, accounts, { admin = '127.0.0.1:0', listen = 'address = "127.0.0.1:0"' } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'wxgate-page-'));
  const config = `admin.address = "${admin}"\nupstream.base_url = "${wechat}"\n[[listen]]\n${listen}\n${accounts}`;
  writeFileSync(join(directory, 'config.toml'), config, { mode: 0o600 });
  const program = new Program(['run'], { cwd: directory });
  const address = async (whose) => (await program.says(new RegExp(`listening for ${whose} address=(\\S+)\\s`)))[1];
  const url = `http://${await address('callers')}`;
  const page = `http://${await address('the operator')}/`;
  const stop = async () => {
    await program.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  return { program, gateway: url, page, ...driving(url, wechat, page), stop };
}

function driving(gateway, wechat, page) {
  return {
    call: (path, options) => fetch(gateway + path, options),
    order: (name, options = { method: 'POST' }) => fetch(`${wechat}/_sandbox/${name}`, options),
    ledger: async () => (await fetch(`${wechat}/_sandbox/ledger`)).json(),
    status: async () => (await fetch(`${page}status`)).json(),
  };
}

// A browser that asks nobody but whom it is told to.
function browser() {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

// A page at `url`, and everything that went wrong with it: to be empty in the end.
async function open(browser, url, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const wrong = [];
  const requests = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && wrong.push(message.text()));
  page.on('pageerror', (error) => wrong.push(String(error)));
  context.on('request', (request) => {
    requests.push(request);
    const isOwn = request.url().startsWith('data:') || new URL(request.url()).origin === new URL(url).origin;
    if (!isOwn) wrong.push(`a request elsewhere: ${request.url()}`);
  });
  await page.goto(url);
  await page.locator('[data-account]').first().waitFor();
  return { page, context, wrong, requests };
}

// Waits until `look` finds what it wants; `what` says what that is.
async function until(what, look) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

module.exports = { APPID, PATIENCE, SECRET, browser, gateway, open, sandbox, until };
