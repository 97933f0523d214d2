-- Keep reports; those that are too many or too old go, the oldest first.
--
-- KEYS[1]  the reports: a stream of `id` and `report`, a JSON object
-- KEYS[2]  their index: a hash of ids to `entry|ruling`, where they stand in the stream, and what somebody has made of them
--          (a JSON object; empty if nobody has)
-- ARGV[1]  how many are kept
-- ARGV[2]  how long, ms
-- ARGV[3…] id, JSON object and ruling of each report, the oldest first
--
-- Returns 1. A report that is there already is not kept twice: only its ruling is taken, if there is one. Both keys expire
-- when the last report is too old.

local at_most, keep_ms = tonumber(ARGV[1]), tonumber(ARGV[2])

for i = 3, #ARGV, 3 do
    local known = redis.call('HGET', KEYS[2], ARGV[i])
    local entry = known and string.match(known, '^([^|]*)|')
    if not entry then
        entry = redis.call('XADD', KEYS[1], '*', 'id', ARGV[i], 'report', ARGV[i + 1])
    end
    if not known or ARGV[i + 2] ~= '' then
        redis.call('HSET', KEYS[2], ARGV[i], entry .. '|' .. ARGV[i + 2])
    end
end

local time = redis.call('TIME')
local oldest_ms = time[1] * 1000 + math.floor(time[2] / 1000) - keep_ms
local beyond = redis.call('XLEN', KEYS[1]) - at_most
-- Twice as many as one call writes: so it keeps up.
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 200)) do
    if beyond <= 0 and tonumber(string.match(entry[1], '^%d+')) > oldest_ms then
        break
    end
    redis.call('XDEL', KEYS[1], entry[1])
    redis.call('HDEL', KEYS[2], entry[2][2])
    beyond = beyond - 1
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
