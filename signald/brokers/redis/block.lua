-- Somebody blocks somebody.
--
-- KEYS[1]  whom the one who blocks has blocked: a sorted set of names by the time until when (seconds since 1970)
-- ARGV[1]  the name of the one that is blocked
-- ARGV[2]  seconds that it lasts
-- ARGV[3]  how many names stand in a set at most; the first to end make room
--
-- Returns 1. The set expires when the last of its blocks does.

local now = tonumber(redis.call('TIME')[1])
local until_ = now + ARGV[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], until_, ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[3] - 1)
if redis.call('TTL', KEYS[1]) < tonumber(ARGV[2]) then
    redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return 1
