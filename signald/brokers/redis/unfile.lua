-- Take tickets out of the lines in which they stand.
--
-- ARGV[2…] for each of them its class, and the ticket
--
-- Returns 1.

for i = 2, #ARGV, 2 do
    take_out(ARGV[i], ARGV[i + 1])
end
return 1
