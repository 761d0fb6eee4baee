// What the page shows, held against /status and against what the simulated WeChat counted.

const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const { after, before, test } = require('node:test');
const { APPID, SECRET, browser, gateway, open, sandbox, until } = require('./support');

let chrome;
before(async () => { chrome = await browser(); });
after(() => chrome.close());

const text = (page, selector) => page.locator(selector).first().innerText();
const figure = async (page, selector) => Number((await text(page, selector)).replaceAll(',', ''));

test('the figures are those of /status and of WeChat', async () => {
  const world = await sandbox();
  for (const [path, times] of [['/cgi-bin/menu/get', 1], ['/cgi-bin/user/info?openid=o6', 5], ['/cgi-bin/tags/get', 3]]) {
    for (let n = 0; n < times; n += 1) await world.call(path);
  }
  await world.order('faults', { method: 'POST', body: '{"path": "/cgi-bin/tags/get", "times": 2, "errcode": 45009}' });
  for (let n = 0; n < 2; n += 1) await world.call('/cgi-bin/tags/get');
  await world.order('kill-tokens');
  await world.call('/cgi-bin/menu/get');
  const { page, wrong } = await open(chrome, world.page);

  // 12 of ours; one of them was sent twice, and WeChat saw the gateway's token fetches beside them.
  const { counts } = await (await fetch(`${world.wechat}/_sandbox/requests?last=0`)).json();
  const card = `[data-account="${APPID}"]`;
  await until('the sample with them', async () => (await figure(page, '[data-figure="total"]')) === 12);
  assert.equal(await figure(page, `${card} [data-figure="requests"]`), 12);
  assert.equal(await figure(page, `${card} [data-figure="failed"]`), 2);
  assert.equal(await text(page, `${card} [data-figure="healed"]`), '1 of 1');
  assert.equal(await figure(page, '[data-figure="failed"]'), 2);
  for (const [path, requests, failed, resent] of [['/cgi-bin/user/info', 5, 0, 0], ['/cgi-bin/tags/get', 5, 2, 0], ['/cgi-bin/menu/get', 2, 0, 1]]) {
    assert.equal(await figure(page, `tr[data-path="${path}"] [data-figure="requests"]`), requests, path);
    assert.equal(await figure(page, `tr[data-path="${path}"] [data-figure="failed"]`), failed, path);
    assert.equal(counts[path], requests + resent, `${path} at WeChat`);
  }
  const status = await world.status();
  assert.equal(await figure(page, `${card} [data-figure="generation"]`), status.accounts[0].token.generation);
  assert.equal(await figure(page, `${card} [data-figure="died_early"]`), status.accounts[0].died_early);
  const shown = await text(page, '.failures li');
  for (const part of ['errcode 45009', 'GET /cgi-bin/tags/get', `rid ${status.failures[0].rid}`, 'quota']) assert.ok(shown.includes(part), `${part} in ${shown}`);
  assert.deepEqual(wrong, []);
  await world.stop();
});

test('a gateway that has just started says what it waits for', async () => {
  const world = await sandbox();
  const { page, wrong } = await open(chrome, world.page);
  await page.getByText('No request has failed.').waitFor();
  await page.getByText('WeChat has not refused anything.').waitFor();
  await page.getByText('No request yet.').waitFor();
  assert.equal(await text(page, 'h1'), 'All is well');
  assert.deepEqual(wrong, []);
  await world.stop();
});

test('another system that refreshes is told in words, in both languages', async () => {
  const world = await sandbox();
  await world.call('/cgi-bin/menu/get');
  for (let n = 0; n < 4; n += 1) {
    await world.order('another-system-refreshes');
    await world.call('/cgi-bin/menu/get');
  }
  const { page, wrong } = await open(chrome, world.page);
  await page.getByText(`Another system is refreshing ${APPID}: 4 tokens died early in the last hour`).waitFor();
  assert.equal(await text(page, 'h1'), '1 trouble');
  await page.getByRole('button', { name: '中文' }).click();
  await page.getByText(`有别的系统也在刷新 ${APPID}：最近一小时有 4 个 token 提前失效`).waitFor();
  assert.equal(await text(page, 'h1'), '1 个问题');
  assert.deepEqual(wrong, []);
  await world.stop();
});

test('callers and several accounts are shown as they are configured', async () => {
  const world = await sandbox('--account', 'wxshop:itssecret');
  const secret = 'b'.repeat(32);
  const hash = createHash('sha256').update(secret).digest('hex');
  const accounts = `
    [[account]]
    name = "main"
    appid = "${APPID}"
    secret = "${SECRET}"
    default = true
    [[account]]
    name = "shop"
    appid = "wxshop"
    secret = "itssecret"
    [[caller]]
    name = "crm"
    secrets = ["${hash}"]`;
  const own = await gateway(world.wechat, accounts, { listen: 'address = "127.0.0.1:0"\nadmit = ["bearer"]' });
  for (let n = 0; n < 3; n += 1) await own.call('/cgi-bin/menu/get', { headers: { Authorization: `Bearer ${secret}` } });
  await own.call('/cgi-bin/menu/get', { headers: { Authorization: 'Bearer wrong' } });
  const { page, wrong } = await open(chrome, own.page);
  assert.deepEqual(await page.locator('[data-account] h3').allInnerTexts(), ['main', 'shop']);
  const row = page.locator('tr', { has: page.getByRole('cell', { name: 'crm', exact: true }) });
  await until('the callers row', async () => (await row.innerText()).replaceAll(/\s+/g, ' ') === 'crm 3 0 0 0');
  const unknown = page.locator('tr', { has: page.getByRole('cell', { name: 'unknown', exact: true }) });
  assert.equal((await unknown.innerText()).replaceAll(/\s+/g, ' ').trim(), 'unknown 1');
  assert.deepEqual(wrong, []);
  await own.stop();
  await world.stop();
});

test('a gateway that ends is said to be gone, and one that comes back to be there', async () => {
  const world = await sandbox();
  const accounts = `[[account]]\nname = "main"\nappid = "${APPID}"\nsecret = "${SECRET}"\n`;
  const first = await gateway(world.wechat, accounts);
  const { page } = await open(chrome, first.page);
  await first.stop();
  await page.getByText('Nobody listens there').waitFor();
  assert.equal(await text(page, 'h1'), 'The gateway does not answer');
  assert.match(await text(page, '.gone'), /No answer since \d\d:\d\d:\d\d/);
  const again = await gateway(world.wechat, accounts, { admin: new URL(first.page).host });
  await page.getByRole('heading', { level: 1, name: 'All is well' }).waitFor();
  assert.equal(await page.locator('.gone').count(), 0);
  await again.stop();
  await world.stop();
});
