A lost connection ends nothing any more for clients of ``signald.v1``: within RESUME_SECONDS (30) they go on with their session,
their partner and their place in the queue by the message ``resume``; what they have missed is sent again. Partners get
``partner-away`` and ``partner-back``. With RESUME_SECRET a restart of a single process loses no call. Old clients notice one
thing: a partner that can come back is told gone later, by RESUME_SECONDS at most.
