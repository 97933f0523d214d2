"""Keeps people away who misbehave: bans, reports, the operator's actions.

``operator`` acts on clients of all instances, ``bans`` says who may not come in, ``reports`` takes what clients say of
each other, ``events`` forms what ``webhook`` posts to the operator, ``traces`` remembers who has just gone.
"""
