-- Leave a note where one of the two in a room is, and read where the other one is.
--
-- KEYS[1]  the notes of the room: a hash of clients to `epoch|instance/boot`
-- ARGV[1]  the client
-- ARGV[2]  the epoch of its session
-- ARGV[3]  where it is: `instance/boot`
-- ARGV[4]  the other client
-- ARGV[5]  milliseconds that the notes last
--
-- Returns the other one's note, or ''. A note of a later epoch stays.

local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known or tonumber(string.match(known, '^%d+') or 0) <= tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. '|' .. ARGV[3])
end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return redis.call('HGET', KEYS[1], ARGV[4]) or ''
