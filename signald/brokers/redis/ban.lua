-- Write bans down, and take out those that may be forgotten; of two about the same the later word counts.
--
-- KEYS[1]  the bans: a hash of keys to JSON objects with `at` and `keep`, seconds since 1970
-- ARGV[1]  now, seconds since 1970 (of the instances, which agree about it)
-- ARGV[2]  how many bans are written
-- ARGV[3…] key and JSON object of each of them
-- then     keys of bans that may be over
--
-- Returns 1. The hash expires when the last of them does.

local now, count = tonumber(ARGV[1]), tonumber(ARGV[2])

local function known(key)
    local text = redis.call('HGET', KEYS[1], key)
    local readable, ban = pcall(cjson.decode, text or '')
    -- What is there and cannot be read does not count.
    return readable and type(ban) == 'table' and tonumber(ban.at) and tonumber(ban.keep) and ban or nil
end

local last = now
for i = 3, 2 * count + 1, 2 do
    local ban, before = cjson.decode(ARGV[i + 1]), known(ARGV[i])
    if not before or before.at < ban.at then
        redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    end
    last = math.max(last, ban.keep)
end
for i = 2 * count + 3, #ARGV do
    local ban = known(ARGV[i])
    if ban and ban.keep <= now then
        redis.call('HDEL', KEYS[1], ARGV[i])
    end
end

local left = math.ceil(last - now)
if left > 0 and redis.call('TTL', KEYS[1]) < left then
    redis.call('EXPIRE', KEYS[1], left)
end
return 1
