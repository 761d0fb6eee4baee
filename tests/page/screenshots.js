// Makes the pictures of the documents: a gateway under load, while tokens are killed, another system refreshes them, and an
// address is not on the whitelist any more. Started by `tests/page/run screenshots`.

const { createHash } = require('node:crypto');
const { mkdirSync, mkdtempSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { APPID, SECRET, browser, gateway, open, sandbox, until } = require('./support');

const MINUTES = Number(process.env.MINUTES ?? 3.5);
const CALLERS = ['crm', 'orders'];

// How often a path is called, relative to the others, and how long WeChat takes for it.
const PATHS = [
  ['GET', '/cgi-bin/user/info?openid=o6_bmjrPTlm6_2sgVt7hMZOPfL2M', 12, '35ms'],
  ['POST', '/cgi-bin/message/custom/send', 5, '60ms'],
  ['POST', '/wxa/msg_sec_check', 4, '90ms'],
  ['GET', '/cgi-bin/user/get', 1, '180ms'],
  ['GET', '/sns/jscode2session?js_code=code&grant_type=authorization_code', 3, '45ms'],
  ['POST', '/wxa/getwxacodeunlimit', 1, '420ms'],
  ['POST', '/cgi-bin/tags/members/batchtagging', 1, '50ms'],
];
const BODIES = {
  '/cgi-bin/message/custom/send': '{"touser":"o6_bmjrPTlm6_2sgVt7hMZOPfL2M","msgtype":"text","text":{"content":"hello"}}',
  '/wxa/msg_sec_check': '{"content":"hello","version":2,"scene":1,"openid":"o6_bmjrPTlm6_2sgVt7hMZOPfL2M"}',
  '/wxa/getwxacodeunlimit': '{"scene":"a=1"}',
};

const fault = (world, order) => world.order('faults', { method: 'POST', body: JSON.stringify(order) });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function load(own, end) {
  const deck = PATHS.flatMap((entry) => Array(entry[2]).fill(entry));
  const begun = Date.now();
  while (Date.now() < end) {
    const [method, path] = deck[Math.floor(Math.random() * deck.length)];
    const [caller, account] = [CALLERS[Math.random() < 0.7 ? 0 : 1], Math.random() < 0.8 ? 'main' : 'shop'];
    const headers = { Authorization: `Bearer ${caller}-secret`, 'X-Wxgate-Account': account };
    own.call(path, { method, headers, body: BODIES[path.split('?')[0]] }).then((answer) => answer.arrayBuffer()).catch(() => {});
    const wave = 1 + 0.45 * Math.sin((Date.now() - begun) / 31000) + 0.25 * Math.sin((Date.now() - begun) / 7000);
    await pause(1000 / (28 * wave));
  }
}

async function trouble(world, own, end) {
  const step = (end - Date.now()) / 12;
  const sent = (path) => own.call(path, { headers: { Authorization: 'Bearer crm-secret', 'X-Wxgate-Account': 'main' } });
  await pause(3 * step);
  for (let n = 0; n < 2; n += 1) {
    await world.order('another-system-refreshes', { method: 'POST', body: JSON.stringify({ appid: APPID }) });
    await pause(step);
  }
  await world.order('kill-tokens');
  await pause(step);
  for (let n = 0; n < 2; n += 1) {
    await world.order('another-system-refreshes', { method: 'POST', body: JSON.stringify({ appid: APPID }) });
    await pause(step);
  }
  await own.call('/cgi-bin/user/get', { headers: { Authorization: 'Bearer wrong' } });
  await world.order('ip-whitelist', { method: 'PUT', body: '["198.51.100.20"]' });
  await fetch(`${own.page}accounts/shop/refresh`, { method: 'POST', headers: { 'X-Wxgate-Admin': '1' } });
  for (const [path, errcode] of [['/cgi-bin/menu/create', 45009], ['/wxa/business/getuserphonenumber', 48001], ['/cgi-bin/menu/create', 45009]]) {
    await fault(world, { path, times: 1, errcode });
    await sent(path);
    await pause(step / 3);
  }
}

// The distribution's system font is not what people have: one that is drawn as theirs are stands in for it.
function fonts() {
  const file = join(mkdtempSync(join(tmpdir(), 'wxgate-fonts-')), 'fonts.conf');
  const alias = (family) => `<match target="pattern"><test name="family"><string>${family}</string></test><edit name="family" mode="prepend" binding="strong"><string>Inter</string></edit></match>`;
  writeFileSync(file, `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><include>/etc/fonts/fonts.conf</include>${['system-ui', 'sans', 'sans-serif'].map(alias).join('')}</fontconfig>`);
  process.env.FONTCONFIG_FILE = file;
}

async function main(directory) {
  fonts();
  const world = await sandbox('--account', 'wx000000000000shop:itssecret');
  const callers = CALLERS.map((name) => `[[caller]]\nname = "${name}"\nsecrets = ["${createHash('sha256').update(`${name}-secret`).digest('hex')}"]\n`);
  const own = await gateway(world.wechat, `
    [[account]]
    name = "main"
    appid = "${APPID}"
    secret = "${SECRET}"
    default = true
    [[account]]
    name = "shop"
    appid = "wx000000000000shop"
    secret = "itssecret"
    ${callers.join('')}`, { listen: 'address = "127.0.0.1:0"\nadmit = ["bearer"]' });
  for (const [, path, , delay] of PATHS) await fault(world, { path: path.split('?')[0], delay });
  const end = Date.now() + MINUTES * 60000;
  const loading = load(own, end);
  await trouble(world, own, end - 20000);
  await until('both troubles', async () => (await own.status()).accounts.every(({ troubles }) => troubles.length > 0));

  mkdirSync(directory, { recursive: true });
  const chrome = await browser();
  const views = [];
  for (const colorScheme of ['light', 'dark']) {
    for (const [language, locale] of [['en', 'en-GB'], ['zh', 'zh-CN']]) {
      views.push([`status-${colorScheme}-${language}.png`, { colorScheme, locale, viewport: { width: 1200, height: 920 } }]);
    }
  }
  views.push(['status-phone.png', { locale: 'zh-CN', viewport: { width: 390, height: 844 } }]);
  for (const [file, options] of views) {
    const { page, context } = await open(chrome, own.page, options);
    await page.screenshot({ path: join(directory, file), animations: 'disabled', fullPage: process.env.WHOLE === '1' });
    await context.close();
  }
  await chrome.close();
  await loading;
  await own.stop();
  await world.stop();
}

main(process.argv[2]).then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
