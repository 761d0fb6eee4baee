// A caller whose secret was taken out of the configuration is refused; the others notice nothing.
'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { snippets, start } = require('./sdks');
const { MAIN, record, trueToken } = require('./wechat');

for (const snippet of snippets) {
  test(`${snippet}: a revoked caller is refused and another goes on`, async () => {
    const { CRM, ERP } = process.env;
    const [revoked, other, seen] = [start(snippet, MAIN, CRM), start(snippet, MAIN, ERP), await record()];
    await assert.rejects(revoked.info('o1'));
    assert.deepEqual(await seen.calls(), []);
    assert.equal((await other.info('o1')).subscribe, 1);
    assert.deepEqual(await seen.calls(), [['/cgi-bin/user/info', [await trueToken(MAIN)]]]);
  });
}
