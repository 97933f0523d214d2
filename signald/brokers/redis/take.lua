-- Take a session that has no home: one atomic step, so that exactly one instance gets it.
--
-- KEYS[1]  the parked session, if its home has parked it
-- KEYS[2]  who has taken it last: `epoch|instance`
-- ARGV[1]  the instance that takes it
-- ARGV[2]  milliseconds for which it is remembered who did
-- ARGV[3]  '1' if the home is dead: then the session is taken even if it is not parked
-- ARGV[4]  the epoch of the home
--
-- Returns {'parked', session, before}, {'dead', '', before} or {'nothing', holder, ''}: before, who had taken it in an
-- earlier epoch; holder, who has taken it in this one; each '' for nobody.

local taken = redis.call('GET', KEYS[2]) or ''
local epoch, holder = string.match(taken, '^(%d+)|(.*)$')
if epoch and tonumber(epoch) >= tonumber(ARGV[4]) then
    return {'nothing', tonumber(epoch) == tonumber(ARGV[4]) and holder or '-', ''}
end
local parked = redis.call('GET', KEYS[1])
if not parked and ARGV[3] ~= '1' then
    return {'nothing', '', ''}
end
redis.call('SET', KEYS[2], ARGV[4] .. '|' .. ARGV[1], 'PX', ARGV[2])
redis.call('DEL', KEYS[1])
return {parked and 'parked' or 'dead', parked or '', holder or ''}
