-- Park sessions: their home gives them up.
--
-- KEYS     for each session: where it is parked, and who has taken it in this epoch
-- ARGV[1]  milliseconds that they last
-- ARGV[2…] the sessions
--
-- Returns how many were parked. One that was taken already, since its home was too slow, has another home: it is not.

local parked = 0
for i = 1, #KEYS, 2 do
    if redis.call('EXISTS', KEYS[i + 1]) == 0 then
        redis.call('SET', KEYS[i], ARGV[(i + 1) / 2 + 1], 'PX', ARGV[1])
        parked = parked + 1
    end
end
return parked
