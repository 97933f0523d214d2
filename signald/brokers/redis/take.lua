-- Take a session that has no home: one atomic step, so that exactly one instance gets it.
--
-- KEYS[1]  the parked session, if its home has parked it
-- KEYS[2]  who has taken the session in this epoch
-- ARGV[1]  the instance that takes it
-- ARGV[2]  milliseconds for which it is remembered who did
-- ARGV[3]  '1' if the home is dead: then the session is taken even if it is not parked
--
-- Returns {'parked', session}, {'dead', ''} or {'nothing', who has taken it or ''}.

local taken = redis.call('GET', KEYS[2])
if taken then
    return {'nothing', taken}
end
local parked = redis.call('GET', KEYS[1])
if not parked and ARGV[3] ~= '1' then
    return {'nothing', ''}
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('DEL', KEYS[1])
return parked and {'parked', parked} or {'dead', ''}
