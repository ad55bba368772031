// `npm start`: installs what is missing, builds the console if its sources are newer, then is the server.

import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { ensureConsole } from './console.mjs'
import { ensureInstalled, pinnedNode, root } from './install.mjs'

ensureInstalled()
ensureConsole()

const args = [join(root, 'src', 'cli', 'main.ts'), 'serve', ...process.argv.slice(2)]
if (typeof process.execve === 'function') process.execve(pinnedNode, [pinnedNode, ...args], process.env)

// A Node without execve stays as the parent, and hands on signals and the exit status.
const server = spawn(pinnedNode, args, { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => server.kill(signal))
server.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
