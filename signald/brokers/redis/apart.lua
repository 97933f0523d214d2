-- Keep two apart: each stands in the other's set from now on.
--
-- KEYS[1]  whom the first is kept apart from: a sorted set of names by the time since when (seconds since 1970)
-- KEYS[2]  whom the second is kept apart from
-- ARGV[1]  the first's name
-- ARGV[2]  the second's name
-- ARGV[3]  seconds that a set lasts after the last addition
-- ARGV[4]  how many names stand in a set at most; the oldest make room
--
-- Returns 1.

local now = redis.call('TIME')[1]
for i = 1, 2 do
    redis.call('ZADD', KEYS[i], now, ARGV[3 - i])
    redis.call('ZREMRANGEBYRANK', KEYS[i], 0, -ARGV[4] - 1)
    redis.call('EXPIRE', KEYS[i], ARGV[3])
end
return 1
