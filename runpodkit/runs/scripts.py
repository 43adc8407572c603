"""The ledger's scripts: what has to happen in Redis in one piece.

Each is Lua, takes the run's keys by KEYS and everything else as JSON or numbers, reads
the time from Redis (so machines need not agree on a clock) and checks the fence of the
lease before it changes a trial.
"""

from __future__ import annotations

_NOW = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
"""

CREATE = (
    _NOW
    + """
-- KEYS: run, runs, active   ARGV: name, head, trials, lists it in runs (1/0)
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('HGET', KEYS[1], 'head') end
redis.call('HSET', KEYS[1], 'head', ARGV[2], 'state', 'RUNNING', 'n:PLANNED', ARGV[3], 'since', now)
redis.call('ZADD', KEYS[3], now, ARGV[1])
if ARGV[4] == '1' then redis.call('ZADD', KEYS[2], now, ARGV[1]) end
return false
"""
)

APPLY = (
    _NOW
    + """
-- KEYS: prefix of all keys   ARGV[1]: a JSON list of changes; gives a JSON list of answers, one each
local prefix = KEYS[1]
local answers = {}
for i, c in ipairs(cjson.decode(ARGV[1])) do
  local run = prefix .. 'run:' .. c.run
  local answer = 'ok'
  local lease = redis.call('HGET', run .. ':batches', c.batch)
  local held = lease and cjson.decode(lease)
  if not held or held.fence ~= c.fence then
    answer = 'fenced'
  elseif c.claim == 'take' then
    local claim = prefix .. 'claim:' .. c.key
    local owner = redis.call('GET', claim)
    local known = owner and cjson.decode(owner)
    if known and (known.row or known.owner ~= c.owner) then
      answer = owner
    elseif not owner then
      redis.call('SET', claim, cjson.encode({owner = c.owner}))
    end
  elseif c.claim == 'heed' or c.claim == 'found' then  -- takes no claim, but stops at one: that of a prune, or any
    local owner = redis.call('GET', prefix .. 'claim:' .. c.key)
    local whose = owner and cjson.decode(owner).owner
    if whose and whose ~= c.owner and (c.claim == 'found' or string.sub(whose, 1, 6) == 'prune/') then answer = owner end
  end
  if answer == 'ok' then
    local old = redis.call('HGET', run .. ':rows', c.trial)
    local before = old and string.match(old, '^[A-Z]+') or 'PLANNED'
    local after = string.match(c.row, '^[A-Z]+')
    if before ~= after then
      redis.call('HINCRBY', run, 'n:' .. before, -1)
      redis.call('HINCRBY', run, 'n:' .. after, 1)
    end
    redis.call('HSET', run .. ':rows', c.trial, c.row)
    for name, by in pairs(c.add or {}) do
      if name == 'paid' or name == 'guessed' or name == 'unpriced' then  -- by all runs together, on this day
        local day = prefix .. name .. ':' .. math.floor(now / 86400)
        redis.call('INCRBYFLOAT', day, by)
        redis.call('EXPIRE', day, 172800)
      else
        redis.call('HINCRBYFLOAT', run, name, by)
      end
    end
    redis.call('XADD', run .. ':events', 'MAXLEN', '~', 20000, '*', 'trial', c.trial, 'state', after)
    if c.claim == 'keep' then
      redis.call('SET', prefix .. 'claim:' .. c.key, c.kept, 'EX', 604800)
    elseif c.claim == 'drop' then
      local claim = prefix .. 'claim:' .. c.key
      local owner = redis.call('GET', claim)
      if owner and cjson.decode(owner).owner == c.owner then redis.call('DEL', claim) end
    end
  end
  answers[i] = answer
end
return cjson.encode(answers)
"""
)

CLAIM_BATCHES = (
    _NOW
    + """
-- KEYS: run, batches   ARGV: owner, lease seconds, batches in all, how many; gives {number, fence, ...}
local got = {}
for number = 0, tonumber(ARGV[3]) - 1 do
  if #got >= 2 * tonumber(ARGV[4]) then break end
  local text = redis.call('HGET', KEYS[2], number)
  local lease = text and cjson.decode(text) or {['until'] = 0}
  if not lease.done and lease['until'] < now then
    local fence = redis.call('HINCRBY', KEYS[1], 'fence', 1)
    redis.call('HSET', KEYS[2], number,
      cjson.encode({owner = ARGV[1], fence = fence, ['until'] = now + tonumber(ARGV[2])}))
    got[#got + 1] = number
    got[#got + 1] = fence
  end
end
return got
"""
)

BEAT = (
    _NOW
    + """
-- KEYS: run, batches, drivers, runs that send to this endpoint, prefix of what was paid by day
-- ARGV: owner, lease seconds, jobs in flight, draining (1/0), gone (1/0), JSON list of {number, fence}, name, wants (1/0)
-- Renews what is still held and tells: state, kind of hold, jobs in flight of draining and of other drivers, drivers
-- that share the window, runs that share the endpoint, budget spent, JSON list of lost batches.
local lost = {}
for _, pair in ipairs(cjson.decode(ARGV[6])) do
  local text = redis.call('HGET', KEYS[2], pair[1])
  local lease = text and cjson.decode(text)
  if lease and lease.fence == pair[2] then
    lease['until'] = now + tonumber(ARGV[2])
    redis.call('HSET', KEYS[2], pair[1], cjson.encode(lease))
  else
    lost[#lost + 1] = pair[1]
  end
end
if ARGV[5] == '1' then redis.call('HDEL', KEYS[3], ARGV[1])
else
  redis.call('HSET', KEYS[3], ARGV[1], cjson.encode({beat = now, flight = tonumber(ARGV[3]), drains = ARGV[4] == '1'}))
end
local drained, others, sharing = 0, 0, 0
local all = redis.call('HGETALL', KEYS[3])
for i = 1, #all, 2 do
  local driver = cjson.decode(all[i + 1])
  if now - driver.beat > 20 then redis.call('HDEL', KEYS[3], all[i])
  elseif driver.drains then drained = drained + driver.flight
  else
    sharing = sharing + 1
    if all[i] ~= ARGV[1] then others = others + driver.flight end
  end
end
if ARGV[8] == '1' then redis.call('ZADD', KEYS[4], now, ARGV[7]) end
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - 5)
redis.call('EXPIRE', KEYS[4], 60)
local about = redis.call('HMGET', KEYS[1], 'state', 'hold', 'cost', 'successes')
return cjson.encode({state = about[1] or 'GONE', hold = about[2] or '', drained = drained, others = others, sharing = sharing,
  runs = math.max(1, redis.call('ZCARD', KEYS[4])),
  paid_today = tonumber(redis.call('GET', KEYS[5] .. math.floor(now / 86400)) or '0'),
  cost = tonumber(about[3] or '0'), successes = tonumber(about[4] or '0'), lost = lost})
"""
)

RELEASE = (
    _NOW
    + """
-- KEYS: run, batches, active   ARGV: number, fence, done (1/0), batches in all, name; gives 1 if the run is over
local text = redis.call('HGET', KEYS[2], ARGV[1])
local lease = text and cjson.decode(text)
if not lease or lease.fence ~= tonumber(ARGV[2]) then return 0 end
if lease.done then  -- asked again, because the first answer was lost
  return tonumber(redis.call('HGET', KEYS[1], 'batches_done')) >= tonumber(ARGV[4]) and 1 or 0
end
lease['until'] = 0
lease.done = ARGV[3] == '1' or nil
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(lease))
if not lease.done then return 0 end
if redis.call('HINCRBY', KEYS[1], 'batches_done', 1) < tonumber(ARGV[4]) then return 0 end
if redis.call('HGET', KEYS[1], 'state') ~= 'CANCELLED' then redis.call('HSET', KEYS[1], 'state', 'DONE', 'reason', '') end
redis.call('HSET', KEYS[1], 'ended', now)
redis.call('ZREM', KEYS[3], ARGV[5])
for _, part in ipairs({'', ':rows', ':batches', ':events'}) do redis.call('EXPIRE', KEYS[1] .. part, 604800) end
redis.call('XADD', KEYS[1] .. ':events', 'MAXLEN', '~', 20000, '*', 'run', redis.call('HGET', KEYS[1], 'state'))
return 1
"""
)

SET_STATE = (
    _NOW
    + """
-- KEYS: run   ARGV: new state, reason, hold (probe, person or nothing), JSON list of states it may come from; gives 1 if it changed
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 0 end
for _, allowed in ipairs(cjson.decode(ARGV[4])) do
  if state == allowed then
    redis.call('HSET', KEYS[1], 'state', ARGV[1], 'reason', ARGV[2], 'hold', ARGV[3], 'since', now)
    redis.call('XADD', KEYS[1] .. ':events', 'MAXLEN', '~', 20000, '*', 'run', ARGV[1])
    return 1
  end
end
return 0
"""
)

BURY = """
-- KEYS: run   ARGV: JSON list of owners that are dead for certain: their leases are free at once
for _, owner in ipairs(cjson.decode(ARGV[1])) do
  redis.call('HDEL', KEYS[1] .. ':drivers', owner)
  local all = redis.call('HGETALL', KEYS[1] .. ':batches')
  for i = 1, #all, 2 do
    local lease = cjson.decode(all[i + 1])
    if lease.owner == owner and not lease.done then
      lease['until'] = 0
      redis.call('HSET', KEYS[1] .. ':batches', all[i], cjson.encode(lease))
    end
  end
end
"""

RETRY = (
    _NOW
    + """
-- KEYS: run, active   ARGV: name, JSON list of {trial, batch, state it has, new row}; gives how many go again
-- Only trials of closed batches change: an open one is its driver's.
local again = 0
for _, c in ipairs(cjson.decode(ARGV[2])) do
  local text = redis.call('HGET', KEYS[1] .. ':rows', c[1])
  local before = text and string.match(text, '^[A-Z]+')
  local lease = cjson.decode(redis.call('HGET', KEYS[1] .. ':batches', c[2]) or '{}')
  if before == c[3] and (lease.done or lease.reopened) then
    if lease.done then
      redis.call('HSET', KEYS[1] .. ':batches', c[2], cjson.encode({fence = lease.fence, reopened = true, ['until'] = 0}))
      redis.call('HINCRBY', KEYS[1], 'batches_done', -1)
    end
    redis.call('HINCRBY', KEYS[1], 'n:' .. before, -1)
    redis.call('HINCRBY', KEYS[1], 'n:PLANNED', 1)
    redis.call('HSET', KEYS[1] .. ':rows', c[1], c[4])
    redis.call('XADD', KEYS[1] .. ':events', 'MAXLEN', '~', 20000, '*', 'trial', c[1], 'state', 'PLANNED')
    again = again + 1
  end
end
if again > 0 then
  redis.call('HSET', KEYS[1], 'state', 'RUNNING', 'reason', '', 'hold', '', 'since', now)
  redis.call('HDEL', KEYS[1], 'ended')
  redis.call('ZADD', KEYS[2], now, ARGV[1])
  for _, part in ipairs({'', ':rows', ':batches', ':events'}) do redis.call('PERSIST', KEYS[1] .. part) end
end
return again
"""
)

FORGET_OVER = """
-- KEYS: run, runs, active   ARGV: name, whatever its state (1/0); gives 1 unless it still moves
local about = redis.call('HMGET', KEYS[1], 'state', 'ended')
local over = (about[1] == 'DONE' or about[1] == 'CANCELLED') and about[2]
if about[1] and not over and ARGV[2] ~= '1' then return 0 end
for _, part in ipairs({'', ':rows', ':batches', ':events', ':drivers'}) do redis.call('DEL', KEYS[1] .. part) end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
"""

CONDEMN = """
-- KEYS: prefix   ARGV: store, owner, seconds, JSON list of trial keys; gives a JSON list of those that are being drawn
-- While a picture's claim is ours nobody reuses it or draws it anew; what the claim said before is laid aside.
local busy = {}
for _, key in ipairs(cjson.decode(ARGV[4])) do
  local claim = KEYS[1] .. 'claim:' .. ARGV[1] .. ':' .. key
  local text = redis.call('GET', claim)
  local known = text and cjson.decode(text)
  if known and known.owner ~= ARGV[2] and not known.row then busy[#busy + 1] = key
  else
    if known and known.owner ~= ARGV[2] then
      local left = redis.call('PTTL', claim)
      redis.call('SET', KEYS[1] .. 'aside:' .. ARGV[1] .. ':' .. key, text, 'PX', left > 0 and left or 604800000)
    end
    redis.call('SET', claim, cjson.encode({owner = ARGV[2]}), 'EX', ARGV[3])
  end
end
return #busy > 0 and cjson.encode(busy) or '[]'
"""

RENEW_CONDEMNED = """
-- KEYS: prefix   ARGV: store, owner, seconds, JSON list of trial keys; gives a JSON list of those that are ours no more
local lost = {}
for _, key in ipairs(cjson.decode(ARGV[4])) do
  local claim = KEYS[1] .. 'claim:' .. ARGV[1] .. ':' .. key
  local text = redis.call('GET', claim)
  if text and cjson.decode(text).owner == ARGV[2] then redis.call('EXPIRE', claim, ARGV[3]) else lost[#lost + 1] = key end
end
return #lost > 0 and cjson.encode(lost) or '[]'
"""

PARDON = """
-- KEYS: prefix   ARGV: store, owner, JSON list of {trial key, whether its pictures are gone (1/0)}
for _, pair in ipairs(cjson.decode(ARGV[3])) do
  local claim = KEYS[1] .. 'claim:' .. ARGV[1] .. ':' .. pair[1]
  local aside = KEYS[1] .. 'aside:' .. ARGV[1] .. ':' .. pair[1]
  local text = redis.call('GET', claim)
  if text and cjson.decode(text).owner == ARGV[2] then redis.call('DEL', claim) end
  if pair[2] == 1 then redis.call('DEL', aside)
  elseif redis.call('EXISTS', claim) == 0 and redis.call('EXISTS', aside) == 1 then redis.call('RENAME', aside, claim) end
end
"""

HOLD = """
-- KEYS: lock   ARGV: token, seconds; gives 1 if the lock is the token's now; 0 seconds: give it back
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
return 1
"""

ASK_NOTICE = """
-- KEYS: run, runs of which somebody is told   ARGV: name, address, what need not be told or nothing
if redis.call('HEXISTS', KEYS[1], 'state') == 0 then return 0 end
if ARGV[3] ~= '' and redis.call('HEXISTS', KEYS[1], 'notify') == 0 then redis.call('HSET', KEYS[1], 'told', ARGV[3]) end
redis.call('HSET', KEYS[1], 'notify', ARGV[2])
redis.call('SADD', KEYS[2], ARGV[1])
return 1
"""

NOTICE = (
    _NOW
    + """
-- KEYS: run   ARGV: what is to be told, who tells it, seconds, one who is dead for certain or nothing
-- Gives the address to tell it to, unless it was told, or somebody does so just now.
local about = redis.call('HMGET', KEYS[1], 'notify', 'told', 'telling')
if not about[1] or about[2] == ARGV[1] then return false end
local telling = about[3] and cjson.decode(about[3])
if telling and telling.mark == ARGV[1] and telling['until'] > now and telling.owner ~= ARGV[4] then return false end
redis.call('HSET', KEYS[1], 'telling', cjson.encode({mark = ARGV[1], owner = ARGV[2], ['until'] = now + tonumber(ARGV[3])}))
return about[1]
"""
)

ALLOT = (
    _NOW
    + """
-- KEYS: prefix   ARGV: per second, wanted; gives {granted, milliseconds until the next second}
local second = tonumber(t[1])
local key = KEYS[1] .. second
local used = tonumber(redis.call('GET', key) or '0')
local granted = math.max(0, math.min(tonumber(ARGV[2]), tonumber(ARGV[1]) - used))
if granted > 0 then
  redis.call('INCRBY', key, granted)
  redis.call('EXPIRE', key, 3)
end
return {granted, 1000 - math.floor(tonumber(t[2]) / 1000)}
"""
)
