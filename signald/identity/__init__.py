"""Checks what a token proves: pure but for the fetching of keys.

``tokens`` checks a JWT, ``signing_keys`` holds the keys it may be signed with, ``jwks`` fetches them from the issuer.
"""
