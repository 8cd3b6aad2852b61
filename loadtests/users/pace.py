"""How often a user says something: a little oftener than the thresholds want, since no schedule is kept to the last."""

from loadtests.users.thresholds import MESSAGES_A_MINUTE_EACH

MESSAGE_EVERY_S = 60 / (1.1 * MESSAGES_A_MINUTE_EACH)
