// Two accounts on one address: each SDK knows its own appid only, and gets its own account's token.
'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { snippets, start } = require('./sdks');
const { MAIN, SHOP, record, trueToken } = require('./wechat');

const INFO = '/cgi-bin/user/info';

for (const snippet of snippets) {
  test(`${snippet}: two accounts do not know of each other`, async () => {
    const [main, shop] = [start(snippet, MAIN), start(snippet, SHOP)];
    // Whatever another test killed is replaced here.
    for (const sdk of [main, shop]) await sdk.info('o1');
    const seen = await record();
    for (const sdk of [main, shop, main, shop]) await sdk.info('o1');
    const [mains, shops] = [await trueToken(MAIN), await trueToken(SHOP)];
    assert.notEqual(mains, shops);
    const both = [[INFO, [mains]], [INFO, [shops]]];
    assert.deepEqual(await seen.calls(), [...both, ...both]);
  });
}
