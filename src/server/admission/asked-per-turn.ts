// How many policies or webhooks one request goes through before others have their turn: a crowd of requests under a thousand of them is many requests' work.
export const ASKED_PER_TURN = 50
