// Memory of an idle server, all its processes, as proportional set size.
//
//   npm run bench -- idle

import { machineLine, processTree, proportionalSetSize } from './machine.ts'
import { startServer } from './server.ts'

const server = await startServer()
await new Promise((resolve) => setTimeout(resolve, 15_000))
const sizes = processTree(server.pid).map((pid) => ({ pid, bytes: proportionalSetSize(pid) }))
const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0)
process.stdout.write(`${machineLine()}\nready ${(server.startedIn / 1000).toFixed(2)} s after its start\n`)
for (const { pid, bytes } of sizes)
  process.stdout.write(`  ${pid === server.pid ? 'server' : 'engine'}  ${(bytes / 1e6).toFixed(0)} MB\n`)
process.stdout.write(`  all     ${(total / 1e6).toFixed(0)} MB\n`)
await server.stop()
