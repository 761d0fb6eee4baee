// The button that fetches a token.

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { APPID, browser, open, sandbox, until } = require('./support');

let chrome;
let world;
before(async () => {
  [chrome, world] = await Promise.all([browser(), sandbox()]);
  await world.call('/cgi-bin/menu/get');
});
after(async () => {
  await chrome.close();
  await world.stop();
});

const button = (page) => page.locator('button[data-do="ask"]');
const posts = (requests) => requests.filter((request) => request.method() === 'POST');
const fetches = async () => JSON.stringify(await world.ledger());

test('it asks first, and a no is a no', async () => {
  const { page, wrong, requests } = await open(chrome, world.page);
  const before = await fetches();
  await button(page).click();
  await page.getByRole('dialog').getByText(`Fetch a token for ${APPID}?`).waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.keyboard.press('Enter'); // the focus is back on the button
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  assert.deepEqual(posts(requests), []);
  assert.equal(await fetches(), before);
  assert.deepEqual(wrong, []);
});

test('a yes asks WeChat once and says what came of it', async () => {
  const { page, wrong, requests } = await open(chrome, world.page);
  const before = await world.status();
  await button(page).click();
  await page.getByRole('button', { name: 'Fetch', exact: true }).click();
  await page.getByText('WeChat handed out the same token').waitFor();
  const [post] = posts(requests);
  assert.equal(posts(requests).length, 1);
  assert.equal(post.headers()['x-wxgate-admin'], '1');
  assert.equal((await world.status()).accounts[0].last_refresh.reason, 'operator');
  await page.getByText('you asked for it').waitFor();

  await button(page).click();
  assert.equal(await page.getByRole('checkbox').isChecked(), false, 'force is never remembered');
  await page.getByRole('checkbox').check();
  await page.getByRole('button', { name: 'Fetch', exact: true }).click();
  const generation = before.accounts[0].token.generation + 1;
  await page.getByText(`a new token, generation ${generation}`).waitFor();
  await until('the new generation', async () => (await page.locator('[data-figure="generation"]').innerText()) === String(generation));
  assert.deepEqual(wrong, []);
});

test('what the guard refuses, the page says, and asks for the token that lets people in from elsewhere', async () => {
  const { page, requests } = await open(chrome, world.page);
  const before = await fetches();
  await page.route('**/refresh', (route) => {
    const headers = route.request().headers();
    delete headers['x-wxgate-admin'];
    return route.continue({ headers });
  });
  await button(page).click();
  await page.getByRole('button', { name: 'Fetch', exact: true }).click();
  await page.getByText('needs the field X-Wxgate-Admin: 1').waitFor();
  assert.equal(await fetches(), before);

  await page.unroute('**/refresh');
  const field = page.getByLabel('admin.token');
  await button(page).click();
  await field.fill('the-admin-token');
  await page.getByRole('button', { name: 'Fetch', exact: true }).click();
  await page.getByText('WeChat handed out the same token').waitFor();
  assert.equal(posts(requests).at(-1).headers().authorization, 'Bearer the-admin-token');
  await button(page).click();
  assert.equal(await field.inputValue(), '', 'it is kept nowhere');
});

test('a page of another site can neither fetch a token nor read the status', async () => {
  const context = await chrome.newContext();
  const page = await context.newPage();
  // The simulated WeChat is at another port, which makes it another origin.
  await page.goto(`${world.wechat}/_sandbox/ledger`);
  const tried = await page.evaluate(async (url) => {
    const outcome = (promise) => promise.then((answer) => answer.type, () => 'refused');
    return [
      await outcome(fetch(`${url}status`)),
      await outcome(fetch(`${url}accounts/main/refresh`, { method: 'POST', headers: { 'X-Wxgate-Admin': '1' } })),
    ];
  }, world.page);
  assert.deepEqual(tried, ['refused', 'refused']);
  await context.close();
});

test('an address that WeChat refuses is named with what to do', async () => {
  await world.order('ip-whitelist', { method: 'PUT', body: '["203.0.113.9"]' });
  const { page, wrong } = await open(chrome, world.page);
  await button(page).click();
  await page.getByRole('button', { name: 'Fetch', exact: true }).click();
  await page.getByText(`WeChat refuses 127.0.0.1: add it to the IP whitelist of ${APPID}`).first().waitFor();
  await page.getByRole('button', { name: '中文' }).click();
  await page.getByText(`微信拒绝了 127.0.0.1：请在微信后台把它加进 ${APPID} 的 IP 白名单`).waitFor();
  assert.deepEqual(wrong.filter((line) => !line.includes('502')), []);
  await world.order('ip-whitelist', { method: 'PUT', body: 'null' });
});
