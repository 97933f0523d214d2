-- Take or keep an instance's lease, keep its stream, and look at the leases of others: one atomic step.
--
-- KEYS[1]  the lease
-- KEYS[2]  the stream in which letters to this instance stand
-- KEYS[3]  all instances: a sorted set by the time at which each renewed its lease (seconds since 1970)
-- KEYS[4]  where the queue stands: the old server has a list there
-- KEYS[5]  exists while the queue stands elsewhere for that reason
-- KEYS[6…] leases of other instances
-- ARGV[1]  this process's boot id, the value of its lease
-- ARGV[2]  milliseconds that the lease lasts
-- ARGV[3]  milliseconds that the stream lasts: longer, so that an instance which was cut off for a while loses nothing
-- ARGV[4]  stream id up to which letters were read ('' if none): they are removed, but for the last
-- ARGV[5]  '1' for the first time in this process: letters to another process of this name are none of its business
-- ARGV[6]  this instance's name
-- ARGV[7]  seconds for which the queue stays elsewhere after the list was seen last
--
-- Returns {'kept' | 'taken' | 'other', '1' if the stream was made anew, '1' if the queue stands elsewhere, the id of a
-- letter that this instance now has written to itself, the time (seconds since 1970), boot id or '' of each other lease…}.
-- 'other': another process holds this name; nothing was changed.

local lease, stream, boot = KEYS[1], KEYS[2], ARGV[1]
local clock = redis.call('TIME')
local time = string.format('%d.%06d', clock[1], clock[2])
local held = redis.call('GET', lease)
if held and held ~= boot then
    return {'other', '0', '0', '', time}
end
local status = held and 'kept' or 'taken'
redis.call('SET', lease, boot, 'PX', ARGV[2])

if ARGV[5] == '1' and status == 'taken' then
    redis.call('DEL', stream)
end
local made = '0'
if redis.call('EXISTS', stream) == 0 then
    redis.call('XADD', stream, 'MAXLEN', 0, '*', 'd', '') -- leaves an empty stream
    made = '1'
elseif ARGV[4] ~= '' then
    redis.call('XTRIM', stream, 'MINID', ARGV[4])
end
redis.call('PEXPIRE', stream, ARGV[3])

local now, lasting = clock[1], math.ceil(ARGV[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - lasting)
redis.call('ZADD', KEYS[3], now, ARGV[6])
redis.call('EXPIRE', KEYS[3], lasting)

if redis.call('TYPE', KEYS[4]).ok == 'list' then
    redis.call('SET', KEYS[5], '', 'EX', ARGV[7])
end
local elsewhere = redis.call('EXISTS', KEYS[5]) == 1 and '1' or '0'

local reply = {status, made, elsewhere, redis.call('XADD', stream, '*', 'd', ''), time}
for i = 6, #KEYS do
    reply[i] = redis.call('GET', KEYS[i]) or ''
end
return reply
