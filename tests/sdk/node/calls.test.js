// Each SDK's calls work, WeChat sees one true token in each, and a dead token is nobody's business but wxgate's.
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const { test } = require('node:test');

const { snippets, start } = require('./sdks');
const { MAIN, record, trueToken, fetches, killTokens } = require('./wechat');

const OPENID = 'o6_bmjrPTlm6_2sgVt7hMZOPfL2M';
const INFO = '/cgi-bin/user/info';

for (const snippet of snippets) {
  test(`${snippet}: text calls`, async () => {
    const [sdk, seen] = [start(snippet), await record()];
    assert.equal((await sdk.info(OPENID)).openid, OPENID);
    assert.equal((await sdk.send(OPENID, '你好')).errcode, 0);
    const token = await trueToken(MAIN);
    assert.deepEqual(await seen.calls(), [[INFO, [token]], ['/cgi-bin/message/custom/send', [token]]]);
  });

  test(`${snippet}: a long list`, async () => {
    const [sdk, seen] = [start(snippet), await record()];
    const followers = await sdk.followers();
    assert.deepEqual([followers.total, followers.count, followers.data.openid.length], [12_000, 10_000, 10_000]);
    assert.deepEqual(await seen.calls(), [['/cgi-bin/user/get', [await trueToken(MAIN)]]]);
  });

  test(`${snippet}: an upload comes back as it went`, async () => {
    const picture = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), crypto.randomBytes(200_000)]);
    fs.writeFileSync('picture.png', picture);
    const [sdk, seen] = [start(snippet), await record()];
    assert((await sdk.download(await sdk.upload('picture.png'))).equals(picture));
    const token = await trueToken(MAIN);
    assert.deepEqual(await seen.calls(), [['/cgi-bin/media/upload', [token]], ['/cgi-bin/media/get', [token]]]);
  });

  test(`${snippet}: a killed token is replaced and the SDK goes on`, async () => {
    const sdk = start(snippet);
    await sdk.info(OPENID);
    const [dead, seen, before] = [await trueToken(MAIN), await record(), await fetches(MAIN)];
    await killTokens();
    for (const _ of [1, 2]) assert.equal((await sdk.info(OPENID)).openid, OPENID);
    const alive = await trueToken(MAIN);
    assert.notEqual(alive, dead);
    assert.deepEqual(await seen.calls(), [
      [INFO, [dead]], ['/cgi-bin/stable_token', []], [INFO, [alive]], [INFO, [alive]],
    ]);
    assert.deepEqual(await fetches(MAIN), { ...before, stable: before.stable + 1, minted: before.minted + 1 });
    assert.equal(before.refused, 0);
  });
}

for (const snippet of ['co-wechat-api', 'node-easywechat']) {
  test(`${snippet}: a login with a secret that is not the account's`, async () => {
    const [sdk, seen] = [start(snippet), await record()];
    assert((await sdk.login('good-code')).session_key);
    assert.deepEqual(await seen.calls(), [['/sns/jscode2session', []]]);
  });
}
