Clients may tell what became of their calls (`outcome`): `/metrics` then says whether calls connect, how fast, directly or by TURN, and
by which release of the page (`OUTCOME_RELEASES`), with two alerts and a row on the dashboard.
