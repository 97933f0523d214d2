-- Find a partner for a ticket, or file it in the queue: one atomic step.
--
-- KEYS[1]  the queue: a sorted set of tickets by place
-- KEYS[2…] those whom the ticket's client, and its user if it is known, are kept apart from: sorted sets of names
-- ARGV[1]  prefix of the instances' lease keys
-- ARGV[2]  the ticket, as it is filed: instance|client|number|avoid, and |user if it is known
-- ARGV[3]  how it may have been filed before ('' if the same)
-- ARGV[4]  its place: microseconds since 1970 of the store's clock at which it began to wait; '' if it has none yet
-- ARGV[5]  microseconds for which it has waited by its owner's clock (makes the place when there is none)
-- ARGV[6…] instances whose tickets are left alone for now
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
for i = 6, #ARGV do
    shunned[ARGV[i]] = true
end

local function parse(ticket)
    return string.match(ticket, '^([^|]*)|([^|]*)|[^|]*|([^|]*)|?(.*)$')
end

local alive = {}
local function is_alive(instance)
    if alive[instance] == nil then
        alive[instance] = redis.call('EXISTS', lease .. instance) == 1
    end
    return alive[instance]
end

local apart_from = nil -- asked for only when there is somebody to meet
local function is_apart(their_client, their_user)
    if apart_from == nil then
        apart_from = {}
        for i = 2, #KEYS do
            if redis.call('EXISTS', KEYS[i]) == 1 then
                table.insert(apart_from, KEYS[i])
            end
        end
    end
    for _, key in ipairs(apart_from) do
        if redis.call('ZSCORE', key, 'c:' .. their_client)
            or (their_user ~= '' and redis.call('ZSCORE', key, 'u:' .. their_user)) then
            return true
        end
    end
    return false
end

local _, client, avoid, user = parse(own)
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
        elseif (user ~= '' and their_user == user) or is_apart(their_client, their_user) then
            from = from + 1
        else
            redis.call('ZREM', queue, ticket, own, former)
            return {place, ticket}
        end
    end
end

if former ~= '' then
    redis.call('ZREM', queue, former)
end
redis.call('ZADD', queue, place, own)
return {place}
