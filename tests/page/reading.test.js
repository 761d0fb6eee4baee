// Languages, themes, narrow screens, keyboards, screen readers, and text that is none of ours.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { after, before, test } = require('node:test');
const vm = require('node:vm');
const axe = require('axe-core');
const { browser, open, sandbox, until } = require('./support');

let chrome;
let world;
before(async () => {
  [chrome, world] = await Promise.all([browser(), sandbox()]);
  // Something of everything: requests, failures, a trouble.
  await world.call('/cgi-bin/menu/get');
  for (let n = 0; n < 3; n += 1) {
    await world.order('another-system-refreshes');
    await world.call('/cgi-bin/user/info?openid=o6');
  }
  await world.order('faults', { method: 'POST', body: '{"path": "/cgi-bin/tags/get", "errcode": 45009}' });
  for (let n = 0; n < 20; n += 1) await world.call('/cgi-bin/tags/get');
});
after(async () => {
  await chrome.close();
  await world.stop();
});

test('the language is the browser’s at first, then the one that was chosen', async () => {
  for (const [locale, heading] of [['zh-CN', '账号'], ['en-GB', 'Accounts'], ['fr-FR', 'Accounts']]) {
    const { page, context, wrong } = await open(chrome, world.page, { locale });
    await page.getByRole('heading', { name: heading, exact: true }).waitFor();
    assert.deepEqual(wrong, []);
    await context.close();
  }
  const { page, wrong } = await open(chrome, world.page);
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  await page.getByRole('button', { name: '中文' }).click();
  await page.reload();
  await page.getByRole('heading', { name: '账号', exact: true }).waitFor();
  assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN');
  assert.deepEqual(wrong, []);
});

test('the theme is the system’s at first, then the one that was chosen', async () => {
  const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const grounds = {};
  for (const colorScheme of ['light', 'dark']) {
    const { page, context } = await open(chrome, world.page, { colorScheme });
    grounds[colorScheme] = await ground(page);
    await context.close();
  }
  assert.notEqual(grounds.light, grounds.dark);
  const { page, wrong } = await open(chrome, world.page, { colorScheme: 'light' });
  await page.getByRole('button', { name: 'Dark' }).click();
  assert.equal(await ground(page), grounds.dark);
  await page.reload();
  await page.locator('[data-account]').first().waitFor();
  assert.equal(await ground(page), grounds.dark);
  await page.getByRole('button', { name: 'Auto' }).click();
  assert.equal(await ground(page), grounds.light);
  assert.deepEqual(wrong, []);
});

test('nothing is wider than a phone', async () => {
  for (const locale of ['en-GB', 'zh-CN']) {
    const { page, context, wrong } = await open(chrome, world.page, { locale, viewport: { width: 360, height: 740 } });
    const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(content <= window, `${content} px of content in ${window} px`);
    assert.deepEqual(wrong, []);
    await context.close();
  }
});

test('a check for accessibility finds nothing, in both themes and languages, with the dialog open and closed', async () => {
  for (const options of [{ colorScheme: 'light' }, { colorScheme: 'dark' }, { locale: 'zh-CN', viewport: { width: 360, height: 740 } }]) {
    const { page, context } = await open(chrome, world.page, options);
    for (const dialog of [false, true]) {
      if (dialog) await page.locator('button[data-do="ask"]').click();
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa'] }));
      assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes[0].html, nodes[0].failureSummary]), []);
    }
    await context.close();
  }
});

test('new figures leave the focus and the selection where they are', async () => {
  const { page, wrong } = await open(chrome, world.page);
  await page.locator('button[data-do="ask"]').focus();
  await page.evaluate(() => getSelection().selectAllChildren(document.querySelector('.failures code.path')));
  const selected = await page.evaluate(() => String(getSelection()));
  await page.waitForResponse((answer) => answer.url().endsWith('/status'));
  await page.waitForResponse((answer) => answer.url().endsWith('/status'));
  assert.equal(await page.evaluate(() => document.activeElement.dataset.do), 'ask');
  assert.equal(await page.evaluate(() => String(getSelection())), selected);
  assert.ok(selected.length > 0);
  assert.deepEqual(wrong, []);
});

test('all failures are shown when they are asked for', async () => {
  const { page, wrong } = await open(chrome, world.page);
  const shown = page.locator('.failures li');
  assert.equal(await shown.count(), 15);
  await page.getByRole('button', { name: 'Show all' }).click();
  assert.equal(await shown.count(), (await world.status()).failures.length);
  await page.getByRole('button', { name: 'Show fewer' }).click();
  assert.equal(await shown.count(), 15);
  assert.deepEqual(wrong, []);
});

test('the pointer shows the figures of one sample and when it was taken', async () => {
  const { page, wrong } = await open(chrome, world.page);
  const chart = page.locator('[data-chart="requests"]');
  const panel = page.locator('.panel', { has: chart });
  const figure = panel.locator('.figure');
  await until('a sample', async () => Number(await chart.getAttribute('data-samples')) > 0);
  // A new sample may come between the question and the look: then once more.
  await until('the figure under the pointer', async () => {
    const { traffic } = await world.status();
    const busiest = traffic.requests.indexOf(Math.max(...traffic.requests));
    const { x, y, width, height } = await chart.boundingBox();
    const slots = Math.max(24, traffic.requests.length);
    await page.mouse.move(x + ((slots - traffic.requests.length + busiest + 0.5) / slots) * width, y + height / 2);
    const rate = traffic.requests[busiest] / traffic.resolution_seconds;
    const written = new Intl.NumberFormat('en-GB', { maximumFractionDigits: rate < 10 ? 1 : 0 }).format(rate);
    return rate > 0 && (await figure.innerText()) === written;
  });
  assert.match(await panel.locator('time').innerText(), /^\d\d:\d\d:\d\d$/);
  await page.mouse.move(0, 0);
  assert.equal(await panel.locator('time').count(), 0);
  assert.deepEqual(wrong, []);
});

test('HTML in any text stays text', async () => {
  const evil = '<img src=x onerror="window.struck=1"><script>window.struck=1</script>\'"><b>';
  const struck = (value) => {
    if (typeof value === 'string') return /^\d{4}-/.test(value) ? value : `${value}${evil}`;
    if (Array.isArray(value)) return value.map(struck);
    if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, struck(inner)]));
    return value;
  };
  const status = struck(await world.status());
  status.version = status.version.replace(evil, '');
  for (const locale of ['en-GB', 'zh-CN']) {
    const context = await chrome.newContext({ locale });
    const page = await context.newPage();
    await page.route('**/status', (route) => route.fulfill({ json: status }));
    await page.goto(world.page);
    await page.locator('[data-account]').first().waitFor();
    await page.locator('button[data-do="ask"]').click();
    assert.equal(await page.locator('img, #page script, #page b > b').count(), 0);
    assert.equal(await page.evaluate(() => window.struck), undefined);
    const text = await page.locator('#page').innerText();
    assert.ok(text.split(evil).length > 20, 'it is shown as it is');
    await context.close();
  }
});

test('both languages say the same things', () => {
  const source = ['advice.js', 'words.js'].map((file) => readFileSync(join(__dirname, '../../src/admin/page', file), 'utf8')).join('');
  const words = vm.runInNewContext(`${source}; WORDS`);
  const keys = (value, path = '') => (typeof value === 'object' ? Object.entries(value).flatMap(([key, inner]) => keys(inner, `${path}.${key}`)) : [path]);
  // What is wrong, /status says in English.
  const without = (language) => keys({ ...words[language], trouble: {} }).sort();
  assert.deepEqual(without('zh'), without('en'));
  const rust = readFileSync(join(__dirname, '../../src/admin/trouble.rs'), 'utf8').split('#[cfg(test)]')[0];
  const kinds = new Set([...rust.matchAll(/"([a-z]+(?:_[a-z]+)+|unreachable)"/g)].map(([, kind]) => kind));
  assert.deepEqual(Object.keys(words.zh.trouble).sort(), [...kinds].sort());
});
