-- Park sessions: their home gives them up.
--
-- KEYS     for each session: where it is parked, and who has taken it last (`epoch|instance`)
-- ARGV[1]  milliseconds that they last
-- ARGV[2…] for each session: its epoch, and the session
--
-- Returns how many were parked. One that was taken already, since its home was too slow, has another home: it is not.

local parked = 0
for i = 1, #KEYS, 2 do
    local epoch = string.match(redis.call('GET', KEYS[i + 1]) or '', '^%d+')
    if not epoch or tonumber(epoch) < tonumber(ARGV[i + 1]) then
        redis.call('SET', KEYS[i], ARGV[i + 2], 'PX', ARGV[1])
        parked = parked + 1
    end
end
return parked
