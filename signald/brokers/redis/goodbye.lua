-- Take an instance's lease and stream out of the store: it stops, or it is dead. From then on its tickets are removed
-- by whoever comes upon them.
--
-- KEYS[1]  its lease
-- KEYS[2]  its stream
-- KEYS[3]  all instances
-- ARGV[1]  its boot id if it stops; '' if it is dead: then nothing happens while the lease exists
-- ARGV[2]  its name
--
-- Returns 1 if it was done, 0 if another process holds the lease.

local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then
    return 0
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[2])
return 1
