// What WeChat saw: the sandbox's own record, which is the judge in every test here.
'use strict';

const assert = require('node:assert/strict');

const MAIN = 'wx0000000000sandbox';
const SHOP = 'wx000000000000shop';

const SANDBOX = 'http://127.0.0.1:8090/_sandbox';
// A listener of the gateway that hands out the true tokens. No SDK goes there.
const REAL = 'http://127.0.0.1:8070/cgi-bin/token';

const json = async (url) => (await fetch(url)).json();
const requests = () => json(`${SANDBOX}/requests?last=1000`);

// The requests that reach WeChat from now on.
async function record() {
  const before = (await requests()).total;
  return {
    // Each request's path, and the tokens in its query. No stand-in for a credential may be anywhere in them.
    async calls() {
      const now = await requests();
      const fresh = now.requests.slice(now.requests.length - (now.total - before));
      for (const standIn of ['wxgate', 'not-the-secret', process.env.WECHAT_SECRET]) {
        assert(!JSON.stringify(fresh).includes(standIn), `WeChat saw ${standIn}`);
      }
      return fresh.map(({ target }) => {
        const url = new URL(target, SANDBOX);
        return [url.pathname, url.searchParams.getAll('access_token')];
      });
    },
  };
}

// The account's access_token, as the gateway holds it.
const trueToken = async (appid) => (await json(`${REAL}?appid=${appid}&secret=-`)).access_token;

// How often WeChat was asked for the account's token, by its own books.
const fetches = async (appid) => (await json(`${SANDBOX}/ledger`))[appid];

// Every token of every account is dead now; no one is told.
const killTokens = async () => assert((await fetch(`${SANDBOX}/kill-tokens`, { method: 'POST' })).ok);

module.exports = { MAIN, SHOP, record, trueToken, fetches, killTokens };
