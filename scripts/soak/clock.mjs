// Loaded into a program that is soaked: at SIGUSR2 its wall clock steps by as many milliseconds as SOAK_CLOCK says. The machine's
// own clock stays as it is, so that nothing else is harmed; the kernel's timestamps of packets stay, too.

import { readFileSync } from 'node:fs'

const now = Date.now
let offset = 0
Date.now = () => now() + offset
process.on('SIGUSR2', () => {
  offset = Number(readFileSync(process.env.SOAK_CLOCK ?? '', 'utf8'))
})
