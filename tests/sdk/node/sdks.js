// The SDKs, as docs/sdks.md sets them up, and how each is asked for the same things.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { promisify } = require('node:util');

const { MAIN } = require('./wechat');

const coWechatApi = (api) => ({
  info: (openid) => api.getUser(openid),
  followers: () => api.getFollowers(),
  send: (openid, text) => api.sendText(openid, text),
  upload: async (path) => (await api.uploadMedia(path, 'image')).media_id,
  download: (mediaId) => api.getMedia(mediaId),
  login: (code) => api.code2Session(code),
});

const wechatApi = (api) => {
  const call = (name, ...args) => promisify(api[name]).apply(api, args);
  return {
    info: (openid) => call('getUser', openid),
    followers: () => call('getFollowers'),
    send: (openid, text) => call('sendText', openid, text),
    upload: async (path) => (await call('uploadMedia', path, 'image')).media_id,
    download: (mediaId) => call('getMedia', mediaId),
    // It has no call for a login.
  };
};

const easyWechat = (app) => {
  const client = app.getClient();
  // It throws for an HTTP status only; an errcode is its user's to look at.
  const fields = async (sent) => {
    const answer = (await sent).toObject();
    if (answer.errcode) throw new Error(JSON.stringify(answer));
    return answer;
  };
  return {
    info: (openid) => fields(client.get('/cgi-bin/user/info', { params: { openid } })),
    followers: () => fields(client.get('/cgi-bin/user/get')),
    send: (touser, content) =>
      fields(client.post('/cgi-bin/message/custom/send', { json: { touser, msgtype: 'text', text: { content } } })),
    upload: async (path) =>
      (await fields(client.withFile(path, 'media').post('/cgi-bin/media/upload', { params: { type: 'image' } }))).media_id,
    download: async (mediaId) => {
      const payload = { params: { media_id: mediaId }, responseType: 'arraybuffer' };
      return (await client.get('/cgi-bin/media/get', payload)).getContent();
    },
    // Only its mini programs can do this.
    login: app.getUtils().codeToSession && ((code) => app.getUtils().codeToSession(code)),
  };
};

const ways = {
  'co-wechat-api': coWechatApi,
  'node-easywechat': easyWechat,
  'node-easywechat-hosts': easyWechat,
  'wechat-api': wechatApi,
};

// Every snippet of the document: one that is not in `ways` is an error.
const snippets = fs.readdirSync(process.env.SNIPPETS).filter((name) => name.endsWith('.js')).map((name) => name.slice(0, -3));
assert.deepEqual(snippets.sort(), Object.keys(ways).sort());

// Runs a snippet as a program that has these credentials in its environment.
function start(snippet, appid = MAIN, secret = process.env.WECHAT_SECRET) {
  const before = { ...process.env };
  Object.assign(process.env, { WECHAT_APPID: appid, WECHAT_SECRET: secret });
  try {
    const file = require.resolve(`${process.env.SNIPPETS}/${snippet}.js`);
    delete require.cache[file];
    return ways[snippet](require(file));
  } finally {
    process.env.WECHAT_SECRET = before.WECHAT_SECRET;
    delete process.env.WECHAT_APPID;
  }
}

module.exports = { snippets, start };
