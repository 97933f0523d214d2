-- Somebody blocks somebody.
--
-- KEYS[1]  whom the one who blocks has blocked: a sorted set of names by the time until when (seconds since 1970)
-- KEYS[2]  if that one is a guest: all guests who have blocked somebody, by the time of the last block
-- ARGV[1]  the name of the one that is blocked
-- ARGV[2]  seconds that it lasts
-- ARGV[3]  how many names stand in a set at most; the first to end make room
-- ARGV[4]  the name of the one who blocks
-- ARGV[5]  how many guests stand in KEYS[2] at most
--
-- Returns the names of guests for whose blocks there is no place any more: to be taken out by the caller, who then can
-- name their keys. The sets expire when the last of their blocks does.

local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[3] - 1)
if KEYS[2] then
    redis.call('ZADD', KEYS[2], now, ARGV[4])
end
for _, key in ipairs(KEYS) do
    if redis.call('TTL', key) < tonumber(ARGV[2]) then
        redis.call('EXPIRE', key, ARGV[2])
    end
end
if not KEYS[2] then
    return {}
end
local beyond = redis.call('ZCARD', KEYS[2]) - ARGV[5]
return beyond > 0 and redis.call('ZRANGE', KEYS[2], 0, beyond - 1) or {}
