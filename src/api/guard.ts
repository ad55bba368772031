import { isIP } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { problem, sendProblem } from './problem.ts'

// What a browser may do with us: nothing from elsewhere runs in the console, and no other site may read it.

const HEADERS = {
  'content-security-policy':
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; " +
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const

/** @param host the address that the server listens on: on a loopback address only local names are answered */
export function guard(app: FastifyInstance, host: string): void {
  const isLocal = isLoopback(host)
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(HEADERS)
    if (request.url.startsWith('/api/')) void reply.header('cache-control', 'no-store')
    // A site may give its own name our loopback address and have a browser ask us in its stead (DNS rebinding).
    if (isLocal && !isLoopback(hostName(request.headers.host ?? ''))) {
      return sendProblem(
        reply,
        problem(
          403,
          `this server answers on ${host} only, not as “${hostName(request.headers.host ?? '').slice(0, 100)}”`,
          { hint: 'use http://127.0.0.1, or listen on another address with --http' },
        ),
      )
    }
    return undefined
  })
}

function hostName(header: string): string {
  return (header.startsWith('[') ? header.slice(1, header.indexOf(']')) : header.replace(/:\d*$/, '')).toLowerCase()
}

function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '::1' ||
    (isIP(host) === 4 && host.startsWith('127.'))
  )
}
