-- Park sessions: their home gives them up, or whoever took them has nobody for them.
--
-- KEYS     for each session: where it is parked, and who has taken it last (`epoch|instance/boot|nonce`)
-- ARGV[1]  milliseconds that they last
-- ARGV[2]  who parks them: `instance/boot`
-- ARGV[3…] for each session: its epoch, and the session
--
-- Returns how many were parked. One that another instance has taken already, since its home was too slow, is not.

local parked = 0
for i = 1, #KEYS, 2 do
    local epoch, holder = string.match(redis.call('GET', KEYS[i + 1]) or '', '^(%d+)|([^|]*)|')
    local own = ARGV[i + 2]
    local taken_back = epoch == own and holder == ARGV[2]
    if not epoch or tonumber(epoch) < tonumber(own) or taken_back then
        redis.call('SET', KEYS[i], ARGV[i + 3], 'PX', ARGV[1])
        parked = parked + 1
    end
    if taken_back then
        redis.call('DEL', KEYS[i + 1])
    end
end
return parked
