-- Park sessions: their home gives them up, or whoever took them has nobody for them.
--
-- KEYS     for each session: where it is parked, and who has taken it last (`epoch|instance/boot|attempt|nonce`)
-- ARGV[1]  milliseconds that they last
-- ARGV[2]  milliseconds for which it is remembered who has taken them
-- ARGV[3]  who parks them: `instance/boot`
-- ARGV[4…] for each session: its epoch, number and nonce of the attempt by which it came to its home, and the session
--
-- Returns how many were parked. One that another instance has taken already, since its home was too slow, is not.

local function boot(seat)
    return string.match(seat, '/(.*)$')
end

local parked = 0
for i = 1, #KEYS, 2 do
    local word = 4 + (i - 1) * 2
    local own, attempt, nonce, session = tonumber(ARGV[word]), ARGV[word + 1], ARGV[word + 2], ARGV[word + 3]
    local mark = redis.call('GET', KEYS[i + 1]) or ''
    local epoch, holder, number, known = string.match(mark, '^(%d+)|([^|]*)|(%d+)|(.*)$')
    local last = tonumber(epoch or '-1')
    local taken_back = last == own and holder == ARGV[3]
    -- An epoch begins when a session of the one before is taken; in the same one the later attempt has it.
    local is_rival = epoch and last == own - 1 and boot(holder) ~= boot(ARGV[3])
    local is_later = is_rival and nonce == known and tonumber(attempt) > tonumber(number)
    if taken_back or (last < own and (is_later or not is_rival)) then
        redis.call('SET', KEYS[i], session, 'PX', ARGV[1])
        parked = parked + 1
        if own > 0 then
            redis.call('SET', KEYS[i + 1], (own - 1) .. '|' .. ARGV[3] .. '|' .. attempt .. '|' .. nonce, 'PX', ARGV[2])
        elseif taken_back then
            redis.call('DEL', KEYS[i + 1])
        end
    end
end
return parked
