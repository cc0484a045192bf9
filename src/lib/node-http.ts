// node:http without its price: an import reads every export, among them WebSocket, for which Node then loads all of its fetch, which nobody here
// uses. Types are imported from 'node:http' as ever.

export const http = process.getBuiltinModule('node:http')
