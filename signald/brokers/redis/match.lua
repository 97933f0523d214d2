-- Find a partner for a ticket, or file it in the queue: one atomic step.
--
-- KEYS[1]  the queue: a sorted set of tickets by place
-- ARGV[1]  prefix of the instances' lease keys
-- ARGV[2]  the ticket, as it is filed: instance|client|number|avoid, and |user if it is known
-- ARGV[3]  how it may have been filed before ('' if the same)
-- ARGV[4]  its place: microseconds since 1970 of the store's clock at which it began to wait; '' if it has none yet
-- ARGV[5]  microseconds for which it has waited by its owner's clock (makes the place when there is none)
-- ARGV[6]  prefix of the sets of those whom somebody has blocked, by the time until when (see block.lua)
-- ARGV[7…] instances whose tickets are left alone for now
--
-- Returns {place} when the ticket is filed, {place, ticket} when another ticket was taken; neither is in the queue then.
-- Tickets of dead instances (those without a lease) are removed on the way.

local queue, lease, own, former = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local SEEN_AT_MOST = 200 -- a queue this long of tickets that may not meet is no case to look through at once

local place = ARGV[4]
if place == '' then
    local now = redis.call('TIME')
    place = string.format('%.0f', now[1] * 1000000 + now[2] - ARGV[5])
end

local shunned = {}
for i = 7, #ARGV do
    shunned[ARGV[i]] = true
end

local function parse(ticket)
    if string.find(ticket, '[^ -~]') then
        return nil -- no ticket has anything but ASCII
    end
    return string.match(ticket, '^([^|]*)|([^|]*)|%d+|([^|]*)|?(.*)$')
end

local alive = {}
local function is_alive(instance)
    if alive[instance] == nil then
        alive[instance] = redis.call('EXISTS', lease .. instance) == 1
    end
    return alive[instance]
end

local function names(client, user)
    return user == '' and {'c:' .. client} or {'u:' .. user, 'c:' .. client}
end

local blocks, blocked_by, now = ARGV[6], {}, nil
local function has_blocked(by, whom)
    for _, name in ipairs(by) do
        if blocked_by[name] == nil then
            blocked_by[name] = redis.call('EXISTS', blocks .. name) == 1
        end
        for _, other in ipairs(blocked_by[name] and whom or {}) do
            local till = redis.pcall('ZSCORE', blocks .. name, other) -- what is no set of ours blocks nobody
            now = now or tonumber(redis.call('TIME')[1])
            if type(till) == 'string' and tonumber(till) > now then
                return true
            end
        end
    end
    return false
end

local _, client, avoid, user = parse(own)
local own_names = names(client, user)
local from, seen = 0, 0
while seen < SEEN_AT_MOST do
    local tickets = redis.call('ZRANGE', queue, from, from + 9)
    if #tickets == 0 then
        break
    end
    for _, ticket in ipairs(tickets) do
        seen = seen + 1
        local instance, their_client, their_avoid, their_user = parse(ticket)
        if instance == nil or not is_alive(instance) then
            redis.call('ZREM', queue, ticket)
        elseif their_client == client or their_client == avoid or their_avoid == client or shunned[instance] then
            from = from + 1
        elseif user ~= '' and their_user == user then
            from = from + 1
        else
            local their_names = names(their_client, their_user)
            if has_blocked(own_names, their_names) or has_blocked(their_names, own_names) then
                from = from + 1
            else
                redis.call('ZREM', queue, ticket, own, former)
                return {place, ticket}
            end
        end
    end
end

if former ~= '' then
    redis.call('ZREM', queue, former)
end
redis.call('ZADD', queue, place, own)
return {place}
