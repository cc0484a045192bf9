// Where parts of a cluster on their own serve their health and their metrics unless they are told otherwise: upstream's ports, where it has them.
export const CONTROLLERS_PORT = 10_257
export const SCHEDULER_PORT = 10_259
/** One that no component of upstream has. */
export const SIMULATED_NODES_PORT = 10_261
