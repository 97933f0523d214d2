-- Take tickets out of the lines in which they stand.
--
-- ARGV[2…] for each of them its class, and the ticket
--
-- Returns 1.

take_out_named(2, #ARGV, true)
return 1
