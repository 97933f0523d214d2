-- Put aside what stands under names of ours and is something else: another program's, or of another version.
--
-- KEYS     names of ours
-- ARGV     for each of them what TYPE may say of it, words separated by spaces; then what stands before a name aside
--
-- Returns, for each key that was renamed, its name, its type and its new name. Nothing is ever deleted but what was put
-- aside under the same name nine times before.

local AT_MOST = 9
local renamed = {}
for i, key in ipairs(KEYS) do
    local kind = redis.call('TYPE', key).ok
    if kind ~= 'none' and not string.find(' ' .. ARGV[i] .. ' ', ' ' .. kind .. ' ', 1, true) then
        local n = 1
        while n < AT_MOST and redis.call('EXISTS', ARGV[#ARGV] .. n .. ':' .. key) == 1 do
            n = n + 1
        end
        local aside = ARGV[#ARGV] .. n .. ':' .. key
        redis.call('RENAME', key, aside)
        for _, word in ipairs({key, kind, aside}) do
            renamed[#renamed + 1] = word
        end
    end
end
return renamed
