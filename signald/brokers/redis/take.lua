-- Take a session that has no home: one atomic step, so that exactly one instance gets it.
--
-- KEYS[1]  the session, if its home of the epoch that the client's token says has parked it
-- KEYS[2]  the same of the next epoch: of a home to which it came by an earlier attempt after the same loss
-- KEYS[3]  who has taken it last: `epoch|instance/boot|attempt|nonce`
-- ARGV[1]  who takes it: `instance/boot`
-- ARGV[2]  milliseconds for which it is remembered who did
-- ARGV[3]  '1' if whoever has it is dead, or does not have it: then it is taken even if it is not parked
-- ARGV[4]  the epoch that the client's token says
-- ARGV[5]  the number of the client's attempt; '0' for none
-- ARGV[6]  its nonce; '' for none
-- ARGV[7]  with ARGV[3]: who has taken it by an earlier attempt; '' for nobody
--
-- Returns {'parked', session, before}, {'dead', '', before} or {'nothing', holder, ''}: before, who had taken it until
-- then; holder, who has taken it by an earlier attempt; each '' for nobody. '-': nobody can have it any more.

local epoch, holder, number, nonce = string.match(redis.call('GET', KEYS[3]) or '', '^(%d+)|([^|]*)|(%d+)|(.*)$')
local follows = false
if epoch and tonumber(epoch) >= tonumber(ARGV[4]) then
    local later = ARGV[5] == '0' or tonumber(ARGV[5]) > tonumber(number)
    follows = tonumber(epoch) == tonumber(ARGV[4]) and nonce ~= '' and nonce == ARGV[6] and later
    if not follows then
        return {'nothing', '-', ''}
    end
end
local parked = redis.call('GET', KEYS[1]) or (follows and redis.call('GET', KEYS[2]))
local left_behind = ARGV[3] == '1' and (not follows or holder == ARGV[7])
if not parked and not left_behind then
    return {'nothing', follows and holder or '', ''}
end
redis.call('SET', KEYS[3], ARGV[4] .. '|' .. ARGV[1] .. '|' .. ARGV[5] .. '|' .. ARGV[6], 'PX', ARGV[2])
redis.call('DEL', KEYS[1], KEYS[2])
return {parked and 'parked' or 'dead', parked or '', holder or ''}
