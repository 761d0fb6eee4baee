//! What Redis does in one step. Scripts run alone: nothing comes between a look and the write that rests on it.

/// KEYS: token. → {} or {fence, sealed, milliseconds left}.
pub(super) const READ: &str = "
local token = redis.call('HMGET', KEYS[1], 'fence', 'sealed')
if not token[1] then return {} end
return {token[1], token[2], redis.call('PTTL', KEYS[1])}
";

/// KEYS: token, claim, fence. ARGV: the fence that is known, the lease in milliseconds.
/// → {'newer', fence, sealed, left}, {'held'}, {'failed', what, milliseconds} or {'granted', fence}.
///
/// The next fence is greater than what the asker knows, and not below Redis's clock in microseconds: a Redis that has lost
/// its count, and with it who is fetching, must not give out a fence twice. Such numbers are exact in Lua until 2255.
pub(super) const CLAIM: &str = "
local token = redis.call('HMGET', KEYS[1], 'fence', 'sealed')
local known = tonumber(ARGV[1])
if token[1] and tonumber(token[1]) > known then
  return {'newer', token[1], token[2], redis.call('PTTL', KEYS[1])}
end
local claim = redis.call('GET', KEYS[2])
if claim then
  if string.sub(claim, 1, 1) == '{' then return {'failed', claim, redis.call('PTTL', KEYS[2])} end
  return {'held'}
end
local time = redis.call('TIME')
local fence = math.max(tonumber(redis.call('GET', KEYS[3]) or 0), tonumber(token[1] or 0), known) + 1
fence = math.max(fence, time[1] * 1000000 + time[2])
fence = string.format('%.0f', fence)
redis.call('SET', KEYS[3], fence)
redis.call('SET', KEYS[2], fence, 'PX', ARGV[2])
return {'granted', fence}
";

/// KEYS: claim. ARGV: its fence, the lease in milliseconds. → {}.
pub(super) const RENEW: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return {}
";

/// KEYS: token, claim. ARGV: the fence, the sealed token, milliseconds left.
/// → {} or, where a newer token is there and stays, {fence, sealed, left}.
pub(super) const PUBLISH: &str = "
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
local token = redis.call('HMGET', KEYS[1], 'fence', 'sealed')
if token[1] and tonumber(token[1]) > tonumber(ARGV[1]) then
  return {token[1], token[2], redis.call('PTTL', KEYS[1])}
end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'sealed', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {}
";

/// KEYS: claim. ARGV: its fence; a failure as a JSON object or nothing; for how many milliseconds it stands. → {}.
pub(super) const RELEASE: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then
  if ARGV[2] == '' or ARGV[3] == '0' then redis.call('DEL', KEYS[1])
  else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
end
return {}
";

/// KEYS: classic. 20 at once, then one a minute: the key holds the time at which the bucket is full again. → {'ok'} or {'rate'}.
pub(super) const SPEND_CLASSIC: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + 60000
if full - now > 20 * 60000 then return {'rate'} end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', string.format('%.0f', full - now))
return {'ok'}
";

/// KEYS: forced. One in 30 s and 20 a day (wechat.md §1): the key lists their times. → {'ok'}, {'soon'} or {'today'}.
pub(super) const SPEND_FORCED: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('LINDEX', KEYS[1], 0) or 0)
local twentieth = tonumber(redis.call('LINDEX', KEYS[1], 19) or 0)
if now - twentieth < 86400000 then return {'today'} end
if now - last < 30000 then return {'soon'} end
redis.call('LPUSH', KEYS[1], string.format('%.0f', now))
redis.call('LTRIM', KEYS[1], 0, 19)
redis.call('PEXPIRE', KEYS[1], 86400000)
return {'ok'}
";
