-- Take everything of an instance out of the store: it stops, or it is dead.
--
-- KEYS[1]  its lease
-- KEYS[2]  its stream
-- KEYS[3]  the queue
-- ARGV[1]  its boot id if it stops; '' if it is dead: then nothing happens while the lease exists
-- ARGV[2…] its tickets
--
-- Returns 1 if it was done.

local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then
    return 0
end
for i = 2, #ARGV do
    redis.call('ZREM', KEYS[3], ARGV[i])
end
redis.call('DEL', KEYS[1], KEYS[2])
return 1
