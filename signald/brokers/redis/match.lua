-- Find a partner for a ticket, or file it: one atomic step.
--
-- KEYS[3]  the heads of the pool
-- KEYS[4]  the sides of the pool: what the tickets of each class are, want and avoid, as JSON
-- KEYS[5]  which classes the ticket's own may meet, as far as it was found out
-- ARGV[2]  the ticket, as it is filed
-- ARGV[3]  its place: microseconds since 1970 of the store's clock at which it began to wait; '' if it has none yet
-- ARGV[4]  microseconds for which it has waited by its owner's clock (makes the place when there is none)
-- ARGV[5]  its class; '' for those who say nothing and name no pool
-- ARGV[6]  the side of its class
-- ARGV[7]  '1' if those who say nothing are in this pool
-- ARGV[8]  how far the search has come that is to go on: place|ticket; '' for a new one
-- ARGV[9]  prefix of the instances' lease keys
-- ARGV[10] prefix of the sets of those whom somebody has blocked, by the time until when (see block.lua)
-- ARGV[11] how many classes a pool may have
-- ARGV[12] how many forms follow in which the ticket may have been filed before
-- ARGV[13…] for each of them its class, and the ticket
-- then     instances whose tickets are left alone for now
--
-- Returns {place} when the ticket is filed, {place, ticket} when another ticket was taken; neither is in a line then.
-- {place, '', reached} when it is filed and the search stopped there, having looked at so many; {place, '', ''} when
-- there is no place for its class: then it stands where it stood before.
-- Tickets of dead instances (those without a lease) are removed on the way.

local LOOKED_AT_MOST = 200 -- tickets; the heads of classes that may not be met are not counted, of which there are few
local CANDIDATES = 32 -- of so many who may be met, one who prefers its likes takes the one who shares most
local PAGE = 10 -- tickets of one line that are read at once
local FLAGS = 100 -- classes of which it is looked up at once whether they may be met
local MEETS_S = 60 -- for which it is remembered if nobody asks: whoever makes up classes must not fill the store

local heads, sides, meets = KEYS[3], KEYS[4], KEYS[5]
local own, class, side, reached = ARGV[2], ARGV[5], ARGV[6], ARGV[8]
local lease, blocks = ARGV[9], ARGV[10]
local last_form = 12 + 2 * ARGV[12]

local place = ARGV[3]
if place == '' then
    local now = redis.call('TIME')
    place = string.format('%.0f', now[1] * 1000000 + now[2] - ARGV[4])
end

local shunned = {}
for i = last_form + 1, #ARGV do
    shunned[ARGV[i]] = true
end

-- --- persons ---------------------------------------------------------------------------------------------------------

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

local blocked_by, now = {}, nil
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

local _, client, avoid, user, _, browser = parse(own)
local own_names = names(client, user)

local function among(one, list)
    return list ~= '' and string.find(',' .. list .. ',', ',' .. one .. ',', 1, true) ~= nil
end

-- Whether two are of one browser, and one of them keeps away from others of it.
local own_browser = string.gsub(browser, '~', '')
local function share_browser(theirs)
    if own_browser == '' or string.gsub(theirs, '~', '') ~= own_browser then
        return false
    end
    return browser ~= own_browser or theirs ~= own_browser
end

local function apart(instance, their_client, their_avoid, their_user, their_browser)
    if their_client == client or shunned[instance] or (user ~= '' and their_user == user) then
        return true
    elseif among(their_client, avoid) or among(client, their_avoid) or share_browser(their_browser) then
        return true
    end
    local their_names = names(their_client, their_user)
    return has_blocked(own_names, their_names) or has_blocked(their_names, own_names)
end

-- --- lines, in order of place ----------------------------------------------------------------------------------------

local reached_place, reached_ticket
if reached ~= '' then
    reached_place, reached_ticket = string.match(reached, '^(%d+)|(.*)$')
end

local own_likes = {}
if prefers(class) then
    for like in each_like(class, own) do
        own_likes[like] = true
    end
end

local function turn(line)
    line.page, line.at = redis.call('ZRANGE', line.key, line.from, line.from + PAGE - 1, 'WITHSCORES'), 1
    return line.page[1] ~= nil
end

-- The line of those who say nothing: all there is where nobody has wishes.
local function plain_line()
    local line = {key = queue, class = '', from = 0}
    turn(line)
    return function()
        if not line.page[line.at] and #line.page == 2 * PAGE then
            turn(line)
        end
        local ticket, score = line.page[line.at], line.page[line.at + 1]
        line.at, line.from = line.at + 2, line.from + 1
        return ticket and {line = line, ticket = ticket, score = tonumber(score)}
    end
end

-- All lines of those whom somebody of the ticket's class may meet.
local function all_lines()
    local function shares(facts, key, values)
        for _, fact in ipairs(facts) do
            if fact[1] == key then
                for _, one in ipairs(fact[2]) do
                    for _, other in ipairs(values) do
                        if one == other then
                            return true
                        end
                    end
                end
            end
        end
        return false
    end

    local function content(one, other)
        for _, want in ipairs(one[2]) do
            if not shares(other[1], want[1], want[2]) then
                return false
            end
        end
        for _, avoided in ipairs(one[3]) do
            if shares(other[1], avoided[1], avoided[2]) then
                return false
            end
        end
        return true
    end

    local may_meet, own_side = {}, nil
    local function find_out(others)
        own_side = own_side or cjson.decode(side)
        local flags = {}
        for i, text in ipairs(redis.call('HMGET', sides, unpack(others))) do
            local readable, their_side = pcall(cjson.decode, text or '')
            may_meet[others[i]] = readable and content(own_side, their_side) and content(their_side, own_side)
            if readable then
                flags[#flags + 1] = others[i]
                flags[#flags + 1] = may_meet[others[i]] and '1' or '0'
            end
        end
        if flags[1] then
            redis.call('HSET', meets, unpack(flags))
            redis.call('EXPIRE', meets, MEETS_S)
        end
    end

    local function look_up(classes, from)
        local asked, unknown = {}, {}
        for i = from, math.min(from + 2 * FLAGS - 2, #classes), 2 do
            if may_meet[classes[i]] == nil then
                asked[#asked + 1] = classes[i]
            end
        end
        for i, flag in ipairs(redis.call('HMGET', meets, unpack(asked))) do
            if flag then
                may_meet[asked[i]] = flag == '1'
            else
                unknown[#unknown + 1] = asked[i]
            end
        end
        if unknown[1] then
            find_out(unknown)
        elseif from == 1 and #classes > 2 * FLAGS then
            redis.call('EXPIRE', meets, MEETS_S) -- to find out anew whom of some hundred it may meet takes milliseconds
        end
    end

    local open = {} -- lines of which somebody is looked at

    local function begin(name, like)
        local line = {key = line_of(name, like), class = name, like = like, from = 0}
        if reached_place then
            if redis.call('ZSCORE', line.key, reached_ticket) == reached_place then
                line.from = redis.call('ZRANK', line.key, reached_ticket) + 1
            else
                line.from = redis.call('ZCOUNT', line.key, '-inf', '(' .. reached_place)
            end
        end
        if turn(line) then
            open[#open + 1] = line
        elseif not reached_place and name ~= '' then
            refresh(name, like)
        end
    end

    local shelves = {}
    local function add_shelf(key, like, without)
        local classes = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
        if classes[1] then
            shelves[#shelves + 1] = {classes = classes, at = 1, like = like, without = without}
        end
    end

    -- Begin the lines whose first could come before a place, or if there is none the next one.
    local function begin_before(score)
        local begun = false
        for _, shelf in ipairs(shelves) do
            local classes = shelf.classes
            while shelf.at < #classes and (score == nil or tonumber(classes[shelf.at + 1]) <= score) do
                local name = classes[shelf.at]
                local other_shelf = shelf.without and prefers(name)
                if may_meet[name] == nil and not other_shelf then
                    look_up(classes, shelf.at)
                end
                shelf.at = shelf.at + 2
                if may_meet[name] and not other_shelf then
                    local before = #open
                    begin(name, shelf.like)
                    if #open > before then
                        begun = true
                        local first = tonumber(open[#open].page[2])
                        score = score and math.min(score, first) or first
                    end
                end
            end
        end
        return begun
    end

    local function first_of_all()
        local best
        for _, line in ipairs(open) do
            if not line.page[line.at] and #line.page == 2 * PAGE then
                turn(line)
            end
            if line.page[line.at] then
                local score = tonumber(line.page[line.at + 1])
                if not best or score < best.score or (score == best.score and line.page[line.at] < best.ticket) then
                    best = {line = line, ticket = line.page[line.at], score = score}
                end
            end
        end
        return best
    end

    local function next_ticket()
        local best = first_of_all()
        if begin_before(best and best.score) then
            best = first_of_all()
        end
        if best then
            local line = best.line
            line.at, line.from = line.at + 2, line.from + 1
        end
        return best
    end

    if ARGV[7] == '1' and (class == '' or #cjson.decode(side)[2] == 0) then
        begin('')
    end
    add_shelf(heads, nil, prefers(class))
    for like in pairs(own_likes) do
        add_shelf(heads_of(like), like, false)
    end
    return next_ticket
end

local function is_behind(found)
    local before = tonumber(reached_place)
    return found.score > before or (found.score == before and found.ticket > reached_ticket)
end

-- --- the search ------------------------------------------------------------------------------------------------------

local plain = class == '' and reached == '' and redis.call('EXISTS', heads) == 0
local next_ticket = plain and plain_line() or all_lines()
local best, most, candidates, looked, seen, last = nil, -1, 0, 0, {}, nil
local found = next_ticket()
while found do
    local ticket, line = found.ticket, found.line
    local twice = line.like and line.class .. '|' .. ticket -- one who shares two likes stands in two lines
    if not (twice and seen[twice]) and not (reached_place and not is_behind(found)) then
        if twice then
            seen[twice] = true
        end
        looked, last = looked + 1, found
        local instance, their_client, their_avoid, their_user, their_likes, their_browser = parse(ticket)
        if instance == nil or not is_alive(instance) then
            take_out(line.class, ticket, true)
            line.from = line.from - 1
        elseif not apart(instance, their_client, their_avoid, their_user, their_browser) then
            local shared = 0
            if line.like then
                for like in string.gmatch(their_likes, '[^,]+') do
                    shared = shared + (own_likes[like] and 1 or 0)
                end
            end
            if shared > most then
                best, most = found, shared
            end
            candidates = candidates + 1
            if not prefers(class) or candidates == CANDIDATES then
                break
            end
        end
        if looked >= LOOKED_AT_MOST then
            break
        end
    end
    found = next_ticket()
end

if best then
    if class == '' and best.line.class == '' then
        redis.call('ZREM', queue, best.ticket, own)
    else
        take_out(best.line.class, best.ticket, true)
        take_out(class, own, ARGV[3] ~= '') -- who has no place was never filed
    end
    take_out_named(13, last_form)
    return {place, best.ticket}
end

-- --- nobody: it is filed ---------------------------------------------------------------------------------------------

if class ~= '' and redis.call('ZCARD', heads) >= tonumber(ARGV[11]) and not redis.call('ZSCORE', heads, class) then
    return {place, '', ''}
end
take_out_named(13, last_form)
redis.call('ZADD', line_of(class), place, own)
if class ~= '' then
    redis.call('HSET', sides, class, side)
    redis.call('SADD', pools, pool)
    refresh(class)
    for like in pairs(own_likes) do
        redis.call('ZADD', line_of(class, like), place, own)
        refresh(class, like)
    end
end
if found and looked >= LOOKED_AT_MOST then
    return {place, '', string.format('%.0f', last.score) .. '|' .. last.ticket}
end
return {place}
