import type { FastifyInstance } from 'fastify'
import fastifyStatic from '@fastify/static'
import { problem, sendProblem } from './problem.ts'

// The console's files. Paths that are none of them are pages of the console, which finds its way by the URL.

const YEAR = 'public, max-age=31536000, immutable'

export async function serveConsole(app: FastifyInstance, webRoot: string | undefined): Promise<void> {
  if (webRoot !== undefined) {
    await app.register(fastifyStatic, {
      root: webRoot,
      preCompressed: true,
      wildcard: false,
      cacheControl: false,
      schemaHide: true,
      // Vite puts a hash into the name of everything under assets/.
      setHeaders: (reply, path) =>
        void reply.header('cache-control', /[\\/]assets[\\/]/.test(path) ? YEAR : 'no-cache'),
    } as Parameters<typeof fastifyStatic>[1] & object)
  }
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] as string
    // Pages may have dots in their names (/addresses/10.0.0.7); what a browser navigates to, it asks for as HTML.
    const wantsPage = (request.headers.accept ?? '').includes('text/html') || !/\.[a-z0-9]{1,8}$/i.test(path)
    const isPage =
      (request.method === 'GET' || request.method === 'HEAD') &&
      !path.startsWith('/api/') &&
      !path.startsWith('/assets/') &&
      wantsPage
    if (!isPage)
      return sendProblem(
        reply,
        problem(404, `${request.method} ${path.slice(0, 200)} is not known here`, {
          hint: 'GET /api/v1/openapi.json lists what is',
        }),
      )
    if (webRoot !== undefined) return reply.header('cache-control', 'no-cache').sendFile('index.html')
    return reply
      .code(404)
      .type('text/plain; charset=utf-8')
      .send('The console is not built. Run: npm run build\nThe API is under /api/v1/ (GET /api/v1/openapi.json).\n')
  })
}
