-- What scripts about waiting tickets share; it stands before each of them.
--
-- A ticket is `instance|client|number|avoid`, and `|user|likes|browser` if there are any; what it avoids and what it likes
-- is separated by commas; user, likes and browser are digests, and a ~ behind the browser says that the ticket keeps away
-- from others of it for now. It stands in the line of its class, and if it prefers its likes (then
-- the name of the class ends in +) in one line for each of them and its class too. For each like, and for all, there is
-- a set of heads: the classes by the place of the first in their line. The line of those who say nothing and name no
-- pool has neither, for instances of earlier versions file tickets there and take them out.
--
-- Lines and heads are named as they are met: all keys of a pool begin with the same, and are in one slot of a cluster.
--
-- KEYS[1]  that line
-- KEYS[2]  the pools in which somebody waits besides
-- ARGV[1]  the pool: what all its keys begin with

local queue, pools, pool = KEYS[1], KEYS[2], ARGV[1]

local function parse(ticket)
    if string.find(ticket, '[^ -~]') then
        return nil -- no ticket has anything but ASCII
    end
    return string.match(ticket, '^([^|]*)|([^|]*)|%d+|([^|]*)|?([^|]*)|?([^|]*)|?([^|]*)') -- what is not there is empty
end

local function prefers(class)
    return string.sub(class, -1) == '+'
end

local function heads_of(like)
    return like and pool .. 'heads:' .. like or pool .. 'heads'
end

local function line_of(class, like)
    if class == '' then
        return queue
    end
    return pool .. 'line:' .. class .. (like and ':' .. like or '')
end

local function each_like(class, ticket)
    local likes = prefers(class) and select(5, parse(ticket)) or ''
    return string.gmatch(likes, '[^,]+')
end

-- Note who is first in a line now.
local function refresh(class, like)
    local first = redis.call('ZRANGE', line_of(class, like), 0, 0, 'WITHSCORES')
    if first[1] then
        redis.call('ZADD', heads_of(like), first[2], class)
    else
        redis.call('ZREM', heads_of(like), class)
    end
    return first[1] ~= nil
end

-- If `thorough`, the line of its class may have been lost while it stands in others, or its class in the heads.
local function take_out(class, ticket, thorough)
    local stood = redis.call('ZREM', line_of(class), ticket) == 1
    if class == '' or not (stood or thorough) then
        return
    end
    for like in each_like(class, ticket) do
        redis.call('ZREM', line_of(class, like), ticket)
        refresh(class, like)
    end
    if not refresh(class) then
        redis.call('HDEL', pool .. 'sides', class)
        if redis.call('EXISTS', heads_of()) == 0 then
            redis.call('SREM', pools, pool)
        end
    end
end

-- Take out the tickets that these arguments name, each after its class.
local function take_out_named(first, last, thorough)
    for i = first, last, 2 do
        take_out(ARGV[i], ARGV[i + 1], thorough)
    end
end
