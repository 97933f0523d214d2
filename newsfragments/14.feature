Clients can say whom they want to meet: `available` and `next` take `pool`, `is`, `wants`, `avoids`, `likes` and `relax`. Who
says nothing is matched as before. `matched` tells clients of `signald.v1` what they have in common, and `waiting` how long they
have waited and about how many wait with them. MATCH_KEYS declares which keys there are, MATCH_CLAIMS takes facts from tokens,
MATCH_LIKES_SECONDS says for how long likes count.
