-- Note what somebody has made of a report.
--
-- KEYS[1]  the index of reports, as in file.lua
-- ARGV[1]  id of the report
-- ARGV[2]  the ruling, a JSON object
--
-- Returns where the report stands in the stream; empty if there is no such report.

local known = redis.call('HGET', KEYS[1], ARGV[1])
local entry = known and string.match(known, '^([^|]*)|')
if not entry then
    return ''
end
redis.call('HSET', KEYS[1], ARGV[1], entry .. '|' .. ARGV[2])
return entry
