-- Take a session that has no home: one atomic step, so that exactly one instance gets it.
--
-- KEYS[1]  the parked session, if its home has parked it
-- KEYS[2]  who has taken it last: `epoch|instance/boot|nonce`
-- ARGV[1]  who takes it: `instance/boot`
-- ARGV[2]  milliseconds for which it is remembered who did
-- ARGV[3]  '1' if whoever has it is dead, or does not have it: then it is taken even if it is not parked
-- ARGV[4]  the epoch of the home
-- ARGV[5]  the nonce of the client's wish; '' for none
-- ARGV[6]  with ARGV[3]: who has taken it in this epoch already, for the same wish; '' for nobody
--
-- Returns {'parked', session, before}, {'dead', '', before} or {'nothing', holder, ''}: before, who had taken it until
-- then; holder, who has taken it in this epoch for the same wish; each '' for nobody. '-': nobody can have it any more.

local epoch, holder, nonce = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+)|([^|]*)|(.*)$')
local parked = redis.call('GET', KEYS[1])
if epoch and tonumber(epoch) >= tonumber(ARGV[4]) then
    local same = tonumber(epoch) == tonumber(ARGV[4]) and nonce ~= '' and nonce == ARGV[5]
    if not same then
        return {'nothing', '-', ''}
    end
    if ARGV[3] ~= '1' or holder ~= ARGV[6] then
        return {'nothing', holder, ''}
    end
elseif not parked and ARGV[3] ~= '1' then
    return {'nothing', '', ''}
end
redis.call('SET', KEYS[2], ARGV[4] .. '|' .. ARGV[1] .. '|' .. ARGV[5], 'PX', ARGV[2])
redis.call('DEL', KEYS[1])
return {parked and 'parked' or 'dead', parked or '', holder or ''}
