-- Write bans down; of two about the same the later word counts.
--
-- KEYS[1]  the bans: a hash of keys to JSON objects with `at` and `until`, seconds since 1970
-- ARGV[1…] key and JSON object of each ban
--
-- Returns 1. The hash expires when the last of them does.

local last = 0
for i = 1, #ARGV, 2 do
    local ban = cjson.decode(ARGV[i + 1])
    local known = redis.call('HGET', KEYS[1], ARGV[i])
    if not known or cjson.decode(known).at < ban.at then
        redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    end
    last = math.max(last, ban['until'])
end

local left = math.max(1, math.ceil(last - redis.call('TIME')[1]))
if redis.call('TTL', KEYS[1]) < left then
    redis.call('EXPIRE', KEYS[1], left)
end
return 1
