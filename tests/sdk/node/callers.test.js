// Where callers are demanded, an SDK without a virtual secret gets nowhere, and two with one do.
'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { snippets, start } = require('./sdks');
const { MAIN, record } = require('./wechat');

for (const snippet of snippets) {
  test(`${snippet}: a wrong secret is refused before WeChat hears of it`, async () => {
    const [stranger, seen] = [start(snippet, MAIN, '0'.repeat(32)), await record()];
    await assert.rejects(stranger.info('o1'));
    assert.deepEqual(await seen.calls(), []);
  });

  for (const caller of ['CRM', 'ERP']) {
    test(`${snippet}: ${caller} has a secret of its own`, async () => {
      assert.equal((await start(snippet, MAIN, process.env[caller]).info('o1')).subscribe, 1);
    });
  }
}
